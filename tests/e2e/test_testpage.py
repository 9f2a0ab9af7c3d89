"""The test page in a real Chromium, against real servers that work and that don't."""

from __future__ import annotations

import contextlib
import re
from typing import Any, Dict, Iterator, List

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, expect
from playwright.sync_api import Page as Tab

from conftest import missing, require_program
from e2e.browser import chromium
from e2e.testpage_stage import (
    NAME,
    OTHER_SECRET,
    PORT,
    SECRET,
    TLS_PORT,
    Certificate,
    Page,
    Stage,
    check_each_works,
    coturn_entry,
    servers_of_every_kind,
    stage,
    stun_entry,
)
from integration import netns
from integration.netns import PUBLIC, SERVER
from support import WAIT, wait_for

GOOD, BAD, STUN_ONLY, NOTHING, OFF = 8001, 8002, 8003, 8004, 8005
DENYING, UNTRUSTED_TLS, FEW = 3480, 5350, 3490
MILLISECONDS = WAIT * 1000
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1200, "height": 900}

# An analyser of the test's own, on what comes out of the connection; and every connection.
WATCH = """
window.seen = {peaks: [], connections: []};
const Native = RTCPeerConnection;
window.RTCPeerConnection = class extends Native {
  constructor(...settings) {
    super(...settings);
    seen.connections.push(this);
    this.addEventListener("track", ({track}) => {
      const audio = new AudioContext(), analyser = audio.createAnalyser();
      analyser.fftSize = 8192;
      audio.createMediaStreamSource(new MediaStream([track])).connect(analyser);
      const bins = new Float32Array(analyser.frequencyBinCount);
      const timer = setInterval(() => {
        analyser.getFloatFrequencyData(bins);
        const top = bins.indexOf(Math.max(...bins));
        if (bins[top] > -60) seen.peaks.push(top * audio.sampleRate / analyser.fftSize);
      }, 100);
      track.addEventListener("ended", () => clearInterval(timer));
    });
  }
};
"""
ANOTHER_TONE = """
const Native = OscillatorNode;
window.OscillatorNode = class extends Native {
  constructor(audio, settings) { super(audio, {...settings, frequency: 1000}); }
};
"""


# the stage


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with contextlib.ExitStack() as stack:
        try:
            network = stack.enter_context(netns.network())
        except netns.NoNamespaceError as error:
            missing(f"no network namespace can be made here: {error}")
        made = stack.enter_context(stage(tmp_path_factory.mktemp("testpage"), network))
        yield made
        for log in made.logs:
            print(log.read_text(encoding="utf-8", errors="replace"))


@pytest.fixture(scope="module")
def certificate(running: Stage) -> Certificate:
    """The one that Chromium trusts; it is for coturn's usual port."""
    made = Certificate(running.folder, "trusted")
    running.coturn(PORT, TLS_PORT, made)
    return made


@pytest.fixture(scope="module")
def browser(running: Stage, certificate: Certificate) -> Iterator[Browser]:
    flags = [certificate.pin, f"--host-resolver-rules=MAP {NAME} {SERVER}"]
    with chromium(running.folder, running.network.desktop, flags) as browser:
        yield browser


@pytest.fixture(scope="module")
def good(running: Stage) -> Page:
    return running.serve(GOOD, **servers_of_every_kind())


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport=DESK, color_scheme="light")
    yield made
    made.close()


@pytest.fixture
def tab(context: BrowserContext) -> Iterator[Tab]:
    """A tab; the browser must not find fault with what the page loads and does."""
    made = context.new_page()
    faults: List[str] = []
    made.on("pageerror", lambda error: faults.append(str(error)))
    made.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    yield made
    expected = re.compile(r"^Failed to load resource: .* status of 40[13] ")
    assert [fault for fault in faults if not expected.match(fault)] == []


def opened(tab: Tab, page: Page) -> Tab:
    """Open a one-time link, and wait for the page."""
    tab.goto(page.link)
    expect(tab.get_by_role("button", name="Start the test")).to_be_enabled(timeout=MILLISECONDS)
    return tab


def outcome(tab: Tab, page: Page) -> Dict[str, str]:
    """Run the whole test, and return what each server's card says, by its url."""
    opened(tab, page).get_by_role("button", name="Start the test").click()
    return result(tab)


