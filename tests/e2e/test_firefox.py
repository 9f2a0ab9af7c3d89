"""The pages in Debian's Firefox, where they differ from Chromium or might differ.

Firefox opens an audio device for WebAudio, and has none here: PulseAudio is one.
"""

from __future__ import annotations

import contextlib
import json
import sys
from array import array
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest

from conftest import require_program
from e2e.firefox import Firefox, Tab, firefox
from e2e.lab import EXAMPLE, TOLERANCE, Lab, tones
from e2e.spectrum import amplitude
from e2e.testpage_results import WORKS
from e2e.testpage_stage import (
    NAME,
    OTHER_SECRET,
    PORT,
    RESOLVE,
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
from integration.netns import SERVER
from support import wait_for

sys.path.append(str(EXAMPLE / "container"))

import pulse

NO_OUTPUT = {"media.cubeb.backend": "pulse-rust"}, {"PULSE_SERVER": "unix:/nowhere"}
ICE_FAILED = "error: WebRTC: ICE failed, see about:webrtc for more details"
"""What Firefox itself writes to the console if a call does not connect."""
INLINE = "document.body.append(Object.assign(document.createElement('script'), {text: 'oops()'}))"
TONE = 800
"""Hz of Firefox's fake microphone."""
OTHERS = [100, 200, 440, 500, 700, 900, 1000, 1600]
once_more = pytest.mark.slow("faults that Chromium tells, in Firefox too")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("testpage")
    with netns.required_network() as network, stage(folder, network) as made:
        made.coturn(PORT, TLS_PORT, Certificate(made.folder, "good"))
        yield made
        for log in made.logs:
            print(log.read_text(encoding="utf-8", errors="replace"))


@contextlib.contextmanager
def with_output(folder: Path, where: netns.Namespace, **preferences: Any) -> Iterator[Firefox]:
    """Run a Firefox with its own PulseAudio."""
    sound = folder / "sound"
    sound.mkdir()
    with pulse.running(sound) as server, firefox(
        folder, where, preferences, PULSE_SERVER=server
    ) as made:
        yield made


# the test page


@pytest.fixture(scope="module")
def browser(running: Stage) -> Iterator[Firefox]:
    """A Firefox behind the NAT that resolves every name to the server."""
    names = {"network.dns.forceResolve": SERVER}
    with with_output(running.own_folder(), running.network.desktop, **names) as made:
        yield made


def outcome(browser: Firefox, page: Page, script: str = "") -> Tab:
    """Run a script in the page, then the whole test with the mouse; return its tab."""
    tab = browser.tab()
    tab.goto(page.link)
    tab.wait_until("document.querySelector('#start')?.disabled === false")
    tab.evaluate(f"(() => {{ {script} }})()")
    tab.click("#start")
    tab.wait_until("document.querySelector('#start').textContent === 'Test again'")
    return tab


def cards(tab: Tab) -> Dict[str, str]:
    """Return what each server's card says, by its url."""
    text = "[card.querySelector('code').innerText, card.innerText]"
    return dict(tab.evaluate(f"[...document.querySelectorAll('.server')].map((card) => {text})"))


def headline(tab: Tab) -> str:
    return str(tab.evaluate("document.querySelector('.headline').innerText"))


METERS = """
window.levels = {};
new MutationObserver((changes) => {
  for (const { target } of changes) {
    const [name, value] = ["aria-label", "aria-valuenow"].map((one) => target.getAttribute(one));
    levels[name] = Math.max(levels[name] ?? 0, Number(value));
  }
}).observe(document, { subtree: true, attributeFilter: ["aria-valuenow"] });
"""
SLOW_DEVICE = """
const Native = AudioContext;
window.AudioContext = class extends Native {
  constructor() {
    super();
    super.suspend();
    this.opened = new Promise((resolve) => setTimeout(resolve, 3500));
  }
  resume() { return this.opened.then(() => super.resume()); }
};
"""
"""It opens only after a call that does not wait for it has ended."""


NO_REASON = "The browser gathers nothing, and does not say why."


def is_old(tab: Tab) -> bool:
    """Return whether this Firefox, like 140, reports no ICE errors and fewer statistics."""
    return bool(tab.evaluate("!('onicecandidateerror' in RTCPeerConnection.prototype)"))


def test_sound_works_over_every_transport(browser: Firefox, running: Stage) -> None:
    page = running.serve(8001, before=RESOLVE, **servers_of_every_kind(NAME))
    tab = outcome(browser, page, METERS)
    expected = f"{WORKS} TURN/UDP, TURN/TCP and TURN/TLS."
    assert headline(tab) == expected
    seen = cards(tab)
    check_each_works(seen, NAME, has_round_trip=not is_old(tab))
    for protocol in ("UDP", "TCP", "TLS"):
        level = tab.evaluate("levels")[f"Level of the tone through TURN/{protocol}"]
        assert 30 < level < 70  # of a tone at half of full scale
    tab.click("#copy")
    tab.wait_until("document.querySelector('#copied').textContent === 'Copied.'")
    assert tab.console == []
    tab.evaluate(INLINE)
    wait_for(lambda: tab.evaluate("true") and tab.console)  # so a violation would have been seen
    assert "Content-Security-Policy: The page’s settings blocked an inline script" in tab.console[0]


@once_more
def test_a_call_waits_for_the_audio_device(browser: Firefox, running: Stage) -> None:
    page = running.serve(8005, webrtc__rtc_configuration={}, webrtc__coturn=coturn_entry())
    tab = outcome(browser, page, SLOW_DEVICE)
    assert headline(tab) == f"{WORKS} TURN/UDP."


@once_more
def test_what_firefox_makes_of_tls_urls(browser: Firefox, running: Stage) -> None:
    page = running.serve(
        8002,
        before=RESOLVE,
        webrtc__rtc_configuration={},
        webrtc__coturn=[
            coturn_entry(),
            coturn_entry(3997, NAME, protocol="turns"),
            coturn_entry(TLS_PORT, protocol="turns"),
        ],
    )
    tab = outcome(browser, page)
    assert headline(tab) == f"{WORKS} TURN/UDP."
    seen = cards(tab)
    assert f"Refused: nothing listens on {NAME}, TCP port 3997" in seen[f"turns:{NAME}:3997"]
    text = f"This browser uses TLS with a name only, not with {SERVER}; the same"
    assert text in seen[f"turns:{SERVER}:{TLS_PORT}"]
    assert tab.console == []


@once_more
def test_without_errors_of_ice_the_page_asks_serve_about_tls(
    browser: Firefox, running: Stage
) -> None:
    """Firefox 140 has none."""
    page = running.serve(
        8006,
        before=RESOLVE,
        webrtc__rtc_configuration={},
        webrtc__coturn=[coturn_entry(3997, NAME, protocol="turns"), coturn_entry()],
    )
    tab = outcome(browser, page, "delete RTCPeerConnection.prototype.onicecandidateerror;")
    assert is_old(tab)
    seen = cards(tab)
    assert f"Refused: nothing listens on {NAME}, TCP port 3997" in seen[f"turns:{NAME}:3997"]
    report = tab.evaluate("document.querySelector('#report-text').textContent")
    assert "error 701" not in report


@once_more
def test_one_stuns_url_spoils_the_whole_configuration(browser: Firefox, running: Stage) -> None:
    url = f"stuns:{NAME}:{TLS_PORT}"
    page = running.serve(8003, webrtc__rtc_configuration={}, webrtc__coturn=coturn_entry())
    tab = outcome(browser, page)
    attempt = "(settings) => { try { new RTCPeerConnection(settings) } catch { return 'refused' } }"
    result = None if is_old(tab) else "refused"
    for urls, expected in ([f"stun:{SERVER}"], None), ([f"stun:{SERVER}", url], result):
        settings = {"iceServers": [{"urls": urls}]}
        assert tab.evaluate(f"({attempt})({json.dumps(settings)})") == expected


@once_more
def test_each_fault_is_told_without_an_audio_output(running: Stage) -> None:
    running.coturn(3480, 5350, Certificate(running.folder, "other"), f"denied-peer-ip={SERVER}")
    page = running.serve(
        8004,
        webrtc__rtc_configuration={},
        webrtc__coturn=[
            coturn_entry(coturn_static_auth_secret=OTHER_SECRET),
            coturn_entry(3999),
            coturn_entry(3998, transport="tcp"),
            coturn_entry(3480),
            coturn_entry(host="nowhere.invalid"),
            coturn_entry(transport="tcp"),
        ],
    )
    preferences, variables = NO_OUTPUT
    where = running.own_folder(), running.network.desktop
    with firefox(*where, preferences, **variables) as browser:
        tab = outcome(browser, page)
        seen, said, console, old = cards(tab), headline(tab), tab.console, is_old(tab)
    expected = {
        f"turn:{SERVER}:{PORT}": "401: the server refuses the credential, which has not expired.",
        f"turn:{SERVER}:3999": f"No answer from {SERVER}, UDP port 3999 within 10 s, asked ",
        f"turn:{SERVER}:3998?transport=tcp": f"The connection to {SERVER}, TCP port 3998 is ",
        f"turn:{SERVER}:3480": "data sent to it from another relay of the server does not",
        f"turn:nowhere.invalid:{PORT}": "The name nowhere.invalid does not resolve, or resolves",
        f"turn:{SERVER}:{PORT}?transport=tcp": "this browser has no audio output",
    }
    assert list(seen) == list(expected)
    for url, text in expected.items():
        assert text in seen[url] or (old and NO_REASON in seen[url]), url
    assert said == (
        f"Sound may work from this network over TURN/TCP at {SERVER}:{PORT}: "
        "this browser has no audio output."
    )
    assert set(console) <= {ICE_FAILED}


@once_more
def test_silence_between_relays_is_not_taken_for_a_refusal(
    browser: Firefox, running: Stage
) -> None:
    """Firefox waits for lost data longer than the page waits before it assumes a 403."""
    running.coturn(3470, 5370, Certificate(running.folder, "another"))
    page = running.serve(8009, webrtc__rtc_configuration={}, webrtc__coturn=coturn_entry(3470))
    nft, drop = require_program("nft", "nftables"), 'iifname "lo" udp dport 57000-57099 drop'
    chain = f"chain in {{ type filter hook input priority 0; {drop}; }}"
    network = running.network
    network.outside.run(nft, "--file", "-", input=f"table ip lost {{\n{chain}\n}}\n")
    try:
        (card,) = cards(outcome(browser, page)).values()
    finally:
        network.outside.run(nft, "delete", "table", "ip", "lost")
    assert "data sent to it from another relay of the server does not arrive" in card


SHORT_LIMITS = """
const native = setTimeout;
window.setTimeout = (task, ms, ...rest) => native(task, ms / 5, ...rest);
"""
POLICY = "This browser gathers no address of its own either: look for a policy"


@once_more
def test_a_firefox_that_may_use_a_proxy_only_is_told_from_a_firewall(running: Stage) -> None:
    page = running.serve(
        8007,
        webrtc__rtc_configuration=stun_entry(f"stun:{SERVER}:{PORT}"),
        webrtc__coturn=coturn_entry(),
    )
    settings = {"media.peerconnection.ice.proxy_only": True}
    with firefox(running.own_folder(), running.network.desktop, settings) as browser:
        tab = outcome(browser, page, SHORT_LIMITS)
        items = "[...document.querySelectorAll('.problems > li')].map((one) => one.innerText)"
        stun, turn = tab.evaluate(items)
    assert f"STUN fails: no answer from {SERVER}, UDP port {PORT} within 10 s" in stun
    assert POLICY in stun
    assert "TURN/UDP fails" in turn
    assert POLICY not in turn


# the page of the example


@pytest.fixture
def lab(
    sound_network: netns.Network, sound_certificate: Any, gstreamer_cache: Path, tmp_path: Path
) -> Iterator[Lab]:
    """A laboratory with a browser that Playwright does not drive."""
    # Firefox takes the address by which it would reach the internet, when a page is on localhost
    sound_network.outside.run(
        netns.ip_program(), "route", "replace", "default", "via", netns.DESKTOP
    )
    with contextlib.ExitStack() as stack:
        made = Lab(sound_network, None, sound_certificate, tmp_path, stack)  # type: ignore
        (made.inside.folder / "cache").symlink_to(gstreamer_cache)
        yield made
    for log in sorted(tmp_path.rglob("*.log")):
        print(f"== {log.name}\n{log.read_text(encoding='utf-8', errors='replace')[-5000:]}")


MICROPHONE = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.navigator.audio.fake_frequency": TONE,
}


