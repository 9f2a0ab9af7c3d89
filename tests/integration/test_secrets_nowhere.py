"""Marked secrets go through every public function, and then tests look for them everywhere."""

from __future__ import annotations

import base64
import copy
import json
import logging
import pickle
import pprint
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Tuple

import pytest

import abcwebrtc
from abcwebrtc import WebRTCConfig, build_rtc_configuration, load_od_config
from abcwebrtc.cli.main import main
from abcwebrtc.config.secret_sources import Secret
from abcwebrtc.turn.rtc_configuration import server_credentials
from abcwebrtc.web.tokens import UserTokenVerifier, bearer_token
from integration.hidden import (
    DEBUG_EVERYTHING,
    FILE,
    INLINE,
    KEY,
    MARKS,
    OLD,
    SECRETS,
    STATIC,
    exception_text,
    shown,
    write_marked_od_config,
)
from support import WAIT, command, environment, make_token, private_pem, rsa_key, write_od_config

# what is looked for


def test_a_mark_is_found_in_every_form() -> None:
    coded = base64.b64encode(b"a" + INLINE.encode() + b"z").decode()
    for text in (f"x{INLINE}y", INLINE.encode().hex(), repr([INLINE]), coded):
        assert shown(text, *MARKS) == [INLINE]
    assert not shown("nothing here", *MARKS)


def test_a_suppressed_context_is_looked_at() -> None:
    error = KeyError("quiet")
    error.__context__, error.__suppress_context__ = ValueError(INLINE), True
    assert shown(exception_text(error), INLINE)


# a configuration with every kind of secret


@pytest.fixture
def od_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return write_marked_od_config(tmp_path, monkeypatch)


# the library


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """Return a function that returns everything that was logged, including arguments."""
    with caplog.at_level(logging.DEBUG):
        yield lambda: _logged(caplog)


def _logged(caplog: pytest.LogCaptureFixture) -> str:
    logging.getLogger("abcwebrtc").debug("debug logging is on")
    text = caplog.text + "\n".join(repr(vars(record)) for record in caplog.records)
    assert "debug logging is on" in text
    return text


def test_no_object_of_the_library_shows_a_secret(
    od_config: Path, log: Callable[[], str], capfd: pytest.CaptureFixture[str]
) -> None:
    config = WebRTCConfig.from_file(od_config)
    made = [server_credentials(server, "alice") for server in config.coturn]
    sources = [server.secrets for server in config.coturn]
    secrets = [secret for source in sources for secret in source.current()]
    objects = [config, config.static_servers, config.warnings, config.uris, made, sources, secrets]
    objects += [*config.coturn, *made, *sources, *secrets, *secrets[0:1] * 2]
    for item in objects:
        for text in (repr(item), str(item), f"{item}", pprint.pformat(item)):
            assert not shown(text, *MARKS, *(each.password for each in made))
        assert not shown(json.dumps(item, default=str), *MARKS)
    captured = capfd.readouterr()
    assert not shown(log() + captured.out + captured.err, *MARKS)


def test_a_secret_is_not_copied_into_a_pickle(od_config: Path) -> None:
    config = WebRTCConfig.from_file(od_config)
    for item in (Secret(INLINE), *config.coturn, *(each.secrets for each in config.coturn)):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises((TypeError, pickle.PicklingError)) as caught:
                pickle.dumps(item, protocol)
            assert not shown(exception_text(caught.value), *MARKS)
    assert not shown(repr(copy.deepcopy(Secret(INLINE))), INLINE)


def test_what_is_minted_holds_no_static_secret(od_config: Path, log: Callable[[], str]) -> None:
    config = WebRTCConfig.from_file(od_config)
    result = build_rtc_configuration(config, "alice")
    passwords = [server.get("credential", "") for server in result["iceServers"]]
    assert not shown(repr(result), *SECRETS)
    assert len(passwords) == 5
    assert not shown(log(), *MARKS, *passwords[2:])


def _userid_server(path: Path) -> Any:
    return WebRTCConfig.from_file(path).coturn[0]


