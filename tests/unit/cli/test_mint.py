"""The command mint."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any, List

import pytest
import yaml

import abcwebrtc
from support import SECRET, write_od_config
from unit.cli.test_main import COTURN


def test_mint_prints_json_and_says_on_stderr_how_long_it_holds(tmp_path: Path, run: Any) -> None:
    before = time.time()
    result = run("mint", write_od_config(tmp_path), "--user", "alice")
    content = json.loads(result.out)
    assert result.status == 0
    stun, turn = content["iceServers"]
    assert stun == {"urls": "stun:stun.example.org:3478"}
    expires_at, _, user = turn["username"].partition(":")
    assert user == "alice"
    assert int(before) + 600 <= int(expires_at) <= time.time() + 600
    assert abcwebrtc.verify_turn_credentials(SECRET, turn["username"], turn["credential"])
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(expires_at)))
    assert result.err == f"valid for 600 s, until {end}\n"
    assert len(result.out.splitlines()) > 5


def test_mint_json_is_one_line_and_nothing_else(tmp_path: Path, run: Any) -> None:
    result = run("mint", "--json", "--user", "zo\u00eb", write_od_config(tmp_path))
    assert result.out.count("\n") == 1
    assert result.out.isascii()
    assert json.loads(result.out)["iceServers"][1]["username"].endswith(":zo\u00eb")
    assert result.err == ""


def test_mint_yaml_is_the_same_data(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path, webrtc__coturn=...)
    text, data = run("mint", od_config), run("mint", "-o", "yaml", od_config)
    assert yaml.safe_load(data.out) == json.loads(text.out)
    assert data.err == ""


def test_quiet_leaves_the_result(tmp_path: Path, run: Any) -> None:
    result = run("mint", "--quiet", "--user", "alice", write_od_config(tmp_path))
    assert json.loads(result.out)["iceServers"]
    assert result.err == ""


def test_verbose_says_what_is_minted(tmp_path: Path, run: Any) -> None:
    result = run("mint", "-v", "--user", "alice", write_od_config(tmp_path))
    said = "minting for turn:turn.example.org:3478: ttl 600 s, username userid\n"
    assert said in result.err
    assert SECRET not in result.err


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_an_error_is_data_where_data_is_asked_for(tmp_path: Path, run: Any, form: str) -> None:
    result = run("mint", "-o", form, write_od_config(tmp_path))
    found = yaml.safe_load(result.out)
    assert (result.status, result.err, found["ok"]) == (1, "", False)
    assert "user" in found["errors"][0]["message"]


def test_the_note_is_about_the_server_that_expires_first(tmp_path: Path, run: Any) -> None:
    servers = [{**COTURN, "ttl": ttl} for ttl in (900, 300)]
    result = run("mint", write_od_config(tmp_path, webrtc__coturn=servers), "--user", "alice")
    assert result.err.startswith("valid for 300 s, ")


def test_mint_of_stun_alone_has_no_note(tmp_path: Path, run: Any) -> None:
    result = run("mint", write_od_config(tmp_path, webrtc__coturn=None))
    assert result.status == 0
    assert json.loads(result.out)["iceServers"] == [{"urls": "stun:stun.example.org:3478"}]
    assert result.err == ""


@pytest.mark.parametrize(
    ("style", "user", "status"),
    [
        ("timestamp", None, 0),
        ("timestamp", "alice", 0),
        ("userid", None, 1),
        ("userid", "a b", 1),
        ("userid", "\udcff", 1),
        ("pseudonym", None, 1),
        ("pseudonym", "a b", 0),
    ],
)
def test_mint_needs_a_user_where_the_style_does(
    tmp_path: Path, run: Any, style: str, user: Any, status: int
) -> None:
    od_config = write_od_config(tmp_path, webrtc__coturn={**COTURN, "username": style})
    result = run("mint", od_config, *([] if user is None else ["--user", user]))
    assert result.status == status
    if status:
        assert result.out == ""
        assert result.err.startswith("error: ")
        assert "user" in result.err


def test_mint_says_that_webrtc_is_off(tmp_path: Path, run: Any) -> None:
    result = run("mint", write_od_config(tmp_path, webrtc__enable=False), "--user", "alice")
    assert result.status == 1
    assert result.out == ""
    assert result.err == "error: webrtc.enable is False; set webrtc.enable: True for sound\n"


def test_mint_says_every_error_of_the_file(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path, webrtc__enable=1, webrtc__coturn=2)
    result = run("mint", od_config)
    assert result.status == 1
    assert result.out == ""
    assert [line.split(": ")[:3] for line in result.err.splitlines()] == [
        [f"{od_config}:2", "error", "webrtc.enable"],
        [f"{od_config}:4", "error", "webrtc.coturn"],
    ]


# a fleet


def fleet(folder: Path, number: Any = None, **keys: Any) -> Path:
    names = ("lyon", "paris", "rome")
    servers = [
        {**COTURN, "name": name, "url": f"{name}.example.org", "acl": {"permit": [name]}, **keys}
        for name in names
    ]
    policies = [{"acl": {"permit": ["rome"]}, "iceTransportPolicy": "relay", "ttl": 60}]
    changes = {"webrtc__coturn": servers, "webrtc__policies": policies}
    return write_od_config(folder, **changes, webrtc__coturn_servers=number)


def urls(result: Any) -> List[str]:
    return [server["urls"] for server in json.loads(result.out)["iceServers"][1:]]


def test_labels_choose_the_servers_and_the_policy(tmp_path: Path, run: Any) -> None:
    od_config = fleet(tmp_path)
    result = run("mint", "-v", od_config, "--user", "alice", "--labels", "lyon, paris")
    assert urls(result) == ["turn:lyon.example.org", "turn:paris.example.org"]
    assert "\nvalid for 600 s, " in result.err
    assert "minting for lyon: ttl 600 s, username userid\n" in result.err
    assert "minting for rome" not in result.err
    result = run("mint", "-v", od_config, "--user", "alice", "--labels", "rome")
    assert urls(result) == ["turn:rome.example.org"]
    assert json.loads(result.out)["iceTransportPolicy"] == "relay"
    assert "minting for rome: ttl 60 s, username userid\n" in result.err
    assert "\nvalid for 60 s, " in result.err


def test_what_verbose_says_is_what_is_minted_for_an_unknown_user_too(
    tmp_path: Path, run: Any
) -> None:
    """Each choice for an unknown user is another one."""
    anybody = {"acl": {"permit": ["all"]}, "username": "timestamp"}
    od_config, seen = fleet(tmp_path, 1, **anybody), set()
    for _ in range(12):
        result = run("mint", "-v", od_config)
        (url,) = urls(result)
        (said,) = re.findall("minting for (.*): ttl", result.err)
        assert url == f"turn:{said}.example.org"
        seen.add(url)
    assert len(seen) > 1


@pytest.mark.parametrize(
    ("labels", "whom"), [([], "no labels"), (["--labels", "x,y"], "the labels x, y")]
)
def test_a_user_for_whom_no_server_is_left_is_a_warning(
    tmp_path: Path, run: Any, labels: List[str], whom: str
) -> None:
    result = run("mint", fleet(tmp_path), "--user", "alice", *labels)
    assert (result.status, urls(result)) == (0, [])
    assert result.err == f"warning: webrtc.coturn has no server for a user with {whom}\n"
