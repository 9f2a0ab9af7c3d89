"""Nothing that a configuration shows has a secret in it, nor has an error about one."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import pickle
import pprint
import random
import traceback
import uuid

import pytest

from abcwebrtc import build_rtc_configuration
from abcwebrtc.config.problems import is_like_path
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import ConfigError
from abcwebrtc.texts import is_like_secret
from support.configurations import COTURN, NOW, load

MARK = "marked-hush-0123456789"


@pytest.fixture
def marked(tmp_path):
    """A configuration that has secrets from everywhere, and a static TURN password."""
    (tmp_path / "turn.secret").write_text(f"{MARK}-file\n")
    mapping = {
        "webrtc.enable": True,
        "webrtc.rtc_configuration": {
            "iceServers": [{"urls": "turn:a", "username": "fry", "credential": MARK}],
        },
        "webrtc.coturn": [
            {"url": "a", "coturn_static_auth_secret": MARK},
            {"url": "a", "coturn_static_auth_secret": [MARK, f"{MARK}-old"]},
            {"url": "a", "coturn_static_auth_secret_file": "turn.secret"},
            {"url": "a", "coturn_static_auth_secret_env": "TURN", "pseudonym_key": f"{MARK}-key"},
        ],
    }
    return load(mapping, environ={"TURN": f"{MARK}-env"}, folder=tmp_path)


def attempt(action):
    """Return what an action shows, be it a traceback."""
    try:
        return str(action())
    except (TypeError, AttributeError, pickle.PicklingError):
        return traceback.format_exc()


def pickled(thing):
    return [
        attempt(lambda protocol=protocol: pickle.dumps(thing, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ]


SHOWING = {
    "repr": repr,
    "str": str,
    "format": "{}".format,
    "pprint": pprint.pformat,
    "json": lambda thing: json.dumps(thing, default=str),
    "asdict": dataclasses.asdict,
    "astuple": dataclasses.astuple,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": pickled,
    "hash": hash,
    "comparison": lambda thing: thing < 0,
}
PARTS = {
    "config": lambda config: config,
    "servers": lambda config: config.coturn,
    "inline server": lambda config: config.coturn[0],
    "list server": lambda config: config.coturn[1],
    "file server": lambda config: config.coturn[2],
    "environment server": lambda config: config.coturn[3],
    "inline secrets": lambda config: config.coturn[0].secrets,
    "file secrets": lambda config: config.coturn[2].secrets,
    "current secrets": lambda config: config.coturn[1].secrets.current(),
    "warnings": lambda config: config.warnings,
    "desktop": lambda config: config.desktop,
}


@pytest.mark.parametrize("show", SHOWING.values(), ids=SHOWING.keys())
@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS.keys())
def test_nothing_shows_a_secret(marked, part, show):
    assert MARK not in attempt(lambda: show(part(marked)))


def test_the_marked_configuration_really_has_its_secrets(marked):
    shown = json.dumps(build_rtc_configuration(marked, "fry", NOW))
    assert shown.count(MARK) == 1
    found = [s.reveal().decode() for c in marked.coturn for s in c.secrets.current()]
    assert found == [MARK, MARK, f"{MARK}-old", f"{MARK}-file", f"{MARK}-env"]


BROKEN = [
    {"coturn_static_auth_secret": f"{MARK}\n"},
    {"coturn_static_auth_secret": MARK.encode()},
    {"coturn_static_auth_secret": [MARK, 7]},
    {"coturn_static_auth_secret": {MARK: MARK}},
    {"coturn_static_auth_secret": f"{MARK}\ud800"},
    {"coturn_static_auth_secret": MARK, "coturn_static_auth_secret_file": "x"},
    {"coturn_static_auth_secret": MARK, "ttl": 0},
    {"coturn_static_auth_secret": MARK, "url": f"fry:{MARK}@host"},
    {"coturn_static_auth_secret": MARK, "url": f"turn:fry:{MARK}@host"},
    {"coturn_static_auth_secret": MARK, "url": [f"host?{MARK}"]},
    {"coturn_static_auth_secret": MARK, "pseudonym_key": ["", MARK]},
]


@pytest.mark.parametrize("coturn", BROKEN)
def test_no_error_and_no_traceback_shows_a_secret(coturn):
    mapping = {
        "webrtc.coturn": {"url": "a", **coturn},
        "webrtc.rtc_configuration": {
            "iceServers": [{"urls": "turn:a", "username": None, "credential": MARK}]
        },
    }
    with pytest.raises(ConfigError) as caught:
        load(mapping)
    error = caught.value
    shown = [str(error), repr(error), repr(error.args), repr(error.warnings), repr(vars(error))]
    shown += traceback.format_exception(type(error), error, error.__traceback__)
    assert len(error.problems) >= 2
    assert error.__context__ is None
    assert MARK not in "\n".join(shown)


RANDOM = random.Random(15)
HEX = [f"{RANDOM.getrandbits(128):032x}" for _ in range(50)]
BASE64 = [base64.b64encode(bytes(RANDOM.choices(range(256), k=32))).decode() for _ in range(50)]
UUIDS = [str(uuid.UUID(int=RANDOM.getrandbits(128))) for _ in range(50)]


@pytest.mark.parametrize("text", [*HEX, *BASE64, *UUIDS])
def test_what_programs_make_for_a_secret_is_like_one(text):
    assert is_like_secret(text)
    assert not is_like_path(text)
    assert is_like_path(f"./{text}")


@pytest.mark.parametrize(
    "name",
    [
        *("turn", "turnserver2024prod", "desktop-7f8a9b2c", "ubuntu-s-1vcpu-1gb-nyc1-01"),
        *("ip-172-31-20-5", "ec2amaz-1a2b3c4", "coturn-0", "turn.secret", "new-secret-1"),
        *("secrets/turn/static-auth-secret", "TURN_S3_EU1_K8S_SECRET", "TURNSECRET2", "a" * 63),
    ],
)
def test_the_name_of_a_machine_a_file_or_a_variable_is_like_none(name):
    assert not is_like_secret(name)
    assert is_like_path(name)


MISPLACED = {
    "url": lambda text: {"webrtc.coturn": {**COTURN, "url": text}},
    "url with a port": lambda text: {"webrtc.coturn": {**COTURN, "url": f"{text}:3478"}},
    "file": lambda text: {
        "webrtc.coturn": {"url": "a", "coturn_static_auth_secret_file": text},
    },
    "variable": lambda text: {
        "webrtc.coturn": {"url": "a", "coturn_static_auth_secret_env": f"A{text}"},
    },
    "stun": lambda text: {"webrtc.rtc_configuration": {"iceServers": [{"urls": f"stun:{text}"}]}},
    "STUN_SERVER": lambda text: {"desktop.envlocal": {"STUN_SERVER": f"stun://{text}"}},
    "stun_server": lambda text: {"webrtc.desktop": {"stun_server": f"stun://{text}"}},
    "login": lambda text: {"webrtc.coturn": {**COTURN, "url": f"fry:{text}@host"}},
    "query": lambda text: {"webrtc.coturn": {**COTURN, "url": f"host?secret={text}"}},
    "protocol": lambda text: {"webrtc.coturn": {**COTURN, "protocol": text}},
    "transport": lambda text: {"webrtc.coturn": {**COTURN, "transport": text}},
    "username": lambda text: {"webrtc.coturn": {**COTURN, "username": text}},
    "ttl": lambda text: {"webrtc.coturn": {**COTURN, "ttl": text}},
    "key": lambda text: {"webrtc.coturn": {**COTURN, text: "coturn_static_auth_secret"}},
    "key of desktop": lambda text: {"webrtc.desktop": {text: True}},
    "public key": lambda text: {
        "jwt_token_user": {"jwtuserpublickeyfile": f"-----BEGIN PRIVATE KEY-----\n{text}\n"}
    },
    "public key's file": lambda text: {"jwt_token_user": {"jwtuserpublickeyfile": text}},
}


@pytest.mark.parametrize("secret", [HEX[0], BASE64[0], UUIDS[0]])
@pytest.mark.parametrize("mapping", MISPLACED.values(), ids=MISPLACED)
def test_a_secret_in_a_wrong_place_is_an_error_that_does_not_show_it(mapping, secret):
    with pytest.raises(ConfigError) as caught:
        WebRTCConfig.from_mapping(mapping(secret), {}, NOW, secrets_elsewhere=True)
    assert secret not in repr(vars(caught.value))
    assert secret not in str(caught.value)


@pytest.mark.parametrize("name", [HEX[0], UUIDS[0]])
def test_a_file_that_is_there_may_have_any_name(name, tmp_path):
    (tmp_path / name).write_text("a-secret-of-that-coturn")
    mapping = {
        "webrtc.coturn": {"url": "a", "coturn_static_auth_secret_file": name},
        "jwt_token_user": {"jwtuserpublickeyfile": name},
    }
    config = load(mapping, folder=tmp_path)
    assert config.user_token_key_files == (str(tmp_path / name),)
    assert len(config.coturn) == 1
