"""The command check, and what any file at all makes it say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc.cli.main import main
from abcwebrtc.config import webrtc as config
from abcwebrtc.config.problems import Where
from abcwebrtc.errors import Problem
from conftest import ONE_FIXTURE
from support import ENTRIES, SECRET, write_od_config
from support.snapshots import WIDTHS, assert_snapshot, readable, screen, shape
from unit.cli.test_main import COMMANDS, COTURN, WEAK


def test_a_clean_file_is_exit_0_and_its_summary_shows_what_browsers_get(
    tmp_path: Path, run: Any
) -> None:
    result = run("check", write_od_config(tmp_path))
    assert result.status == 0
    assert result.err == ""
    assert result.out == (
        "  release  unknown; WebRTC sound exists in abcdesktop 3.2 and 3.3\n"
        "  sound    on\n"
        "  stun     stun:stun.example.org:3478\n"
        "  turn     turn:turn.example.org:3478  (ttl 600 s, username userid)\n"
        "  desktop  STUN_SERVER stun://stun.example.org:3478\n"
        "found nothing wrong\n"
    )


def test_the_summary_says_when_sound_is_off(tmp_path: Path, run: Any) -> None:
    changes = {"webrtc__enable": False, "webrtc__coturn": ..., "webrtc__rtc_configuration": ...}
    result = run("check", write_od_config(tmp_path, **changes))
    assert result.status == 0
    assert "  sound    off: webrtc.enable is False\n" in result.out
    assert result.out.endswith("found nothing wrong\n")


def test_the_summary_says_when_desktops_have_no_sound(tmp_path: Path, run: Any) -> None:
    for enable in (False, None):
        entry = {"image": "a/b:1", "enable": enable, "tcpport": 4714}
        result = run("check", write_od_config(tmp_path, desktop__pod={"sound": entry}))
        assert result.status == 0
        assert "  sound    off: desktop.pod.sound is not enabled\n" in result.out


def test_errors_are_exit_1_each_with_its_line(tmp_path: Path, run: Any) -> None:
    coturn = {**COTURN, "ttl": 0, "protocol": "http"}
    od_config = write_od_config(tmp_path, webrtc__enable="True", webrtc__coturn=coturn)
    result = run("check", od_config)
    lines = result.out.splitlines()
    assert result.status == 1
    assert result.err == ""
    assert lines[-1] == "3 errors"
    assert len(lines) == 4
    for start in ("2: error: webrtc.enable: ", "4: error: webrtc.coturn.ttl: must be 1"):
        assert any(line.startswith(f"{od_config}:{start}") for line in lines)


def test_warnings_are_exit_0_and_shown_with_the_summary(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path, webrtc__enabled=True)
    result = run("check", od_config)
    first, *_, last = result.out.splitlines()
    assert result.status == 0
    assert first.startswith(f"{od_config}:6: warning: webrtc.enabled: no such entry")
    assert last == "1 warning"
    assert "  sound    on\n" in result.out


@pytest.mark.parametrize(
    ("changes", "options", "status"),
    [
        ({}, [], 0),
        ({}, ["--strict"], 0),
        (WEAK, [], 0),
        (WEAK, ["--strict"], 1),
        ({"webrtc__enable": 1}, [], 1),
        ({"webrtc__enable": 1}, ["--strict"], 1),
    ],
    ids=str,
)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=str)
def test_strict_takes_warnings_for_errors(
    tmp_path: Path,
    run: Any,
    changes: Dict[str, Any],
    options: List[str],
    status: int,
    form: List[str],
) -> None:
    result = run("check", *options, *form, write_od_config(tmp_path, **changes))
    assert result.status == status
    if form:
        assert json.loads(result.out)["ok"] is (status == 0)


def test_json_has_every_problem_in_one_shape(tmp_path: Path, run: Any) -> None:
    od_config = str(write_od_config(tmp_path, webrtc__enable=1, webrtc__enabled=True))
    result = run("check", "--json", od_config)
    report = json.loads(result.out)
    members = ("file", "ok", "errors", "warnings", "notes", "release", "desktop", "labels")
    assert list(report) == [*members]
    assert report["desktop"] is report["labels"] is None
    assert report["file"] == od_config
    assert report["ok"] is False
    (error,), (warning,) = report["errors"], report["warnings"]
    for problem in (error, warning):
        assert list(problem) == ["level", "file", "line", "path", "message", "more"]
        assert problem["file"] == od_config
        assert problem["message"]
    assert (error["level"], error["line"], error["path"]) == ("error", 2, "webrtc.enable")
    assert (warning["level"], warning["line"], warning["path"]) == ("warning", 6, "webrtc.enabled")
    assert result.err == ""


def test_json_of_a_clean_file(tmp_path: Path, run: Any) -> None:
    od_config = str(write_od_config(tmp_path))
    result = run("check", od_config, "--json")
    assert result.status == 0
    assert json.loads(result.out) == {
        "file": od_config,
        "ok": True,
        "errors": [],
        "warnings": [],
        "notes": [],
        "release": None,
        "desktop": {
            "stun_server": "stun://stun.example.org:3478",
            "turn_server": None,
            "turn_servers": [],
        },
        "labels": [
            {
                "label": None,
                "number": 1,
                "servers": ["turn:turn.example.org:3478"],
                "policy": None,
            }
        ],
    }


SOUND = {"image": "a.b/oc.pulseaudio:3.3", "enable": True, "acl": {"permit": ["all"]}}


def test_the_summary_says_which_release_it_is(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path, desktop__pod={"sound": SOUND})
    assert "  release  3.3, by the image oc.pulseaudio:3.3\n" in run("check", od_config).out
    assert json.loads(run("check", "--json", od_config).out)["release"] == "3.3"


def test_the_summary_says_which_server_desktops_depend_on(tmp_path: Path, run: Any) -> None:
    coturn = [{**COTURN, "protocol": "turns"}, {**COTURN, "url": ["first", "second"]}]
    od_config = write_od_config(tmp_path, webrtc__coturn=coturn, webrtc__desktop={"turn": True})
    shown = "  desktop  TURN_SERVER turn:first  (the only one of 3 urls that desktops use)\n"
    assert shown in run("check", od_config).out
    report = json.loads(run("check", "--json", od_config).out)
    assert report["desktop"]["turn_server"] == "turn:first"


@pytest.mark.parametrize("enable", [True, False])
def test_where_there_is_one_url_desktops_have_no_other(
    tmp_path: Path, run: Any, enable: bool
) -> None:
    changes = {"webrtc__desktop": {"turn": True}, "webrtc__enable": enable}
    out = run("check", write_od_config(tmp_path, **changes)).out
    assert ("  desktop  TURN_SERVER turn:turn.example.org:3478\n" in out) is enable
    assert ("TURN_SERVER" in out) is enable


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An od.config of which there is a note, beside a warning."""

    def problems(_: Any, root: Where) -> List[Problem]:
        return [root["webrtc.enable"].note("is good to know")]

    monkeypatch.setattr(config, "_unknown_entries", problems)
    return write_od_config(tmp_path, **WEAK)


