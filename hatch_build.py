"""Pack only files that are in git into the source archive.

hatchling packs everything in the folders that pyproject.toml names, so it would publish a key or
an od.config that a trial left there. Wheels are built from the source archive
(``python -m build``), so this protects them too.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Dict, Set

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TrackedFilesHook(BuildHookInterface):  # type: ignore[type-arg]
    """Abort the build of a source archive that would contain files that are not in git."""

    def initialize(self, version: str, build_data: Dict[str, Any]) -> None:
        """Compare what would be packed with git's list, if this is a checkout."""
        if not (Path(self.root) / ".git").exists():
            return  # building from a source archive, which has nothing else
        tracked = self._tracked()
        packed = self.build_config.builder.recurse_selected_project_files()
        strangers = sorted({file.relative_path for file in packed} - tracked)
        if strangers:
            lines = "\n".join(f"  {name}" for name in strangers)
            self.app.abort(f"these files are not in git; add or remove them:\n{lines}")

    def _tracked(self) -> Set[str]:
        command = ["git", "ls-files", "-z"]
        done = subprocess.run(  # noqa: S603
            command, cwd=self.root, capture_output=True, text=True, check=False
        )
        if done.returncode:
            self.app.abort(f"git can't list its files: {done.stderr.strip()}")
        return set(done.stdout.split("\0"))
