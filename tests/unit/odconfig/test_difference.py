"""What differs between two od.configs is told, and no secret of either."""

from __future__ import annotations

import itertools
import re
from typing import List, Tuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from abcwebrtc.config.coturn import KEYS as COTURN_KEYS
from abcwebrtc.config.desktop import KEYS as DESKTOP_KEYS
from abcwebrtc.config.entries import KEYS
from abcwebrtc.odconfig.difference import differences

OLD = """\
[global]
webrtc.enable: True  # on
webrtc.coturn: {
  'coturn_static_auth_secret': 'first',
  'ttl': 3600,
  'url': 'turn.example.org:3478' }
desktop.envlocal: { 'LANG': 'C', 'STUN_SERVER': 'stun://stun.example.org:3478' }
mongodburl: 'mongodb://db:27017'
"""
UNREADABLE = " (one of the two can't be read as an od.config)"
CHANGES: List[Tuple[str, str, List[str]]] = [
    ("# on", "# still on", []),
    ("\n", "\r\n", []),
    ("'ttl': 3600,", "\n 'ttl' : 60 * 60,", []),
    ("True", "1", ["-webrtc.enable: True", "+webrtc.enable: 1"]),
    ("webrtc.enable: True", "", ["-webrtc.enable: True"]),
    ("first", "second", [" webrtc.coturn.coturn_static_auth_secret: (changed)"]),
    ("'first'", "['second', 'first']", [" webrtc.coturn.coturn_static_auth_secret: (changed)"]),
    ("3600", "60", ["-webrtc.coturn.ttl: 3600", "+webrtc.coturn.ttl: 60"]),
    ("3600", "'60'", ["-webrtc.coturn.ttl: 3600", "+webrtc.coturn.ttl: (not shown)"]),
    ("'ttl': 3600,", "", ["-webrtc.coturn.ttl: 3600"]),
    ("'ttl'", "'tll'", ["-webrtc.coturn.ttl: 3600", "+other keys of webrtc.coturn: (not shown)"]),
    (
        "turn.example.org:3478",
        "[2001:db8::1]",
        ["-webrtc.coturn.url: 'turn.example.org:3478'", "+webrtc.coturn.url: '[2001:db8::1]'"],
    ),
    ("'turn.example.org:3478'", "{}", [
        "-webrtc.coturn.url: 'turn.example.org:3478'",
        "+webrtc.coturn.url: (not shown)",
    ]),
    ("stun.example.org", "me:word@stun.example.org", [
        "-desktop.envlocal.STUN_SERVER: 'stun://stun.example.org:3478'",
        "+desktop.envlocal.STUN_SERVER: (not shown)",
    ]),
    ("'C'", "'de'", [" other keys of desktop.envlocal: (changed)"]),
    ("27017", "27018", [" line 8: (changed)"]),
    ("mongodburl", "another", ["-line 8: (not shown)", "+line 8: (not shown)"]),
    ("[global]", "[global]\nlanguage: []", ["+language: (not shown)"]),
    ("[global]\n", "", [UNREADABLE, "-lines 1 to 1: (not shown)"]),
    ("mongodburl: 'mongodb://db:27017'", "broken", [
        UNREADABLE,
        "-lines 8 to 8: (not shown)",
        "+lines 8 to 8: (not shown)",
    ]),
    ("{ 'LANG'", "{{ 'LANG'", [" desktop.envlocal: (changed)"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "other", "lines"), CHANGES)
def test_what_differs_is_told_by_key_path(text: str, other: str, lines: List[str]) -> None:
    assert text in OLD
    assert differences(OLD, OLD.replace(text, other)) == lines


def test_a_new_od_config_is_told_as_a_whole() -> None:
    assert differences("", OLD) == [
        "+webrtc.enable: True",
        "+webrtc.coturn.coturn_static_auth_secret: (not shown)",
        "+webrtc.coturn.ttl: 3600",
        "+webrtc.coturn.url: 'turn.example.org:3478'",
        "+desktop.envlocal.STUN_SERVER: 'stun://stun.example.org:3478'",
        "+other keys of desktop.envlocal: (not shown)",
        "+line 8: (not shown)",
    ]


def test_servers_in_lists_are_told_one_by_one() -> None:
    start = "[global]\nwebrtc.rtc_configuration: { 'iceServers': ["
    ends = ["{ 'urls': 'stun:a.example' }, { 'urls': ['turn:b'], 'username': 'me' } ] }"]
    ends.append("{ 'urls': 'stun:c.example' }, { 'urls': ['turn:b'], 'credential': 'x' }, 5 ] }")
    path = "webrtc.rtc_configuration.iceServers"
    assert differences(*(start + end for end in ends)) == [
        f"-{path}[0].urls: 'stun:a.example'",
        f"+{path}[0].urls: 'stun:c.example'",
        f"-{path}[1].username: (not shown)",
        f"+{path}[1].credential: (not shown)",
        f"+{path}[2]: (not shown)",
    ]


PARIS = "{ 'name': 'paris', 'url': 'a.example', 'ttl': 60, 'coturn_static_auth_secret': 'one' }"
ROME = "{ 'url': ['b.example', 'c.example'], 'ttl': 61, 'coturn_static_auth_secret': 'two' }"
ROME_TLS = "{ 'url': 'b.example', 'protocol': 'turns', 'coturn_static_auth_secret': 'two' }"
OSLO = "{ 'name': 'oslo', 'url': 'd.example', 'coturn_static_auth_secret': 'three' }"
GONE_PARIS = [
    "-webrtc.coturn[0].name: (not shown)",
    "-webrtc.coturn[0].url: 'a.example'",
    "-webrtc.coturn[0].ttl: 60",
    "-webrtc.coturn[0].coturn_static_auth_secret: (not shown)",
]
NEW_OSLO = [
    "+webrtc.coturn[0].name: (not shown)",
    "+webrtc.coturn[0].url: 'd.example'",
    "+webrtc.coturn[0].coturn_static_auth_secret: (not shown)",
]


def at(place: int, lines: List[str]) -> List[str]:
    return [line.replace("[0]", f"[{place}]") for line in lines]


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ([PARIS, ROME], [OSLO, PARIS, ROME], NEW_OSLO),
        ([PARIS, ROME], [PARIS, ROME, OSLO], at(2, NEW_OSLO)),
        ([PARIS, ROME, OSLO], [ROME, OSLO], GONE_PARIS),
        ([PARIS, ROME, ROME_TLS], [ROME, ROME_TLS], GONE_PARIS),
        ([PARIS, ROME], [ROME, OSLO], [*GONE_PARIS, *at(1, NEW_OSLO)]),
        ([PARIS, ROME, OSLO], [OSLO, PARIS, ROME], [" webrtc.coturn[0]: (moved from [2])"]),
        ([PARIS, ROME], [ROME, PARIS], [" webrtc.coturn[0]: (moved from [1])"]),
        (
            [PARIS, ROME],
            [OSLO, PARIS.replace("a.ex", "x.ex"), ROME.replace("two", "2").replace("61", "7")],
            [
                *NEW_OSLO,
                "-webrtc.coturn[0].url: 'a.example'",
                "+webrtc.coturn[1].url: 'x.example'",
                "-webrtc.coturn[1].ttl: 61",
                "+webrtc.coturn[2].ttl: 7",
                " webrtc.coturn[2].coturn_static_auth_secret: (changed)",
            ],
        ),
        (
            [ROME, PARIS],
            [PARIS, ROME.replace("61", "7")],
            [
                " webrtc.coturn[0]: (moved from [1])",
                "-webrtc.coturn[0].ttl: 61",
                "+webrtc.coturn[1].ttl: 7",
            ],
        ),
        (
            [PARIS, ROME],
            [PARIS, ROME.replace("b.ex", "x.ex")],
            ["-webrtc.coturn[1].url[0]: 'b.example'", "+webrtc.coturn[1].url[0]: 'x.example'"],
        ),
        ([PARIS], [PARIS, PARIS], [line.replace("-", "+") for line in at(1, GONE_PARIS)]),
        ([], [OSLO], NEW_OSLO),
        ([PARIS], [], GONE_PARIS),
        (["{}"], [], ["-webrtc.coturn[0]: (not shown)"]),
        (["5", PARIS, "5"], [PARIS, "5"], ["-webrtc.coturn[0]: (not shown)"]),
    ],
)
def test_a_coturn_is_compared_with_the_one_of_its_name_or_first_url(
    before: List[str], after: List[str], lines: List[str]
) -> None:
    texts = [f"[global]\nwebrtc.coturn: [ {', '.join(one)} ]\n" for one in (before, after)]
    assert differences(*texts) == lines