@pytest.mark.parametrize("options", [[], ["--strict"]], ids=str)
def test_a_note_is_shown_and_never_a_failure(run: Any, noted: Path, options: List[str]) -> None:
    result = run("check", *options, noted)
    assert f"{noted}:2: note: webrtc.enable: is good to know\n" in result.out
    assert result.out.endswith("1 warning, 1 note\n")
    assert result.status == (1 if options else 0)  # for the warning


def test_json_has_notes_of_their_own(run: Any, noted: Path) -> None:
    report = json.loads(run("check", "--json", noted).out)
    (note,) = report["notes"]
    assert (note["level"], note["line"], note["path"]) == ("note", 2, "webrtc.enable")
    assert [warning["level"] for warning in report["warnings"]] == ["warning"]


def test_a_note_stands_beside_an_error(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def problems(_: Any, root: Where) -> List[Problem]:
        return [root["webrtc.coturn"].note("is good to know")]

    monkeypatch.setattr(config, "_unknown_entries", problems)
    result = run("check", "--strict", write_od_config(tmp_path, webrtc__enable=1))
    assert result.status == 1
    assert result.out.endswith("1 error, 1 note\n")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.config", "can't be read: No such file or directory"),
        ("", "can't be read: Is a directory"),
        ("od.config/x", "can't be read: Not a directory"),
    ],
)
@pytest.mark.parametrize("name_of_command", COMMANDS)
def test_a_file_that_can_not_be_read_is_exit_3(
    tmp_path: Path, run: Any, name_of_command: str, name: str, reason: str
) -> None:
    write_od_config(tmp_path)
    result = run(name_of_command, tmp_path / name)
    assert result.status == 3
    assert f"{tmp_path / name}: error: {reason}\n" in result.out + result.err


