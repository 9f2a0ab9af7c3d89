"""Set-ups with a running server but no sound: the cure that the tool prints fixes them.

Each is made for real. First nothing is heard, and the command line says why; then what it says
is done as it says it, and the tone is heard.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Iterator, List

import pytest

from conftest import newest_turnserver, require_program
from e2e.cures import (
    STUN_SERVER,
    Filter,
    check_silence,
    check_tone,
    found,
    generated_conf,
    one_line,
    running_coturn,
    said,
)
from e2e.lab import COTURN, TURN_PORT, Lab
from integration.netns import PUBLIC, SERVER

ON_STUN = {"webrtc__desktop": {"turn": False}, "desktop__envlocal": {"STUN_SERVER": STUN_SERVER}}
"""A desktop with STUN alone: the browser's relay is its only way to the browser."""

NOBODY = "10.111.0.9"
"""An unused address on the network between browsers and desktops."""
TO_DESKTOPS = ["--allow-peer", f"{PUBLIC}/32"]
"""A documentation address, which relays are denied, stands for a public one."""


def test_a_firewall_shuts_the_relay_ports(lab: Lab) -> None:
    od_config = lab.od_config(**ON_STUN)
    conf = generated_conf(lab, od_config, *TO_DESKTOPS)
    desktop = lab.start_desktop("user1", od_config, relay_only=False)
    site = lab.start_site(od_config)
    others = ["iifname != eth0 accept", "meta l4proto != udp accept"]
    opened = [f"udp dport {TURN_PORT} accept"]
    with running_coturn(lab, conf), Filter(lab.network.outside).lifted() as firewall:
        firewall.set([*others, *opened, "drop"])
        text = said(lab.network.desktop, "probe", od_config, status=1)
        assert "a firewall seems to block the relay ports" in one_line(text)
        check_silence(site, desktop)
        assert any(candidate.startswith("candidate srflx ") for candidate in desktop.candidates())
        first, last = found(r"Open .*\(UDP, (\d+ to \d+) by default\)", text).split(" to ")
        firewall.set([*others, *opened, f"udp dport {first}-{last} accept", "drop"])
        said(lab.network.desktop, "probe", od_config, status=0)
        check_tone(site, desktop)


HEADERS = 72
"""Bytes that IPv4, UDP and a TURN Data indication add, measured with Chromium's handshake."""


def test_large_packets_are_dropped(lab: Lab) -> None:
    od_config = lab.od_config()
    conf = generated_conf(lab, od_config)
    desktop = lab.start_desktop("user1", od_config)
    site = lab.start_site(od_config)
    with running_coturn(lab, conf), Filter(lab.network.outside).lifted() as path:
        path.set(*dropped("meta length > 700"))
        text = said(lab.network.desktop, "probe", od_config, status=1)
        wrong = r"packets of 600 bytes come through, but none of \d+ bytes or more: ICE connects"
        found(wrong + ", but the DTLS handshake", text)
        check_silence(site, desktop)
        largest = int(found(r"the DTLS handshake, with up to (\d+) bytes", text))
        path.set(*dropped(f"meta length > {largest + HEADERS}"))
        said(lab.network.desktop, "probe", od_config, status=0)
        check_tone(site, desktop)


def dropped(condition: str) -> Iterator[List[str]]:
    """Yield rules that drop such UDP packets between desktops and the outside."""
    for way in ("iifname", "oifname"):
        yield [f"{way} eth0 meta l4proto udp {condition} drop"]


