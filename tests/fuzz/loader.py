"""Target: the reader of od.config, and the configuration made from it."""

from __future__ import annotations

import atexit
import codecs
import io
import json
import os
import shutil
import tempfile
import unicodedata  # noqa: F401, else "\\N{...}" in a literal would import it
from random import Random
from typing import Any, Iterator, Optional, Sequence, Tuple
from unittest import mock

from cherrypy.lib.reprconf import Parser

from abcwebrtc import build_rtc_configuration, desktop_environment, verify_turn_credentials
from abcwebrtc.config.frozen import thaw
from abcwebrtc.config.ice_servers import public_rtc_configuration
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import ConfigError, CredentialError
from abcwebrtc.odconfig import ini
from abcwebrtc.odconfig.ini import DEFAULT_SECTION, Budget, IniReader, Interpolation
from abcwebrtc.odconfig.literals import parse_literal
from abcwebrtc.odconfig.reader import OdConfig, load_od_config, read_sections
from abcwebrtc.odconfig.value_tokens import LiteralError
from abcwebrtc.odconfig.whole_file import pyos_problems
from abcwebrtc.turn.selection import choose
from fuzz.common import (
    MARK,
    NOW,
    assert_placed,
    assert_silent,
    everything_about,
    nothing_but,
    opens,
    reads,
    splice,
)

MAX_LENGTH = 4096
RUNS = 25_000
MAX_GROWTH = 64 * 1024
"""Less than the reader's own limit, so that inputs reach it within milliseconds."""
USER, LABELS = "alice", ("paris",)
for _name in ("utf-16", "utf-16-le", "utf-16-be"):
    codecs.lookup(_name)  # else decoding an od.config would import it
FOLDER = tempfile.mkdtemp(prefix="abcwebrtc-fuzz-")
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
FILE = os.path.join(FOLDER, "od.config")
ENVIRONMENT = {"TURN_SECRET": MARK}
SECRET_KEYS = ("secret", "pseudonym_key", "credential")
_KINDS = ("{}", "[]", "''", "None", "True", "3600", "1.5", "-1", "()", "b'a'", "1e999", "1j", "2")
_NAMES = (
    *("webrtc.enable", "webrtc.coturn", "webrtc.rtc_configuration", "webrtc.rtc_constraints"),
    *("webrtc.desktop", "desktop.envlocal", "desktop.pod", "jwt_token_user", "webrtc.other"),
    *("webrtc.coturn_servers", "webrtc.policies"),
)
_KEYS = (
    *("coturn_static_auth_secret", "coturn_static_auth_secret_file", "ttl", "protocol", "url"),
    *("coturn_static_auth_secret_env", "transport", "username", "pseudonym_key", "iceServers"),
    *("urls", "credential", "iceTransportPolicy", "turn", "stun_server", "STUN_SERVER", "sound"),
    *("image", "acl", "permit", "deny", "enable", "tcpport", "resources", "limits", "requests"),
    *("memory", "cpu", "securityContext", "runAsUser", "imagePullSecrets", "imagePullPolicy"),
    *("audio", "video", "jwtuserpublickeyfile", "default", "name", "capabilities", "add"),
    *("weight", "drain"),
)
_TEXTS = (
    *(MARK, "turn.example.org:3478", "stun:stun.example.org:3478", "turn:turn.example.org"),
    *("turns", "udp", "tcp", "pseudonym", "userid", "relay", "secrets/secret", "TURN_SECRET"),
    *("stun://stun.example.org:3478", "256Mi", "500m", "{{ uidNumber }}", "all", "a/b:1", "%%"),
    *("paris", "paris-1"),
)
FRAGMENTS = (
    *(f"{name}: " for name in _NAMES),
    *(f"'{key}': " for key in _KEYS),
    *(f"'{text}'" for text in _TEXTS),
    *_KINDS,
    *("[global]", "[DEFAULT]", "[other]", "# ", "; ", "  ", "}", "]", ",", " }", "'''", '"', "\\"),
    *("%(webrtc.coturn)s", "%(a)s", "a: ", "%", "24*3600", "'a'*9", "1+", "__import__('os')"),
    *("os.getpid()", "lambda: 1", "f'{1}'", "rb'", "\\N{DIGIT ONE}", "\\x41", "\\ud800", "\x0c"),
    *("\r", "\x85", "\u2028", "\x00", "\ufeff", "open('a')", "{**{}}", "[1 for a in 'b']"),
    *(
        "os.environ",
        "['a']",
        "(1)",
        ".upper",
        "{1}",
        "true",
        "x.y",
        "-",
        "not ",
        "**",
        "[environment]",
    ),
)
DICTIONARY = FRAGMENTS


