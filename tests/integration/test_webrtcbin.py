"""webrtcbin accepts STUN_SERVER and TURN_SERVER as the sound container would get them.

A pod's manifest becomes an environment as kubelet makes it, GStreamer gathers candidates with
that in a network of its own, and a coturn there answers. `inject` is where the variables get
into the manifest.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional

import pytest

from abcwebrtc import WebRTCConfig, mint_turn_credentials
from conftest import missing, require_program
from integration import netns
from integration.kubelet import POD, SOUND, SOUND_ENTRY, Environment, container_environment, inject
from integration.netns import DESKTOP, DESKTOP_V6, PUBLIC, PUBLIC_V6, SERVER, SERVER_V6
from integration.turn import Certificate
from support import wait_for
from support.programs import running_program

PYTHON = "/usr/bin/python3"
GATHER = Path(__file__).with_name("gather.py")
PACKAGES = "python3-gi gir1.2-gst-plugins-bad-1.0 gstreamer1.0-plugins-bad gstreamer1.0-nice"
SECRET = "the-static-auth-secret-of-coturn"
PORT, TLS_PORT = 3478, 5349


# from od.config to the environment of a process


def environment_for(
    mapping: Mapping[str, Any],
    user: Optional[str] = None,
    now: Optional[float] = None,
    as_secret: bool = False,
) -> Environment:
    now = time.time() if now is None else now
    config = WebRTCConfig.from_mapping({"desktop.pod": SOUND_ENTRY, **mapping})
    pod, secrets = inject(POD, config, user, now, as_secret)
    return container_environment(pod, SOUND, secrets)


def turn_config(port: int = PORT, **changes: Any) -> Dict[str, Any]:
    """Return an od.config that gives coturn to desktops."""
    coturn = {"coturn_static_auth_secret": SECRET, "ttl": 600, "url": f"{SERVER}:{port}", **changes}
    return {"webrtc.enable": True, "webrtc.coturn": coturn, "webrtc.desktop": {"turn": True}}


# what is run


@dataclass
class Gathering:
    """What webrtcbin found, and how gathering ended."""

    end: str = ""
    errors: List[str] = field(default_factory=list)
    candidates: List[Dict[str, str]] = field(default_factory=list)

    def of_type(self, kind: str) -> List[Dict[str, str]]:
        """Return the candidates of a type; those of ICE over TCP are left out."""
        return [c for c in self.candidates if c["type"] == kind and c["protocol"] == "UDP"]

    def addresses(self, kind: str) -> List[str]:
        return [candidate["address"] for candidate in self.of_type(kind)]

    def check_it_gathered(self) -> None:
        """Fail unless gathering ended, and found the desktop's own address."""
        assert (self.end, self.errors) == ("complete", [])
        assert DESKTOP in self.addresses("host")

    def check_it_says_nothing(self) -> None:
        """Fail unless gathering ended, and found only the desktop's own addresses."""
        self.check_it_gathered()
        assert {candidate["type"] for candidate in self.candidates} == {"host"}


Gather = Callable[[Environment], Gathering]
Coturn = Callable[..., Path]


@pytest.fixture(scope="module")
def gather(network: netns.Network, tmp_path_factory: pytest.TempPathFactory) -> Gather:
    """Return a function that gathers candidates with a container's environment."""
    image = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),  # of GStreamer's registry
    }
    check = subprocess.run((PYTHON, GATHER, "--check"), env=image, capture_output=True, text=True)
    if check.returncode:
        missing(f"{check.stderr.strip()[-200:]}; apt-get install {PACKAGES}")

    def run(environment: Environment) -> Gathering:
        done = network.desktop.run(PYTHON, GATHER, env={**image, **environment})
        print(done.stdout, done.stderr)
        found = Gathering()
        for line in map(json.loads, done.stdout.splitlines()):
            found.end = line.get("end", found.end)
            if "error" in line:
                found.errors.append(line["error"])
            if "candidate" in line:
                found.candidates.append(line)
        return found

    return run


