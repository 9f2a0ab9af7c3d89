"""An od.config with its secrets masked, and differences between two."""

from __future__ import annotations

from typing import Any, Dict, List

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from abcwebrtc.odconfig.masking import Masker, masked_diff
from unit.cluster.test_configmap import EXAMPLE

HIDDEN = {
    "inline": "webrtc.coturn: { 'coturn_static_auth_secret': 'hunter2' }",
    "in a list": "webrtc.coturn: { 'coturn_static_auth_secret': [ 'fresh', 'hunter2' ] }",
    "on another line": "webrtc.coturn: {\n  'coturn_static_auth_secret':\n    'hunter2' }",
    "behind a comment": "x: {\n  'password': # the one\n\n    'hunter2' }",
    "in pieces": "x: { 'password': 'un'\n   'hunter2' }",
    "double quotes": 'x: { "password": "hunter2" }',
    "in three quotes": "x: { 'password': '''hunter2''' }",
    "in three quotes over lines": "x: { 'password': '''\n  hunter2\n  ''' }",
    "with a prefix": "x: { 'password': u'hunter2' }",
    "with a quote": "x: { 'password': 'it\\'s hunter2' }",
    "without quotes": "x.password: hunter2",
    "an equals sign": "x.password = hunter2",
    "open quote": "x: { 'password': 'hunter2",
    "open quote and more": "x: { 'password': 'open\n ) ] } 'url': hunter2 }\n",
    "open quote on the next line": "x: { 'password':\n  'hunter2\n }",
    "a tuple": "x: ( 'password', 'hunter2' )",
    "a call": "x: dict(password='hunter2')",
    "a dict": "x: { 'credentials': { 'user': 'me', 'word': 'hunter2' } }",
    "a number": "x: { 'password': 4711_hunter2 }",
    "a url": "mongodburl: 'mongodb://me:hunter2@db:27017/?a=b'",
    "a url in a comment": "# mongodburl: mongodb://me:hunter2@db",
    "a password with an at sign": "url: 'mongodb://me:hunter2@more@db'",
    "a command": "x: [ 'run', '--password=hunter2' ]",
    "the credential": "x: { 'urls': 'turn:a', 'username': 'b', 'credential': 'hunter2' }",
    "the pseudonym key": "x: { 'pseudonym_key': 'hunter2' }",
    "an api key": "x: { 'api_key': 'hunter2' }",
    "ldap": "x: { 'ldap': { 'serviceaccount': { 'login': 'a', 'password': 'hunter2' } } }",
    "client_secret": "x: { 'client_secret' : 'hunter2' }",
    "a comment": "# 'coturn_static_auth_secret': 'hunter2',",
    "a comment with a semicolon": "; password hunter2",
    "a comment without quotes": "# static-auth-secret=hunter2",
    "a comment behind a value": "x: 1 # the secret was hunter2",
    "a comment behind the secret": "x: { 'password': 'new' } # was hunter2",
    "a comment in the value": "x: { 'password':\n  # hunter2\n  'new' }",
    "a comment before the secret": "x: {\n  # it was hunter2\n  'password': 'new' }",
    "a comment of several lines": "# 'password': [\n#   'hunter2' ]",
    "a comment that speaks later": "# hunter2\n# is the secret",
    "CRLF": "x: {\r\n  'password':\r\n  'hunter2' }\r\n",
    "an entry further up": "a: 'hunter2-'\nx: { 'password': 'hunter2-' }",
    "a text around it": "a: 'turn:hunter2-@b'\nx: { 'password': 'hunter2-' }",
    "an entry that has what a comment had": "# 'password': 'hunter2'\n\na: 'hunter2'",
    "the same without quotes": "# password: [hunter2]\n\na: 'hunter2'",
    "open three quotes": "x: { 'password': '''\nhunter2 }",
    "open three double quotes": "x: { 'password': \"\"\"'''\nhunter2 }",
}


@pytest.mark.parametrize("case", HIDDEN)
def test_a_secret_is_masked_wherever_it_stands(case: str) -> None:
    text = HIDDEN[case]
    masker = Masker()
    masker.learn(text)
    masked = masker.mask(text)
    assert "hunter2" not in masked
    assert "***" in masked
    assert len(masked.splitlines()) == len(text.splitlines()) or "'''" in text


SHOWN = {
    "the rest of a dict": "x: { 'password': 'p', 'url': 'shown-1', 'ttl': 3600 }",
    "the next entry": "password: p\ny: 'shown-1'",
    "a file": "x: { 'coturn_static_auth_secret_file': 'secrets/shown-1' }",
    "a variable": "x: { 'coturn_static_auth_secret_env': 'shown-1' }",
    "a key file": "jwt_token_user: { 'exp': 360, 'jwtuserprivatekeyfile': '/keys/shown-1' }",
    "a comment of something else": "# shown-1\n\nx: { 'password': 'p' }",
    "the keys of a masked dict": "x: { 'credentials': { 'shown-1': 'p' } }",
    "a url without a password": "x: 'mongodb://shown-1:27017/x'",
    "keywords": "x: { 'keyword': u'shown-1' }",
    "a public key's file": "x: { 'jwtuserpublickeyfile': '/keys/shown-1_key.pem' }",
    "a toleration": "x: [ { 'key': 'shown-1' } ]",
    "the text after a list": "x: { 'password': [ 'a', 'b' ], 'url': 'shown-1' }",
    "an entry behind an open quote": "password: 'p\ny: 'shown-1'",
    "an entry behind an open double quote": 'password: "p\ny: "shown-1"',
    "the text after three quotes": "x: { 'password': '''p''', 'url': 'shown-1' }",
    "the text after three double quotes": 'x: { "password": """p""", "url": "shown-1" }',
}


