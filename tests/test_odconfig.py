"""An od.config has the values that CherryPy gives it, and nothing in it is executed."""

from __future__ import annotations

import configparser
import contextlib
import io
import json
import os
import re
import subprocess
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import pytest
from cherrypy.lib.reprconf import Config, Parser, unrepr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from abcwebrtc import odconfig
from abcwebrtc.errors import ConfigError, Problem
from abcwebrtc.ini import Entry
from abcwebrtc.odconfig import MAX_BYTES, OdConfig, load_od_config, parse_od_config
from conftest import REFERENCES, require_reference

HERE = Path(__file__).resolve()
OWN = HERE.with_name("data") / "od.config"
USED = ("webrtc.", "desktop.envlocal", "desktop.pod", "jwt_token_user")
SECRET = "Zq7xW9vK"


def read_with_cherrypy(text: str) -> Dict[str, Any]:
    """Return [global] as pyos has it. What the text calls is executed."""
    return dict(Config(io.StringIO(text, newline=None))["global"])


def used(entries: Dict[str, Any]) -> Dict[str, str]:
    """Return the entries that abcwebrtc uses, so that 1, 1.0 and True differ."""
    return {
        key: repr(value)
        for key, value in entries.items()
        if key.startswith("webrtc.") or key in USED
    }


def refusal_of(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_od_config(text)
    return caught.value


# the same values as CherryPy


@pytest.mark.parametrize("path", [OWN, *REFERENCES], ids=lambda p: p.name)
def test_a_whole_file_has_the_values_that_cherrypy_gives(path):
    text = require_reference(path).read_text(encoding="utf-8")
    config = load_od_config(path)
    expected = read_with_cherrypy(text)
    assert {"webrtc.enable", "desktop.pod", "desktop.envlocal", "jwt_token_user"} <= set(config)
    assert used(config) == used(expected)
    assert {key: repr(expected[key]) for key in config} == {k: repr(v) for k, v in config.items()}
    assert config.warnings == ()


def test_the_lines_of_a_whole_file_are_those_where_its_keys_stand():
    config = load_od_config(OWN)
    lines = OWN.read_text(encoding="utf-8").split("\n")
    for path, word in [
        (("webrtc.coturn",), "webrtc.coturn:"),
        (("webrtc.coturn", "url"), "'url':"),
        (("webrtc.rtc_configuration", "iceServers", 1, "urls", 1), "stun2.example.org"),
        (("desktop.envlocal", "STUN_SERVER"), "'STUN_SERVER':"),
        (("desktop.pod", "sound"), "'sound':"),
        (("desktop.pod", "sound", "resources", "limits", "memory"), "'limits'"),
        (("jwt_token_user", "jwtuserpublickeyfile"), "'jwtuserpublickeyfile'"),
    ]:
        assert word in lines[config.line_of(path) - 1]


DOCUMENT = (
    "webrtc.enable:True\n"
    "webrtc.rtc_configuration:{ 'iceServers':[ {'urls':'stun:stun.l.google.com:19302'} ] }\n"
    "webrtc.coturn: { \n"
    "  'coturn_static_auth_secret': 'CHANGEME', \n"
    "  'ttl':3600,\n"
    "  'protocol': 'turns',\n"
    "  'url': 'turn.domain.local:3478' }\n"
)
DOCUMENT_ENVLOCAL = (
    "desktop.envlocal :  { \n  'STUN_SERVER': 'stun://stun.l.google.com:19302',\n}\n"
)


def test_the_example_of_the_document_works_as_it_stands():
    text = "[global]\n" + DOCUMENT
    config = parse_od_config(text)
    assert config == {
        "webrtc.enable": True,
        "webrtc.rtc_configuration": {"iceServers": [{"urls": "stun:stun.l.google.com:19302"}]},
        "webrtc.coturn": {
            "coturn_static_auth_secret": "CHANGEME",
            "ttl": 3600,
            "protocol": "turns",
            "url": "turn.domain.local:3478",
        },
    }
    assert used(config) == used(read_with_cherrypy(text))
    assert config.line_of(("webrtc.coturn", "ttl")) == 6
    assert config.warnings == ()


def test_the_documents_envlocal_works_with_a_warning_where_cherrypy_refuses_it():
    text = "[global]\n" + DOCUMENT_ENVLOCAL + DOCUMENT
    with pytest.raises(configparser.ParsingError):
        read_with_cherrypy(text)
    config = parse_od_config(text, "the.config")
    assert config["desktop.envlocal"] == {"STUN_SERVER": "stun://stun.l.google.com:19302"}
    assert config["webrtc.enable"] is True
    (warning,) = config.warnings
    assert (warning.level, warning.file, warning.line) == ("warning", "the.config", 4)
    assert "first column" in warning.message


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("[global]", {}),
        ("[global]\nwebrtc.enable: True", {"webrtc.enable": True}),
        ("[global]\nwebrtc.a:", {"webrtc.a": ""}),
        ("[global]\nWebrtc.a: 1\nwebrtc.A: 2", {"webrtc.A": 2}),
        ("[global]\nwebrtc.a: 1\n[/]\nwebrtc.b: 2", {"webrtc.a": 1}),
        (
            "[DEFAULT]\nwebrtc.a: 1\nwebrtc.b: 1\n[global]\nwebrtc.b: 2",
            {"webrtc.a": 1, "webrtc.b": 2},
        ),
        ("[global]\nport: 3478\nwebrtc.a: 'h:%(port)s'", {"webrtc.a": "h:3478"}),
        ("[DEFAULT]\nwebrtc.a: [%(b)s]\n[global]\nb: 1", {"webrtc.a": [1]}),
        ("[global]\nwebrtc.a: '100%%'", {"webrtc.a": "100%"}),
        ("[global]\ne:\nwebrtc.a: %(e)s [1,\n  2]", {"webrtc.a": [1, 2]}),
        ("[global]\ne:\nwebrtc.a: %(e)s", {"webrtc.a": ""}),
        ("[global]\nwebrtc.a: '''b\n# dropped\n\n   c'''", {"webrtc.a": "b\n\nc"}),
        ("[global]\rwebrtc.a: [\r 1]\r", {"webrtc.a": [1]}),
        ("[global]\r\nwebrtc.a: [\r\n 1]\r\n", {"webrtc.a": [1]}),
        ("[global]\nwebrtc.a: '\x85\u2028'", {"webrtc.a": "\x85\u2028"}),
    ],
)
def test_small_files_have_the_values_that_cherrypy_gives(text, entries):
    assert parse_od_config(text) == entries
    assert used(read_with_cherrypy(text)) == used(entries)


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        ("webrtc.anything", True),
        ("desktop.envlocal", True),
        ("desktop.zoom", True),
        ("jwt_token_desktop", True),
        ("webrtc", False),
        ("fail2ban", False),
        ("my.webrtc.enable", False),
    ],
)
def test_only_entries_that_matter_are_kept(key, kept):
    assert (key in parse_od_config(f"[global]\n{key}: 1")) is kept


