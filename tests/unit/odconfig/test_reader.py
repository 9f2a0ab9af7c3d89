"""An od.config has the values that CherryPy gives it, and what CherryPy refuses is refused."""

from __future__ import annotations

import configparser
from typing import Any, Optional

import pytest

from abcwebrtc.errors import ConfigError
from abcwebrtc.odconfig.reader import load_od_config, parse_od_config
from abcwebrtc.odconfig.source import MAX_BYTES
from conftest import REFERENCES, ROOT
from support.od_config_values import read_with_cherrypy, refusal_of, texts_with_cherrypy, used
from support.users import MALLORY, acting_as, shared_folder

OWN = ROOT / "tests" / "data" / "od.config"


# the same values as CherryPy


@pytest.mark.parametrize("path", [OWN, *REFERENCES], ids=lambda p: p.name)
def test_a_whole_file_has_the_values_that_cherrypy_gives(path):
    text = path.read_text(encoding="utf-8")
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
        ("[global]\nWebrtc.a: 1\nwebrtc.A: 2", {"webrtc.A": 2}),
        ("[global]\nwebrtc.a: 1\n[/]\nwebrtc.b: 2", {"webrtc.a": 1}),
        (
            "[DEFAULT]\nwebrtc.a: 1\nwebrtc.b: 1\n[global]\nwebrtc.b: 2",
            {"webrtc.a": 1, "webrtc.b": 2},
        ),
        ("[global]\nport: 3478\nwebrtc.a: 'h:%(port)s'", {"webrtc.a": "h:3478"}),
        ("[DEFAULT]\nwebrtc.a: [%(b)s]\n[global]\nb: 1", {"webrtc.a": [1]}),
        ("[global]\ne:\nwebrtc.a: %(e)s [1,\n  2]", {"webrtc.a": [1, 2]}),
        ("[global]\nwebrtc.a: '''b\n# dropped\n\n   c'''", {"webrtc.a": "b\n\nc"}),
        ("[global]\nwebrtc.a: '\x85\u2028'", {"webrtc.a": "\x85\u2028"}),
    ],
)
def test_small_files_have_the_values_that_cherrypy_gives(text, entries):
    assert parse_od_config(text) == entries
    assert used(read_with_cherrypy(text)) == used(entries)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("WebRTC.enable", "webrtc.enable"),
        ("webrtc_coturn", "webrtc.coturn"),
        ("desktop.envLocal", "desktop.envlocal"),
        ("Desktop.Pod", "desktop.pod"),
    ],
)
def test_an_entry_that_pyos_reads_under_another_name_is_a_warning(key, meant):
    (warning,) = parse_od_config(f"[global]\na: 1\n{key}: 1", "od.config").warnings
    assert (warning.level, warning.line) == ("warning", 3)
    assert warning.message == f"no such entry; did you mean '{meant}'?"
    assert parse_od_config(f"[global]\na: 1\n[x]\n{key}: 1").warnings == ()


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


# what CherryPy refuses


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[global]\nb: 1\n\n[/]\na: 1\nb: 1\nb: 1", 7, "lines 6 and 7"),
        ("[global]\nwebrtc.a: [\n\n '%d' ]", 4, "write '%%'"),
        ("[global]\nlogging: '%(message)s'", 2, "names no entry"),
        ("[global]\n[/]\ntools.a: %(b)s\n[DEFAULT]\nc: 1", 3, "names no entry"),
        ("[global]\na: %(b)s\nb: %(a)s", None, "refers to itself"),
    ],
)
def test_what_cherrypys_ini_layer_refuses_is_refused(text, line, words):
    assert texts_with_cherrypy(text) is None
    problem = refusal_of(text).problems[0]
    assert words in problem.message
    assert problem.file == "od.config"
    if line is not None:
        assert problem.line == line


@pytest.mark.parametrize("text", ["", "\n", "# c", "[Global]\na: 1", "[DEFAULT]\nwebrtc.a: 1"])
def test_a_file_without_global_is_refused(text):
    (problem,) = refusal_of(text).problems
    assert "no [global] section" in problem.message


# files that can't be read


def assert_refused(path: Any, words: str, line: Optional[int] = None) -> None:
    with pytest.raises(ConfigError) as caught:
        load_od_config(path)
    (problem,) = caught.value.problems
    assert words in problem.message
    assert (problem.file, problem.line) == (str(path), line)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing", "No such file"), (".", "Is a directory"), ("ring", "Too many levels")],
)
def test_what_is_no_file_is_refused(tmp_path, name, reason):
    (tmp_path / "ring").symlink_to("ring")
    assert_refused(tmp_path / name, f"can't be read: {reason}")


def test_a_name_that_no_file_can_have_is_refused():
    assert_refused("od\x00config", "can't be read: not a file name")


def test_a_file_without_permission_is_refused():
    with shared_folder() as shared:
        (shared / "od.config").touch(0o600)
        with acting_as(MALLORY):
            assert_refused(shared / "od.config", "can't be read: Permission denied")


@pytest.mark.parametrize(
    ("data", "words", "line"),
    [
        (b"", "no [global]", 1),
        (b"\xef\xbb\xbf[global]\n", "byte order mark", 1),
        (b"[global]\n# \xe9\n", "not UTF-8", 2),
        (b"[global]\r\n\r\n# \xe9", "not UTF-8", 3),
        (b"[global]\r\r# \xe9", "not UTF-8", 3),
        ("[global]".encode("utf-16"), "is UTF-16", 1),
        ("[global]\n\na: 1\n\n".encode("utf-16-le"), "is UTF-16", 1),
        ("[global]\n".encode("utf-16-be"), "is UTF-16", 1),
        (b"[global]\n\xed\xa0\x80", "not UTF-8", 2),
        (b"\n\n\x00", "NUL", 3),
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