def result(tab: Tab) -> Dict[str, str]:
    button = tab.get_by_role("button", name="Test again")
    expect(button).to_be_visible(timeout=MILLISECONDS)
    cards = tab.locator(".server").all()
    return {card.locator("code").inner_text(): card.inner_text() for card in cards}


def verdict(tab: Tab) -> str:
    return tab.get_by_role("status", name="Verdict").inner_text()


def headline(tab: Tab) -> str:
    return tab.locator(".headline").inner_text()


def check_accessible(tab: Tab) -> None:
    """Have axe look at the page in light and dark, on a phone and on a desk."""
    for size in (PHONE, DESK):
        tab.set_viewport_size(size)  # type: ignore[arg-type]
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found = Axe().run(tab)
            assert found.violations_count == 0, (size, scheme, found.generate_report())
        wide = tab.evaluate("document.documentElement.scrollWidth")
        assert wide <= size["width"], "it has to be scrolled sideways"


# the login


def test_a_link_opens_the_page_once_and_leaves_no_key_behind(tab: Tab, good: Page) -> None:
    link = good.link
    tab.goto(good.url)
    assert tab.get_by_role("heading", level=1).inner_text() == "A link lets you in"
    check_accessible(tab)
    tab.goto(link)  # only the hash is another one
    expect(tab.get_by_role("button", name="Start the test")).to_be_visible(timeout=MILLISECONDS)
    check_accessible(tab)
    assert tab.url == good.url
    assert tab.evaluate("document.cookie") == ""
    tab.context.clear_cookies()
    tab.goto(link)
    message = tab.get_by_role("status")
    expect(message).to_contain_text("was used already", timeout=MILLISECONDS)
    check_accessible(tab)
    assert good.output.count(link.partition("#")[2]) == 1  # where it was printed


# servers that work


@pytest.fixture(scope="module")
def success(browser: Browser, good: Page) -> Iterator[Tab]:
    """A tab after a test that was run with the keyboard alone."""
    context = browser.new_context(viewport=DESK, color_scheme="light")
    tab = context.new_page()
    tab.add_init_script(WATCH)
    opened(tab, good)
    for key in ("Tab", "Tab", "Space", "Shift+Tab"):
        tab.keyboard.press(key)
    assert not tab.get_by_label("Let me hear the tone").is_checked()
    assert focused(tab) == ("Start the test", "solid")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("meter").first).to_be_visible(timeout=MILLISECONDS)
    check_accessible(tab)
    result(tab)
    yield tab
    context.close()


def focused(tab: Tab) -> Any:
    """Return the text of what has the focus, and the style of the line around it."""
    element = "document.activeElement"
    return (
        tab.evaluate(f"{element}.textContent"),
        tab.evaluate(f"getComputedStyle({element}).outlineStyle"),
    )


def test_sound_works_over_every_transport(success: Tab) -> None:
    expected = "Sound will work from this network over TURN/UDP, TURN/TCP and TURN/TLS."
    assert verdict(success) == expected
    cards = result(success)
    assert re.search(rf"srflx\s+{PUBLIC}:\d+\s+UDP\s+\d+ ms", cards[f"stun:{SERVER}:{PORT}"])
    check_each_works(cards)


def test_what_arrives_is_the_tone_for_another_analyser_too(success: Tab) -> None:
    peaks = success.evaluate("seen.peaks")
    assert len(peaks) >= 3
    near = [one for one in peaks if abs(one - 440) < 12]
    assert len(near) > len(peaks) / 2, peaks


def test_only_relays_were_used_and_nothing_is_left_open(success: Tab) -> None:
    made = success.evaluate(
        "seen.connections.map(one => [one.getConfiguration(), one.connectionState])"
    )
    policies = [settings["iceTransportPolicy"] for settings, _ in made]
    urls = [server["urls"] for settings, _ in made for server in settings["iceServers"]]
    assert policies == [
        "relay" if url[0].startswith("turn") else "all" for url in map(as_list, urls)
    ]
    assert len(made) == 4 + 3 * 2  # each server alone, then two ends for each relay
    assert {state for _, state in made} == {"closed"}


