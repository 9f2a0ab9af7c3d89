"""The INI layer reads what CherryPy's parser reads, and refuses what that refuses."""

from __future__ import annotations

import configparser
import contextlib
import io
import sys
from typing import Any, Dict, List, Optional

import pytest
from cherrypy.lib.reprconf import Parser
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc.errors import ConfigError
from abcwebrtc.odconfig.ini import MAX_DEPTH, Budget, IniReader, Interpolation, shown

ELSEWHERE = "\x85\u2028\x0b\x0c\x1c"
"""Characters at which `str.splitlines` breaks a line, and a file doesn't."""


def sound(text: str) -> IniReader:
    reader = IniReader(text, "od.config")
    if tuple(reader.errors):
        raise ConfigError(*reader.errors)
    return reader


def read(text: str) -> Dict[str, Dict[str, str]]:
    sections = sound(text).sections
    return {
        name: {key: entry.text for key, entry in section.items()}
        for name, section in sections.items()
    }


def problem_of(text: str) -> Any:
    with pytest.raises(ConfigError) as caught:
        sound(text)
    (problem,) = caught.value.problems
    return problem


def cherrypy_parser(text: str) -> Parser:
    """Return CherryPy's parser of a text whose line ends are read as those of a file."""
    parser = Parser()
    parser.read_file(io.StringIO(text, newline=None))
    return parser


def read_with_cherrypy(text: str) -> Dict[str, Dict[str, str]]:
    parser = cherrypy_parser(text)
    sections = {name: dict(parser.items(name, raw=True)) for name in parser.sections()}
    defaults = dict(parser.defaults())
    return {"DEFAULT": defaults, **sections} if defaults else sections


# sections and entries


def test_a_second_bracket_behind_a_section_is_a_warning() -> None:
    reader = IniReader("# c\n[global] see [1]\nk: 1", "od.config")
    assert list(reader.sections) == ["global"]
    (problem,) = reader.warnings
    assert (problem.line, problem.level) == (2, "warning")
    assert "a second ']'" in problem.message
    assert list(IniReader("[global] see 1", "od.config").warnings) == []


def test_pythons_from_310_on_read_another_name_there() -> None:
    name = "global] see [1" if sys.version_info >= (3, 10) else "global"
    assert list(read_with_cherrypy("[global] see [1]\nk: 1")) == [name]


@pytest.mark.parametrize(
    ("text", "sections"),
    [
        ("", {}),
        ("# c\n; c\n  # c\n", {}),
        ("[global] trailing", {"global": {}}),
        ("  [global]\nk: 1", {"global": {"k": "1"}}),
        ("[ global ]\nk: 1", {" global ": {"k": "1"}}),
        ("[DEFAULT]\na: 1\n[DEFAULT]\nb: 2", {"DEFAULT": {"a": "1", "b": "2"}}),
        ("[a]\nk =1", {"a": {"k": "1"}}),
        ("[a]\nk\t:\t1\t", {"a": {"k": "1"}}),
        ("[a]\nk: x=1", {"a": {"k": "x=1"}}),
        ("[a]\nk==1", {"a": {"k": "=1"}}),
        ("[a]\nKey: 1\nkey: 2", {"a": {"Key": "1", "key": "2"}}),
        ("[a]\ntwo words: 1", {"a": {"two words": "1"}}),
        ("[a]\n[b: 1", {"a": {"[b": "1"}}),
        ("[a]\nk: 1 # kept", {"a": {"k": "1 # kept"}}),
        ("[a]\nk: 1\n\n  2\n\n", {"a": {"k": "1\n\n2"}}),
        ("[a]\nk: 1\n# dropped\n  ; dropped\n  2", {"a": {"k": "1\n2"}}),
        ("[a]\n  k: 1\n  l: 2\n   3", {"a": {"k": "1", "l": "2\n3"}}),
        ("[a]\nk: 1\n  l: 2", {"a": {"k": "1\nl: 2"}}),
        ("[a]\r\nk: 1\r\n 2\r\n", {"a": {"k": "1\n2"}}),
        ("[a]\rk: 1\r 2\r", {"a": {"k": "1\n2"}}),
        (f"[a]\nk: 'x{ELSEWHERE}y'", {"a": {"k": f"'x{ELSEWHERE}y'"}}),
        ("[a]\nk: \x00", {"a": {"k": "\x00"}}),
    ],
)
def test_sections_and_entries_are_those_of_cherrypy(text, sections):
    assert read(text) == sections == read_with_cherrypy(text)


