"""One run finds every fault of an od.config: none hides another, and the advice fits each."""

from __future__ import annotations

import io
import itertools
import random
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple

import pytest

from abcwebrtc.config.checked_file import check_file
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import ConfigError, Problem
from abcwebrtc.odconfig.source import OdConfigStream

SECRET = "k7Qx2mV9pL4sR8tW"


class Fault(NamedTuple):
    """A fault, what is said of it, and in which line of its entry."""

    entry: str
    words: str
    line: int = 1


SOUND = {
    "enable": Fault("webrtc.enable: True", ""),
    "coturn": Fault(
        "webrtc.coturn: {\n"
        f"  'coturn_static_auth_secret': '{SECRET}',\n"
        "  'ttl': 3600,\n"
        "  'protocol': 'turns',\n"
        "  'url': 'turn.domain.local:3478' }",
        "",
    ),
    "rtc": Fault(
        "webrtc.rtc_configuration: { 'iceServers': [\n  { 'urls': 'stun:a.example:3478' } ] }",
        "",
    ),
    "constraints": Fault("webrtc.rtc_constraints: { 'video': False, 'audio': True }", ""),
    "envlocal": Fault(
        "desktop.envlocal: {\n  'STUN_SERVER': 'stun://stun.example.org:3478',\n  }", ""
    ),
    "language": Fault("language: [ 'en', 'fr' ]", ""),
    "fail2ban": Fault("fail2ban: {\n  'enable': True,\n  'banexpireafterseconds': 1800 }", ""),
}


def coturn(old: str, new: str, words: str, line: int) -> Fault:
    """Return the entry of coturn with a fault in it."""
    assert old in SOUND["coturn"].entry
    return Fault(SOUND["coturn"].entry.replace(old, new), words, line)


