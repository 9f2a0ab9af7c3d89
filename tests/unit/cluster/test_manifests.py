"""Manifests keep their format, and texts stay texts."""

from __future__ import annotations

import json
import math
import re
import traceback
from typing import Any, List

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc.cluster.manifests import MAX_CHARACTERS, parse_manifests
from abcwebrtc.cluster.yaml import parse_yaml, yaml_text
from abcwebrtc.errors import ManifestError

SECRET = "Zq7xW9vK"


def printed(text: str) -> str:
    manifests = parse_manifests(text, "pod.yaml")
    return manifests.text(manifests.documents)


def refusal_of(text: str) -> str:
    with pytest.raises(ManifestError) as caught:
        parse_manifests(text, "pod.yaml")
    shown = "".join(traceback.format_exception(None, caught.value, caught.value.__traceback__))
    assert SECRET not in shown
    assert len(caught.value.problems) == 1
    return str(caught.value)


# the format stays

SAME = [
    "kind: Pod\nspec:\n  containers:\n  - name: x\n    image: a/b:1\n",
    "---\nb: 1\na: 2\n---\nc: 3\n",
    "z: 1\na: 1\nm:\n  q: 1\n  b: {}\n  c: []\n",
    "script: |\n  first\n    second\n\n  last\n",
    "mode: '0644'\nwhen: '2026-11-23'\nnone: null\n'yes': 'yes'\n",
    '{"kind": "Pod", "b": [1, 2.5, null, true], "a": "\u00e9"}\n',
    '{"b": 1}\n{"a": 2}\n',
    '{\n  "b": 1,\n  "a": [\n    1\n  ]\n}\n',
    '{\n    "b": {\n        "c": {}\n    }\n}\n{\n    "d": 1\n}\n',
    '{\n\t"b": 1\n}\n',
]


@pytest.mark.parametrize("text", SAME)
def test_a_file_comes_back_as_it_was(text: str) -> None:
    assert printed(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# a comment\n---\n---\na: 1\n---\n# nothing\n", "a: 1\n"),
        ('a: "b" # c\n', "a: b\n"),
        ("a: 1\r\nb:\r\n- c\r\n", "a: 1\nb:\n- c\n"),
        ("\ufeffa: 1\n", "a: 1\n"),
        ("a: &x {b: 1}\nc: *x\n", "a:\n  b: 1\nc:\n  b: 1\n"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n  d: 2\n", "a:\n  b: 1\nc:\n  b: 1\n  d: 2\n"),
        (
            "a: &x {b: 1}\nc: {d: &y {<<: *x, b: 2}}\ne: {<<: *y}\n",
            "a:\n  b: 1\nc:\n  d:\n    b: 2\ne:\n  b: 2\n",
        ),
        ("a: <<\n", "a: '<<'\n"),
        ("mode: 0644\n", "mode: 420\n"),
        ('\ufeff{"a": 1}\n', '{"a": 1}\n'),
        ('{\r\n  "a": 1\r\n}\r\n', '{\n  "a": 1\n}\n'),
        ("{kind: Pod, a: [b]}", "kind: Pod\na:\n- b\n"),
        ('{"a": 1}\n---\n{"b": 2}\n', "---\na: 1\n---\nb: 2\n"),
        ('  {"a":1}{"b":2}', '{"a": 1}\n{"b": 2}\n'),
        ("", ""),
        ("# only this\n", ""),
    ],
)
def test_what_can_not_stay_has_one_form(text: str, expected: str) -> None:
    assert printed(text) == expected


# what a value is

VALUES = [
    ("0644", 0o644),
    ("-0x1F", -31),
    ("0b101", 5),
    ("0o644", 0o644),
    ("-0644", -0o644),
    ("+0X1F", 31),
    ("-0B1_1", -3),
    ("00", 0),
    ("-0", 0),
    ("1_000", 1000),
    ("1_000.5", 1000.5),
    ("0_644", 0o644),
    ("18446744073709551616", 2**64),
    ("_1", "_1"),
    ("0x", "0x"),
    ("0b2", "0b2"),
    ("0b_", "0b_"),
    ("1__", 1),
    ("1e3", 1000.0),
    (".5", 0.5),
    ("+1", 1),
    ("089", 89.0),
    ("22:22", "22:22"),
    ("12:30:45", "12:30:45"),
    ("2026-11-23", "2026-11-23"),
    ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"),
    ("True", True),
    ("off", False),
    ("~", None),
    ("", None),
    ("=", "="),
    ("!!str 5", "5"),
    ("'5'", "5"),
    ('"\\u00e9\\x41"', "\u00e9A"),
]


