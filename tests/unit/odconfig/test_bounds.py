"""An od.config that is a bomb is refused: each file is read by a process that may take 1 GiB."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import pytest

from abcwebrtc.odconfig.reader import parse_od_config
from conftest import ROOT

READER = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from abcwebrtc.errors import ConfigError
from abcwebrtc.odconfig.reader import load_od_config
try:
    answer = {"keys": len(load_od_config(sys.argv[1]))}
except ConfigError as error:
    answer = {"problems": [[p.line, p.path, p.message] for p in error.problems]}
print(json.dumps(answer))
"""
HANGS = 60
"""Seconds after which a process is taken to hang; none of them needs a tenth of it."""


def read_within_bounds(path: Path) -> Dict[str, Any]:
    command = [sys.executable, "-c", READER, str(path)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, timeout=HANGS, check=False)
    assert done.returncode == 0
    return dict(json.loads(done.stdout.decode()))


def laughs(joke: str) -> str:
    """Return entries each of which has the one above it 20 times, `joke` at the bottom."""
    lines = [f"l{level}: " + f"%(l{level - 1})s" * 20 for level in range(1, 9)]
    return "\n".join([f"l0: {joke}", *lines, "webrtc.a: %(l8)s"])


MANY = 100000
CLOSING = {"[": "]", "(": ")", "{0:": "}", "[({0:": "},)]"}
BOMBS = {
    **{f"nested {b}": (f"{b * 10000}0{CLOSING[b] * 10000}", "nested") for b in CLOSING},
    **{f"unclosed {b}": (b * MANY, "nested") for b in ("[", "(", "{0:", "[{0:(")},
    "only closed": ("]" * MANY, ""),
    "minus": ("-" * MANY + "1", "operators"),
    "plus": ("1" + "+1" * MANY, "operators"),
    "text plus": ("'a'" + "+'a'" * MANY, "operators"),
    "not": ("not " * MANY + "1", "without quotes"),
    "lambda": ("lambda:" * MANY + "1", "without quotes"),
    "tilde": ("~" * MANY + "1", "'~'"),
    "calls of a name": ("f" + "()" * MANY, "without quotes"),
    "nested calls": ("f(" * MANY + ")" * MANY, "without quotes"),
    "attributes": ("a" + ".a" * MANY, "without quotes"),
    "calls of a literal": ("''" + "()" * 500000, ""),
    "subscripts": ("0" + "[0]" * 300000, ""),
    "slices": ("''" + "[:]" * 300000, ""),
    "f-string of minus": ("f'{" + "-" * MANY + "1}'", ""),
    "f-string of brackets": ("f'{" + "[" * MANY + "]" * MANY + "}'", ""),
    "f-string of subscripts": ("f'{0" + "[0]" * 300000 + "}'", ""),
    "f-string of calls": ("f'{a" + "()" * 500000 + "}'", ""),
    "f-string of attributes": ("f'{a" + ".a" * 500000 + "}'", ""),
    "long text": ("'a' * 10 ** 9", "'**'"),
    "longer text": ("'a' * 1000000000", "too large"),
    "power": ("9 ** 9 ** 9", "'**'"),
    "products": ("*".join(["9" * 100] * 1000), "operators"),
    "list of lists": ("[[0] * 1000] * 1000 * 1000 * 1000", "too large"),
    "doubling": ("[" * 20 + "0" + "] * 1000" * 20, "too large"),
    "digits": ("1" * MANY, "digits"),
    "hexadecimal digits": ("0x" + "f" * MANY, "digits"),
    "digits of a fraction": ("0." + "1" * MANY, "digits"),
    "digits of an exponent": ("1e" + "1" * MANY, "digits"),
    "unclosed quote": ("'" + "\\a" * 400000, "quote"),
    "quotes": ("'" * 999999, "operators"),
    "texts side by side": ("'a'" * 300000, "operators"),
    "numbers side by side": ("1 " * MANY, "operators"),
    "NUL": ("\x00" * 1000000, "NUL"),
    "lines that follow": ("1\n" + " 1\n" * MANY, "after the end"),
}


@pytest.mark.parametrize(("value", "words"), BOMBS.values(), ids=BOMBS)
def test_a_value_that_is_a_bomb_is_refused(value, words, tmp_path):
    path = tmp_path / "od.config"
    path.write_text(f"[global]\nwebrtc.a: {value}\n", encoding="utf-8")
    ((_, key, message),) = read_within_bounds(path)["problems"]
    assert key == "webrtc.a"
    assert words in message


