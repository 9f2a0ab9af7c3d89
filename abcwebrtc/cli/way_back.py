"""The way back of ``abcwebrtc apply``: the old od.config in a file, and the command that uses it.

Both are there before anything is written to the cluster. So nothing is lost whatever ends `apply`
after that, even if no program can notice it.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import re
import sys
from contextlib import suppress
from typing import List, Optional

from abcwebrtc.abcdesktop import CONFIG_KEY, CONFIG_MAP, NAMESPACE
from abcwebrtc.cli.output import show
from abcwebrtc.cluster.change import Change
from abcwebrtc.cluster.restart import NONE
from abcwebrtc.errors import AbcWebRTCError
from abcwebrtc.files import names_descriptor
from abcwebrtc.secret_files import write_beside
from abcwebrtc.texts import escaped, shell_line


def say_error(text: str) -> None:
    """Print a line on stderr, even with --quiet; nothing else can be done if that fails."""
    with suppress(OSError):
        show(text, to=sys.stderr)


class WayBack:
    """The way back from one change: `prepare` before it, then `end` or `fail`."""

    def __init__(self, change: Change, options: argparse.Namespace) -> None:
        self._change = change
        self._options = options
        self._file = ""

    @property
    def backup(self) -> Optional[str]:
        """The file with the old od.config, as long as it is there."""
        return self._file if self._file and os.path.exists(self._file) else None

    @property
    def command(self) -> Optional[str]:
        """The command that goes back, if there may be something to go back from."""
        change = self._change
        words = self._words() if change.may_be_written and not change.is_back else []
        return shell_line(words) if words else None

    def prepare(self) -> None:
        """Save the od.config of the cluster, and say how to go back.

        Raises `AbcWebRTCError` if it can't be saved anywhere.
        """
        old = self._change.old_text
        if old is not None and self._change.changes_text:
            self._file = self._save(old.encode("utf-8", "surrogatepass"))
            say_error(f"the {self._change.key} of the cluster is saved in {self._file}")
        self._say()

    def end(self) -> None:
        """Remove the file, unless it should be kept, or nobody has seen pyos start without it."""
        if not self._file:
            return
        if self._options.backup:
            say_error(f"{self._file} is kept")
        elif self._change.mode == NONE:
            say_error(f"{self._file} is kept; remove it when pyos has started with the new one")
        else:
            self._remove("pyos is ready with the new one")

    def fail(self) -> None:
        """Say how to go back, if there may be something to go back from."""
        if self._change.may_be_written and not self._change.is_back:
            self._say()
        elif self._file and not self._change.is_as_before:
            say_error(f"the old {self._change.key} is in {self._file}")
        elif self._file and not self._options.backup:
            self._remove("the cluster has the same od.config")

    def _say(self) -> None:
        words = self._words()
        if words:
            say_error(f"to go back: {shell_line(words)}")

    def _words(self) -> List[str]:
        change, options = self._change, self._options
        if self.backup:  # a signal can come after it is removed
            words = ["abcwebrtc", "apply", self._file, "--unchecked", "--restart", change.mode]
            return [*words, *_given(options, "kubeconfig", "context", "namespace", "name", "key")]
        if change.old_text is not None or not change.changes_text:
            return []
        if change.before is None:
            words = ["kubectl", "delete", "configmap", change.name]
        else:
            removal = json.dumps([{"op": "remove", "path": f"/data/{change.key}"}])
            words = ["kubectl", "patch", "configmap", change.name, "--type=json", "-p", removal]
        return [*words, *kubectl_options(options)]

    def _save(self, data: bytes) -> str:
        """Write the data into a new file, down to the disk, and return its name.

        If the folder of od.config is full or read-only, use the one for temporary files.
        """
        tried = []
        for start in self._starts():
            try:
                if escaped(start) != start:
                    raise OSError(errno.EINVAL, "its name can't be pasted")
                return write_beside(os.path.abspath(start), ".bak", data)
            except OSError as error:
                tried.append(f"{start}.bak ({error.strerror or 'it failed'})")
        raise AbcWebRTCError(
            f"nothing was written to the cluster, since its old {self._change.key} can't be "
            f"saved. Tried: {', '.join(tried)}. Name another folder with --backup FOLDER"
        )

    def _starts(self) -> List[str]:
        od_config, change = self._options.od_config, self._change
        folder, name = os.path.split(od_config)
        if names_descriptor(od_config) or not os.path.isfile(od_config):  # a pipe
            folder, name = "", change.key
        elif escaped(name) != name:  # it could not be pasted
            name = change.key
        metadata = (change.before or {}).get("metadata") or {}
        name += "." + re.sub("[^0-9A-Za-z]", "", str(metadata.get("resourceVersion", "")))
        other = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108, it is a new file
        folders = [self._options.backup] if self._options.backup else [folder, other]
        return [os.path.join(each, name) for each in folders]

    def _remove(self, why: str) -> None:
        try:
            os.unlink(self._file)
        except OSError as error:
            say_error(f"{self._file} can't be removed: {error.strerror}")
        else:
            say_error(f"{self._file} is removed: {why}")


def kubectl_options(options: argparse.Namespace) -> List[str]:
    """Return the options that make kubectl use the same cluster."""
    return ["-n", options.namespace, *_given(options, "kubeconfig", "context")]


def _given(options: argparse.Namespace, *names: str) -> List[str]:
    """Return these options as they were given, without those that have their default.

    A kubeconfig gets its absolute path, even if the environment names it, so that you can paste
    the command in any folder and any shell.
    """
    defaults = {"namespace": NAMESPACE, "name": CONFIG_MAP, "key": CONFIG_KEY}
    words: List[str] = []
    for name in names:
        value = getattr(options, name)
        if name == "kubeconfig":  # several, as in KUBECONFIG
            found = (value or os.environ.get("KUBECONFIG") or "").split(os.pathsep)
            value = os.pathsep.join(
                os.path.abspath(os.path.expanduser(path)) for path in found if path
            )
        if value and value != defaults.get(name):
            words += [f"--{name}", value]
    return words
