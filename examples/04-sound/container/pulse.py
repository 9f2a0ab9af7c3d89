"""PulseAudio with a virtual speaker and a virtual microphone, and no sound card.

Programs in the desktop play to the speaker, whose monitor is the sound of the call. What the
browser's user says is played into a second null sink. A remapped source of its monitor is the
microphone, since many programs don't list monitors as microphones.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator

SPEAKER, VOICE, MICROPHONE = "virtspk", "virtmic", "microphone"
RATE = "rate=48000"  # the rate of Opus
SECONDS = 30
CONFIG = f"""\
load-module module-null-sink sink_name={SPEAKER} {RATE} sink_properties=device.description=Speaker
load-module module-null-sink sink_name={VOICE} {RATE} sink_properties=device.description=Voice
load-module module-remap-source master={VOICE}.monitor source_name={MICROPHONE}
set-default-sink {SPEAKER}
set-default-source {MICROPHONE}
load-module module-native-protocol-unix socket=%s
"""
"""The socket comes last: once it exists, so does the rest. No sink and source may share a name."""


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run PulseAudio with all its files in a folder; give the value of PULSE_SERVER."""
    path = folder / ".pulse.sock"
    config = folder / "pulse.pa"
    config.write_text(CONFIG % path)
    homes = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    process = subprocess.Popen(command(config), env={**os.environ, **homes})
    try:
        wait(process, path)
        yield f"unix:{path}"
    finally:
        process.terminate()
        process.wait()


def command(config: Path) -> list[str]:
    """Return the command line; as root, PulseAudio only prints a warning."""
    return [
        *("setpriv", "--pdeathsig=KILL"),  # it ends with this process at the latest
        *("pulseaudio", "-n", "-F", str(config), "--daemonize=no", "--exit-idle-time=-1"),
        *("--use-pid-file=no", "--realtime=no", "--high-priority=no", "--log-level=error"),
    ]


def wait(process: subprocess.Popen[bytes], path: Path) -> None:
    """Wait until the socket accepts connections."""
    end = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < end:
        with socket.socket(socket.AF_UNIX) as client:
            if client.connect_ex(str(path)) == 0:
                return
        time.sleep(0.05)
    sys.exit("PulseAudio did not start, see above")
