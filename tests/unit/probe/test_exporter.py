"""What `probe --metrics` exports of a round; `integration/test_probe_metrics` reads it for real."""

from __future__ import annotations

import argparse
import errno
import threading
from typing import Any, Dict, List, Optional

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from abcwebrtc.cli import probe as command
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import AbcWebRTCError, ProbeError
from abcwebrtc.probe.causes import CAUSES
from abcwebrtc.probe.diagnosis import judge
from abcwebrtc.probe.exporter import Exporter
from abcwebrtc.probe.model import (
    ALLOCATE,
    BINDING,
    CONNECT,
    OUTSIDE,
    RELAY,
    RESOLVE,
    TLS,
    Burst,
    Failure,
    Observation,
)
from abcwebrtc.probe.runner import run_probes
from abcwebrtc.probe.targets import environment_targets
from support.observations import CASES, DAY, NOW, WAY, around, certificate, seen, stun, way

URL = "turn:turn.example.org:3478"
WORKS = {
    "times": {RESOLVE: 1.0, CONNECT: 2.0, BINDING: 3.0, ALLOCATE: 4.0, RELAY: 5.0, OUTSIDE: 6.0},
    "relayed": "192.0.2.1:50000",
    "reflexive": "203.0.113.7:9",
    "local": "10.0.0.5",
}


class Exported:
    """An exporter, and its values as Prometheus reads them."""

    def __init__(self, *observations: Observation) -> None:
        self.exporter, self.registry = Exporter(), CollectorRegistry()
        self.registry.register(self.exporter)
        self.show(*observations)

    def show(self, *observations: Observation) -> None:
        self.exporter.show(judge(observations, around()), NOW, 2.5)

    def text(self) -> str:
        return generate_latest(self.registry).decode()

    def series(self, name: str, **wanted: str) -> Dict[str, float]:
        """Return the values of a metric by what its other labels are, with commas between them."""
        found = {}
        for family in self.registry.collect():
            for one in family.samples:
                if one.name == f"abcwebrtc_probe_{name}" and wanted.items() <= one.labels.items():
                    rest = [value for key, value in one.labels.items() if key not in wanted]
                    found[",".join(rest)] = one.value
        return found

    def value(self, name: str) -> Optional[float]:
        return self.registry.get_sample_value(f"abcwebrtc_probe_{name}")


TARGET = {"url": URL, "address": "192.0.2.1", "transport": "udp"}


def test_a_server_that_works() -> None:
    made = Exported(seen(between=way(Burst(200, 4)), outside=WAY, **WORKS))
    assert made.series("success", **TARGET) == {"": 1}
    assert set(made.series("step_success", **TARGET).values()) == {1}
    assert made.series("step_duration_seconds", **TARGET)["outside"] == 0.006
    assert made.series("relay_address_family", **TARGET) == {"ipv4": 1}
    assert made.series("loss_ratio", **TARGET) == {"": 0.02}
    assert made.series("largest_payload_bytes", **TARGET) == {"": 1200}
    assert made.series("cause") == {}
    times = (made.value("last_round_timestamp_seconds"), made.value("round_duration_seconds"))
    assert (times, made.value("round_failed")) == ((NOW, 2.5), 0)


def test_a_relay_of_the_other_family_and_a_certificate() -> None:
    ends = certificate(not_after=int(NOW) + DAY)
    made = Exported(seen(transport=TLS, certificate=ends, relayed="[2001:db8::7]:5"))
    assert list(made.series("relay_address_family", url=URL, transport=TLS)) == ["192.0.2.1,ipv6"]
    name = "certificate_not_after_timestamp_seconds"
    assert made.series(name, url=URL) == {"192.0.2.1,tls": NOW + DAY}


def test_what_was_not_reached_did_not_succeed() -> None:
    made = Exported(seen(Failure(BINDING, "timeout"), times={RESOLVE: 1.0, CONNECT: 1.0}))
    expected = {RESOLVE: 1, CONNECT: 1, BINDING: 0, ALLOCATE: 0, RELAY: 0}
    assert made.series("step_success", **TARGET) == expected
    assert set(made.series("step_duration_seconds", **TARGET)) == {RESOLVE, CONNECT}
    assert made.series("success", **TARGET) == {"": 0}
    assert made.series("cause", **TARGET) == {"error,no-answer": 1}


def test_a_name_that_does_not_resolve_has_a_series_without_an_address() -> None:
    made = Exported(seen(Failure(RESOLVE, "no-name"), address=""))
    assert made.series("success") == {f"{URL},,udp": 0}
    assert set(made.series("step_success", url=URL, address="", transport="udp").values()) == {0}


