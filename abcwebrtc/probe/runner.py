"""Probes targets, all at once, and returns what was seen."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from abcwebrtc.probe.attempt import probe_address
from abcwebrtc.probe.model import RESOLVE, Failure, Observation, Target
from abcwebrtc.probe.wire import Settings, timed

Progress = Callable[[int, int, str], None]
"""Takes how many probes are done, of how many, and the url of the last one."""
_GRACE = 2.0
"""Seconds that the probes have to free their allocations when they are to stop."""


def run_probes(
    targets: Sequence[Target], timeout: float, trust: ssl.SSLContext, progress: Progress
) -> List[Observation]:
    """Probe every address of every target; each has a thread of its own.

    `timeout` is that of a step in seconds. A ``KeyboardInterrupt`` frees what is
    allocated before it goes on.
    """
    settings = Settings(timeout, trust, threading.Event())
    found = resolve_all(targets, timeout)
    observations = [one for target in targets for one in _observations(target, found)]
    ready = [one for one in observations if one.address]
    # Allocations on one server are made one after another, or they would count
    # together against its quota.
    locks = {one.target.host: threading.Lock() for one in ready}
    done: "queue.Queue[Observation]" = queue.Queue()
    faults: List[BaseException] = []

    def probe(one: Observation) -> None:
        try:
            probe_address(one, settings, locks[one.target.host])
        except BaseException as error:  # it is raised where it can be seen
            faults.append(error)
        finally:
            done.put(one)

    threads = [threading.Thread(target=probe, args=(one,), daemon=True) for one in ready]
    try:
        for thread in threads:
            thread.start()
        for count in range(len(ready)):
            progress(count, len(ready), "")
            progress(count + 1, len(ready), done.get().target.url)
    finally:
        settings.stop.set()
        end = time.monotonic() + _GRACE
        for thread in threads:
            if thread.ident:
                thread.join(max(0.0, end - time.monotonic()))
    if faults:
        raise faults[0]
    return observations


def _observations(target: Target, found: Dict[str, "Addresses"]) -> List[Observation]:
    addresses, took, failure = found[target.host]
    if failure:
        return [Observation(target, failures=[failure])]
    return [Observation(target, address, times={RESOLVE: took}) for address in addresses]


# names

Addresses = Tuple[List[str], float, Optional[Failure]]
"""The addresses of a name, the milliseconds that it took, and why there is none."""


def resolve_all(targets: Sequence[Target], timeout: float) -> Dict[str, Addresses]:
    """Return the addresses of every host, or why it has none."""
    hosts = list(dict.fromkeys(target.host for target in targets))
    answers: "queue.Queue[Tuple[str, Addresses]]" = queue.Queue()
    for host in hosts:
        # The system's resolver can't be stopped, so it is left behind when it is too slow.
        threading.Thread(
            target=lambda name: answers.put((name, _resolve(name))), args=(host,), daemon=True
        ).start()
    found: Dict[str, Addresses] = {host: ([], 0.0, Failure(RESOLVE, "timeout")) for host in hosts}
    deadline = time.monotonic() + timeout
    try:
        for _ in hosts:
            host, addresses = answers.get(timeout=max(0.0, deadline - time.monotonic()))
            found[host] = addresses
    except queue.Empty:
        pass
    return found


def _resolve(host: str) -> Addresses:
    times: Dict[str, float] = {}
    try:
        with timed(times, RESOLVE):
            infos = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        detail = getattr(error, "strerror", None) or ""
        return [], 0.0, Failure(RESOLVE, "no-name", detail=detail)
    return list(dict.fromkeys(str(info[4][0]) for info in infos)), times[RESOLVE], None
