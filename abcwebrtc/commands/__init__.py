"""The commands of ``abcwebrtc``, a module each.

A command's module has NAME, SUMMARY (a line for ``abcwebrtc --help``),
DESCRIPTION (for its own ``--help``), ``add_arguments(parser)`` and
``run(options)``, which prints and returns the exit status. Each takes the
od.config first; one that sets OWN_POSITIONALS declares all of them itself.
"""

from __future__ import annotations

import argparse
from typing import Optional

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def add_od_config(parser: argparse.ArgumentParser, nargs: Optional[str] = None) -> None:
    """Declare the od.config; `nargs` "?" makes it optional."""
    parser.add_argument("od_config", metavar="OD_CONFIG", nargs=nargs, help="pyos's od.config file")