# A gap stands inside of brackets, where a value may go on in the next line.
GAPS = st.sampled_from(
    [
        *("", " ", "\n     ", "\n\n\t\t ", " # 100%% of 'it' }\n      ", " #\n     "),
        *("\n# dropped: = % [\n      ", "\n  ; dropped\n     ", " \t\n \n   "),
    ]
)
WORDS = st.text(st.sampled_from("aZ0 :=#;%[]{}()'\"\\,.\t/é€\u2028\x85\n")).map(
    lambda word: repr(word).replace("%", "%%")
)
SCALARS = (
    st.sampled_from(
        [
            *("True", "False", "None", "0", "-1", "- 3", "4_000", "0x1F", "1.5", "-2e3", "3j"),
            *("24 * 60 * 60", "'a' + 'b'", "2 * 'ab'", "'a' 'b'", 'u\'c\' r\'d\' """e"""', "b'f'"),
            *("'''g\n     h'''", "'''i\n# dropped\n\n    j'''", "'a\\\n     b'", "''", "(1)"),
            *("[1] * 2 + [3]", "(4,) * 2", "-(1 + 2) * 3", "'%%(port)s'"),
            *("%(port)s", "'turn:%(port)s'", "%(host)s", "%(both)s", "%(several)s + [5]"),
        ]
    )
    | WORDS
)
KEYS = st.sampled_from(["'urls'", "'ttl'", '"x y"', "1", "-2", "(3, 'c')", "'k' 'l'", "%(port)s"])


