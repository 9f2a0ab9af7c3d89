"""What `probe` says as rows and as JSON."""

from __future__ import annotations

import json
import re
from typing import Any, List

import pytest

from abcwebrtc.probe.diagnosis import judge
from abcwebrtc.probe.model import RESOLVE, TLS, Burst, Failure, PathResult, Result
from abcwebrtc.probe.report import as_json, rows_of, rows_with, summary
from support.observations import (
    HERE,
    NOW,
    POD,
    SOME,
    STATIC,
    WAY,
    around,
    certificate,
    seen,
    stun,
    way,
)
from unit.project.test_docs import table_keys


def results() -> List[Result]:
    good = seen(
        scheme="stun",
        account=None,
        reflexive="198.51.100.7:5000",
        rfc3489=True,
        times={"connect": 1.0, "binding": 2.25},
    )
    bad = seen(
        stun(401),
        account=STATIC,
        transport=TLS,
        reflexive="[2001:db8::7]:5000",
        certificate=certificate(),
        times={"binding": 12.0},
    )
    relay = seen(
        relayed="203.0.113.7:50000",
        between=way(Burst(200, 10, 3)),
        outside=way(too_large=1200),
        redirects=["192.0.2.9:3478"],
        times={"binding": 2.5, "allocate": 3.5, "relay": 4.5, "outside": 5.5},
    )
    return judge([good, bad, relay], around())


def test_a_row_has_what_was_measured_and_what_was_seen() -> None:
    good, bad, relay = rows_of(results(), NOW)
    assert (good.by, good.words, good.level) == ("udp", "ok", "ok")
    assert good.steps == {"BINDING": "2.2 ms"}
    assert {name: fact.cell for name, fact in good.facts.items()} == {
        "ADDRESS": "192.0.2.1",
        "SEES YOU AS": "198.51.100.7",
        "LIBNICE": "yes",
    }
    assert (bad.by, bad.words, bad.level) == ("tls", "wrong-login", "error")
    assert bad.facts["CERTIFICATE"].phrase == "certificate for turn.example.org, 60 days left"
    assert [one.word for one in bad.diagnoses] == ["wrong-login"]
    assert list(relay.steps.values()) == [
        "2.5 ms",
        "3.5 ms",
        "4.5 ms",
        "5.5 ms",
        "1000 of 1200",
        "5 %",
    ]
    assert relay.facts["RELAYS AT"].cell == "203.0.113.7:50000"


def test_a_name_without_an_address_has_a_row() -> None:
    (row,) = rows_of(judge([seen(Failure(RESOLVE, "no-name"), address="")], around()), NOW)
    assert (row.by, row.words, dict(row.steps), dict(row.facts)) == ("", "no-name", {}, {})


@pytest.mark.parametrize(
    ("days", "left"), [(60, "60 days left"), (1, "1 day left"), (0, "0 days left"), (-1, "expired")]
)
def test_how_long_a_certificate_is_valid(days: int, left: str) -> None:
    one = certificate(not_after=int(NOW) + days * 86400)
    (row,) = rows_of(judge([seen(transport=TLS, certificate=one)], around()), NOW)
    assert row.facts["CERTIFICATE"].cell == f"turn.example.org, {left}"


@pytest.mark.parametrize(
    ("outside", "cell"),
    [
        (None, None),
        (PathResult(untried="forbidden"), "not tried"),
        (PathResult(), "lost"),
        (PathResult(there=True), "no answer"),
    ],
)
def test_what_was_not_tried_from_outside_is_not_called_well(outside: Any, cell: Any) -> None:
    one = seen(relayed="203.0.113.7:50000", between=WAY, outside=outside, times={"relay": 1.0})
    (row,) = rows_of(judge([one], around()), NOW)
    assert row.steps["RELAY"] == "1.0 ms"
    assert row.steps.get("OUTSIDE") == cell
    assert row.steps["LOSS"] == "-"