@pytest.fixture(scope="module")
def start_coturn(
    network: netns.Network, certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Coturn]:
    """Return a function that starts a coturn outside the desktop, and returns its log."""
    program = require_program("turnserver", "coturn")
    with contextlib.ExitStack() as stack:

        def start(port: int, tls_port: int, *options: str) -> Path:
            folder = tmp_path_factory.mktemp("coturn")
            addresses = [SERVER, SERVER_V6] if network.ipv6 else [SERVER]
            lines = [
                *(f"listening-ip={address}" for address in addresses),
                *(f"relay-ip={address}" for address in addresses),
                f"listening-port={port}",
                f"tls-listening-port={tls_port}",
                f"cert={certificate.cert_file}",
                f"pkey={certificate.key_file}",
                f"pidfile={folder}/pid",
                f"userdb={folder}/db",
                *("no-cli", "log-file=stdout", "verbose", "realm=turn.domain.local"),
                *("use-auth-secret", f'static-auth-secret="{SECRET}"', *options),
            ]
            (folder / "conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
            log = folder / "log"
            command = network.outside.command(program, "-c", folder / "conf")
            stack.enter_context(running_program(command, log))
            protocols = {"udp", "tcp"} - {option[3:] for option in options}
            for protocol in protocols:
                wait_for(lambda name=protocol: network.outside.listens(name, port))
            return log

        yield start


@pytest.fixture(scope="module")
def coturn(start_coturn: Coturn) -> Path:
    return start_coturn(PORT, TLS_PORT)


def wait_for_line(log: Path, part: str) -> None:
    wait_for(lambda: part in log.read_text(encoding="utf-8", errors="replace"))


# STUN

STUN_CONFIGS = {
    "desktop.envlocal": {"desktop.envlocal": {"STUN_SERVER": f"stun://{SERVER}:{PORT}"}},
    "webrtc.desktop": {"webrtc.desktop": {"stun_server": f"stun://{SERVER}"}},
    "what browsers get": {
        "webrtc.rtc_configuration": {"iceServers": [{"urls": f"stun:{SERVER}:{PORT}"}]}
    },
}


@pytest.mark.parametrize("entries", STUN_CONFIGS.values(), ids=STUN_CONFIGS)
def test_a_stun_server_gives_the_address_outside_the_nat(
    entries: Any, gather: Gather, coturn: Path
) -> None:
    environment = environment_for({"webrtc.enable": True, **entries})
    assert "TURN_SERVER" not in environment
    found = gather(environment)
    found.check_it_gathered()
    assert found.addresses("srflx") == [PUBLIC]
    assert found.addresses("relay") == []


def test_without_a_stun_server_there_is_no_such_address(gather: Gather, coturn: Path) -> None:
    environment = environment_for({"webrtc.enable": True})
    assert not {"STUN_SERVER", "TURN_SERVER"} & set(environment)
    gather(environment).check_it_says_nothing()


def test_the_form_that_browsers_take_finds_nothing(gather: Gather, coturn: Path) -> None:
    gather({"STUN_SERVER": f"stun:{SERVER}:{PORT}"}).check_it_says_nothing()


@pytest.mark.parametrize("name", ["STUN_SERVER", "TURN_SERVER"])
@pytest.mark.parametrize("value", ["", " "], ids=["empty", "blank"])
def test_an_empty_variable_breaks_the_pipeline(name: str, value: str, gather: Gather) -> None:
    found = gather({name: value})
    assert found.end == "no pipeline"
    assert found.errors


# TURN

LONGEST = "é" * 248 + "x"
USERS = {
    "a name": "alice",
    "what has a meaning in a URL": "a:b/c@d?e#f[g]%41&h=i;j,k+l",
    "what has a meaning in a pipeline": "a!b.c(d)e=f,g;h$i*j{k}l|m~n",
    "what kubelet expands": "$(POD_IP)$$(POD_IP)",
    "accents": "éloïse",
    "Chinese": "王小明",
    "an emoji": "😀",
    "the longest": LONGEST,
}


def check_relay(found: Gathering) -> None:
    found.check_it_gathered()
    assert found.addresses("relay")
    assert set(found.addresses("relay")) == {SERVER}


@pytest.mark.parametrize("user", USERS.values(), ids=USERS)
def test_a_userid_comes_through(user: str, gather: Gather, coturn: Path) -> None:
    now = time.time()
    check_relay(gather(environment_for(turn_config(username="userid"), user, now)))
    wait_for_line(coturn, f"user <{int(now) + 86400}:{user}>: incoming packet ALLOCATE processed")


@pytest.mark.parametrize("style", ["timestamp", "pseudonym"])
def test_every_other_style_of_username_works(style: str, gather: Gather, coturn: Path) -> None:
    check_relay(gather(environment_for(turn_config(username=style), "alice 'smith'")))


@pytest.mark.parametrize("other", ["udp", "tcp"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_transport_is_the_one_that_is_used(
    transport: str, other: str, gather: Gather, start_coturn: Coturn
) -> None:
    port = {"udp": 4478, "tcp": 4488}[other] + 40 * (transport == "tcp")
    start_coturn(port, port + 5, f"no-{other}")
    found = gather(environment_for(turn_config(port, transport=transport)))
    if transport == other:
        found.check_it_says_nothing()
    else:
        check_relay(found)


def test_a_turn_server_from_a_secret_is_the_same(gather: Gather, coturn: Path) -> None:
    now = time.time()
    plain = environment_for(turn_config(), now=now)
    environment = environment_for(turn_config(), now=now, as_secret=True)
    assert environment == plain
    check_relay(gather(environment))


def test_stun_and_turn_together(gather: Gather, coturn: Path) -> None:
    turn = turn_config(transport="tcp")  # TURN over UDP finds the address outside the NAT too
    alone = gather(environment_for(turn))
    check_relay(alone)
    assert alone.addresses("srflx") == []
    both = gather(environment_for({**turn, **STUN_CONFIGS["desktop.envlocal"]}))
    check_relay(both)
    assert both.addresses("srflx") == [PUBLIC]


def test_an_empty_stun_server_swallows_the_turn_server(gather: Gather, coturn: Path) -> None:
    environment = environment_for(turn_config())
    assert "STUN_SERVER" not in environment
    gather({**environment, "STUN_SERVER": ""}).check_it_says_nothing()


def test_an_ipv6_stun_server(network: netns.Network, gather: Gather, coturn: Path) -> None:
    if not network.ipv6:
        missing("no IPv6 in network namespaces here")
    found = gather(environment_for({"desktop.envlocal": {"STUN_SERVER": f"stun://[{SERVER_V6}]"}}))
    found.check_it_gathered()
    assert found.addresses("srflx") == [PUBLIC_V6]


def test_an_ipv6_turn_server(network: netns.Network, gather: Gather, coturn: Path) -> None:
    if not network.ipv6:
        missing("no IPv6 in network namespaces here")
    found = gather(environment_for(turn_config(url=f"[{SERVER_V6}]:{PORT}")))
    check_relay(found)
    assert {one["related"] for one in found.of_type("relay")} == {DESKTOP_V6}


# what a password is made of


def moment_of_an_awkward_password() -> int:
    """Return a time at which the password without a user contains '/' and '+'."""
    start = int(time.time())
    for now in range(start, start + 1000):
        password = mint_turn_credentials(SECRET, 86400, now=now).password
        if {"/", "+"} <= set(password):
            return now
    raise AssertionError("no such password")


def test_a_password_with_a_slash_and_a_plus_works_encoded_only(
    gather: Gather, coturn: Path
) -> None:
    environment = environment_for(turn_config(), now=moment_of_an_awkward_password())
    check_relay(gather(environment))
    raw = environment["TURN_SERVER"].replace("%2F", "/")
    assert raw != environment["TURN_SERVER"]
    gather({**environment, "TURN_SERVER": raw}).check_it_says_nothing()


def test_a_colon_in_the_username_works_encoded_only(gather: Gather, coturn: Path) -> None:
    environment = environment_for(turn_config(username="userid"), "alice")
    raw = environment["TURN_SERVER"].replace("%3A", ":")
    assert raw != environment["TURN_SERVER"]
    gather({**environment, "TURN_SERVER": raw}).check_it_says_nothing()


def test_a_wrong_secret_gives_no_relay_and_no_reason(gather: Gather, coturn: Path) -> None:
    wrong = {"coturn_static_auth_secret": "another-secret-than-that-of-coturn"}
    gather(
        environment_for(turn_config(username="userid", **wrong), "mallory")
    ).check_it_says_nothing()
    wait_for_line(coturn, ":mallory>: incoming packet message processed, error 401")


FAILING = {
    "dead": {"url": f"{SERVER}:{PORT + 2}"},
    "silent": {"url": "198.51.100.9"},
    "wrong secret": {"coturn_static_auth_secret": "another-secret-than-that-of-coturn"},
}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("changes", FAILING.values(), ids=FAILING)
def test_a_turn_server_that_fails_over_udp_takes_stun_away(
    changes: Dict[str, str], transport: str, gather: Gather, coturn: Path
) -> None:
    """libnice 0.1.21 then drops the answer of STUN_SERVER."""
    stun = {"webrtc.rtc_configuration": {"iceServers": [{"urls": f"stun:{SERVER}:{PORT}"}]}}
    found = gather(environment_for({**turn_config(transport=transport, **changes), **stun}))
    found.check_it_gathered()
    assert found.addresses("srflx") == ([PUBLIC] if transport == "tcp" else [])
    assert found.addresses("relay") == []


# turns


@pytest.mark.parametrize("port", [TLS_PORT, PORT])
@pytest.mark.parametrize("transport", [None, "tcp"])
def test_turns_works_with_coturn(
    transport: Optional[str], port: int, gather: Gather, coturn: Path
) -> None:
    changes = {"transport": transport} if transport else {}
    config = turn_config(port, protocol="turns", **changes)
    environment = environment_for(config)
    assert environment["TURN_SERVER"].startswith("turns://")
    check_relay(gather(environment))


LISTENER = """
import socket, sys
with socket.create_server((sys.argv[1], int(sys.argv[2]))) as server:
    while True:
        with server.accept()[0] as connection:
            connection.settimeout(60)
            print(connection.recv(2).hex(), flush=True)
"""
ALLOCATE_REQUEST = "0003"  # STUN, in the clear; TLS begins with 16


def test_turns_speaks_no_tls(network: netns.Network, gather: Gather, tmp_path: Path) -> None:
    port, log = 4999, tmp_path / "log"
    listener = network.outside.command(sys.executable, "-c", LISTENER, SERVER, port)
    with running_program(listener, log):
        wait_for(lambda: network.outside.listens("tcp", port))
        gather(environment_for(turn_config(port, protocol="turns"))).check_it_says_nothing()
        wait_for(lambda: log.read_text().endswith("\n"))
    assert set(log.read_text().split()) == {ALLOCATE_REQUEST}