REFUSED = [
    ("\n# c\n  k: 1\n[a]", 3, "before the first section"),
    ("\ufeff[global]\nk: 1", 1, "this line begins with an invisible character"),
    ("[]\nk: 1", 1, "before the first section"),
    ("[a]\nk: 1\n[b]\n[a]", 4, "first in line 1"),
    ("[a]\nk: 1\nl: 2\nk: 3", 4, "lines 2 and 4"),
    ("[DEFAULT]\nk: 1\n[DEFAULT]\nk: 2", 4, "lines 2 and 4"),
    ("[a]\nk", 2, "neither 'key: value' nor a section"),
    ("[a]\nk: [\n1,\n ]", 3, "indent it with a space"),
    ("[a]\n  continuation of nothing", 2, "neither"),
    ("[a]\n: 1", 2, "neither"),
    ("[a\nk: 1", 1, "before the first section"),
    ("[a]\n[]", 2, "neither"),
    ("[a]\rk: 1\rl", 3, "neither"),
]


@pytest.mark.parametrize(("text", "line", "words"), REFUSED)
def test_what_cherrypy_refuses_is_refused_with_its_line(text, line, words):
    with pytest.raises(configparser.Error):
        cherrypy_parser(text)
    problem = problem_of(text)
    assert (problem.file, problem.line, problem.level) == ("od.config", line, "error")
    assert words in problem.message


def test_a_duplicate_is_named_by_its_key():
    assert problem_of("[a]\nwebrtc.enable: 1\nwebrtc.enable: 2").path == "webrtc.enable"


LINES = st.sampled_from(
    [
        *("[global]", "[a]", "[DEFAULT]", " [b] ", "[]", "[c", "", "   ", "# c: 1", "  ; c"),
        *("k: v", "k = w", " k: v", "  l=1", "l:", "m", " m", "\tn: o", "\x0c p : q ", ": x"),
        *("= x", "k: %(l)s", "o: %(k)s%%", " %(o)s", "l: %", "m: %(x)s", "n: %(n)s", "p = %()s"),
        *(" 'x' # c", " }", " ],", "k\u2028: v", "\x85r: s", "K: v", "q: ''' ", "é: ü"),
    ]
)
TEXTS = st.builds(
    lambda head, lines, end: end.join(head + lines),
    st.sampled_from([[], ["[global]"], ["[DEFAULT]", "k: 1"]]),
    st.lists(LINES, max_size=10),
    st.sampled_from(["\n", "\r\n", "\r"]),
)


@settings(max_examples=200)
@given(TEXTS)
def test_any_mix_of_lines_is_read_or_refused_as_cherrypy_does(text):
    try:
        expected: Optional[Dict[str, Any]] = read_with_cherrypy(text)
    except configparser.Error:
        expected = None
    try:
        actual: Optional[Dict[str, Any]] = read(text)
    except ConfigError:
        actual = None
    if expected is None or actual is None:
        assert actual is expected
        return
    defaults = actual.pop("DEFAULT", {})
    assert defaults == expected.pop("DEFAULT", {})
    assert {name: {**defaults, **own} for name, own in actual.items()} == expected


@settings(max_examples=200)
@given(st.text())
def test_any_text_is_read_or_refused_with_a_config_error(text):
    for prefix in ("", "[global]\nk:"):
        with contextlib.suppress(ConfigError):
            sound(prefix + text)


# a bracket that closes in the first column


