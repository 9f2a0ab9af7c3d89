"""The old text of a file in the cluster, saved for the way back."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import Tuple


def back_up(od_config: str, key: str, text: str, version: str) -> Tuple[str, str]:
    """Write a text into a new file that only its owner reads; return its name.

    Without a name, the second part is the message. Nothing else holds the text,
    so where the folder of od.config is full or read-only, it goes to that of
    temporary files.
    """
    start = od_config if os.path.isfile(od_config) else key  # it may be a pipe
    name = f"{start}.{re.sub('[^0-9A-Za-z]', '', version)}"
    data = text.encode("utf-8", "surrogatepass")
    file, reason = _write_new(name, data)
    if not file:
        folder = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108, O_EXCL makes a new file
        file, _ = _write_new(os.path.join(folder, os.path.basename(name)), data)
    return file, "" if file else f"the old {key} can't be saved as {name}.bak: {reason}"


def _write_new(name: str, data: bytes) -> Tuple[str, str]:
    """Write a file that was not there; return its name, or an empty one and why."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    for file in (f"{name}.bak", *(f"{name}.{number}.bak" for number in range(2, 100))):
        try:
            descriptor = os.open(file, flags, 0o600)
        except FileExistsError:
            continue
        except OSError as error:
            return "", error.strerror or "it failed"
        try:
            with open(descriptor, "wb") as stream:
                stream.write(data)
            return file, ""
        except OSError as error:
            with suppress(OSError):
                os.unlink(file)
            return "", error.strerror or "it failed"
    return "", "there are many of them already"
