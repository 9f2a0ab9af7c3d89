"""Time `import abcwebrtc` against `import json, hmac, configparser`.

    .venv/bin/python benchmarks/imports.py

Each import is timed in a fresh interpreter, and takes turns with the baseline.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from typing import Iterator

import measure

BASELINE = "import json, hmac, configparser"
STATEMENTS = {
    "import abcwebrtc": ("", "import abcwebrtc"),
    "import abcwebrtc, after import cherrypy": ("import cherrypy", "import abcwebrtc"),
}


def tables(quick: bool) -> Iterator[measure.Table]:
    """Time each way of importing it."""
    rounds = 3 if quick else 31
    with tempfile.TemporaryDirectory() as folder:
        for code in STATEMENTS.values():
            _seconds(folder, *code)  # compiles, which happens once per installation
        rows = [
            (name, statistics.median(_ratio(folder, *code) for _ in range(rounds)))
            for name, code in STATEMENTS.items()
        ]
    yield measure.Table(f"Imports, against {BASELINE}", ("statement", "ratio"), rows)


def _ratio(folder: str, before: str, statement: str) -> float:
    return _seconds(folder, before, statement) / _seconds(folder, "", BASELINE)


def _seconds(folder: str, before: str, statement: str) -> float:
    """Return how long a statement takes in a fresh interpreter with its bytecode in `folder`."""
    code = f"import time\n{before}\nt = time.perf_counter()\n{statement}\n"
    command = [sys.executable, "-W", "ignore", "-c", f"{code}print(time.perf_counter() - t)"]
    env = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(command, capture_output=True, check=True, cwd=measure.ROOT, env=env)
    return float(done.stdout)


if __name__ == "__main__":
    sys.exit(measure.main(__doc__, {"imports": tables}))