@pytest.mark.parametrize(
    "closer", ["}", "]", ")", "}]", "},", "} ,", "}\t# note", "]) # a: b", "} # a, b"]
)
def test_a_closer_in_the_first_column_continues_the_entry_with_a_warning(closer):
    reader = IniReader(f"[a]\nk: [\n 1\n{closer}\nl: 2", "od.config")
    assert reader.sections["a"]["k"].text == f"[\n1\n{closer}"
    assert reader.sections["a"]["l"].text == "2"
    (warning,) = reader.warnings
    assert (warning.level, warning.file, warning.line) == ("warning", "od.config", 4)
    assert f"'{closer[0]}'" in warning.message


@pytest.mark.parametrize("line", ["} x", "}, 1", "{", "}}x", "} x # c"])
def test_something_else_in_the_first_column_is_refused(line):
    assert problem_of(f"[a]\nk: [\n{line}").line == 3


def test_a_closer_with_a_delimiter_is_a_key():
    assert read("[a]\nk: [\n]]: 1") == {"a": {"k": "[", "]]": "1"}}


@pytest.mark.parametrize("text", ["}", "[a]\n}", "[a]\nk: 1\n[b]\n}"])
def test_a_closer_without_an_entry_is_refused(text):
    assert problem_of(text).line == text.count("\n") + 1


def test_an_indented_closer_needs_no_warning():
    assert list(IniReader("[a]\nk: [\n ]", "od.config").warnings) == []


# entries


def test_an_entry_knows_its_line_and_the_lines_of_its_value():
    text = "[a]\n\nk: [ # c\n# c\n  1,\n\n  ]\n\nl: 2"
    entry = IniReader(text, "od.config").sections["a"]["k"]
    assert (entry.key, entry.line, entry.text) == ("k", 3, "[ # c\n1,\n\n]")
    assert entry.lines == ((3, "[ # c"), (5, "1,"), (6, ""), (7, "]"))


@pytest.mark.parametrize(
    ("key", "is_shown"),
    [
        ("webrtc.rtc_configuration", True),
        ("jwt_token_user", True),
        ("c2VjcmV0", False),
        ("'quoted'", False),
        ("two words", False),
        ("webrtc.coturn 'c2VjcmV0'", False),
        ("webrtc.a\n", False),
    ],
)
def test_a_key_is_shown_only_if_it_is_no_half_of_a_value(key, is_shown):
    assert shown(key) == (key if is_shown else "")


# interpolation


def interpolation(text: str, section: str = "a") -> Interpolation:
    sections = sound(text).sections
    return Interpolation(sections, section, "od.config", Budget())


def expand(text: str) -> str:
    names = interpolation(text)
    names.check(names.entries["k"])
    return "\n".join(line for _, line in names.expand(names.entries["k"]))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[a]\nk: 100%%", "100%"),
        ("[a]\nk: %%(l)s\nl: 1", "%(l)s"),
        ("[a]\nl: 1\nk: [%(l)s, %(l)s]", "[1, 1]"),
        ("[a]\nk: %(l)s\nl: %(m)s\nm: 50%%", "50%"),
        ("[a]\nl: 1\n  2\nk: <\n  %(l)s>", "<\n1\n2>"),
        ("[a]\nl:\nk: x%(l)sy", "xy"),
        ("[a]\nk: %(l)s\n[DEFAULT]\nl: 1", "1"),
        ("[DEFAULT]\nl: 1\n[a]\nl: 2\nk: %(l)s", "2"),
        ("[DEFAULT]\nk: %(l)s\n[a]\nl: 2", "2"),
        ("[a]\nl = 1\nk = %(L)s\nL = 2", "2"),
    ],
)
def test_references_are_expanded_as_cherrypy_does(text, value):
    assert expand(text) == value == cherrypy_parser(text).get("a", "k")


