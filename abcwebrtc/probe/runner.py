"""Probes targets, all at once, and returns what was seen."""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
import time
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from abcwebrtc.probe.model import RESOLVE, Failure, Observation, Target
from abcwebrtc.probe.steps import probe_address
from abcwebrtc.probe.stun_client import Settings, timed

Progress = Callable[[int, int, str], None]
"""Takes how many probes are done, of how many, and the url of the last one."""
Addresses = Tuple[List[str], float, Optional[Failure]]
"""The addresses of a name, the milliseconds that it took, and why there is none."""
_GRACE = 2.0
"""Seconds that the probes have to free their allocations when they are to stop."""


def run_probes(
    targets: Sequence[Target],
    timeout: float,
    trust: ssl.SSLContext,
    progress: Progress,
    quick: bool = False,
) -> List[Observation]:
    """Probe every address of every target; each has a thread of its own.

    `timeout` is that of a step in seconds, `quick` leaves out the bursts. A
    ``KeyboardInterrupt`` frees what is allocated before it goes on.
    """
    found = resolve_all([target.host for target in targets], timeout)
    observations = [one for target in targets for one in _observations(target, found)]
    reached = [one for one in observations if one.address]
    settings = Settings(timeout, trust, threading.Event(), quick)
    # Allocations on one server are made one after another, or they would count
    # together against its quota.
    locks = {one.target.host: threading.Lock() for one in reached}
    done: "queue.Queue[Tuple[str, Optional[BaseException]]]" = queue.Queue()

    def probe(one: Observation) -> None:
        fault: Optional[BaseException] = None
        try:
            probe_address(one, settings, locks[one.target.host])
        except BaseException as error:  # it is raised where it can be seen
            fault = error
        done.put((one.target.url, fault))

    threads = [threading.Thread(target=probe, args=(one,), daemon=True) for one in reached]
    try:
        for thread in threads:
            thread.start()
        progress(0, len(threads), "")
        for count in range(len(threads)):
            url, fault = done.get()
            if fault:
                raise fault
            progress(count + 1, len(threads), url)
    finally:  # those that still run free what they allocated
        settings.stop.set()
        end = time.monotonic() + _GRACE
        for thread in threads:
            if thread.ident:
                thread.join(max(0.0, end - time.monotonic()))
    return observations


def _observations(target: Target, found: Dict[str, Addresses]) -> List[Observation]:
    addresses, took, failure = found[target.host]
    if failure:
        return [Observation(target, failures=[failure])]
    return [Observation(target, address, times={RESOLVE: took}) for address in addresses]


# names


def resolve_all(names: Sequence[str], timeout: float, flags: int = 0) -> Dict[str, Addresses]:
    """Return the addresses of every name, or why it has none.

    `flags` are those of getaddrinfo(3), such as `socket.AI_ADDRCONFIG`.
    """
    hosts = list(dict.fromkeys(names))
    answers: "queue.Queue[Tuple[str, Addresses]]" = queue.Queue()

    def look_up(host: str) -> None:
        answers.put((host, _resolve(host, flags)))

    for host in hosts:
        # The system's resolver can't be stopped, so it is left behind when it is too slow.
        threading.Thread(target=look_up, args=(host,), daemon=True).start()
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
        detail = getattr(error, "strerror", None) or ""
        return [], 0.0, Failure(RESOLVE, "no-name", detail=detail)
    return list(dict.fromkeys(str(info[4][0]) for info in infos)), times[RESOLVE], None
