"""The main job: od.config in, an rtc_configuration that coturn accepts out.

    python3 examples/01-first-call/run.py

creates the keys that od.config names, starts `abcwebrtc serve` with it, makes the
call of abcdesktop's browser client, and says what to try while it runs. If
coturn is installed, it starts that too, and opens a real allocation with the
credential. Ctrl-C ends everything.

--once    end after the call
--port N  the port of abcwebrtc serve (8080)
--apt     install missing Debian packages (python3-venv, coturn)
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import ContextManager, Dict, Iterator, Tuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import bootstrap  # noqa: E402
import stage  # noqa: E402

RUN = HERE / "run"
OD_CONFIG = HERE / "od.config"
TURN_PORT = 14780
ENDPOINT = "/API/webrtc/coturn_rtcconfiguration"


def main() -> None:
    """Do what the module says."""
    options = stage.options_parser(__doc__).parse_args()
    bootstrap.enter_venv("metrics", ["abcwebrtc", "aioice"], options.apt)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    has_coturn = bootstrap.install_debian_packages(["coturn"], options.apt)
    secret = make_keys()
    try:
        with coturn_or_not(has_coturn, secret), running_serve(options.port) as (base_url, link):
            answer = stage.call(base_url + ENDPOINT, (RUN / "token").read_text())
            print("abcwebrtc serve answered alice's browser:", json.dumps(answer, indent=2))
            if has_coturn:
                allocate(answer["result"]["iceServers"][-1])
            show(base_url, link, has_coturn)
            stage.wait_unless(options.once)
    except KeyboardInterrupt:
        print()


def make_keys() -> str:
    """Create pyos's key pair, a token signed with it, and coturn's secret; return the secret."""
    RUN.mkdir(mode=0o700, exist_ok=True)
    (RUN / "user_public_key.pem").write_bytes(stage.make_user(RUN))
    secret = secrets.token_urlsafe(32)
    (RUN / "turn_secret").write_text(secret + "\n")
    return secret


def coturn_or_not(has_coturn: bool, secret: str) -> ContextManager[None]:
    """Return what runs a coturn that accepts the secret, if it is installed."""
    if has_coturn:
        return stage.running_coturn(RUN, TURN_PORT, secret)
    print("Without coturn, the credential is shown but not tested.")
    return nullcontext()


@contextmanager
def running_serve(port: int) -> Iterator[Tuple[str, str]]:
    """Run `abcwebrtc serve` with the od.config beside this file; give its URL and the page's."""
    command = [sys.executable, "-m", "abcwebrtc", "serve", str(OD_CONFIG), "--print-link"]
    command.append("--quiet")  # it would warn that only this machine can reach 127.0.0.1
    with stage.running(
        [*command, "--port", str(port)], stdout=subprocess.PIPE, text=True
    ) as process:
        serving, page = process.stdout.readline(), process.stdout.readline()
        if "serving on" not in serving or "test page" not in page:
            sys.exit("abcwebrtc serve did not start, see above")
        yield serving.split()[-1], page.split()[-1]


def show(base_url: str, link: str, has_coturn: bool) -> None:
    """Print what runs, and what to try with the programs of this machine."""
    abcwebrtc, od_config = stage.abcwebrtc(), os.path.relpath(OD_CONFIG)
    runs = [
        f"abcwebrtc serve at {base_url}, with {od_config}",
        f"coturn at 127.0.0.1:{TURN_PORT}" if has_coturn else "no coturn: it is not installed",
    ]
    stage.show_end(
        runs,
        [
            *([f"{abcwebrtc} probe {od_config}"] if has_coturn else []),
            f"{abcwebrtc} mint {od_config} --user alice",
            *stage.curl(base_url + ENDPOINT, RUN / "token"),
        ],
        f"{link}\n\nThis is the test page. The link works once, within 10 minutes.",
    )


def allocate(server: Dict[str, str]) -> None:
    """Use the credential as a browser does: open an allocation on coturn."""
    relayed = asyncio.run(stage.open_allocation(TURN_PORT, server))
    print(f"coturn accepted the credential, and opened the relay {relayed[0]}:{relayed[1]}.")


if __name__ == "__main__":
    main()