def as_list(value: Any) -> List[str]:
    return [value] if isinstance(value, str) else value


def test_the_page_after_success_is_accessible(success: Tab) -> None:
    check_accessible(success)


def test_the_report_is_read_and_copied_by_keyboard_and_holds_no_credential(success: Tab) -> None:
    success.get_by_role("button", name="Copy the report").focus()
    success.keyboard.press("Enter")
    expect(success.locator("#copied")).to_contain_text("opied", timeout=MILLISECONDS)
    success.get_by_text("Read it here").focus()
    for key in ("Enter", "Enter") if success.locator("#details[open]").count() else ("Enter",):
        success.keyboard.press(key)
    text = success.locator("#report-text").inner_text()
    assert "works: the tone arrives through the relay" in text
    credentials = success.evaluate(
        "seen.connections.flatMap(one => one.getConfiguration().iceServers)"
        ".flatMap(one => [one.username, one.credential]).filter(Boolean)"
    )
    assert len(credentials) >= 2
    for secret in (*credentials, SECRET):
        assert secret not in text
        assert secret not in success.content()
    success.keyboard.press("Tab")
    assert success.evaluate("document.activeElement.id") == "report-text"
    check_accessible(success)


def test_the_log_of_the_server_holds_no_credential_and_no_session(success: Tab, good: Page) -> None:
    settings = "seen.connections.map(one => one.getConfiguration().iceServers).flat()"
    logins = [server for server in success.evaluate(settings) if server.get("credential")]
    (cookie,) = success.context.cookies()
    secrets = [
        cookie["value"],
        *(login[key] for login in logins for key in ("username", "credential")),
    ]
    assert len(set(secrets)) >= 3
    assert "POST /credential" in good.output
    assert [secret for secret in secrets if secret in good.output] == []


def test_another_tone_is_not_taken_for_the_tone(tab: Tab, running: Stage, good: Page) -> None:
    page = running.serve(8010, webrtc__coturn=coturn_entry(), webrtc__rtc_configuration={})
    tab.add_init_script(ANOTHER_TONE)
    (card,) = outcome(tab, page).values()
    assert "the tone can't be made out in it" in card
    assert "no tone" in card
    assert headline(tab).startswith("Sound will not work from this network")


def test_stop_ends_the_test_and_closes_everything(tab: Tab, good: Page) -> None:
    tab.add_init_script(WATCH)
    opened(tab, good).get_by_role("button", name="Start the test").click()
    expect(tab.get_by_role("meter").first).to_be_visible(timeout=MILLISECONDS)
    tab.get_by_role("button", name="Stop").click()
    result(tab)
    assert "not tried" in verdict(tab) or "Stopped" in verdict(tab)
    states = set(tab.evaluate("seen.connections.map(one => one.connectionState)"))
    assert states == {"closed"}
    tab.get_by_role("button", name="Test again").click()
    expect(tab.get_by_role("button", name="Stop")).to_be_focused()


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
    assert f"{SERVER} port 8443 speaks TLS, but neither STUN nor TURN." in web
    where = f"No answer from {SERVER}, TCP port 5430"
    assert f"{where}, though abcwebrtc serve reaches it there. Look for a firewall" in silent


# what the test does itself is held against no server


def only(*servers: Dict[str, Any]) -> Dict[str, Any]:
    """Return od.config's entries for these servers and no others."""
    return {"webrtc__rtc_configuration": {}, "webrtc__coturn": list(servers)}


def test_relays_that_were_just_given_back_are_no_quota(
    tab: Tab, running: Stage, certificate: Certificate
) -> None:
    """coturn counts them for a second more."""
    running.coturn(3510, 5410, certificate, "user-quota=2")
    outcome(tab, running.serve(8012, **only(coturn_entry(3510))))
    assert headline(tab) == "Sound will work from this network over TURN/UDP."
    tab.get_by_role("button", name="Test again").click()
    expect(tab.get_by_role("button", name="Stop")).to_be_visible(timeout=MILLISECONDS)
    result(tab)
    assert headline(tab) == "Sound will work from this network over TURN/UDP."


