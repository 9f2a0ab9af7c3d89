"""A call outlives its first credential, and the next call needs a fresh one.

coturn is that of ``abcwebrtc turnserver-conf``, but in a hurry: allocations and nonces live for
seconds instead of 10 minutes. So both sides have to refresh their relays soon after the expiry,
with the credential that has expired and a new nonce.
"""

from __future__ import annotations

import time
from typing import Any, Dict

import pytest

from e2e.lab import Lab, Site, SoundPage, chain, check_it_came_by_relays, refreshes
from support import RTC_PATH

pytestmark = pytest.mark.slow("calls that outlive a credential")

TTL = 20
"""Seconds in which a call has to begin, even on a slow machine."""
# Both sides refresh at half of an allocation's lifetime or later, so after the expiry.
IN_A_HURRY = ("--verbose", "--max-allocate-lifetime=44", "--stale-nonce=4")
TONE, LATER_TONE, LAST_TONE = 440, 660, 880


def test_a_call_goes_on_past_the_browsers_credential(lab: Lab) -> None:
    od_config = lab.od_config(coturn={"ttl": TTL})
    coturn = lab.start_coturn(od_config, *IN_A_HURRY)
    desktop = lab.start_desktop("user1", od_config)
    site = lab.start_site(od_config)
    page = site.open("user1", start=False)
    with desktop.playing(TONE):
        old = connect(page)
        page.wait_for_tone(TONE)
        wait_for_refresh_after_expiry(coturn, page.username())
    with desktop.playing(LATER_TONE):
        page.wait_for_tone(LATER_TONE)  # so what is heard is of now
        again = refused_with(old, site)
        connect(again)
        again.wait_for_tone(LATER_TONE)
    assert again.expires_at() > page.expires_at()
    with desktop.playing(LAST_TONE):
        check_both_hear(LAST_TONE, page, again)


def refused_with(old: Dict[str, Any], site: Site) -> SoundPage:
    """Return a page that used an old answer of the endpoint to connect, and was refused."""
    page = site.open("user1", start=False)
    page.page.route(f"**{RTC_PATH}", lambda route: route.fulfill(json=old))
    page.page.click("#start")
    page.wait_for_line("FAILED: ")
    (reason,) = page.failures()
    assert "gives 401" in reason
    page.page.unroute(f"**{RTC_PATH}")
    return page


def check_both_hear(hertz: float, *pages: SoundPage) -> None:
    for page in pages:
        page.wait_for_tone(hertz)
        check_it_came_by_relays(page)
        assert page.failures() == []


def test_a_call_goes_on_past_the_desktops_credential(lab: Lab) -> None:
    """A container's variables never change, so its next call can't begin."""
    od_config = lab.od_config(webrtc__desktop={"turn": True, "ttl": TTL})
    coturn = lab.start_coturn(od_config, *IN_A_HURRY)
    page = lab.start_site(od_config).open("user1", start=False)
    desktop = lab.start_desktop("user1", od_config)
    connect(page)
    with desktop.playing(TONE):
        page.wait_for_tone(TONE)
        username = desktop.username()
        wait_for_refresh_after_expiry(coturn, username)
    with desktop.playing(LATER_TONE):
        page.wait_for_tone(LATER_TONE)
        check_it_came_by_relays(page)
        assert page.failures() == []
        page.page.click("#start")
        page.wait_for_failure(
            "The sound container sent no candidate: check its STUN_SERVER and TURN_SERVER."
        )


def connect(page: SoundPage) -> Dict[str, Any]:
    """Click, and return what the endpoint answers."""
    with page.page.expect_response(f"**{RTC_PATH}") as answered:
        page.page.click("#start")
    return dict(answered.value.json())


def wait_for_refresh_after_expiry(coturn: chain.Program, username: str) -> None:
    """Wait until a credential has expired, and an allocation was then refreshed with it."""
    expires_at = int(username.partition(":")[0])
    coturn.wait_until(lambda: time.time() > expires_at + 1)
    before = refreshes(coturn, username)
    coturn.wait_until(lambda: refreshes(coturn, username) > before)
