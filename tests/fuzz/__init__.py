"""Fuzz targets with their invariants, a runner, and a corpus of seeds and finds.

Each target is a module with ``check(data)``, which fails if the bytes break a promise. The modules
need no fuzzer: tests/unit/project/test_fuzz_corpus.py runs them on every Python.
"""

from __future__ import annotations

TARGETS = ("loader", "costs", "uris", "turnserver", "manifests", "endpoint")