def test_json_of_a_file_that_can_not_be_read_is_json(tmp_path: Path, run: Any) -> None:
    result = run("check", "--json", tmp_path / "missing.config")
    assert result.status == 3
    (error,) = json.loads(result.out)["errors"]
    assert error["line"] is None
    assert error["path"] == ""


@pytest.mark.parametrize("form", [[], ["--json"]], ids=str)
@pytest.mark.parametrize("coturn", [COTURN, WEAK["webrtc__coturn"], {**COTURN, "ttl": 0}], ids=str)
def test_check_never_shows_a_secret(
    tmp_path: Path, run: Any, form: List[str], coturn: Dict[str, Any]
) -> None:
    result = run("check", *form, write_od_config(tmp_path, webrtc__coturn=coturn))
    assert coturn["coturn_static_auth_secret"] not in result.out + result.err


def test_problems_come_in_the_order_of_the_file(tmp_path: Path, run: Any) -> None:
    od_config = tmp_path / "od.config"
    od_config.write_text("[global]\nwebrtc.on: 1\nwebrtc.coturn: 5\nwebrtc.enable: 1\n")
    lines = run("check", od_config).out.splitlines()[:-1]
    assert [line.split(":")[1:3] for line in lines] == [
        ["2", " warning"],
        ["3", " error"],
        ["4", " error"],
    ]


# any file at all


BAD_FILES = [
    b"",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf[global]\n",
    b"[global",
    b"[]\n",
    b"[global]\n\xe9: 1\n",
    b"[global]\n: 1\n",
    b"[global]\nwebrtc.enable\n",
    b"[global]\nwebrtc.enable: \n",
    b"[global]\nwebrtc.enable: %\n",
    b"[global]\nwebrtc.enable: %(webrtc.enable)s\n",
    b"[global]\nwebrtc.enable: __import__('os').abort()\n",
    b"[global]\nwebrtc.enable: " + b"[" * 10_000 + b"\n",
    b"[global]\nwebrtc.coturn: {'ttl': 1e999, 'url': ['\\ud800'], 3: {}}\n",
    b"[global]\nwebrtc.coturn: [[[[]]]]\n",
    b"[global]\nwebrtc.\xe2\x98\x83: 1\nwebrtc.enable: 0\n",
    b"[global]\nwebrtc.rtc_configuration: {'iceServers': [{'urls': b'x'}], 1: 2}\n",
    b"[global]\nwebrtc.desktop: 9\njwt_token_user: 'x'\nwebrtc.rtc_constraints: 1j\n",
    b"[global]\nwebrtc.coturn: {'coturn_static_auth_secret_file': '\\0', 'url': 'a'}\n",
]


