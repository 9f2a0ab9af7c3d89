"""What the test page in a real Chromium says about real broken servers, and about itself."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from conftest import require_program
from e2e.testpage_results import WORKS
from e2e.testpage_stage import (
    NAME,
    OTHER_SECRET,
    PORT,
    Certificate,
    Page,
    Stage,
    coturn_entry,
    stun_entry,
)
from e2e.testpage_tab import (
    MILLISECONDS,
    check_accessible,
    headline,
    only,
    opened,
    outcome,
    result,
    verdict,
)
from integration.netns import SERVER
from support import bearer, wait_for

pytest_plugins = ["e2e.testpage_fixtures"]

BAD, STUN_ONLY, NOTHING, OFF = 8002, 8003, 8004, 8005
DENYING, UNTRUSTED_TLS, FEW = 3480, 5350, 3490


# what the test does itself is held against no server


def test_relays_that_were_just_given_back_are_no_quota(
    tab: Tab, running: Stage, certificate: Certificate
) -> None:
    """coturn counts them for one more second."""
    running.coturn(3510, 5410, certificate, "user-quota=2")
    outcome(tab, running.serve(8012, **only(coturn_entry(3510))))
    assert headline(tab) == f"{WORKS} TURN/UDP."
    tab.get_by_role("button", name="Test again").click()
    expect(tab.get_by_role("button", name="Stop")).to_be_visible(timeout=MILLISECONDS)
    result(tab)
    assert headline(tab) == f"{WORKS} TURN/UDP."


SLOW_CLOCK = "const now = performance.now; performance.now = () => now.call(performance) / 3;"
"""A call takes three times as long, 7.5 s."""


def test_a_credential_of_seconds_lasts_for_every_call(
    tab: Tab, running: Stage, certificate: Certificate
) -> None:
    """The second call begins when the credential of the first has expired."""
    tab.add_init_script(SLOW_CLOCK)
    entry = coturn_entry(transport=["udp", "tcp"], ttl=6)
    outcome(tab, running.serve(8013, **only(entry)))
    assert headline(tab) == f"{WORKS} TURN/UDP and TURN/TCP."


RARE_TIMERS = """
const native = setTimeout;
window.setTimeout = (task, ms, ...rest) => native(task, Math.max(ms ?? 0, 1000), ...rest);
"""
"""What browsers do to a hidden, silent page."""
NEVER_CONNECTED = """
const native = setTimeout;
window.setTimeout = (task, ms, ...rest) => native(task, ms === 20000 ? 10000 : ms, ...rest);
const get = () => "connecting";
Object.defineProperty(RTCPeerConnection.prototype, "connectionState", {get});
"""


def test_in_a_tab_that_is_hidden_the_tone_is_heard_too(
    tab: Tab, running: Stage, certificate: Certificate
) -> None:
    tab.add_init_script(RARE_TIMERS)
    outcome(tab, running.serve(8014, **only(coturn_entry())))
    assert headline(tab) == f"{WORKS} TURN/UDP."


STOOD_STILL = """
const [now, look] = [performance.now, AnalyserNode.prototype.getFloatTimeDomainData];
let began = null;
performance.now = () => now.call(performance) + (began === null ? 0 : 4000);
AnalyserNode.prototype.getFloatTimeDomainData = function (samples) {
  began ??= now.call(performance);
  if (now.call(performance) - began < 1000) samples.fill(0);
  else look.call(this, samples);
};
"""
"""After the first look at the sound, the clock is four seconds on, and the tone comes later."""


def test_a_machine_that_stands_still_during_the_call_hears_the_tone_later(
    tab: Tab, running: Stage, certificate: Certificate
) -> None:
    tab.add_init_script(STOOD_STILL)
    outcome(tab, running.serve(8021, **only(coturn_entry())))
    assert headline(tab) == f"{WORKS} TURN/UDP."


def test_a_server_that_goes_during_the_call_does_not_work(
    tab: Tab, running: Stage, certificate: Certificate
) -> None:
    coturn = running.coturn(3520, 5420, certificate)
    page = running.serve(8015, **only(coturn_entry(3520, transport=["udp", "tcp"])))
    tab.add_init_script(SLOW_CLOCK)
    opened(tab, page).get_by_role("button", name="Start the test").click()
    loud = re.compile(r"[1-9]\d")
    meter = tab.get_by_role("meter")
    expect(meter).to_have_attribute("aria-valuenow", loud, timeout=MILLISECONDS)
    coturn.kill()
    udp, tcp = result(tab).values()
    assert "The tone arrives, and then stops." in udp
    assert f"The connection to {SERVER}, TCP port 3520 is refused or closed" in tcp
    assert "the same host works" not in tcp
    assert headline(tab) == "Sound will not work from this network: no TURN server works."


def test_a_network_that_is_too_slow_for_the_call_is_no_fault_of_the_relay(
    tab: Tab, running: Stage, certificate: Certificate
) -> None:
    tab.add_init_script(NEVER_CONNECTED)
    (card,) = outcome(tab, running.serve(8016, **only(coturn_entry()))).values()
    assert "Data passes through the relay, but the call does not connect in 20 s." in card


# servers that don't


def test_each_fault_is_told_from_the_others(tab: Tab, running: Stage, browser: Browser) -> None:
    untrusted = Certificate(running.folder, "untrusted")
    running.coturn(DENYING, UNTRUSTED_TLS, untrusted, f"denied-peer-ip={SERVER}")
    running.coturn(FEW, FEW + 1, untrusted, "user-quota=1")
    page = running.serve(
        BAD,
        webrtc__rtc_configuration=stun_entry("stun:nowhere.invalid:3478"),
        webrtc__coturn=[
            coturn_entry(PORT, coturn_static_auth_secret=OTHER_SECRET),
            coturn_entry(3999),
            coturn_entry(3999, NAME),  # a name of IPv4 only
            coturn_entry(3998, transport="tcp"),
            coturn_entry(3997, protocol="turns"),
            coturn_entry(UNTRUSTED_TLS, protocol="turns"),
            coturn_entry(DENYING),
            coturn_entry(FEW),
            coturn_entry(PORT, host="nowhere.invalid"),
        ],
    )
    cards = outcome(tab, page)
    expected = {
        "stun:nowhere.invalid:3478": "The name nowhere.invalid does not resolve.",
        f"turn:{SERVER}:{PORT}": "401: the server refuses the credential, which has not expired",
        f"turn:{SERVER}:3999": f"No answer from {SERVER}, UDP port 3999 within 10 s, asked ",
        f"turn:{NAME}:3999": f"No answer from {NAME}, UDP port 3999 within 10 s, asked ",
        f"turn:{SERVER}:3998?transport=tcp": f"The connection to {SERVER}, TCP port 3998 is ",
        f"turns:{SERVER}:3997": f"Refused: nothing listens on {SERVER}, TCP port 3997, or a",
        f"turns:{SERVER}:{UNTRUSTED_TLS}": "The certificate of turn.domain.local is not trusted",
        f"turn:{SERVER}:{DENYING}": "the server forbids data to its own relays",
        f"turn:{SERVER}:{FEW}": "486 for a second allocation of the same user, after the",
        f"turn:nowhere.invalid:{PORT}": "The name nowhere.invalid does not resolve.",
    }
    assert list(cards) == list(expected)
    for url, text in expected.items():
        assert text in cards[url], url
    assert headline(tab) == (
        f"Sound may work from this network over TURN/UDP at {SERVER}:{FEW}: no call could be tried."
    )
    check_accessible(tab)


def test_with_one_transport_that_works_the_verdict_names_it_and_what_fails(
    tab: Tab, running: Stage
) -> None:
    expired = Certificate(running.folder, "expired", days=-3)
    running.coturn(3500, 5400, expired)
    page = running.serve(
        8011,
        webrtc__rtc_configuration={},
        webrtc__coturn=[coturn_entry(), coturn_entry(5400, protocol="turns")],
    )
    outcome(tab, page)
    assert headline(tab) == f"{WORKS} TURN/UDP."
    assert "TURN/TLS fails: the certificate of turn.domain.local expired 3 d" in verdict(tab)
    assert "Renew the certificate" in verdict(tab)


@pytest.mark.parametrize(
    ("port", "entries", "said"),
    [
        (
            STUN_ONLY,
            {"webrtc__rtc_configuration": stun_entry(f"stun:{SERVER}:{PORT}")},
            "Sound works only where no relay is needed: there is STUN, but no TURN server.",
        ),
        (
            NOTHING,
            {"webrtc__rtc_configuration": {}},
            "There is no STUN or TURN server in od.config, so there is nothing to test.",
        ),
        (
            OFF,
            {"webrtc__enable": False},
            "WebRTC is turned off: webrtc.enable is False in od.config.",
        ),
    ],
)
def test_without_turn_the_verdict_says_so(
    tab: Tab, running: Stage, certificate: Certificate, port: int, entries: Any, said: str
) -> None:
    entries = {"webrtc__coturn": ..., **entries}
    outcome(tab, running.serve(port, **entries))
    assert headline(tab) == said


def test_a_session_that_has_ended_is_told(tab: Tab, good: Page) -> None:
    opened(tab, good)
    tab.context.clear_cookies()
    tab.get_by_role("button", name="Start the test").click()
    result(tab)
    assert headline(tab) == "Your session has ended. Open a new link."


def test_on_a_page_for_a_user_s_token_the_verdict_does_without_what_serve_sees(
    browser: Browser, running: Stage
) -> None:
    page = running.serve(8019, **only(coturn_entry(3997, protocol="turns")))
    context = browser.new_context(extra_http_headers=bearer())
    tab = context.new_page()
    tab.goto(page.url)
    tab.get_by_role("button", name="Start the test").click()
    (card,) = result(tab).values()
    context.close()
    assert f"TLS fails on {SERVER}, TLS port 3997, asked from this browser." in card
    assert re.findall(r"POST /certificates HTTP/1.1\" (\d+)", page.output) == ["403"]


def test_without_webaudio_the_test_says_so_and_ends(tab: Tab, good: Page) -> None:
    tab.add_init_script("delete window.AudioContext")
    outcome(tab, good)
    assert headline(tab) == "This browser has no WebRTC or no WebAudio, or they are turned off."


def test_a_login_page_of_a_proxy_is_no_fault_of_the_test(tab: Tab, good: Page) -> None:
    opened(tab, good)
    tab.route("**/credential", lambda route: route.fulfill(body="<h1>Log in</h1>"))
    tab.get_by_role("button", name="Start the test").click()
    result(tab)
    assert headline(tab) == (
        "Something other than abcwebrtc serve answered. Is there a proxy with its own login?"
    )


LONG = f"{'very-long-name-' * 4}x.{'of-a-department-' * 3}x.invalid"
SAID = """
addEventListener("DOMContentLoaded", () => {
  window.said = [];
  const box = document.getElementById("verdict"); // the login page has none
  const say = new MutationObserver(() => {
    said.push([performance.now(), box.querySelector(".headline").innerText]);
  });
  if (box) say.observe(box, {childList: true});
});
"""


def test_many_servers_with_long_names_fit_a_small_screen_and_are_not_all_said(
    tab: Tab, running: Stage
) -> None:
    ports = range(3900, 3912)
    servers = [coturn_entry(port, LONG, transport="tcp") for port in ports]
    tab.add_init_script(SAID)
    cards = outcome(tab, running.serve(8018, **only(*servers)))
    assert len(cards) == len(ports)
    said = tab.evaluate("said")
    assert said[-1][1] == headline(tab)
    assert max(len(text) for _, text in said) < 3 * len(LONG)
    tried = [at for at, text in said if text.startswith("Trying ")]
    assert tried
    # One line for each server would drown a screen reader. A slow machine shows more, no faster.
    assert all(after - before > 900 for before, after in zip(tried, tried[1:]))  # ms
    tab.set_viewport_size({"width": 320, "height": 600})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 320


def test_what_serve_sees_of_tls_tells_a_firewall_from_a_server(
    tab: Tab, running: Stage, certificate: Certificate
) -> None:
    folder, tls = running.own_folder(), f"ssl_certificate {certificate.cert}"
    (folder / "nginx.conf").write_text(
        f"""daemon off; pid {folder}/pid; error_log stderr; events {{}}
        http {{ access_log off; server {{ listen {SERVER}:8443 ssl; return 200 "no TURN";
        {tls}; ssl_certificate_key {certificate.key}; }} }}
        """
    )
    nginx = require_program("nginx", "nginx")
    running.run(folder / "log", nginx, "-p", folder, "-c", folder / "nginx.conf")
    running.coturn(3530, 5430, certificate)
    wait_for(lambda: running.network.outside.listens("tcp", 8443))
    drop = "chain out { type filter hook output priority 0; tcp dport 5430 drop; }"
    nft = require_program("nft", "nftables")
    running.network.desktop.run(nft, "--file", "-", input=f"table ip silent {{\n{drop}\n}}\n")
    page = running.serve(
        8017,
        before=f"import os; os.environ['SSL_CERT_FILE'] = {str(certificate.cert)!r}",
        **only(coturn_entry(8443, protocol="turns"), coturn_entry(5430, protocol="turns")),
    )
    web, silent = outcome(tab, page).values()
    assert f"A web server answers on {SERVER}, TLS port 8443." in web
    where = f"No answer from {SERVER}, TLS port 5430, asked from this browser"
    assert f"{where}, although abcwebrtc serve gets one there." in silent
    assert "Look for a firewall between this network and the server." in verdict(tab)
