"""Hosts that no browser on another machine reaches."""

from __future__ import annotations

from typing import Any

import pytest

from abcwebrtc.config.hosts import INSIDE, THIS_MACHINE, why_unreachable
from abcwebrtc.config.webrtc import WebRTCConfig
from support import ENTRIES

HERE = """
    localhost LOCALHOST localhost. turn.localhost localhost.localdomain ip6-localhost 127.0.0.1
    127.1.2.3 [::1] [::ffff:127.0.0.1] [0:0:0:0:0:0:0:1] [2002:7f00:1::]
""".split()  # noqa: SIM905
CLUSTER = """
    coturn.abcdesktop.svc coturn.abcdesktop.svc.cluster.local COTURN.ABCDESKTOP.SVC
    10-0-0-1.abcdesktop.pod.cluster.local coturn.abcdesktop.svc.cluster.local.
""".split()  # noqa: SIM905
OTHER = [
    ("0.0.0.0", "is the address of no machine"),
    ("[::]", "is the address of no machine"),
    ("[::ffff:0.0.0.0]", "is the address of no machine"),
    ("224.0.0.1", "is the address of a group"),
    ("239.255.255.250", "is the address of a group"),
    ("255.255.255.255", "is the address of a group"),
    ("[ff02::1]", "is the address of a group"),
    ("169.254.1.1", "is a link-local address"),
    ("[fe80::1]", "is a link-local address"),
    ("[::ffff:169.254.1.1]", "is a link-local address"),
]
GOOD = """
    turn.example.org coturn turn.domain.local svc cluster.local.example.org localhost.example.org
    mysvc notlocalhost 192.0.2.1 10.0.0.1 192.168.1.1 172.16.0.1 100.64.0.1 [2001:db8::1] [fd00::1]
    [::ffff:192.0.2.1] 8.8.8.8
""".split()  # noqa: SIM905


@pytest.mark.parametrize("host", HERE)
def test_a_name_of_this_machine(host: str) -> None:
    assert why_unreachable(host) == THIS_MACHINE


@pytest.mark.parametrize("host", CLUSTER)
def test_a_name_of_the_clusters_inside(host: str) -> None:
    assert why_unreachable(host) == INSIDE


@pytest.mark.parametrize(("host", "words"), OTHER)
def test_an_address_that_no_server_has(host: str, words: str) -> None:
    assert why_unreachable(host).startswith(words)


@pytest.mark.parametrize("host", GOOD)
def test_what_some_network_reaches(host: str) -> None:
    assert why_unreachable(host) == ""


@pytest.mark.parametrize("host", [*HERE, *CLUSTER, *(host for host, _ in OTHER)])
def test_it_is_a_warning_in_both_places(host: str) -> None:
    entries: Any = {
        **ENTRIES,
        "webrtc.coturn": {**ENTRIES["webrtc.coturn"], "url": f"{host}:3478"},
        "webrtc.rtc_configuration": {"iceServers": [{"urls": [f"stun:{host}:3478"]}]},
    }
    config = WebRTCConfig.from_mapping(entries)
    assert [(warning.path, warning.message) for warning in config.warnings] == [
        ("webrtc.coturn.url", why_unreachable(host)),
        ("webrtc.rtc_configuration.iceServers[0].urls[0]", why_unreachable(host)),
    ]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
@pytest.mark.parametrize("entry", ["desktop.envlocal", "webrtc.desktop"])
def test_a_desktop_is_no_stun_server(entry: str, host: str) -> None:
    key = "STUN_SERVER" if entry == "desktop.envlocal" else "stun_server"
    config = WebRTCConfig.from_mapping({**ENTRIES, entry: {key: f"stun://{host}:3478"}})
    (warning,) = config.warnings
    assert str(warning).startswith(f"{entry}.{key}: names the desktop itself")


def test_a_desktop_may_use_a_name_of_the_cluster() -> None:
    server = {"stun_server": "stun://coturn.abcdesktop.svc.cluster.local:3478"}
    assert WebRTCConfig.from_mapping({**ENTRIES, "webrtc.desktop": server}).warnings == ()
