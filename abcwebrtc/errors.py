"""The exceptions of abcwebrtc, and the problems that they carry.

Every exception derives from `AbcWebRTCError`. None has an attribute named
``code``: pyos's error handler takes one for an HTTP status.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple, Union

from abcwebrtc.texts import escaped, harmless

KeyPath = Tuple[Union[str, int], ...]
"""Where a value stands: ``("webrtc.coturn", 1, "ttl")``."""
_MAX_PATH, _MAX_MESSAGE = 200, 2000
"""Characters that are shown; no path and no message has as many by what we write."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, unwise, or good to know, in a configuration.

    `message` says what is wrong and what to write instead. It never quotes a
    secret. `level` is "error", "warning", or "note", which is never a failure.
    `path` is the key path (``webrtc.coturn[1].ttl``) or empty, `file`
    the name of the file as the caller gave it, `line` counts from 1.
    """

    message: str
    path: str = ""
    file: Optional[str] = None
    line: Optional[int] = None
    level: str = "error"

    def __str__(self) -> str:
        """Return ``od.config:399: webrtc.coturn.ttl: what is wrong``."""
        return self.as_line()

    def as_line(self, level: str = "") -> str:
        """Return the problem in one line, safe for a terminal, with a level if one is given."""
        path, message = harmless(self.path, _MAX_PATH), harmless(self.message, _MAX_MESSAGE)
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
        }


def format_path(path: KeyPath) -> str:
    """Return a key path as text: ``webrtc.coturn[1].ttl``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def why_unread(error: Exception) -> str:
    """Return why a file could not be opened or read, for an `OSError` or a `ValueError`."""
    return getattr(error, "strerror", None) or "not a file name"


class AbcWebRTCError(Exception):
    """The root of every exception that abcwebrtc raises on purpose.

    Its text is one line of limited length, and safe for a terminal.
    """

    def __str__(self) -> str:
        return harmless(super().__str__(), _MAX_MESSAGE)


class ProblemsError(AbcWebRTCError, ValueError):
    """Something that can't be used, with every problem that was found in it.

    `problems` holds them. The text of the exception is one line for each.
    """

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        """Return one line for each problem."""
        return "\n".join(map(str, self.problems))


class ConfigError(ProblemsError):
    """A configuration that can't be used.

    `warnings` and `notes` hold what was found beside the problems.
    """

    def __init__(
        self,
        *problems: Problem,
        warnings: Tuple[Problem, ...] = (),
        notes: Tuple[Problem, ...] = (),
    ) -> None:
        super().__init__(*problems)
        self.warnings = warnings
        self.notes = notes


class ManifestError(ProblemsError):
    """A Kubernetes manifest that can't be used."""

    @classmethod
    def at(cls, path: KeyPath, message: str) -> ManifestError:
        """Return the exception for what is wrong at a key path in the manifest."""
        return cls(Problem(message, format_path(path)))


class CredentialError(AbcWebRTCError, ValueError):
    """A TURN credential can't be minted from what was given."""


class SecretElsewhereError(CredentialError):
    """A static auth secret is asked for that is not on this machine."""


class WebRTCDisabledError(CredentialError):
    """``webrtc.enable`` is False, so nothing is minted."""

    def __init__(
        self, message: str = "webrtc.enable is False; set webrtc.enable: True for sound"
    ) -> None:
        super().__init__(message)  # an argument, or a copy or pickle could not be made again


class TokenError(AbcWebRTCError):
    """A user token, or the key to verify it with, is not valid."""


class KubeError(AbcWebRTCError):
    """The Kubernetes API can't be reached, or does not do what was asked.

    `status` is the HTTP status of its answer, None where there was no answer. `is_unclear` says
    that the request may have been done nevertheless: by default, where the answer is lost.
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
    """The probe can't begin: what it is to ask, or to ask with, is missing."""
