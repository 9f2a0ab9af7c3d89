"""Each installed coturn accepts the options in the tables, and no others."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import List, Set

from abcwebrtc.coturn.options import (
    DEPRECATED,
    OPTIONS,
    CoturnVersion,
    deprecation,
    knows,
)
from integration.turn import LOOPBACK, free_ports
from support import WAIT, wait_for

LOGGING = ("log-file", "syslog", "simple-log", "no-stdout-log")
"""Options that move the log."""
BUILT_IN = ("mongo-", "prometheus")
"""How the options begin that only some builds of coturn have, and Debian's don't."""
STARTED = "Total (General servers|auth threads)"
UNKNOWN = re.compile(r"Bad configuration format: (\S+)")


def log_of(program: str, folder: Path, lines: List[str], last: str) -> str:
    """Return what coturn writes about a file until it writes `last` (a pattern) or ends."""
    conf, log = folder / "options.conf", folder / "options.log"
    conf.write_text("\n".join(lines) + "\n")
    with open(log, "wb") as stream:
        command = (program, "-c", conf, "--log-file=stdout", f"--pidfile={folder}/options.pid")
        process = subprocess.Popen(
            [*map(str, command), f"--userdb={folder}/options.db"],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )

    def text() -> str:
        return log.read_text(encoding="utf-8", errors="replace")

    try:
        wait_for(lambda: process.poll() is not None or re.search(last, text()))
    finally:
        process.kill()
        process.wait(WAIT)
    return text()


def unknown(program: str, folder: Path, names: List[str]) -> Set[str]:
    """Return which of these options coturn ignores.

    It reads the names of a whole file before it acts on any, so one file has them all.
    """
    last = "the-last-line-of-this-file"
    found = set(UNKNOWN.findall(log_of(program, folder, [*names, last], last)))
    assert last in found
    return found - {last}


def test_a_version_knows_the_options_that_the_table_says(
    program: str, version: CoturnVersion, tmp_path: Path
) -> None:
    names = [name for name in OPTIONS if name not in LOGGING and not name.startswith(BUILT_IN)]
    said = {name for name in names if not knows(version, name)}
    assert unknown(program, tmp_path, names) == said
    assert all(knows(version, name) for name in LOGGING)


def test_every_option_in_coturns_own_help_is_in_the_table(
    program: str, version: CoturnVersion
) -> None:
    asked = subprocess.run((program, "-h"), capture_output=True, text=True, check=False)
    pattern = r"^ *(?:-\w,? ?)?(?:, )?\s*--([A-Za-z0-9_-]+)"
    names = set(re.findall(pattern, asked.stdout + asked.stderr, re.MULTILINE)) - {"version"}
    assert len(names) > 80
    assert {name for name in names if not knows(version, name)} == set()


def test_what_a_version_logs_as_an_error_is_what_the_table_says(
    program: str, version: CoturnVersion, tmp_path: Path
) -> None:
    known = [name for name in DEPRECATED if knows(version, name)]
    logged = {name for name in known if is_logged_as_error(program, tmp_path, name)}
    found = {name: deprecation(version, name) for name in known}
    assert logged == {name for name, one in found.items() if one and one.is_error}


def is_logged_as_error(program: str, folder: Path, name: str) -> bool:
    value = "=1" if OPTIONS[name] == "number" else ""
    port = free_ports(1)[0]
    head = [f"listening-ip={LOOPBACK}", f"listening-port={port}", "no-tls", "realm=r"]
    head += ["use-auth-secret", "static-auth-secret=x"]
    text = log_of(program, folder, [*head, name + value], STARTED)
    return any("ERROR" in line and name in line for line in text.splitlines())