# What is wrong in an entry, alone.
FAULTS: Dict[str, List[Fault]] = {
    "enable": [
        Fault("webrtc.enable: true", "write True"),
        Fault("webrtc.enable: Tru", "write True"),
        Fault("webrtc.enable: yes", "write True"),
        Fault("webrtc.enable: Flase", "write False"),
        Fault("webrtc.enable: off", "write False"),
        Fault("webrtc.enable: TRUE", "write True"),
        Fault("webrtc.enable: rue", "must be True or False"),
        Fault("webrtc.enable: 'True'", "must be True or False without quotes"),
        Fault("webrtc.enable:: True", "a ':' too many"),
        Fault("webrtc.enable: True,", "not a tuple (remove the comma)"),
        Fault("webrtc.enable: True;", "remove it, or write '#' before a comment"),
        Fault("webrtc.enable: on#x", "must be True or False, without quotes; write True"),
        Fault("webrtc.enable:", "not an empty text"),
        Fault("webrtc.enable True", "neither 'key: value' nor a section"),
    ],
    "coturn": [
        coturn("3600", "'3600'", "must be a whole number of seconds", 3),
        coturn("3600", "3600s", "'ttl' must be a whole number of seconds, such as", 3),
        coturn("3600", "1h", "'ttl' must be a whole number of seconds, such as", 3),
        coturn("3600", "3,600", "write it without a comma", 3),
        coturn("3600", "none", "'ttl' must be a whole number of seconds, such as", 3),
        coturn("3600", "null", "'ttl' must be a whole number of seconds, such as", 3),
        coturn("3600,", "3600", "a comma is missing", 3),
        coturn("'turns',", "'turns'", "a comma is missing", 4),
        coturn("'turns'", "turns", "put text in quotes", 4),
        coturn("'turns'", "'turns", "quote", 4),
        coturn("'turns'", "turns'", "quote", 4),
        coturn("'turns'", "\u2018turns\u2019", "curly", 4),
        coturn("'turns'", "\u201cturns\u201d", "curly", 4),
        coturn("'turns'", "`turns`", "straight", 4),
        coturn("'turns'", "'http'", "must be 'turn' or 'turns'", 4),
        coturn("'ttl':", "'ttl' =", "not '='", 3),
        coturn("'ttl':", "'ttl'=", "not '='", 3),
        coturn("'ttl':", "'ttl' =>", "not '=>'", 3),
        coturn("'ttl':", "'ttl'", "':' is missing", 3),
        coturn("'ttl':", "ttl:", "put the key in quotes", 3),
        coturn("'ttl'", "'tll'", "did you mean 'ttl'?", 3),
        coturn("3600,", "3600, // an hour", "begins with '#'", 3),
        coturn("3600,", "3600; an hour\n", "not ';'", 3),
        coturn("3600,", "3600, /* an hour */", "begins with '#'", 3),
        coturn("'turn.domain.local:3478'", "turn.domain.local:3478", "put text in quotes", 5),
        coturn("'turn.domain.local:3478'", "'turn.domain.local:99999'", "port", 5),
        coturn("3478' }", "3478'", "not closed", 1),
        coturn("3478' }", "3478' } }", "closes no open bracket", 5),
        coturn("3478' }", "3478' ]", "closed by ']'", 1),
        coturn("{\n", "\n", "'{' is missing", 1),
        coturn("3478' }", "3478' } and more", "remove it, or write '#' before a comment", 5),
        coturn("3478' }", "3478' }\n  { 'url': 'b' }", "for several dicts write a list", 6),
        coturn("local:3478'", "local': 3478", "put it in the quotes, 'host:port'", 5),
        coturn("'turn.domain.local:3478' }", "turn.domain#local }", "a '#' begins a comment", 5),
        coturn(f"'{SECRET}'", f"{SECRET}#x", "a '#' begins a comment; put text in quotes", 2),
        coturn("3600", "03600", "can't begin with 0; remove the 0", 3),
        coturn(f"'{SECRET}'", "01234567890123456", "can't begin with 0; put text in quotes", 2),
        coturn("'ttl':", "'ttl'::", "a ':' too many", 3),
        coturn("'turn.domain", ": 'turn.domain", "a ':' too many", 5),
        coturn("'turn.domain.local:3478'", "[ 'a', 'b:3478 ]", "quote", 5),
        coturn("'ttl'", "'ttl", "a quote is not closed", 3),
        coturn("'ttl'", "ttl'", "a quote is not closed", 3),
        coturn("3600,", "3600#s,", "a comma is missing", 3),
        coturn(f"'{SECRET}'", SECRET, "put text in quotes", 2),
        coturn(f"'{SECRET}'", f"'{SECRET}%'", "'%%'", 2),
        coturn(f"'{SECRET}'", f"'%({SECRET})s'", "names no entry", 2),
        coturn("  'ttl'", "'ttl'", "indent it", 3),
        coturn("3600", "-1", "1 second", 3),
    ],
    "rtc": [
        Fault(
            "webrtc.rtc_configuration: { 'iceServers': [\n  { 'urls': stun:stun.example.org } ] }",
            "put text in quotes",
            2,
        ),
        Fault(
            "webrtc.rtc_configuration: { 'iceServers': [\n  { 'urls': 'stun:a.example' } }",
            "closed by '}'",
        ),
        Fault(
            "webrtc.rtc_configuration: { 'iceServers': [\n  { 'urls': 'stun:a.example' } ]",
            "not closed",
        ),
        Fault(
            "webrtc.rtc_configuration: {'iceServers': [ {'urls': 'http://a'} ] }", "must begin with"
        ),
    ],
    "constraints": [
        Fault("webrtc.rtc_constraints: { 'video': false, 'audio': True }", "write False"),
        Fault("webrtc.rtc_constraints: { 'video': 1, 'audio': True }", "must be True, False"),
        Fault("webrtc.rtc_constraints: { 'video', 'audio': True }", "a key without a value"),
    ],
    "envlocal": [
        Fault("desktop.envlocal: {\n  'STUN_SERVER': 'stun:stun.example.org' }", "browser's", 2),
        Fault("desktop.envlocal: {\n  STUN_SERVER: 'stun://stun.example.org' }", "the key in", 2),
        Fault("desktop.envlocal: {\n  'STUN_SERVER': 'stun://stun.example.org' )", "closed by ')'"),
    ],
    "language": [
        Fault("language: [ 'en', fr ]", "put text in quotes"),
        Fault("language: [ 'en' 5 ]", "a comma is missing"),
        Fault("language: [ 'en', 'fr'", "not closed"),
        Fault("language: [ 'en', 'fr' ]]", "closes no open bracket"),
        Fault("language: [ 'en', 'fr ]", "quote"),
        Fault("language: [ 'en', '100%' ]", "'%%'"),
    ],
    "fail2ban": [
        Fault("fail2ban: {\n  'enable': true,\n  'banexpireafterseconds': 1800 }", "write True", 2),
        Fault("fail2ban: {\n  'enable': Tru,\n  'banexpireafterseconds': 1800 }", "write True", 2),
        Fault("fail2ban: {\n  'enable' = True,\n  'banexpireafterseconds': 1800 }", "not '='", 2),
        Fault("fail2ban: {\n  'enable': True\n  'banexpireafterseconds': 1800 }", "a comma is", 2),
    ],
}
Expected = List[Tuple[int, str]]