def test_one_coturn_that_becomes_several_is_told() -> None:
    texts = [f"[global]\nwebrtc.coturn: {one}\n" for one in (PARIS, f"[ {OSLO}, {PARIS} ]")]
    assert differences(*texts) == [" webrtc.coturn: (now a list)", *NEW_OSLO]
    assert differences(*texts[::-1]) == [
        " webrtc.coturn: (now a dict)",
        *(line.replace("+", "-") for line in NEW_OSLO),
    ]


def test_more_servers_than_anybody_has_are_compared_by_their_indexes() -> None:
    for number, line in ((1024, "[0]: (moved from [1023])"), (1026, "[0].url: (changed)")):
        servers = [f"{{ 'url': 'a{place}' }}" for place in range(number)]
        before, after = (
            f"[global]\nwebrtc.coturn: [ {', '.join(one)} ]\n" for one in (servers, servers[::-1])
        )
        assert differences(before, after)[0] == f" webrtc.coturn{line}"


@pytest.mark.parametrize("key", [*COTURN_KEYS, *DESKTOP_KEYS])
def test_every_key_of_ours_is_named(key: str) -> None:
    texts = [f"[global]\nwebrtc.coturn: {{ '{key}': 'x y', 'a': {n} }}\n" for n in (1, 2)]
    assert differences("[global]\n", texts[0])[0] == f"+webrtc.coturn.{key}: (not shown)"
    assert differences(*texts) == [" other keys of webrtc.coturn: (changed)"]