def bracketed(opening: str, items: Any, closing: str) -> Any:
    """Return a strategy for the items between brackets, with gaps wherever they may be."""
    item = st.builds("{}{}{},".format, GAPS, items, GAPS)
    return st.builds(
        lambda several, gap: opening + "".join(several) + gap + closing,
        st.lists(item, max_size=3),
        GAPS,
    )


LITERALS = st.recursive(
    SCALARS,
    lambda inner: (
        bracketed("[", inner, "]")
        | bracketed("(", inner, ")")
        | bracketed("{", st.builds("{}{}:{}{}".format, KEYS, GAPS, GAPS, inner), "}")
        | st.builds("({} {}{})".format, WORDS, GAPS, WORDS)
    ),
    max_leaves=8,
)
VALUES = LITERALS | st.builds("{}, {}".format, SCALARS, SCALARS)
NAMES = [
    *("webrtc.enable", "webrtc.coturn", "webrtc.rtc_configuration", "webrtc.Enable"),
    *("desktop.envlocal", "desktop.pod", "jwt_token_user", "desktop.zoom", "fail2ban", "a b"),
]
DELIMITERS = st.sampled_from([":", "=", " : ", " = ", ":\t", "\t=  "])
NOISE = st.sampled_from(["", "", "\n", "   \n", "# webrtc.enable: %\n", "  ; [global]\n", "#\n\n"])
TRAILING = st.sampled_from(["", "", "  ", " # off: 'x' 100%%", "\t#"])
DEFAULTS = (
    "[DEFAULT]\nport: 3478\nhost = 'turn.example'\nboth: %(host)s ':%(port)s'\n"
    "several: [%(port)s,\n   # and\n   443]\n"
)


@st.composite
def sections(draw: Any, name: str) -> str:
    """Return a section; its entries are not indented deeper than the one above."""
    keys = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5))
    indents = sorted((draw(st.sampled_from(["", "", " ", "  "])) for _ in keys), reverse=True)
    lines = [
        draw(NOISE) + indent + key + draw(DELIMITERS) + draw(VALUES) + draw(TRAILING) + "\n"
        for indent, key in zip(indents, keys)
    ]
    return f"{draw(NOISE)}[{name}]\n" + "".join(lines) + draw(NOISE)


@st.composite
def files(draw: Any) -> str:
    parts = [DEFAULTS, draw(sections("global"))]
    if draw(st.booleans()):
        parts.append(draw(sections("/other")))
    return "".join(draw(st.permutations(parts)))


