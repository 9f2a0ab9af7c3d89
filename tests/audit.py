"""Look for known vulnerabilities in what a user of abcwebrtc installs today.

    .venv/bin/python tests/audit.py

pip-audit asks PyPI's JSON API or OSV. A PyPI mirror may lack that API, or its API may know no
vulnerability, and pip-audit then says "No known vulnerabilities found". So this script first asks
a service about a release with known vulnerabilities, and trusts it only if it names them.

Exit status: 0 none known, 1 some known or pip-audit failed, 3 no service could be asked.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, List, Optional

SERVICES = ("pypi", "osv")
VULNERABLE = "requests==2.5.0"
"""It has CVE-2015-2296 and CVE-2018-18074, among others."""
LEFT_OUT = "pip-audit is LEFT OUT: neither PyPI's JSON API nor OSV names vulnerabilities here"


def audit(pip_audit: str, requirements: List[str]) -> Optional[bool]:
    """Return whether the newest versions of some requirements have no known vulnerability.

    None means that no service can be asked from here.
    """
    for service in SERVICES:
        if answers(pip_audit, service):
            print(f"pip-audit asks {service} about: {' '.join(requirements)}", flush=True)
            return _run(pip_audit, requirements, "--strict", "-s", service).returncode == 0
    print(LEFT_OUT, flush=True)
    return None


def answers(pip_audit: str, service: str) -> bool:
    """Return whether a service names the vulnerabilities of a release that has some."""
    options = ["-s", service, "--no-deps", "--disable-pip", "-f", "json"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    done = _run(pip_audit, [VULNERABLE], *options, **streams)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (KeyError, TypeError, ValueError):
        return False
    return any(each.get("vulns") for each in found)


def _run(
    program: str, requirements: List[str], *options: str, **streams: Any
) -> "subprocess.CompletedProcess[str]":
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "requirements.txt")
        file.write_text("\n".join(requirements) + "\n", encoding="utf-8")
        command = [program, "--progress-spinner", "off", *options, "-r", str(file)]
        return subprocess.run(command, text=True, check=False, **streams)


def main() -> Optional[bool]:
    """Audit what abcwebrtc depends on, with the pip-audit beside this Python."""
    import lowest  # needs packaging

    requirements = [f"{name}>={version}" for name, version in lowest.installed().items()]
    return audit(str(Path(sys.executable).with_name("pip-audit")), requirements)


if __name__ == "__main__":
    sys.exit({True: 0, False: 1, None: 3}[main()])
