"""`container_environment`, which other tests rely on, does what kubelet does."""

from __future__ import annotations

from typing import Any, Dict

import pytest

from integration.kubelet import POD, container_environment, expanded
from integration.netns import DESKTOP


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("$(A)-$(B)", "1-$(B)"),
        ("$$(A)", "$(A)"),
        ("$A $( $", "$A $( $"),
        ("$$$(A)", "$1"),
        ("%24%28A%29", "%24%28A%29"),
    ],
)
def test_values_are_expanded(value: str, seen: str) -> None:
    assert expanded(value, {"A": "1"}) == seen


def test_a_value_takes_what_stands_before_it() -> None:
    assert container_environment(POD, "x-alice-1")["PULSE_SERVER"] == f"tcp:{DESKTOP}:4713"


def environment(*entries: Any, **secret: Any) -> Dict[str, str]:
    pod = {"spec": {"containers": [{"name": "a", "env": list(entries)}]}}
    return container_environment(pod, "a", [{"metadata": {"name": "s"}, **secret}])


def test_a_value_takes_nothing_that_stands_after_it() -> None:
    later = {"name": "B", "value": "1"}
    assert environment({"name": "A", "value": "$(B)"}, later)["A"] == "$(B)"


def test_the_last_of_a_name_wins() -> None:
    assert environment({"name": "A", "value": "1"}, {"name": "A", "value": "2"}) == {"A": "2"}


@pytest.mark.parametrize("secret", [{"data": {"k": "JChBKQ=="}}, {"stringData": {"k": "$(A)"}}])
def test_a_key_of_a_secret_is_not_expanded(secret: Any) -> None:
    reference = {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    assert environment({"name": "A", "value": "1"}, reference, **secret)["B"] == "$(A)"
