"""An od.config as a whole: what it is for abcwebrtc, and whether pyos takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Mapping, Optional, Tuple

from abcwebrtc.config.coturn_secrets import SECRET_KEY
from abcwebrtc.config.entries import COTURN
from abcwebrtc.config.problems import has_error
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import ConfigError, Problem
from abcwebrtc.odconfig.reader import OdConfig, read_entries, scan_sections
from abcwebrtc.odconfig.source import Source, decoded, read_source, source_folder, source_name
from abcwebrtc.odconfig.whole_file import pyos_problems


@dataclass(frozen=True)
class CheckedFile:
    """The text of an od.config, its entries, and every problem that was found.

    `config` is None where one of them is an error.
    """

    text: str
    mapping: OdConfig
    config: Optional[WebRTCConfig]
    problems: Tuple[Problem, ...]

    def __repr__(self) -> str:
        """Leave the text out: it holds secrets."""
        return f"<CheckedFile: {len(self.text)} characters>"

    def of_level(self, level: str) -> Tuple[Problem, ...]:
        """Return the problems of a level."""
        return tuple(problem for problem in self.problems if problem.level == level)

    @property
    def has_inline_secret(self) -> bool:
        """Whether the text has a static auth secret in it."""
        coturn = self.mapping.get(COTURN)
        servers = coturn if isinstance(coturn, (list, tuple)) else [coturn]
        return any(isinstance(server, Mapping) and SECRET_KEY in server for server in servers)


def check_file(path: Source) -> CheckedFile:
    """Read an od.config, and find everything that is wrong in it, without contacting anything.

    A secret in a file or a variable that is missing here is a note: it has to be
    where pyos runs. Raises `UnreadableError` where the file itself can't be read.
    """
    file, folder = source_name(path), source_folder(path)
    text, errors = decoded(read_source(path), file)
    reader = scan_sections(text, file, errors)
    found: List[Problem] = list(pyos_problems(reader))
    mapping, config = read_entries(reader, folder), None
    try:
        config = WebRTCConfig.from_mapping(mapping, folder=folder, secrets_elsewhere=True)
        found += (*config.warnings, *config.notes)
    except ConfigError as error:
        found += (*error.problems, *error.warnings, *error.notes)
    if has_error(found):
        config = None
    return CheckedFile(text, mapping, config, tuple(found))
