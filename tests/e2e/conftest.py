"""Playwright drives the browser, and is not made for every Python that abcwebrtc runs on."""

from __future__ import annotations

import sys

collect_ignore_glob = ["test_*.py"] if sys.version_info < (3, 10) else []