def check(data: bytes) -> None:
    """Fail if reading does anything but read, a message shows a secret, or CherryPy differs."""
    with mock.patch.object(ini, "MAX_GROWTH", MAX_GROWTH):
        _check(data)


def _check(data: bytes) -> None:
    prepare(data)
    config, error = _load()
    again, other_error = _load()
    assert (repr(dict(config or {})), str(error)) == (repr(dict(again or {})), str(other_error))
    lines = _count_lines(data)
    _check_whole_file(data, lines)
    if config is None:
        _check_refusal(error, lines)
        return
    assert_placed(config.warnings, FILE, lines)
    assert_silent(repr(config) + repr(config.warnings), MARK)
    _compare_with_cherrypy(data.decode("utf-8"), config)
    if not _names_a_device(config):
        _check_configuration(config, lines)


def _check_whole_file(data: bytes, lines: int) -> None:
    """Check pyos's own entries, which CherryPy would execute."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return
    with nothing_but(opens(FILE)):
        try:
            problems = pyos_problems(read_sections(text, FILE))
        except ConfigError:
            return
    assert_placed(problems, FILE, lines)
    assert_silent(repr(problems), MARK)
    if any(problem.level == "error" for problem in problems):
        assert not _all_literals(text) or "[environment]" in problems[0].message


def prepare(data: bytes) -> None:
    if not os.path.isdir(os.path.join(FOLDER, "secrets")):
        os.mkdir(os.path.join(FOLDER, "secrets"))
        with open(os.path.join(FOLDER, "secrets", "secret"), "w") as stream:
            stream.write(f"{MARK}\n")
    with open(FILE, "wb") as stream:
        stream.write(data)


def _count_lines(data: bytes) -> int:
    text = data.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
    return text.count("\n") + 1


def _load() -> Tuple[Optional[OdConfig], Optional[ConfigError]]:
    with nothing_but(opens(FILE)):
        try:
            return load_od_config(FILE), None
        except ConfigError as error:
            return None, error


def _check_refusal(error: Optional[ConfigError], lines: int) -> None:
    assert error is not None
    assert error.problems
    assert_placed(error.problems, FILE, lines)
    assert_silent(everything_about(error), MARK)
    for problem in error.problems:
        placed = problem.line is not None
        assert placed or "no [global]" in problem.message or "larger" in problem.message, problem


# compared with CherryPy


def _compare_with_cherrypy(text: str, config: OdConfig) -> None:
    """Compare with what pyos reads, if the whole file holds only literals.

    CherryPy executes anything else; the audit hook is a second safeguard.
    """
    if config.warnings or not _all_literals(text):
        return
    with nothing_but(opens(FILE)):
        parser = Parser()
        parser.read_file(io.StringIO(text, newline=None))
        theirs = parser.as_dict()["global"]
    for name, value in config.items():
        assert repr(theirs[name]) == repr(value), f"CherryPy reads {name} otherwise"


def _all_literals(text: str) -> bool:
    reader = IniReader(text, "od.config")
    if tuple(reader.errors):
        return False
    budget = Budget()
    try:
        for section in reader.sections:
            if section != DEFAULT_SECTION:
                names = Interpolation(reader.sections, section, "od.config", budget)
                for entry in names.entries.values():
                    names.check(entry)
                    parse_literal(names.expand(entry), (entry.key,), budget)
    except (ConfigError, LiteralError):
        return False
    return True


# the configuration


def _strings(value: Any, wanted: Tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the texts in plain data, except values of keys that name secrets."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            if not any(word in str(key) for word in wanted):
                yield from _strings(item, wanted)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item, wanted)
    else:
        yield str(value)


def _shown_strings(mapping: OdConfig) -> Iterator[str]:
    """Yield the texts that are not secrets in their place."""
    for name, value in mapping.items():
        hidden = name in ("webrtc.coturn", "webrtc.rtc_configuration")
        yield from _strings(value, SECRET_KEYS if hidden else ())


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield repr(key)
            yield from _keys(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _keys(item)


def _names_a_device(config: OdConfig) -> bool:
    """Return whether a text could name a file that blocks, or that changes when read."""
    return any(word in text for text in _strings(config) for word in ("proc", "sys", "dev"))


def _check_configuration(mapping: OdConfig, lines: int) -> None:
    mark_in_key = any(MARK in key for key in _keys(mapping))  # messages show keys, not values
    try:
        with nothing_but(reads):
            config = WebRTCConfig.from_mapping(mapping, ENVIRONMENT, NOW, FOLDER)
    except ConfigError as error:
        found = (*error.problems, *error.warnings)
        assert_placed(found, FILE, lines)
        assert_silent("" if mark_in_key else everything_about(error) + repr(found), MARK)
        return
    assert_placed(config.warnings, FILE, lines)
    assert_silent("" if mark_in_key else repr(config.warnings), MARK)
    only_secret = not any(MARK in text for text in _shown_strings(mapping))
    assert_silent(repr(config) if only_secret else "", MARK)
    public = public_rtc_configuration(config.rtc_configuration)
    assert not any("credential" in server for server in public["iceServers"])
    _check_answers(config, only_secret)


def _check_answers(config: WebRTCConfig, only_secret: bool) -> None:
    """Build what browsers and desktops get."""
    for labels in ((), LABELS):
        _check_answer(config, labels, only_secret)


def _check_answer(config: WebRTCConfig, labels: Sequence[str], only_secret: bool) -> None:
    chosen = choose(config, USER, labels)
    try:
        variables = desktop_environment(config, USER, NOW, labels=labels)
        answer = build_rtc_configuration(config, USER, NOW, labels=labels)
    except CredentialError as error:
        assert_silent(everything_about(error), MARK)
        return
    for value in variables.values():
        assert value, "an empty variable breaks webrtcbin"
        assert value.isascii(), value
        assert not any(char.isspace() for char in value), value
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
    static = thaw(config.rtc_configuration)["iceServers"]
    fresh = answer["iceServers"][len(static) :]
    assert answer["iceServers"][: len(static)] == static
    assert len(fresh) == len(chosen.servers) <= len(config.coturn)
    assert len(fresh) <= (config.coturn_servers or len(fresh))
    assert all(server.permits(labels) for server in chosen.servers)
    if config.gives_all:
        assert chosen.servers == config.coturn
    assert_silent(repr((fresh, variables)) if only_secret else "", MARK)
    for server, entry in zip(chosen.servers, fresh):
        login = (server.secrets.current(), entry["username"], entry["credential"])
        end = NOW + chosen.ttl_of(server)
        assert verify_turn_credentials(*login, end)
        assert not verify_turn_credentials(*login, end + 1)


# mutations


def mutate(data: bytes, random: Random) -> bytes:
    return splice(data, random, FRAGMENTS)


def generate(random: Random) -> bytes:
    """Return an od.config with random nestings of texts, numbers and known keys."""
    lines = ["[global]"]
    for name in random.sample(_NAMES, random.randrange(1, 4)):
        sign = random.choice((": ", " = ", ":\t"))
        lines.append(name + sign + _literal(random, 4))
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _literal(random: Random, depth: int) -> str:
    choice = random.randrange(8) if depth else 0
    blank = random.choice((" ", "", "\n  ", "  # a\n "))
    if choice < 2:
        sign, join = random.choice(("", "", "-")), random.choice(("", "", "", " + ", " * "))
        return sign + random.choice(_KINDS) + (join and join + random.choice(_KINDS))
    if choice < 4:
        return repr(random.choice(_TEXTS))
    items = range(random.randrange(4))
    if choice < 7:
        keys = [repr(random.choice(_KEYS)) for _ in items]
        return "{" + "".join(f"{blank}{k}: {_literal(random, depth - 1)}," for k in keys) + " }"
    return "[" + "".join(f"{blank}{_literal(random, depth - 1)}," for _ in items) + " ]"