def test_a_credential_of_seconds_lasts_for_every_call(
    tab: Tab, running: Stage, certificate: Certificate
) -> None:
    entry = coturn_entry(transport=["udp", "tcp"], ttl=2)
    outcome(tab, running.serve(8013, **only(entry)))
    assert headline(tab) == "Sound will work from this network over TURN/UDP and TURN/TCP."


RARE_TIMERS = """
const native = setTimeout;
window.setTimeout = (task, ms, ...rest) => native(task, Math.max(ms ?? 0, 1000), ...rest);
"""
"""What browsers do to a page that nobody sees or hears."""
SLOW_CLOCK = "const now = performance.now; performance.now = () => now.call(performance) / 3;"
NEVER_CONNECTED = """
const native = setTimeout;
window.setTimeout = (task, ms, ...rest) => native(task, ms / 5, ...rest);
const get = () => "connecting";
Object.defineProperty(RTCPeerConnection.prototype, "connectionState", {get});
"""


def test_in_a_tab_that_is_hidden_the_tone_is_heard_too(
    tab: Tab, running: Stage, certificate: Certificate
) -> None:
    tab.add_init_script(RARE_TIMERS)
    outcome(tab, running.serve(8014, **only(coturn_entry())))
    assert headline(tab) == "Sound will work from this network over TURN/UDP."


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
    assert "It gives a relay, but no second one to call it from" in tcp
    assert headline(tab).startswith("Sound may work from this network over TURN/TCP: no call")


def test_a_network_that_is_too_slow_for_the_call_is_no_fault_of_the_relay(
    tab: Tab, running: Stage, certificate: Certificate
) -> None:
    tab.add_init_script(NEVER_CONNECTED)
    (card,) = outcome(tab, running.serve(8016, **only(coturn_entry()))).values()
    assert "Data passes through the relay, but the call does not connect in 20 seconds." in card


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
        f"turn:{SERVER}:{PORT}": "It refuses the credential (401).",
        f"turn:{SERVER}:3999": f"No answer from {SERVER}, UDP port 3999; the same host answers on ",
        f"turn:{NAME}:3999": f"No answer from {NAME}, UDP port 3999.",
        f"turn:{SERVER}:3998?transport=tcp": f"TCP to {SERVER} port 3998 is refused or closed; the",
        f"turns:{SERVER}:3997": f"Nothing listens on {SERVER} port 3997, TCP.",
        f"turns:{SERVER}:{UNTRUSTED_TLS}": "The certificate of turn.domain.local is not trusted",
        f"turn:{SERVER}:{DENYING}": "It gives a relay, but data sent to it does not arrive.",
        f"turn:{SERVER}:{FEW}": "It gives a relay, but no second one to call it from (486).",
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
    assert headline(tab) == "Sound will work from this network over TURN/UDP."
    assert "TURN/TLS fails: the certificate of turn.domain.local ended 3 d" in verdict(tab)
    assert "Renew it" in verdict(tab)


