"""`<<` in YAML, and keys that are not texts, mean the same with every release of PyYAML."""

from __future__ import annotations

import re
from collections import ChainMap
from typing import Any, Dict, List, NamedTuple, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import abcwebrtc.cluster.yaml
from abcwebrtc.cluster.yaml import parse_yaml, yaml_text
from abcwebrtc.errors import ManifestError

KEYS = ["b", "name", "a longer key", "'1'", "value"]


class Mapping(NamedTuple):
    """A mapping to write: its own pairs, the earlier mappings that it merges, and how."""

    own: Dict[str, int]
    merges: List[int]
    place: int
    """How many of its pairs come before the `<<`."""
    depth: int
    """How deeply it is nested in other mappings."""

    def written(self, number: int) -> str:
        pairs = [f"{key}: {value}" for key, value in self.own.items()]
        names = [f"*m{index}" for index in self.merges]
        if names:
            many = len(names) > 1 or self.depth % 2  # one alias may stand in a list, too
            merged = f"[{', '.join(names)}]" if many else names[0]
            pairs.insert(self.place, f"<<: {merged}")
        inner = f"&m{number} {{{', '.join(pairs)}}}"
        return f"m{number}: {'{in: ' * self.depth}{inner}{'}' * self.depth}\n"


@st.composite
def mappings(draw: st.DrawFn) -> List[Mapping]:
    made: List[Mapping] = []
    for number in range(draw(st.integers(1, 6))):
        own = draw(st.dictionaries(st.sampled_from(KEYS), st.integers(0, 99), max_size=3))
        earlier = st.lists(st.integers(0, number - 1), max_size=3, unique=True)
        merges = draw(earlier) if number else []
        made.append(Mapping(own, merges, draw(st.integers(0, 3)), draw(st.integers(0, 2))))
    return made


def meaning(made: List[Mapping]) -> Dict[str, Any]:
    """Apply the rule of YAML 1.1: a mapping's own keys win, then those of the first merged one."""
    found: List[Dict[str, int]] = []
    for mapping in made:
        own = {key.strip("'"): value for key, value in mapping.own.items()}
        found.append(dict(ChainMap(own, *(found[index] for index in mapping.merges))))
    document: Dict[str, Any] = {}
    for number, (mapping, value) in enumerate(zip(made, found)):
        nested: Any = value
        for _ in range(mapping.depth):
            nested = {"in": nested}
        document[f"m{number}"] = nested
    return document


@given(mappings())
def test_a_mapping_has_its_own_keys_first_then_those_of_what_it_merges(made: List[Mapping]) -> None:
    text = "".join(mapping.written(number) for number, mapping in enumerate(made))
    assert parse_yaml(text, "f") == [meaning(made)]


EXAMPLES: List[Tuple[str, Any]] = [
    ("a: &x {b: 1}\nc: {b: 2, <<: *x}\n", {"a": {"b": 1}, "c": {"b": 2}}),
    ("a: &x {b: 1}\nc: {<<: *x, b: 2}\n", {"a": {"b": 1}, "c": {"b": 2}}),
    (
        "a: &x {kind: first}\nc: &y {kind: second}\nd: {<<: [*x, *y]}\n",
        {"a": {"kind": "first"}, "c": {"kind": "second"}, "d": {"kind": "first"}},
    ),
    (
        "a: &x {name: 1}\nb: &y {<<: *x, name: 2}\nc: &z {<<: *y, name: 3}\nd: {<<: [*z, *x]}\n",
        {"a": {"name": 1}, "b": {"name": 2}, "c": {"name": 3}, "d": {"name": 3}},
    ),
    (
        "a: {<<: {b: 1, <<: {b: 2, c: 3}}, c: 4}\n",
        {"a": {"b": 1, "c": 4}},
    ),
    ("a: {<<: [], b: 1}\n", {"a": {"b": 1}}),
    ("a: {'<<': 1}\n", {"a": {"<<": 1}}),
    (
        "a: &x {1: a, yes: b}\nc: {<<: *x, 0x1: d}\n",
        {"a": {"1": "a", "true": "b"}, "c": {"1": "d", "true": "b"}},
    ),
]


@pytest.mark.parametrize(("text", "expected"), EXAMPLES)
def test_what_is_merged_is_what_yaml_says(text: str, expected: Any) -> None:
    assert parse_yaml(text, "f") == [expected]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x {b: 1}\nc:\n  <<: *x\n  <<: *x\n", "f:4: has << twice in one mapping; give it a"),
        ("a:\n  <<: [{b: 1}, 2]\n", "f:2: has << with a value other than a mapping or a list"),
        ("a:\n  <<: [[{b: 1}]]\n", "f:2: has << with a value other than a mapping or a list"),
        ("a: &x {b: {<<: *x}}\n", "f:1: has an alias inside the node it refers to"),
        ("a: {1: b,\n 0x1: c}\n", "f:2: has a key twice in one mapping; keep one of them"),
        ("a: {1: b,\n '1': c}\n", "f:2: has a key twice in one mapping; keep one of them"),
        ("a: {yes: b,\n true: c}\n", "f:2: has a key twice in one mapping; keep one of them"),
        ("a: {1.5: b}\n", "f:1: has a key that is not text; put it in quotes"),
        ("a: {~: b}\n", "f:1: has a key that is not text; put it in quotes"),
    ],
)
def test_what_has_no_one_meaning_is_refused(text: str, message: str) -> None:
    with pytest.raises(ManifestError, match=re.escape(message)):
        parse_yaml(text, "f")


def test_merges_stop_where_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ", ".join(f"k{number}: 1" for number in range(1000))
    text = f"x: &x {{{keys}}}\n" + "".join(f"m{number}: {{<<: *x}}\n" for number in range(3000))
    merged, real = [], abcwebrtc.cluster.yaml._merge
    monkeypatch.setattr(
        abcwebrtc.cluster.yaml, "_merge", lambda node: (merged.append(node), real(node))
    )
    with pytest.raises(ManifestError, match="f:1: has too many values, with its aliases"):
        parse_yaml(text, "f")
    assert len(merged) < 110


def test_a_key_that_is_a_number_or_a_bool_is_the_text_that_kubernetes_takes_it_for() -> None:
    text = "{0644: a, -0: b, on: c, false: d, true_: e, 1_0: f}\n"
    expected = {"420": "a", "0": "b", "true": "c", "false": "d", "true_": "e", "10": "f"}
    assert parse_yaml(text, "f") == [expected]
    shared = "key: &k 1\n*k : value\n"  # the anchor's own value stays a number
    assert parse_yaml(shared, "f") == [{"key": 1, "1": "value"}]


@pytest.mark.parametrize("char", "\x1b\x07\x7f\x9b\u202e\u2066\u200b\ufeff\ue000\U000e0041")
def test_what_a_terminal_obeys_is_an_escape_and_is_read_back(char: str) -> None:
    document = {f"k{char}": f"a{char}b", "text": f"one\n  two{char} zo\xeb\n", "list": [char]}
    text = yaml_text([document])
    assert text.replace("\n", "").isprintable()
    assert parse_yaml(text, "x.yaml") == [document]


def test_letters_and_blanks_of_all_kinds_stay_in_a_literal_block() -> None:
    text = "# zo\xeb \u4e16\u754c\xa0\u3000\U0001f600\n\tvalue \n"
    assert (
        yaml_text([{"a": text}])
        == "a: |\n  # zo\xeb \u4e16\u754c\xa0\u3000\U0001f600\n  \tvalue \n"
    )