@pytest.mark.parametrize("key", KEYS)
def test_every_entry_of_ours_is_named(key: str) -> None:
    assert differences("[global]\n", f"[global]\n{key}: 'x'\n") == [f"+{key}: (not shown)"]


# secrets

MISPLACED = [
    "'url': 'b8cb1c5db8fe4d3bb64f5a2d'",
    "'url': 'QhZjXkWv9QhZjXkWv9'",
    "'url': 4711471147",
    "'url': 'turn:QhZjXkWv9QhZjXkWv9'",
    "'url': 'turns:b8cb1c5db8fe4d3bb64f5a2d:443'",
    "'url': 'b8cb1c5db8fe4d3bb64f5a2d.example.org'",
    "'url': '[b8cb1c5db8fe4d3bb64f5a2d]:443'",
    "'url': 'me:word@turn.example.org'",
    "'url': 'turn:turn.example.org?word'",
    "'url': 'turn.example.org\\nword'",
    "'url': b'turn.example.org'",
    "'urls': ['stun:s.example', 'me:word@t.example']",
    "'protocol': 'b8cb1c5db8fe4d3bb64f5a2d'",
    "'ttl': 4711471147114711",
    "'ttl': 'word'",
    "'image': 'me:word@registry.example/sound:1'",
    "'image': 'aB3/xY7zQhZjXkWv9'",
    "'image': 'b8cb1c5db8fe4d3bb64f5a2d'",
    "'coturn_static_auth_secret': 4711",
    "'username': 'alice'",
]


@pytest.mark.parametrize("item", MISPLACED)
@pytest.mark.parametrize("entry", ["webrtc.coturn", "webrtc.rtc_configuration", "desktop.pod"])
def test_a_value_that_its_key_does_not_have_is_not_shown(entry: str, item: str) -> None:
    key = item.partition("'")[2].partition("'")[0]
    before, after = "[global]\n", f"[global]\n{entry}: {{ {item} }}\n"
    lines = differences(before, after)
    assert [line for line in lines if line.startswith(f"+{entry}.{key}")] == lines
    assert [line for line in lines if not line.endswith(": (not shown)")] == (
        ["+" + f"{entry}.urls[0]: 'stun:s.example'"] if key == "urls" else []
    )


@pytest.mark.parametrize(
    "entry",
    [
        *("webrtc.QhZjXkWv: 1", "jwt_QhZjXkWv: 1", "desktop.QhZjXkWv: 1", "x QhZjXkWv: 1"),
        "desktop.envlocal: { 'url': 'stun:qhzjxkwv.example' }",
        "webrtc.coturn: 4711471",
        "webrtc.coturn: { 'webrtc.QhZjXkWv': 1 }",
        "webrtc.coturn: { 'QhZjXkWv': {'ttl': 1} }",
    ],
)
def test_a_name_that_is_none_of_abcdesktop_is_not_shown(entry: str) -> None:
    (line,) = differences("[global]\n", f"[global]\n{entry}\n")
    assert line in [
        "+line 2: (not shown)",
        "+other keys of webrtc.coturn: (not shown)",
        "+other keys of desktop.envlocal: (not shown)",
        "+webrtc.coturn: (not shown)",
    ]