def test_the_first_of_several_servers_is_dead(lab: Lab) -> None:
    """The browser also has the other server; the desktop has only the first."""
    servers = [{**COTURN, "url": f"{host}:{TURN_PORT}"} for host in (NOBODY, SERVER)]
    od_config = lab.od_config("several", servers)
    checked = said(lab.network.outside, "check", od_config, status=0)
    assert f"TURN_SERVER turn:{NOBODY}:{TURN_PORT}  (the only one of 2 urls" in checked
    conf = generated_conf(lab, od_config, "--server", SERVER)
    with running_coturn(lab, conf):
        text = said(lab.network.desktop, "probe", od_config, status=1)
        assert f"their only TURN_SERVER is turn:{NOBODY}:{TURN_PORT}, which" in one_line(text)
        check_silence(lab.start_site(od_config), lab.start_desktop("user1", od_config))
        host = found(r"while turn:(\S+):\d+ works for browsers.* put one that works first", text)
        servers.sort(key=lambda server: host not in server["url"])
        check_cured(lab, lab.od_config("cured", servers))


def test_answers_to_allocate_are_lost(lab: Lab) -> None:
    od_config = lab.od_config(coturn={"transport": ["udp", "tcp"]})
    conf = generated_conf(lab, od_config)
    with running_coturn(lab, conf), Filter(lab.network.desktop).lifted() as path:
        path.set([f"iifname eth0 udp sport {TURN_PORT} @th,64,16 {{ 0x0103, 0x0113 }} drop"])
        text = one_line(said(lab.network.desktop, "probe", od_config, status=1))
        where = f"{SERVER}, UDP port {TURN_PORT}, although it answers STUN"
        assert f"no answer to Allocate from {where}; the same host works on TCP port" in text
        check_silence(lab.start_site(od_config), lab.start_desktop("user1", od_config))
        first = found(r"transport=(\S+) works for browsers.* put one that works first", text)
        check_cured(lab, lab.od_config("cured", {"transport": [first, "udp"]}))
        path.set()
        said(lab.network.desktop, "probe", od_config, status=0)


def check_cured(lab: Lab, od_config: Path) -> None:
    """Fail unless a new desktop is heard, and ``probe`` sees all that it depends on work."""
    assert "desktops" not in said(lab.network.desktop, "probe", od_config, status=1)
    check_tone(lab.start_site(od_config), lab.start_desktop("user2", od_config))


STUN_LINES = {
    "installed": ("no-stun-backward-compatibility", r"Remove (\S+) from turnserver.conf"),
    "newest": ("rfc3489-compatibility", r"from coturn 4.16 on add (\S+?),"),
}
"""Lines of turnserver.conf, and what ``probe`` says about each."""


AGAIN = pytest.mark.slow("the same on the newest coturn, too")


@pytest.mark.parametrize("which", ["installed", pytest.param("newest", marks=AGAIN)])
def test_libnice_gets_no_answer_to_its_binding(lab: Lab, which: str) -> None:
    """Before coturn 4.7 a line of turnserver.conf does that; since then, a missing line does."""
    installed = require_program("turnserver", "coturn")
    program = installed if which == "installed" else newest_turnserver()
    version = ["--coturn", subprocess.check_output([program, "--version"], text=True).strip()]
    od_config = lab.od_config(**ON_STUN)
    conf = generated_conf(lab, od_config, *TO_DESKTOPS, *version)
    check = ["turnserver-conf", od_config, "--check", conf, *version]
    line, cure = STUN_LINES[which]
    toggle(conf, line)
    assert f"error: {line}: " in said(lab.network.outside, *check, status=1)
    with running_coturn(lab, conf, program):
        text = said(lab.network.desktop, "probe", od_config, status=1)
        check_silence(
            lab.start_site(od_config), lab.start_desktop("user1", od_config, relay_only=False)
        )
    toggle(conf, found(cure, text))
    said(lab.network.outside, *check, "--strict", status=0)
    with running_coturn(lab, conf, program):
        said(lab.network.desktop, "probe", od_config, status=0)
        check_tone(
            lab.start_site(od_config), lab.start_desktop("user2", od_config, relay_only=False)
        )


def toggle(conf: Path, line: str) -> None:
    """Remove a line from a turnserver.conf, or add it."""
    lines = conf.read_text().splitlines()
    kept = [one for one in lines if one != line]
    conf.write_text("\n".join(kept if len(kept) < len(lines) else [*lines, line]) + "\n")
