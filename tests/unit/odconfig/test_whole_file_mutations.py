"""A slip of the finger in an od.config is judged as CherryPy does, with which pyos reads it."""

from __future__ import annotations

import io
import re
import warnings
from typing import Any, List

import pytest
from cherrypy.lib.reprconf import Parser
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from abcwebrtc.errors import Problem
from abcwebrtc.odconfig.reader import read_entries, scan_sections
from abcwebrtc.odconfig.whole_file import pyos_problems
from conftest import ROOT

OWN = ROOT / "tests" / "data" / "od.config"
SLIPS = [*"'\"[](){},: \n#%;=\\", "\n}", "\n]", "\n ", "true", " b", "é"]


def entries() -> List[str]:
    """Return the entries of the project's own od.config, each with the lines that belong to it."""
    section = re.split(r"(?m)^\[global\]|^\[", OWN.read_text(encoding="utf-8"))[1]
    parts = re.split(r"(?m)^(?=[A-Za-z_])", section)
    return [part for part in parts[1:] if "%(" not in part]


ENTRIES = entries()


def pyos_takes(text: str) -> bool:
    """Return whether CherryPy reads a file; what is called in it does no harm."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return "global" in Parser().dict_from_file(io.StringIO(text, newline=None))
        except Exception:
            return False


def errors_in(text: str) -> List[Problem]:
    """Return what `apply` would not roll a file out for, its own rules left aside."""
    reader = scan_sections(text, "od.config")
    found = [one for one in pyos_problems(reader) if one.level == "error"]
    config = read_entries(reader)
    return [*found, *config.errors, *config.closers]


@st.composite
def slips(draw: Any) -> str:
    text = "[global]\n" + "".join(draw(st.lists(st.sampled_from(ENTRIES), min_size=1, max_size=3)))
    assume(pyos_takes(text))  # no entry is given twice
    at = draw(st.integers(len("[global]"), len(text)))
    if draw(st.booleans()):
        return text[:at] + draw(st.sampled_from(SLIPS)) + text[at:]
    return text[:at] + text[at + draw(st.integers(1, 2)) :]


def test_the_entries_are_many_and_pyos_takes_them() -> None:
    assert len(ENTRIES) > 20
    text = "[global]\n" + "".join(ENTRIES)
    assert pyos_takes(text)
    assert errors_in(text) == []


@settings(max_examples=200)
@given(slips())
def test_a_file_with_a_slip_is_judged_as_cherrypy_judges_it(text: str) -> None:
    # Python from 3.10 on reads a header up to its last bracket, the 3.8 of pyos up to its first.
    assume(not re.search(r"(?m)^\s*\[[^\n]*\][^\n]*\]", text))
    # A stray bracket whose comment has a ':' is a key for CherryPy, and a mistake for abcwebrtc.
    assume(not re.search(r"(?m)^[)\]}]+[ ,]*#[^\n]*[:=]", text))
    takes, errors = pyos_takes(text), errors_in(text)
    if takes and errors:  # an entry that abcwebrtc uses holds what CherryPy runs: not for us
        assert all("whole file" not in error.message for error in errors)
    else:
        assert takes is not bool(errors)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: {\n  'b': 1,\n'c': 2 }\n", 4),
        ("a: [\n  1\n]\n", 4),
        ("a: [\n  1\n], 2\n", 4),
        ("a: [\n  1\n] # note: 2\n", 4),
        ("a: 1\nb\n", 3),
        ("a: [\n  1\n]: 2\n", 2),
    ],
)
def test_what_stands_in_the_first_column_is_judged_as_cherrypy_does(text: str, line: int) -> None:
    text = f"[global]\n{text}"
    assert not pyos_takes(text)
    assert line in [error.line for error in errors_in(text)]