@pytest.mark.parametrize("case", SHOWN)
def test_what_is_no_secret_is_shown(case: str) -> None:
    masker = Masker()
    masker.learn(SHOWN[case])
    assert "shown-1" in masker.mask(SHOWN[case])


def diff(before: str, after: str) -> List[str]:
    return list(masked_diff(before, after, Masker(), ("a", "b")))[3:]


def test_a_change_of_a_secret_is_seen_and_not_the_secret() -> None:
    start = "[global]\nwebrtc.coturn: { 'url': 'a', 'coturn_static_auth_secret': "
    assert diff(f"{start}'first' }}\n", f"{start}['second', 'first'] }}\n") == [
        " [global]",
        "-webrtc.coturn: { 'url': 'a', 'coturn_static_auth_secret': '***1' }",
        "+webrtc.coturn: { 'url': 'a', 'coturn_static_auth_secret': ['***2', '***1'] }",
    ]


def test_a_new_order_of_secrets_is_seen() -> None:
    before, after = "x.secret: ['a', 'b']\n", "x.secret: ['b', 'a']\n"
    assert diff(before, after) == ["-x.secret: ['***1', '***2']", "+x.secret: ['***2', '***1']"]


def test_the_old_secret_is_masked_where_the_new_text_has_it() -> None:
    before = "[global]\nwebrtc.coturn: { 'coturn_static_auth_secret': 'hunter2' }\n"
    after = "[global]\nwhat.we.had: 'hunter2'\n"
    assert "hunter2" not in "\n".join(diff(before, after))


def test_a_secret_with_escapes_is_masked_as_it_is_read() -> None:
    masker = Masker()
    masker.learn("[global]\nwebrtc.coturn: { 'coturn_static_auth_secret': 'hunt\\x65r2' }\n")
    assert masker.mask("it said hunter2") == "it said ***2"


def test_a_secret_that_is_no_text_is_masked_in_its_place() -> None:
    masker = Masker()
    masker.learn("[global]\njwt_x: { 'password': 4711, 'salt': None, 'api_key': [ 4.5, True ] }\n")
    assert masker.mask("x: { 'password': 4711, 'url': 4711 }") == (
        "x: { 'password': ***1, 'url': 4711 }"
    )


def test_that_a_secret_is_empty_is_shown() -> None:
    text = "x: { 'password': '', \"salt\": \"\" }"
    assert Masker().mask(text) == text


@pytest.mark.parametrize(
    "name",
    [
        *("secret", "passwd", "passphrase", "bindpass", "pwd", "credential", "token", "cookie"),
        *("pseudonym", "private", "salt", "api_key", "apikey", "SALT", "hash_salt", "x-token"),
    ],
)
def test_each_word_of_a_secret_hides_what_it_names(name: str) -> None:
    """None of these names has two of the words, so that each is needed."""
    masker = Masker()
    masker.learn(f"[global]\nx: {{ '{name}': 'hunter2' }}\n")
    assert masker.mask(f"x: {{ '{name}': 'another' }}") == f"x: {{ '{name}': '***2' }}"
    assert masker.mask("it said hunter2") == "it said ***1"


@pytest.mark.parametrize("name", ["jwt_token_user", "passthrough", "key", "keyboard", "hotkeys"])
def test_a_name_that_only_looks_like_one_hides_nothing(name: str) -> None:
    text = f"x: {{ '{name}': 'harmless' }}"
    assert Masker().mask(text) == text


def test_a_log_line_is_masked() -> None:
    masker = Masker()
    masker.learn("x: { 'password': 'hunter2' }")
    line = "ValueError: option: 'webrtc.coturn', value: \"{ 'secret': 'another' }\" hunter2"
    assert masker.mask(line) == "ValueError: option: 'webrtc.coturn', value: \"***2\" ***1"


def test_a_whole_file_keeps_its_lines() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    masker = Masker()
    masker.learn(text)
    masked = masker.mask(text)
    assert len(masked.splitlines()) == len(text.splitlines())
    assert masked.count("***") < 150


VALUES: Dict[str, Any] = {"min_size": 6, "max_size": 20}
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=0x17F), **VALUES)


@given(SECRETS, SECRETS, st.booleans())
@example("'quoted'", '"double"', True)
@example("a#comment", "#another", False)
@example("a,b,c,d", "a:b:c:d", True)
@example("\\x41\\x42", "a\\'b'c\"d", True)
def test_no_secret_of_any_characters_is_in_a_diff(first: str, second: str, many: bool) -> None:
    texts = []
    for number, secret in enumerate([first, second]):
        value = repr([secret, secret + "2"] if many else secret).replace("%", "%%")
        entry = f"{{ 'ttl': {number},\n  'coturn_static_auth_secret': {value},\n 'url': 'a' }}"
        texts.append(f"[global]\na.b: 1\nwebrtc.coturn: {entry}\nc.d: 2\n")
    shown = "\n".join(diff(*texts))
    for secret in (first, second):
        assert secret not in shown
        assert repr(secret)[1:-1] not in shown
