"""Members of an RTCConfiguration on which browsers throw; tests/e2e asks the browsers."""

from __future__ import annotations

from typing import Any, List

import pytest

from abcwebrtc.config.ice_servers import parse_rtc_configuration
from abcwebrtc.config.problems import Where
from support.coturn_entries import texts


def found(value: Any) -> List[List[str]]:
    _, problems = parse_rtc_configuration(value, Where({})["rtc"])
    return [texts(problems, "error"), texts(problems, "warning")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("bundlePolicy", value) for value in ("balanced", "max-compat", "max-bundle")],
        *[("iceTransportPolicy", value) for value in ("all", "relay")],
        *[("rtcpMuxPolicy", value) for value in ("require", "negotiate")],
        *[("iceCandidatePoolSize", value) for value in (0, 1, 255)],
        *[("certificates", value) for value in ([], ())],
        *[("peerIdentity", value) for value in ("", "a@b", None, 5)],
        *[("sdpSemantics", value) for value in ("plan-b", "x")],
        ("vendor", {"a": [None]}),
    ],
    ids=str,
)
def test_what_browsers_take_is_no_finding(name: str, value: Any) -> None:
    assert found({name: value}) == [[], []]


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("bundlePolicy", "must be 'max-bundle' or 'balanced' or 'max-compat', or left out; browse"),
        ("iceTransportPolicy", "must be 'all' or 'relay', or left out; browsers throw"),
        ("rtcpMuxPolicy", "must be 'require' or 'negotiate', or left out; browsers throw"),
    ],
)
@pytest.mark.parametrize("value", ["max_bundle", "Relay", None, []], ids=str)
def test_an_enumeration_has_its_values_alone(name: str, start: str, value: Any) -> None:
    (error,), warnings = found({name: value})
    assert error.startswith(f"rtc.{name}: {start}")
    assert warnings == []
    assert "max_bundle" not in error


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("iceservers", "iceServers"),
        ("iceServer", "iceServers"),
        ("ice_servers", "iceServers"),
        ("bundlepolicy", "bundlePolicy"),
        ("iceTransportsPolicy", "iceTransportPolicy"),
    ],
)
def test_a_misspelt_member_is_a_warning(name: str, right: str) -> None:
    assert found({name: []}) == [[], [f"rtc.{name}: is passed over; did you mean '{right}'?"]]


@pytest.mark.parametrize("value", [None, "x", [5]], ids=str)
def test_certificates_can_not_be_written(value: Any) -> None:
    (error,), _ = found({"certificates": value})
    assert error.startswith("rtc.certificates: must be [] or left out")


@pytest.mark.parametrize("value", [256, -1, 1e9, "x", "256", [], "1e3"], ids=str)
def test_a_pool_is_of_0_to_255(value: Any) -> None:
    (error,), _ = found({"iceCandidatePoolSize": value})
    assert error.startswith(
        "rtc.iceCandidatePoolSize: must be a whole number from 0 to 255, such as 0, or left out"
    )


@pytest.mark.parametrize(
    ("value", "number"), [(None, 0), (True, 1), (1.5, 1), ("5", 5), (255.9, 255), (-0.5, 0)]
)
def test_what_browsers_make_a_number_of_is_a_warning(value: Any, number: int) -> None:
    errors, (warning,) = found({"iceCandidatePoolSize": value})
    assert errors == []
    assert warning.endswith(f"which browsers take for {number}; write that")
