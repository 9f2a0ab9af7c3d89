"""How many of each thing an od.config can need, and what is said of more."""

from __future__ import annotations

from typing import Any, List

import pytest

from abcwebrtc.config.coturn import MAX_SERVERS, MAX_URLS
from abcwebrtc.config.secret_sources import MAX_SECRETS
from abcwebrtc.config.webrtc import MAX_KEY_FILES, WebRTCConfig
from abcwebrtc.errors import ConfigError
from abcwebrtc.odconfig.reader import parse_od_config
from support.configurations import SECRET

SERVER = {"coturn_static_auth_secret": SECRET, "url": "a"}


def servers(number: int, **keys: Any) -> List[Any]:
    return [{**SERVER, **keys} for _ in range(number)]


def mapping_with(name: str, value: Any) -> Any:
    return {"webrtc.enable": True, name: value}


def numbered(form: str, number: int) -> List[str]:
    return [form.format(n) for n in range(number)]


LISTS = [
    ("webrtc.coturn", "", MAX_SERVERS, servers),
    ("webrtc.coturn", ".url", MAX_URLS, lambda n: {**SERVER, "url": numbered("a{}", n)}),
    *(
        (
            "webrtc.coturn",
            f".{key}",
            MAX_SECRETS,
            lambda n, key=key: {**SERVER, "username": "pseudonym", key: numbered(SECRET + "{}", n)},
        )
        for key in ("coturn_static_auth_secret", "pseudonym_key")
    ),
    (
        "webrtc.rtc_configuration",
        ".iceServers",
        MAX_SERVERS,
        lambda n: {"iceServers": [{"urls": "stun:a"}] * n},
    ),
    (
        "webrtc.rtc_configuration",
        ".iceServers[0].urls",
        MAX_URLS,
        lambda n: {"iceServers": [{"urls": numbered("stun:a{}", n).copy()}]},
    ),
    (
        "jwt_token_user",
        ".jwtuserpublickeyfile",
        MAX_KEY_FILES,
        lambda n: {"jwtuserpublickeyfile": numbered("{}", n)},
    ),
]


@pytest.mark.parametrize(("name", "path", "most", "make"), LISTS)
def test_a_list_has_a_length_that_an_od_config_can_need(name, path, most, make):
    WebRTCConfig.from_mapping(mapping_with(name, make(most)))
    with pytest.raises(ConfigError) as caught:
        WebRTCConfig.from_mapping(mapping_with(name, make(most + 1)))
    (problem,) = caught.value.problems
    assert problem.path == name + path
    assert problem.message.startswith(f"has {most + 1} items, more than the {most} that are read; ")


def test_a_list_that_is_too_long_is_said_with_its_line():
    text = "[global]\nwebrtc.coturn: {\n 'url': 'a',\n 'coturn_static_auth_secret':\n  ['a'] * 17 }"
    with pytest.raises(ConfigError) as caught:
        WebRTCConfig.from_mapping(parse_od_config(text))
    (problem,) = caught.value.problems
    assert problem.line == 4
    assert SECRET not in str(problem)


@pytest.mark.parametrize("place", ["_file", "_env"])
def test_secrets_from_elsewhere_have_the_same_bound(tmp_path, place):
    (tmp_path / "name").write_text("\n".join(numbered(SECRET + "{}", MAX_SECRETS + 1)))
    server = {"url": "a", f"coturn_static_auth_secret{place}": "name"}
    with pytest.raises(ConfigError) as caught:
        WebRTCConfig.from_mapping(
            {"webrtc.coturn": server},
            {"name": (tmp_path / "name").read_text()},
            folder=str(tmp_path),
        )
    (problem,) = caught.value.problems
    assert problem.message.startswith("has 17 secrets, more than the 16 that are read; ")


@pytest.mark.parametrize("name", ["webrtc.rtc_configuration", "webrtc.rtc_constraints"])
@pytest.mark.parametrize("number", [2**53 - 1, -(2**53) + 1])
def test_a_number_that_browsers_keep_is_taken_and_a_larger_one_is_not(name, number):
    WebRTCConfig.from_mapping({name: {"audio": {"a": number}}})
    with pytest.raises(ConfigError, match="more than 53 bits, which browsers round"):
        WebRTCConfig.from_mapping({name: {"audio": {"a": 2 * number}}})


@pytest.mark.parametrize("name", ["webrtc.coturn", "webrtc.desktop"])
def test_a_ttl_of_any_size_has_one_message_of_a_line(name):
    ttl = "*".join(["1" + "0" * 99] * 100)
    with pytest.raises(ConfigError, match="more than 1024 bits; write a smaller one"):
        parse_od_config(f"[global]\n{name}: {{ 'ttl': {ttl} }}")
    server = SERVER if name == "webrtc.coturn" else {}
    with pytest.raises(ConfigError) as caught:
        WebRTCConfig.from_mapping({name: {**server, "ttl": 300 * 10**5000}})
    (problem,) = caught.value.problems
    assert len(str(problem)) < 200


def test_so_many_unknown_entries_are_said_and_the_others_counted():
    mapping = {f"webrtc.enable{number}x": 1 for number in range(1000)}
    warnings = WebRTCConfig.from_mapping(mapping).warnings
    assert len(warnings) < 50
    assert sum(1 + warning.more for warning in warnings) == 1000