@settings(max_examples=200)
@given(files(), st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_file_of_literals_has_the_values_that_cherrypy_gives(text, line_end):
    text = text.replace("\n", line_end)
    assert used(parse_od_config(text)) == used(read_with_cherrypy(text))


def texts_with_cherrypy(text: str) -> Optional[Dict[str, str]]:
    """Return the texts of [global], interpolated, or None where CherryPy refuses the file."""
    parser = Parser()
    try:
        parser.read_string(text)
        everything = {name: dict(parser.items(name)) for name in parser.sections()}
    except configparser.Error:
        return None
    return everything.get("global")


@st.composite
def damaged_files(draw: Any) -> str:
    text = draw(files())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        drop = draw(st.sampled_from([0, 0, 1, 1, 3, 20]))
        put = draw(st.sampled_from(["", "", *"[]{}()'\":=%#,;\n -*\\x1", "\n]", "\n ", "%(port)s"]))
        text = text[:at] + put + text[at + drop :]
    return text


@settings(max_examples=200)
@given(damaged_files())
def test_a_damaged_file_is_refused_or_has_the_values_that_cherrypy_gives(text):
    # Python 3.11 reads a header up to its last bracket, the 3.8 of pyos up to its first.
    assume(not re.search(r"(?m)^\s*\[[^\n]*\][^\n]*\]", text))
    expected = texts_with_cherrypy(text)
    try:
        config = parse_od_config(text)
    except ConfigError:
        return
    if expected is None:
        assert config.warnings
        return
    # A value that was read has no names in it, so CherryPy has nothing to execute.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a backslash that escapes nothing
        assert used(config) == used({key: unrepr(expected[key]) for key in config})
    assert set(used(config)) == set(used(expected))


@settings(max_examples=200)
@given(st.text())
def test_any_text_raises_nothing_but_config_errors(text):
    for prefix in ("", "[global]\n", "[global]\nwebrtc.a: ", "[global]\na: %(b)s\nb:"):
        with contextlib.suppress(ConfigError):
            parse_od_config(prefix + text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("od")


@settings(max_examples=200)
@given(data=st.binary())
def test_any_bytes_raise_nothing_but_config_errors(folder, data):
    for prefix in (b"", b"[global]\nwebrtc.a: "):
        path = folder / "od.config"
        path.write_bytes(prefix + data)
        with contextlib.suppress(ConfigError):
            load_od_config(path)


# what CherryPy refuses


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("webrtc.a: 1", 1, "starts with [global]"),
        ("[global]\nwebrtc.a: 1\nwebrtc.a: 2", 3, "lines 2 and 3"),
        ("[global]\nb: 1\n\n[/]\na: 1\nb: 1\nb: 1", 7, "lines 6 and 7"),
        ("[global]\n[/]\n[global]", 3, "first in line 1"),
        ("[global]\nwebrtc.a", 2, "neither"),
        ("[global]\nwebrtc.a: [\n1 ]", 3, "indent it"),
        ("[global]\nwebrtc.a: '100%'", 2, "write '%%'"),
        ("[global]\nwebrtc.a: [\n\n '%d' ]", 4, "write '%%'"),
        ("[global]\nlogging: '%(message)s'", 2, "names no entry"),
        ("[global]\n[/]\ntools.a: '%'", 3, "write '%%'"),
        ("[global]\n[/]\ntools.a: %(b)s\n[DEFAULT]\nc: 1", 3, "names no entry"),
        ("[DEFAULT]\nc: %(d)s\n[global]\nd: 1\n[/]", 2, "names no entry"),
        ("[global]\nwebrtc.a: %(b)s\nb: %(webrtc.a)s", None, "ring"),
        ("[global]\na: %(b)s\nb: %(a)s", None, "ring"),
        ("[global]\n[/]\na: %(a)s", None, "ring"),
    ],
)
def test_what_cherrypys_ini_layer_refuses_is_refused(text, line, words):
    assert texts_with_cherrypy(text) is None
    (problem,) = refusal_of(text).problems
    assert words in problem.message
    assert problem.file == "od.config"
    if line is not None:
        assert problem.line == line


@pytest.mark.parametrize("text", ["", "\n", "# c", "[Global]\na: 1", "[DEFAULT]\nwebrtc.a: 1"])
def test_a_file_without_global_is_refused(text):
    (problem,) = refusal_of(text).problems
    assert "no [global] section" in problem.message


# nothing is executed

