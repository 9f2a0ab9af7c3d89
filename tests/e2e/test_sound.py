"""What paplay plays in a desktop is heard in Chromium, and the other way round."""

from __future__ import annotations

from typing import Callable

from e2e.lab import Lab

Record = Callable[[str, object], None]


def test_a_tone_is_heard_in_the_browser(lab: Lab, record_property: Record) -> None:
    od_config = lab.od_config()
    lab.start_coturn(od_config)
    desktop = lab.start_desktop("user1", od_config)
    site = lab.start_site(od_config)
    with desktop.playing(440):
        page = site.open("user1")
        heard = page.wait_for_tone(440)
        record_property("seconds until sound", page.heard_after())
    found = page.statistics()
    assert (found["local"], found["remote"]) == ("relay", "relay")
    assert found["received"] > 0
    assert found["lost"] == 0
    assert heard.level > -30
