"""Sound, from a program in a desktop to a browser, with abcwebrtc's configuration.

    python3 examples/04-sound/run.py

runs coturn with the turnserver.conf of abcwebrtc, `abcwebrtc serve`, a stand-in
for the sound container with the variables of the injected pod, and a page that
makes the calls of abcdesktop's client. Open the page to hear what paplay plays.
It needs no root. Ctrl-C ends everything.

--once        a headless Chromium listens instead of you, then the example ends
--port N      the page's port (8080)
--address IP  this machine's address to use, if it has several
--apt         install missing Debian packages, as root or with sudo
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import secrets
import shutil
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, List

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import bootstrap  # noqa: E402
import stage  # noqa: E402

RUN = HERE / "run"
USER = "alice"
TURN_PORT = 14784
LOOPBACK = "127.0.0.1"
CHIME, TONE = [523, 659, 784], 440  # Hz
PACKAGES = [
    *("coturn", "nginx", "pulseaudio", "pulseaudio-utils"),
    *("python3-gi", "python3-gst-1.0", "python3-websockets"),
    *("gir1.2-gst-plugins-bad-1.0", "gir1.2-gst-plugins-base-1.0", "gstreamer1.0-nice"),
    *("gstreamer1.0-plugins-bad", "gstreamer1.0-plugins-base", "gstreamer1.0-plugins-good"),
    "gstreamer1.0-pulseaudio",
]
NO_ADDRESS = """\
This machine has only loopback addresses, which WebRTC ignores.
Connect it to a network, or give it an address that only it knows:

  sudo ip link add sound0 type veth peer name sound1
  sudo ip address add 10.98.76.54/32 dev sound0
  sudo ip link set sound1 up
  sudo ip link set sound0 up

and then add --address 10.98.76.54 to this command."""


def main() -> None:
    """Do what the module says."""
    options = parse_options()
    bootstrap.enter_venv("metrics", ["abcwebrtc", "aioice"], options.apt)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    packages = [*PACKAGES, *(["chromium"] if options.once else [])]
    if not bootstrap.install_debian_packages(packages, options.apt):
        sys.exit("this example needs all of these packages")
    address = options.address or stage.own_address() or sys.exit(NO_ADDRESS)
    for host, port in ((address, TURN_PORT), (LOOPBACK, options.port)):
        fault = stage.bind_fault(host, port)
        if fault:
            sys.exit(f"can't listen on {host}:{port}: {fault}; see --address and --port")
    import chain

    try:
        with ExitStack() as stack:
            put_up(stack, address, options)
    except KeyboardInterrupt:
        print()
    except chain.ChainError as error:
        sys.exit(str(error))


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = stage.options_parser(__doc__)
    parser.add_argument("--address", type=ipv4_address, help=argparse.SUPPRESS)
    return parser.parse_args()


def ipv4_address(text: str) -> str:
    """Return an address that WebRTC uses, as text."""
    address = ipaddress.IPv4Address(text)
    if address.is_loopback:
        raise argparse.ArgumentTypeError("WebRTC ignores loopback addresses")
    return str(address)


def put_up(stack: ExitStack, address: str, options: argparse.Namespace) -> None:
    """Start everything, and let somebody listen."""
    import chain

    od_config, host = make_files(address), chain.Host(RUN)
    coturn = chain.running_coturn(host, od_config, "--listening-ip", address)
    stack.enter_context(coturn)
    # Only coturn must be reachable from elsewhere; the pod's own address is loopback here.
    starting = chain.running_desktop(
        host, od_config, USER, LOOPBACK, stage.free_port(), "--relay-only"
    )
    desktop = stack.enter_context(starting)
    api = stack.enter_context(chain.running_serve(host, od_config))
    addresses = {USER: desktop.address}
    site = chain.running_nginx(host, options.port, api, RUN / "logins", addresses)
    base_url = stack.enter_context(site)
    runs = [
        f"coturn at {address}:{TURN_PORT}, with the file of abcwebrtc turnserver-conf",
        f"the sound container of {USER}, with the variables of the injected pod",
        f"abcwebrtc serve at {api}",
        f"nginx at {base_url}, in front of the page, the API and the signalling",
    ]
    (listen if options.once else explain)(desktop, runs, f"{base_url}/?user={USER}&relay")


def make_files(address: str) -> Path:
    """Create the secret, the user's token and this machine's od.config; return its path."""
    shutil.rmtree(RUN, ignore_errors=True)
    logins = RUN / "logins"
    logins.mkdir(mode=0o700, parents=True)
    RUN.chmod(0o700)
    (RUN / "turn_secret").write_text(secrets.token_urlsafe(32) + "\n")
    (RUN / "user_public_key.pem").write_bytes(stage.make_user(logins))
    (logins / "token").rename(logins / USER)
    text = (HERE / "od.config").read_text(encoding="utf-8")
    od_config = RUN / "od.config"
    od_config.write_text(text.replace("turn.domain.local:3478", f"{address}:{TURN_PORT}"))
    return od_config


def explain(desktop: Any, runs: List[str], url: str) -> None:
    """Print what runs and what to do, and wait for Ctrl-C."""
    import tones

    wav = os.path.relpath(tones.write_wav(RUN / "chime.wav", CHIME, 0.5))
    environment = f"PULSE_SERVER={desktop.pulse_server}"
    commands = [
        f"{environment} paplay {wav}",
        f"{environment} parecord --device=microphone voice.wav",
    ]
    about = [
        "First click Connect on the page. The first command plays a chime in the desktop, and you",
        "hear it from the page. The second one records what you say, until Ctrl-C.",
    ]
    stage.show_end(runs, commands, "\n".join([url, "", *about]))
    stage.wait_unless(False)


def listen(desktop: Any, runs: List[str], url: str) -> None:
    """Play a tone in the desktop, and let a headless Chromium listen."""
    import headless
    import tones

    for line in runs:
        say(f"Running: {line}")
    wav = tones.write_wav(RUN / "tone.wav", [TONE], 60)
    with headless.playing(desktop.pulse_server, wav):
        say(f"\npaplay plays {TONE} Hz in the desktop, and Chromium opens {url}:")
        for line in headless.console(url + "&start", RUN / "chromium"):
            print(f"  {line}", flush=True)
            if line.startswith("Heard "):
                break
            if line.startswith("FAILED: "):
                sys.exit("there is no sound, see above")
    if abs(int(line.split()[1]) - TONE) > 2:
        sys.exit(f"this is not {TONE} Hz")
    say("Chromium has heard the tone.")


def say(text: str) -> None:
    """Print what happens."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
