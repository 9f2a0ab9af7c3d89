"""A turnserver.conf as one version of coturn reads it: what every rule looks at."""

from __future__ import annotations

from typing import Iterator, Tuple, Union

from abcwebrtc.coturn.conf_file import Setting, TurnserverFile
from abcwebrtc.coturn.options import DTLS_ON_DEMAND, USUAL, CoturnVersion, knows
from abcwebrtc.coturn.server import PLAIN_PORT, TLS_PORT
from abcwebrtc.errors import Problem


class KnownConf(TurnserverFile):
    """The settings that a version of coturn knows; `whole` is the file with all settings.

    Its methods also make the problems, each at the line of a setting.
    """

    def __init__(self, whole: TurnserverFile, version: CoturnVersion = USUAL) -> None:
        known = [setting for setting in whole.settings if knows(version, setting.name)]
        super().__init__(whole.file, known, [])
        self.whole = whole
        self.version = version

    @property
    def plain_port(self) -> int:
        """Its ``listening-port``."""
        return self.number("listening-port", PLAIN_PORT)

    @property
    def tls_port(self) -> int:
        """Its ``tls-listening-port``."""
        return self.number("tls-listening-port", TLS_PORT)

    def aux_ports(self) -> Iterator[Tuple[Setting, int]]:
        """Yield the ports of ``aux-server``, each with its setting."""
        for setting in self.all("aux-server"):
            port = setting.text.rpartition(":")[2]
            if port.isdecimal():
                yield setting, int(port)

    def secures(self, udp: bool) -> bool:
        """Return whether coturn with a certificate speaks TLS, or DTLS over UDP."""
        if not udp:
            return not self.on("no-tls")
        if self.version >= DTLS_ON_DEMAND:
            return self.on("dtls")
        return not self.on("no-dtls")

    @property
    def has_use_for_certificate(self) -> bool:
        """Whether coturn with a certificate speaks TLS or DTLS."""
        return self.secures(udp=False) or self.secures(udp=True)

    def error(self, at: Union[str, Setting], message: str) -> Problem:
        """Return an error at a setting, or at the last setting of an option."""
        return self._problem("error", at, message)

    def warning(self, at: Union[str, Setting], message: str) -> Problem:
        """Return a warning: what is allowed but unwise."""
        return self._problem("warning", at, message)

    def note(self, at: Union[str, Setting], message: str) -> Problem:
        """Return a note: what is good to know, and not a fault."""
        return self._problem("note", at, message)

    def _problem(self, level: str, at: Union[str, Setting], message: str) -> Problem:
        setting = self.last(at) if isinstance(at, str) else at
        if setting is None:
            return Problem(message, str(at), self.file, None, level)
        file, line = setting.file or self.file, setting.line or None
        return Problem(message, setting.name, file, line, level)
