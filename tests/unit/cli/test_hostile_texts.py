"""Every command, given files in which any text may be hostile: no terminal obeys what it prints.

In each place stands a secret with what a terminal, a log or an editor obeys around it.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
import unicodedata
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abcwebrtc.cli.main import main
from abcwebrtc.cli.serve_log import OneLine
from abcwebrtc.texts import escaped
from support import SECRET, public_pem

MARK = "gR7vQ2nLs9Tz4Kw8"
"""As random as a secret is."""
HOSTILE = st.sampled_from(
    [
        *("\x1b]0;owned\x07", "\x1b[2J", "\x9b2J", "\r", "\x7f", "\x08", "\x00", "\t"),
        *("\u202e", "\u2066", "\u200b", "\u200f", "\ufeff", "\u00ad", "\u2028", "\u2029", "\x85"),
        *("\ue000", "\U000e0041", "\u3164", "\u0085[31m", "\x1c", "\x0b", "\x0c"),
    ]
)
TEXTS = st.one_of(
    HOSTILE.map(lambda char: f"{char}{MARK}{char}"),
    HOSTILE.map(lambda char: f"{MARK}{char}"),
    HOSTILE.map(lambda char: f"a{char}\nod.config:1: ok\n0 errors {MARK}"),
    st.just(MARK),
)


class Output(NamedTuple):
    """What a command printed, and its exit status."""

    status: Any
    out: str
    err: str


def run(*line: object) -> Output:
    """Run a command in this process, on streams as a terminal has them."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status: Any = main([os.fspath(part) for part in line])  # type: ignore[arg-type]
        except SystemExit as error:
            status = error.code
    for stream in (out, err):
        stream.flush()
    return Output(status, *(one.buffer.getvalue().decode() for one in (out, err)))  # type: ignore


def check_harmless(line: Sequence[object], done: Output, is_content: bool = False) -> None:
    """Fail where something is left that does not show, but for ends of lines.

    Where stdout is the content of a file, it has tabs, blanks and letters of all kinds.
    """
    left = [char for char in set(done.err) - {"\n"} if escaped(char) != char]
    for char in set(done.out) - {"\n", "\t" if is_content else ""}:
        kind = unicodedata.category(char)
        is_obeyed = kind[0] == "C" or kind in ("Zl", "Zp")
        if is_obeyed or (not is_content and escaped(char) != char):
            left.append(char)
    assert left == [], (line, left, done)


# od.config

