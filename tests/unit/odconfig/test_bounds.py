"""An od.config that is a bomb is refused: a process that may take 1 GiB looks at each file."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Dict, List, Tuple

import pytest

from abcwebrtc.odconfig.reader import parse_od_config
from support import environment

READER = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from abcwebrtc.errors import ConfigError
from abcwebrtc.odconfig.reader import load_od_config, parse_od_config, read_sections
from abcwebrtc.odconfig.whole_file import pyos_problems
READ = {
    "load": lambda path: (list(load_od_config(path)), ()),
    "entries": lambda text: (list(parse_od_config(text)), ()),
    "whole": lambda text: ([], pyos_problems(read_sections(text, "f"))),
}
what, texts = json.load(sys.stdin)
for name, text in texts.items():
    print(json.dumps(name), end=": ", flush=True)
    try:
        keys, problems = READ[what](text)
    except ConfigError as error:
        keys, problems = [], error.problems
    print(json.dumps([keys, [[p.line, p.path, p.message] for p in problems]]), flush=True)
"""
HANGS = 180
"""Seconds after which a process is taken to hang; none of them needs a quarter of it."""


def read_within_bounds(what: str, texts: Dict[str, str]) -> Dict[str, Tuple[List[str], List[Any]]]:
    """Return for each text its keys and its problems; the last line names where it ended."""
    done = subprocess.run(
        [sys.executable, "-c", READER],
        input=json.dumps([what, texts]),
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        timeout=HANGS,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, lines[-1:]
    return {name: answer for line in lines for name, answer in json.loads(f"{{{line}}}").items()}


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
    "lines that follow": ("1\n" + " 1\n" * MANY, "20000 lines"),
}


def test_a_value_that_is_a_bomb_is_refused() -> None:
    texts = {name: f"[global]\nwebrtc.a: {value}\n" for name, (value, _) in BOMBS.items()}
    answers = read_within_bounds("entries", texts)
    for name, (_, words) in BOMBS.items():
        ((_, key, message),) = answers[name][1]
        assert key == "webrtc.a", name
        assert words in message, name


def test_a_bomb_in_an_entry_that_is_not_used_is_ignored() -> None:
    names = ("subscripts", "calls of a literal", "f-string of minus")
    texts = {name: f"[global]\ndesktop.a: {BOMBS[name][0]}\nwebrtc.b: 1" for name in names}
    answers = read_within_bounds("entries", texts)
    assert answers == {name: [["webrtc.b"], []] for name in names}


BAD_FILES = {
    "references": (laughs("'ha'"), "too much text"),
    "references to nothing": (laughs(""), ""),
    "open references": ("webrtc.a: " + "%(" * 400000, "write '%%'"),
    "blanks": ("a" + " " * 1000000 + "b", "neither"),
    "blanks behind a closer": ("webrtc.a: [\n]" + " " * 1000000 + "b", "indent it"),
    "closers": ("webrtc.a: [\n" + "]" * 1000000 + "b", "indent it"),
    "short lines": ("k\n" * 500000, "neither"),
    "short indented lines": ("webrtc.a:" + "\n 1" * 300000, "20000 lines"),
    "headers": ("[a]\n" * 200000, "given twice"),
    "open header": ("[" * 1000000, "neither"),
    "carriage returns": ("\r" * 1000000 + "k", "neither"),
}


def test_a_file_that_is_a_bomb_is_refused() -> None:
    texts = {name: f"[global]\n{text}" for name, (text, _) in BAD_FILES.items()}
    answers = read_within_bounds("entries", texts)
    for name, (_, words) in BAD_FILES.items():
        messages = [message for _, _, message in answers[name][1]]
        assert words in messages[0], name
        assert len(messages) <= 10, name


def test_a_large_sparse_file_is_refused(tmp_path):
    path = tmp_path / "od.config"
    with path.open("wb") as stream:
        stream.truncate(2 << 30)
    ((line, _, message),) = read_within_bounds("load", {"sparse": str(path)})["sparse"][1]
    assert line is None
    assert "larger than 1 MiB" in message


