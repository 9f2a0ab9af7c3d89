"""Probes all targets at once, and returns what was seen."""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
import time
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from abcwebrtc.errors import ProbeError
from abcwebrtc.probe.model import RESOLVE, Failure, Observation, Target
from abcwebrtc.probe.steps import probe_address
from abcwebrtc.probe.stun_client import Settings, timed
from abcwebrtc.texts import harmless_logger

Progress = Callable[[int, int, str], None]
"""Takes how many probes are done, how many there are, and the url of the last one."""
Addresses = Tuple[List[str], float, Optional[Failure]]
"""The addresses of a name, the milliseconds that the lookup took, and why it failed."""
_UNANSWERED = (socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_MEMORY)
_LOG = harmless_logger(__name__)
_GRACE = 2.0
"""Seconds that the probes have to free their allocations after they are told to stop."""


def run_probes(
    targets: Sequence[Target],
    timeout: float,
    trust: ssl.SSLContext,
    progress: Progress,
    quick: bool = False,
) -> List[Observation]:
    """Probe every address of every target, each in its own thread.

    `timeout` is the seconds that a step may take. `quick` skips the bursts. After a
    ``KeyboardInterrupt``, allocations are freed before it is raised again. Raises `ProbeError` if
    no thread can be started.
    """
    found = resolve_all([target.host for target in targets], timeout)
    observations = [one for target in targets for one in _observations(target, found)]
    reached = [one for one in observations if one.address]
    settings = Settings(timeout, trust, threading.Event(), quick)
    # Allocations on one server are made one after another: together they could exceed its quota.
    locks = {one.target.host: threading.Lock() for one in reached}
    done: "queue.Queue[Tuple[str, Optional[BaseException]]]" = queue.Queue()

    def probe(one: Observation) -> None:
        fault: Optional[BaseException] = None
        try:
            probe_address(one, settings, locks[one.target.host])
        except BaseException as error:  # raised again in the main thread
            fault = error
        done.put((one.target.url, fault))

    threads = [threading.Thread(target=probe, args=(one,), daemon=True) for one in reached]
    try:
        for thread in threads:
            _start(thread)
        progress(0, len(threads), "")
        for count in range(len(threads)):
            url, fault = done.get()
            if fault:
                raise fault
            progress(count + 1, len(threads), url)
    finally:  # threads that still run free their allocations
        settings.stop.set()
        end = time.monotonic() + _GRACE
        for thread in threads:
            if thread.ident:
                thread.join(max(0.0, end - time.monotonic()))
    return observations


def _start(thread: threading.Thread) -> None:
    try:
        thread.start()
    except RuntimeError:  # its only reason, for a thread that is new
        message = "this machine lets no further thread start; look at its limits and its memory"
        raise ProbeError(message) from None


def _observations(target: Target, found: Dict[str, Addresses]) -> List[Observation]:
    addresses, took, failure = found[target.host]
    if failure:
        return [Observation(target, failures=[failure])]
    return [Observation(target, address, times={RESOLVE: took}) for address in addresses]


# names


def resolve_all(names: Sequence[str], timeout: float, flags: int = 0) -> Dict[str, Addresses]:
    """Return the addresses of every name, or why there are none.

    `flags` are those of getaddrinfo(3), such as `socket.AI_ADDRCONFIG`.
    """
    hosts = list(dict.fromkeys(names))
    answers: "queue.Queue[Tuple[str, Addresses]]" = queue.Queue()

    def look_up(host: str) -> None:
        answers.put((host, _resolve(host, flags)))

    for host in hosts:
        # The system's resolver can't be stopped, so a slow lookup is abandoned.
        _start(threading.Thread(target=look_up, args=(host,), daemon=True))
    found: Dict[str, Addresses] = {host: ([], 0.0, Failure(RESOLVE, "timeout")) for host in hosts}
    deadline = time.monotonic() + timeout
    with contextlib.suppress(queue.Empty):
        for _ in hosts:
            host, addresses = answers.get(timeout=max(0.0, deadline - time.monotonic()))
            found[host] = addresses
    return found


def _resolve(host: str, flags: int) -> Addresses:
    times: Dict[str, float] = {}
    try:
        with timed(times, RESOLVE):
            infos = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM, flags=flags)
    except (OSError, UnicodeError) as error:
        failure = lookup_failure(error)
        _LOG.debug("%s does not resolve: %s", host, failure.detail)
        return [], 0.0, failure
    addresses = list(dict.fromkeys(str(info[4][0]) for info in infos))
    _LOG.debug("%s has %s", host, ", ".join(addresses))
    return addresses, times[RESOLVE], None


def lookup_failure(error: Exception) -> Failure:
    """Return whether a name has no address, or whether that is not known, after `getaddrinfo`."""
    is_name = isinstance(error, (UnicodeError, socket.gaierror))  # or this machine failed
    known = is_name and getattr(error, "errno", 0) not in _UNANSWERED
    detail = getattr(error, "strerror", None) or ""
    return Failure(RESOLVE, "no-name" if known else "no-dns", detail=detail)