COTURN = f"'coturn_static_auth_secret': {SECRET!r}, 'url': 'turn.example.org'"
SOUND = "'enable': True, 'image': 'oc.pulseaudio:3.2', 'acl': { 'permit': [ 'all' ] }"
ENTRIES: Dict[str, str] = {
    "webrtc.enable": "True",
    "webrtc.coturn": f"{{ {COTURN} }}",
    "webrtc.rtc_configuration": "{ 'iceServers': [ { 'urls': 'stun:stun.example.org' } ] }",
    "webrtc.desktop": "{ 'turn': True }",
    "desktop.pod": f"{{ 'sound': {{ {SOUND} }} }}",
}
INSIDE: List[Tuple[str, str]] = [
    ("webrtc.enable", "@"),
    ("webrtc.coturn", "@"),
    ("webrtc.coturn", "[ @ ]"),
    ("webrtc.coturn", f"{{ {COTURN}, @: 1 }}"),
    ("webrtc.coturn", f"{{ {COTURN}, @: 'coturn_static_auth_secret' }}"),
    ("webrtc.coturn", "{ 'url': 'turn.example.org', @: 'coturn_static_auth_secret' }"),
    ("webrtc.coturn", "{ 'url': 'turn.example.org', 'coturn_static_auth_secret': @ }"),
    ("webrtc.coturn", "{ 'url': 'turn.example.org', 'coturn_static_auth_secret_file': @ }"),
    ("webrtc.coturn", "{ 'url': 'turn.example.org', 'coturn_static_auth_secret_env': @ }"),
    ("webrtc.coturn", f"{{ 'url': @, 'coturn_static_auth_secret': {SECRET!r} }}"),
    ("webrtc.coturn", f"{{ 'url': [ @ ], 'coturn_static_auth_secret': {SECRET!r} }}"),
    *(
        ("webrtc.coturn", f"{{ {COTURN}, {key!r}: @ }}")
        for key in ("ttl", "protocol", "transport", "username", "pseudonym_key", "password")
    ),
    ("webrtc.rtc_configuration", "{ 'iceServers': [ { 'urls': @ } ] }"),
    ("webrtc.rtc_configuration", "{ 'iceServers': [ { 'urls': 'stun:' + @ } ] }"),
    ("webrtc.rtc_configuration", "{ 'iceServers': [ { @: 'stun:a' } ] }"),
    ("webrtc.rtc_configuration", "{ 'iceServers': [ { 'urls': 'turn:a', 'credential': @ } ] }"),
    ("webrtc.rtc_configuration", "{ @: 'all' }"),
    ("webrtc.rtc_configuration", "{ 'iceTransportPolicy': @ }"),
    ("webrtc.rtc_configuration", "{ 'a': { @: { 1: 2 } } }"),
    ("webrtc.rtc_constraints", "{ 'audio': @ }"),
    ("webrtc.rtc_constraints", "{ @: b'x' }"),
    ("webrtc.desktop", "{ @: True }"),
    ("webrtc.desktop", "{ 'turn': True, 'ttl': @ }"),
    ("webrtc.desktop", "{ 'stun_server': @ }"),
    ("webrtc.desktop", "{ 'stun_server': 'stun://' + @ }"),
    ("desktop.envlocal", "{ 'STUN_SERVER': @ }"),
    ("desktop.envlocal", "{ 'TURN_SERVER': 'turn://a:' + @ + '@host' }"),
    ("desktop.pod", "{ 'sound': @ }"),
    ("desktop.pod", "{ @: { 'image': 1 } }"),
    ("desktop.pod", f"{{ 'sound': {{ {SOUND}, @: 1 }} }}"),
    ("desktop.pod", f"{{ 'sound': {{ {SOUND}, 'volumes': [ @ ] }} }}"),
    ("desktop.pod", f"{{ 'sound': {{ {SOUND}, 'pullpolicy': @ }} }}"),
    ("desktop.pod", f"{{ 'sound': {{ {SOUND}, 'imagePullSecrets': [ {{ 'name': @ }} ] }} }}"),
    ("desktop.pod", f"{{ 'sound': {{ {SOUND}, 'resources': {{ 'limits': {{ @: 1 }} }} }} }}"),
    ("desktop.pod", f"{{ 'sound': {{ {SOUND}, 'resources': {{ 'limits': {{ 'cpu': @ }} }} }} }}"),
    ("desktop.pod", f"{{ 'sound': {{ {SOUND}, 'securityContext': {{ @: 1 }} }} }}"),
    ("desktop.pod", "{ 'sound': { 'enable': True, 'image': { 'default': 'a', @: 'A B' } } }"),
    ("desktop.pod", "{ 'sound': { 'enable': True, 'image': { 'default': 'a', @: 'oc.a:3.4' } } }"),
    ("desktop.pod", "{ 'sound': { 'enable': True, 'image': @ } }"),
    ("jwt_token_user", "@"),
    ("jwt_token_user", "{ 'jwtuserpublickeyfile': '-----BEGIN PRIVATE KEY-----' + @ }"),
    ("authmanagers", "{ @: @ }"),
]
"""Where @ stands for the text, quoted as Python quotes it."""
RAW = [
    *("# @", "@: 1", "@", "webrtc.@: 1", "webrtc.coturn@: 1", "desktop.@: 1", "jwt_@: 1"),
    *("language: @", "language: '@", "language: %(@)s", "webrtc.rtc_constraints: '@", "[@]\na: 1"),
    *("[@", "webrtc.rtc_constraints: {'a': 1}\n@: 1\n@: 2", "webrtc.rtc_constraints: @"),
]
"""Lines in which the text stands as it is."""
OD_CONFIGS = st.one_of(
    st.sampled_from(INSIDE).map(lambda place: (place[0], place[1])),
    st.sampled_from(RAW).map(lambda line: ("", line)),
)


def od_config_text(place: Tuple[str, str], text: str) -> str:
    """Return an od.config with a text at a place."""
    name, value = place
    entries = {**ENTRIES, name: value.replace("@", repr(text).replace("%", "%%"))}
    entries.pop("", None)
    lines = [f"{key}: {found}" for key, found in entries.items()]
    return "\n".join(["[global]", *lines, "" if name else value.replace("@", text), ""])


