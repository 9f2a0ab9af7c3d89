"""A browser and a desktop on a fleet of two coturns, of which each user gets one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Dict, List, Sequence

import pytest

from abcwebrtc import WebRTCConfig
from abcwebrtc.turn.selection import choose
from e2e.lab import (
    COTURN,
    TURN_PORT,
    USERS,
    Desktop,
    Lab,
    SoundPage,
    chain,
    check_it_came_by_relays,
    refreshes,
)
from integration.netns import INTERFACE, PUBLIC, SERVER, ip_program
from support import RTC_PATH, bearer, make_token

OTHER = "10.111.0.3"
# Both sides refresh their first allocation at half of its lifetime or later.
SWITCHES = ("--verbose", "--max-allocate-lifetime=48", "--stale-nonce=4")
API_PORT = 8000
"""Of a `serve` that is restarted; a random port can't be had again at once."""
ADDRESSES = {"one": SERVER, "two": OTHER}
ENTRIES: List[Dict[str, Any]] = [
    {**COTURN, "name": name, "url": f"{address}:{TURN_PORT}"} for name, address in ADDRESSES.items()
]

KEEP_THE_CALLS = """
window.calls = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...given) { super(...given); window.calls.push(this); }
};
"""
ICE = "calls.at(-1).getReceivers()[0].transport.iceTransport"
SELECTED_ADDRESSES = (
    f"(({{ local, remote }}) => [local.address, remote.address])({ICE}.getSelectedCandidatePair())"
)
GATHERED_TYPES = f"{ICE}.getLocalCandidates().map(({{ type }}) => type)"


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
        folder.mkdir(exist_ok=True)
        return dataclasses.replace(self._lab.outside, folder=folder)

    def _start(self, name: str) -> chain.Program:
        address = ADDRESSES[name]
        options = ["--server", address, "--listening-ip", address]
        for peer in (*ADDRESSES.values(), PUBLIC):
            options += ["--allow-peer", f"{peer}/32"]
        starting = chain.running_coturn(
            self._hosts[name], self.od_config, *options, switches=SWITCHES
        )
        return self._lab._stack.enter_context(starting)

    def allocations(self, name: str) -> int:
        """Return how many allocations a coturn has given so far."""
        return self.coturns[name].output.count("ALLOCATE processed, success")

    def serve(self, od_config: Path, *options: object, port: int = 0) -> str:
        """Start ``abcwebrtc serve``, and return its base URL."""
        host = self._host(f"serve-{od_config.parent.name}")
        line = chain.abcwebrtc("serve", od_config, "--port", port, *options)
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
        page = site.open(user, script=KEEP_THE_CALLS)
        page.wait_for_tone(440)
    check_it_came_by(page, ADDRESSES[name], ADDRESSES[name])
    assert turn_server(desktop) == ADDRESSES[name]
    assert fleet.allocations(name) >= 2  # the browser's and the desktop's
    assert fleet.allocations(another) == 0


def test_after_a_reload_sound_comes_through_a_coturn_that_lives(lab: Lab, fleet: Fleet) -> None:
    user, neighbour = fleet.user_of("one"), fleet.user_of("two")
    site = lab.start_site(fleet.od_config, fleet.serve(fleet.od_config, "--probe", 1))
    desktop = lab.start_desktop(user, fleet.od_config)
    with desktop.playing(440):
        page = site.open(user, script=KEEP_THE_CALLS)
        page.wait_for_tone(440)
    check_it_came_by(page, SERVER, SERVER)
    before = configuration(lab, site.url, neighbour)
    fleet.coturns["one"].stop()
    fleet.serving.wait_for("one is left out")
    desktop.running.container.stop()
    desktop = lab.start_desktop(user, fleet.od_config, left_out=["one"])  # as pyos's watcher says
    with desktop.playing(550):
        page.page.reload()
        page.wait_for_tone(550)
    check_it_came_by(page, OTHER, OTHER)
    assert servers(configuration(lab, site.url, user)) == [OTHER]
    assert servers(configuration(lab, site.url, neighbour)) == servers(before) == [OTHER]