def found(text: str) -> List[Problem]:
    """Return the errors that one check finds."""
    checked = check_file(OdConfigStream(io.BytesIO(text.encode())))
    return list(checked.of_level("error"))


def file_of(faults: Dict[str, Fault]) -> Tuple[str, Expected]:
    """Return an od.config with these faults, each with its line and what is said of it."""
    lines, expected = ["[global]"], []
    for name, sound in SOUND.items():
        fault = faults.get(name, sound)
        if fault.words:
            expected.append((len(lines) + fault.line, fault.words))
        lines += fault.entry.split("\n")
    return "\n".join(lines) + "\n", expected


def assert_said(text: str, expected: Expected) -> None:
    """Hold that each of these is said once, and nothing else."""
    problems = sorted(found(text), key=lambda problem: problem.line or 0)
    shown = "\n".join(map(str, problems))
    for line, words in expected:
        assert [one for one in problems if one.line == line and words in one.message], (
            f"{words!r} in line {line}, not:\n{shown}\n{text}"
        )
    assert len(problems) == len(expected), f"{shown}\n{text}"
    assert SECRET not in shown


@pytest.mark.parametrize(
    ("name", "number"), [(name, n) for name, faults in FAULTS.items() for n in range(len(faults))]
)
def test_a_fault_alone_is_said_once_with_advice_that_fits(name: str, number: int) -> None:
    assert_said(*file_of({name: FAULTS[name][number]}))


COTURN = "webrtc.coturn: { 'url': 'a.example', 'coturn_static_auth_secret': 'k7Qx2mV9pL4sR8tW',\n  "
NO_TEXT = [
    ("webrtc.enable: rue", "must be True or False, without quotes"),
    ("webrtc.enable: yes", "must be True or False, without quotes; write True"),
    ("webrtc.coturn_servers: two", "must be a whole number, such as 2"),
    ("webrtc.coturn: turn.example:3478", "must be a dict, or a list of dicts"),
    ("webrtc.policies: relay", "must be a list of dicts"),
    (COTURN + "'drain': yes }", "'drain' must be True or False, without quotes; write True"),
    (COTURN + "'drain': sometimes }", "'drain' must be True or False, without quotes"),
    (COTURN + "'ttl': hour }", "'ttl' must be a whole number of seconds, such as 3600"),
    (COTURN + "'ttl': off }", "'ttl' must be a whole number of seconds, such as 3600"),
    (COTURN + "'weight': heavy }", "'weight' must be a number, such as 2"),
    (COTURN + "'acl': all }", "'acl' must be a dict such as { 'permit': [ 'all' ] }"),
    (
        COTURN + "'acl': { 'permit': paris } }",
        "'permit' must be a list of label names, such as [ 'all' ]",
    ),
    (
        "webrtc.desktop: {\n  'turn': on }",
        "'turn' must be True or False, without quotes; write True",
    ),
    ("webrtc.rtc_configuration: stun:a.example", "must be a dict"),
    (
        "webrtc.rtc_configuration: {\n  'iceServers': stun:a.example }",
        "'iceServers' must be a list such as [ { 'urls': 'stun:stun.domain.local' } ]",
    ),
    (
        "webrtc.rtc_configuration: {\n  'iceCandidatePoolSize': ten }",
        "'iceCandidatePoolSize' must be a whole number from 0 to 255, such as 0",
    ),
    ("webrtc.desktop: on", "must be a dict such as { 'turn': True }"),
    (
        "desktop.pod: { 'sound': { 'image': 'oc.pulseaudio:3.2',\n  'enable': Ture } }",
        "'enable' must be True or False, without quotes; write True",
    ),
]


