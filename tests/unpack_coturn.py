"""Unpack Debian's newest coturn, which tests run beside the installed one.

    python3 tests/unpack_coturn.py

This script fetches coturn from Debian unstable with apt, and all libraries that it needs, including
the C library. It unpacks them into `build/coturn`, once, and installs nothing. The program
`build/coturn/turnserver` runs coturn with these libraries. It takes seconds, and 90 MB.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterable, Iterator, List

from build_kubernetes import APT_SOURCES, ROOT, run

FOLDER = ROOT / "build" / "coturn"
PROGRAM = FOLDER / "turnserver"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ENTRY = "Types: deb\nURIs: {uri}\nSuites: unstable\nComponents: main\nSigned-By: {keyring}\n"
WRAPPER = """#!/bin/sh
# This coturn needs newer libraries than this machine has, so it runs with those beside it.
root=$(dirname "$(readlink -f "$0")")/root
exec "$root/{loader}" --argv0 turnserver --library-path "$root/{libraries}" \\
    "$root/usr/bin/turnserver" "$@"
"""


def main() -> int:
    """Unpack coturn if it is missing, and return 1 if it does not run."""
    if not PROGRAM.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            print("unpacking the newest coturn (once)", flush=True)
            unpack(fetch(Path(folder)), FOLDER)
    return 0 if version() else 1


def version() -> str:
    """Return the program's version, or an empty text if it does not run."""
    asked = subprocess.run([str(PROGRAM), "--version"], stdout=subprocess.PIPE)
    return "" if asked.returncode else asked.stdout.decode().strip()


def fetch(folder: Path) -> List[Path]:
    """Fetch coturn's package and all that it depends on, and return the files."""
    lists, archives = folder / "lists", folder / "archives"
    for place in (lists, archives):
        (place / "partial").mkdir(parents=True)
    (folder / "newest.sources").write_text(entries(own_sources()), encoding="utf-8")
    (folder / "status").touch()  # nothing counts as installed, so apt fetches every dependency
    places = {
        "Etc::SourceList": folder / "newest.sources",
        "Etc::SourceParts": "/dev/null",
        "Etc::Preferences": "/dev/null",
        "Etc::PreferencesParts": "/dev/null",
        "State::Lists": lists,
        "State::Status": folder / "status",
        "State::extended_states": folder / "extended_states",
        "Cache": folder,
        "Cache::Archives": archives,
    }
    apt = ["apt-get", "--quiet=2", *(f"-oDir::{name}={place}" for name, place in places.items())]
    sandbox = "-oAPT::Sandbox::User=root"  # apt's own user can't write into the folder
    run([*apt, sandbox, "update"], folder)
    fetching = ["install", "--yes", "--download-only", "--no-install-recommends"]
    run([*apt, sandbox, *fetching, "coturn"], folder)
    return sorted(archives.glob("*.deb"))


def own_sources() -> Iterator[str]:
    """Yield the apt sources files of this machine."""
    for file in (APT_SOURCES / "sources.list", *(APT_SOURCES / "sources.list.d").glob("debian*")):
        if file.exists():
            yield file.read_text(encoding="utf-8")


def entries(sources: Iterable[str]) -> str:
    """Return apt entries for unstable, on the mirrors that other entries name."""
    uris = sorted({uri for text in sources for uri in mirrors(text)})
    return "\n".join(ENTRY.format(uri=uri, keyring=KEYRING) for uri in uris)


def mirrors(text: str) -> Iterator[str]:
    """Yield the mirrors that an apt sources file names, in either format.

    Mirrors of security updates are left out, since they don't have unstable.
    """
    text = re.sub(r"^[ \t]*#.*\n?", "", text, flags=re.MULTILINE)
    lines = re.findall(r"^deb\s+(?:\[[^]\n]*\]\s*)?(\S+)[ \t]+(\S+)", text, re.MULTILINE)
    yield from (uri for uri, suite in lines if not is_security(suite))
    for paragraph in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^([\w-]+):((?:.*\n[ \t])*.*)", paragraph, re.MULTILINE))
        if not is_security(fields.get("Suites", "")):
            yield from fields.get("URIs", "").split()


def is_security(suites: str) -> bool:
    """Return whether suites are security updates, named as in Debian 10 or later."""
    return "-security" in suites or "/updates" in suites


def unpack(packages: List[Path], folder: Path) -> None:
    """Unpack packages into a folder, and add a program that runs their coturn."""
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)  # left by an interrupted attempt
    for package in packages:
        run(["dpkg-deb", "--extract", str(package), str(root)], folder)
    (loader,) = (file.relative_to(root) for file in root.glob("usr/lib/*/ld-linux*.so.*"))
    program = folder / "turnserver.new"
    program.write_text(WRAPPER.format(loader=loader, libraries=loader.parent), encoding="utf-8")
    program.chmod(0o755)
    program.rename(folder / "turnserver")


if __name__ == "__main__":
    sys.exit(main())
