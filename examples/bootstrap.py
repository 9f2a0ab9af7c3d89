"""Runs a script of this checkout in an environment that has everything it needs.

Standard library only, since this runs first, on a machine with nothing but python3 and git.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, List

ROOT = Path(__file__).resolve().parent.parent
STAMP = "installed"
"""The file in a virtual environment that says what was installed into it."""


def enter_venv(extras: str, modules: List[str], apt: bool) -> None:
    """Continue in a virtual environment that has the checkout installed.

    Return at once if `modules` can be imported already; otherwise start the running script
    again, in `.venv`.
    """
    if all(importlib.util.find_spec(name) for name in modules):
        return
    python = make_venv(sys.executable, ROOT / ".venv", extras, apt)
    os.execv(python, [str(python), *sys.argv])


def make_venv(interpreter: str, folder: Path, extras: str, apt: bool, *pins: str) -> Path:
    """Return the python of a virtual environment; create or update it if necessary.

    `pins` are requirements in addition to the checkout's, such as ``cherrypy==18.6.1``.
    """
    python = folder / "bin" / "python"
    what = " ".join((extras, *pins)).encode()
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + what).hexdigest()
    stamp = folder / STAMP
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return python
    if not _has_ensurepip(interpreter) and not install_debian_packages(["python3-venv"], apt):
        sys.exit(1)
    print(f"installing into {folder.name} (only once, takes about a minute)", flush=True)
    _run([interpreter, "-m", "venv", "--clear", str(folder)])
    target = f"{ROOT}[{extras}]" if extras else str(ROOT)
    install = [str(python), "-m", "pip", "install", "-qq", "--editable", target]  # errors only
    _run([*install, "--disable-pip-version-check", *pins])
    stamp.write_text(wanted)
    return python


def install_debian_packages(packages: List[str], apt: bool) -> bool:
    """Install the missing ones of some Debian packages, if `apt` allows it.

    If not, print the command that does. Return whether all packages are installed.
    """
    missing = [name for name in packages if not _is_installed(name)]
    if not missing:
        return True
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    sudo = ["sudo"] if os.geteuid() and shutil.which("sudo") else []
    can = sudo or not os.geteuid()
    if not (apt and can):
        cure = "run" if can else "run as root"
        cure = f"add --apt, or {cure}" if can and not apt else cure
        print(f"missing: {' '.join(missing)}; {cure}: {' '.join([*sudo, *install])}", flush=True)
        return False
    print(f"installing Debian packages: {' '.join(missing)}", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update"], install):
        _run([*sudo, *command, "--quiet=2"], env=quiet, stdout=subprocess.DEVNULL)
    return True


def _run(command: List[str], **options: Any) -> None:
    """Run a command that must succeed; if it does not, it has said why itself."""
    if subprocess.run(command, **options).returncode:
        sys.exit("this command failed, see above: " + " ".join(command))


def _has_ensurepip(interpreter: str) -> bool:
    # A Debian without python3-venv has a venv module that can't install pip.
    return (
        subprocess.run([interpreter, "-c", "import ensurepip"], capture_output=True).returncode == 0
    )


def _is_installed(package: str) -> bool:
    if not shutil.which("dpkg-query"):
        return False
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True).stdout == "installed"