@pytest.mark.parametrize(("entry", "message"), NO_TEXT, ids=[entry[-20:] for entry, _ in NO_TEXT])
def test_a_word_where_no_text_can_be_is_said_once_and_quotes_are_no_advice(
    entry: str, message: str
) -> None:
    problems = found(f"[global]\n{entry}\n")
    assert [(problem.line, problem.message) for problem in problems] == [
        (2 + entry.count("\n"), message)
    ]


def test_where_text_can_be_quotes_are_the_advice() -> None:
    for entry in ("desktop.envlocal: { 'ttl': hour }", "jwt_token_user: { 'turn': hour }"):
        [problem] = found(f"[global]\n{entry}\n")
        assert "put text in quotes" in problem.message


@pytest.mark.parametrize("names", list(itertools.combinations(FAULTS, 2)), ids="-".join)
def test_two_faults_in_two_entries_are_both_said(names: Tuple[str, str]) -> None:
    one, other = (FAULTS[name] for name in names)
    for number in range(max(len(one), len(other))):
        pair = (one[number % len(one)], other[number % len(other)])
        assert_said(*file_of(dict(zip(names, pair))))


@pytest.mark.parametrize("seed", range(40))
def test_a_fault_in_every_entry_is_said(seed: int) -> None:
    chosen = random.Random(seed)
    assert_said(*file_of({name: chosen.choice(faults) for name, faults in FAULTS.items()}))


def test_faults_between_the_entries_hide_nothing() -> None:
    text = """\
webrtc.enable: tru
[global]
language: 'a
desktop.envlocal: { 'STUN_SERVER': 'stun:a.example' }
webrtc.coturn: { 'ttl': '1', 'url': 'a.example', 'coturn_static_auth_secret': '0123456789abcdef' }
nothing
webrtc.coturn: { 'ttl': 5, 'url': 'http://a.example', 'coturn_static_auth_secret': no }
[other]
a: '%'
[global]
webrtc.rtc_constraints: [ nope ]
"""
    assert_said(
        text,
        [
            (1, "before the first section"),
            (1, "write True"),
            (3, "quote"),
            (4, "browser's"),
            (5, "whole number"),
            (6, "neither"),
            (7, "given twice"),
            (7, "host:port alone"),
            (7, "write False"),
            (9, "'%%'"),
            (10, "given twice"),
            (11, "put text in quotes"),
            (11, "must be a dict"),
        ],
    )


@pytest.mark.parametrize("source", ["file", "mapping"])
def test_from_file_and_from_mapping_say_all_too(source: str, tmp_path) -> None:
    text, expected = file_of({name: faults[0] for name, faults in FAULTS.items()})
    if source == "mapping":
        mapping = {
            "webrtc.enable": 1,
            "webrtc.coturn": {"ttl": "a", "protocol": 1, "coturn_static_auth_secret": ["", 5]},
            "webrtc.rtc_configuration": {
                "iceServers": [{"urls": "turn:a", "username": "", "credential": None}]
            },
        }
        with pytest.raises(ConfigError) as caught:
            WebRTCConfig.from_mapping(mapping)
        assert {problem.path.replace("webrtc.", "") for problem in caught.value.problems} == {
            "enable",
            "coturn.ttl",
            "coturn.protocol",
            "coturn.url",
            "coturn.coturn_static_auth_secret[0]",
            "coturn.coturn_static_auth_secret[1]",
            "rtc_configuration.iceServers[0].username",
            "rtc_configuration.iceServers[0].credential",
        }
        return
    path = tmp_path / "od.config"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        WebRTCConfig.from_file(path)
    lines = {problem.line for problem in caught.value.problems}
    assert lines == {line for line, _ in expected[:-2]}  # the last two are pyos's own


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            "[\n  'url': 'a.example.org' }, {\n  'url': 'b' } ]",
            [(3, "a ':' in a list; write a dict")],
        ),
        ("[ {\n  url': 'a.example.org' } ]", [(3, "a quote is not closed")]),
        ("[ {\n  'url': [ a.example.org', 'b.example.org' ] } ]", [(3, "a quote is not closed")]),
        ("{ 'url': 'a',\n  acl': { 'permit': [ 'a' ] },\n  'ttl': 1 }", [(3, "a quote is not")]),
        ("{ 'url': 'a',\n  'acl: { 'permit': [ 'a' ] },\n  'ttl': 1 }", [(3, "a quote is not")]),
        ("[ { 'acl':\n  'permit': [ 'a' ] } } ]", [(2, "is closed by '}' in line 3; write ']'")]),
        ("{ 'url':  'a.example.org' ] }", [(2, "this '{' is closed by ']'")]),
        (
            "{ 'ttl': Tru,\n  'url': [ 'a.example.org',\n  'ttl': 5 }",
            [(2, "must be a whole number"), (3, "'['")],
        ),
        ("{ 'url': 'a.example.org' } }", [(2, "'}' closes no open bracket")]),
    ],
)
def test_what_follows_a_bracket_that_has_no_partner_is_not_guessed_at(
    value: str, said: List[Tuple[int, str]], tmp_path: Path
) -> None:
    """Its cure would be the wrong one; what stands before it is said."""
    path = tmp_path / "od.config"
    path.write_text(f"[global]\nwebrtc.coturn: {value}\nwebrtc.enable: 1\n")
    errors = [one for one in check_file(path).problems if one.level == "error"]
    assert "webrtc.enable" in [one.path for one in errors]
    found = [one for one in errors if one.path == "webrtc.coturn"]
    assert [one.line for one in found] == [line for line, _ in said]
    assert all(words in one.message for one, (_, words) in zip(found, said))


