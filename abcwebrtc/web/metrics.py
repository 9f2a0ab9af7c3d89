"""What Prometheus can read of `serve` and of pyos; docs/reference/metrics.md says what it means.

This module needs the extra ``metrics``, so it is imported only where metrics are asked for. No
label holds anything about a user.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from abcwebrtc.config.secret_sources import FileSecrets
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import REASONS, TokenError
from abcwebrtc.metrics_server import build_info
from abcwebrtc.probe.watch import STATES, states_of
from abcwebrtc.turn.selection import Choice
from abcwebrtc.web.rest import Identity, LeftOut
from abcwebrtc.web.tokens import User

Answers = Callable[[], Mapping[str, bool]]
OTHER = "other"
"""The label of every path that is not served, and of every method that is not in `METHODS`."""
METHODS = ("GET", "HEAD", "POST")
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds in seconds: an answer takes about a millisecond, and a client may pause for 10 s."""


class Metrics:
    """The metrics of one process, in a `registry`.

    `config`, `left_out` and `answers` are asked at each scrape, so they may change. `answers` are
    those of a `Watcher`.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        config: Callable[[], WebRTCConfig],
        left_out: LeftOut,
        answers: Answers = dict,
    ) -> None:
        self._requests = Counter(
            "abcwebrtc_http_requests",
            "Requests that were answered.",
            ["route", "method", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "abcwebrtc_http_request_duration_seconds",
            "Time until the answer to a request was ready.",
            ["route"],
            registry=registry,
            buckets=BUCKETS,
        )
        self._credentials = Counter(
            "abcwebrtc_credentials",
            "TURN credentials that users were given.",
            ["server"],
            registry=registry,
        )
        self._refusals = Counter(
            "abcwebrtc_token_refusals",
            "User tokens that were refused.",
            ["reason"],
            registry=registry,
        )
        for reason in REASONS:  # so that the first refusal is an increase from 0
            self._refusals.labels(reason)
        for server in config().coturn:
            self._credentials.labels(server.name)
        registry.register(_State(config, left_out, answers))

    def answered(self, route: str, method: str, status: str, seconds: float) -> None:
        """Count an answer. `status` is three digits, and `route` one of a few that are known."""
        known = method if method in METHODS else OTHER
        self._requests.labels(route, known, status).inc()
        self._seconds.labels(route).observe(max(seconds, 0.0))

    def given(self, choice: Choice) -> None:
        """Count the credentials that a user gets."""
        for server in choice.servers:
            self._credentials.labels(server.name).inc()

    def requests_of(self, app: Any) -> "CountedRequests":
        """Return WSGI middleware that counts the answers of `app`, a `KnownRoutes`."""
        return CountedRequests(app, self)

    def counting(self, identity: Identity) -> Identity:
        """Return an identity that does the same, and counts refusals."""

        def identify() -> "str | User":
            try:
                return identity()
            except TokenError as error:
                self._refusals.labels(error.reason).inc()
                raise

        return identify


class CountedRequests:
    """WSGI middleware that counts the answers of `app`, a `KnownRoutes`."""

    def __init__(self, app: Any, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    def __call__(
        self, environ: Dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Pass the request to `app`."""
        begun, statuses = time.monotonic(), ["500"]  # the server's answer to an exception
        route = self._app.route_name(environ) or OTHER

        def start(status: str, *arguments: Any) -> Any:
            statuses.append(status[:3])
            return start_response(status, *arguments)

        try:
            answer: Iterable[bytes] = self._app(environ, start)
            return answer
        except OSError:  # the client has left, or is too slow, and the server answers 408
            statuses.clear()
            raise
        finally:
            if statuses:
                seconds = time.monotonic() - begun
                self._metrics.answered(route, environ["REQUEST_METHOD"], statuses[-1], seconds)


class _State(Collector):
    """What is read at each scrape: the build, the servers, the secret files."""

    def __init__(
        self, config: Callable[[], WebRTCConfig], left_out: LeftOut, answers: Answers
    ) -> None:
        self._config, self._left_out, self._answers = config, left_out, answers

    def describe(self) -> List[Metric]:
        """Return nothing: otherwise a registry asks `collect` for the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of this moment."""
        yield build_info()
        config = self._config()
        state = GaugeMetricFamily(
            "abcwebrtc_turn_server_state",
            "1 for the state that a coturn server is in, and 0 for the others.",
            labels=["server", "state"],
        )
        for name, current in states_of(config.coturn, frozenset(self._left_out())).items():
            for each in STATES:
                state.add_metric([name, each], each == current)
        yield state
        alive = GaugeMetricFamily(
            "abcwebrtc_turn_server_answers",
            "1 if a coturn server lived when it was last asked, and 0 if not.",
            labels=["server"],
        )
        for name, lives in self._answers().items():
            alive.add_metric([name], lives)
        yield alive
        yield from _secret_files(config)


def _secret_files(config: WebRTCConfig) -> Iterator[Metric]:
    failing = GaugeMetricFamily(
        "abcwebrtc_secret_file_failing",
        "1 if a secret file can't be used now, so that its last good secrets stay in use.",
        labels=["file"],
    )
    changed = GaugeMetricFamily(
        "abcwebrtc_secret_file_changed_timestamp_seconds",
        "Modification time of the secret file whose secrets are in use.",
        labels=["file"],
    )
    sources = (one for each in config.coturn for one in (each.secrets, each.pseudonym_keys))
    files = {one.path: one for one in sources if isinstance(one, FileSecrets)}
    for path, file in files.items():
        file.current()  # looks at the file even if nobody has asked for a credential
        label = path.encode("utf-8", "replace").decode("utf-8")
        failing.add_metric([label], file.failing)
        changed.add_metric([label], file.changed)
    yield failing
    yield changed