def test_a_value_is_what_kubernetes_takes_it_for() -> None:
    (document,) = parse_yaml("".join(f"- {text}\n" for text, _ in VALUES), "f")
    assert list(map(repr, document)) == [repr(expected) for _, expected in VALUES]  # 1 is not True


# texts stay texts

TRAPS = r"""
y Y n N yes Yes YES no on On off true True TRUE false null Null NULL ~ = <<
1 +1 -1 0 00 0777 0o17 0O17 0x1F 0X1f 0b11 1_000 089 1e3 1E3 .5 5. -.5 +.5e1 1.5 1e999 1_0.5
.inf -.inf +.Inf .nan .NaN 12:30:45 22:22 2026-11-23 2026-1-2T3:4:5Z
- ? : | > & * ! % @ ` # , [ ] { } ' " -- --- ... -a ?a :a a: :: a:b *x &x !x !!int %x @x `x #x
[a {a 'a "a |a >a ,a a, a] a} a' a" \ \n /a _a a.b
""".split()  # noqa: SIM905, a list would fill a page
TRAPS += ["", " ", "  a", " leading blank", "trailing ", "a: b", "a #b", "- a", "? a", "a, b"]
TRAPS += [
    "--- a",
    "a\tb",
    "\ta",
    "a\t",
    "\t",
    "a\n",
    "\na",
    "a\n\n",
    "\n",
    "\n\n",
    "a\n b\n",
    "a \nb",
]
TRAPS += [" a\nb", "\n a\n", "#x\ny", "---\na", "...\n", "a\r\nb", "a\rb", "a\x85b", "a\u2028b"]
TRAPS += ["\ufeffa", "\xa0", "\x00", "\x07", "\x1b[31m", "\x7f", "\x9b", "\u00e9", "\U0001f600"]
TRAPS += ["\ud800", "a" * 200, "a " * 100, "\u00e9" * 200, "{{ .Values.x }}", "${X}", "$(X)"]

GO_WORDS = set("y yes true on n no false off null ~".split())  # noqa: SIM905
GO_NUMBER = re.compile(
    r"[-+]?(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+|[0-9_]+"
    r"|(\.[0-9_]+|[0-9_]+(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|\.(inf|Inf|INF))"
    r"|\.(nan|NaN|NAN)|[0-9]{4}-.*|<<|="
)
"""What YAML 1.1, YAML 1.2 or go-yaml, which Kubernetes uses, would not read as text."""


def test_a_text_is_a_text_for_every_reader() -> None:
    document = {text: [text, {text: text}] for text in TRAPS}
    written = yaml_text([document])
    assert yaml.load(written, Loader=yaml.SafeLoader) == document
    assert parse_yaml(written, "f") == [document]
    for token in yaml.scan(written):
        if isinstance(token, yaml.ScalarToken) and token.plain:
            assert token.value.lower() not in GO_WORDS
            assert not GO_NUMBER.fullmatch(token.value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(TRAPS)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(TRAPS) | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.lists(JSON.filter(lambda value: value is not None), max_size=3))
def test_any_data_can_be_written_and_read_again(documents: List[Any]) -> None:
    written = yaml_text(documents)
    assert repr(parse_yaml(written, "f")) == repr(documents)
    assert list(yaml.load_all(written, Loader=yaml.SafeLoader)) == documents


@given(st.lists(st.dictionaries(st.text(), JSON), min_size=1, max_size=3), st.integers(0, 4))
def test_any_json_comes_back_as_it_was(documents: List[Any], indent: int) -> None:
    text = "".join(json.dumps(item, indent=indent or None) + "\n" for item in documents)
    manifests = parse_manifests(text, "f")
    assert manifests.is_json
    assert repr(manifests.documents) == repr(documents)
    again = [json.dumps(item, ensure_ascii=False) for item in documents]
    again_read = parse_manifests(manifests.text(documents), "f").documents
    assert [json.dumps(item, ensure_ascii=False) for item in again_read] == again


