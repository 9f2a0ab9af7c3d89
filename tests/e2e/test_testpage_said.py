"""How the test page presents what it will try, its advice, and the report."""

from __future__ import annotations

import re
from typing import Any, Iterator, List

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

import abcwebrtc
from e2e.testpage_results import error, relayed, seen
from e2e.testpage_stage import NAME, OTHER_SECRET, PORT, Certificate, Page, Stage, coturn_entry
from e2e.testpage_tab import (
    DESK,
    MILLISECONDS,
    PHONE,
    check_accessible,
    headline,
    only,
    opened,
    result,
    verdict,
)

pytest_plugins = ["e2e.testpage_fixtures"]

WRONG = {"coturn_static_auth_secret": OTHER_SECRET}
SECRET_ADVICE = "Make static-auth-secret in turnserver.conf equal to coturn_static_auth_secret"
CLOSED_ADVICE = "Start coturn, or correct the port;"
URLS = [
    f"turn:{NAME}:{PORT}?transport=udp",
    f"turn:{NAME}:{PORT}?transport=tcp",
    f"turn:{NAME}:3998?transport=tcp",
    f"turn:{NAME}:{PORT}",
]
# What is tried at a time, what is said of that, and the connections of this page.
WATCH = """
window.made = 0;
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...settings) { super(...settings); window.made += 1; }
};
window.tried = [];
window.said = [];
addEventListener("DOMContentLoaded", () => {
  const look = () => {
    tried.push(document.querySelectorAll('.server[data-level="working"]').length);
    said.push(document.querySelector("#verdict .headline")?.innerText ?? "");
  };
  const how = {subtree: true, childList: true, attributeFilter: ["data-level"]};
  if (document.getElementById("list")) new MutationObserver(look).observe(document.body, how);
});
"""


@pytest.fixture(scope="module")
def site(running: Stage, certificate: Certificate) -> Page:
    """A working server, one with another secret over two transports, and a closed port."""
    entries = [
        coturn_entry(PORT, NAME, transport=["udp", "tcp"], **WRONG),
        coturn_entry(3998, NAME, transport="tcp"),
        coturn_entry(PORT, NAME),
    ]
    return running.serve(8040, **only(*entries))


@pytest.fixture(scope="module")
def done(browser: Browser, site: Page) -> Iterator[Tab]:
    """A tab after the test."""
    context = browser.new_context(viewport=DESK)
    tab = context.new_page()
    tab.add_init_script(WATCH)
    opened(tab, site)
    expect(tab.locator(".server")).to_have_count(len(URLS), timeout=MILLISECONDS)
    tab.evaluate("window.before = [made, document.getElementById('verdict').hidden]")
    tab.evaluate("window.listed = [...document.querySelectorAll('.url')].map(one => one.innerText)")
    tab.get_by_role("button", name="Start the test").click()
    result(tab)
    yield tab
    context.close()


# what is tried


def test_before_the_test_the_servers_are_listed_and_none_is_tried(done: Tab) -> None:
    assert done.evaluate("listed") == URLS
    assert done.evaluate("before") == [0, True]


def test_before_the_test_the_page_is_accessible(tab: Tab, site: Page) -> None:
    expect(opened(tab, site).locator(".server")).to_have_count(len(URLS), timeout=MILLISECONDS)
    check_accessible(tab)
    assert tab.locator(".state").all_inner_texts() == [""] * len(URLS)


def test_servers_are_tried_one_at_a_time_and_the_page_says_which(done: Tab) -> None:
    assert set(done.evaluate("tried")) == {0, 1}
    last = f"TURN/UDP at {NAME}:{PORT} (4 of 4)…"
    assert f"Calling through {last}" in done.evaluate("said")


def test_what_is_turned_off_is_said_before_the_test(tab: Tab, running: Stage) -> None:
    opened(tab, running.serve(8041, webrtc__enable=False))
    said = tab.get_by_role("status", name="Verdict")
    expect(said).to_contain_text("WebRTC is turned off", timeout=MILLISECONDS)
    assert tab.locator(".server").count() == 0


