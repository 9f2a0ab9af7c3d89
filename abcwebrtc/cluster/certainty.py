"""What became of a write whose answer is lost: the cluster is looked at before anything is said."""

from __future__ import annotations

import time
from typing import Callable, Optional, TypeVar

from abcwebrtc.errors import KubeError

T = TypeVar("T")
LOOKS = 3
"""Times that the cluster is looked at: what a proxy has given up may still be on its way."""
PAUSE = 1.0
"""Seconds between two looks."""
UNKNOWN, AS_BEFORE, OTHER = "unknown", "as before", "another's"


class LostAnswerError(KubeError):
    """A write that got no answer, or none of the API server's.

    `found` is what looks have shown since: that it was not done until then (`AS_BEFORE`), that
    somebody else has written (`OTHER`), or nothing (`UNKNOWN`).
    """

    def __init__(self, *arguments: object, found: str = UNKNOWN) -> None:
        super().__init__(*arguments)
        self.found = found


def written(
    write: Callable[[], T], look: Callable[[], Optional[T]], say: Callable[[str], None]
) -> T:
    """Write, and return what the cluster answers, or, where the answer is lost, what it has then.

    `look` returns what was to be written where the cluster has it, None where it is as before; it
    may raise `LostAnswerError` to end this. `say` is told of an answer that is lost.
    Raises the `KubeError` of the write where it was refused, else `LostAnswerError`.
    """
    try:
        return write()
    except KubeError as error:
        if not error.is_unclear:
            raise
        lost = error
    say(f"{lost}; looking whether it was done")
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
    end = "no look shows whether it was done"
    if found == AS_BEFORE:
        end = "until now it was not done, as a look shows"
    raise LostAnswerError(f"{lost}; {end}", found=found)
