"""Collects what is found in one turnserver.conf."""

from __future__ import annotations

from typing import List, Optional

from abcwebrtc.coturn.conf_file import Setting, TurnserverFile
from abcwebrtc.coturn.options import DTLS_ON_DEMAND, USUAL, CoturnVersion, knows
from abcwebrtc.errors import Problem


class Notes:
    """The findings in a file, and the file as one version of coturn takes it.

    `conf` has only the settings that the version knows, `problems` what is
    found.
    """

    def __init__(self, conf: TurnserverFile, version: CoturnVersion = USUAL) -> None:
        self.whole = conf
        self.conf = conf.only(lambda setting: knows(version, setting.name))
        self.version = version
        self.problems: List[Problem] = []

    def secures(self, udp: bool) -> bool:
        """Say whether coturn speaks TLS, or DTLS over UDP, where it has a certificate."""
        if not udp:
            return not self.conf.on("no-tls")
        if self.version >= DTLS_ON_DEMAND:
            return self.conf.on("dtls")
        return not self.conf.on("no-dtls")

    def error(self, name: str, message: str, at: Optional[Setting] = None) -> None:
        """Note an error at an option, by default where it was last set."""
        self._note("error", name, message, at)

    def warn(self, name: str, message: str, at: Optional[Setting] = None) -> None:
        """Note something that is allowed but unwise."""
        self._note("warning", name, message, at)

    def note(self, name: str, message: str, at: Optional[Setting] = None) -> None:
        """Note something to know, which is no fault."""
        self._note("note", name, message, at)

    def _note(self, level: str, name: str, message: str, at: Optional[Setting]) -> None:
        setting = at or self.conf.last(name)
        file, line = self.conf.file, None
        if setting:
            file, line = setting.file or file, setting.line or None
        self.problems.append(Problem(message, name, file, line, level))