def test_aliases_may_add_ten_times_what_is_written() -> None:
    pod = "env: &e [" + "{name: a, value: b}," * 60 + "]\nothers: [" + "*e," * 8 + "]\n"
    (document, *_) = parse_manifests("---\n".join([pod] * 20), "pod.yaml").documents
    assert document["others"][7] == [{"name": "a", "value": "b"}] * 60


# what is refused

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 8)}]\n" for i in range(1, 12)
)
SMALL_BOMB = "a: &a [x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b]\n"
REFUSED = [
    (f"a: 1\nb: '{SECRET}\n", "pod.yaml:3: found unexpected end of stream"),
    (f"a: [1,\n  {SECRET}\n", "pod.yaml:3: a bracket opened earlier is not closed"),
    (f"a: {{b: 1\nc: {SECRET}\n", "a bracket opened earlier is not closed, or a comma"),
    (f"a: {SECRET}: b\n", "pod.yaml:1: mapping values are not allowed here"),
    (f"a: 1\n\tb: {SECRET}\n", "pod.yaml:2: found character '\\t' that cannot start any token"),
    (f"a: 1\nb: 2\na: {SECRET}\n", "pod.yaml:3: has a key twice in one mapping"),
    (f"a: 1\n'a': {SECRET}\n", "pod.yaml:2: has a key twice"),
    (f"? [{SECRET}]\n: b\n", "pod.yaml:1: has a key that is not text"),
    (f"image: {{{{ {SECRET} }}}}\n", "pod.yaml:1: has a key that is not text"),
    (f"a: &x [*x, {SECRET}]\n", "pod.yaml:1: has an alias inside the node it refers to"),
    ("a:\n  b: &x\n    <<: *x\n", "pod.yaml:2: has an alias inside the node it refers to"),
    (BOMB, "has too many values, with its aliases written out"),
    ("---\n".join([SMALL_BOMB] * 200), "has too many values, with its aliases written out"),
    (f"a:\n  <<: {SECRET}\n", "pod.yaml:2: has << with a value other than a mapping"),
    ("a: " + "[" * 5000, "pod.yaml: is not valid YAML, or is nested too deeply"),
    ("- " * 5000 + "a", "pod.yaml: is not valid YAML, or is nested too deeply"),
    ('{"a": ' * 20_000, "pod.yaml:1: is nested too deeply"),
    (f'{{"a": 1}}\n{{"{SECRET}": }}', "pod.yaml:2: is not valid JSON: Expecting value"),
    (f'{{"a": 1}}\n{SECRET}', "pod.yaml:2: is not valid JSON: Expecting value"),
    (f'{{"a": 1}}\n{{"a": "{SECRET}", "a": 2}}', "pod.yaml:2: has a key twice in one object"),
    ('{"a": 1, ' + " " * 2_000_000 + '"b": ', "pod.yaml:1: is not valid JSON: Expecting value"),
    (f'{{"{SECRET}": NaN}}', "pod.yaml:1: has a number that JSON can't hold"),
    ('{"a": 1}\n{"a": ' + "1" * 5000 + "}", "pod.yaml:2: has a number that is too long"),
    ("[" * 102 + "]" * 102, "pod.yaml: is nested more than 100 levels deep"),
    ('{"a":' * 600 + "1" + "}" * 600, "pod.yaml: is nested more than 100 levels deep"),
    ("- " * 101 + "a", "pod.yaml: is nested more than 100 levels deep"),
    (
        "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 200)),
        "pod.yaml: is nested more than 100 levels deep",
    ),
    ('{"a": -Infinity}', "pod.yaml:1: has a number that JSON can't hold"),
    ('{"a": 1e999}', "pod.yaml:1: has a number that JSON can't hold"),
    (
        f"a: 1\nb: !!python/object/apply:os.system ['{SECRET}']",
        "pod.yaml:2: has a tag on a mapping",
    ),
    (f"a: !!python/object/new:{SECRET} {{}}", "pod.yaml:1: has a tag on a mapping"),
    (f"a: !!python/name:{SECRET} ''", "pod.yaml:1: has a tag that has no equivalent in JSON"),
    (f"a: !{SECRET} b", "pod.yaml:1: has a tag that has no equivalent in JSON"),
    (f"a: !!binary {SECRET}", "pod.yaml:1: has a tag that has no equivalent in JSON"),
    ("a: !!timestamp 2026-11-23", "pod.yaml:1: has a tag that has no equivalent in JSON"),
    (f"a: !!timestamp {SECRET}", "pod.yaml:1: has a tag that has no equivalent in JSON"),
    (f"a: !!set {{{SECRET}}}", "pod.yaml:1: has a tag on a mapping or list; remove the tag"),
    (f"a: !!omap [{SECRET}: 1]", "pod.yaml:1: has a tag on a mapping or list; remove the tag"),
    (f"a: !!map {SECRET}", "pod.yaml:1: has a tag that has no equivalent in JSON; remove"),
    (f"a: !!bool {SECRET}", "pod.yaml:1: has a tag that does not fit its value; remove"),
    (f"a: !!int {SECRET}", "pod.yaml:1: has a tag that does not fit its value; remove"),
    ("a: !!float 1:30", "pod.yaml:1: has a tag that does not fit its value; remove"),
    (f"a: *{SECRET}", "pod.yaml:1: found undefined alias"),
    (f"a: !{SECRET}!b c", "pod.yaml:1: found undefined tag handle"),
    (f"a: &{SECRET} b\nb: &{SECRET} c", "pod.yaml:2: has the same anchor (&) twice; give each"),
    (f"a: 1\nb: \x07{SECRET}", "pod.yaml:2: has a character that YAML does not allow"),
    ('a: "\\UFFFFFFFF"', "pod.yaml: is not valid YAML, or is nested too deeply"),
    ("a: 1\nb: 1" + "0" * 5000, "pod.yaml:2: has a number that is too long"),
    ("a: 1\nb: 1e999", "pod.yaml:2: has a number that JSON can't hold"),
    (" " * (MAX_CHARACTERS + 1), "pod.yaml: is larger than 4 MiB"),
]


