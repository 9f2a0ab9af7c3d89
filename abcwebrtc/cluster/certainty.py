"""Find out whether a write was done although its answer was lost, by looking at the cluster."""

from __future__ import annotations

import time
from typing import Callable, Optional, TypeVar

from abcwebrtc.errors import KubeError

T = TypeVar("T")
LOOKS = 3
"""How often to look: a request that a proxy gave up on may still arrive."""
PAUSE = 1.0
"""Seconds between two looks."""
UNKNOWN, AS_BEFORE, OTHER = "unknown", "as before", "another's"


class LostAnswerError(KubeError):
    """A write that got no answer, or an answer that is not from the API server.

    `found` is what the cluster has shown since: the write was not done so far (`AS_BEFORE`),
    somebody else wrote (`OTHER`), or nothing, since it could not be read (`UNKNOWN`).
    """

    def __init__(self, *arguments: object, found: str = UNKNOWN) -> None:
        super().__init__(*arguments)
        self.found = found


def written(
    write: Callable[[], T], look: Callable[[], Optional[T]], say: Callable[[str], None]
) -> T:
    """Write, and return the answer, or, if that is lost, what the cluster has afterwards.

    `look` returns what was written if the cluster has it, and None if nothing has changed; it may
    raise `LostAnswerError` to give up. `say` is called when an answer is lost. Raises the
    `KubeError` of a write that was refused, or `LostAnswerError`.
    """
    try:
        return write()
    except KubeError as error:
        if not error.is_unclear:
            raise
        lost = error
    say(f"{lost}; checking whether it was done")
    found = UNKNOWN
    for number in range(LOOKS):
        time.sleep(PAUSE if number else 0)
        try:
            present = look()
        except LostAnswerError:
            raise
        except KubeError:
            found = UNKNOWN
            continue
        if present is not None:
            say("it was done; only the answer was lost")
            return present
        found = AS_BEFORE
    end = "can't tell whether it was done"
    if found == AS_BEFORE:
        end = "so far the cluster shows that it was not done"
    raise LostAnswerError(f"{lost}; {end}", found=found)
