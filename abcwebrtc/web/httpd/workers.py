"""Threads that call the application."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any, Callable, Optional

_log = logging.getLogger(__name__)

Job = Callable[[], Any]


class Workers:
    """Some threads that run jobs in the order in which they came.

    They don't keep the process from ending: a job that is stuck must not either.
    `failed` is called when a job raises what is no `Exception`: it ends a thread.
    """

    def __init__(self, number: int, failed: Callable[[], None]) -> None:
        self._jobs: "queue.SimpleQueue[Optional[Job]]" = queue.SimpleQueue()
        self._failed = failed
        self._threads = [
            threading.Thread(target=self._work, name=f"worker {index}", daemon=True)
            for index in range(number)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def put(self, job: Job) -> None:
        """Have a job run; it has to deal with its own exceptions."""
        self._jobs.put(job)

    def stop(self) -> None:
        """Have each thread end after the jobs that were put before."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        try:
            for job in iter(self._jobs.get, None):
                job()
        except BaseException:
            _log.critical("a request ended a thread of the server", exc_info=True)
            self._failed()
