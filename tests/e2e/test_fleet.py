"""A browser and a desktop on a fleet of two coturns, of which each user gets one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Dict, List

import pytest

from abcwebrtc import WebRTCConfig, desktop_environment
from abcwebrtc.turn.selection import choose
from e2e.lab import ADDRESSES as DESKTOPS
from e2e.lab import COTURN, TURN_PORT, USERS, Desktop, Lab, chain, check_it_came_by_relays
from integration.netns import DESKTOP, INTERFACE, PUBLIC, SERVER, ip_program
from support import RTC_PATH, bearer, make_token, wait_for

OTHER = "10.111.0.3"
ADDRESSES = {"one": SERVER, "two": OTHER}
ENTRIES: List[Dict[str, Any]] = [
    {**COTURN, "name": name, "url": f"{address}:{TURN_PORT}"} for name, address in ADDRESSES.items()
]


class Fleet:
    """Two coturns outside, each with an address of its own, and the endpoint that chooses."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.od_config = self.write("od.config")
        lab.network.outside.run(ip_program(), "address", "replace", f"{OTHER}/24", "dev", INTERFACE)
        self._hosts = {name: self._host(name) for name in ADDRESSES}
        self.coturns = {name: self._start(name) for name in ADDRESSES}

    def write(self, name: str, **changes: Any) -> Path:
        """Write an od.config; `changes` are those of servers, by name."""
        entries = [{**one, **changes.pop(one["name"], {})} for one in ENTRIES]
        return self._lab.od_config(name, entries, webrtc__coturn_servers=1, **changes)

    def _host(self, name: str) -> chain.Host:
        folder = self._lab.outside.folder / name
        folder.mkdir()
        return dataclasses.replace(self._lab.outside, folder=folder)

    def _start(self, name: str) -> chain.Program:
        address = ADDRESSES[name]
        options = ["--server", address, "--listening-ip", address]
        options += ["--allow-peer", f"{address}/32", "--allow-peer", f"{PUBLIC}/32"]
        starting = chain.running_coturn(
            self._hosts[name], self.od_config, *options, switches=["--verbose"]
        )
        return self._lab._stack.enter_context(starting)

    def allocations(self, name: str) -> int:
        """Return how many allocations a coturn has given so far."""
        logs = self._hosts[name].folder.rglob("*.log")
        return sum(
            log.read_text(errors="replace").count("ALLOCATE processed, success") for log in logs
        )

    def serve(self, od_config: Path, *options: object) -> str:
        """Start ``abcwebrtc serve``, and return its base URL."""
        host = self._host(f"serve-{od_config.parent.name}")
        line = chain.abcwebrtc("serve", od_config, "--port", 0, *options)
        self.serving = self._lab._stack.enter_context(host.running("serve", line))
        return str(self.serving.wait_for("serving on").split()[-1])

    def user_of(self, name: str) -> str:
        """Return a user who gets this coturn."""
        config = WebRTCConfig.from_file(self.od_config)
        return next(user for user in USERS if choose(config, user).servers[0].name == name)


@pytest.fixture
def fleet(lab: Lab) -> Fleet:
    return Fleet(lab)


@pytest.mark.parametrize(("name", "another"), [("one", "two"), ("two", "one")])
def test_both_ends_of_a_call_meet_on_one_coturn(
    lab: Lab, fleet: Fleet, name: str, another: str
) -> None:
    user = fleet.user_of(name)
    site = lab.start_site(fleet.od_config)
    desktop = lab.start_desktop(user, fleet.od_config)
    with desktop.playing(440):
        page = site.open(user)
        page.wait_for_tone(440)
    check_it_came_by_relays(page)
    assert f"@{ADDRESSES[name]}:" in desktop.environment()["TURN_SERVER"]
    assert fleet.allocations(name) >= 2  # the browser's and the desktop's
    assert fleet.allocations(another) == 0


def test_after_a_reload_sound_comes_through_a_coturn_that_lives(lab: Lab, fleet: Fleet) -> None:
    user, neighbour = fleet.user_of("one"), fleet.user_of("two")
    site = lab.start_site(fleet.od_config, fleet.serve(fleet.od_config, "--probe", 1))
    port = int(DESKTOPS[user].partition(":")[2])
    where = (user, DESKTOP, port, "--relay-only")
    with chain.running_desktop(lab.inside, fleet.od_config, *where) as running:
        with Desktop(running).playing(440):
            page = site.open(user)
            page.wait_for_tone(440)
        check_it_came_by_relays(page)
        before = configuration(lab, site.url, neighbour)
        fleet.coturns["one"].stop()
        fleet.serving.wait_for("one is left out")
    # To be left out and to be drained are the same for the choice; pyos knows the former.
    assert choose(WebRTCConfig.from_file(fleet.od_config), user, left_out=["one"]).servers == (
        WebRTCConfig.from_file(fleet.od_config).coturn[1],
    )
    drained = fleet.write("new", one={"drain": True})
    starting = chain.running_desktop(lab.inside, drained, *where)
    with starting as running, Desktop(running).playing(550):
        page.page.reload()
        page.wait_for_tone(550)
    check_it_came_by_relays(page)
    assert servers(configuration(lab, site.url, user)) == [OTHER]
    assert servers(configuration(lab, site.url, neighbour)) == servers(before) == [OTHER]


def test_a_call_goes_on_when_its_coturn_is_drained(lab: Lab, fleet: Fleet) -> None:
    user = fleet.user_of("one")
    site = lab.start_site(fleet.od_config)
    desktop = lab.start_desktop(user, fleet.od_config)
    drained = fleet.write("drained", one={"drain": True})
    with desktop.playing(440):
        page = site.open(user)
        page.wait_for_tone(440)
        assert servers(configuration(lab, site.url, user)) == [SERVER]
        new_site = lab.start_site(drained)
        assert servers(configuration(lab, new_site.url, user)) == [OTHER]
        received = page.statistics()["received"]
        wait_for(
            lambda: page.page.wait_for_timeout(200) or page.statistics()["received"] > received
        )
        page.wait_for_tone(440)
    check_it_came_by_relays(page)
    environment = desktop_environment(WebRTCConfig.from_file(drained), user)
    assert f"@{OTHER}:" in environment["TURN_SERVER"]


def configuration(lab: Lab, url: str, user: str) -> Any:
    """Return the rtc_configuration of a user, asked from where the browser is."""
    page = lab.new_context().new_page()
    page.goto(f"{url}/?user={user}")
    headers = {**bearer(make_token(user)), "Content-Type": "application/json"}
    script = (
        "([path, headers]) => "
        "fetch(path, {method: 'POST', body: '{}', headers}).then((answer) => answer.json())"
    )
    return page.evaluate(script, [RTC_PATH, headers])["result"]


def servers(configuration: Any) -> List[str]:
    """Return the addresses of the TURN servers in an rtc_configuration."""
    return [one["urls"].split(":")[1] for one in configuration["iceServers"]]
