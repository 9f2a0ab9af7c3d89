"""A fleet of coturns: each user gets one, and dead ones are left out.

    python3 examples/05-fleet/run.py

makes a network of its own, with three machines and a coturn on each. `abcwebrtc serve`
chooses a coturn for each user, and watches all three. The example asks which one each of
twenty users gets, kills one, shows where its users go and which alerts of Prometheus
fire, and starts it again. It needs no root where anybody may make network namespaces.
Ctrl-C ends everything.

--once    end after that
--port N  the port of abcwebrtc serve (8080)
--apt     install missing Debian packages, as root or with sudo
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import bootstrap  # noqa: E402
import monitoring  # noqa: E402
import network  # noqa: E402
import stage  # noqa: E402

RUN = HERE / "run"
OD_CONFIG = HERE / "od.config"
PACKAGES = ["coturn", "iproute2", "prometheus"]
ENDPOINT = "/API/webrtc/coturn_rtcconfiguration"
USERS = [
    *("alice", "bob", "carol", "dan", "erin", "frank", "grace", "heidi", "ivan", "judy"),
    *("kim", "leo", "mia", "nick", "olga", "paul", "quinn", "rosa", "sam", "tina"),
]
SERVE = 8080  # in the example's own network, so in nobody's way
NO_NETWORK = """\
can't make network namespaces here: {}
Run this as root; in a container, that has to be a privileged one."""


def main() -> None:
    """Do what the module says."""
    options = stage.options_parser(__doc__).parse_args()
    bootstrap.enter_venv("metrics", ["abcwebrtc", "prometheus_client"], options.apt)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if not bootstrap.install_debian_packages(PACKAGES, options.apt):
        sys.exit("this example needs all of these packages")
    listener, of_prometheus = listen(options.port), listen(0)
    try:
        enter = network.move_into_new_network()
        network.forward({SERVE: listener, monitoring.PORT: of_prometheus})
        with ExitStack() as stack:
            fleet = put_up(stack)
            choices = show_failure(fleet)
            show_end(fleet, enter, *(one.getsockname()[1] for one in (listener, of_prometheus)))
            while not options.once:
                choices = show_change(fleet, choices)
    except network.NoNetworkError as error:
        sys.exit(NO_NETWORK.format(error))
    except KeyboardInterrupt:
        print()


def listen(port: int) -> socket.socket:
    """Listen on a port of this machine, for a program in the example's own network."""
    try:
        return socket.create_server((network.LOOPBACK, port))
    except (OSError, OverflowError) as error:
        sys.exit(f"can't listen on port {port}: {error}; see --port")


# the programs


class Fleet:
    """The three machines, the coturn that runs on each, and the tokens of the users."""

    def __init__(self, stack: ExitStack, tokens: Mapping[str, str]) -> None:
        from abcwebrtc import load_od_config

        self._stack = stack
        self.tokens = tokens
        servers = load_od_config(OD_CONFIG)["webrtc.coturn"]
        self.addresses = {one["name"]: one["url"].partition(":")[0] for one in servers}
        self._machines = {
            name: stack.enter_context(network.machine(address))
            for name, address in self.addresses.items()
        }
        self.coturns: Dict[str, "subprocess.Popen[Any]"] = {}
        for name in self.addresses:
            self.start(name)

    def start(self, name: str) -> None:
        """Start a coturn, with the turnserver.conf that abcwebrtc makes from od.config."""
        address, conf = self.addresses[name], RUN / f"{name}.conf"
        make = ["turnserver-conf", OD_CONFIG, "--server", address, "--listening-ip", address]
        make += ["--allow-peer", f"{address}/32", "--output", conf, "--force", "--quiet"]
        subprocess.run(abcwebrtc(*make), check=True, stdout=subprocess.DEVNULL)
        files = [f"--pidfile={RUN / name}.pid", f"--userdb={RUN / name}.db", "--log-file=stdout"]
        command = [*self._machines[name], stage.program("turnserver"), "-c", conf, *files]
        self.coturns[name] = start(self._stack, name, command, 3478, address)
        self._stack.callback(self.coturns[name].kill)  # which ends a stopped one too

    def kill(self, name: str) -> None:
        """Kill a coturn; its machine stays."""
        self.coturns[name].kill()
        self.coturns[name].wait()

    def choices(self) -> Dict[str, str]:
        """Ask abcwebrtc serve, as browsers do, which coturn each user gets."""
        names = {address: name for name, address in self.addresses.items()}
        return {user: names[served_by(token)] for user, token in self.tokens.items()}


def put_up(stack: ExitStack) -> Fleet:
    """Start everything."""
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir(mode=0o700)
    (RUN / "turn_secret").write_text(secrets.token_urlsafe(32) + "\n")
    key, tokens = stage.sign_in(USERS)
    (RUN / "user_public_key.pem").write_bytes(key)
    (RUN / "token").write_text(tokens["alice"])
    fleet = Fleet(stack, tokens)
    serve = ["serve", OD_CONFIG, "--port", SERVE, "--probe", 1]
    serve += ["--metrics", f"{network.LOOPBACK}:{monitoring.SERVE}"]
    start(stack, "serve", abcwebrtc(*serve), SERVE)
    probe = ["probe", OD_CONFIG, "--quick", "--watch", 1]
    probe += ["--metrics", f"{network.LOOPBACK}:{monitoring.PROBE}"]
    start(stack, "probe", abcwebrtc(*probe), monitoring.PROBE)
    prometheus = monitoring.command(stage.program("prometheus"), RUN)
    start(stack, "prometheus", prometheus, monitoring.PORT)
    return fleet


