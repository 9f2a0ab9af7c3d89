"""Secrets that only the pod has: what works without them, and what says that it needs them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict

import pytest

from abcwebrtc import ConfigError, SecretElsewhereError, WebRTCConfig, build_rtc_configuration
from abcwebrtc.config.secret_sources import SecretsElsewhere
from support import ENTRIES, SECRET, write_od_config
from support.desktop_pod import desktop_pod

FILE, ENV = "coturn_static_auth_secret_file", "coturn_static_auth_secret_env"
AWAY = {FILE: "/var/run/secrets/turn/nowhere", ENV: "NOWHERE_TURN_SECRET"}
CONF = f"use-auth-secret\nrealm=turn.example.org\nstatic-auth-secret={SECRET}\n"


def server(key: str, **changes: Any) -> Dict[str, Any]:
    """Return a coturn entry whose secret is elsewhere."""
    entry = {**ENTRIES["webrtc.coturn"], key: AWAY[key], **changes}
    del entry["coturn_static_auth_secret"]
    return entry


@pytest.fixture(params=[FILE, ENV])
def away(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_od_config(tmp_path, webrtc__coturn=server(request.param))


def arguments(command: str, od_config: Path) -> Any:
    """Return a command's line, with the files that it takes beside od.config."""
    conf, pod = od_config.parent / "turnserver.conf", od_config.parent / "pod.json"
    conf.write_text(CONF)
    pod.write_text(json.dumps(desktop_pod()))
    name, *others = command.split()
    files = {"CONF": conf, "POD": pod, "OD": od_config}
    line = [files.get(word, word) for word in others]
    return [name, *line] if od_config in line else [name, *line, od_config]


WITHOUT = (
    *("check", "check --strict", "networkpolicy", "turnserver-conf"),
    *("turnserver-conf OD --check CONF", "configmap", "rotate plan", "pod OD POD"),
    "whois 1703086872:alice",
)


@pytest.mark.parametrize("command", WITHOUT)
def test_what_does_not_need_the_secret_goes_on_with_a_note(
    run: Any, away: Path, command: str
) -> None:
    result = run(*arguments(command, away))
    shown = result.out + result.err
    assert "Traceback" not in shown
    assert result.out
    if command != "turnserver-conf OD --check CONF":  # which has faults of its own
        assert result.status == 0
        assert f"{away}:4: note: webrtc.coturn.coturn_static_auth_secret_" in shown
        assert " on this machine" in shown
        assert "it is not checked, and must be there where pyos runs" in shown


@pytest.mark.parametrize(
    "command",
    ["serve --port 0 --insecure-no-auth", "mint", "probe", "rotate check"],
)
def test_what_needs_the_secret_says_so(run: Any, away: Path, command: str) -> None:
    result = run(*arguments(command, away))
    assert result.status == 1
    assert f"{away}:4: error: webrtc.coturn.coturn_static_auth_secret_" in result.err


@pytest.mark.parametrize("options", [["--show-secret"], ["--output"]], ids=str)
def test_the_secret_that_is_to_be_written_has_to_be_here(
    run: Any, away: Path, options: Any, tmp_path: Path
) -> None:
    target = tmp_path / "new.conf"
    options = [*options, target] if options == ["--output"] else options
    result = run("turnserver-conf", away, *options)
    assert (result.status, result.out) == (1, "")
    assert "on this machine" in result.err.splitlines()[-1]
    assert result.err.endswith("; run this where it is\n")
    assert not target.exists()


def test_the_generated_file_has_a_place_for_it(run: Any, away: Path) -> None:
    out = run("turnserver-conf", away).out
    assert '\n#static-auth-secret="<secret 1 of 1>"\n' in out


def test_a_conf_with_another_secret_is_not_compared(run: Any, away: Path) -> None:
    report = json.loads(run(*arguments("turnserver-conf OD --check CONF --json", away)).out)
    (note,) = [one for one in report["notes"] if one["path"] == "static-auth-secret"]
    assert note["message"] == "was not compared: the secret of od.config is not on this machine"
    assert note["line"] == 3
    for problem in (*report["errors"], *report["warnings"]):
        assert problem["path"] != "static-auth-secret"


