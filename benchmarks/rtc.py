"""Time `build_rtc_configuration` against the HMACs that it can't do without.

    .venv/bin/python benchmarks/rtc.py

The baseline is one bare `b64encode(hmac.digest(key, msg, "sha1"))`, which every TURN
credential needs.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import logging
import os
import sys
from typing import Iterator

import measure

from abcwebrtc import WebRTCConfig, build_rtc_configuration

KEY, MESSAGE = measure.SECRET.encode(), b"1703086872"
SERVERS = {"the document's": 1, "three coturn servers": 3, "ten": 10}


def bare() -> None:
    """Compute the password of one TURN credential."""
    base64.b64encode(hmac.digest(KEY, MESSAGE, "sha1"))


def tables(quick: bool) -> Iterator[measure.Table]:
    """Measure it for several numbers of servers, and for each username style."""
    title = "build_rtc_configuration against its bare HMACs"
    rows = [(name, number, _ratio(quick, number)) for name, number in SERVERS.items()]
    yield measure.Table(title, ("configuration", "bare HMACs", "ratio"), rows)
    title = "One server, against one bare HMAC, with and without debug logging"
    styles = [
        (style, _ratio(quick, 1, style), _ratio(quick, 1, style, debug=True))
        for style in ("timestamp", "userid", "pseudonym")
    ]
    yield measure.Table(title, ("username style", "ratio", "with debug logging"), styles)


def _ratio(quick: bool, servers: int, username: str = "timestamp", debug: bool = False) -> float:
    config = WebRTCConfig.from_mapping(measure.coturn_mapping(servers, username))
    with _debug_logging() if debug else contextlib.nullcontext():
        return measure.ratio(lambda: build_rtc_configuration(config, "alice"), bare, quick, servers)


@contextlib.contextmanager
def _debug_logging() -> Iterator[None]:
    """Log everything, as pyos does at level DEBUG, to /dev/null."""
    root = logging.getLogger()
    level = root.level
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        handler = logging.StreamHandler(nowhere)
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.setLevel(level)
            root.removeHandler(handler)


if __name__ == "__main__":
    sys.exit(measure.main(__doc__, {"rtc": tables}))