POD = """\
kind: Pod
metadata: {name: desktop, labels: {access_userid: fry}}
spec: {containers: [{name: x-anonymous-fry, image: a}]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile")
    (path / "pod.yaml").write_text(POD)
    (path / "users").write_text("fry\n")
    (path / "turnserver.conf").write_text("use-auth-secret\n")
    (path / "key.pem").write_bytes(public_pem())
    return path


def commands(od_config: Path) -> Iterator[Tuple[List[object], bool]]:
    """Yield the commands that read an od.config, and whether their stdout is its content."""
    folder = od_config.parent
    for more in ([], ["--json"]):
        yield ["check", od_config, *more], False
        yield ["mint", od_config, *more], True
        yield ["networkpolicy", od_config, *more], False
        yield ["rotate", "plan", od_config, *more], False
        yield ["whois", "1703086872:fry", od_config, "--users", folder / "users", *more], False
        yield (
            ["turnserver-conf", od_config, "--check", folder / "turnserver.conf", *more],
            False,
        )
    yield ["turnserver-conf", od_config], False
    yield ["configmap", od_config], True
    yield ["pod", od_config, folder / "pod.yaml", "--user", "fry", "--secret"], True
    yield ["pod", od_config, folder / "pod.yaml", "--user", "fry", "--diff"], True
    yield ["serve", od_config, "--port", "0", "--cert", folder / "no.pem", "--key", "no"], False
    yield ["apply", od_config, "--kubeconfig", folder / "no-kubeconfig"], False


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=OD_CONFIGS, text=TEXTS)
def test_no_text_in_an_od_config_is_obeyed_and_no_secret_shown(
    folder: Path, place: Tuple[str, str], text: str
) -> None:
    od_config = folder / "od.config"
    od_config.write_bytes(od_config_text(place, text).encode())
    for line, is_content in commands(od_config):
        done = run(*line)
        check_harmless(line, done, is_content)
        shown = done.err if is_content else done.out + done.err
        assert MARK not in shown, (line, shown)
        if "--json" in line and done.out:
            json.loads(done.out)


# turnserver.conf

CONF_LINES = [
    *("@", "# @", "@=1", "static-auth-secret=@", "static-auth-secret@", "use-auth-secret@", "-@"),
    *(
        "realm=@",
        "server-name=@",
        "cert=@",
        "pkey=@",
        "pkey-pwd=@",
        "listening-ip=@",
        "cli-password=@",
    ),
    *("external-ip=@", "external-ip=192.0.2.1/@", "relay-ip=@", "denied-peer-ip=@", "min-port=@"),
    *("allowed-peer-ip=@", "alternate-server=@", "cipher-list=@", "aux-server=@", "proc-user=@"),
    *("rest-api-separator=@", "allocation-default-address-family=@", "max-bps=@", "user=fry:@"),
    *("redis-userdb=@", "no-udp=@", "listening-ip=::1\nallocation-default-address-family=@"),
]


@settings(max_examples=25, deadline=None)
@given(line=st.sampled_from(CONF_LINES), text=TEXTS, as_option=st.booleans())
def test_no_text_in_a_turnserver_conf_is_obeyed_and_no_secret_shown(
    folder: Path, line: str, text: str, as_option: bool
) -> None:
    od_config, conf = folder / "good.config", folder / "hostile.conf"
    od_config.write_text(od_config_text(("", ""), ""))
    written = line.replace("@", text)
    conf.write_bytes(b"use-auth-secret\n" if as_option else written.encode())
    option = [f"--option={written}"] if as_option and "\0" not in written else []
    for more in ([], ["--json"]):
        arguments = ["turnserver-conf", od_config, "--check", conf, *option, *more]
        done = run(*arguments)
        check_harmless(arguments, done)
        assert done.status in (0, 1)
        assert MARK not in done.out + done.err, (arguments, done)


# manifests

MANIFESTS = [
    *("@", "@: 1", "# @\n" + POD, "kind: @", "kind: '@'", "kind: Pod\n@: [", "a: *@", "a: &@ &@ 1"),
    *(
        "a: !@ 1",
        "a: !!@ 1",
        "%TAG ! @\n---\na: 1",
        "a: {@: 1, @: 1}",
        "a: '@",
        'a: "\\@"',
        "? [@]\n: 1",
    ),
    "kind: Pod\nmetadata: {name: '@'}\nspec: {containers: [{name: '@', image: '@'}]}",
    "kind: Pod\nmetadata: {labels: {access_userid: '@'}}\nspec: {containers: [{name: a}]}",
    "kind: Pod\nspec: {containers: [{name: a, env: [{name: '@'}, {value: '@'}]}]}",
    "kind: Pod\nspec: {containers: {'@': '@'}}",
    "kind: List\nitems: ['@']",
    '{"kind": "@"}',
    '{"kind": "Pod", "@": ',
    '{"kind": "Pod", "spec": {"containers": [{"name": "@"}]}, "metadata": {"name": "@"}}',
]


@settings(max_examples=25, deadline=None)
@given(manifest=st.sampled_from(MANIFESTS), text=TEXTS)
def test_no_text_in_a_manifest_is_obeyed_and_no_secret_in_a_message(
    folder: Path, manifest: str, text: str
) -> None:
    od_config, pod = folder / "good.config", folder / "hostile.yaml"
    od_config.write_text(od_config_text(("", ""), ""))
    pod.write_bytes(manifest.replace("@", text).encode())
    for more in ([], ["--diff"], ["--secret"]):
        arguments = ["pod", od_config, pod, *more]
        done = run(*arguments)
        check_harmless(arguments, done, is_content=True)
        assert done.status in (0, 1)
        assert MARK not in done.err, (arguments, done)


# names of files, variables, arguments

NAMES = TEXTS.filter(lambda text: "\0" not in text)


@settings(max_examples=8, deadline=None)
@given(name=NAMES)
def test_no_name_of_a_file_is_obeyed(folder: Path, name: str) -> None:
    place = folder / f"of {name}"
    place.mkdir(exist_ok=True)
    good, secrets, bad = place / "od.config", place / "secrets", place / "bad.config"
    good.write_text(od_config_text(("", ""), ""))
    secrets.write_text("another-secret-of-this-coturn\n")
    bad.write_text("[global]\nwebrtc.enable: 1\n")
    (place / "pod.yaml").write_text(POD)
    lines: List[List[object]] = [
        *(["check", bad], ["check", place / "no.config"], ["mint", bad], ["configmap", place]),
        *(["pod", good, place / "no.yaml"], ["pod", good, bad], ["serve", good]),
        ["turnserver-conf", good, "--check", place / "no.conf"],
        ["turnserver-conf", good, "--output", place / "no" / "turnserver.conf"],
        ["turnserver-conf", good, "--cert", place / "c.pem"],
        *(["rotate", "plan", good], ["rotate", "plan", good, "--database", place, "--realm", name]),
        ["rotate", "new-secret", "--from", secrets, "--format", "turnadmin"],
        ["rotate", "new-secret", "--from", place / "none"],
        ["rotate", "new-secret", "--output", place / "no" / "new"],
        ["rotate", "check", good, "--new", place / "none"],
        ["whois", f"1703086872:{'a' * 32}", good, "--users", place / "none"],
        ["whois", f"1703086872:{name}", good],
        ["mint", good, "--user", name],
        ["probe", good, "--ca", secrets],
        ["apply", good, "--kubeconfig", place / "none"],
        ["apply", good, "--kubeconfig", secrets, "--context", name],
        ["networkpolicy", good, "--name", name],
        [name],
    ]
    for line in lines:
        check_harmless(line, run(*line), is_content="--cert" in line)


# the log of serve


def test_a_line_of_any_library_in_the_log_of_serve_is_one_line() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLine("%(levelname)s: %(message)s"))
    try:
        raise ValueError("\x1b]0;owned\x07\n\u202e")
    except ValueError:
        record = logging.LogRecord("x", logging.INFO, "", 0, "%s", ("a\x1b\nb",), sys.exc_info())
    handler.handle(record)
    first, *others = stream.getvalue().split("\n")
    assert first == r"INFO: a\x1b\nb"
    assert others[0] == "Traceback (most recent call last):"
    assert others[-2] == r"\u202e"
    assert others[-3] == r"ValueError: \x1b]0;owned\x07"
    assert all(line.isprintable() for line in others)


def test_a_secret_in_place_of_the_name_of_a_file_is_not_shown(folder: Path) -> None:
    od_config = folder / "good.config"
    od_config.write_text(od_config_text(("", ""), ""))
    for line in (
        ["rotate", "new-secret", "--from", MARK],
        ["rotate", "new-secret", "--keep", MARK],
        ["rotate", "check", od_config, "--new", MARK],
        ["whois", f"1703086872:{'a' * 32}", od_config, "--users", MARK],
        ["pod", od_config, MARK],
    ):
        done = run(*line)
        assert done.status == 3
        assert MARK not in done.out + done.err
        assert "(a name that is like a secret): error: can't be read: No such file" in done.err
