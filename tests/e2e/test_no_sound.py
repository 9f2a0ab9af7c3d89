"""If there can be no sound, the page says why, in a real browser with a real coturn.

paplay plays in the desktop all the time: what is missing is the way from there to the
browser, and both sides may use TURN only.
"""

from __future__ import annotations

import time
from typing import Any, Dict

from e2e.lab import ASK_FOR_THE_MICROPHONE, TURN_PORT, Desktop, Lab, SoundPage
from integration.netns import SERVER
from support import RTC_PATH, make_token, rsa_key

TONE, OTHER_TONE = 440.0, 660.0
OTHER_SECRET = {"coturn_static_auth_secret": "a-secret-that-coturn-does-not-know"}
CLOSED_PORT = 9
TURN_URL = f"turn:{SERVER}:{TURN_PORT}?transport=udp"
OF_NO_CALL: Dict[str, Any] = {"local": None, "remote": None, "received": 0}


def check_no_sound(page: SoundPage, desktop: Desktop) -> None:
    """Fail unless the desktop plays, and none of it has reached the page."""
    desktop.check_it_plays(TONE)
    assert page.page.evaluate("sound.heardAfter") is None  # the page looks all the time
    assert page.measure().tone is None
    found = page.statistics()
    assert {name: found[name] for name in OF_NO_CALL} == OF_NO_CALL


def test_coturn_does_not_know_the_browsers_secret(lab: Lab) -> None:
    good = lab.od_config()
    lab.start_coturn(good)
    desktop = lab.start_desktop("user1", good)
    site = lab.start_site(lab.od_config("browser", OTHER_SECRET))
    with desktop.playing(TONE):
        page = site.open("user1")
        page.wait_for_failure(f"No relay: {TURN_URL} gives 401 Unauthorized.")
        assert any(line.startswith("candidate relay ") for line in desktop.candidates())
        check_no_sound(page, desktop)


def test_coturn_does_not_know_the_desktops_secret(lab: Lab) -> None:
    good = lab.od_config()
    coturn = lab.start_coturn(good)
    desktop = lab.start_desktop("user1", lab.od_config("desktop", OTHER_SECRET))
    site = lab.start_site(good)
    with desktop.playing(TONE):
        page = site.open("user1")
        page.wait_for_failure(
            "The sound container sent no candidate: check its STUN_SERVER and TURN_SERVER."
        )
        assert desktop.candidates() == []
        check_no_sound(page, desktop)
    assert "Cannot find credentials of user" in coturn.output


def test_the_credential_expires_before_the_browser_uses_it(lab: Lab) -> None:
    """The browser asks its user for the microphone, and that takes longer than the ttl."""
    good = lab.od_config()
    lab.start_coturn(good)
    desktop = lab.start_desktop("user1", good)
    site = lab.start_site(lab.od_config("browser", {"ttl": 1}))
    with desktop.playing(TONE):
        page = site.open("user1", script=ASK_FOR_THE_MICROPHONE)
        page.wait_for_line("Created peer connection")
        page.wait_until(lambda: time.time() > page.expires_at() + 1)
        page.page.evaluate("allowMicrophone()")
        page.wait_for_failure(f"No relay: {TURN_URL} gives 401 Unauthorized.")
        check_no_sound(page, desktop)


def test_coturn_does_not_run(lab: Lab) -> None:
    od_config = lab.od_config()
    desktop = lab.start_desktop("user1", od_config)
    site = lab.start_site(od_config)
    with desktop.playing(TONE):
        page = site.open("user1")
        page.wait_for_failure("No relay: the TURN server does not answer.")
        check_no_sound(page, desktop)


def test_coturn_stops_in_the_middle_of_a_call(lab: Lab) -> None:
    od_config = lab.od_config()
    coturn = lab.start_coturn(od_config)
    desktop = lab.start_desktop("user1", od_config)
    page = lab.start_site(od_config).open("user1")
    with desktop.playing(TONE):
        page.wait_for_tone(TONE)
        coturn.stop()
        page.wait_for_silence()
        page.wait_for_failure(
            "The connection is lost: the TURN server or the desktop does not answer."
        )
        desktop.check_it_plays(TONE)
    lab.start_coturn(od_config)
    with desktop.playing(OTHER_TONE):
        page.page.click("#start")
        page.wait_for_tone(OTHER_TONE)
    assert page.failures() == []
    assert page.status() == "Connected."


def test_sound_is_off(lab: Lab) -> None:
    page = lab.start_site(lab.od_config(webrtc__enable=False)).open("user1")
    page.wait_for_failure("Sound is off: webrtc.enable is false, not true.")
    assert page.statistics() == {}


def test_the_endpoint_refuses_the_token(lab: Lab) -> None:
    site = lab.start_site(lab.od_config())
    (token,) = lab.outside.folder.glob("*/logins/user1")
    token.write_text(make_token("user1", key=rsa_key("of somebody else")))
    page = site.open("user1")
    page.wait_for_failure(f"{RTC_PATH} answers 401: Invalid token.")
    assert page.statistics() == {}


def test_the_endpoint_does_not_run(lab: Lab) -> None:
    page = lab.start_site(lab.od_config(), api=f"http://127.0.0.1:{CLOSED_PORT}").open("user1")
    page.wait_for_failure("/API/core/getkeyinfo answers 502.")
    assert page.statistics() == {}


def test_the_desktop_has_no_sound_container(lab: Lab) -> None:
    page = lab.start_site(lab.od_config()).open("user1")
    page.wait_for_failure("The sound container's signalling has ended.")
    assert page.statistics() == {}