def test_an_address_that_left_the_dns_disappears() -> None:
    made = Exported(seen(**WORKS), seen(address="192.0.2.2", **WORKS))
    assert "192.0.2.2" in made.text()
    made.show(seen(**WORKS))
    assert "192.0.2.2" not in made.text()
    assert made.series("success", **TARGET) == {"": 1}


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_logins_for_one_url_the_failing_one_counts(first: int) -> None:
    both = [seen(**WORKS), seen(stun(401))]
    made = Exported(both[first], both[1 - first])
    assert made.series("success") == {f"{URL},192.0.2.1,udp": 0}
    assert made.text().count("abcwebrtc_probe_success{") == 1


def test_before_the_first_round_nothing_is_said_of_one() -> None:
    registry = CollectorRegistry()
    registry.register(Exporter())
    names = {one.name for family in registry.collect() for one in family.samples}
    assert names == {"abcwebrtc_build_info", "abcwebrtc_probe_round_failed"}


def test_a_round_that_can_not_be_made_leaves_the_last_one_and_says_so() -> None:
    made = Exported(seen(**WORKS))
    before = made.series("success")
    made.exporter.fail()
    assert made.value("round_failed") == 1
    assert made.value("last_round_timestamp_seconds") == NOW
    assert made.series("success") == before
    made.show(seen(**WORKS))
    assert made.value("round_failed") == 0


def test_labels_are_of_a_bounded_set_and_say_nothing_of_who_asks() -> None:
    words = {key.partition("/")[0] for key in CAUSES}
    for observation, *_ in CASES:
        made = Exported(observation)
        assert {key.split(",")[-1] for key in made.series("cause")} <= words
    text = Exported(seen(**WORKS)).text()
    for hidden in ("203.0.113.7", "10.0.0.5", "50000", "alice"):
        assert hidden not in text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AbcWebRTCError("a secret can't be read"), "a secret can't be read"),
        (OSError(errno.EMFILE, "Too many open files"), "can't be made: Too many open files"),
        (OSError("what has no number"), "can't be made: what has no number"),
    ],
    ids=["ours", "the system's", "without a number"],
)
def test_an_error_in_a_round_does_not_end_the_exporter(
    error: Exception, words: str, monkeypatch: Any
) -> None:
    """The second round can't be made; the third one is the last, for the test."""
    rounds: List[str] = []
    exporters: List[Exporter] = []
    failed: List[Optional[float]] = []
    said: List[str] = []

    def one_round(targets: Any, trust: Any, options: Any, exporter: Exporter) -> int:
        rounds.append("round")
        exporters.append(exporter)
        if len(rounds) == 2:
            raise error
        exporter.show(judge([seen(**WORKS)], around()), NOW, 1.0)
        return 0

    def pause(seconds: float) -> None:
        registry = CollectorRegistry()
        registry.register(exporters[-1])
        failed.append(registry.get_sample_value("abcwebrtc_probe_round_failed"))
        if len(rounds) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "_round", one_round)
    monkeypatch.setattr(command, "_targets", lambda config, options: [])
    monkeypatch.setattr(command, "show_failure", lambda error: said.append(str(error)))
    monkeypatch.setattr(command.time, "sleep", pause)
    options = argparse.Namespace(watch=None, metrics=("127.0.0.1", 0), form="text")
    config: Optional[WebRTCConfig] = None
    with pytest.raises(KeyboardInterrupt):
        command._export(config, command._trust(None), options)
    assert failed == [0, 1, 0]
    (line,) = said
    assert line.endswith(words)


def test_a_fault_of_the_program_ends_the_exporter(monkeypatch: Any) -> None:
    monkeypatch.setattr(command, "_targets", lambda config, options: {}["missing"])
    options = argparse.Namespace(watch=None, metrics=("127.0.0.1", 0), form="text")
    with pytest.raises(KeyError):
        command._export(None, command._trust(None), options)


@pytest.mark.parametrize("host", ["turn.invalid", "192.0.2.1"])
def test_no_further_thread_is_no_fault_of_the_program(host: str, monkeypatch: Any) -> None:
    (target,) = environment_targets({"STUN_SERVER": f"stun://{host}:3478"})
    started = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if host == "turn.invalid" or thread._target.__name__ == "probe":  # type: ignore[attr-defined]
            raise RuntimeError("can't start new thread")
        started(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(ProbeError, match="no further thread"):
        run_probes([target], 1, command._trust(None), lambda *_: None)
