"""What the test page says about relays that may work only within their server."""

from __future__ import annotations

from typing import Any, Dict

import pytest
from playwright.sync_api import Page as Tab

from e2e.testpage_results import SRFLX, WORKS, relayed, seen
from e2e.testpage_stage import (
    GLOBAL,
    GLOBAL_NAME,
    OUTSIDE,
    Certificate,
    Stage,
    coturn_entry,
    stun_entry,
)
from e2e.testpage_tab import headline, outcome, verdict
from integration.netns import SERVER

pytest_plugins = ["e2e.testpage_fixtures"]

TCP = "turn:a.example?transport=tcp"


def given(url: str, relay: str, **call: Any) -> Dict[str, Any]:
    """Return the result of a call that was heard, through relays at this address."""
    made = relayed(url, **call)
    made["candidates"][0]["address"] = relay
    return made


def stun(host: str, address: str, kind: str = "srflx") -> Dict[str, Any]:
    return seen(f"stun:{host}", candidates=[{**SRFLX, "type": kind, "address": address}])


NAMED, V6 = "turn:a.example", "turn:[2a00::1]"
PRIVATE = ["10.0.0.5", "172.31.0.1", "192.168.1.1", "127.0.0.1", "169.254.1.1", "100.64.0.1"]
PRIVATE += ["172.16.0.0", "100.127.255.255", "203.0.113.7", "fd00::5", "fe80::5", "::1"]
PRIVATE += ["2001:db8::1"]
GLOBALS = ["11.0.0.2", "172.15.255.255", "172.32.0.0", "100.63.0.1", "100.128.0.0", "192.169.0.1"]
DOUBTS = [
    *(("turn:11.0.0.1", address, None, "private-relay") for address in PRIVATE),
    (V6, "FD00::5", None, "private-relay"),
    (NAMED, "10.0.0.5", stun("a.example", "11.0.0.7"), "private-relay"),
    (NAMED, "fd00::5", stun("a.example", "2a00::7"), "private-relay"),
    *(("turn:11.0.0.1", address, None, "other-relay") for address in GLOBALS),
    (V6, "2a00::2", None, "other-relay"),
]
NO_DOUBTS = [
    ("turn:11.0.0.1", "11.0.0.1", None),
    ("turn:[2A00:0:0::1]", "2a00::1", None),
    # a site where all is private, also with more than one address, or behind a router of its own
    ("turn:10.0.0.5", "10.0.0.5", None),
    ("turn:10.0.0.5", "192.168.0.5", stun("10.0.0.5", "11.0.0.7")),
    ("turn:[fd00::1]", "10.0.0.5", None),
    ("turn:10.0.0.5", "11.0.0.1", None),  # users inside reach it at a private address
    (NAMED, "10.0.0.5", stun("a.example", "10.0.0.9")),
    (NAMED, "10.0.0.5", stun("a.example", "203.0.113.7")),  # examples' addresses are nobody's
    (NAMED, "10.0.0.5", stun("a.example", "2a00::7")),  # IPv6 without NAT beside it
    # another family, another server, nothing that says where the server is
    ("turn:11.0.0.1", "2a00::1", None),
    (NAMED, "10.0.0.5", stun("b.example", "11.0.0.7")),
    (NAMED, "10.0.0.5", None),
    (NAMED, "10.0.0.5", stun("a.example", "11.0.0.7", "host")),
    (NAMED, "11.0.0.1", stun("a.example", "11.0.0.7")),
    # no address at all
    *(("turn:11.0.0.1", none, None) for none in ("", "x.local", "1.2.3.999", "::g")),
    *((NAMED, "10.0.0.5", stun("a.example", none)) for none in ("", "x.local")),
]


@pytest.mark.parametrize(("url", "relay", "other", "word"), DOUBTS)
def test_a_relay_that_may_work_within_its_server_only_is_doubted(
    report: Any, url: str, relay: str, other: Any, word: str
) -> None:
    found, text = report(given(url, relay), *([other] if other else []))
    assert found["level"] == "warning"
    assert found["headline"] == (f"{WORKS} TURN/UDP, if the desktop can send to {relay}.")
    (problem,) = found["problems"]
    assert problem["text"].startswith(
        "TURN/UDP: the tone arrives through the relay. A desktop may still not reach it: the server"
    )
    assert f"gives relays at {relay}" in problem["text"]
    assert ("not a public address" in problem["text"]) == (word == "private-relay")
    assert "external-ip" in problem["advice"]
    assert text.startswith(f"{found['headline']}\n")
    assert f"\n  warning: {word}: the tone arrives through the relay. A desktop may" in text


