"""Keeps the source archive to what is in git.

hatchling packs whatever lies in the folders that pyproject.toml names, so a key
or an od.config left there by a trial would be published. Wheels are made from
the source archive (``python -m build``), so this holds for them, too.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Dict, Set

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TrackedFilesHook(BuildHookInterface):  # type: ignore[type-arg]
    """Ends the build of a source archive that would hold other files than git's."""

    def initialize(self, version: str, build_data: Dict[str, Any]) -> None:
        """Compare what would be packed with git's list, where there is a checkout."""
        if not (Path(self.root) / ".git").exists():
            return  # made from a source archive, which has nothing else
        tracked = self._tracked()
        packed = self.build_config.builder.recurse_selected_project_files()
        strangers = sorted({file.relative_path for file in packed} - tracked)
        if strangers:
            lines = "\n".join(f"  {name}" for name in strangers)
            self.app.abort(f"not in git, so not to be packed; add or remove them:\n{lines}")

    def _tracked(self) -> Set[str]:
        command = ["git", "ls-files", "-z"]
        done = subprocess.run(  # noqa: S603
            command, cwd=self.root, capture_output=True, text=True, check=False
        )
        if done.returncode:
            self.app.abort(f"git can't list its files: {done.stderr.strip()}")
        return set(done.stdout.split("\0"))
