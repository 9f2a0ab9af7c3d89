"""The commands of docs/how-to/install.md, and the first example, in a bare Debian 12."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator, List

import pytest

import abcwebrtc
from conftest import ROOT, missing, require_program
from integration.test_build import tracked

pytestmark = pytest.mark.slow("a fresh Debian, and packages installed in it")

PAGE = (ROOT / "docs" / "how-to" / "install.md").read_text(encoding="utf-8")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
OF_THIS_MACHINE = ("/etc/resolv.conf", "/etc/hosts")
MANAGED = "externally-managed-environment"
FETCHING = 900
_MOUNTED = """
mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && shift && exec "$@"
"""


def commands(heading: str) -> List[str]:
    """Return the commands of a section of the page, with "# " before those for root."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"^```text\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return [line.replace("sudo ", "# ") for block in blocks for line in block.splitlines()]


class Debian:
    """A folder with a minimal Debian 12, a user, and the user's clone."""

    def __init__(self, root: Path) -> None:
        self.root = root
        made = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates"]
        done = subprocess.run(
            [*made, "bookworm", str(root)], capture_output=True, text=True, timeout=FETCHING
        )
        if done.returncode:
            missing(f"no Debian can be made here: {done.stdout}{done.stderr}")
        for name in OF_THIS_MACHINE:
            shutil.copy(name, root / name.lstrip("/"))
        shutil.copy(CERTIFICATES, root / "etc" / "trusted-here.crt")
        (root / "etc" / "pip.conf").write_text("[global]\ncert = /etc/trusted-here.crt\n")
        self.succeed("# useradd --create-home alice && apt-get update")
        for name in tracked():
            target = root / "home" / "alice" / "clone" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
        self.succeed("# chown -R alice: /home/alice && cp -r /home/alice/clone $HOME/clone")

    def run(self, command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in the clone, as root if it begins with "# ", else as the user."""
        is_root = command.startswith("# ")
        home = "/root" if is_root else "/home/alice"
        path = f"{home}/.local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        where = f"cd {home}/clone 2>/dev/null; "
        line = (
            command[2:].replace("apt-get install", "apt-get install --yes") if is_root else command
        )
        inside = ["env", "-i", f"HOME={home}", f"PATH={path}", "DEBIAN_FRONTEND=noninteractive"]
        user = [] if is_root else ["runuser", "-u", "alice", "--"]
        words = ["chroot", str(self.root), *user, *inside, "sh", "-c", where + line]
        unshared = ["unshare", "--mount", "--pid", "--fork"]
        return subprocess.run(
            [*unshared, "sh", "-c", _MOUNTED, "sh", str(self.root), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=FETCHING,
        )

    def succeed(self, command: str) -> str:
        done = self.run(command)
        assert done.returncode == 0, f"{command}: {done.stdout}"
        return done.stdout


@pytest.fixture(scope="module")
def debian() -> Iterator[Debian]:
    require_program("mmdebstrap", "mmdebstrap")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Debian(Path(folder) / "debian")


VERSION = f"abcwebrtc {abcwebrtc.__version__}\n"


def test_with_pipx(debian: Debian) -> None:
    for command in commands("With pipx"):
        debian.succeed(command)
    assert debian.succeed("abcwebrtc --version") == VERSION
    for command in re.findall("`(pipx [^`]+)`", PAGE):
        debian.succeed(command)
    assert debian.run("abcwebrtc --version").returncode == 127


def test_in_a_virtual_environment(debian: Debian) -> None:
    shown = [debian.succeed(command) for command in commands("In a virtual environment")]
    assert VERSION in shown
    assert "Successfully installed abcwebrtc" in shown[-1]
    assert debian.succeed("~/abcwebrtc-venv/bin/pip check") == "No broken requirements found.\n"


def test_pip_alone_is_refused(debian: Debian) -> None:
    debian.succeed("# apt-get install --no-install-recommends python3-pip")
    done = debian.run("pip install .")
    assert f"error: {MANAGED}" in done.stdout
    assert f"`error: {MANAGED}`" in PAGE
    assert done.returncode == 1


def test_the_first_example_needs_no_sudo_and_no_curl(debian: Debian) -> None:
    debian.succeed("# apt-get install python3-venv")
    line = "python3 examples/01-first-call/run.py --apt --once"
    said = debian.succeed(line)
    assert "missing: coturn; run as root: apt-get install " in said
    assert "no coturn: it is not installed" in said
    assert "http://127.0.0.1:8080/#" in said
    said = debian.succeed(f"# {line}")
    assert "coturn accepted the credential, and opened the relay " in said
    assert "curl" not in said