EXECUTED_BY_CHERRYPY = [
    "os.mkdir({mark!r})",
    "[1, os.mkdir({mark!r})]",
    "{{'ttl':\n  os.mkdir({mark!r})}}",
    "__import__('os').mkdir({mark!r})",
    "bait_for_abcwebrtc",
    "bait_for_abcwebrtc.attribute",
    "__import__('bait_for_abcwebrtc')",
    "'a'.join([os.mkdir({mark!r})])",
]
EXECUTED_BY_EVAL = [
    *EXECUTED_BY_CHERRYPY,
    "[os.mkdir({mark!r}) for _ in 'a']",
    "(lambda: os.mkdir({mark!r}))()",
    "f'{{os.mkdir({mark!r})}}'",
    "f'''{{__import__(\"os\").mkdir({mark!r})}}'''",
    "'a' if os.mkdir({mark!r}) else 'b'",
    "{{**os.mkdir({mark!r})}}",
    "[*os.mkdir({mark!r})]",
    "'%%s' %% os.mkdir({mark!r})",
    "1; os.mkdir({mark!r})",
    "1\n  os.mkdir({mark!r})",
    "1)\n  os.mkdir({mark!r}",
    "not os.mkdir({mark!r})",
    "-os.mkdir({mark!r})",
]


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield a path that comes into being when a value above is executed."""
    path = str(tmp_path / "executed")
    bait = f"import os\nattribute = 1\nos.mkdir({path!r})\n"
    (tmp_path / "bait_for_abcwebrtc.py").write_text(bait, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield path
    sys.modules.pop("bait_for_abcwebrtc", None)


@pytest.mark.parametrize("value", EXECUTED_BY_CHERRYPY)
def test_the_bait_is_taken_by_cherrypy(value, mark):
    with contextlib.suppress(ValueError):
        read_with_cherrypy("[global]\nlogging: " + value.format(mark=mark))
    assert os.path.exists(mark)


@pytest.mark.parametrize("key", ["webrtc.a", "desktop.envlocal", "desktop.pod", "jwt_token_user"])
@pytest.mark.parametrize("value", EXECUTED_BY_EVAL)
def test_an_entry_that_is_used_is_refused_and_not_executed(key, value, mark):
    error = refusal_of(f"[global]\n\n{key}: " + value.format(mark=mark))
    (problem,) = error.problems
    assert (problem.file, problem.path) == ("od.config", key)
    assert problem.line in (3, 4)
    assert not os.path.exists(mark)
    assert "bait_for_abcwebrtc" not in sys.modules


@pytest.mark.parametrize("place", ["logging", "desktop.zoom", "jwt_other", "[/]\nwebrtc.a"])
@pytest.mark.parametrize("value", EXECUTED_BY_EVAL)
def test_an_entry_that_is_not_used_is_ignored_and_not_executed(place, value, mark):
    config = parse_od_config("[global]\nwebrtc.b: 1\n" + f"{place}: " + value.format(mark=mark))
    assert config == {"webrtc.b": 1}
    assert not os.path.exists(mark)
    assert "bait_for_abcwebrtc" not in sys.modules


# problems


@pytest.mark.parametrize("key", ["webrtc.coturn", "desktop.pod", "jwt_token_user"])
def test_an_entry_in_a_section_that_pyos_does_not_read_is_a_warning(key):
    text = f"[global]\nwebrtc.enable: True\n[/]\n[/img]\nroot: 'a'\n{key}: {SECRET!r}\n"
    config = parse_od_config(text)
    assert config == {"webrtc.enable": True}
    [warning] = config.warnings
    assert (warning.line, warning.path, warning.level) == (6, key, "warning")
    assert "move it below [global]" in warning.message


def test_an_entry_of_default_is_read_and_gives_no_warning():
    config = parse_od_config("[DEFAULT]\nwebrtc.enable: True\n[global]\n")
    assert config == {"webrtc.enable": True}
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("{ 'a': 1,\n  'url': 'x',\n  'b': 2,\n  'url': 'y' }", 5),
        ("[ { 'url': 'x' },\n  { 'url': 'x', 'url': 'y' } ]", 3),
        ("{ 'a': { 1: 2,\n  True: 3 } }", 3),
    ],
)
def test_a_key_twice_in_one_dict_is_a_warning(value, line):
    config = parse_od_config(f"[global]\nwebrtc.coturn: {value}\n")
    assert config == read_with_cherrypy(f"[global]\nwebrtc.coturn: {value}\n")
    [warning] = config.warnings
    assert (warning.line, warning.path, warning.level) == (line, "webrtc.coturn", "warning")
    assert "a key stands twice" in warning.message
    assert "url" not in warning.message


def test_a_key_twice_in_an_entry_that_is_not_used_is_no_concern():
    config = parse_od_config("[global]\ndesktop.zoom: { 'a': 1, 'a': 2 }\n")
    assert config == {"desktop.zoom": {"a": 2}}
    assert config.warnings == ()


def test_every_bad_entry_is_reported_with_its_place():
    error = refusal_of(
        "[global]\nwebrtc.a: os\nwebrtc.b: 1\n\nwebrtc.c: [\n  # c\n  1,\n  'a' - 1 ]\n"
        "jwt_token_user: {\n  'exp': 360\ndesktop.zoom: os\ndesktop.envlocal: [ os,\n]\n"
    )
    places = [(problem.file, problem.line, problem.path) for problem in error.problems]
    assert places == [
        ("od.config", 2, "webrtc.a"),
        ("od.config", 8, "webrtc.c"),
        ("od.config", 9, "jwt_token_user"),
        ("od.config", 12, "desktop.envlocal"),
    ]
    assert str(error).startswith("od.config:2: webrtc.a: text without quotes")
    assert [(warning.line, warning.level) for warning in error.warnings] == [(13, "warning")]


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("[\n\n\n  os]", 5),
        ("[\n# c\n  ; c\n  'a' 1,\n ]", 5),
        ("[1,\n  %(b)s,\n  3]", 3),
        ("%(c)s", 2),
        ("[\n '''a\n  # c\n  b''',\n  2 ** 3]", 6),
    ],
)
def test_a_bad_value_is_reported_in_the_line_where_it_is_bad(value, line):
    text = f"[global]\nwebrtc.a: {value}\nb: os\nc: [1,\n  os]\n"
    (problem,) = refusal_of(text).problems
    assert (problem.line, problem.path) == (line, "webrtc.a")


# positions

POSITIONS = """\
[DEFAULT]
webrtc.default: 1
[global]
# a comment
several: [1,
  2]

