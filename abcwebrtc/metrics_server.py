"""Serves metrics to Prometheus, with prometheus_client's own server.

This module needs the extra ``metrics``, so it is imported only where metrics are asked for.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Any, Iterator, Tuple

from prometheus_client import CollectorRegistry, disable_created_metrics, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector

import abcwebrtc
from abcwebrtc.errors import AbcWebRTCError
from abcwebrtc.texts import harmless_logger

TIMEOUT = 10
"""Seconds that a client may be silent; without a limit, it would keep a thread forever."""
_log = harmless_logger(__name__)


@contextlib.contextmanager
def metrics_server(place: Tuple[str, int]) -> Iterator[Tuple[CollectorRegistry, str]]:
    """Serve a new registry at a host and port; yield it, and the url of its metrics.

    Port 0 is any free one. Raises `AbcWebRTCError` if the server can't listen there.
    """
    host, port = place
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    reason = ""
    try:
        server, thread = start_http_server(port, host, registry)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not a host name"
    if reason:
        raise AbcWebRTCError(f"can't listen on {host} port {port} for metrics: {reason}")
    server.RequestHandlerClass.timeout = TIMEOUT  # type: ignore[attr-defined]
    server.handle_error = _log_failure  # type: ignore[method-assign]  # its own prints a traceback
    shown = f"[{host}]" if ":" in host else host
    try:
        yield registry, f"http://{shown}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _log_failure(request: Any, client_address: Any) -> None:
    """Log that a scrape failed; a client that has left is nobody's fault."""
    error = sys.exc_info()[1]
    level = logging.DEBUG if isinstance(error, OSError) else logging.ERROR
    _log.log(level, "can't answer a request for metrics: %s", type(error).__name__, exc_info=error)


def build_info() -> GaugeMetricFamily:
    """Return the version as a metric, which every registry has."""
    build = GaugeMetricFamily("abcwebrtc_build_info", "The version.", labels=["version"])
    build.add_metric([abcwebrtc.__version__], 1)
    return build
