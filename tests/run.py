"""Run the project's checks. Cheap checks and those that fail most often run first.

    python3 tests/run.py --quick        while you work, about 3 minutes
    python3 tests/run.py --apt          before you hand over a change, about 20 minutes
    python3 tests/run.py --apt --all    before a release, as CI does, about 45 minutes

Without options it checks style, types and layers, runs the unit tests (on Python 3.8 too, if it
is installed), and runs the tests with real programs: coturn, browsers, nginx, GStreamer. It
needs only Python 3, and installs everything else into `.venv`. The last lines name what failed,
and what was skipped or left out, with the reason. Times are for two processors.

To run part of the tests, call pytest yourself: .venv/bin/python -m pytest tests/unit/config
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from typing import Dict, Iterator, List

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples"))

import bootstrap  # noqa: E402

DEBIAN_PACKAGES = [
    "chromium",
    "coturn",
    "docker-registry",
    "firefox-esr",
    "fish",
    "gir1.2-gst-plugins-bad-1.0",
    "gir1.2-gst-plugins-base-1.0",
    "gstreamer1.0-nice",
    "gstreamer1.0-plugins-bad",
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-pulseaudio",
    "iproute2",
    "libatomic1",  # for the node that Playwright brings
    "libfaketime",
    "man-db",
    "mandoc",
    "mmdebstrap",
    "nftables",
    "nginx",
    "prometheus",
    "pulseaudio",
    "pulseaudio-utils",
    "python3-gi",
    "python3-gst-1.0",
    "python3-websockets",
    "skopeo",
    "sqlite3",
    "wrk",
    "zsh",
]
if not shutil.which("kubectl"):  # several packages have it, and they conflict
    DEBIAN_PACKAGES.append("kubernetes-client")
OLDEST, NEWEST = 8, 14
PYOS_PINS = ["cherrypy==18.6.1", "cryptography==42.0.8", "pyjwt==2.4.0", "kubernetes==29.0.0"]
"""The libraries inside pyos 3.2."""
COVERAGE = 95
NOT_AUDITED = 3
SEED = "1"
"""For Hypothesis, so that every run is the same and a find comes from the change under test.
Without a seed, each run tries something else."""
OLD_SCHEMAS = "kubernetes-validate==1.33.1"
"""The last release that has the schemas of Kubernetes 1.24."""
REAL_PROGRAMS = ["tests/e2e", "tests/integration"]
"""The longest ones first, so that no worker starts one at the end."""
ALONE = [
    "tests/e2e/test_many.py",
    "tests/integration/test_faults_server.py",
    "tests/integration/test_load.py",
]
"""Tests that keep all processors busy, and would disturb others: they run after them."""
UNIT_TESTS = ["tests", *(f"--ignore={folder}" for folder in REAL_PROGRAMS)]
HOSTILE_FILES = "tests/unit/odconfig/test_hostile_files.py"
"""It takes minutes, and depends on Python rather than on libraries."""
PARALLEL = ["-n", "auto"]
WORKERS = str(2 * (os.cpu_count() or 1))
"""Tests with real programs spend most of their time waiting."""
WHOLE_FILES = ["-n", WORKERS, "--dist", "loadfile", "--no-loadscope-reorder"]
"""Tests in the same file share a server or a browser."""
LEFT_TO_ALL = "lowest versions, known vulnerabilities, fuzzing, newest Python: add --all"
MAX_AGE = 24 * 3600
"""Seconds after which a virtual environment is rebuilt: an old one never gets new releases."""
ON_LIBRARIES = [
    "tests/integration/apply",
    "tests/integration/test_http_edges.py",
    "tests/integration/test_probe.py",
    "tests/integration/test_rotate_check.py::test_check_finds_every_step_on_the_way",
    # the old kubernetes client does not write the log that this test reads
    "--deselect=tests/integration/apply/test_apply.py::test_no_secret_is_in_the_log_of_any_library",
]
OLD_WARNINGS = [
    "ignore:'cgi' is deprecated:DeprecationWarning",  # CherryPy before 18.10
    "ignore:This method will be removed in Python 3.12:DeprecationWarning",  # the same
    "ignore::pytest.PytestUnraisableExceptionWarning",  # aioice 0.9 leaves refused sockets open
]


def main() -> int:
    """Run the checks, and return 1 if one of them fails."""
    options = parse_arguments()
    checks = Checks(options.apt, options.all)
    if not options.quick:
        bootstrap.install_debian_packages(DEBIAN_PACKAGES, options.apt)
    python = make_venv(sys.executable, ROOT / ".venv", "test,lint,fuzz,lock", options.apt)
    checks.style(python.parent)
    if options.quick:
        checks.tests("unit tests", python, *PARALLEL, *UNIT_TESTS)
        checks.left_out += ["Python 3.8, real programs: not run with --quick", LEFT_TO_ALL]
        return checks.conclude()
    if options.apt:  # without it, tests use what an earlier run unpacked
        run([sys.executable, "tests/unpack_coturn.py"])
    checks.tests("unit tests", python, *PARALLEL, *UNIT_TESTS, "--cov", "--cov-report=")
    others = other_pythons()
    wanted = {OLDEST, *(others if options.every_python else [])}
    if options.all:
        wanted.add(max(others, default=OLDEST))
    if OLDEST not in others and sys.version_info.minor != OLDEST:
        checks.left_out.append("unit tests on Python 3.8: no python3.8 with ensurepip is installed")
    checks.units_on({minor: others[minor] for minor in sorted(wanted & set(others))})
    if options.all and options.apt:
        run([sys.executable, "tests/build_kubernetes.py", "--apt"])
    rest = [*REAL_PROGRAMS, *(f"--ignore={file}" for file in ALONE)]
    coverage = ["--cov", "--cov-append"]
    checks.tests("real programs", python, *WHOLE_FILES, *rest, *coverage, "--cov-report=")
    coverage += ["--cov-report=term", f"--cov-fail-under={COVERAGE}"]
    checks.tests("real programs", python, *ALONE, *coverage)
    if options.all:
        checks.with_lowest(python)
        checks.audit(python)
        checks.fuzz(python)
    else:
        checks.left_out.append(LEFT_TO_ALL)
    return checks.conclude()


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for option, text in {
        "--apt": "install missing Debian packages (needs root or sudo) and unpack the newest "
        "coturn; with --all, also build Kubernetes",
        "--quick": "run only style, types, layers and unit tests",
        "--all": "also run what is slow and rarely fails: tests marked slow, such as those on a "
        "real Kubernetes API server; the lowest versions of all libraries, with the schemas of an "
        "older Kubernetes; the newest Python; known vulnerabilities; the fuzzer",
        "--every-python": "run the unit tests on every supported Python that is installed",
    }.items():
        parser.add_argument(option, action="store_true", help=text)
    options = parser.parse_args()
    if options.quick and (options.all or options.every_python):
        parser.error("--quick can't be combined with --all or --every-python")
    return options


class Checks:
    """The checks run so far: `results` by name, and what was `left_out` and why."""

    def __init__(self, apt: bool, slow: bool) -> None:
        self.apt = apt
        self.which = [] if slow else ["--no-slow"]
        self.results: Dict[str, bool] = {}
        self.left_out: List[str] = []

    def conclude(self) -> int:
        """Print what was left out and what failed, last, where a long log is read first."""
        for what in self.left_out:
            print(f"== left out: {what}")
        failed = [name for name, passed in self.results.items() if not passed]
        print(f"== FAILED: {', '.join(failed)}" if failed else "== all checks passed", flush=True)
        return 1 if failed else 0

    def style(self, programs: Path) -> None:
        """Check style, types, and which room imports which."""
        for name, command in {
            "ruff check": ["ruff", "check", "--no-cache", "."],
            "ruff format": ["ruff", "format", "--check", "."],
            "mypy": ["mypy"],
            "layers": ["lint-imports"],
        }.items():
            self.results[name] = run([str(programs / command[0]), *command[1:]])

    def tests(self, name: str, python: Path, *arguments: str, **environment: str) -> None:
        """Run tests, and note which were skipped, and why."""
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.xml")
            command = [str(python), "-m", "pytest", "-q", f"--hypothesis-seed={SEED}"]
            passed = run([*command, f"--junitxml={report}", *self.which, *arguments], **environment)
            reasons = Counter(skip_reasons(report)) if report.exists() else {}
        self.results[name] = passed and self.results.get(name, True)
        self.left_out += [f"{number} of {name}: {why}" for why, number in sorted(reasons.items())]

    def units_on(self, interpreters: Dict[int, str]) -> None:
        """Run the unit tests on other Pythons; the oldest gets the libraries of pyos 3.2."""
        for minor, interpreter in interpreters.items():
            pins = PYOS_PINS if minor == OLDEST else []
            python = make_venv(interpreter, ROOT / f".venv-3.{minor}", "test", self.apt, *pins)
            less = [] if minor == OLDEST else self.not_again(f"Python 3.{minor}")
            self.tests(f"Python 3.{minor}", python, *PARALLEL, *UNIT_TESTS, *less)

    def not_again(self, name: str) -> List[str]:
        """Return the options that leave out what takes minutes and would show nothing new."""
        here = f"Python 3.{sys.version_info.minor}"
        self.left_out.append(f"{HOSTILE_FILES} on {name}: it takes minutes, and ran on {here}")
        return [f"--ignore={HOSTILE_FILES}"]

    def with_lowest(self, python: Path) -> None:
        """Run tests on the lowest versions that pyproject.toml allows."""
        name = "lowest versions"
        read = subprocess.run(
            [str(python), "tests/lowest.py"], cwd=ROOT, capture_output=True, text=True
        )
        pins = read.stdout.split()
        if read.returncode or not pins:
            print(f"tests/lowest.py failed: {read.stderr}")
            self.results[name] = False
            return
        print("lowest versions:", *pins)
        folder = ROOT / ".venv-lowest"
        lowest = make_venv(sys.executable, folder, "test", self.apt, *pins, OLD_SCHEMAS)
        quiet = [f"-W{warning}" for warning in OLD_WARNINGS]
        versions = dict(pin.split("==") for pin in pins)
        environment = {"LOWEST_VERSIONS": "1", "OLDEST_KUBERNETES": versions["kubernetes"]}
        units = [*PARALLEL, *UNIT_TESTS, *self.not_again(name)]
        for part in (units, [*WHOLE_FILES, *ON_LIBRARIES]):
            self.tests(name, lowest, *quiet, *part, **environment)

    def audit(self, python: Path) -> None:
        """Look for known vulnerabilities in the newest versions of the libraries."""
        status = subprocess.run([str(python), "tests/audit.py"], cwd=ROOT).returncode
        if status == NOT_AUDITED:
            self.left_out.append("known vulnerabilities: no service could be asked, see above")
        else:
            self.results["pip-audit"] = status == 0

    def fuzz(self, python: Path) -> None:
        """Fuzz each target for about a minute, if the fuzzer is installed."""
        find = "import importlib.util as u, sys; sys.exit(not u.find_spec('atheris'))"
        if subprocess.run([str(python), "-c", find]).returncode and not os.environ.get("CI"):
            self.left_out.append("fuzzing: atheris is not available for this Python")
            return
        command = [str(python), "tests/fuzz/run.py", "--fixed"]
        self.results["fuzzing"] = run(command)


def skip_reasons(report: Path) -> Iterator[str]:
    """Yield the reason of every skip in a pytest report (JUnit XML)."""
    for skipped in ElementTree.parse(report).iter("skipped"):
        message = skipped.get("message", "")
        if message == "collection skipped":  # a whole module: its reason is in a tuple
            message = (skipped.text or "").rpartition("Skipped: ")[2].rstrip("')\"\n")
        yield message


def other_pythons() -> Dict[int, str]:
    """Return the other supported interpreters, by minor version."""
    found = {minor: path for minor in range(OLDEST, NEWEST + 1) for path in pythons(minor)[:1]}
    found.pop(sys.version_info.minor, None)
    return found


def pythons(minor: int) -> List[str]:
    """Return the interpreters of a version that can create a virtual environment.

    This includes pyenv's interpreters, even if they are not on the PATH.
    """
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [shutil.which(f"python3.{minor}"), *versions.glob(f"3.{minor}.*/bin/python3.{minor}")]
    code = f"import ensurepip, sys; sys.exit(sys.version_info[:2] != (3, {minor}))"
    return [
        str(path)
        for path in found
        if path and subprocess.run([str(path), "-c", code], capture_output=True).returncode == 0
    ]


def make_venv(interpreter: str, folder: Path, extras: str, apt: bool, *pins: str) -> Path:
    """Return the python of a virtual environment that is at most `MAX_AGE` old."""
    stamp = folder / bootstrap.STAMP
    if stamp.exists() and time.time() - stamp.stat().st_mtime > MAX_AGE:
        stamp.unlink()
    return bootstrap.make_venv(interpreter, folder, extras, apt, *pins)


def run(command: List[str], **environment: str) -> bool:
    """Run a command in the checkout, and return whether it succeeded."""
    print("==", " ".join(command).replace(str(ROOT) + os.sep, ""), flush=True)
    env = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=env).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