webrtc.a: {
  # a comment
  'one': 1, 'two': [

    { 'deep': True },
    ; a comment
    { 'deep': {
        'deeper': '''text
        # a comment
        text''',
        'last': 1 } } ],
  'three': 3 }
webrtc.b = {
   'x': %(several)s,
   'y': [ -1,
      'a'
      'b',
      2 ] }
  desktop.pod: 1
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("webrtc.default",), 2),
        (("webrtc.a",), 8),
        (("webrtc.a", "one"), 10),
        (("webrtc.a", "two"), 10),
        (("webrtc.a", "two", 0), 12),
        (("webrtc.a", "two", 0, "deep"), 12),
        (("webrtc.a", "two", 1), 14),
        (("webrtc.a", "two", 1, "deep"), 14),
        (("webrtc.a", "two", 1, "deep", "deeper"), 15),
        (("webrtc.a", "two", 1, "deep", "last"), 18),
        (("webrtc.a", "three"), 19),
        (("webrtc.a", "missing", "x"), 8),
        (("webrtc.a", "two", 7), 10),
        (("webrtc.b", "x"), 21),
        (("webrtc.b", "x", 0), 21),
        (("webrtc.b", "x", 1), 21),
        (("webrtc.b", "y", 0), 22),
        (("webrtc.b", "y", 1), 23),
        (("webrtc.b", "y", 2), 25),
        (("missing",), None),
        ((), None),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_of_finds_a_path_or_what_is_around_it(path, line, line_end):
    text = POSITIONS.replace("  desktop", "desktop").replace("\n", line_end)
    assert parse_od_config(text).line_of(path) == line


def test_an_od_config_is_a_dict_that_knows_its_lines():
    warning = Problem("careful", level="warning")
    config = OdConfig("my.config", (warning,))
    config.add(Entry("webrtc.a", 7, ()), [1], {("webrtc.a", 0): 9})
    assert config == {"webrtc.a": [1]}
    assert isinstance(config, dict)
    assert (config.file, config.warnings) == ("my.config", (warning,))
    assert config.line_of(("webrtc.a",)) == 7
    assert config.line_of(("webrtc.a", 0, "x")) == 9