# what to do


def test_the_same_advice_is_said_once_with_all_that_it_is_for(done: Tab) -> None:
    main = done.locator("main").inner_text()
    assert main.count(SECRET_ADVICE) == main.count(CLOSED_ADVICE) == 1
    items = done.locator(".problems > li").all_inner_texts()
    (item,) = [one for one in items if SECRET_ADVICE in one]
    assert f"TURN/UDP at {NAME}:{PORT} fails: 401" in item
    assert f"TURN/TCP at {NAME}:{PORT} fails: 401" in item
    assert len(items) == 2
    assert "What to do" not in verdict(done)


def test_servers_with_the_very_same_fault_are_one_sentence(scripts: Tab, judge: Any) -> None:
    fault = {"ended": "complete", "errors": error(701, "STUN host lookup received error.")}
    found = judge(seen("turn:a.example", **fault), seen("turn:a.example?transport=tcp", **fault))
    code = """async problems => {
        const {byAdvice} = await import("./testpage/verdict.js");
        return byAdvice(problems);
    }"""
    (group,) = scripts.evaluate(code, found["problems"])
    assert group["labels"] == "TURN/UDP and TURN/TCP"
    assert group["texts"] == ["TURN/UDP and TURN/TCP fail: the name a.example does not resolve."]


# how it is set


def nodes(scripts: Tab, text: str) -> List[List[str]]:
    """Return the parts of a text that are code or don't wrap."""
    code = """async text => {
        const {nodesOf} = await import("./testpage/text.js");
        const box = document.createElement("p");
        box.append(...nodesOf(text));
        const plain = [...box.childNodes].every((one) => one.tagName !== "CODE") ? [] : ["code"];
        const parts = (name) => [...box.querySelectorAll(name)].map((one) => one.textContent);
        return [box.textContent, parts("code"), parts(".piece")];
    }"""
    found: List[List[str]] = scripts.evaluate(code, text)
    return found


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Run 'abcwebrtc probe od.config'.", ["abcwebrtc probe od.config"]),
        ("a; 'abcwebrtc probe --desktop' and more", ["abcwebrtc probe --desktop"]),
        ("asked from abcwebrtc serve.", ["abcwebrtc serve"]),
        ("set 'username': 'pseudonym'.", ["'username': 'pseudonym'"]),
        ("Write allowed-peer-ip=10.0.0.1 into it.", ["allowed-peer-ip=10.0.0.1"]),
        ("or (external-ip=10.0.0.1/PRIVATE), too", ["external-ip=10.0.0.1/PRIVATE"]),
        ("the server's clock, iceTransportPolicy is 'relay'", []),
        ("it refuses turn:a.example:3478?transport=udp.", []),
        ("abcwebrtc finds the certificate bad", []),
    ],
)
def test_what_is_to_be_typed_is_code(scripts: Tab, text: str, codes: List[str]) -> None:
    said, found, _ = nodes(scripts, text)
    assert found == codes
    assert str(said) == re.sub("'(abcwebrtc [^']+)'", r"\1", text)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("at turn:a-b.example:3478?transport=udp.", ["turn:a-b.example", ":3478?transport=udp."]),
        ("(10.0.0.1:50000),", ["(10.0.0.1", ":50000),"]),
        ("[2001:db8::1]:3478;", ["[2001:db8::1]", ":3478;"]),
        ("2001:47a::1 fe80::1:2", ["2001:47a::1", "fe80::1:2"]),
        ("ended at 2026-11-26T22:05:53Z", ["2026-11-26T22:05:53Z"]),
        ("look at min-port, and no_tls", ["min-port,", "no_tls"]),
        ("plain words, and more.", []),
    ],
)
def test_addresses_break_before_the_port_only(scripts: Tab, text: str, pieces: List[str]) -> None:
    said, _, found = nodes(scripts, text)
    assert (said, found) == (text, pieces)