def test_names_and_images_are_shown_as_they_are_written() -> None:
    shown = ["turn.example.org", "turns:a.b:443?transport=tcp", "coturn:3478", "stun://s", "[::1]"]
    text = f"[global]\nwebrtc.coturn: {{ 'url': {shown}, 'image': ['r.example:5000/a/b_c:v1-X'] }}"
    assert [line.partition(": ")[2] for line in differences("", text)] == [
        *map(repr, shown),
        "'r.example:5000/a/b_c:v1-X'",
    ]


SECRETS = ["QhZjXkWv9", "JxPqVbGz7", "MkZwQyTf5", "XvBqJnHz3", "ZqRjKxLw8", "WjVzGqXk2"]
SECRETS += ["BzXhQvJm4"]
WITH_SECRETS = """\
[global]
# 'coturn_static_auth_secret': '{6}'
namespace: 'abcdesktop'
webrtc.enable: True # it was {6}
webrtc.rtc_configuration: {{ 'iceServers': [
  {{ 'urls': 'turn:t.example', 'username': 'me', 'credential': '{1}' }} ] }}
webrtc.coturn: [ {{ 'ttl': 60, 'url': 'a.example'
    ':1', 'coturn_static_auth_secret': [ '{0}', # not {6}
      '{1}' ], 'protocol': 'turns' }},
  {{ "url": "b.example", "coturn_static_auth_secret": '''{0}''', 'pseudonym_key': "{2}" }} ]
db.word = {3}
mongodburl: 'mongodb://me:%(db.word)s/{4}@db:27017'
ldap: {{ 'bind_pw': '{3}', 'auth': ( 'me', '{2}' ) }}
desktop.envlocal: {{ '{6}': '1', 'STUN_SERVER': 'stun://s.example:1',
  'TURN_SERVER': 'turn://me:{4}@t.example' }}
desktop.pod: {{ 'sound': {{ 'image': 'a.example/sound:1', 'enable': True,
  'env': {{ 'PW': '{5}' }} }} }}
x: dict(password='{5}', url='shown')
[other]
ttl: '{5}'
""".format(*SECRETS)
PIECES = {secret[index : index + 4] for secret in SECRETS for index in range(len(secret) - 3)}
DAMAGE = "'\"#:,{}[]()\\\n %=;"


def assert_silent(before: str, after: str) -> None:
    shown = "\n".join(differences(before, after))
    assert not [piece for piece in PIECES if piece in shown], (before, after)


def test_a_text_that_is_damaged_at_any_character_shows_no_secret() -> None:
    """What a fault moves to another key, or makes a key, is not shown."""
    other = re.sub("[A-Z](?=[a-z])", "9", WITH_SECRETS).replace("60", "61")
    for index, damage in zip(range(len(WITH_SECRETS)), itertools.cycle(DAMAGE)):
        start, end = WITH_SECRETS[:index], WITH_SECRETS[index:]
        assert_silent(start + end[1:], other)
        assert_silent(other, start + damage + end[index % 2 :])


def test_a_secret_that_comes_goes_or_changes_is_never_shown() -> None:
    lines = WITH_SECRETS.splitlines(keepends=True)
    for index in range(len(lines)):
        less = "".join(lines[:index] + lines[index + 1 :])
        assert_silent(WITH_SECRETS, less)
        assert_silent(less, WITH_SECRETS)
    assert_silent("", WITH_SECRETS)
    assert_silent(WITH_SECRETS, "[global]\n")
    assert_silent("\n".join(SECRETS), WITH_SECRETS)


ANY = st.text(st.characters(min_codepoint=33, max_codepoint=0x17F), min_size=6, max_size=20)


@given(ANY, ANY, st.booleans())
@example("'quoted'", '"double"', True)
@example("a#comment", "#another", False)
@example("\\x41\\x42", "a\\'b'c\"d", True)
def test_no_secret_of_any_characters_is_in_a_difference(
    first: str, second: str, many: bool
) -> None:
    texts = []
    for number, secret in enumerate([first, second]):
        value = repr([secret, secret + "2"] if many else secret).replace("%", "%%")
        entry = f"{{ 'ttl': {number},\n  'coturn_static_auth_secret': {value},\n 'url': 'a' }}"
        texts.append(f"[global]\na.b: 1\nwebrtc.coturn: {entry}\nc.d: 2\n")
    expected = ["-webrtc.coturn.ttl: 0", "+webrtc.coturn.ttl: 1"]
    if first != second:
        expected.append(" webrtc.coturn.coturn_static_auth_secret: (changed)")
    assert differences(*texts) == expected
