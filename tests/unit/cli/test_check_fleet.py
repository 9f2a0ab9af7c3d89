"""What check shows of a fleet: which labels get which servers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest
import yaml

from abcwebrtc.cli.main import main
from conftest import ROOT
from support import write_od_config
from support.fleets import server, servers
from support.snapshots import WIDTHS, assert_snapshot, readable, screen, shape

HIDDEN = "s3cr3tS3CR3T0123456789abcdef"
PARIS, OTHERS = {"permit": ["paris"]}, {"permit": ["all"], "deny": ["paris"]}
FLEET: Dict[str, Any] = {
    "webrtc__coturn_servers": 2,
    "webrtc__coturn": [
        server("paris-1", weight=2, acl=PARIS),
        server("paris-2", acl=PARIS),
        server("paris-3", acl=PARIS),
        server("paris-4", acl=PARIS, drain=True),
        server("rome-1", acl=OTHERS, ttl=600, username="userid"),
        {**server("rome-2", acl=OTHERS), "name": "turn-in-rome"},
    ],
    "webrtc__policies": [
        {"acl": {"permit": ["externals"]}, "iceTransportPolicy": "relay", "ttl": 900},
        {"acl": PARIS, "ttl": 60},
    ],
    "webrtc__desktop": {"turn": True, "acl": {"permit": ["all"], "deny": ["externals"]}},
}


@pytest.fixture
def rows(tmp_path: Path, run: Any) -> Any:
    """Return a function from changes of an od.config to the rows of its summary."""

    def found(**changes: Any) -> List[str]:
        result = run("check", write_od_config(tmp_path, **changes))
        assert result.status == 0
        return [line for line in result.out.splitlines() if line.startswith("  ")]

    return found


def test_each_label_has_a_row(rows: Any) -> None:
    found = rows(**FLEET)
    wanted = ("users", "labels", "drained", "")
    assert [row for row in found if row[2:11].strip() in wanted] == [
        "  labels   (none)  rome-1, turn-in-rome",
        "  labels   paris  2 of paris-1, paris-2, paris-3  (ttl 60 s)",
        "  labels   externals  rome-1, turn-in-rome  (iceTransportPolicy relay, ttl 900 s)",
        "  drained  paris-4",
    ]


def test_a_url_has_the_name_and_the_weight_of_its_server(rows: Any) -> None:
    turn = [row for row in rows(**FLEET) if row.startswith("  turn")]
    assert turn[0] == (
        "  turn     turn:paris-1.example.org  "
        "(name paris-1, ttl 3600 s, username timestamp, weight 2)"
    )
    assert turn[3].endswith("(name paris-4, ttl 3600 s, username timestamp, drained)")
    assert turn[4].endswith("(name rome-1, ttl 600 s, username userid)")


def test_without_labels_all_users_have_one_row(rows: Any) -> None:
    found = rows(webrtc__coturn=servers(3), webrtc__coturn_servers=1)
    assert "  users    1 of t0, t1, t2" in found
    assert not any(row.startswith("  labels") for row in found)
    policy = [{"iceTransportPolicy": "all"}]
    found = rows(webrtc__coturn=servers(1), webrtc__policies=policy)
    assert "  users    t0  (iceTransportPolicy all)" in found
    found = rows(webrtc__coturn=[server("a", drain=True), server("b")])
    assert "  users    b" in found
    assert "  drained  a" in found
    assert "  users    no server" in rows(webrtc__coturn=servers(2, drain=True))


def test_where_all_users_get_all_servers_there_is_no_such_row(rows: Any) -> None:
    for row in rows(webrtc__coturn=servers(2)):
        assert row[2:11].strip() not in ("users", "labels", "drained")


def test_a_label_without_a_server_is_shown(rows: Any) -> None:
    found = rows(webrtc__coturn=[server("a", acl=OTHERS)])
    assert "  labels   paris  no server" in found


def test_so_many_labels_and_names_are_shown(rows: Any) -> None:
    names = "abcdefghijklmnopqrstuvwxyz"
    entries = [server("first", acl={"permit": ["all"], "deny": [*names]}), *servers(25)]
    found = rows(webrtc__coturn=entries, webrtc__coturn_servers=2)
    labels = [row for row in found if row.startswith("  labels")]
    assert len(labels) == 1 + 20
    assert "           and 6 more labels" in found
    some = ", ".join(f"t{number}" for number in range(10))
    assert labels[1] == f"  labels   a  2 of {some} and 15 more"
    assert "           and 7 more urls" in found


def test_a_label_or_a_name_that_may_be_a_secret_is_not_shown(tmp_path: Path, run: Any) -> None:
    entry = {**server("a", acl={"permit": ["all"], "deny": [HIDDEN]}), "name": HIDDEN}
    od_config = write_od_config(tmp_path, webrtc__coturn=entry, webrtc__coturn_servers=1)
    for form in ([], ["--json"], ["-o", "yaml"], ["-v"]):
        result = run("check", *form, od_config)
        assert HIDDEN not in result.out + result.err
    out = run("check", od_config).out
    assert "  labels   (not shown)  no server\n" in out
    assert "(name (not shown), ttl" in out


# desktops


def test_each_desktop_gets_one_of_its_user_s_servers(rows: Any) -> None:
    some = "  desktop  TURN_SERVER of one of its user's servers"
    assert f"{some}  (only for users whom its acl permits)" in rows(**FLEET)
    changes = {"webrtc__coturn": servers(3), "webrtc__desktop": {"turn": True}}
    assert some in rows(**changes, webrtc__coturn_servers=1)
    found = rows(**changes)
    words = "the only one of 3 urls that desktops use"
    assert f"  desktop  TURN_SERVER turn:t0.example.org  ({words})" in found
    policies = [{"acl": PARIS, "ttl": 60}]  # does not matter to desktops
    assert found[:-1] == [
        row for row in rows(**changes, webrtc__policies=policies)[:-1] if row[2:8] != "labels"
    ]


@pytest.mark.parametrize(
    ("changes", "turn_server"),
    [
        ({}, "turn:a.example.org"),
        ({"webrtc__coturn": server("a", acl=PARIS)}, None),
        ({"webrtc__desktop": {"turn": True, "acl": PARIS}}, None),
        ({"webrtc__coturn": [server("a"), server("b")]}, "turn:a.example.org"),
        ({"webrtc__coturn": [server("a"), server("b")], "webrtc__coturn_servers": 1}, None),
        ({"webrtc__coturn": [server("b", drain=True), server("a")]}, "turn:a.example.org"),
    ],
    ids=str,
)
def test_json_has_the_desktops_server_where_all_have_it(
    tmp_path: Path, run: Any, changes: Dict[str, Any], turn_server: Optional[str]
) -> None:
    entries = {"webrtc__coturn": server("a"), "webrtc__desktop": {"turn": True}, **changes}
    report = json.loads(run("check", "--json", write_od_config(tmp_path, **entries)).out)
    assert report["desktop"]["turn_server"] == turn_server
    assert "turn:a.example.org" in report["desktop"]["turn_servers"]


def test_the_reference_shows_the_rows_of_its_example(tmp_path: Path, run: Any) -> None:
    page = (ROOT / "docs/reference/configuration.md").read_text(encoding="utf-8")
    _, _, section = page.partition("\n#### Who gets which servers\n")
    shown, entries = re.findall("```(?:text|ini)\n(.*?)```", section, re.DOTALL)[:2]
    od_config = tmp_path / "od.config"
    od_config.write_text(f"[global]\nwebrtc.enable: True\n{entries}", encoding="utf-8")
    result = run("check", "--strict", od_config)
    assert result.status == 0
    assert "".join(result.out.splitlines(keepends=True)[2:-1]) == shown


# data


def test_json_has_each_label(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path, **FLEET)
    report = json.loads(run("check", "--json", od_config).out)
    rome = ["rome-1", "turn-in-rome"]
    assert report["labels"] == [
        {"label": None, "number": 2, "servers": rome, "policy": None},
        {
            "label": "paris",
            "number": 2,
            "servers": ["paris-1", "paris-2", "paris-3"],
            "policy": {"iceTransportPolicy": None, "ttl": 60},
        },
        {
            "label": "externals",
            "number": 2,
            "servers": rome,
            "policy": {"iceTransportPolicy": "relay", "ttl": 900},
        },
    ]
    assert yaml.safe_load(run("check", "-o", "yaml", od_config).out) == report


# on a terminal, and in a pipe


@pytest.mark.parametrize("width", WIDTHS)
def test_it_looks_well_at_any_width(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: Optional[int]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_od_config(tmp_path, **FLEET)
    with screen(width) as shown:
        assert main(["check"]) == 0
    assert_snapshot(f"check-fleet-{shape(width)}", shown.getvalue())
    lines = readable(shown.getvalue()).splitlines()
    if width:
        assert max(len(re.sub("«[^»]*»", "", line)) for line in lines) <= width
