"""Measure how fast abcwebrtc is and what it costs: all benchmarks, or the ones you name.

    .venv/bin/python benchmarks/run.py
    .venv/bin/python benchmarks/run.py rtc pods

Each benchmark is also a script. docs/explanation/performance.md explains the tables, and --update
writes new ones into it.
"""

from __future__ import annotations

import sys

import endpoint
import imports
import load
import measure
import odconfig
import pods
import rtc
import scale
import users

SUBJECTS = {
    "rtc": rtc.tables,
    "users": users.tables,
    "pods": pods.tables,
    "odconfig": odconfig.tables,
    "imports": imports.tables,
    "endpoint": endpoint.tables,
    "load": load.tables,
    "scale": scale.tables,
}

if __name__ == "__main__":
    sys.exit(measure.main(__doc__, SUBJECTS))
