"""A stand-in for abcdesktop's sound container: PulseAudio, a signalling websocket, webrtcbin.

Runs on the system's python3, for which Debian builds GStreamer. STUN_SERVER, TURN_SERVER and
POD_IP come from the environment, as the kubelet makes it from the pod's manifest. SIGTERM ends
it and its PulseAudio.

--folder DIR   the pod's volume /tmp, with PulseAudio's socket .pulse.sock
--port N       the websocket's port, on POD_IP (29787)
--relay-only   use only TURN
--check        say which parts of GStreamer are missing, and end
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path

import call
import pulse
import signalling


def main() -> None:
    """Do what the module says."""
    options = parse_options()
    absent = call.missing_elements()
    if absent:
        sys.exit(f"GStreamer lacks {', '.join(absent)}")
    if options.check:
        return
    with pulse.running(options.folder) as server:
        os.environ["PULSE_SERVER"] = server
        asyncio.run(serve(options))


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("/tmp"), help=argparse.SUPPRESS)  # noqa: S108
    parser.add_argument("--port", type=int, default=29787, help=argparse.SUPPRESS)
    parser.add_argument("--relay-only", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


async def serve(options: argparse.Namespace) -> None:
    """Accept browsers until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    make_call = partial(call.Call, dict(os.environ), options.relay_only)
    async with signalling.listening(os.environ["POD_IP"], options.port, make_call):
        await stop.wait()


if __name__ == "__main__":
    main()
