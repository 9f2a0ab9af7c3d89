"""Where secrets are read from while a configuration is built."""

from __future__ import annotations

import os
import re
from typing import Dict, Mapping, Optional

from abcwebrtc.config.secret_sources import (
    AbsentError,
    FileSecrets,
    FixedSecrets,
    SecretsElsewhere,
    SecretSource,
    split_secrets,
)
from abcwebrtc.config.unexpanded import has_unexpanded
from abcwebrtc.errors import ConfigError, Problem

_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_UNEXPANDED = "has a variable or a '~' in it, which nobody fills in; write the path itself"


class SecretReader:
    """Reads the files and the variables that an od.config names, each file once.

    A relative file name starts in `folder`. Two entries that name one file share
    one reader, so that it is looked at once. Where secrets may be `elsewhere`, a
    file or variable that is not here is `SecretsElsewhere`.
    """

    def __init__(self, environ: Mapping[str, str], folder: str, elsewhere: bool = False) -> None:
        self._environ = environ
        self._folder = folder
        self._elsewhere = elsewhere
        self._files: Dict[str, FileSecrets] = {}

    def from_file(self, name: str) -> SecretSource:
        """Return the secrets of a file; raise `ConfigError` if there are none.

        No message has the name: somebody may have written the secret itself there.
        """
        path = os.path.abspath(os.path.join(self._folder, name))
        if path in self._files:
            return self._files[path]
        try:
            self._files[path] = FileSecrets(path)
            return self._files[path]
        except AbsentError as error:
            message = error.problems[0].message
        if has_unexpanded(name) or name.startswith("~"):
            raise ConfigError(Problem(_UNEXPANDED))
        if not self._elsewhere:
            raise ConfigError(Problem(message, "", path))
        cause = message.rpartition(": ")[2]
        reason = f"the secret's file can't be read on this machine: {cause}"
        return SecretsElsewhere(path, True, reason)

    def from_environment(self, name: str) -> Optional[SecretSource]:
        """Return the secrets of a variable, None if it is unset or empty."""
        try:
            value = self._environ.get(name)
        except UnicodeEncodeError:
            return None  # no variable can have this name
        if value is not None:
            secrets = split_secrets(value.encode("utf-8", "surrogateescape"))
            return FixedSecrets(secrets) if secrets else None
        if self._elsewhere and _VARIABLE.fullmatch(name):
            reason = "the secret's variable is not set on this machine"
            return SecretsElsewhere(name, False, reason)
        return None
