"""Renews what the image of this folder is built from: Python's image, and the packages in it.

    python3 examples/03-beside-pyos/renew.py

asks the registry for today's digest of the tag of Python's image, and PyPI for the newest versions
that pyproject.toml allows. It writes them into Dockerfile, requirements.txt and
build-requirements.txt, all or none. `git diff` shows what has changed.

--apt     install missing Debian packages (python3-venv, skopeo)
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, List

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import bootstrap  # noqa: E402

COMMAND = "python3 examples/03-beside-pyos/renew.py"
PLATFORMS = {"linux/amd64", "linux/arm64"}
IMAGE = re.compile(r"(python:3\.\d+-slim)@sha256:[0-9a-f]{64}")
OLDEST_PYTHON = "3.11"
"""Debian 12's, with which the tests install the packages of the image."""
DATE = re.compile(r"\d{4}-\d\d-\d\d")


def main() -> None:
    """Do what the module says."""
    options = parse_options()
    bootstrap.enter_venv("lock", ["uv"], options.apt)
    if not bootstrap.install_debian_packages(["skopeo"], options.apt):
        sys.exit(1)
    dockerfile = (HERE / "Dockerfile").read_text(encoding="utf-8")
    tag = IMAGE.search(dockerfile)[1]
    dockerfile = IMAGE.sub(f"{tag}@{digest_of(tag)}", dockerfile)
    renewed: Dict[str, str] = {
        "Dockerfile": DATE.sub(f"{datetime.date.today()}", dockerfile, count=1),
        "requirements.txt": lock(str(bootstrap.ROOT / "pyproject.toml"), "--extra=metrics"),
        "build-requirements.txt": lock("-", text="\n".join(build_requirements())),
    }
    for name, text in renewed.items():
        changes = text != (HERE / name).read_text(encoding="utf-8")
        (HERE / name).write_text(text, encoding="utf-8")
        print(f"{name} {'has changed' if changes else 'is unchanged'}")


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--apt", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def digest_of(tag: str) -> str:
    """Return the digest of a tag's index, in which each platform finds its image."""
    raw = output(["skopeo", "inspect", "--raw", f"docker://{tag}"])
    platforms = [one.get("platform", {}) for one in json.loads(raw).get("manifests", [])]
    found = {f"{one.get('os')}/{one.get('architecture')}" for one in platforms}
    if not found >= PLATFORMS:
        sys.exit(f"{tag} is not for {' and '.join(sorted(PLATFORMS - found))}")
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def lock(source: str, *extras: str, text: str = "") -> str:
    """Return the newest packages, for every platform, each with the hashes of its files."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "requirements.txt")
        compile_ = [sys.executable, "-m", "uv", "--quiet", "pip", "compile", source, *extras]
        options = ["--python-version", OLDEST_PYTHON, "--universal", "--generate-hashes"]
        about = ["--custom-compile-command", COMMAND, "--output-file", str(target)]
        output([*compile_, *options, "--no-python-downloads", *about], text.encode())
        return target.read_text(encoding="utf-8")


def build_requirements() -> List[str]:
    """Return the requirements of pyproject.toml for building the wheel."""
    import tomllib

    return tomllib.loads((bootstrap.ROOT / "pyproject.toml").read_text())["build-system"][
        "requires"
    ]


def output(command: List[str], text: bytes = b"") -> bytes:
    """Return the output of a command; exit if it fails, which it has explained itself."""
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE)
    if done.returncode:
        sys.exit("this command failed, and nothing was changed: " + " ".join(command))
    return done.stdout


if __name__ == "__main__":
    main()
