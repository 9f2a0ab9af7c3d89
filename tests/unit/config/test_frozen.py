"""Plain JSON data, frozen and thawed."""

from __future__ import annotations

import collections
import json
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc.config.frozen import MAX_DEPTH, freeze, thaw
from abcwebrtc.config.problems import Where
from support import spoil

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(1 - 2**53, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


def freeze_alone(value):
    frozen, problems = freeze(value, Where({})["a"])
    return frozen, list(map(str, problems))


def nested(depth, wrap):
    value = None
    for _ in range(depth):
        value = wrap(value)
    return value


@settings(max_examples=100)
@given(JSON)
def test_freezing_and_thawing_gives_equal_json_back(value):
    frozen, errors = freeze_alone(value)
    assert errors == []
    assert json.dumps(thaw(frozen)) == json.dumps(value)


@settings(max_examples=100)
@given(JSON)
def test_what_is_thawed_shares_nothing(value):
    before = json.dumps(value)
    frozen, _ = freeze_alone(value)
    for fresh in (thaw(frozen), value):
        spoil(fresh)
    assert json.dumps(thaw(frozen)) == before


def test_frozen_data_can_not_be_changed():
    frozen, _ = freeze_alone({"a": [{"b": 1}]})
    for mapping in (frozen, frozen["a"][0]):
        with pytest.raises(TypeError):
            mapping["b"] = 2
    assert isinstance(frozen["a"], tuple)


@pytest.mark.parametrize(
    "value",
    [
        {"b": (1, (2,))},
        MappingProxyType({"b": [1, [2]]}),
        collections.OrderedDict(b=[1, (2,)]),
        collections.UserDict(b=[1, (2,)]),
    ],
)
def test_any_mapping_is_a_dict_and_a_tuple_is_a_list(value):
    frozen, errors = freeze_alone(value)
    assert errors == []
    assert thaw(frozen) == {"b": [1, [2]]}


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (b"hush", "a: is bytes, which can't be sent as JSON"),
        ({"hush"}, "a: is set, which can't be sent as JSON"),
        (1j, "a: is complex, which can't be sent as JSON"),
        (float("nan"), "a: is a number with a point, which can't be sent as JSON"),
        (float("-inf"), "a: is a number with a point, which can't be sent as JSON"),
        ({"urls": [1, b""]}, "a.urls[1]: is bytes, which can't be sent as JSON"),
        ({"urls": {"hush": b""}}, "a.urls: is bytes, which can't be sent as JSON"),
        ({1: 2}, "a: has a whole number as a key; JSON keys are text in quotes"),
        ([{None: 2}], "a[0]: has None as a key; JSON keys are text in quotes"),
    ],
)
def test_what_json_can_not_say_is_an_error_with_its_path(value, error):
    frozen, errors = freeze_alone(value)
    assert errors == [error]
    json.dumps(thaw(frozen))


def test_several_faults_are_reported_together():
    _, errors = freeze_alone({"audio": b"", "urls": [{1: 1}, 1j]})
    assert [error.split(":")[0] for error in errors] == ["a.audio", "a.urls[0]", "a.urls[1]"]


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a": value}])
def test_nesting_is_bounded(wrap):
    assert freeze_alone(nested(MAX_DEPTH, wrap))[1] == []
    _, errors = freeze_alone(nested(MAX_DEPTH + 1, wrap))
    assert len(errors) == 1
    assert errors[0].endswith(f"is nested more than {MAX_DEPTH} deep")


def test_a_mapping_that_holds_itself_is_an_error():
    loop = {}
    loop["a"] = loop
    assert "nested more than" in freeze_alone(loop)[1][0]


def test_a_number_that_json_can_not_write_is_an_error():
    # Python refuses to write more than 4,300 digits: every answer would be a fault.
    assert freeze_alone(10**5000)[1] != []