def many(number: int, form: str) -> str:
    return "".join(form.format(n) for n in range(number))


LARGE_SUM = "[[0] * 1000] * 1000" + " + []" * 90
LARGE_FILES = {
    "sections and defaults": "".join(
        ("[DEFAULT]\n", many(75000, "{:x}:\n"), many(75000, "[{:x}]\n"), "[global]\nwebrtc.a: 1")
    ),
    "references to many lines": "[global]\na: 1" + "\n 1" * 160000 + "\nb: " + "%(a)s" * 80000,
    "sections that refer to a large default": (
        "[DEFAULT]\na: 1\nb:" + "%(a)s" * 80000 + "\n[global]\n" + many(35000, "[{:x}]\nk:%(b)s\n")
    ),
    "entries that are each within the bound": (
        "[global]\n" + many(2000, f"webrtc.a{{}}: '{'a' * 99}' * 9000\n")
    ),
    "sums of large lists": "[global]\n" + many(100, f"webrtc.a{{}}: {LARGE_SUM}\n"),
}


def test_what_is_large_does_not_take_for_ever() -> None:
    answers = read_within_bounds("entries", LARGE_FILES)
    assert answers["sections and defaults"] == [["webrtc.a"], []]
    assert answers["references to many lines"] == [[], []]
    assert "too large" in answers["entries that are each within the bound"][1][0][2]


LARGE = 1024 * 1024


def full_of(unit: str, start: str = "[global]\na: [", end: str = "]") -> str:
    return start + unit * ((LARGE - len(start) - len(end)) // len(unit)) + end


def in_many_sections(defaults: str, number: int = 60000) -> str:
    return f"[DEFAULT]\n{defaults}[global]\n" + many(number, "[{:x}]\n")


WHOLE_FILES = {
    "names": full_of("a, "),
    "attributes": full_of("os.a, "),
    "calls": full_of("str(), "),
    "sums": full_of("1 + 1, "),
    "f-strings behind the value": "[global]\na: 1\n" + " f'{" + "-" * 100000 + "1}'",
    "entries": "[global]\n" + many(60000, "{0:x}: os.a{0}\n"),
    "large sums": "[global]\n" + many(1000, f"{{:x}}: {LARGE_SUM}\n"),
    "percent signs": in_many_sections(many(20000, "a{:x}: '%%'\n")),
    "bad percent signs": in_many_sections(many(20000, "a{:x}: '%'\n")),
    "plain defaults": in_many_sections(many(75000, "{:x}:\n"), 75000),
    "defaults": in_many_sections(many(20000, "a{:x}: %(b)s\n") + "b: 1\n"),
}


def test_every_bomb_is_looked_at_as_pyos_would_within_bounds() -> None:
    texts = {
        **WHOLE_FILES,
        **{f"value: {name}": f"[global]\na: {value}\n" for name, (value, _) in BOMBS.items()},
        **{f"file: {name}": f"[global]\n{text}" for name, (text, _) in BAD_FILES.items()},
    }
    found = read_within_bounds("whole", texts)
    assert set(found) == set(texts)
    assert found["names"][1][0][2].startswith("not checked: ")
    assert [message for _, _, message in found["value: unclosed quote"][1]] == [
        "pyos refuses the whole file: a quote is not closed, or not a straight one (' or \")"
    ]


def test_a_product_in_an_entry_that_is_not_used_leaves_room_for_one_that_is():
    text = "[global]\ndesktop.a: 'a' * 1000000000\nwebrtc.b: 24 * 60 * 60"
    assert parse_od_config(text) == {"webrtc.b": 86400}


@pytest.mark.parametrize("key", ["desktop.podmonitor", "desktop.envlocalrules", "jwt_token_users"])
def test_a_longer_key_than_that_of_a_used_entry_is_not_used(key):
    assert parse_od_config(f"[global]\n{key}: os.getpid()") == {}
