"""Types of options that several commands have; a type that one command has is in its module.

A function that takes limits returns a type: ``type=port(1024)``.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import re
import sys
from contextlib import nullcontext
from typing import (
    BinaryIO,
    Callable,
    ContextManager,
    Iterator,
    List,
    Tuple,
    TypeVar,
)

from abcwebrtc.cli.parser import STDIN, given
from abcwebrtc.config.problems import is_like_path
from abcwebrtc.errors import AbcWebRTCError, Problem, UnreadableError
from abcwebrtc.files import open_file, read_stream
from abcwebrtc.times import parse_moment

T = TypeVar("T")
_DNS_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME = rf"{_DNS_LABEL}(\.{_DNS_LABEL})*"


def names(text: str) -> List[str]:
    """Return names that have commas between them."""
    found = [name.strip() for name in text.split(",")]
    if all(found):
        return found
    raise argparse.ArgumentTypeError("write names with commas between them, such as a,b")


def add_labels(parser: argparse.ArgumentParser, what: str) -> None:
    """Declare ``--labels``; `what` depends on them."""
    parser.add_argument(
        "--labels",
        metavar="A,B",
        type=names,
        default=[],
        help=f"labels of the user, for the acls of {what} (none)",
    )


def output_file(text: str) -> str:
    """Return the name of a file to write, which ``-`` is not."""
    if text != STDIN:
        return given(text)
    raise argparse.ArgumentTypeError("write the name of a file; for stdout leave --output out")


def open_input(name: str) -> ContextManager[BinaryIO]:
    """Open a file, or stdin for ``-``, which stays open; raise `UnreadableError` if it can't."""
    if name == STDIN:
        if sys.stdin is None:
            raise UnreadableError(Problem("can't be read: it is closed", "", "stdin"))
        return nullcontext(sys.stdin.buffer)
    try:
        return open_file(name, by_user=True)
    except OSError as error:
        reason = error.strerror
    file = name if is_like_path(name) else "(a name that is like a secret)"
    raise UnreadableError(Problem(f"can't be read: {reason}", "", file))


def read_input(name: str, most: int) -> bytes:
    """Return the content of a file, or of stdin for ``-``.

    Raises `UnreadableError` where it can't be read, or has more than so many bytes.
    """
    with open_input(name) as stream:
        try:
            return read_stream(stream, most)
        except OSError as error:
            reason = error.strerror
    file = "stdin" if name == STDIN else name
    raise UnreadableError(Problem(f"can't be read: {reason}", "", file))


def whole_number(lowest: int, highest: int, what: str) -> Callable[[str], int]:
    """Return the type of an option that takes a whole number; `what` says what to write."""

    def parse(text: str) -> int:
        if re.fullmatch("[0-9]{1,9}", text) and lowest <= int(text) <= highest:
            return int(text)
        raise argparse.ArgumentTypeError(f"write {what}")

    return parse


def seconds(lowest: float, highest: float) -> Callable[[str], float]:
    """Return the type of an option that takes seconds, and parts of one."""

    def parse(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if lowest <= found <= highest:
            return found
        raise argparse.ArgumentTypeError(f"write seconds, from {lowest:g} to {highest:g}")

    return parse


def typed(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Return the type of an option whose value `parse` reads, with what its `ValueError` says."""

    def read(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


moment = typed(parse_moment)


def place(text: str) -> Tuple[str, int]:
    """Return a host and a port, such as ``127.0.0.1:9464`` or ``[::1]:0``; 0 is any free port."""
    host, _, number = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not host:
        raise argparse.ArgumentTypeError("write HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464")
    return host, port(0)(number)


@contextlib.contextmanager
def needing_metrics() -> Iterator[None]:
    """Raise `AbcWebRTCError`, which says what to install, without a new prometheus_client."""
    missing = ""
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "prometheus_client":
            raise
        is_old = not isinstance(error, ModuleNotFoundError)
        missing = "a newer prometheus_client" if is_old else "prometheus_client"
    if missing:
        raise AbcWebRTCError(f"--metrics needs {missing}; install abcwebrtc[metrics]")


def port(lowest: int = 1) -> Callable[[str], int]:
    """Return the type of an option that takes a port."""
    return whole_number(lowest, 65535, f"a port from {lowest} to 65535")


def port_range(lowest: int = 1) -> Callable[[str], Tuple[int, int]]:
    """Return the type of an option that takes the first and the last port, ``MIN-MAX``."""

    def parse(text: str) -> Tuple[int, int]:
        if re.fullmatch("[0-9]{1,5}-[0-9]{1,5}", text):
            first, last = map(int, text.split("-"))
            if lowest <= first <= last <= 65535:
                return first, last
        raise argparse.ArgumentTypeError(
            f"write two ports from {lowest} up, such as 49152-65535, coturn's default"
        )

    return parse


def kube_namespace(text: str) -> str:
    """Return the name of a namespace of Kubernetes."""
    return _matching(_DNS_LABEL, text, 63, "a namespace such as abcdesktop")


def kube_name(text: str) -> str:
    """Return the name of an object of Kubernetes."""
    return _matching(_DNS_NAME, text, 253, "a name of small letters, digits, '-' and '.'")


def kube_key(text: str) -> str:
    """Return a key in a ConfigMap or Secret, of which Kubernetes makes a file name."""
    what = "a key of letters, digits, '-', '_' and '.', such as od.config in a ConfigMap"
    right = f"{what}, and static-auth-secret in a Secret"
    return _matching(r"(?!\.$|\.\.)[A-Za-z0-9_.-]+", text, 253, right)


def kube_label(text: str) -> Tuple[str, str]:
    """Return the key and the value of a label, ``KEY=VALUE``."""
    name = "[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
    pattern = f"({_DNS_NAME}/)?{name}=({name})?"
    key, _, value = _matching(pattern, text, 400, "a label such as type=x11server").partition("=")
    return key, value


def _matching(pattern: str, text: str, length: int, what: str) -> str:
    if re.fullmatch(pattern, text) and len(text) <= length:
        return text
    raise argparse.ArgumentTypeError(f"write {what}")