MISUSE: Dict[str, Callable[[Path], Any]] = {
    "a userid with a space": lambda p: build_rtc_configuration(WebRTCConfig.from_file(p), "a b"),
    "a userid that is not Unicode": lambda p: server_credentials(_userid_server(p), "\ud800"),
    "no user": lambda p: build_rtc_configuration(WebRTCConfig.from_file(p)),
    "a user that is no text": lambda p: server_credentials(_userid_server(p), 7),  # type: ignore
    "a ttl of 0": lambda p: abcwebrtc.mint_turn_credentials(INLINE, 0),
    "a ttl past 2038": lambda p: abcwebrtc.mint_turn_credentials(INLINE, 2**31),
    "a secret as a list": lambda p: abcwebrtc.mint_turn_credentials([INLINE], 60),  # type: ignore
    "a secret that is not Unicode": lambda p: abcwebrtc.mint_turn_credentials(
        INLINE + "\ud800", 60
    ),
    "verifying with a secret that is not Unicode": lambda p: _raise_if_false(
        abcwebrtc.verify_turn_credentials(INLINE + "\ud800", "1", "password")
    ),
    "verifying a secret as a number": lambda p: abcwebrtc.verify_turn_credentials(
        [INLINE, 1.5],  # type: ignore
        "1",
        "password",
    ),
    "a frozen configuration": lambda p: setattr(WebRTCConfig.from_file(p), "enable", False),
    "a hash of a secret": lambda p: hash(Secret(INLINE)),
    "an order of secrets": lambda p: sorted([Secret(INLINE), Secret(OLD)]),  # type: ignore
    "a mapping that is none": lambda p: WebRTCConfig.from_mapping(INLINE),  # type: ignore
}


def _raise_if_false(value: bool) -> None:
    if not value:
        raise ValueError("refused")


@pytest.mark.parametrize("misuse", MISUSE.values(), ids=MISUSE)
def test_no_exception_shows_a_secret_after(
    misuse: Callable[[Path], Any], od_config: Path, log: Callable[[], str]
) -> None:
    with pytest.raises(Exception) as caught:
        misuse(od_config)
    assert not shown(exception_text(caught.value), *MARKS)
    assert not shown(log(), *MARKS)


# broken configurations, in the library and on the command line