@pytest.mark.parametrize("name", ["subscripts", "calls of a literal", "f-string of minus"])
def test_a_bomb_in_an_entry_that_is_not_used_is_ignored(name, tmp_path):
    path = tmp_path / "od.config"
    path.write_text(f"[global]\ndesktop.a: {BOMBS[name][0]}\nwebrtc.b: 1", encoding="utf-8")
    assert read_within_bounds(path) == {"keys": 1}


BAD_FILES = {
    "references": (laughs("'ha'"), "too much text"),
    "references to nothing": (laughs(""), ""),
    "open references": ("webrtc.a: " + "%(" * 400000, "write '%%'"),
    "blanks": ("a" + " " * 1000000 + "b", "neither"),
    "blanks behind a closer": ("webrtc.a: [\n]" + " " * 1000000 + "b", "neither"),
    "closers": ("webrtc.a: [\n" + "]" * 1000000 + "b", "neither"),
    "short lines": ("k\n" * 500000, "neither"),
    "short indented lines": ("webrtc.a:" + "\n 1" * 300000, "in the line of its key"),
    "headers": ("[a]\n" * 200000, "given twice"),
    "open header": ("[" * 1000000, "neither"),
    "carriage returns": ("\r" * 1000000 + "k", "neither"),
}


@pytest.mark.parametrize(("text", "words"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_is_a_bomb_is_refused(text, words, tmp_path):
    path = tmp_path / "od.config"
    path.write_bytes(f"[global]\n{text}".encode())
    (problem,) = read_within_bounds(path)["problems"]
    assert words in problem[2]


def test_a_large_sparse_file_is_refused(tmp_path):
    path = tmp_path / "od.config"
    with path.open("wb") as stream:
        stream.truncate(2 << 30)
    ((line, _, message),) = read_within_bounds(path)["problems"]
    assert line is None
    assert "larger than 1 MiB" in message


def test_many_sections_and_many_defaults_are_read(tmp_path):
    path = tmp_path / "od.config"
    defaults = "".join(f"{n:x}:\n" for n in range(75000))
    sections = "".join(f"[{n:x}]\n" for n in range(75000))
    path.write_text(f"[DEFAULT]\n{defaults}{sections}[global]\nwebrtc.a: 1", encoding="utf-8")
    assert read_within_bounds(path) == {"keys": 1}


def test_many_references_to_many_lines_do_not_take_for_ever(tmp_path):
    path = tmp_path / "od.config"
    path.write_text("[global]\na: 1" + "\n 1" * 160000 + "\nb: " + "%(a)s" * 80000)
    assert read_within_bounds(path) == {"keys": 0}


def test_many_sections_that_refer_to_a_large_default_do_not_take_for_ever(tmp_path):
    path = tmp_path / "od.config"
    sections = "".join(f"[{n:x}]\nk:%(b)s\n" for n in range(35000))
    path.write_text("[DEFAULT]\na: 1\nb:" + "%(a)s" * 80000 + f"\n[global]\n{sections}")
    assert read_within_bounds(path)


def test_a_product_in_an_entry_that_is_not_used_leaves_room_for_one_that_is():
    text = "[global]\ndesktop.a: 'a' * 1000000000\nwebrtc.b: 24 * 60 * 60"
    assert parse_od_config(text) == {"webrtc.b": 86400}


def test_many_entries_that_are_each_within_the_bound_are_refused_together(tmp_path):
    path = tmp_path / "od.config"
    entries = "".join(f"webrtc.a{n}: '{'a' * 99}' * 9000\n" for n in range(2000))
    path.write_text("[global]\n" + entries, encoding="utf-8")
    assert "too large" in read_within_bounds(path)["problems"][0][2]


def test_many_sums_of_large_lists_do_not_take_for_ever(tmp_path):
    path = tmp_path / "od.config"
    large = "[[0] * 1000] * 1000" + " + []" * 90
    path.write_text("[global]\n" + "".join(f"webrtc.a{n}: {large}\n" for n in range(100)))
    assert read_within_bounds(path)


@pytest.mark.parametrize("key", ["desktop.podmonitor", "desktop.envlocalrules", "jwt_token_users"])
def test_a_longer_key_than_that_of_a_used_entry_is_not_used(key):
    assert parse_od_config(f"[global]\n{key}: os.getpid()") == {}