BAD_PERCENT = [
    ("[a]\nwebrtc.k: 100%", 2, "a bare '%'"),
    ("[a]\nwebrtc.k: %(l)d\nl: 1", 2, "a bare '%'"),
    ("[a]\nwebrtc.k: %()s", 2, "a bare '%'"),
    ("[a]\nwebrtc.k: [\n\n  # c\n  5 %\n  ]", 5, "a bare '%'"),
    ("[a]\nwebrtc.k: %\n  %", 2, "a bare '%'"),
    ("[a]\nwebrtc.k: 1\n  %(l)s\n[b]\nl: 1", 3, "names no entry"),
    ("[a]\nwebrtc.k: %(L)s\nl: 1", 2, "names no entry"),
]


@pytest.mark.parametrize(("text", "line", "words"), BAD_PERCENT)
def test_a_bad_percent_sign_is_refused_with_its_line(text, line, words):
    with pytest.raises(configparser.InterpolationError):
        cherrypy_parser(text).get("a", "webrtc.k")
    names = interpolation(text)
    with pytest.raises(ConfigError) as caught:
        names.check(names.entries["webrtc.k"])
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.path) == ("od.config", line, "webrtc.k")
    assert words in problem.message


def chain(length: int) -> str:
    links = [f"k{number}: %(k{number + 1})s" for number in range(1, length)]
    return "\n".join(["[a]", "k: %(k1)s", *links, f"k{length}: '%%'"])


def test_references_nest_as_deep_as_in_cherrypy_and_no_deeper():
    assert MAX_DEPTH == configparser.MAX_INTERPOLATION_DEPTH
    deepest = chain(MAX_DEPTH - 1)
    assert expand(deepest) == "'%'" == cherrypy_parser(deepest).get("a", "k")
    with pytest.raises(configparser.InterpolationDepthError):
        cherrypy_parser(chain(MAX_DEPTH)).get("a", "k")
    with pytest.raises(ConfigError, match="nested more than 10 deep"):
        expand(chain(MAX_DEPTH))


@pytest.mark.parametrize("text", ["[a]\nk: %(k)s", "[a]\nk: %(l)s\nl: %(m)s\nm: %(k)s"])
def test_a_ring_of_references_is_refused(text):
    with pytest.raises(configparser.InterpolationDepthError):
        cherrypy_parser(text).get("a", "k")
    with pytest.raises(ConfigError, match="refers to itself"):
        expand(text)


def test_an_expanded_line_keeps_the_number_of_the_line_with_the_reference():
    names = interpolation("[a]\nl: [1,\n  2]\n\nk: {\n  'x': %(l)s,\n  'y': 3 }")
    expanded = ((5, "{"), (6, "'x': [1,"), (6, "2],"), (7, "'y': 3 }"))
    assert names.expand(names.entries["k"]) == expanded


def laughs(joke: str, levels: int = 6) -> str:
    lines = [f"l{level}: " + f"%(l{level - 1})s" * 20 for level in range(1, levels)]
    return "\n".join(["[a]", f"l0: {joke}", *lines, f"k: %(l{levels - 1})s"])


def test_what_references_expand_to_is_bounded():
    with pytest.raises(ConfigError, match="expands to too much text"):
        expand(laughs("'ha'"))


def test_a_budget_is_shared_by_all_entries():
    text = laughs("x" * 1000, levels=3) + "\n" + "\n".join(f"m{n}: %(k)s" for n in range(10))
    names = interpolation(text)
    assert len(names.expand(names.entries["k"])[0][1]) == 400000
    with pytest.raises(ConfigError, match="expands to too much text"):
        list(map(names.expand, names.entries.values()))


@settings(max_examples=200)
@given(st.lists(LINES, max_size=10))
def test_any_entry_is_expanded_or_refused_as_cherrypy_does(lines: List[str]):
    text = "\n".join(["[global]", *lines])
    try:
        parser = cherrypy_parser(text)
    except configparser.Error:
        return
    names = interpolation(text, "global")
    assert set(names.entries) == set(parser.options("global"))
    for key, entry in names.entries.items():
        try:
            expected: Optional[str] = parser.get("global", key)
        except configparser.InterpolationError:
            expected = None
        try:
            names.check(entry)
            actual: Optional[str] = "\n".join(line for _, line in names.expand(entry))
        except ConfigError:
            actual = None
        assert actual == expected