def abcwebrtc(*arguments: object) -> List[object]:
    """Return a command line of abcwebrtc."""
    return [sys.executable, "-m", "abcwebrtc", *arguments]


def start(
    stack: ExitStack, name: str, command: Sequence[object], port: int, host: str = network.LOOPBACK
) -> "subprocess.Popen[Any]":
    """Start a program, and wait until it listens; `RUN` gets its log."""
    log = RUN / f"{name}.log"
    stream = stack.enter_context(log.open("ab"))
    words = [str(word) for word in command]
    process = stack.enter_context(stage.running(words, stdout=stream, stderr=stream))

    def listens() -> bool:
        if process.poll() is not None:
            sys.exit(f"{name} did not start:\n{log.read_text()}")
        return stage.listens(host, port)

    stage.wait_for(listens, RUN)
    return process


# what is asked


def served_by(token: str) -> str:
    """Make the call of abcdesktop's browser client; return the host of the coturn it gets."""
    answer = stage.call(f"http://{network.LOOPBACK}:{SERVE}{ENDPOINT}", token)
    (server,) = answer["result"]["iceServers"]
    return str(server["urls"].split(":")[1])


# what is shown


def show_failure(fleet: Fleet) -> Dict[str, str]:
    """Kill a coturn, show what that changes, and start it again; return who gets which."""
    first = fleet.choices()
    say("Each of twenty users gets one coturn, and always the same one:")
    show(fleet, first)
    victim = first["alice"]
    fleet.kill(victim)
    say(f"\nThe coturn {victim} is killed. Three failed probes later, its users (*) get others:")
    now = stage.wait_for(lambda: without(victim, fleet.choices()), RUN)
    show(fleet, now, first)
    strangers = [user for user in USERS if first[user] not in (victim, now[user])]
    if strangers:
        sys.exit(f"users of other coturns have moved too: {' '.join(strangers)}")
    say("Nobody else has moved.")
    say("\nThese alerts of Prometheus fire:")
    url = f"turn:{fleet.addresses[victim]}:3478"
    expected = {f"TurnServerDown: {url} ", f"TurnServerLeftOut: {victim} "}
    for alert in stage.wait_for(lambda: firing_with(expected), RUN):
        say(f"  {alert}")
    fleet.start(victim)
    stage.wait_for(lambda: fleet.choices() == first, RUN)
    stage.wait_for(lambda: not monitoring.firing(), RUN)
    say(f"\n{victim} runs again, its users are back, and no alert fires.")
    return first


def firing_with(starts: Set[str]) -> Optional[List[str]]:
    """Return the alerts that fire if there is one with each of these beginnings."""
    alerts = monitoring.firing()
    found = all(any(alert.startswith(start) for alert in alerts) for start in starts)
    return alerts if found else None


def without(server: str, choices: Dict[str, str]) -> Optional[Dict[str, str]]:
    """Return the choices if nobody gets a server."""
    return None if server in choices.values() else choices


def show_change(fleet: Fleet, before: Dict[str, str]) -> Dict[str, str]:
    """Return who gets which coturn a second later, and print it if it has changed."""
    time.sleep(1)
    now = fleet.choices()
    if now != before:
        say(f"\n{time.strftime('%H:%M:%S')}, users that have moved are marked with *:")
        show(fleet, now, before)
    return now


def show(fleet: Fleet, now: Dict[str, str], before: Optional[Dict[str, str]] = None) -> None:
    """Print the users of each coturn; those that had another one before get a star."""
    for name in fleet.addresses:
        users = [user for user in USERS if now[user] == name]
        marked = [f"*{one}" if (before or now)[one] != name else one for one in users]
        say(f"  {name:9}{' '.join(marked) or '-'}")


def show_end(fleet: Fleet, enter: Sequence[str], port: int, prometheus: int) -> None:
    """Print what runs, and what to try."""
    inside = shlex.join(enter)
    name, coturn = next(iter(fleet.coturns.items()))
    stage.show_end(
        [
            *(f"coturn {one} at {address}:3478" for one, address in fleet.addresses.items()),
            f"abcwebrtc serve at http://127.0.0.1:{port}",
            f"Prometheus at http://127.0.0.1:{prometheus}/alerts",
        ],
        [
            f"kill -STOP {coturn.pid}   # {name} freezes: see here who moves",
            f"kill -CONT {coturn.pid}   # and it goes on",
            *stage.curl(f"http://127.0.0.1:{port}{ENDPOINT}", RUN / "token"),
            f"{inside} {stage.abcwebrtc()} probe {os.path.relpath(OD_CONFIG)}",
        ],
    )
    say("Ctrl-C ends it.")


def say(text: str) -> None:
    """Print what happens."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