@pytest.mark.parametrize("data", BAD_FILES, ids=lambda data: repr(data)[:60])
def test_a_bad_file_is_exit_1_and_never_a_traceback(tmp_path: Path, run: Any, data: bytes) -> None:
    od_config = tmp_path / "od.config"
    od_config.write_bytes(data)
    for line in (["check"], ["check", "--json"], ["mint"]):
        assert run(*line, od_config).status == 1


def test_a_key_file_that_is_no_file_name_is_exit_3(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path, jwt_token_user={"jwtuserpublickeyfile": "a\0b"})
    result = run("serve", od_config)
    assert result.status == 3
    assert "the key file can't be read: not a file name" in result.err


@given(data=st.one_of(st.binary(), st.text().map(lambda text: f"[global]\n{text}".encode())))
@settings(suppress_health_check=ONE_FIXTURE)
def test_any_file_is_exit_0_or_1(tmp_path: Path, run: Any, data: bytes) -> None:
    od_config = tmp_path / "od.config"
    od_config.write_bytes(data)
    assert run("check", od_config).status in (0, 1)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 70_000)
    | st.sampled_from(["turn", "udp", "a.example.org:3478", "stun:a", "userid", "", "pseudonym"])
    | st.text(max_size=5)
    | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [*COTURN, "urls", "iceServers", "credential", "name", "weight", "acl", "permit"]
            )
            | st.integers(),
            inner,
        )
    ),
    max_leaves=8,
)
KEYS = [*ENTRIES, "webrtc.rtc_constraints", "webrtc.desktop", "jwt_token_user", "webrtc.x"]
KEYS += ["webrtc.coturn_servers", "webrtc.policies"]


@given(entries=st.dictionaries(st.sampled_from(KEYS), VALUES))
@settings(suppress_health_check=ONE_FIXTURE)
def test_any_value_is_exit_0_or_1(tmp_path: Path, run: Any, entries: Dict[str, Any]) -> None:
    lines = [f"{key}: {value!a}".replace("%", "%%") for key, value in entries.items()]
    od_config = tmp_path / "od.config"
    od_config.write_text("\n".join(["[global]", *lines]))
    assert run("check", od_config).status in (0, 1)
    assert run("mint", od_config, "--user", "a").status in (0, 1)


def test_verbose_says_which_entries_are_checked(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path)
    result = run("check", "-v", od_config)
    assert f"{od_config}:4: checking webrtc.coturn\n" in result.err
    assert SECRET not in result.err


# on a terminal, and in a pipe


def looked_at(folder: Path) -> Path:
    """Return an od.config of which there is something of each kind to show."""
    entry = {**COTURN, "url": "turn-0.a-rather-long-name.of-a-department.example.org:3478"}
    coturn = [{**entry, "protocol": "turns"}, entry, WEAK["webrtc__coturn"]]
    changes = {"webrtc__desktop": {"turn": True}, "webrtc__enabled": True, "webrtc__coturn": coturn}
    return write_od_config(folder, **changes, desktop__pod={"sound": SOUND})


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["check", "check-wrong"])
def test_it_looks_well_at_any_width(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, width: Optional[int]
) -> None:
    monkeypatch.chdir(tmp_path)
    od_config = looked_at(tmp_path)
    if name == "check-wrong":
        text = od_config.read_text().replace("'ttl': 600", "'ttl': 0").replace(": True", ": Tru", 1)
        od_config.write_text(text)
    with screen(width) as shown:
        assert main(["check"]) == (1 if name == "check-wrong" else 0)
    lines = readable(shown.getvalue()).splitlines()
    assert_snapshot(f"{name}-{shape(width)}", shown.getvalue())
    if width:
        assert max(len(re.sub("«[^»]*»", "", line)) for line in lines) <= width


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_data_is_the_same_in_each_form(tmp_path: Path, run: Any, form: str) -> None:
    od_config = looked_at(tmp_path)
    result = run("check", "-o", form, od_config)
    assert yaml.safe_load(result.out) == json.loads(run("check", "--json", od_config).out)
    assert result.err == ""