# Where lines end: what is in front of that, and behind it.
BREAKS = """() => [...document.querySelectorAll(
  "#verdict p, .message, .url code, td:nth-child(2), .facts li",
)].flatMap((box) => {
  const walker = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
  const chars = [];
  for (let node; (node = walker.nextNode());) {
    for (let index = 0; index < node.length; index += 1) {
      const range = document.createRange();
      range.setStart(node, index);
      range.setEnd(node, index + 1);
      const {top, bottom, height} = range.getBoundingClientRect();
      const place = height ? {top, bottom} : chars.at(-1); // a blank at the end of a line
      chars.push({...place, char: node.data[index]});
    }
  }
  const text = chars.map(({char}) => char).join("");
  const isNext = ({top}, index) => index > 0 && top >= chars[index - 1].bottom;
  const ends = [...chars.keys()].filter((index) => isNext(chars[index], index));
  return ends.map((index) => [text.slice(0, index), text.slice(index)]);
})"""


@pytest.mark.parametrize("width", [320, 360, 412])
def test_on_a_phone_no_address_breaks_elsewhere(done: Tab, width: int) -> None:
    done.set_viewport_size({"width": width, "height": 740})
    ends = done.evaluate(BREAKS)
    done.set_viewport_size(DESK)  # type: ignore[arg-type]
    wrong = [
        (before[-30:], after[:30])
        for before, after in ends
        if not (before[-1].isspace() or after[0].isspace() or re.match(r":\d+\b", after))
    ]
    assert wrong == []
    assert any(re.match(r":\d+\?transport", after) for _, after in ends)
    assert len(ends) > 20  # there was something to break


def test_on_a_phone_the_buttons_have_the_same_edges(done: Tab) -> None:
    done.set_viewport_size(PHONE)  # type: ignore[arg-type]
    boxes = [done.locator(name).bounding_box() for name in ("#start", "#copy")]
    done.set_viewport_size(DESK)  # type: ignore[arg-type]
    edges = {(box["x"], box["width"]) for box in boxes if box}
    assert len(boxes) == 2
    assert len(edges) == 1
    assert edges.pop()[1] > PHONE["width"] * 0.8


# the report


def test_the_report_says_what_was_tested_with_what_and_when(done: Tab) -> None:
    text = done.locator("#report-text").text_content() or ""
    assert text.startswith(f"{headline(done)}\n")
    agent = done.evaluate("navigator.userAgent")
    assert f"\nabcwebrtc: {abcwebrtc.__version__}\nBrowser: {agent}\nTime: 20" in text
    assert re.search(r"\nTime: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n", text)
    assert text.count(SECRET_ADVICE) == text.count(CLOSED_ADVICE) == 1
    where = f"TURN/UDP at {NAME}:{PORT} and TURN/TCP at {NAME}:{PORT}"
    assert f"\nWhat to do:\n  {where}: {SECRET_ADVICE}" in text


def test_the_report_has_no_error_that_did_not_matter(done: Tab) -> None:
    """Chromium finds no IPv6 address, and goes on."""
    text = done.locator("#report-text").text_content() or ""
    assert "host lookup" not in text
    assert re.findall("error (\\d+)", text) == ["401", "401", "701"]
    assert "  error 701 Failed to establish connection" in text


LOOKUP = error(701, "STUN host lookup received error.")


@pytest.mark.parametrize(
    ("result", "errors"),
    [
        (relayed("turn:a.example"), []),
        ({**relayed("turn:a.example"), "errors": LOOKUP}, []),
        (
            seen("turn:a.example", errors=[*LOOKUP, *error(401, "Unauthorized.")]),
            ["401 Unauthorized."],
        ),
        (seen("turn:a.example", errors=LOOKUP), ["701 STUN host lookup received error."]),
        (seen("turn:a.example", errors=LOOKUP, ended="limit"), []),
        (
            seen("turn:a.example?transport=tcp", errors=error(701)),
            ["701 (the browser gives no reason)"],
        ),
    ],
)
def test_errors_are_left_out_or_tell_why(report: Any, result: Any, errors: List[str]) -> None:
    _, text = report(result)
    assert re.findall("^  error (.*)$", text, re.MULTILINE) == errors
