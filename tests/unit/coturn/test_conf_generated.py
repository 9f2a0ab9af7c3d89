"""Whatever the options, a generated turnserver.conf allows only the peers that it should."""

from __future__ import annotations

import contextlib
import io
import ipaddress
from typing import Any, Callable, List

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abcwebrtc.cli.main import main
from abcwebrtc.config.uris import Address
from abcwebrtc.coturn.addresses import Range, denied_ranges, parse_address, parse_range
from abcwebrtc.coturn.conf_file import TurnserverFile, parse_turnserver_conf
from support import write_od_config
from support.turnserver_entry import ENTRY

ODD = ["0.0.0.0", "::", "::0", "::ffff:0.0.0.0", "0", "0.0.0.1", "127.0.0.1", "::1", "localhost"]
ODD += ["169.254.169.254", "168.63.129.16", "192.0.0.192", "fe80::1", "64:ff9b::10.0.0.1"]
ODD += ["224.0.0.1", "255.255.255.255", "::ffff:10.0.0.5", "2002:a00:1::", "ff02::1", "fd00::5"]
ODD += ["10.0.0.5", "10.0.0.6", "192.168.1.1", "100.64.0.1", "8.8.8.8", "2606:4700::1"]
ADDRESSES = st.one_of(st.sampled_from(ODD), st.ip_addresses().map(str))
NETWORKS = st.one_of(
    st.tuples(ADDRESSES, st.integers(0, 128)).map(lambda pair: f"{pair[0]}/{pair[1]}"),
    st.sampled_from(["10.244.0.0/16", "fd00:1::/64", "0.0.0.0/0", "0/0", "::/0", "::/96"]),
)
PAIRS = st.one_of(ADDRESSES, st.tuples(ADDRESSES, ADDRESSES).map("/".join))


def several(name: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[List[str]]:
    return st.lists(values, max_size=2).map(lambda items: [f"--{name}={item}" for item in items])


ARGUMENTS = st.tuples(
    several("listening-ip", ADDRESSES),
    several("external-ip", PAIRS),
    several("allow-peer", NETWORKS),
    st.sampled_from([["--coturn=4.5"], ["--coturn=4.6"], ["--coturn=4.18"]]),
).map(lambda parts: [word for part in parts for word in part])


@pytest.fixture
def generate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, List[str]], Any]:
    """Return the generated file, or None if the command refuses to make it."""
    folder = tmp_path_factory.mktemp("generated")

    def command(host: str, arguments: List[str]) -> Any:
        url = f"[{host}]:3478" if ":" in host else f"{host}:3478"
        od_config = write_od_config(folder, webrtc__coturn={**ENTRY, "url": url})
        conf = folder / "turnserver.conf"
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            try:
                status = main(
                    ["turnserver-conf", str(od_config), f"--output={conf}", "--force", *arguments]
                )
            except SystemExit as error:
                status = int(str(error.code))
        return parse_turnserver_conf(conf.read_bytes(), "t") if status == 0 else None

    return command


def meant(host: str, arguments: List[str]) -> List[Range]:
    """Return what the relay may reach although it is denied: itself, and --allow-peer."""
    values = {name: [] for name in ("listening-ip", "external-ip", "allow-peer", "coturn")}
    for word in arguments:
        name, _, value = word[2:].partition("=")
        values[name].append(value)
    own = [host, *values["listening-ip"]]
    own += [half for pair in values["external-ip"] for half in pair.split("/")]
    own += ["127.0.0.1", "::1"] if host == "localhost" else []
    found = [Range(address, address) for address in map(parse_address, own) if address]
    networks = [ipaddress.ip_network(text) for text in values["allow-peer"]]
    return [*found, *(Range(network[0], network[-1]) for network in networks)]


def permits(conf: TurnserverFile, address: Address) -> bool:
    """Return whether coturn relays to an address; it reads ``0.0.0.0`` and ``::`` as unbounded."""

    def listed(name: str) -> bool:
        ranges = [parse_range(setting.text) for setting in conf.all(name)]
        assert None not in ranges
        one = Range(address, address)
        return any(item and (item.unbounded or item.holds(one)) for item in ranges)

    return listed("allowed-peer-ip") or not listed("denied-peer-ip")


NEVER = ["0.0.0.0", "0.1.2.3", "169.254.169.254", "168.63.129.16", "192.0.0.192", "240.0.0.1"]
NEVER += ["64:ff9b::a00:1", "2002:a00:1::", "fe80::1", "::ffff:10.0.0.1", "::2"]
ENDS = [end for item, _ in denied_ranges() for end in item]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(host=ADDRESSES, arguments=ARGUMENTS, probe=st.ip_addresses())
def test_nothing_is_opened_but_the_server_and_what_is_allowed(
    generate: Callable[[str, List[str]], Any], host: str, arguments: List[str], probe: Address
) -> None:
    conf = generate(host, arguments)
    if conf is None:
        return
    exceptions = meant(host, arguments)
    denied = [item for item, _ in denied_ranges()]
    named = [address for address in map(parse_address, ODD) if address]
    for address in (*ENDS, *named, probe):
        one = Range(address, address)
        if permits(conf, address) and any(item.holds(one) for item in denied):
            assert any(item.holds(one) for item in exceptions), address
    networks = exceptions[len(exceptions) - sum(w.startswith("--allow") for w in arguments) :]
    for address in map(ipaddress.ip_address, NEVER):
        asked = any(item.holds(Range(address, address)) for item in networks)
        assert asked or not permits(conf, address), address


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::ffff:0.0.0.0", "169.254.169.254"])
def test_a_url_with_no_servers_address_opens_nothing(
    generate: Callable[[str, List[str]], Any], host: str
) -> None:
    conf = generate(host, [])
    assert conf.all("allowed-peer-ip") == ()
