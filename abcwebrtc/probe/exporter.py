"""What Prometheus can read of `probe --watch`; docs/reference/metrics.md says what it means.

This module needs the extra ``metrics``. Labels say which server was probed, and never by whom: no
login, and no address of this machine.
"""

from __future__ import annotations

import ipaddress
from typing import Dict, Iterator, List, Optional, Sequence, Set, Tuple

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from abcwebrtc.metrics_server import build_info
from abcwebrtc.probe.model import (
    ALLOCATE,
    BINDING,
    CONNECT,
    ERROR,
    HANDSHAKE,
    NOTE,
    RELAY,
    RESOLVE,
    TLS,
    Observation,
    PathResult,
    Result,
    host_of,
)

TARGET = ("url", "address", "transport")
_Row = Tuple[str, ...]


class Exporter(Collector):
    """The results of the last round, as metrics.

    A series exists as long as its url has its address: what is no longer probed disappears.
    """

    def __init__(self) -> None:
        self._results: Sequence[Result] = ()
        self._ended: Optional[float] = None
        self._took = 0.0
        self._failed = False

    def show(self, results: Sequence[Result], now: float, took: float) -> None:
        """Export a round that ended at `now` (unix seconds), and took so many seconds."""
        self._results, self._ended, self._took, self._failed = results, now, took, False

    def fail(self) -> None:
        """Export that a round could not be made; the results of the last completed one stay."""
        self._failed = True

    def describe(self) -> List[Metric]:
        """Return nothing: otherwise a registry asks `collect` for the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the last round."""
        yield build_info()
        yield _alone("round_failed", "1 if the last round could not be made.", self._failed)
        if self._ended is not None:
            text = "When the last completed round ended."
            yield _alone("last_round_timestamp_seconds", text, self._ended)
            yield _alone("round_duration_seconds", "How long that round took.", self._took)
        families = _Families()
        worst = sorted(self._results, key=lambda result: result.level != ERROR)
        known: Set[_Row] = set()
        for result in worst:  # two entries may have the same url
            target = _target(result.observation)
            if target not in known:
                families.add(target, result)
            known.add(target)
        yield from families.all


class _Families:
    def __init__(self) -> None:
        self.all: List[GaugeMetricFamily] = []
        self._works = self._new("success", "1 if the url works over this address and transport.")
        self._cause = self._new("cause", "1 for each fault that was found.", "level", "cause")
        self._step = self._new("step_success", "1 if a step succeeded.", "step")
        self._time = self._new("step_duration_seconds", "Time of a step that succeeded.", "step")
        self._family = self._new(
            "relay_address_family", "1 for the address family of the relay.", "family"
        )
        self._end = self._new(
            "certificate_not_after_timestamp_seconds", "When the server's certificate ends."
        )
        self._loss = self._new("loss_ratio", "Share of the packets of a burst that were lost.")
        self._size = self._new("largest_payload_bytes", "The largest payload that came through.")

    def _new(self, name: str, text: str, *labels: str) -> GaugeMetricFamily:
        family = GaugeMetricFamily(f"abcwebrtc_probe_{name}", text, labels=[*TARGET, *labels])
        self.all.append(family)
        return family

    def add(self, target: _Row, result: Result) -> None:
        """Add the series of a result."""
        seen = result.observation
        self._works.add_metric(target, result.level != ERROR)
        for level, cause in dict.fromkeys(
            (one.level, one.word) for one in result.diagnoses if one.level != NOTE
        ):
            self._cause.add_metric((*target, level, cause), 1)
        for step, works in _steps(seen).items():
            self._step.add_metric((*target, step), works)
        for step, milliseconds in seen.times.items():
            self._time.add_metric((*target, step), milliseconds / 1000)
        if seen.relayed:
            version = ipaddress.ip_address(host_of(seen.relayed)).version
            self._family.add_metric((*target, f"ipv{version}"), 1)
        if seen.certificate:
            self._end.add_metric(target, seen.certificate.not_after)
        if seen.between and seen.between.burst:
            self._loss.add_metric(target, seen.between.burst.percent / 100)
        sizes = [path.largest for path in _paths(seen)]
        if sizes:
            self._size.add_metric(target, min(sizes))


def _target(seen: Observation) -> _Row:
    return seen.target.url, seen.address, seen.target.transport


def _steps(seen: Observation) -> Dict[str, bool]:
    """Return whether each step succeeded; one that was not reached did not."""
    steps = [RESOLVE, CONNECT]
    steps += [HANDSHAKE] if seen.target.transport == TLS else []
    steps += [BINDING]
    steps += [ALLOCATE, RELAY] if seen.target.is_turn else []
    steps += [failure.step for failure in seen.failures]
    return {step: step in seen.times for step in (*steps, *seen.times)}


def _paths(seen: Observation) -> List[PathResult]:
    return [path for path in (seen.between, seen.outside) if path and path.sizes]


def _alone(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"abcwebrtc_probe_{name}", text, value=value)
