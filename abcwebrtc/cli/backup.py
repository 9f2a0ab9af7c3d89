"""The old text of a file in the cluster, saved for the way back."""

from __future__ import annotations

import os
import re
from typing import Tuple

from abcwebrtc.cli.new_file import write_new


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
        folder = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108, it is a new file
        file, _ = _write_new(os.path.join(folder, os.path.basename(name)), data)
    return file, "" if file else f"the old {key} can't be saved as {name}.bak: {reason}"


def _write_new(name: str, data: bytes) -> Tuple[str, str]:
    """Write a file that was not there; return its name, or an empty one and why."""
    for file in (f"{name}.bak", *(f"{name}.{number}.bak" for number in range(2, 100))):
        try:
            write_new(file, data)
        except FileExistsError:
            continue
        except OSError as error:
            return "", error.strerror or "it failed"
        return file, ""
    return "", "there are many of them already"