def test_the_size_that_is_lost_between_others_is_in_its_column() -> None:
    one = seen(relayed="203.0.113.7:50000", between=SOME, outside=WAY, times={"relay": 1.0})
    (row,) = rows_of(judge([one], around()), NOW)
    assert row.steps["SIZE"] == "not 400"


def test_a_note_is_in_one_row() -> None:
    untried = PathResult(untried="forbidden", peer="198.51.100.7")
    two = [seen(relayed=f"203.0.113.7:{port}", outside=untried) for port in (50000, 50001)]
    judged = judge(two, around())
    assert [len(one.diagnoses) for one in judged] == [1, 1]
    assert [len(row.diagnoses) for row in rows_of(judged, NOW)] == [1, 0]


def test_rows_of_some_levels_say_nothing_of_others() -> None:
    rows = rows_of(results(), NOW)
    assert [row.url for row in rows_with(rows, ["error"])] == [rows[1].url, rows[2].url]
    both = seen(stun(401), account=STATIC, unspoken="tls")
    (row,) = rows_with(rows_of(judge([both], around()), NOW), ["error"])
    assert [one.level for one in row.diagnoses] == ["error"]


def test_json_has_everything_that_the_rows_have() -> None:
    """JSON has every number and address of a row, and every word of a result."""
    judged = results()
    data = as_json(judged, HERE, NOW, failed=True)
    report = json.dumps(data)
    for row, one in zip(rows_of(judged, NOW), data["results"]):
        for text in (row.url, *row.steps.values(), *(fact.cell for fact in row.facts.values())):
            for part in re.findall(r"[0-9a-f.:]*[0-9][0-9a-f.:]*", text):
                assert part.rstrip(".0") in report, (part, text)
        assert [diagnosis.as_dict() for diagnosis in row.diagnoses] == one["diagnoses"]
        said = [other["word"] for other in one["diagnoses"] if other["level"] != "note"]
        assert row.words == (", ".join(said) or "ok")


def test_the_summary_counts() -> None:
    assert summary(results()[:2], HERE) == "1 of 2 work; probed from host here"
    warned = judge([seen(unspoken="tls"), seen(unspoken="dtls"), seen()], around(POD))
    assert summary(warned[1:], POD) == "2 of 2 work, 1 warning; probed from pod desk"
    assert summary(warned, POD) == "3 of 3 work, 2 warnings; probed from pod desk"


def test_json_has_what_was_seen_and_no_login() -> None:
    report = json.loads(json.dumps(as_json(results(), POD, NOW, failed=True)))
    assert report["ok"] is False
    assert report["from"] == {"host": "desk", "pod": True}
    assert (report["time"], report["time_unix"]) == ("2023-11-14T22:13:20Z", int(NOW))
    good, bad, relay = report["results"]
    assert list(good) == list(bad) == list(relay)
    assert relay["outside"]["too_large"] == 1200
    assert relay["between"]["burst"]["percent"] == 5.0
    assert relay["redirects"] == ["192.0.2.9:3478"]
    assert (good["level"], good["diagnoses"], good["certificate"]) == ("ok", [], None)
    assert good["times"] == {"connect": 1.0, "binding": 2.25}
    assert bad["certificate"]["days_left"] == 60
    assert bad["certificate"]["not_after"] == "2024-01-13T22:13:20Z"
    assert bad["certificate"]["not_after_unix"] == int(NOW) + 60 * 86400
    assert bad["diagnoses"][0]["word"] == "wrong-login"
    assert "a-password" not in str(report)
    assert "alice" not in str(report)


def test_the_page_lists_the_members_of_the_json() -> None:
    report = as_json(results(), HERE, NOW, failed=False)
    _, bad, relay = report["results"]
    members = {
        *report,
        *report["desktop"],
        *bad,
        *bad["certificate"],
        *bad["diagnoses"][0],
        *report["from"],
        *relay["between"],
        *relay["between"]["burst"],
    }
    assert set(table_keys("probe.md", "## JSON")) == members
