"""What `import abcwebrtc` and its commands load in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import List, Set

import pytest

from support import WAIT, environment, write_od_config

HEAVY = {"cherrypy", "cheroot", "kubernetes", "aioice", "jwt", "cryptography", "yaml", "rich"}
LAST = "\nprint('loaded:', *{name.partition('.')[0] for name in sys.modules})"


def loaded_by(code: str, *arguments: object) -> Set[str]:
    """Return the top-level modules that are loaded after `code`."""
    result = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}{LAST}", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=WAIT,
        check=True,
    )
    return set(result.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize(
    "code", ["import abcwebrtc", "import abcwebrtc.cli.main", "from abcwebrtc import *"]
)
def test_importing_loads_no_framework(code: str) -> None:
    loaded = loaded_by(code)
    assert "abcwebrtc" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("line", [["check"], ["check", "--json"], ["mint", "--user", "alice"]])
def test_check_and_mint_load_no_framework(tmp_path: Path, line: List[str]) -> None:
    code = "from abcwebrtc.cli.main import main\nassert main(sys.argv[1:]) == 0"
    assert not loaded_by(code, *line, write_od_config(tmp_path)) & HEAVY


def test_the_test_would_see_a_framework() -> None:
    assert loaded_by("import abcwebrtc.web.rest") >= {"cherrypy", "jwt", "cryptography"}
