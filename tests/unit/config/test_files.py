"""The configuration of a file: the lines of its problems, and the files that it names."""

from __future__ import annotations

import os
import textwrap

import pytest

from abcwebrtc.config.frozen import thaw
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import ConfigError
from support.configurations import NOW, SECRET, STUN, load

DOCUMENT = """
[global]
webrtc.enable:True
webrtc.rtc_configuration:{ 'iceServers':[ {'urls':'stun:stun.l.google.com:19302'} ] }
webrtc.coturn: { 
  'coturn_static_auth_secret': 'CHANGEME', 
  'ttl':3600,
  'protocol': 'turns',
  'url': 'turn.domain.local:3478' }
desktop.envlocal :  { 
  'STUN_SERVER': 'stun://stun.l.google.com:19302',
}
"""  # noqa: W291, as the document has it


@pytest.fixture
def write(tmp_path):
    """Write an od.config, and return its name."""

    def write_text(text):
        path = tmp_path / "od.config"
        path.write_text(textwrap.dedent(text))
        return str(path)

    return write_text


def test_the_configuration_of_the_document_works_as_it_is(write):
    config = WebRTCConfig.from_file(write(DOCUMENT), {}, NOW)
    assert config.enable is True
    assert list(map(str, config.uris)) == [
        "stun:stun.l.google.com:19302",
        "turns:turn.domain.local:3478",
    ]
    (server,) = config.coturn
    assert (server.ttl, server.username) == (3600, "timestamp")
    assert thaw(config.rtc_configuration) == STUN
    # Its last line, a bracket that is not indented, is what pyos would not forgive.
    assert [(warning.path, warning.line) for warning in config.warnings] == [
        ("", 12),
        ("webrtc.coturn.coturn_static_auth_secret", 6),
    ]


def test_a_name_of_bytes_is_shown_as_text():
    with pytest.raises(ConfigError) as caught:
        WebRTCConfig.from_file(b"/nowhere/od.config")
    assert str(caught.value) == "/nowhere/od.config: can't be read: No such file or directory"


def test_a_key_file_starts_in_the_folder_unless_it_is_absolute(tmp_path, write):
    def key_file(name):
        mapping = {"jwt_token_user": {"jwtuserpublickeyfile": name}}
        return load(mapping, folder=tmp_path).user_token_key_files[0]

    assert key_file("public.pem") == str(tmp_path / "public.pem")
    assert key_file("/keys/public.pem") == "/keys/public.pem"
    path = write("[global]\njwt_token_user: {'jwtuserpublickeyfile': 'public.pem'}\n")
    assert WebRTCConfig.from_file(path).user_token_key_files[0] == str(tmp_path / "public.pem")


def test_key_files_may_be_a_list_which_pyos_does_not_read(tmp_path):
    mapping = {"jwt_token_user": {"jwtuserpublickeyfile": ["new.pem", "/keys/old.pem"]}}
    config = load(mapping, folder=tmp_path)
    assert config.user_token_key_files == (str(tmp_path / "new.pem"), "/keys/old.pem")
    (warning,) = [one for one in config.warnings if one.path.startswith("jwt_token_user")]
    assert "is a list, which pyos does not read; one file may hold several keys" in str(warning)


LINES = [
    ("webrtc.enable: 1  # HERE", "webrtc.enable"),
    ("webrtc.coturn: {\n  'url': 'a',\n  'ttl': 0,  # HERE", "webrtc.coturn.ttl"),
    ("webrtc.coturn: {\n  'url': [\n    'a',\n    'b:0',  # HERE\n    ],", "webrtc.coturn.url[1]"),
    ("webrtc.coturn: {  # HERE", "webrtc.coturn.url"),
    ("webrtc.coturn: {\n  'url': 'a',\n  'tll': 1,  # HERE", "webrtc.coturn.tll"),
    (
        "webrtc.rtc_configuration: {\n  'iceServers': [{\n    'urls': [\n      'stun:a',\n"
        "      'stun://b',  # HERE\n      ]}],\n  }",
        "webrtc.rtc_configuration.iceServers[0].urls[1]",
    ),
    ("webrtc.desktop: {\n\n  'turn': 1,  # HERE\n  }", "webrtc.desktop.turn"),
    (
        "jwt_token_user: {\n  'jwtuserpublickeyfile': 1,  # HERE\n  }",
        "jwt_token_user.jwtuserpublickeyfile",
    ),
]
REST = f"\n  'coturn_static_auth_secret': '{SECRET}'}}"