def test_a_conf_without_a_secret_is_wrong_whatever_the_secret_is(run: Any, away: Path) -> None:
    line = arguments("turnserver-conf OD --check CONF --json", away)
    (away.parent / "turnserver.conf").write_text("use-auth-secret\nrealm=turn.example.org\n")
    report = json.loads(run(*line).out)
    assert "static-auth-secret" in [error["path"] for error in report["errors"]]


def test_the_plan_does_not_say_how_many_secrets_there_are(run: Any, away: Path) -> None:
    (group,) = json.loads(run("rotate", "plan", "--json", away).out)["groups"]
    assert group["secrets"] is None
    assert group["state"].startswith("the secrets are not on this machine")
    assert group["places"][0]["name"] in AWAY.values()
    assert len(group["steps"]) > 5


def test_entries_with_one_place_change_it_together(run: Any, tmp_path: Path) -> None:
    coturn = [server(FILE), server(ENV, url="b.example.org"), server(FILE, url="c.example.org")]
    od_config = write_od_config(tmp_path, webrtc__coturn=coturn)
    groups = json.loads(run("rotate", "plan", "--json", od_config).out)["groups"]
    assert [group["paths"] for group in groups] == [
        ["webrtc.coturn[0]", "webrtc.coturn[2]"],
        ["webrtc.coturn[1]"],
    ]


def test_a_desktop_credential_needs_the_secret(run: Any, tmp_path: Path) -> None:
    desktop = {"turn": True}
    od_config = write_od_config(tmp_path, webrtc__coturn=server(FILE), webrtc__desktop=desktop)
    result = run(*arguments("pod OD POD --user alice", od_config))
    assert result.status == 1
    assert "run this where it is" in result.err


def test_a_pseudonym_is_found_where_its_key_is_here(run: Any, tmp_path: Path) -> None:
    own = {"username": "pseudonym", "pseudonym_key": "the-key-of-the-pseudonyms-of-this-test"}
    here = {**ENTRIES["webrtc.coturn"], **own}
    od_config = write_od_config(tmp_path, webrtc__coturn=here)
    name = json.loads(run("mint", "--json", od_config, "--user", "alice").out)
    username = name["iceServers"][-1]["username"]
    users = tmp_path / "users"
    users.write_text("bob\nalice\n")
    od_config = write_od_config(tmp_path, webrtc__coturn=server(FILE, **own))
    result = run("whois", username, od_config, "--users", users)
    assert result.status == 0
    assert "alice" in result.out


def test_a_pseudonym_of_a_secret_elsewhere_can_not_be_found(run: Any, tmp_path: Path) -> None:
    od_config = write_od_config(tmp_path, webrtc__coturn=server(FILE, username="pseudonym"))
    users = tmp_path / "users"
    users.write_text("alice\n")
    name = "1703086872:" + "a" * 32
    result = run("whois", name, od_config, "--users", users)
    assert result.status == 1
    assert "run this where it is" in result.err


# the library


@pytest.mark.parametrize("key", [FILE, ENV])
def test_the_library_is_strict_unless_it_is_asked(key: str) -> None:
    mapping = {**ENTRIES, "webrtc.coturn": server(key)}
    with pytest.raises(ConfigError):
        WebRTCConfig.from_mapping(mapping)
    config = WebRTCConfig.from_mapping(mapping, secrets_elsewhere=True)
    assert isinstance(config.coturn[0].secrets, SecretsElsewhere)
    assert config.coturn[0].urls == ("turn:turn.example.org:3478",)
    assert config == WebRTCConfig.from_mapping(mapping, secrets_elsewhere=True)
    (note,) = config.notes
    assert (note.level, note.path) == ("note", f"webrtc.coturn.{key}")
    assert AWAY[key] not in note.message  # what stands there may be a secret by mistake
    with pytest.raises(SecretElsewhereError, match="run this where it is"):
        build_rtc_configuration(config, user="alice")


