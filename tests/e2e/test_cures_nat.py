"""coturn behind a NAT, as in a cloud: no sound, until the cure that the tool prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterator

import pytest

from conftest import require_program
from e2e.cures import check_silence, check_tone, found, generated_conf, running_coturn, said
from e2e.lab import TURN_PORT, Lab
from integration import netns
from integration.netns import INTERFACE, SERVER

PUBLIC, PRIVATE = "198.51.100.7", "10.50.0.5"
"""The address of the cloud's NAT, and the server's own."""
TABLE = f"""table ip cloud {{
  chain come {{ type nat hook prerouting priority dstnat; ip daddr {PUBLIC} dnat to {PRIVATE}; }}
  chain here {{ type nat hook output priority -100; ip daddr {PUBLIC} dnat to {PRIVATE}; }}
  chain go {{
    type nat hook postrouting priority srcnat
    ip saddr {PRIVATE} ip daddr != {PRIVATE} snat to {PUBLIC}
  }}
}}
"""


@pytest.fixture
def cloud(lab: Lab) -> Iterator[None]:
    """Give the outside a private address too, and a one-to-one NAT in front of it."""
    ip, nft = netns.ip_program(), require_program("nft", "nftables")
    outside, desktop = lab.network.outside, lab.network.desktop
    outside.run(ip, "addr", "add", f"{PRIVATE}/32", "dev", "lo")
    outside.run(ip, "route", "add", PUBLIC, "dev", INTERFACE, "src", SERVER)
    desktop.run(ip, "route", "add", PUBLIC, "via", SERVER)
    outside.run(nft, "--file", "-", input=TABLE)
    yield
    outside.run(nft, "delete", "table", "ip", "cloud")
    desktop.run(ip, "route", "del", PUBLIC)
    outside.run(ip, "route", "del", PUBLIC)
    outside.run(ip, "addr", "del", f"{PRIVATE}/32", "dev", "lo")


def behind_nat(lab: Lab, od_config: Path, *lines: str) -> Path:
    """Return an operator's turnserver.conf: a generated one, with these lines for its NAT."""
    options = ["--external-ip", f"{PUBLIC}/{PRIVATE}", "--listening-ip", PRIVATE]
    conf = generated_conf(lab, od_config, *options)
    text = re.sub(r"(?m)^(external-ip=.*|allowed-peer-ip=.*)\n", "", conf.read_text())
    conf.write_text(text + "".join(f"{line}\n" for line in lines))
    return conf


@pytest.mark.usefixtures("cloud")
def test_the_public_address_alone_forbids_every_call(lab: Lab) -> None:
    od_config = lab.od_config(coturn={"url": f"{PUBLIC}:{TURN_PORT}"})
    wrong = f"external-ip={PUBLIC}"
    conf = behind_nat(lab, od_config, wrong)
    check = ["turnserver-conf", od_config, "--check", conf]
    desktop, site = lab.start_desktop("user1", od_config), lab.start_site(od_config)
    checked = said(lab.network.outside, *check, status=1)
    instead = found(r"403\); write (external-ip=\S+), or add", checked)
    beside = found(r"or add (allowed-peer-ip=\S+)", checked)
    with running_coturn(lab, conf):
        probed = said(lab.network.desktop, "probe", od_config, status=1)
        check_silence(site, desktop)
    assert "403: the server forbids data to its own relays" in probed
    general = found(r"write (\S+) in turnserver.conf in place of its external-ip", probed)
    assert general.replace("PRIVATE", PRIVATE) == instead
    assert found(r"or add (allowed-peer-ip=PRIVATE)", probed).replace("PRIVATE", PRIVATE) == beside
    for cure in ([instead], [wrong, beside]):
        behind_nat(lab, od_config, *cure)
        said(lab.network.outside, *check, "--strict", status=0)
        with running_coturn(lab, conf):
            said(lab.network.desktop, "probe", od_config, status=0)
            check_tone(site, desktop)
