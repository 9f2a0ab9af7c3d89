"""Runs every check of the project: style, types, layers, tests, coverage.

    python3 tests/run.py

It needs nothing but Python 3 and installs the rest into `.venv`. With --apt it
also installs the Debian packages that tests use, coturn among them, builds a
Kubernetes API server, and unpacks the newest coturn; tests of what is not there are
skipped. The unit tests run
once more on Python 3.8 and on the newest Python, where these are installed (on 3.8
with the versions of the libraries that pyos 3.2 has). They run once more, with some
others, on the lowest versions of all libraries and the schemas of an older
Kubernetes. The libraries' newest versions are looked up in a list of known
vulnerabilities, where one answers.

--apt             install Debian packages that are missing (as root, or with sudo), and
                  build Kubernetes and unpack the newest coturn
--every-python    run the unit tests on each supported Python that is installed
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, Optional

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples"))

import bootstrap  # noqa: E402

DEBIAN_PACKAGES = [
    "chromium",
    "coturn",
    "firefox-esr",
    "gir1.2-gst-plugins-bad-1.0",
    "gir1.2-gst-plugins-base-1.0",
    "gstreamer1.0-nice",
    "gstreamer1.0-plugins-bad",
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-pulseaudio",
    "iproute2",
    "libatomic1",  # of the node that Playwright brings
    "libfaketime",
    "nftables",
    "nginx",
    "pulseaudio",
    "pulseaudio-utils",
    "python3-gi",
    "python3-gst-1.0",
    "python3-websockets",
    "sqlite3",
    "wrk",
]
if not shutil.which("kubectl"):  # there is more than one package of it, and they conflict
    DEBIAN_PACKAGES.append("kubernetes-client")
OLDEST, NEWEST = 8, 14
PYOS_PINS = ["cherrypy==18.6.1", "cryptography==42.0.8", "pyjwt==2.4.0", "kubernetes==29.0.0"]
"""What abcwebrtc runs with inside pyos."""
COVERAGE = 95
NOT_AUDITED = 3
FUZZ_SECONDS = 60
"""For each target, as many at a time as there are processors."""
SEED = "1"
"""Of Hypothesis, whose runs are then the same, so that a find is about what was changed, and of
the fuzzer, whose runs are then much alike. Without it, each run tries something else."""
OLD_SCHEMAS = "kubernetes-validate==1.33.1"
"""The last release with the schemas of Kubernetes 1.24."""
REAL_PROGRAMS = ["tests/integration", "tests/e2e"]
"""Tests of real programs, one after the other: each may take a processor for itself."""
UNIT_TESTS = ["tests", *(f"--ignore={folder}" for folder in REAL_PROGRAMS)]
PARALLEL = ["-n", "auto"]
MAX_AGE = 24 * 3600
"""Seconds after which a virtual environment is made anew: an old one never sees new releases."""
ON_LIBRARIES = [
    "tests/integration/apply",
    "tests/integration/test_http_edges.py",
    "tests/integration/test_probe.py",
    "tests/integration/test_rotate_check.py::test_check_finds_every_step_on_the_way",
    # the old kubernetes client keeps the log quiet that this looks into
    "--deselect=tests/integration/apply/test_apply.py::test_no_secret_is_in_the_log_of_any_library",
]
OLD_WARNINGS = [
    "ignore:'cgi' is deprecated:DeprecationWarning",  # CherryPy before 18.10
    "ignore:This method will be removed in Python 3.12:DeprecationWarning",  # the same
    "ignore::pytest.PytestUnraisableExceptionWarning",  # aioice 0.9 closes no refused socket
]


def main() -> int:
    """Run all checks, and return 1 if one of them fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--apt", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--every-python", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    bootstrap.install_debian_packages(DEBIAN_PACKAGES, options.apt)
    venv = make_venv(sys.executable, ROOT / ".venv", "test,lint,fuzz", options.apt).parent
    if options.apt:  # without it, tests of these run where they were made before
        run([sys.executable, "tests/build_kubernetes.py", "--apt"])
        run([sys.executable, "tests/unpack_coturn.py"])
    results = {name: run(command) for name, command in checks(venv).items()}
    results["lowest versions"] = with_lowest(venv / "python", options.apt)
    audited = audit(venv / "python")
    results["pip-audit"] = audited is not False
    for minor, interpreter in other_pythons(options.every_python).items():
        results[f"Python 3.{minor}"] = run(unit_tests(minor, interpreter, options.apt))
    if audited is None:
        print("== left out: pip-audit, see above")
    return conclude([name for name, passed in results.items() if not passed])


def conclude(failed: List[str]) -> int:
    """Say last which checks failed, since a log of an hour is read from its end."""
    print(f"== FAILED: {', '.join(failed)}" if failed else "== all checks passed", flush=True)
    return 1 if failed else 0