def test_the_name_of_the_file_is_as_it_was_given(tmp_path, monkeypatch):
    (tmp_path / "my.config").write_text("[global]\nwebrtc.a: os", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for path in ("my.config", Path("my.config"), b"my.config"):
        with pytest.raises(ConfigError, match=r"^my\.config:2: webrtc\.a: "):
            load_od_config(path)
    assert parse_od_config("[global]", "other").file == "other"


# no secret in a message


def everything_about(error: Optional[BaseException]) -> str:
    """Return all texts of an exception, and of those behind it, suppressed or not."""
    if error is None:
        return ""
    shown = traceback.format_exception(type(error), error, error.__traceback__)
    own = [str(error), repr(error), repr(error.args), repr(vars(error)), *shown]
    behind = everything_about(error.__context__) + everything_about(error.__cause__)
    return "\n".join(own) + behind


COTURN = f"""\
[global]
webrtc.enable: True
webrtc.coturn: [ {{
  'coturn_static_auth_secret': '{SECRET}==',
  'url': 'turn.example.org' }},
  {{ 'coturn_static_auth_secret': [
    '{SECRET}==',
    "{SECRET}=="
    ] }} ]
desktop.envlocal: {{ 'A': '100%%', 'KEY': '{SECRET}==' }}
"""
LEAKS = {
    "no quotes": f"webrtc.a: {SECRET}",
    "quotes of two kinds": f"webrtc.a: '{SECRET}\"",
    "unclosed quote": f"webrtc.a: '{SECRET}",
    "unclosed bracket": f"webrtc.a: {{ 'a': '{SECRET}'",
    "unclosed triple quote": f"webrtc.a: '''{SECRET}",
    "typographic quotes": f"webrtc.a: \u201c{SECRET}\u201d",
    "missing comma": f"webrtc.a: ['{SECRET}' 1]",
    "operator": f"webrtc.a: '{SECRET}' ** 2",
    "sum": f"webrtc.a: '{SECRET}' + 1",
    "minus": f"webrtc.a: -'{SECRET}'",
    "product": f"webrtc.a: '{SECRET}' * 99999999",
    "unhashable": f"webrtc.a: {{['{SECRET}']: 1}}",
    "set": f"webrtc.a: {{'{SECRET}'}}",
    "call": f"webrtc.a: f('{SECRET}')",
    "f-string": f"webrtc.a: f'{SECRET}'",
    "f-string of a name": f"webrtc.a: f'{{{SECRET}}}'",
    "number": f"webrtc.a: 1{SECRET}",
    "nul": f"webrtc.a: '{SECRET}\x00'",
    "escape": f"webrtc.a: '\\x{SECRET}'",
    "surrogate": f"webrtc.a: '{SECRET}\ud800'",
    "second statement": f"webrtc.a: 1\n  '{SECRET}'",
    "first line": f"webrtc.a:\n  '{SECRET}'",
    "uneven blanks": f"e:\nwebrtc.a: %(e)s  '{SECRET}'\n  %(e)s '{SECRET}'",
    "bare percent": f"webrtc.a: '{SECRET}%'",
    "bad reference": f"webrtc.a: '%({SECRET})d'",
    "unknown reference": f"webrtc.a: '%({SECRET})s'",
    "ring": f"webrtc.a: '{SECRET}%(webrtc.a)s'",
    "too much": "\n".join(f"l{n}: " + (f"%(l{n - 1})s" * 30 if n else SECRET) for n in range(9))
    + "\nwebrtc.a: %(l8)s",
    "duplicate": f"webrtc.a: '{SECRET}'\nwebrtc.a: '{SECRET}'",
    "duplicate of a lost line": f"webrtc.a: [\n'{SECRET}=',\n'{SECRET}=' ]",
    "duplicate of a lost bare line": f"webrtc.a: '''\n{SECRET}==\n{SECRET}==\n  '''",
    "bare percent in a lost line": f"webrtc.a: [\n'{SECRET}=%' ]",
    "bare percent in a lost bare line": f"webrtc.a: '''\n{SECRET}=%'''",
    "duplicate section of a lost line": f"webrtc.a: [\n['{SECRET}'],\n['{SECRET}'] ]",
    "no delimiter": f"webrtc.a: 1\n'{SECRET}'",
    "no delimiter after the key": f"webrtc.a '{SECRET}='",
    "no delimiter before a dict": f"webrtc.a {{ 'secret' '{SECRET}=', 'ttl': 3600 }}",
    "the delimiter in the value": f"webrtc.a {SECRET}: os",
    "first column": f"webrtc.a: [ '{SECRET}', os\n]",
}


@pytest.mark.parametrize("text", LEAKS.values(), ids=LEAKS)
def test_no_message_quotes_a_value(text):
    assert SECRET not in everything_about(refusal_of("[global]\n" + text))


@pytest.mark.parametrize("text", LEAKS.values(), ids=LEAKS)
def test_no_frame_of_a_traceback_holds_a_value(text, tmp_path):
    path = tmp_path / "od.config"
    path.write_text("[global]\n" + text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(ConfigError) as caught:
        load_od_config(path)
    collected = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [frame for frame in collected.stack if frame.filename == odconfig.__file__]
    assert frames
    assert caught.value.__context__ is None
    assert SECRET not in str([frame.locals for frame in frames])


@pytest.mark.parametrize("text", [f"{SECRET}: 1", f"[{SECRET}]\na: '{SECRET}'", f"# {SECRET}"])
def test_no_message_quotes_a_text_without_global(text):
    assert SECRET not in everything_about(refusal_of(text))


@pytest.mark.parametrize(
    "data",
    [
        f"[global]\nwebrtc.a: '{SECRET}\xe9{SECRET}'".encode("latin-1"),
        f"[global]\nwebrtc.a: '{SECRET}'".encode("utf-16"),
        f"\ufeff[global]\nwebrtc.a: '{SECRET}'".encode(),
        f"[global]\nwebrtc.a: '{SECRET}'\n#".encode("ascii") + b"x" * MAX_BYTES,
    ],
    ids=["latin-1", "utf-16", "byte order mark", "too large"],
)
def test_no_message_quotes_a_file_that_cannot_be_read(data, tmp_path):
    path = tmp_path / "od.config"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load_od_config(path)
    assert SECRET not in everything_about(caught.value)


def leaks(texts: List[str]) -> List[str]:
    """Return those of the texts whose refusal quotes the secret."""
    found = []
    for text in texts:
        try:
            parse_od_config(text)
        except ConfigError as error:
            if SECRET in str(error) + repr(error) + repr(error.__context__):
                found.append(text)
    return found


@pytest.mark.parametrize("put", ["", *"'\":=[]{}(),%#x1\n\\ -"])
def test_no_message_quotes_a_value_whichever_character_is_wrong(put):
    places = range(len("[global]\n"), len(COTURN))
    assert leaks([COTURN[:at] + put + COTURN[at + 1 :] for at in places]) == []


def test_no_message_quotes_a_value_whichever_lines_lost_their_indent():
    lines = COTURN.split("\n")
    texts = [
        "\n".join([*lines[:start], *map(str.lstrip, lines[start:end]), *lines[end:]])
        for start in range(len(lines))
        for end in range(start + 1, len(lines))
    ]
    assert leaks(texts) == []


# files that can't be read


def assert_refused(path: Any, words: str, line: Optional[int] = None) -> None:
    with pytest.raises(ConfigError) as caught:
        load_od_config(path)
    (problem,) = caught.value.problems
    assert words in problem.message
    assert (problem.file, problem.line) == (str(path), line)


def test_a_missing_file_is_refused(tmp_path):
    assert_refused(tmp_path / "missing", "can't be read: No such file")


def test_a_directory_is_refused(tmp_path):
    assert_refused(tmp_path, "can't be read: Is a directory")


def test_a_ring_of_symlinks_is_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert_refused(tmp_path / "a", "can't be read: Too many levels")


def test_a_name_that_no_file_can_have_is_refused():
    assert_refused("od\x00config", "can't be read: not a file name")


def test_a_file_without_permission_is_refused(tmp_path, monkeypatch):
    def denied(*args: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(odconfig, "open", denied, raising=False)
    assert_refused(tmp_path, "can't be read: Permission denied")


@pytest.mark.parametrize(
    ("data", "words", "line"),
    [
        (b"", "no [global]", None),
        (b"\xef\xbb\xbf[global]\n", "byte order mark", 1),
        (b"[global]\n# \xe9\n", "not UTF-8", 2),
        (b"[global]\r\n\r\n# \xe9", "not UTF-8", 3),
        (b"[global]\r\r# \xe9", "not UTF-8", 3),
        ("[global]".encode("utf-16"), "not UTF-8", 1),
        ("[global]\n\na: 1\n\n".encode("utf-16-le"), "is UTF-16", 1),
        ("[global]\n".encode("utf-16-be"), "is UTF-16", 1),
        (b"[global]\n\xed\xa0\x80", "not UTF-8", 2),
        (b"\n\n\x00", "before the first section", 3),
    ],
)
def test_a_file_of_other_bytes_is_refused(data, words, line, tmp_path):
    path = tmp_path / "od.config"
    path.write_bytes(data)
    assert_refused(path, words, line)


def test_a_file_of_one_mebibyte_is_read_and_a_larger_one_is_refused(tmp_path):
    path = tmp_path / "od.config"
    data = b"[global]\nwebrtc.a: 1\n#"
    path.write_bytes(data + b"x" * (MAX_BYTES - len(data)))
    assert load_od_config(path) == {"webrtc.a": 1}
    path.write_bytes(data + b"x" * (MAX_BYTES - len(data) + 1))
    assert_refused(path, "larger than 1 MiB")


# bounds: each file is read by a process of its own, which may take 1 GiB

READER = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from abcwebrtc.errors import ConfigError
from abcwebrtc.odconfig import load_od_config
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
    done = subprocess.run(
        command, cwd=HERE.parents[1], stdout=subprocess.PIPE, timeout=HANGS, check=False
    )
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
