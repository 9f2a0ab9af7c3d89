"""The image of examples/03-beside-pyos without a container runtime.

Its build commands are run as the Dockerfile has them, and so is its command, as
its user; the paths are moved into a folder, since they are not there here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional

from conftest import missing
from support import ServerProcess, beside, public_pem
from support.servers import running_command

_READ_ONLY = """
for place in $(awk '{print $2}' /proc/mounts); do
  mount -o remount,bind,ro "$place" 2>/dev/null
done
exec "$@"
"""


class Image:
    """A folder that stands for the image's root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    @contextlib.contextmanager
    def built(cls) -> Iterator[Image]:
        """Do what the stage "build" does, in a folder that any user can read."""
        with tempfile.TemporaryDirectory() as folder:
            image = cls(Path(folder) / "image")
            image.root.mkdir()
            for path in (Path(folder), image.root):
                path.chmod(0o755)
            image._build()
            yield image

    def _build(self) -> None:
        (workdir,) = beside.instructions("WORKDIR", 0)
        source = self.path(workdir.text)
        source.mkdir(parents=True)
        for copy in beside.instructions("COPY", 0):
            for name in copy.words[:-1]:
                _copy(beside.ROOT / name, source / copy.words[-1])
        for run in beside.instructions("RUN", 0):
            words = [self._moved(word) for word in run.words]
            words[0] = _python() if words[0] == "python" else words[0]
            done = subprocess.run(words, cwd=source, env=_bare(), capture_output=True, text=True)
            if done.returncode:
                missing(f"the image can't be built: {run.text}: {done.stdout}{done.stderr}")

    def path(self, name: str) -> Path:
        """Return where a path of the image is on this machine."""
        return self.root / name.lstrip("/")

    def _moved(self, word: str) -> str:
        return str(self.path(word)) if word.startswith("/") else word

    @contextlib.contextmanager
    def running(self, config: Path, log: Path) -> Iterator[ServerProcess]:
        """Run the image's command on an od.config, on a free port of loopback."""
        options = {"/config/od.config": str(config), "0.0.0.0": "127.0.0.1", "8080": "0"}
        words = beside.image_command()
        assert set(options) < set(words)
        command = [options.get(word, self._moved(word)) for word in words]
        line = [*read_only(), *as_user(), *command]
        env = {**_bare(), **beside.image_environment()}
        with running_command(line, log, cwd="/", env=env) as server:
            yield server

    def files(self) -> Dict[str, int]:
        """Return all files with the times of their last change."""
        return {str(path): path.lstat().st_mtime_ns for path in self.root.rglob("*")}


def _bare() -> Dict[str, str]:
    """Return the environment of a container: only the proxies of this process."""
    kept = ("PATH", "LANG", "HOME")
    ways = ("PIP_", "SSL_", "REQUESTS_", "HTTP_", "HTTPS_", "NO_", "http_", "https_", "no_")
    return {
        name: value for name, value in os.environ.items() if name in kept or name.startswith(ways)
    }


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _python() -> str:
    """Return a python3 that the image's user can run, too."""
    for python in ("/usr/bin/python3", "/usr/local/bin/python3", sys.executable):
        command = [*as_user(), python, "-c", "import ensurepip"]
        if os.path.exists(python) and not subprocess.run(command, capture_output=True).returncode:
            return python
    missing("no python3 that every user can run; apt-get install python3-venv")


def as_user() -> List[str]:
    """Return the beginning of a command that runs as the image's user; only root can."""
    if os.geteuid():
        return []
    user = beside.image_user()
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def read_only() -> List[str]:
    """Return the beginning of a command that sees every file system read-only.

    A container runtime may forbid it; then there is only the user without rights.
    """
    start = ["unshare", "--mount", "sh", "-c", _READ_ONLY, "sh"]
    probe = [*start, "sh", "-c", "test ! -w / -a ! -w /tmp"]
    done = subprocess.run(probe, capture_output=True)
    return [] if done.returncode else start


class Volume:
    """A mounted Secret or ConfigMap, updated as the kubelet does it.

    A new folder is written, the symlink ``..data`` is moved to it in one step,
    and the old folder is removed.
    """

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self.folder = folder
        folder.mkdir(mode=0o755)
        self.update(files)
        for name in files:
            (folder / name).symlink_to(f"..data/{name}")

    def update(self, files: Mapping[str, str]) -> None:
        fresh = Path(tempfile.mkdtemp(prefix="..2026_01_01_", dir=self.folder))
        fresh.chmod(0o755)
        for name, text in files.items():
            (fresh / name).write_text(text, encoding="utf-8")
            _give_to_group(fresh / name)
        data, swap = self.folder / "..data", self.folder / "..data_tmp"
        old: Optional[Path] = data.resolve() if data.is_symlink() else None
        swap.symlink_to(fresh.name)
        os.replace(swap, data)
        if old:
            shutil.rmtree(old)


def _give_to_group(file: Path) -> None:
    """Give a file the mode 0440 and the group of the pod's fsGroup."""
    if not os.geteuid():
        os.chown(file, 0, beside.pod_spec()["securityContext"]["fsGroup"])
    file.chmod(0o440)


PUBLIC_KEY = "abcdesktop_jwt_user_signing_public_key.pem"


def settings(*secrets: str) -> Dict[str, str]:
    """Return the files of the Secret abcwebrtc-turn, newest secret first."""
    return {"static-auth-secret": "\n".join(secrets) + "\n", "pseudonym-key": "a-key-that-stays"}


class Pod:
    """A replica of the Deployment: its volumes, and the image's command on them."""

    def __init__(self, folder: Path, turn: str, *secrets: str) -> None:
        folder.mkdir(mode=0o755)
        self.log = folder / "log"
        self.secret = Volume(folder / "config.turn", settings(*secrets))
        self.key = Volume(folder / "config.usersigning", {PUBLIC_KEY: public_pem().decode()})
        text = beside.shipped_od_config(
            {
                "/config.turn": str(self.secret.folder),
                "/config.usersigning": str(self.key.folder),
                "'turns'": "'turn'",
                "turn.domain.local:3478": turn,
                "turn.domain.local:5349": turn,
            }
        )
        self.config = Volume(folder / "config", {"od.config": text})

    def update_key(self, pem: str) -> None:
        self.key.update({PUBLIC_KEY: pem})

    @contextlib.contextmanager
    def running(self, image: Image) -> Iterator[ServerProcess]:
        with image.running(self.config.folder / "od.config", self.log) as server:
            yield server
