"""Twenty desktops at once: each browser hears only its own desktop.

They share one NAT, one coturn, one endpoint and one Chromium. Each desktop has a PulseAudio
of its own. The pages are tabs that share a process, and have no microphone, so that two cores
are enough.
"""

from __future__ import annotations

import contextlib
import functools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Dict, Iterator

import pytest

from e2e.lab import USERS, Desktop, Lab, SoundPage

pytestmark = pytest.mark.slow("twenty desktops at once")

ReportTime = Callable[[SoundPage], None]

TONES = {user: 512.0 + 179 * number for number, user in enumerate(USERS[:20])}
"""Hz; each is at least 25 Hz from the others and from their first ten harmonics."""
APART = 25
"""The least dB by which a page's own tone exceeds every other one."""
NO_MICROPHONE = {"video": False, "audio": False}
SELDOM = "const often = setInterval; window.setInterval = (f, ms) => often(f, 5 * ms);"
"""JavaScript that makes a page look once a second."""


def test_twenty_browsers_hear_their_own_desktop_and_no_other(
    lab: Lab, report_time: ReportTime
) -> None:
    od_config = lab.od_config(webrtc__rtc_constraints=NO_MICROPHONE)
    lab.start_coturn(od_config)
    site = lab.start_site(od_config)
    tabs = lab.new_context()
    pages = {user: site.open(user, start=False, script=SELDOM, context=tabs) for user in TONES}
    with started(lab, od_config) as desktops, contextlib.ExitStack() as playing:
        for user, desktop in desktops.items():
            playing.enter_context(desktop.playing(TONES[user]))
        for page in pages.values():
            page.page.evaluate("void sound.start()")
        for user, page in pages.items():
            page.wait_for_tone(TONES[user])
        for user, page in pages.items():
            check_it_hears_no_other(page, user)
        for page in pages.values():
            report_time(page)
            check_it_came_by_relays(page)
    assert len({page.username() for page in pages.values()}) == len(TONES)


@contextlib.contextmanager
def started(lab: Lab, od_config: Path) -> Iterator[Dict[str, Desktop]]:
    """Start all desktops, the first one alone, since it builds GStreamer's registry."""
    first, *others = TONES
    # A program ends with the thread that started it, so the threads stay.
    with ThreadPoolExecutor(len(others)) as threads:
        desktops = {first: lab.start_desktop(first, od_config)}
        start = functools.partial(lab.start_desktop, od_config=od_config)
        desktops.update(zip(others, threads.map(start, others)))
        yield desktops


def check_it_hears_no_other(page: SoundPage, user: str) -> None:
    """Fail unless a page once hears its user's tone far above all others.

    A click, as from late sound on a busy machine, contains all tones.
    """

    def is_apart() -> bool:
        heard = dict(zip(TONES, page.levels_at([*TONES.values()])))
        return heard.pop(user) - max(heard.values()) > APART

    page.wait_until(is_apart)


def check_it_came_by_relays(page: SoundPage) -> None:
    """Fail unless both sides used their relay, and most packets arrived.

    On two processors something stalls now and then, and half a second of one call is lost; that
    nothing is lost is for `test_sound` to show.
    """
    found = page.statistics()
    assert (found["local"], found["remote"]) == ("relay", "relay")
    assert found["received"] > 2 * found["lost"]