@pytest.mark.parametrize(
    ("port", "entries", "said"),
    [
        (
            STUN_ONLY,
            {"webrtc__rtc_configuration": stun_entry(f"stun:{SERVER}:{PORT}")},
            "Sound works only where no relay is needed: there is STUN, and no TURN server.",
        ),
        (
            NOTHING,
            {"webrtc__rtc_configuration": {}},
            "There is no STUN or TURN server in od.config, so nothing to test.",
        ),
        (
            OFF,
            {"webrtc__enable": False},
            "This is turned off: webrtc.enable is False in od.config.",
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
    assert headline(tab) == "Your login has ended. Open a new link."


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
        "Not abcwebrtc serve answers, but something else. Is there a proxy with a login of its own?"
    )


LONG = f"{'very-long-name-' * 4}x.{'of-a-department-' * 3}x.invalid"
SAID = """
addEventListener("DOMContentLoaded", () => {
  window.said = [];
  const box = document.getElementById("verdict"); // the login page has none
  const say = new MutationObserver(() => said.push(box.querySelector(".headline").innerText));
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
    assert said[-1] == headline(tab)
    assert len(said) < len(ports)  # one for each would drown a screen reader
    assert max(map(len, said)) < 3 * len(LONG)
    tab.set_viewport_size({"width": 320, "height": 600})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 320


# a proxy that adds a prefix


def test_it_works_beneath_a_path_of_a_proxy(tab: Tab, running: Stage, good: Page) -> None:
    folder = running.own_folder()
    (folder / "nginx.conf").write_text(
        f"""daemon off; pid {folder}/pid; error_log stderr;
        events {{}}
        http {{ access_log off; server {{ listen {SERVER}:8090;
        location /try/sound/ {{ proxy_pass {good.url}; proxy_set_header Host $http_host; }} }} }}
        """
    )
    nginx = require_program("nginx", "nginx")
    running.run(folder / "log", nginx, "-p", folder, "-c", folder / "nginx.conf")
    wait_for(lambda: running.network.outside.listens("tcp", 8090))
    where = f"http://{SERVER}:8090/try/sound/"
    tab.goto(f"{where}#{good.new_key()}")
    expect(tab.get_by_role("button", name="Start the test")).to_be_visible(timeout=MILLISECONDS)
    assert tab.url == where
    (cookie,) = tab.context.cookies()
    assert cookie["path"] == "/try/sound"
    with tab.expect_response(f"{where}credential") as answer:
        tab.get_by_role("button", name="Start the test").click()
    assert answer.value.status == 200


# the verdict alone


@pytest.fixture(scope="module")
def judge(browser: Browser, good: Page) -> Iterator[Any]:
    """Return a function that gives results to verdict.js, and returns what that makes of them."""
    context = browser.new_context()
    tab = opened(context.new_page(), good)
    code = """async ([results, policy]) => {
        const {judge} = await import("./testpage/verdict.js");
        const {listServers} = await import("./testpage/servers.js");
        const servers = listServers({iceServers: results.map(one => ({urls: one.url}))});
        return judge(results.map((one, index) => ({...one, server: servers[index]})), policy);
    }"""
    yield lambda *results, policy="all": tab.evaluate(code, [results, policy])
    context.close()


CALL = {
    **{"state": "connected", "errors": [], "heard": True, "hz": 440, "ms": 90},
    **{"packetsReceived": 100, "packetsLost": 0, "roundTripMs": 5, "relayProtocol": "udp"},
}


def seen(url: str = "turn:a.example", **changes: Any) -> Dict[str, Any]:
    """Return a result of which nothing was heard, with changes."""
    made = {"url": url, "candidates": [], "errors": [], "ended": "complete"}
    return {**made, "call": None, "look": None, **changes}


def relayed(url: str = "turn:a.example", **call: Any) -> Dict[str, Any]:
    relay = {"type": "relay", "address": "192.0.2.1", "port": 1, "protocol": "UDP", "ms": 1}
    return seen(url, candidates=[relay], call={**CALL, **call})


def error(code: int, text: str = "") -> List[Dict[str, Any]]:
    return [{"code": code, "text": text}]


TLS, TCP = "turns:a.example", "turn:a.example?transport=tcp"
LOOKUP = "TURN host lookup received error."
SRFLX = {"type": "srflx", "address": "192.0.2.9", "port": 1, "protocol": "UDP", "ms": 1}
MUTE = "no answer from a.example, TCP port 5349"


def look(word: str) -> Dict[str, str]:
    return {"word": word, "message": f"what {word} means"}


FAULTS = [
    (seen(errors=error(401)), "it refuses the credential (401)"),
    (seen(errors=error(486)), "it gives this user no more relays (486)"),
    (seen(errors=error(508)), "it has no relay port left (508)"),
    (seen(errors=error(437)), "it has a relay for this address already (437)"),
    (seen(errors=error(599)), "it answers with error 599"),
    (seen(errors=error(701, LOOKUP)), "the name a.example does not resolve"),
    (seen(ended="limit", errors=error(701, LOOKUP)), "no answer from a.example, UDP port 3478"),
    (seen(ended="limit"), "no answer from a.example, UDP port 3478"),
    (seen(errors=error(701, "timed out")), "no answer from a.example, UDP port 3478"),
    (seen(), "the browser gathers nothing, and does not say why"),
    (seen(ended="refused"), "this browser refuses the url"),
    (seen(TCP, errors=error(701)), "TCP to a.example port 3478 is refused or closed"),
    (seen(TCP, ended="limit", errors=error(701)), "no answer from a.example, TCP port 3478"),
    (seen("turn:a.example:636", ended="limit"), "Chromium uses no TURN server at port 636"),
    (seen("turns:192.0.2.1:990"), "Chromium uses no TURN server at port 990"),
    (seen("turn:a.example:636", errors=error(401)), "it refuses the credential (401)"),
    (seen("turn:a.example:443", ended="limit"), "no answer from a.example, UDP port 443"),
    (seen(errors=error(440)), "it has no relay of IPv4 for this browser (440)"),
    (seen(TCP, ended="limit"), "no answer from a.example, TCP port 3478"),
    (seen(TLS, errors=error(701)), "TLS to a.example port 5349 fails"),
    (seen(TLS, errors=error(401)), "it refuses the credential (401)"),
    (
        seen(TLS, errors=error(701), look={"word": "certificate-name", "message": "not for it"}),
        "not for it",
    ),
    (
        seen(TLS, errors=error(701), look={"word": "trusted", "message": "x"}),
        "fails from this network, but works from the machine of abcwebrtc serve",
    ),
    (seen(TLS, errors=error(701), look={"word": "refused", "message": "closed"}), "closed"),
    (seen(TLS, errors=error(701), look=look("not-stun")), "what not-stun means"),
    # silence is no certificate; that of the name's other address may be there as an error
    (seen(TLS, ended="limit", look=look("trusted")), f"{MUTE}, though abcwebrtc serve reaches it"),
    (
        seen(TLS, ended="limit", look=look("certificate-untrusted")),
        "though abcwebrtc serve reaches",
    ),
    (seen(TLS, ended="limit", look=look("certificate-expired")), "though abcwebrtc serve reaches"),
    (seen(TLS, ended="limit", look=look("no-answer")), "what no-answer means"),
    (
        seen(TLS, ended="limit", errors=error(701), look=look("certificate-untrusted")),
        "though abcwebrtc serve reaches it",
    ),
    (
        seen(TLS, ended="limit", errors=error(701), look=look("certificate-expired")),
        "what certificate-expired means",
    ),
    (seen(TLS, ended="limit", errors=error(701)), f"{MUTE}."),
    # Firefox 140 tells no errors, so that this may be a wrong credential
    (seen(TLS, isMute=True, look=look("refused")), "what refused means"),
    (seen(TLS, isMute=True, look=look("certificate-name")), "what certificate-name means"),
    (seen(TLS, isMute=True, look=look("trusted")), "does not say why; abcwebrtc serve finds that"),
    (seen(TLS, isMute=True, look=look("certificate-self-signed")), "does not say why; abcwebrtc"),
    (seen(TLS, isMute=True), "the browser gathers nothing, and does not say why"),
    (seen("turns:192.0.2.1", isMute=True, look=look("trusted")), "tries TLS with a name only"),
    (relayed(state="failed", heard=False, packetsReceived=0), "data sent to it does not arrive"),
    (relayed(heard=False, packetsReceived=0), "the call connects, but no sound arrives"),
    (relayed(heard=False), "the tone can't be made out in it"),
    (relayed(brokeOff=True), "the tone arrives, and then stops"),
    (
        relayed(state="failed", heard=False, packetsReceived=0, isReached=True),
        "data passes through the relay, but the call does not connect in 20 seconds",
    ),
]


@pytest.mark.parametrize(("result", "said"), FAULTS, ids=[said for _, said in FAULTS])
def test_the_words_of_a_fault(judge: Any, result: Dict[str, Any], said: str) -> None:
    found = judge(result)
    assert found["level"] == "error"
    assert found["headline"] == "Sound will not work from this network: no TURN server works."
    (note,) = found["notes"]
    assert said in note["text"]
    assert " fails: " in note["text"]
    assert note["advice"].endswith((".", "?"))


def test_a_server_that_works_has_no_note(judge: Any) -> None:
    assert judge(relayed()) == {
        "level": "ok",
        "headline": "Sound will work from this network over TURN/UDP.",
        "notes": [],
    }


def test_the_sentence_of_the_issue(judge: Any) -> None:
    look = {"word": "certificate-self-signed", "message": "the certificate is self-signed"}
    found = judge(relayed(), seen(TLS, errors=error(701), look=look))
    assert found["level"] == "warning"
    assert found["headline"] == "Sound will work from this network over TURN/UDP."
    assert found["notes"][0]["text"] == "TURN/TLS fails: the certificate is self-signed."


def test_a_fault_of_a_port_that_answers_something_else_is_no_firewall(judge: Any) -> None:
    """coturn has no-stun and stun-only for that."""
    srflx = seen("stun:a.example", candidates=[SRFLX])
    (stun,) = judge(seen("stun:a.example", ended="limit"), relayed())["notes"]
    (turn,) = judge(srflx, seen(ended="limit"))["notes"]
    assert "no answer to STUN from a.example, UDP port 3478, but one to TURN" in stun["text"]
    assert "no answer to TURN from a.example, UDP port 3478, but one to STUN" in turn["text"]
    assert ("no-stun" in stun["advice"], "stun-only" in turn["advice"]) == (True, True)
    (again,) = judge(relayed(), seen(ended="limit"))["notes"]
    assert again["advice"] == "Look for packet loss."


def test_a_name_that_leads_to_a_server_over_tcp_does_resolve(judge: Any) -> None:
    """Firefox has the same mute error for UDP that this machine's own firewall forbids."""
    blocked = seen(errors=error(701))
    assert "does not resolve" in judge(blocked)["notes"][0]["text"]
    (note,) = judge(blocked, relayed(TCP))["notes"]
    assert "no answer from a.example, UDP port 3478; the same host answers on TCP" in note["text"]


def test_without_a_second_relay_nothing_is_said_of_relay_ports(judge: Any) -> None:
    """The server has gone since, or the browser does not say that there is a quota."""
    call = {"state": "failed", "heard": False, "packetsReceived": 0, "lacksRelay": True}
    found = judge(relayed(**call, errors=error(701)))
    assert found["headline"].endswith("over TURN/UDP: no call could be tried.")
    assert "no second one to call it from" in found["notes"][0]["text"]
    assert "still running" in found["notes"][0]["advice"]


def test_a_fault_says_where_the_same_host_answers(judge: Any) -> None:
    text = judge(seen(ended="limit"), relayed(TCP), relayed("turns:b.example"))["notes"][0]["text"]
    assert text.endswith("UDP port 3478; the same host answers on TCP port 3478.")


def test_labels_are_told_apart_by_host_and_then_by_port(judge: Any) -> None:
    found = judge(relayed(), relayed("turn:b.example"), relayed("turn:b.example:1"), relayed(TCP))
    assert found["headline"].endswith(
        "over TURN/UDP at a.example, TURN/UDP at b.example:3478, TURN/UDP at b.example:1 "
        "and TURN/TCP."
    )
    found = judge(relayed("turn:[2001:db8::1]:1"), relayed("turn:[2001:db8::1]"))
    assert found["headline"].endswith(
        "over TURN/UDP at [2001:db8::1]:1 and TURN/UDP at [2001:db8::1]:3478."
    )


@pytest.mark.parametrize(("lost", "level"), [(0, "ok"), (5, "ok"), (6, "warning"), (90, "warning")])
def test_loss_is_a_warning_from_5_percent_on(judge: Any, lost: int, level: str) -> None:
    found = judge(relayed(packetsLost=lost, packetsReceived=100 - lost))
    assert found["level"] == level
    will = "work" if level == "ok" else "have gaps"
    assert found["headline"] == f"Sound will {will} from this network over TURN/UDP."
    assert [f"{lost} %" in note["text"] for note in found["notes"]] == [True] * (level != "ok")


def test_a_transport_with_loss_is_not_said_to_work_as_the_others_do(judge: Any) -> None:
    found = judge(relayed(packetsLost=50, packetsReceived=50), relayed(TCP))
    assert found["headline"] == (
        "Sound will work from this network over TURN/TCP, and have gaps over TURN/UDP."
    )


HERE = {**SRFLX, "type": "host", "address": "x.local"}


def test_silence_of_stun_is_taken_for_no_nat_only_where_it_can_be_nothing_else(judge: Any) -> None:
    def of(**changes: Any) -> Any:
        found = judge(seen("stun:a", **changes), relayed())
        return found["level"], [note["text"] for note in found["notes"]]

    assert of(candidates=[HERE]) == ("ok", [])
    level, (said,) = of()  # a policy that forbids UDP to the browser
    assert (level, "STUN fails: this browser gathers no address over UDP" in said) == (
        "warning",
        True,
    )
    assert of(candidates=[{**HERE, "protocol": "TCP"}])[1] == [said]
    level, (said,) = of(candidates=[HERE], isMute=True)  # Firefox 140 tells no errors
    assert "there is no NAT, or no answer" in said


PARTS = ("kind", "secure", "transport", "host", "port", "label")


@pytest.mark.parametrize(
    ("result", "policy", "level", "said"),
    [
        (seen("stun:a", candidates=[SRFLX]), "all", "warning", "only where no relay is needed"),
        (seen("stun:a", candidates=[HERE]), "all", "warning", "only where no relay is needed"),
        (seen("stun:a", ended="limit"), "all", "error", "STUN fails, and there is no TURN server"),
        (seen("stun:a", candidates=[SRFLX]), "relay", "error", "iceTransportPolicy is 'relay'"),
    ],
)
def test_without_turn(judge: Any, result: Any, policy: str, level: str, said: str) -> None:
    found = judge(result, policy=policy)
    assert found["level"] == level
    assert said in found["headline"]


@pytest.mark.parametrize(
    "result",
    [
        seen(ended="stopped"),
        {**relayed(), "call": None},
        relayed(state="stopped", heard=False, packetsReceived=0),
    ],
)
def test_what_was_stopped_is_not_judged(judge: Any, result: Any) -> None:
    assert judge(result)["headline"] == "Stopped before there was a verdict."
    assert judge(result, relayed(TCP))["headline"].endswith("over TURN/TCP.")


def test_no_server_at_all(judge: Any) -> None:
    assert judge()["level"] == "error"


@pytest.mark.parametrize(
    ("url", "expected"),
    [  # kind, secure, transport, host, port, label
        ("turn:h", ("turn", False, "udp", "h", 3478, "TURN/UDP")),
        ("TURN:H:1?transport=TCP", ("turn", False, "tcp", "h", 1, "TURN/TCP")),
        ("turns:h", ("turn", True, "tcp", "h", 5349, "TURN/TLS")),
        (
            "turns:[2001:db8::1]:443?transport=tcp",
            ("turn", True, "tcp", "2001:db8::1", 443, "TURN/TLS"),
        ),
        ("stun:h:19302", ("stun", False, "udp", "h", 19302, "STUN")),
        ("stuns:h", ("stun", True, "tcp", "h", 5349, "STUN/TLS")),
    ],
)
def test_urls_are_taken_apart(success: Tab, url: str, expected: Any) -> None:
    code = 'async url => (await import("./testpage/servers.js")).readUrl(url)'
    read = success.evaluate(code, url)
    assert tuple(read[key] for key in PARTS) == expected


def test_the_frequency_of_a_tone_is_found(success: Tab) -> None:
    code = """async ([hz, rate]) => {
        const {peak, isTone, level, FFT_SIZE} = await import("./testpage/tone.js");
        const audio = new OfflineAudioContext(1, rate, rate);
        const analyser = new AnalyserNode(audio, {fftSize: FFT_SIZE});
        const oscillator = new OscillatorNode(audio, {frequency: hz});
        oscillator.connect(analyser).connect(audio.destination);
        oscillator.start();
        const samples = (await audio.startRendering()).getChannelData(0);
        const bins = new Float32Array(analyser.frequencyBinCount);
        analyser.getFloatFrequencyData(bins);
        const found = peak(bins, rate);
        return [found, level(samples), isTone(found, level(samples)), isTone(found, 0)];
    }"""
    for hz, rate, is_tone in ((440, 48000, True), (440, 44100, True), (470, 48000, False)):
        found, loudness, judged, silent = success.evaluate(code, [hz, rate])
        assert abs(found - hz) < 3
        assert 0.95 < loudness <= 1
        assert (judged, silent) == (is_tone, False)
