"""Build a real Kubernetes API server and its controllers, for the tests of the cluster.

    python3 tests/build_kubernetes.py

Debian has the source of Kubernetes 1.20, but only kubectl as a program. This script fetches the
source with apt, and builds kube-apiserver and kube-controller-manager into `build/kubernetes`,
once. That takes five to ten minutes and, while it runs, 3 GB. They need etcd, which is a Debian
package.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import List

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples"))

import bootstrap  # noqa: E402

FOLDER = ROOT / "build" / "kubernetes"
PROGRAMS = ("kube-apiserver", "kube-controller-manager")
DEBIAN_PACKAGES = ["etcd-server", "gcc", "golang-go", "libc6-dev", "make", "rsync"]
APT_SOURCES = Path("/etc/apt")
VERSION = {"MAJOR": "1", "MINOR": "20", "COMMIT": "debian", "TREE_STATE": "archive"}


def main() -> int:
    """Build what is missing, and return 1 if that is not possible."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    text = "install missing Debian packages (needs root or sudo)"
    parser.add_argument("--apt", action="store_true", help=text)
    options = parser.parse_args()
    if not bootstrap.install_debian_packages(DEBIAN_PACKAGES, options.apt):
        return 1
    if all((FOLDER / program).exists() for program in PROGRAMS):
        return 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        print("building the Kubernetes API server (once, five to ten minutes)", flush=True)
        build(unpack(fetch(Path(folder)), Path(folder)), Path(folder))
    return 0


def fetch(folder: Path) -> Path:
    """Fetch Debian's source from the mirrors that this machine uses, and return its archive."""
    parts, lists = folder / "parts", folder / "lists"
    (lists / "partial").mkdir(parents=True)
    parts.mkdir()
    for file in (APT_SOURCES / "sources.list", *(APT_SOURCES / "sources.list.d").glob("debian*")):
        if file.exists():
            (parts / file.name.replace("sources.list", "debian.list")).write_text(of_source(file))
    places = {"Etc::SourceList": "/dev/null", "Etc::SourceParts": parts, "State::Lists": lists}
    apt = ["apt-get", "--quiet=2", *(f"-oDir::{name}={place}" for name, place in places.items())]
    sandbox = "-oAPT::Sandbox::User=root"  # apt's own user can't write into the folder
    run([*apt, sandbox, "update"], folder)
    run([*apt, sandbox, "source", "--download-only", "kubernetes"], folder)
    (found,) = folder.glob("kubernetes_*.orig.tar.*")
    return found


def of_source(file: Path) -> str:
    """Return an apt sources file, in either format, with its entries for source packages."""
    text = file.read_text(encoding="utf-8")
    text = re.sub(r"^Types:.*$", "Types: deb-src", text, flags=re.MULTILINE)
    return re.sub(r"^deb\s", "deb-src ", text, flags=re.MULTILINE)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the source, and return its folder."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder)
    (source,) = folder.glob("kubernetes-*")
    return source


def build(source: Path, folder: Path) -> None:
    """Build the programs, without cloud drivers, and keep them."""
    version = source.name.partition("-")[2]
    facts = {"VERSION": f"v{version}", **VERSION}
    lines = [f"KUBE_GIT_{name}='{value}'\n" for name, value in facts.items()]
    (folder / "version").write_text("".join(lines))
    go = {"GO111MODULE": "off", "GOFLAGS": "-tags=providerless,dockerless"}
    env = {**os.environ, **go, "KUBE_GIT_VERSION_FILE": str(folder / "version")}
    targets = " ".join(f"cmd/{program}" for program in PROGRAMS)
    run(["make", f"WHAT={targets}"], source, env=env)
    for program in PROGRAMS:
        shutil.move(str(source / "_output" / "bin" / program), str(FOLDER / program))


def run(command: List[str], folder: Path, **options: object) -> None:
    """Run a command that must succeed; if it fails, print its output and exit."""
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
    )
    if done.returncode:
        sys.stdout.write(done.stdout.decode("utf-8", "replace")[-8000:])
        sys.exit("failed, see above: " + " ".join(command))


if __name__ == "__main__":
    sys.exit(main())