SECRET_KEY = "coturn_static_auth_secret"
IN_COTURN: Dict[str, str] = {
    "no closing quote": f"'{SECRET_KEY}': '{INLINE}, 'url': 'a'",
    "no comma": f"'{SECRET_KEY}': '{INLINE}' 'url': 'a'",
    "no quotes": f"'{SECRET_KEY}': {INLINE}, 'url': 'a'",
    "a call": f"'{SECRET_KEY}': str('{INLINE}'), 'url': 'a'",
    "an attribute": f"'{SECRET_KEY}': '{INLINE}'.lower, 'url': 'a'",
    "a format": f"'{SECRET_KEY}': f'{INLINE}', 'url': 'a'",
    "a sum that can't be": f"'{SECRET_KEY}': '{INLINE}' + 5, 'url': 'a'",
    "a product that is too large": f"'{SECRET_KEY}': '{INLINE}' * 9999999, 'url': 'a'",
    "typographic quotes": f"'{SECRET_KEY}': ‘{INLINE}’, 'url': 'a'",
    "bytes": f"'{SECRET_KEY}': b'{INLINE}', 'url': 'a'",
    "a list in a list": f"'{SECRET_KEY}': [['{INLINE}']], 'url': 'a'",
    "a dict": f"'{SECRET_KEY}': {{'{INLINE}': 1}}, 'url': 'a'",
    "a control character": f"'{SECRET_KEY}': '{INLINE}\\n', 'url': 'a'",
    "a lone surrogate": f"'{SECRET_KEY}': '{INLINE}\\ud800', 'url': 'a'",
    "a misspelt key": f"'coturn_static_auth_secert': '{INLINE}', 'url': 'a'",
    "coturn's own key": f"'static-auth-secret': '{INLINE}', 'url': 'a'",
    "a second secret": f"'{SECRET_KEY}': '{INLINE}', '{SECRET_KEY}_env': 'X', 'url': 'a'",
    "no url": f"'{SECRET_KEY}': '{INLINE}'",
    "a list with an empty secret": f"'{SECRET_KEY}': ['{INLINE}', ''], 'url': 'a'",
    "a short pseudonym key": f"'{SECRET_KEY}': 1, 'pseudonym_key': '{KEY}', 'url': 'a'",
    "a pseudonym key in a list of lists": f"'pseudonym_key': [['{KEY}']], 'url': 'a'",
    "the secret as ttl": f"'ttl': '{INLINE}', 'url': 'a'",
    "the secret as transport": f"'transport': '{INLINE}', 'url': 'a'",
    "a password in the url": f"'{SECRET_KEY}': 'x' * 20, 'url': 'user:{INLINE}@host:3478'",
    "a scheme and a password in the url": f"'url': 'turn:user:{INLINE}@host:3478'",
    "a query in the url": f"'url': 'host:3478?secret={INLINE}'",
    "a secret with a percent sign": f"'{SECRET_KEY}': '{INLINE}%x', 'url': 'a'",
    "a secret with a reference": f"'{SECRET_KEY}': '%({INLINE})s', 'url': 'a'",
    "an empty secret file": f"'{SECRET_KEY}_file': 'empty', 'pseudonym_key': '{KEY}', 'url': 'a'",
    "too large a secret file": f"'{SECRET_KEY}_file': 'large', 'url': 'a'",
    "a control character after a file": f"'{SECRET_KEY}_file': 'secret', 'ttl': 0, 'url': 'a'",
}
WHOLE: Dict[str, str] = {
    "text for a dict": f"webrtc.coturn: '{INLINE}'",
    "a list of text": f"webrtc.coturn: ['{INLINE}']",
    "no indent": f"webrtc.coturn: {{\n'{SECRET_KEY}': '{INLINE}' }}",
    "no indent and no colon": f"webrtc.coturn: {{\n'{INLINE}'\n}}",
    "no indent, and a secret with an equals sign twice": "webrtc.coturn: [\n"
    f"'{INLINE}=',\n'{INLINE}=' ]",
    "no indent, and a secret with an equals and a percent sign": "webrtc.coturn: [\n"
    f"'{INLINE}=%x' ]",
    "a bracket that stays open": f"webrtc.coturn: {{ '{SECRET_KEY}': '{INLINE}',",
    "quotes that stay open": f"webrtc.coturn: {{ '{SECRET_KEY}': '''{INLINE} }}",
    "an entry twice": f"webrtc.coturn: '{INLINE}'\nwebrtc.coturn: '{INLINE}'",
    "text after the end": f"webrtc.coturn: None\n '{INLINE}'",
    "an unknown entry": f"webrtc.secret: '{INLINE}'\nwebrtc.enable: 1",
    "a static password with a list": "webrtc.rtc_configuration: {'iceServers': ["
    f"{{'urls': 'turn:a', 'username': ['{STATIC}'], 'credential': '{STATIC}'}}]}}",
    "a static password without a username": "webrtc.rtc_configuration: {'iceServers': ["
    f"{{'urls': 'turn:a', 'credential': '{STATIC}'}}]}}",
    "a static password in a url": "webrtc.rtc_configuration: {'iceServers': ["
    f"{{'urls': 'turn:user:{STATIC}@host'}}]}}",
    "a static password as bytes": "webrtc.rtc_configuration: {'iceServers': ["
    f"{{'urls': 'turn:a', 'username': 'u', 'credential': b'{STATIC}'}}]}}",
    "a desktop's server with a password": "webrtc.desktop: "
    f"{{'stun_server': 'stun://user:{STATIC}@host'}}",
    "a bare percent sign": f"webrtc.coturn: {{'{SECRET_KEY}': '{INLINE}', 'url': '%'}}",
    "a ring of references": f"webrtc.coturn: '{INLINE} %(webrtc.coturn)s'",
    "100 brackets": f"webrtc.coturn: {'[' * 100} '{INLINE}' {']' * 100}",
}
BROKEN = {
    **{name: f"webrtc.coturn: {{ {text} }}" for name, text in IN_COTURN.items()},
    **WHOLE,
}
RAW: Dict[str, bytes] = {
    "no section": f"webrtc.coturn: '{INLINE}'\n".encode(),
    "another section": f"[other]\nwebrtc.coturn: '{INLINE}'\n".encode(),
    "Latin-1": f"[global]\nwebrtc.coturn: '{INLINE} é'\n".encode("latin-1"),
    "a byte order mark": f"[global]\nwebrtc.coturn: '{INLINE}'\n".encode("utf-8-sig"),
    "a NUL": f"[global]\nwebrtc.coturn: '{INLINE}\0'\n".encode(),
    "UTF-16": f"[global]\nwebrtc.coturn: '{INLINE}'\n".encode("utf-16"),
    **{name: f"[global]\nwebrtc.enable: True\n{text}\n".encode() for name, text in BROKEN.items()},
}


@pytest.fixture(params=RAW.values(), ids=RAW)
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(FILE, encoding="utf-8")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "large").write_text(f"{FILE}\n" * 8000, encoding="utf-8")
    path = tmp_path / "od.config"
    path.write_bytes(request.param)
    return path


def test_a_broken_configuration_is_refused_without_its_secrets(
    broken: Path, log: Callable[[], str]
) -> None:
    with pytest.raises(abcwebrtc.ConfigError) as caught:
        WebRTCConfig.from_file(broken)
    text = exception_text(caught.value) + repr(caught.value.problems)
    assert not shown(text + repr(caught.value.warnings) + log(), *MARKS)