def opened(lab: Lab, browser: Firefox, od_config: Path) -> Tab:
    """Connect the page of user1 with the mouse; both sides may use only TURN."""
    tab = browser.tab()
    tab.goto(f"{lab.start_site(od_config).url}/?user=user1&relay")
    tab.click("#start")
    return tab


def check_it_came_by_relays(tab: Tab) -> None:
    found = tab.evaluate("sound.statistics()")
    assert (found["local"], found["remote"]) == ("relay", "relay")
    assert found["received"] > 0


def test_a_tone_is_heard_in_the_page_of_the_example(lab: Lab) -> None:
    od_config = lab.od_config()
    lab.start_coturn(od_config)
    desktop = lab.start_desktop("user1", od_config)
    with with_output(lab.folder, lab.network.outside, **MICROPHONE) as browser:
        with desktop.playing(440):
            tab = opened(lab, browser, od_config)
            tab.wait_until(f"Math.abs((sound.measure().tone ?? 0) - 440) < {TOLERANCE}")
        tab.wait_until("sound.measure().tone === null")  # so it was paplay that was heard
        check_it_came_by_relays(tab)
        wait_for(lambda: is_loudest(TONE, desktop.record_microphone(1)))
        assert tab.evaluate("sound.failures") == []
        assert [line for line in tab.console if not line.startswith("info: ")] == []


def is_loudest(tone: float, recorded: "array[int]") -> bool:
    """Return whether a tone is loud enough, and the loudest, in one second; gaps are allowed."""
    levels = {hertz: amplitude(recorded, hertz, tones.RATE) for hertz in [*OTHERS, tone]}
    print(levels)
    return max(levels, key=levels.__getitem__) == tone and levels[tone] > 300  # of 32767


@once_more
def test_the_page_of_the_example_says_that_it_can_hear_nothing(lab: Lab) -> None:
    od_config = lab.od_config()
    lab.start_coturn(od_config)
    desktop = lab.start_desktop("user1", od_config)
    preferences, variables = NO_OUTPUT
    settings = {**preferences, **MICROPHONE}
    with firefox(lab.folder, lab.network.outside, settings, **variables) as browser:
        with desktop.playing(440):
            tab = opened(lab, browser, od_config)
            tab.wait_until("sound.state === 'connected'")
            tab.wait_until("document.querySelector('#tone').innerText.includes('no audio output')")
            tab.wait_until("sound.statistics().then(({received}) => received)")
        check_it_came_by_relays(tab)
