"""The problems of an od.config and their places: lines and key paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from abcwebrtc.errors import ConfigError, Problem
from abcwebrtc.odconfig.ini import Entry
from abcwebrtc.odconfig.reader import OdConfig, load_od_config, parse_od_config
from support.od_config_values import SECRET, read_with_cherrypy, refusal_of

# problems


@pytest.mark.parametrize("key", ["webrtc.coturn", "desktop.pod", "jwt_token_user"])
def test_an_entry_in_a_section_that_pyos_does_not_read_is_a_warning(key):
    text = f"[global]\nwebrtc.enable: True\n[/]\n[/img]\nroot: 'a'\n{key}: {SECRET!r}\n"
    config = parse_od_config(text)
    assert config == {"webrtc.enable": True}
    [warning] = config.warnings
    assert (warning.line, warning.path, warning.level) == (6, key, "warning")
    assert "move it below [global]" in warning.message


@pytest.mark.parametrize(("section", "key"), [("webrtc", "enable"), ("desktop", "pod")])
def test_a_section_named_like_the_entries_in_it_is_a_warning(section, key):
    config = parse_od_config(
        f"[global]\n[{section}]\n{key}: {SECRET!r}\nroot: 'a'\n[x]\n{key}: 1\n"
    )
    assert config == {}
    warning = config.warnings[0]
    assert (warning.line, warning.path, warning.level) == (3, f"{section}.{key}", "warning")
    assert "move it below [global]" in warning.message
    assert [one.line for one in config.warnings] == ([3, 4] if section == "webrtc" else [3])


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
    assert "a key is given twice" in warning.message
    assert "url" not in warning.message


def test_a_key_twice_in_an_entry_that_is_not_used_is_no_concern():
    config = parse_od_config("[global]\ndesktop.zoom: { 'a': 1, 'a': 2 }\n")
    assert config == {"desktop.zoom": {"a": 2}}
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ("[ 'x' 'y' ]", [2]),
        ("[ 'x'\n  # comment, with a comma\n  \"y\", 'z' ]", [2]),
        ("{ 'acl': { 'permit': [\n  'a',\n  'x'\n  'y'\n  'z' ] } }", [4, 5]),
        ("[ 'x' 'y' 'z' ]", [2]),
        ("( 'a',\n  'x' 'y' )", [3]),
        ("[ {}, [ ('a', 'x' 'y'), 'b' ], 'c' ]", [2]),
        ("[ 'a\\\n b' 'y' ]", [3]),
        # one text, as it seems, or none at all
        ("[ ('x' 'y') ]", []),
        ("[ ('x'\n  'y'), ('a') ]", []),
        ("{ 'a': 'x'\n  'y',\n  'b' 'c': ('x'\n  'y') }", []),
        ("[ { 'a': 'x' 'y' } ]", []),
        ("'x' 'y'", []),
        ("('x' 'y')", []),
        ("[ 'x' + 'y', 'a, b' ]", []),
        ("[ 'x', 'y' ]  # [ 'x' 'y' ]", []),
        ("{ 'a': \"[ 'x' 'y' ]\" }", []),
    ],
)
def test_texts_that_python_joins_in_a_list_are_a_warning(value, lines):
    config = parse_od_config(f"[global]\nwebrtc.coturn: {value}\n")
    assert config == read_with_cherrypy(f"[global]\nwebrtc.coturn: {value}\n")
    words = "Python joins two texts of a list here, since no comma is between them; write the comma"
    found = [(one.line, one.path, one.level, one.message) for one in config.warnings]
    end = ", or, if they are one text, put ( ) around them"
    assert found == [(line, "webrtc.coturn", "warning", words + end) for line in lines]


def test_texts_that_python_joins_in_lists_of_pyos_are_no_concern():
    command = "{ 'command': [ 'sh', '-c', 'cd ~;'\n  'ls' ] }"
    config = parse_od_config(f"[global]\ndesktop.pod: {command}\ndesktop.zoom: {command}\n")
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
        (("webrtc.a", "two", 0, "deep"), 12),
        (("webrtc.a", "two", 1, "deep"), 14),
        (("webrtc.a", "two", 1, "deep", "deeper"), 15),
        (("webrtc.a", "two", 1, "deep", "last"), 18),
        (("webrtc.a", "three"), 19),
        (("webrtc.a", "missing", "x"), 8),
        (("webrtc.a", "two", 7), 10),
        (("webrtc.b", "x", 0), 21),
        (("webrtc.b", "x", 1), 21),
        (("webrtc.b", "y", 1), 23),
        (("webrtc.b", "y", 2), 25),
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
    config.add(Entry("webrtc.a", (7,), "[1]"), [1], {("webrtc.a", 0): 9})
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
