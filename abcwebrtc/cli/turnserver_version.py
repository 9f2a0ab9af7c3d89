"""For which coturn ``abcwebrtc turnserver-conf`` works: the one told, this machine's, or 4.6."""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import Optional

from abcwebrtc.coturn.options import NEWEST, OLDEST, USUAL, CoturnVersion, parse_version

SECONDS = 3.0
"""How long this machine's turnserver may take to say its version."""


def add_version(parser: argparse.ArgumentParser) -> None:
    """Declare ``--coturn``."""
    parser.add_argument(
        "--coturn",
        metavar="VERSION",
        type=_version,
        help=f"coturn's version, such as {USUAL} (this machine's, else {USUAL})",
    )


def chosen_version(told: Optional[CoturnVersion]) -> CoturnVersion:
    """Return the version to work for, and say on stderr where it is not the one told."""
    if told is None:
        found = installed_version()
        told = found or USUAL
        source = "that of this machine" if found else "since this machine has none"
        _note(f"for coturn {told}, {source}; for another one write --coturn VERSION")
    if told > NEWEST:
        _note(f"coturn {told} is not known here; it is taken for {NEWEST}")
    return told.known


def installed_version(program: str = "turnserver") -> Optional[CoturnVersion]:
    """Return the version of this machine's coturn, None where there is none that says it."""
    try:
        result = subprocess.run(  # noqa: S603, two words, and no shell
            (program, "--version"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    output = result.stdout.decode("ascii", "replace")
    if "unrecognized option '--version'" in output and "TURN" in output:
        return OLDEST  # 4.6 was the first to know the option
    found = parse_version(output.strip())
    return found if found and found >= OLDEST else None


def _version(text: str) -> CoturnVersion:
    version = parse_version(text)
    if version is None:
        raise argparse.ArgumentTypeError(f"write coturn's version, such as {USUAL} or {NEWEST}.0")
    if version < OLDEST:
        raise argparse.ArgumentTypeError(f"coturn is too old before {OLDEST}; take a newer one")
    return version


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)