@pytest.mark.parametrize(("text", "start"), REFUSED, ids=lambda value: repr(value)[:40])
def test_a_bad_file_gets_one_message_that_quotes_no_value(text: str, start: str) -> None:
    message = refusal_of(text)
    assert start in message
    assert "\n" not in message


@given(
    st.text(alphabet="ab01:-?[]{}&*!|>'\"%@`#,~=<.\\ \n\t\r\ufeff\x00\u00e9", max_size=40)
    | st.text(max_size=40)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    for shown in (text, "{" + text, "a: " + text, '{"a": "' + text):
        try:
            manifests = parse_manifests(shown, "f")
        except ManifestError:
            continue
        again = parse_manifests(manifests.text(manifests.documents), "f")
        assert repr(again.documents) == repr(manifests.documents)


def test_what_is_not_too_deep_is_printed_in_each_format() -> None:
    for text in ("[" * 101 + "]" * 101 + "\n", "- " * 100 + "a\n", '{\n "a": 1\n}\n'):
        assert printed(text) == text


def test_many_small_documents_take_no_longer_than_one_large() -> None:
    # Each of them used to copy the rest of the text: minutes for a few megabytes.
    assert len(parse_manifests("{} " * (MAX_CHARACTERS // 3), "f").documents) == MAX_CHARACTERS // 3


def test_a_number_that_is_no_json_does_not_get_through() -> None:
    for text in ("a: .nan", "a: .inf", "a: 1.5"):
        (document,) = parse_yaml(text, "f")
        assert isinstance(document["a"], str) or math.isfinite(document["a"])


@pytest.mark.parametrize("char", "\x7f\x9b\u2028\u202e\u200b\ue000\U000e0041")
def test_json_that_a_terminal_would_obey_is_in_ascii(char: str) -> None:
    manifests = parse_manifests(json.dumps({"kind": f"zo\xeb{char}"}), "x.json")
    text = manifests.text(manifests.documents)
    assert text[:-1].isascii()
    assert text[:-1].isprintable()
    assert json.loads(text) == manifests.documents[0]
