"""Check for the GStreamer that the sound container of examples/04-sound needs."""

from __future__ import annotations

import subprocess
from pathlib import Path

from conftest import missing

PYTHON = "/usr/bin/python3"
PACKAGES = (
    "python3-gi python3-gst-1.0 python3-websockets gir1.2-gst-plugins-bad-1.0 gstreamer1.0-nice "
    "gstreamer1.0-plugins-bad gstreamer1.0-plugins-good gstreamer1.0-pulseaudio"
)
ROOT = Path(__file__).resolve().parent.parent.parent
SOUND = ROOT / "examples" / "04-sound" / "container" / "sound.py"


def require_gstreamer() -> None:
    """Skip the test if a part of it is missing, and say how to install it."""
    check = subprocess.run([PYTHON, SOUND, "--check"], capture_output=True, text=True)
    if check.returncode:
        missing(f"{check.stderr.strip()[-200:]}; apt-get install {PACKAGES}")
