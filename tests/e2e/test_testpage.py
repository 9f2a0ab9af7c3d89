"""The test page in a real Chromium, with real servers that work."""

from __future__ import annotations

import re
from typing import Any, Iterator, List

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from conftest import require_program
from e2e.testpage_results import WORKS
from e2e.testpage_stage import (
    PORT,
    SECRET,
    Page,
    Stage,
    check_each_works,
    coturn_entry,
)
from e2e.testpage_tab import (
    DESK,
    MILLISECONDS,
    check_accessible,
    headline,
    opened,
    outcome,
    result,
    verdict,
)
from integration.netns import PUBLIC, SERVER
from support import wait_for

pytest_plugins = ["e2e.testpage_fixtures"]

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


# the login


def test_a_link_opens_the_page_once_and_leaves_no_key_behind(tab: Tab, good: Page) -> None:
    link = good.link
    tab.goto(good.url)
    assert tab.get_by_role("heading", level=1).inner_text() == "You need a link to log in"
    check_accessible(tab)
    tab.goto(link)  # only the hash is another one
    expect(tab.get_by_role("button", name="Start the test")).to_be_enabled(timeout=MILLISECONDS)
    check_accessible(tab)
    assert tab.url == good.url
    assert tab.evaluate("document.cookie") == ""
    tab.context.clear_cookies()
    tab.goto(link)
    message = tab.get_by_role("status")
    expect(message).to_contain_text("has been used", timeout=MILLISECONDS)
    check_accessible(tab)
    assert good.output.count(link.partition("#")[2]) == 1  # where it was printed


# servers that work


@pytest.fixture(scope="module")
def success(browser: Browser, good: Page) -> Iterator[Tab]:
    """A tab after a test run with the keyboard alone."""
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
    """Return the text of the focused element, and the style of its outline."""
    element = "document.activeElement"
    return (
        tab.evaluate(f"{element}.textContent"),
        tab.evaluate(f"getComputedStyle({element}).outlineStyle"),
    )


def test_sound_works_over_every_transport(success: Tab) -> None:
    expected = f"{WORKS} TURN/UDP, TURN/TCP and TURN/TLS."
    assert verdict(success).startswith(f"{expected}\n\nThis is what a browser sees.")
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
    # each server alone, then two ends for each relay, and two for each port from outside
    assert len(made) == 4 + 3 * 2 + 2 * 2
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
    expect(tab.get_by_role("button", name="Stop")).to_be_focused(timeout=MILLISECONDS)


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
    expect(tab.get_by_role("button", name="Start the test")).to_be_enabled(timeout=MILLISECONDS)
    assert tab.url == where
    (cookie,) = tab.context.cookies()
    assert cookie["path"] == "/try/sound"
    with tab.expect_response(f"{where}credential") as answer:
        tab.get_by_role("button", name="Start the test").click()
    assert answer.value.status == 200
