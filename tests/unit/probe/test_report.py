"""`probe` on paper: its table and its JSON."""

from __future__ import annotations

import json
import re
from typing import Any, List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc.probe.diagnosis import judge
from abcwebrtc.probe.model import TLS, Burst, PathResult, Result
from abcwebrtc.probe.report import as_json, summary, table
from support.observations import (
    CASES,
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

# the report


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


def test_the_table_has_the_columns_that_are_used() -> None:
    lines = table(results()[:2], NOW)
    assert lines[0].split() == ["URL", "BY", "BINDING", "RESULT"]
    assert re.split("  +", lines[1])[1:] == ["udp", "2.2 ms", "ok"]
    assert lines[2] == "  at 192.0.2.1, which sees 198.51.100.7, answers libnice"
    assert re.split("  +", lines[3])[1:] == ["tls", "12.0 ms", "wrong-login"]
    assert lines[4].startswith("  at 192.0.2.1, which sees 2001:db8::7, certificate for turn.ex")
    assert lines[0].index("RESULT") == lines[1].index("ok") == lines[3].index("wrong-login")
    assert lines[5].startswith("  error: 401: ")
    assert all(line == line.rstrip() for line in lines)


def test_a_relay_has_a_column_for_each_way() -> None:
    heading, row, *_ = table(results()[2:], NOW)
    columns = ["URL", "BY", "BINDING", "ALLOCATE", "RELAY", "OUTSIDE", "SIZE", "LOSS", "RESULT"]
    assert heading.split() == columns
    cells = re.split("  +", row)
    assert cells[2:8] == ["2.5 ms", "3.5 ms", "4.5 ms", "5.5 ms", "1000 of 1200", "5 %"]


def test_on_a_narrow_terminal_each_url_and_its_result_have_a_line_of_their_own() -> None:
    lines = table(results(), NOW, lambda text, level: f"<{text}>", 80)
    assert max(map(len, lines)) <= 82
    assert (lines[0].split(), lines[1].split()[:2]) == (["URL", "RESULT"], ["BY", "BINDING"])
    heads = [line for line in lines[2:] if not line.startswith(" ")]
    urls = [one.observation.target.url for one in results()]
    assert [line.split()[0] for line in heads] == urls
    assert [line[lines[0].index("RESULT")] for line in heads] == ["<"] * 3
    assert lines[1].index("BINDING") == lines[3].index("2.2 ms")


def test_a_terminal_that_is_wide_enough_has_each_row_in_one_line() -> None:
    assert table(results()[:2], NOW, width=80)[0].split() == ["URL", "BY", "BINDING", "RESULT"]


@pytest.mark.parametrize(
    ("outside", "cell"),
    [
        (None, ""),
        (PathResult(untried="forbidden"), "not tried"),
        (PathResult(), "lost"),
        (PathResult(there=True), "no answer"),
    ],
)
def test_what_was_not_tried_from_outside_is_not_called_well(outside: Any, cell: str) -> None:
    one = seen(relayed="203.0.113.7:50000", between=WAY, outside=outside, times={"relay": 1.0})
    heading, row, *_ = table(judge([one], around()), NOW)
    assert row[heading.index("RELAY") :].split("  ")[0] == "1.0 ms"
    if cell:
        assert row[heading.index("OUTSIDE") :].startswith(cell)
    assert row[heading.index("LOSS") :].startswith("-")


def test_the_size_that_is_lost_between_others_is_in_its_column() -> None:
    one = seen(relayed="203.0.113.7:50000", between=SOME, outside=WAY, times={"relay": 1.0})
    heading, row, *_ = table(judge([one], around()), NOW)
    assert row[heading.index("SIZE") :].startswith("not 400 ")


def test_a_note_is_printed_once() -> None:
    untried = PathResult(untried="forbidden", peer="198.51.100.7")
    two = [seen(relayed=f"203.0.113.7:{port}", outside=untried) for port in (50000, 50001)]
    judged = judge(two, around())
    assert [len(one.diagnoses) for one in judged] == [1, 1]
    assert sum("note: " in line for line in table(judged, NOW)) == 1


def test_json_has_everything_that_the_table_has() -> None:
    """Every number and address in the table stands in the JSON, and every word of a result."""
    judged = results()
    report = json.dumps(as_json(judged, HERE, NOW, failed=True))
    for result, one in zip(judged, as_json(judged, HERE, NOW, failed=True)["results"]):
        _, row, *beneath = table([result], NOW)
        (details, *_) = beneath
        for text in re.split("  +|, ", row)[:-1] + details.split(", "):
            for part in re.findall(r"[0-9a-f.:]*[0-9][0-9a-f.:]*", text):
                assert part.rstrip(".0") in report, (part, text)
        for diagnosis in one["diagnoses"]:
            said = " ".join(" ".join(beneath).split())
            assert diagnosis["message"] in said
            assert diagnosis["word"] in row or diagnosis["level"] == "note"


@given(st.lists(st.sampled_from([case[0] for case in CASES]), max_size=5))
@settings(max_examples=30)
def test_any_table_is_aligned_and_narrow_where_it_explains(observations: Any) -> None:
    judged = judge(observations, around(POD))
    heading, *lines = table(judged, NOW, lambda text, level: f"<{text}>")
    column = heading.index("RESULT")
    rows = [line for line in lines if not line.startswith("  ")]
    assert len(rows) == len(observations)
    assert all(line[column - 1 : column + 1] == " <" for line in rows)
    assert all(len(line) <= 102 for line in lines if line.startswith("  "))


def test_the_summary_counts() -> None:
    assert summary(results()[:2], HERE) == "1 of 2 work; probed from host here"
    warned = judge([seen(unspoken="tls"), seen(unspoken="dtls"), seen()], around(POD))
    assert summary(warned[1:], POD) == "2 of 2 work, 1 warning; probed from pod desk"
    assert summary(warned, POD) == "3 of 3 work, 2 warnings; probed from pod desk"


def test_json_has_what_was_seen_and_no_login() -> None:
    report = json.loads(json.dumps(as_json(results(), POD, NOW, failed=True)))
    assert report["ok"] is False
    assert report["from"] == {"host": "desk", "pod": True}
    assert report["time"] == int(NOW)
    good, bad, relay = report["results"]
    assert list(good) == list(bad) == list(relay)
    assert relay["outside"]["too_large"] == 1200
    assert relay["between"]["burst"]["percent"] == 5.0
    assert relay["redirects"] == ["192.0.2.9:3478"]
    assert (good["level"], good["diagnoses"], good["certificate"]) == ("ok", [], None)
    assert good["times"] == {"connect": 1.0, "binding": 2.25}
    assert bad["certificate"]["days_left"] == 60
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