CODE = [
    *("open('/run/secret').read()", "os.environ['TURN_SECRET']", "'a b'.split()", "str(1) + 'a'"),
    *("'-'.join([ 'a', 'b' ]).strip()", "f(\n  1)"),
]


@pytest.mark.parametrize("code", CODE)
def test_code_that_cherrypy_would_run_is_called_code(code: str, tmp_path: Path) -> None:
    """In quotes, it would be the secret."""
    path = tmp_path / "od.config"
    start = f"[global]\nwebrtc.coturn: {{ 'coturn_static_auth_secret': {code},\n"
    path.write_text(f"{start}  'ttl': tru, 'url': 'turn.example.org' }}\n")
    code_found, ttl_found = (one for one in check_file(path).problems if one.level == "error")
    assert (code_found.line, ttl_found.line) == (2, start.count("\n") + 1)
    assert code_found.message.startswith("Python code is not run here; write the value itself")
    assert "must be a whole number" in ttl_found.message


@pytest.mark.parametrize("value", ["{ 'a': ''.lower(), 'b': tru }", "{ 'a': ''.b, 'b': 1 }"])
def test_a_method_or_an_attribute_opens_no_bracket(value: str, tmp_path: Path) -> None:
    path = tmp_path / "od.config"
    for name in ("webrtc.coturn", "language"):
        path.write_text(f"[global]\n{name}: {value}\n")
        errors = [one for one in check_file(path).problems if one.level == "error"]
        assert errors
        assert not any("not closed" in one.message for one in errors)


@pytest.mark.parametrize("labels", ["{ 'a' }", "[ 'a' ] + x", "[ x for x in 'a' ]", "set()"])
def test_labels_that_cannot_be_read_permit_perhaps_somebody(labels: str) -> None:
    acl = f"'acl': {{ 'permit': {labels} }}"
    server = f"'url': 'a', 'coturn_static_auth_secret': '{SECRET}', {acl}"
    lines = [
        "[global]",
        f"webrtc.coturn: [ {{ {server} }}, {{ 'url': 'b', 'acl': {{}} }} ]",
        f"webrtc.policies: [ {{ {acl}, 'ttl': 900 }}, {{ {acl}, 'ttl': 600 }} ]",
        f"webrtc.desktop: {{ 'turn': True, {acl} }}",
    ]
    checked = check_file(OdConfigStream(io.BytesIO("\n".join(lines).encode("utf-8"))))
    found = [str(one) for one in checked.problems if "permits nobody" in one.message]
    words = "permits nobody, so nobody gets this server; write 'permit': [ 'all' ]"
    assert found == [f"stdin:2: webrtc.coturn[1].acl: {words}"]
