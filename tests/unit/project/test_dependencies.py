"""Every import is declared, and the image gets every declared package."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Set

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from conftest import ROOT
from support.beside import EXAMPLE
from support.pyproject import pyproject

OWN = "abcwebrtc"
IMAGE_PYTHON = {"python_version": "3.13", "python_full_version": "3.13.0", "extra": ""}
DECLARED: List[str] = pyproject()["project"]["dependencies"]
METRICS: List[str] = pyproject()["project"]["optional-dependencies"]["metrics"]
BUILD: List[str] = pyproject()["build-system"]["requires"]


# imports


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the top-level name of each module that some code imports, also in functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).partition(".")[0]


def test_imports_are_found_wherever_they_stand() -> None:
    code = "import a.b, c\ndef f():\n  from d.e import g\n  from . import h\nif f: import i as j"
    assert sorted(imported(ast.parse(code))) == ["a", "c", "d", "i"]


@pytest.mark.skipif(sys.version_info < (3, 10), reason="it does not know its own modules")
def test_what_is_imported_is_declared_and_nothing_else() -> None:
    distributions = importlib.metadata.packages_distributions()
    wanted: Dict[str, Set[str]] = {}
    for path in sorted((ROOT / OWN).rglob("*.py")):
        for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
            if name != OWN and name not in sys.stdlib_module_names:
                known = {canonicalize_name(one) for one in distributions.get(name, [name])}
                wanted.setdefault(name, set()).update(known)
    declared = {canonicalize_name(Requirement(text).name) for text in (*DECLARED, *METRICS)}
    assert {name: known for name, known in wanted.items() if not known & declared} == {}
    assert declared - {one for known in wanted.values() for one in known} == set()


# the locked packages of the image


class Locked(NamedTuple):
    requirement: Requirement
    hashes: List[str]
    why: List[str]
    """What requires it; `-r -` or the name of pyproject.toml for the project itself."""


def locked(text: str) -> Dict[str, Locked]:
    """Return the packages of a lock file in pip's format with uv's comments."""
    found: Dict[str, Locked] = {}
    for block in re.split(r"^(?=\S)", text, flags=re.M):
        if not block.strip() or block.startswith("#"):
            continue
        requirement = Requirement(block.partition("\\")[0])
        why = re.findall(r"(?m)^    #(?: via|  ) (\S.*)$", block)
        hashes = re.findall(r"--hash=(\S+)", block)
        found[canonicalize_name(requirement.name)] = Locked(requirement, hashes, why)
    return found


def misfits(text: str, requirements: List[str], source: str) -> List[str]:
    """Return what a lock file has in excess, lacks, or has in a forbidden version."""
    packages = locked(text)
    wanted = {
        canonicalize_name(one.name): one
        for one in map(Requirement, requirements)
        if one.marker is None or one.marker.evaluate(IMAGE_PYTHON)
    }
    found = [f"{name} is not locked" for name in wanted if name not in packages]
    for name, (requirement, hashes, why) in packages.items():
        (pin,) = requirement.specifier
        if pin.operator != "==" or not hashes or not all(re.match("sha256:", h) for h in hashes):
            found.append(f"{name} is not pinned to files")
        if source in why and name not in wanted:
            found.append(f"{name} is not asked for any more")
        if name in wanted and pin.version not in wanted[name].specifier:
            found.append(f"{name} is {pin.version}")
        strangers = {canonicalize_name(one) for one in why if one != source} - set(packages)
        found += [f"{name} is for {stranger}, which is not there" for stranger in strangers]
    return found


LOCKS = {
    "requirements.txt": ([*DECLARED, *METRICS], "abcwebrtc (pyproject.toml)"),
    "build-requirements.txt": (BUILD, "-r -"),
}


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_file_fits_pyproject_toml(name: str) -> None:
    """Renew it with examples/03-beside-pyos/renew.py."""
    text = (EXAMPLE / name).read_text(encoding="utf-8")
    assert misfits(text, *LOCKS[name]) == []
    assert len(locked(text)) > len(LOCKS[name][0])


def test_a_lock_file_that_does_not_fit_is_found() -> None:
    requirements, source = LOCKS["requirements.txt"]
    text = (EXAMPLE / "requirements.txt").read_text(encoding="utf-8")
    pyyaml = str(locked(text)["pyyaml"].requirement)
    changed = text.replace(pyyaml, "pyyaml==6.0.1").replace("cffi==", "cffi>=")
    assert misfits(changed, requirements, source) == [
        "cffi is not pinned to files",
        "pyyaml is 6.0.1",
    ]
    fewer = [text for text in requirements if not text.startswith("urllib3")]
    assert misfits(text, fewer, source) == ["urllib3 is not asked for any more"]
    assert misfits(text, [*requirements, "newcomer>=1"], source) == ["newcomer is not locked"]


def test_the_command_that_renews_is_named_in_what_it_renews() -> None:
    command = f"python3 {Path(EXAMPLE, 'renew.py').relative_to(ROOT)}"
    for name in (*LOCKS, "Dockerfile"):
        assert command in (EXAMPLE / name).read_text(encoding="utf-8").partition("\n\n")[0]