@pytest.mark.parametrize(("url", "relay", "other"), NO_DOUBTS)
def test_a_relay_is_not_doubted_without_a_reason(
    report: Any, url: str, relay: str, other: Any
) -> None:
    found, text = report(given(url, relay), *([other] if other else []))
    assert (found["level"], found["problems"]) == ("ok", [])
    assert found["headline"] == f"{WORKS} TURN/UDP."
    assert "\n  works: the tone arrives through the relay\n" in text


def test_a_doubt_goes_with_what_else_was_found(judge: Any) -> None:
    doubtful, lossy = "turn:11.0.0.1", {"packetsLost": 50, "packetsReceived": 50}
    where = "from this network over"
    if_so = "if the desktop can send to 10.0.0.5"
    found = judge(given(doubtful, "10.0.0.5", **lossy))
    assert found["headline"] == f"Sound will have gaps {where} TURN/UDP, {if_so}."
    (problem,) = found["problems"]
    assert "50 % of it was lost on the way. A desktop may still not reach it: " in problem["text"]
    assert "overloaded network. In turnserver.conf, set external-ip" in problem["advice"]
    found = judge(given(doubtful, "10.0.0.5"), relayed(TCP))
    assert found["headline"] == (f"{WORKS} TURN/UDP and TURN/TCP; over TURN/UDP only {if_so}.")
    found = judge(given(doubtful, "10.0.0.5", heard=False, noOutput=True))
    assert found["headline"] == (
        f"Sound may work {where} TURN/UDP: this browser has no audio output."
    )
    assert "so it plays no tone. A desktop may still not reach it: " in found["problems"][0]["text"]
    (problem,) = judge(given(doubtful, "10.0.0.5", heard=False))["problems"]
    assert "desktop" not in problem["text"]  # what fails does so for a reason of its own


# servers whose relays are at an address that others can't send to


def test_a_call_within_the_server_is_no_proof_that_others_can_send_to_its_relay(
    tab: Tab, running: Stage, certificate: Certificate
) -> None:
    """coturn treats a peer at its `external-ip` as itself, so all these calls connect."""
    running.give_server_a_global_address()
    at_global = f"listening-ip={GLOBAL}"
    running.coturn(3540, 5440, certificate, at_global)
    running.coturn(3550, 5450, certificate, at_global, "external-ip=11.0.0.9")
    running.coturn(3560, 5460, certificate, at_global, f"external-ip={GLOBAL}/{SERVER}")
    page = running.serve(
        8019,
        webrtc__rtc_configuration=stun_entry(f"stun:{GLOBAL_NAME}:3540"),
        webrtc__coturn=[
            coturn_entry(3540, GLOBAL),
            coturn_entry(3540, GLOBAL_NAME),
            coturn_entry(3550, GLOBAL),
            coturn_entry(3560, GLOBAL),
            coturn_entry(3560, GLOBAL_NAME),
        ],
    )
    cards = outcome(tab, page)
    works, doubt = "he tone arrives through the relay.", "A desktop may still not reach it:"
    gives = f"the server at {GLOBAL} gives relays at"
    private = f"{SERVER}, which is not a public address."
    seen = f"the server sees this network as {OUTSIDE}, and gives relays at {private}"
    expected = {
        f"turn:{GLOBAL}:3540": f"{works} {doubt} {gives} {private}",
        f"turn:{GLOBAL_NAME}:3540": f"{works} {doubt} {seen}",
        f"turn:{GLOBAL}:3550": f"Data from this browser ({OUTSIDE}) to the relay 11.0.0.9:55",
        f"turn:{GLOBAL}:3560": works,
        f"turn:{GLOBAL_NAME}:3560": works,
    }
    assert f"sees this network as {OUTSIDE}" in cards.pop(f"stun:{GLOBAL_NAME}:3540")
    assert list(cards) == list(expected)
    for url, text in expected.items():
        assert text in cards[url], url
        assert (doubt in cards[url], "Warning" in cards[url]) == (doubt in text,) * 2, url
    assert "from outside: works" in cards[f"turn:{GLOBAL}:3560"]
    said = headline(tab)
    assert said.startswith(f"{WORKS} TURN/UDP at {GLOBAL}:3540, ")
    assert said.endswith(
        f"; over TURN/UDP at {GLOBAL}:3540 and TURN/UDP at {GLOBAL_NAME}:3540 only if the desktop "
        f"can send to {SERVER}."
    )
    assert tab.locator(".problem").count() == 3
    assert verdict(tab).count("set external-ip") == 1  # for both
    report = tab.locator("#report-text").text_content() or ""
    assert report.startswith(f"{said}\n")
    assert report.count("  warning: private-relay: the tone arrives through the relay.") == 2
    assert report.count("  error: relay-ports: data from this browser") == 1