def test_a_desktop_that_keeps_its_dead_turn_server_is_heard_if_that_was_tcp(
    lab: Lab, fleet: Fleet
) -> None:
    """Its STUN_SERVER gives it an address then, at which the browser's new relay reaches it."""
    user = fleet.user_of("one")
    variables = {"STUN_SERVER": f"stun://{OTHER}:{TURN_PORT}"}
    tcp = {name: {"transport": "tcp"} for name in ADDRESSES}
    od_config = fleet.write("tcp", desktop__envlocal=variables, **tcp)
    site = lab.start_site(od_config, fleet.serve(od_config, "--probe", 1))
    desktop = lab.start_desktop(user, od_config, relay_only=False)
    with desktop.playing(440):
        page = site.open(user, script=KEEP_THE_CALLS)
        page.wait_for_tone(440)
    fleet.coturns["one"].stop()
    fleet.serving.wait_for("one is left out")
    with desktop.playing(550):
        page.page.reload()
        page.wait_for_tone(550)
    assert page.page.evaluate(SELECTED_ADDRESSES) == [OTHER, PUBLIC]


def test_a_call_goes_on_when_its_coturn_is_drained(lab: Lab, fleet: Fleet) -> None:
    """Whoever reloads gets the other server, and hears the desktop, which keeps its own."""
    user, coturn = fleet.user_of("one"), fleet.coturns["one"]
    api = fleet.serve(fleet.od_config, port=API_PORT)
    site = lab.start_site(fleet.od_config, api)
    desktop = lab.start_desktop(user, fleet.od_config)
    with desktop.playing(440):
        page = site.open(user, script=KEEP_THE_CALLS)
        page.wait_for_tone(440)
        fleet.serving.stop()
        fleet.write("od.config", one={"drain": True})
        assert fleet.serve(fleet.od_config, port=API_PORT) == api
        wait_for_refreshes(coturn, page.username(), desktop.username())
    with desktop.playing(550):
        page.wait_for_tone(550)  # so what is heard is of now
        check_it_came_by(page, SERVER, SERVER)
        page.page.reload()
        page.wait_for_tone(550)
    check_it_came_by(page, OTHER, SERVER)
    desktop.running.container.stop()
    desktop = lab.start_desktop(user, fleet.od_config)
    with desktop.playing(660):
        page.page.reload()
        page.wait_for_tone(660)
    check_it_came_by(page, OTHER, OTHER)


@pytest.mark.parametrize(
    ("label", "name", "another"), [("paris", "one", "two"), ("lyon", "two", "one")]
)
def test_a_label_brings_both_ends_to_its_coturn(
    lab: Lab, fleet: Fleet, label: str, name: str, another: str
) -> None:
    user = fleet.user_of(another)  # who would get that one without acls
    acls = {one: {"acl": {"permit": [there]}} for one, there in (("one", "paris"), ("two", "lyon"))}
    od_config = fleet.write("acls", **acls)
    site = lab.start_site(od_config, labels=[label])
    desktop = lab.start_desktop(user, od_config, labels=[label])
    with desktop.playing(440):
        page = site.open(user, script=KEEP_THE_CALLS)
        page.wait_for_tone(440)
    check_it_came_by(page, ADDRESSES[name], ADDRESSES[name])
    assert turn_server(desktop) == ADDRESSES[name]
    assert fleet.allocations(another) == 0


@pytest.mark.parametrize("labels", [["guest"], []], ids=["guest", "other user"])
def test_a_policy_leaves_guests_nothing_but_relays(
    lab: Lab, fleet: Fleet, labels: Sequence[str]
) -> None:
    user = fleet.user_of("one")
    policy = {"acl": {"permit": ["guest"]}, "iceTransportPolicy": "relay"}
    od_config = fleet.write("policy", webrtc__policies=[policy])
    site = lab.start_site(od_config, labels=labels)
    desktop = lab.start_desktop(user, od_config, labels=labels)
    with desktop.playing(440):
        page = site.open(user, relay=False, script=KEEP_THE_CALLS)  # so the page forces nothing
        page.wait_for_tone(440)
        page.wait_for_line("ICE Candidate was null, done")
    gathered = set(page.page.evaluate(GATHERED_TYPES))
    assert gathered == {"relay"} if labels else "host" in gathered


def check_it_came_by(page: SoundPage, browser: str, desktop: str) -> None:
    """Fail unless the relays of the browser and the desktop have these addresses."""
    check_it_came_by_relays(page)
    assert page.page.evaluate(SELECTED_ADDRESSES) == [browser, desktop]


def wait_for_refreshes(coturn: chain.Program, *usernames: str) -> None:
    """Wait until the allocations of these users are refreshed from now on."""
    before = {username: refreshes(coturn, username) for username in usernames}
    coturn.wait_until(lambda: all(refreshes(coturn, user) > before[user] for user in usernames))


def turn_server(desktop: Desktop) -> str:
    """Return the address of a desktop's TURN server."""
    return desktop.environment()["TURN_SERVER"].rpartition("@")[2].partition(":")[0]


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
