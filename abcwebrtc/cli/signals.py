"""Signals that end a command which has something to say or to remove first."""

from __future__ import annotations

import signal
from contextlib import contextmanager, suppress
from typing import Iterator, NoReturn

_ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """Treat the end of a CI job or of a connection like Ctrl-C: say what was done, and clean up.

    SIGQUIT too: by default it leaves a core, with secrets in it.
    """

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in _ENDS}
    default = [number for number, handler in before.items() if handler is signal.SIG_DFL]
    try:
        for number in default:  # nohup ignores one
            with suppress(ValueError):  # not the main thread
                signal.signal(number, interrupt)
        yield
    finally:
        for number in default:
            with suppress(ValueError):
                signal.signal(number, signal.SIG_DFL)