@pytest.mark.parametrize(
    "arguments",
    [("check",), ("check", "--json"), ("mint", "--user", "alice"), ("serve", "--port", "0")],
    ids=" ".join,
)
def test_the_command_refuses_a_broken_configuration_without_its_secrets(
    arguments: Tuple[str, ...],
    broken: Path,
    log: Callable[[], str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert main([arguments[0], str(broken), *arguments[1:]]) == 1
    captured = capfd.readouterr()
    assert "error" in captured.out + captured.err or "od.config" in captured.err
    assert not shown(captured.out + captured.err + log(), *MARKS)


# the command, as a process


def run_debugging(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run the command with all loggers at their lowest level."""
    done = subprocess.run(
        command(*arguments, before=DEBUG_EVERYTHING),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=environment(PYTHONWARNINGS="default"),
        timeout=WAIT,
    )
    assert "debug logging is on" in done.stderr
    return done


@pytest.mark.parametrize("option", [(), ("--json",), ("--strict",)], ids=str)
def test_check_shows_no_secret(option: Tuple[str, ...], od_config: Path) -> None:
    done = run_debugging("check", od_config, *option)
    assert done.returncode == (1 if "--strict" in option else 0)
    assert "turn" in done.stdout
    assert not shown(done.stdout + done.stderr, *MARKS)


@pytest.mark.parametrize("option", [(), ("--json",)], ids=str)
def test_mint_shows_credentials_on_stdout_alone_and_no_secret(
    option: Tuple[str, ...], od_config: Path
) -> None:
    done = run_debugging("mint", od_config, "--user", "alice", *option)
    assert done.returncode == 0
    servers = json.loads(done.stdout)["iceServers"]
    minted = [server["credential"] for server in servers[2:]]
    assert len(minted) == 3
    assert not shown(done.stdout, *SECRETS)
    assert not shown(done.stderr, *MARKS, *minted)


def test_mint_refuses_a_userid_without_showing_a_secret(od_config: Path) -> None:
    done = run_debugging("mint", od_config, "--user", "a b")
    assert done.returncode == 1
    assert not shown(done.stdout + done.stderr, *MARKS)


# keys and tokens

BAD_TOKENS: Dict[str, Callable[[], str]] = {
    "expired": lambda: make_token(ttl=-100),
    "of another key": lambda: make_token(key=rsa_key("mallory")),
    "cut": lambda: make_token()[:-30],
    "of nobody": lambda: make_token(user={}),
    "without claims": lambda: make_token(auth=...),
    "with claims that are none": lambda: make_token(nbf="x" * 3),
    "rubbish": lambda: INLINE,
}


@pytest.mark.parametrize("make", BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_a_token_is_refused_without_showing_it(
    make: Callable[[], str], od_config: Path, log: Callable[[], str]
) -> None:
    verifier = UserTokenVerifier.from_file(str(od_config.parent / "jwtuser.pem"))
    token = make()
    with pytest.raises(abcwebrtc.TokenError) as caught:
        verifier.user(token)
    text = exception_text(caught.value) + log()
    assert not [part for part in token.split(".") if part in text]


@pytest.mark.parametrize("header", [INLINE, f"Basic {INLINE}", f"Bearer{INLINE}"])
def test_a_header_without_a_token_is_refused_without_showing_it(header: str) -> None:
    with pytest.raises(abcwebrtc.TokenError) as caught:
        bearer_token(header)
    assert not shown(exception_text(caught.value), INLINE)


def test_a_private_key_in_place_of_the_public_one_is_not_shown(
    tmp_path: Path, log: Callable[[], str], capfd: pytest.CaptureFixture[str]
) -> None:
    pem = private_pem()
    (tmp_path / "jwtuser.pem").write_bytes(pem)
    path = write_od_config(tmp_path)
    with pytest.raises(abcwebrtc.ConfigError) as caught:
        UserTokenVerifier.from_file(str(tmp_path / "jwtuser.pem"))
    assert main(["serve", str(path)]) == 1
    captured = capfd.readouterr()
    text = exception_text(caught.value) + captured.out + captured.err + log()
    lines = pem.decode().splitlines()[1:-1]
    assert "private" in captured.err
    assert not [line for line in lines if line in text]


def test_the_raw_entries_hold_secrets_and_their_repr_shows_none(od_config: Path) -> None:
    entries = load_od_config(od_config)
    assert shown(str(dict(entries)), INLINE, OLD) == [INLINE, OLD]
    assert shown(f"{entries!r} {entries}", INLINE, OLD) == []