def checks(venv: Path) -> Dict[str, List[str]]:
    """Return the commands that run on the default Python, by what they check."""
    coverage = ["--cov", "--cov-append", "--cov-report=term", f"--cov-fail-under={COVERAGE}"]
    return {
        "ruff check": [str(venv / "ruff"), "check", "--no-cache", "."],
        "ruff format": [str(venv / "ruff"), "format", "--check", "."],
        "mypy": [str(venv / "mypy")],
        "layers": [str(venv / "lint-imports")],
        "unit tests": [*pytest(venv / "python"), *PARALLEL, *UNIT_TESTS, "--cov", "--cov-report="],
        "real programs": [*pytest(venv / "python"), *REAL_PROGRAMS, *coverage],
        **fuzzing(venv),
    }


def pytest(python: object) -> List[str]:
    """Return the command that runs the tests, to which options and files can be added."""
    return [str(python), "-m", "pytest", f"--hypothesis-seed={SEED}"]


def fuzzing(venv: Path) -> Dict[str, List[str]]:
    """Return the command that fuzzes each target for a while, where there is a fuzzer."""
    python = str(venv / "python")
    find = "import importlib.util as u, sys; sys.exit(not u.find_spec('atheris'))"
    if subprocess.run([python, "-c", find]).returncode and not os.environ.get("CI"):
        print("no atheris for this Python: nothing is fuzzed")
        return {}
    seconds = ["--seconds", str(FUZZ_SECONDS)]
    return {"fuzzing": [python, "tests/fuzz/run.py", *seconds, "--seed", SEED]}


def other_pythons(every: bool) -> Dict[int, str]:
    """Return the interpreters to run on too, by minor version: 3.8 and the newest, or every one."""
    found = {minor: path for minor in range(OLDEST, NEWEST + 1) for path in pythons(minor)[:1]}
    if OLDEST not in found:
        print("no python3.8 here: its unit tests are left out")
    wanted = set(found) if every else {OLDEST, max(found, default=OLDEST)}
    wanted -= {sys.version_info.minor}
    return {minor: path for minor, path in found.items() if minor in wanted}


def pythons(minor: int) -> List[str]:
    """Return the interpreters of a version that can make a virtual environment.

    Those of pyenv count also where it has not put them on the PATH.
    """
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [shutil.which(f"python3.{minor}"), *versions.glob(f"3.{minor}.*/bin/python3.{minor}")]
    code = f"import ensurepip, sys; sys.exit(sys.version_info[:2] != (3, {minor}))"
    return [
        str(path)
        for path in found
        if path and subprocess.run([str(path), "-c", code], capture_output=True).returncode == 0
    ]


def unit_tests(minor: int, interpreter: str, apt: bool) -> List[str]:
    """Return the command for the unit tests on another Python."""
    folder = ROOT / f".venv-3.{minor}"
    pins = PYOS_PINS if minor == OLDEST else []
    python = make_venv(interpreter, folder, "test", apt, *pins)
    return [*pytest(python), *PARALLEL, "-q", *UNIT_TESTS]


def make_venv(interpreter: str, folder: Path, extras: str, apt: bool, *pins: str) -> Path:
    """Return the python of a virtual environment that is not older than `MAX_AGE`."""
    stamp = folder / bootstrap.STAMP
    if stamp.exists() and time.time() - stamp.stat().st_mtime > MAX_AGE:
        stamp.unlink()
    return bootstrap.make_venv(interpreter, folder, extras, apt, *pins)


def with_lowest(python: Path, apt: bool) -> bool:
    """Run tests on the lowest versions that pyproject.toml allows."""
    command = [str(python), "tests/lowest.py"]
    read = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    pins = read.stdout.split()
    if read.returncode or not pins:
        print(f"the lowest versions can't be read: {read.stderr}")
        return False
    print("lowest versions:", *pins)
    folder = ROOT / ".venv-lowest"
    lowest = make_venv(sys.executable, folder, "test", apt, *pins, OLD_SCHEMAS)
    quiet = ["-q", *(f"-W{warning}" for warning in OLD_WARNINGS)]
    versions = dict(pin.split("==") for pin in pins)
    environment = {"LOWEST_VERSIONS": "1", "OLDEST_KUBERNETES": versions["kubernetes"]}
    command = [*pytest(lowest), *quiet]
    parts = ([*PARALLEL, *UNIT_TESTS], ON_LIBRARIES)
    results = [run([*command, *part], **environment) for part in parts]
    return all(results)


def audit(python: Path) -> Optional[bool]:
    """Look for known vulnerabilities; None means that nobody could be asked."""
    status = subprocess.run([str(python), "tests/audit.py"], cwd=ROOT).returncode
    return None if status == NOT_AUDITED else status == 0


def run(command: List[str], **environment: str) -> bool:
    """Run a command in the checkout, and say whether it succeeded."""
    print("==", " ".join(command).replace(str(ROOT) + os.sep, ""), flush=True)
    env = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=env).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
