"""The exceptions of abcwebrtc, and the problems that they carry.

Every exception derives from `AbcWebRTCError`. None has an attribute named ``code``, which pyos's
error handler would treat as an HTTP status.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple, Union

from abcwebrtc.texts import escaped, harmless

KeyPath = Tuple[Union[str, int], ...]
"""The path to a value: ``("webrtc.coturn", 1, "ttl")``."""
_MAX_PATH, _MAX_MESSAGE = 200, 2000
"""Characters that are shown; paths and messages of this package are shorter by themselves."""
MAX_ALIKE, MAX_OF_A_KIND = 5, 20
_VARYING, _INDEX = re.compile("'[^']*'|[0-9]+"), re.compile(r"\[[0-9]+\]")


@dataclass(frozen=True)
class Problem:
    """One thing in a configuration that is wrong, unwise, or good to know.

    `message` says what is wrong and what to write instead. It never quotes a
    secret. `level` is "error", "warning", or "note", which is never a failure.
    `path` is the key path (``webrtc.coturn[1].ttl``) or empty, `file` is the name of the file as
    the caller gave it, and `line` counts from 1. `more` says how many similar problems were left
    out.
    """

    message: str
    path: str = ""
    file: Optional[str] = None
    line: Optional[int] = None
    level: str = "error"
    more: int = 0

    def __str__(self) -> str:
        """Return ``od.config:399: webrtc.coturn.ttl: what is wrong``."""
        return self.as_line()

    def as_line(self, level: str = "") -> str:
        """Return the problem in one line, safe for a terminal, with a level if one is given."""
        path, message = harmless(self.path, _MAX_PATH), harmless(self.message, _MAX_MESSAGE)
        message += f" (and {self.more} more like this)" if self.more else ""
        return ": ".join(part for part in (escaped(self.place), level, path, message) if part)

    @property
    def place(self) -> str:
        """The file with the line, as far as they are known: ``od.config:399``."""
        if self.file and self.line:
            return f"{self.file}:{self.line}"
        return self.file or ""

    def as_dict(self) -> Dict[str, Any]:
        """Return the problem as plain JSON data."""
        return {
            "level": self.level,
            "file": self.file,
            "line": self.line,
            "path": self.path,
            "message": self.message,
            "more": self.more,
        }


class Problems(Iterable[Problem]):
    """Problems in the order in which they were added, and only the first ones of each kind.

    Problems are of the same kind if their messages differ only in numbers and quoted words. At most
    `MAX_ALIKE` are kept at one key path, whatever its indexes, and `MAX_OF_A_KIND` in all; `more`
    of the last one that is kept counts the rest.
    """

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        self._kept: List[Problem] = []
        self._more: Dict[int, int] = {}
        self._numbers: Dict[Tuple[str, ...], int] = Counter()
        self._last: Dict[Tuple[str, ...], int] = {}
        self.extend(problems)

    def extend(self, problems: Iterable[Problem]) -> None:
        """Add problems, perhaps from another object of this class."""
        for problem in problems:
            self.add(problem)

    def add(self, problem: Problem) -> None:
        """Add a problem, or only count it if there are enough like it."""
        kind = (problem.level, _without_numbers(problem.message))
        at_path = (*kind, _INDEX.sub("", problem.path) if problem.path else "")
        if self._numbers[at_path] < MAX_ALIKE and self._numbers[kind] < MAX_OF_A_KIND:
            self._numbers[at_path] += 1
            self._numbers[kind] += 1
            self._last[at_path] = self._last[kind] = len(self._kept)
            self._more[len(self._kept)] = problem.more
            self._kept.append(problem)
        else:
            self._more[self._last.get(at_path, self._last[kind])] += 1 + problem.more

    def __iter__(self) -> Iterator[Problem]:
        """Yield the problems that are kept."""
        for index, problem in enumerate(self._kept):
            more = self._more[index]
            yield problem if problem.more == more else replace(problem, more=more)


@lru_cache(maxsize=32)
def _without_numbers(message: str) -> str:
    return _VARYING.sub("", message)


def format_path(path: KeyPath) -> str:
    """Return a key path as text: ``webrtc.coturn[1].ttl``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


class AbcWebRTCError(Exception):
    """The base class of every exception that abcwebrtc raises on purpose.

    Its text is one line of limited length, and safe for a terminal.
    """

    def __str__(self) -> str:
        return harmless(super().__str__(), _MAX_MESSAGE)


class ProblemsError(AbcWebRTCError, ValueError):
    """Something that can't be used, with every problem that was found in it.

    `problems` holds only the first ones of each kind; see `Problem.more`. The text of the exception
    has one line for each.
    """

    def __init__(self, *problems: Problem) -> None:
        self.problems = tuple(Problems(problems))
        super().__init__(*self.problems)

    def __str__(self) -> str:
        """Return one line for each problem."""
        return "\n".join(map(str, self.problems))


class ConfigError(ProblemsError):
    """A configuration that can't be used.

    `warnings` and `notes` hold what else was found.
    """

    def __init__(
        self,
        *problems: Problem,
        warnings: Tuple[Problem, ...] = (),
        notes: Tuple[Problem, ...] = (),
    ) -> None:
        super().__init__(*problems)
        self.warnings = tuple(Problems(warnings))
        self.notes = tuple(Problems(notes))


class UnreadableError(ConfigError):
    """A file that can't be read, so its content is unknown.

    For example it is missing, too large, or not readable for this user. A file that was read and is
    wrong raises a plain `ConfigError`. The command line distinguishes the two by its exit status.
    """


class ManifestError(ProblemsError):
    """A Kubernetes manifest that can't be used."""

    @classmethod
    def at(cls, path: KeyPath, message: str) -> ManifestError:
        """Return the exception for what is wrong at a key path in the manifest."""
        return cls(Problem(message, format_path(path)))


class CredentialError(AbcWebRTCError, ValueError):
    """A TURN credential can't be minted."""


class SecretElsewhereError(CredentialError):
    """A static auth secret is needed that is not on this machine."""


class WebRTCDisabledError(CredentialError):
    """``webrtc.enable`` is False, so nothing is minted."""

    def __init__(
        self, message: str = "webrtc.enable is False; set webrtc.enable: True for sound"
    ) -> None:
        super().__init__(message)  # an argument, so that copies and pickles can be made


REASONS = ("no_token", "expired", "not_yet_valid", "signature", "claims", "malformed", "labels")
"""Why a `TokenError` was raised, in one word of a bounded set."""


class TokenError(AbcWebRTCError):
    """A user token, or the key that verifies it, is not valid; `reason` is one of `REASONS`."""

    reason = "malformed"

    def __init__(self, *arguments: object, reason: str = "malformed") -> None:
        super().__init__(*arguments)
        self.reason = reason


class KubeError(AbcWebRTCError):
    """The Kubernetes API can't be reached, or refuses a request.

    `status` is the HTTP status of its answer, or None if there was no answer. `is_unclear` says
    that the request may have been carried out anyway: by default, if the answer is lost.
    """

    def __init__(
        self,
        *arguments: object,
        status: Optional[int] = None,
        is_unclear: Optional[bool] = None,
    ) -> None:
        super().__init__(*arguments)
        self.status = status
        self.is_unclear = self.is_transient if is_unclear is None else is_unclear

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.status is None or self.status == 429 or self.status >= 500


class ProbeError(AbcWebRTCError):
    """The probe can't start: it has no servers, nothing to log in with, or no threads."""
