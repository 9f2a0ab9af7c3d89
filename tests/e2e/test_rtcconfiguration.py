"""check reports an error if and only if Chromium or Firefox throws."""

from __future__ import annotations

import json
from typing import Any, Dict, List, NamedTuple

import pytest

from abcwebrtc.config.ice_servers import parse_rtc_configuration
from abcwebrtc.config.problems import Where
from e2e.browser import chromium
from e2e.firefox import firefox
from integration import netns

TRY = """(list) => list.map((configuration) => {
  try { new RTCPeerConnection(configuration).close(); return "" } catch (e) { return String(e) }
})"""
TURN = {"urls": "turn:a.example.org:3478", "username": "u", "credential": "p"}


def members(name: str, *values: Any) -> List[Any]:
    return [{"iceServers": [], name: value} for value in values]


def servers(*given: Any) -> List[Any]:
    return [{"iceServers": [server]} for server in given]


def turn(key: str, *values: Any) -> List[Any]:
    return servers(*({**TURN, key: value} for value in values))


CONFIGURATIONS = [
    {},
    *members("bundlePolicy", "balanced", "max-compat", "max-bundle", "max_bundle", "", None, 5, {}),
    *members("certificates", None, [], {}, 5, "x", [{}]),
    *members("iceCandidatePoolSize", 0, 255, 256, -1, 1.5, "5", "x", None, True, {}, 1e9, "256"),
    *members("rtcpMuxPolicy", "require", "negotiate", "", None, 5),
    *members("iceTransportPolicy", "all", "relay", "public", "nohost", "", None, 5, "Relay"),
    *members("peerIdentity", "x@y", "", None, 5),
    *members("sdpSemantics", "plan-b", "x"),
    *members("vendor", "x", None, {}),
    *({"iceServers": value} for value in (None, [], {}, 5, "x", [5], [None], ["stun:a"], True)),
    *servers(
        {},
        {"url": "stun:a"},
        {"url": "http:a"},
        {"url": "turn:a"},
        {"urls": []},
        {"urls": ""},
        {"urls": None},
        {"urls": 5},
        {"urls": {}},
        {"urls": ["stun:a", ""]},
        {"urls": [5]},
        {"urls": "stun:a", "username": 5},
        {"urls": "stun:a", "username": "u" * 600, "credential": "p"},
        {"urls": "stun:a", "credentialType": "token"},
        {"urls": "stun:a", "credentialType": "password"},
        {"urls": TURN["urls"]},
        {"urls": TURN["urls"], "username": "u"},
        {"urls": TURN["urls"], "credential": "p"},
    ),
    *turn("username", "u" * 508, "u" * 509, "u" * 510, "u" * 600, "", 5, 1.5, True, "\xe9" * 255),
    *turn("credential", "p" * 5000, "", 5, True),
    *turn("credentialType", "password", "token", "oauth", "", None, "Password", 5),
    *servers(
        *(
            {"urls": f"stun:{rest}"}
            for rest in (
                *("a", "a:65535", "[::1]", "[::1]:3478", "[::ffff:127.0.0.1]", "xn--9ca", "a_b"),
                *("localhost", "127.0.0.1", "0.0.0.0", "224.0.0.1", "a.svc.cluster.local", "a."),
                *("a?transport=udp", "a?transport=tcp", "a:3478?transport=udp", "a?x=y", "a?"),
                *("", "//a", "a:0", "a:65536", "a:", "a b", "a/b", "u@a", "a#x", "::1", "a\\b"),
                *("a,stun:b", "a:3478,stun:b:3478", "{{ host }}", "<host>", "${HOST}:3478"),
                *("[fe80::1%25eth0]", "1.2.3.4.5", "256.1.1.1", "[1.2.3.4]", "a*b", "a|b", '"a"'),
                *("a:53", "a:54", "a:80", "a:443", "a:25", "a:22", "a:636", "a:5060", "a:6000"),
            )
        )
    ),
    *servers({"urls": "STUN:a"}, {"urls": " stun:a "}, {"urls": "http:a"}, {"urls": "a:3478"}),
    *servers({"urls": "stuns:a"}, {"urls": "stuns:a:5349"}),
    *turn("urls", *(f"turn:a{rest}" for rest in ("", "?transport=udp", "?transport=tcp", ":53"))),
    *turn("urls", *(f"turn:a?{rest}" for rest in ("", "transport=tls", "transport=UDP", "x=y"))),
    *turn("urls", *(f"turn:a?transport{rest}" for rest in ("", "=", "=sctp", "=udp&x=y"))),
    *turn("urls", *(f"turn:a:{port}" for port in (80, 443, 21, 22, 25, 5060, 6000, 10080, 0, "x"))),
    *turn("urls", "turns:a?transport=udp", "turns:1.2.3.4", "turns:a:5349", "turns:a:993"),
    *turn("urls", "turn://a", "turn:u@a", "turn:u:p@a", "turn:", "turn:a b", "turn:a,turn:b"),
    *turn("urls", "turn:a:3478,turn:b:3478", "turn:a:3478, turn:b:3478"),
]
"""Good and bad configurations as browsers get them."""

TAKEN = [
    *turn("username", None, ["u"], {}),
    *turn("credential", None, ["p"], {}),
    *servers({"urls": "stun:$HOST"}, {"urls": "stun:a..b"}, {"urls": "stun:-a"}),
]
"""What browsers accept but never works: also an error."""


class Seen(NamedTuple):
    """What browsers said about a configuration, by its text; empty if they accepted it."""

    chromium: Dict[str, str]
    firefox: Dict[str, str]
    firefox_version: int


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    every = [*CONFIGURATIONS, *TAKEN]
    names = [json.dumps(one) for one in every]
    with netns.required_network() as network:
        with chromium(tmp_path_factory.mktemp("chromium"), network.outside) as browser:
            first = browser.new_page().evaluate(TRY, every)
        with firefox(tmp_path_factory.mktemp("firefox"), network.outside) as other:
            tab = other.tab()
            second = tab.evaluate(f"({TRY})({json.dumps(every)})")
            version = int(tab.evaluate("navigator.userAgent.match(/Firefox.(\\d+)/)[1]"))
    return Seen(dict(zip(names, first)), dict(zip(names, second)), version)


def errors_of(configuration: Any) -> List[str]:
    _, problems = parse_rtc_configuration(configuration, Where({})["rtc"])
    return [str(problem) for problem in problems if problem.level == "error"]


def short(value: Any) -> str:
    return json.dumps(value)[:60]


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=short)
def test_check_has_an_error_where_a_browser_throws_and_only_there(
    seen: Seen, configuration: Any
) -> None:
    name = json.dumps(configuration)
    if '"stuns:' in name and seen.firefox_version < 150:
        pytest.skip("this Firefox takes stuns")
    thrown = [seen.chromium[name], seen.firefox[name]]
    assert bool(errors_of(configuration)) is any(thrown), (errors_of(configuration), thrown)


@pytest.mark.parametrize("configuration", TAKEN, ids=short)
def test_what_browsers_take_in_vain_is_an_error_too(seen: Seen, configuration: Any) -> None:
    name = json.dumps(configuration)
    assert (seen.chromium[name], seen.firefox[name]) == ("", "")
    assert errors_of(configuration)