@pytest.mark.parametrize(("entry", "path"), LINES)
def test_an_error_in_a_file_has_file_line_and_key_path(write, entry, path):
    text = "# a comment\n[global]\n\nother: 1\n" + entry
    text += REST if entry.startswith("webrtc.coturn") else ""
    file = write(text + "\n")
    line = text[: text.index("# HERE")].count("\n") + 1
    with pytest.raises(ConfigError) as caught:
        WebRTCConfig.from_file(file, {}, NOW)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.path) == (file, line, path)
    assert str(problem).startswith(f"{file}:{line}: {path}: ")


def test_a_warning_in_a_file_has_file_line_and_key_path(write):
    file = write(
        """\
        [global]
        webrtc.enabel: True
        webrtc.coturn: {
          'url': 'a:53',
          'coturn_static_auth_secret': [
             '0123456789abcdefghij',
             'CHANGEME'],
          }
        webrtc.rtc_configuration: {
          'iceServers': [
            {'urls': 'stun:a:53'}]}
        """
    )
    config = WebRTCConfig.from_file(file, {}, NOW)
    assert {warning.file for warning in config.warnings} == {file}
    assert [(warning.line, warning.path) for warning in config.warnings] == [
        (2, "webrtc.enabel"),
        (4, "webrtc.coturn.url"),
        (7, "webrtc.coturn.coturn_static_auth_secret[1]"),
        (11, "webrtc.rtc_configuration.iceServers[0].urls"),
    ]


def test_a_file_that_is_no_od_config_is_a_config_error(write, tmp_path):
    with pytest.raises(ConfigError, match="no \\[global\\] section"):
        WebRTCConfig.from_file(write("[other]\n"))
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        WebRTCConfig.from_file(tmp_path / "missing")


@pytest.mark.parametrize("as_path", [str, lambda path: path, os.fsencode])
def test_a_file_that_od_config_names_starts_in_its_folder(write, tmp_path, monkeypatch, as_path):
    (tmp_path / "turn.secret").write_text(SECRET)
    write(
        "[global]\nwebrtc.coturn: {'url': 'a', 'coturn_static_auth_secret_file': 'turn.secret'}\n"
    )
    config = WebRTCConfig.from_file(as_path(tmp_path / "od.config"))
    assert config.coturn[0].secrets.current()[0].reveal() == SECRET.encode()
    monkeypatch.chdir(tmp_path)
    assert WebRTCConfig.from_file("od.config").coturn[0].secrets.path == str(
        tmp_path / "turn.secret"
    )


def test_a_relative_file_outlives_a_change_of_the_working_directory(tmp_path, monkeypatch):
    # CherryPy's Daemonizer does chdir("/") after the configuration is read.
    (tmp_path / "turn.secret").write_text(SECRET)
    (tmp_path / "public.pem").write_text("key")
    monkeypatch.chdir(tmp_path)
    mapping = {
        "webrtc.coturn": {"url": "a", "coturn_static_auth_secret_file": "turn.secret"},
        "jwt_token_user": {"jwtuserpublickeyfile": "public.pem"},
    }
    config = load(mapping)
    monkeypatch.chdir("/")
    assert os.path.exists(config.coturn[0].secrets.path)
    assert os.path.exists(config.user_token_key_files[0])