def test_a_secret_that_is_here_is_read_as_ever(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    mapping = {**ENTRIES, "webrtc.coturn": server(FILE, **{FILE: str(tmp_path / "secret")})}
    config = WebRTCConfig.from_mapping(mapping, secrets_elsewhere=True)
    assert config.notes == ()
    assert config == WebRTCConfig.from_mapping(mapping)


def test_a_pseudonym_key_may_be_elsewhere_too() -> None:
    own = {"username": "pseudonym", "pseudonym_key_file": "/run/nowhere"}
    mapping = {**ENTRIES, "webrtc.coturn": {**ENTRIES["webrtc.coturn"], **own}}
    config = WebRTCConfig.from_mapping(mapping, secrets_elsewhere=True)
    assert [note.path for note in config.notes] == ["webrtc.coturn.pseudonym_key_file"]
    with pytest.raises(SecretElsewhereError):
        build_rtc_configuration(config, user="alice")


@pytest.mark.parametrize("name", ["empty", ".", "a\0b", "x" * 300, "loop"])
def test_a_file_that_is_there_and_broken_stays_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "loop").symlink_to("loop")
    mapping = {**ENTRIES, "webrtc.coturn": server(FILE, **{FILE: name})}
    with pytest.raises(ConfigError, match=r"the secret|holds no secret"):
        WebRTCConfig.from_mapping(mapping, folder=str(tmp_path), secrets_elsewhere=True)


@pytest.mark.parametrize("elsewhere", [True, False])
@pytest.mark.parametrize("name", ["$DIR/secret", "/run/${NAME}", "~/secret", "{{ dir }}/secret"])
def test_a_variable_in_the_name_of_a_file_is_an_error(name: str, elsewhere: bool) -> None:
    mapping = {**ENTRIES, "webrtc.coturn": server(FILE, **{FILE: name})}
    with pytest.raises(ConfigError, match="has a variable or a '~' in it, which nothing expands"):
        WebRTCConfig.from_mapping(mapping, secrets_elsewhere=elsewhere)


@pytest.mark.parametrize("elsewhere", [True, False])
@pytest.mark.parametrize("name", ["$TURN_SECRET", "${TURN_SECRET}", "%TURN_SECRET%"])
def test_a_variable_is_named_without_its_dollar(name: str, elsewhere: bool) -> None:
    mapping = {**ENTRIES, "webrtc.coturn": server(ENV, **{ENV: name})}
    with pytest.raises(ConfigError, match="must be just the name of a variable") as caught:
        WebRTCConfig.from_mapping(mapping, {}, secrets_elsewhere=elsewhere)
    assert name not in str(caught.value)


def test_a_file_may_have_any_name_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "~$A").write_text(SECRET)
    mapping = {**ENTRIES, "webrtc.coturn": server(FILE, **{FILE: "~$A"})}
    assert WebRTCConfig.from_mapping(mapping, folder=str(tmp_path)).notes == ()


@pytest.mark.parametrize("name", ["EMPTY", "BLANK", "a=b", "\0", "a b"])
def test_a_variable_that_is_empty_or_none_stays_an_error(name: str) -> None:
    mapping = {**ENTRIES, "webrtc.coturn": server(ENV, **{ENV: name})}
    environ = {"EMPTY": "", "BLANK": " "}
    with pytest.raises(ConfigError, match="has no such variable, or it is empty"):
        WebRTCConfig.from_mapping(mapping, environ, secrets_elsewhere=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_that_this_user_can_not_read_is_elsewhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    mapping = {**ENTRIES, "webrtc.coturn": server(FILE, **{FILE: str(secret)})}
    os.seteuid(65534)
    try:
        config = WebRTCConfig.from_mapping(mapping, secrets_elsewhere=True)
    finally:
        os.seteuid(0)
    assert "Permission denied" in config.notes[0].message


def test_a_name_below_a_file_is_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    mapping = {**ENTRIES, "webrtc.coturn": server(FILE, **{FILE: "file/secret"})}
    config = WebRTCConfig.from_mapping(mapping, folder=str(tmp_path), secrets_elsewhere=True)
    assert "Not a directory" in config.notes[0].message
