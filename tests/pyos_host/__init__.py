"""A miniature of pyos in ``tree``, with the edits of docs/how-to/pyos.md applied to it.

It is written from what is known of pyos, and does what pyos does where
abcwebrtc meets it. Its comments ``# put: Settings 1`` and ``# instead of the
next line: ...`` are the places that the page's sections name; the lines that
come there are taken from the page.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
from pathlib import Path
from textwrap import dedent, indent
from typing import Dict, Iterator, List, Sequence, Set, Tuple

from support import ServerProcess, environment
from support.servers import running_command

TREE = Path(__file__).parent / "tree"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "pyos.md"
CONTROLLER_FILE = "controllers/webrtc_controller.py"
BASIC = ("Settings", "Controller")
WAYS = (
    "Desktops, with a Secret",
    "Desktops, in the manifest",
    "Desktops, in the environment",
)
_PLACE = re.compile(r"( *)# (put|instead of the next line): (.+) (\d)$")


def sections() -> Dict[str, str]:
    """Return the page's sections by title."""
    parts = re.split(r"^#+ (.+)\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def lines_to_add() -> Dict[str, List[str]]:
    """Return the blocks of lines to add, by section title."""
    pattern = re.compile(r"^```py\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    found = {title: pattern.findall(text) for title, text in sections().items()}
    return {title: blocks for title, blocks in found.items() if blocks}


def fit(folder: Path, titles: Sequence[str] = BASIC) -> Path:
    """Write the host with the lines of these sections of the page, and return its folder."""
    shutil.copytree(str(TREE), str(folder), ignore=shutil.ignore_patterns("__pycache__"))
    left = {(title, i) for title in titles for i in range(len(lines_to_add()[title]))}
    for path in folder.rglob("*.py"):
        path.write_text(_fitted(path, folder, left), encoding="utf-8")
    if ("Controller", 0) in left:
        left.remove(("Controller", 0))
        (folder / CONTROLLER_FILE).write_text(lines_to_add()["Controller"][0], encoding="utf-8")
    assert not left, f"the host has no place for {left}"
    return folder


def _fitted(path: Path, folder: Path, left: Set[Tuple[str, int]]) -> str:
    """Return a file with its lines added, and remove them from `left`."""
    result: List[str] = []
    lines = iter(path.read_text(encoding="utf-8").splitlines(keepends=True))
    for line in lines:
        place = _PLACE.match(line)
        key = (place.group(3), int(place.group(4)) - 1) if place else None
        if place is None or key not in left:
            result.append(line)
            continue
        left.remove(key)
        title, number = key
        assert f"`{path.relative_to(folder).as_posix()}`" in sections()[title]
        result.append(indent(dedent(lines_to_add()[title][number]), place.group(1)))
        if place.group(2) != "put":
            next(lines)
    return "".join(result)


def host_command(folder: Path) -> List[str]:
    return [sys.executable, str(folder / "od.py")]


@contextlib.contextmanager
def running_host(folder: Path, od_config: Path, **variables: str) -> Iterator[ServerProcess]:
    """Run an edited host; `output` is its log at DEBUG."""
    env = environment(OD_CONFIG_PATH=str(od_config), **variables)
    with running_command(host_command(folder), od_config.with_suffix(".log"), env=env) as host:
        yield host
