"""Chromium hears what paplay plays in a desktop, and the other way round.

Both sides have nothing but what abcwebrtc hands out: the browser its
rtc_configuration, the desktop its variables, coturn its turnserver.conf. Unless a
test says otherwise, both may reach each other through TURN only.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Callable
from urllib.parse import unquote

import pytest

from e2e.lab import (
    ASK_FOR_THE_MICROPHONE,
    COTURN,
    TLS_PORT,
    TURN_PORT,
    Desktop,
    Lab,
    SoundPage,
    check_it_came_by_relays,
    tones,
)
from e2e.spectrum import amplitude, loudest_part, loudness
from integration.netns import SERVER
from support import SECRET, WAIT

ReportTime = Callable[[SoundPage], None]


# the speaker


def test_a_tone_is_heard_in_the_browser(lab: Lab, report_time: ReportTime) -> None:
    od_config = lab.od_config()
    lab.start_coturn(od_config)
    desktop = lab.start_desktop("user1", od_config)
    site = lab.start_site(od_config)
    with desktop.playing(440):
        page = site.open("user1")
        page.wait_for_tone(440)
    report_time(page)
    page.wait_for_silence()  # so it was paplay that was heard
    check_it_came_by_relays(page)
    assert page.failures() == []
    check_nothing_secret_is_shown(lab, desktop)


def check_nothing_secret_is_shown(lab: Lab, desktop: Desktop) -> None:
    """Fail if a secret is in the programs' output or in a command line."""
    turn_server = desktop.environment()["TURN_SERVER"]
    password = turn_server.partition("@")[0].rpartition(":")[2]
    shown = [file.read_bytes() for file in lab.folder.rglob("*.log")]
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # of a process that has ended
            shown.append(file.read_bytes())
    for secret in (SECRET, password, unquote(password)):
        assert not any(secret.encode() in text for text in shown)


WAYS = {
    "udp": ({"transport": "udp"}, "udp"),
    "tcp": ({"transport": "tcp"}, "tcp"),
    "turns": ({"protocol": "turns", "url": f"{SERVER}:{TLS_PORT}"}, "tls"),
    "turns on the port of turn": ({"protocol": "turns"}, "tls"),  # as in abcdesktop's document
}
"""od.config's coturn entries, and the way on which the browser then reaches coturn."""


@pytest.mark.parametrize("way", WAYS)
def test_the_browser_reaches_coturn_by_every_transport(
    way: str, lab: Lab, report_time: ReportTime
) -> None:
    changes, protocol = WAYS[way]
    secure = {**COTURN, "protocol": "turns", "url": f"{SERVER}:{TLS_PORT}"}
    lab.start_coturn(lab.od_config("coturn", [COTURN, secure]))
    desktop = lab.start_desktop("user1", lab.od_config("desktop"))
    site = lab.start_site(lab.od_config("browser", changes))
    with desktop.playing(440):
        page = site.open("user1")
        page.wait_for_tone(440)
    report_time(page)
    assert check_it_came_by_relays(page)["relayProtocol"] == protocol


# the microphone

BEEP = 400
"""Hz of Chromium's fake microphone, a short beep twice a second, with harmonics."""
OTHERS = [100, 200, 300, 500, 600, 700, 900, 1000, 1500]
LOUD = 1000
"""Of 32767."""


def test_the_browsers_microphone_is_the_desktops(lab: Lab) -> None:
    od_config = lab.od_config()
    lab.start_coturn(od_config)
    desktop = lab.start_desktop("user1", od_config)
    assert max(desktop.record_microphone(1)) == 0, "there is sound before there is a call"
    page = lab.start_site(od_config).open("user1")
    desktop.running.container.wait_for("the browser's microphone is connected")
    beep = wait_for_loud_part(desktop)
    levels = {hertz: amplitude(beep, hertz, tones.RATE) for hertz in [BEEP, *OTHERS]}
    assert max(levels, key=levels.__getitem__) == BEEP, levels
    check_it_came_by_relays(page)
    assert page.statistics()["sent"] > 0


def wait_for_loud_part(desktop: Desktop) -> Any:
    """Return the loudest 40 ms of a second in which the microphone has sound."""
    for _ in range(int(WAIT)):
        part = loudest_part(desktop.record_microphone(1), tones.RATE // 25)
        if loudness(part) > LOUD:
            return part
    raise AssertionError("the microphone is silent")


# the console

LINES = (
    "rtc_configuration=",
    "Created peer connection for call and creating SDP",
    "Exchange from foundation ",
    "Local stream answer",
    "ICE Candidate was null, done",
)
"""What is in the console, in order, as the documentation says."""


def test_the_console_says_what_the_document_says(lab: Lab) -> None:
    stun = {"STUN_SERVER": f"stun://{SERVER}:{TURN_PORT}"}
    od_config = lab.od_config(desktop__envlocal=stun)
    lab.start_coturn(od_config)
    desktop = lab.start_desktop("user1", od_config, relay_only=False)
    site = lab.start_site(od_config)
    page = site.open("user1", relay=False, start=False, script=ASK_FOR_THE_MICROPHONE)
    page.page.click("#start")
    page.wait_for_line(LINES[1])
    wait_for_all_candidates(page, desktop)
    page.page.evaluate("allowMicrophone()")
    page.wait_for_line(LINES[-1])
    page.wait_for_state("connected")
    assert '"credential":"..."' in page.wait_for_line(LINES[0])
    steps = [start for line in page.console for start in LINES if line.startswith(start)]
    assert list(dict.fromkeys(steps)) == list(LINES)
    assert steps == sorted(steps, key=LINES.index)
    assert {"host", "srflx", "relay"} <= {line.split()[4] for line in exchanged(page)}


def exchanged(page: SoundPage) -> Any:
    return [line for line in page.console if line.startswith(LINES[2])]


def wait_for_all_candidates(page: SoundPage, desktop: Desktop) -> None:
    """Wait until the page has every candidate of the container, as with a slow user."""
    page.wait_until(lambda: len(exchanged(page)) == len(desktop.candidates()))
