"""The release: two builds give the same bytes, which are complete and work."""

from __future__ import annotations

import email.message
import email.parser
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Set, Tuple

import pytest
from packaging.requirements import Requirement

import abcwebrtc
from abcwebrtc import verify_turn_credentials
from conftest import missing, require_program
from man_page import PAGE
from support import RTC_PATH, WAIT, bearer, public_pem, request, wait_for
from support.pyproject import pyproject
from unit.project.test_docs import full_example

pytestmark = pytest.mark.slow("packages, built twice and installed")

ROOT = Path(__file__).resolve().parents[2]
NAME = f"abcwebrtc-{abcwebrtc.__version__}"
SLOW = 600.0
"""Seconds for a command that fetches from PyPI."""
NOT_PACKED = {".ci/run"}
LIBRARIES = {Requirement(text).name for text in pyproject()["project"]["dependencies"]}
JUNK = (
    "od.config",
    "od.config.7.bak",
    "static-auth-secret",
    "private.pem",
    ".venv-3.99/lib/module.py",
    ".coverage.host.1",
    "dist/old.whl",
    "abcwebrtc/__pycache__/config.cpython-311.pyc",
    "abcwebrtc/cli/__pycache__/mint.cpython-38.pyc",
    "examples/01-first-call/run/private.pem",
    "tests/.pytest_cache/README.md",
    "docs/.mypy_cache/x.json",
)
"""Stray files: README keeps od.config in the top folder; git ignores the rest."""
STRANGERS = (
    "docs/notes.md",
    "examples/od.config",
    "examples/01-first-call/static-auth-secret",
    "abcwebrtc/od.config",
    "tests/data/desktop.pem",
    "NOTES.md",
)
"""Stray files in folders that are packed."""
SECRET = "a-secret-that-is-nobody-elses"


class Built(NamedTuple):
    """A source archive and a wheel."""

    sdist: Path
    wheel: Path

    def digests(self) -> List[str]:
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in self]


# building


def run(
    *command: object, cwd: Path, seconds: float = WAIT, umask: int = 0o022, **changes: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command independently of this checkout, and return what it printed."""
    private = ("PYTHON", "COV_", "SOURCE_DATE_EPOCH", "HATCH_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(private)}
    return subprocess.run(
        ["/bin/sh", "-c", f'umask {umask:03o}; exec "$@"', "sh", *map(str, command)],
        cwd=cwd,
        env={**env, **changes},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def succeeded(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tracked() -> List[str]:
    require_program("git", "git")
    listed = run("git", "ls-files", "-z", cwd=ROOT)
    if listed.returncode:
        missing(f"no git checkout: {listed.stderr}")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def make_checkout(folder: Path, umask: int = 0o022) -> Path:
    """Copy the files that git tracks from the work tree into another checkout."""
    old = os.umask(umask)
    try:
        for name in tracked():
            copy = folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / name).read_bytes())
            copy.chmod((ROOT / name).stat().st_mode & ~umask)
    finally:
        os.umask(old)
    succeeded(run("git", "init", "--quiet", cwd=folder))
    succeeded(run("git", "add", "--all", "--force", cwd=folder))
    return folder


def build(checkout: Path, target: Path, *options: str, **settings: object) -> Built:
    line = [sys.executable, "-m", "build", "--outdir", target, *options, checkout]
    succeeded(run(*line, cwd=target.parent, seconds=SLOW, **settings))  # type: ignore[arg-type]
    assert len(list(target.iterdir())) == 2
    return Built(target / f"{NAME}.tar.gz", target / f"{NAME}-py3-none-any.whl")


def put(folder: Path, names: Tuple[str, ...]) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SECRET)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """What ``python -m build`` makes, run as the page says."""
    folder = tmp_path_factory.mktemp("build")
    return build(make_checkout(folder / "checkout"), folder / "dist")


@pytest.mark.parametrize("epoch", [{}, {"SOURCE_DATE_EPOCH": "1700000000"}], ids=["", "epoch"])
def test_two_builds_give_the_same_bytes(epoch: Dict[str, str], tmp_path: Path) -> None:
    one = make_checkout(tmp_path / "one")
    other = make_checkout(tmp_path / "another" / "place", umask=0o077)
    put(other, JUNK)
    for name in tracked():
        os.utime(other / name, (1e9, 1e9))
        if os.geteuid() == 0:
            os.chown(other / name, 12345, 54321)
    first = build(one, tmp_path / "first", "--no-isolation", **epoch)
    elsewhere = {"TZ": "Pacific/Chatham", "LC_ALL": "C", "HOME": str(tmp_path), "USER": "other"}
    second = build(other, tmp_path / "second", "--no-isolation", umask=0o077, **elsewhere, **epoch)
    assert first.digests() == second.digests()


def test_files_that_are_not_in_git_end_the_build(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "checkout")
    put(checkout, (*STRANGERS, *JUNK))
    line = [sys.executable, "-m", "build", "--no-isolation", "-o", tmp_path / "dist", checkout]
    done = run(*line, cwd=tmp_path)
    assert done.returncode == 1
    names = "".join(f"  {name}\n" for name in sorted(STRANGERS))
    reason = f"these files are not in git; add or remove them:\n{names}"
    assert reason in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert not list((tmp_path / "dist").glob("*"))


def test_a_checkout_that_git_refuses_ends_the_build(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "checkout")
    (checkout / ".git" / "index").write_bytes(b"broken")
    line = [sys.executable, "-m", "build", "--no-isolation", "-o", tmp_path / "dist", checkout]
    done = run(*line, cwd=tmp_path)
    assert done.returncode == 1
    assert "git can't list its files: " in done.stdout + done.stderr
    assert not list((tmp_path / "dist").glob("*"))


# what is in them


def test_the_source_archive_has_what_is_in_git_and_its_metadata(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        members = archive.getmembers()
        contents = {
            member.name: archive.extractfile(member).read()  # type: ignore[union-attr]
            for member in members
        }
    metadata = contents.pop(f"{NAME}/PKG-INFO")
    wanted = set(tracked()) - NOT_PACKED
    assert set(contents) == {f"{NAME}/{name}" for name in wanted}
    assert {"SECURITY.md", "LICENSE", "tests/run.py", "docs/tutorial/setup.md"} <= wanted
    for name in wanted:
        assert contents[f"{NAME}/{name}"] == (ROOT / name).read_bytes(), name
    assert not [name for name, data in contents.items() if str(ROOT).encode() in data]
    assert {(member.uid, member.gid, member.uname) for member in members} == {(0, 0, "")}
    assert {oct(member.mode) for member in members} <= {"0o644", "0o755"}
    with zipfile.ZipFile(built.wheel) as wheel:
        assert wheel.read(f"{NAME}.dist-info/METADATA") == metadata


def test_the_wheel_has_the_package_and_nothing_else(built: Built) -> None:
    package = {name for name in tracked() if name.startswith("abcwebrtc/")}
    about = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    page = f"{NAME}.data/data/share/man/man1/abcwebrtc.1"
    with zipfile.ZipFile(built.wheel) as wheel:
        names = wheel.namelist()
        assert set(names) == package | {f"{NAME}.dist-info/{name}" for name in about} | {page}
        assert len(names) == len(set(names))
        for name in package:
            assert wheel.read(name) == (ROOT / name).read_bytes(), name
        assert wheel.read(page) == PAGE.read_bytes()
        assert wheel.read(f"{NAME}.dist-info/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        assert {oct(each.external_attr >> 16 & 0o777) for each in wheel.infolist()} == {"0o644"}
    assert "abcwebrtc/py.typed" in package


def metadata_of(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"{NAME}.dist-info/METADATA").decode("utf-8")
    return email.parser.Parser().parsestr(text)


def test_the_metadata_says_what_is_true(built: Built) -> None:
    metadata = metadata_of(built.wheel)
    assert metadata["Name"] == "abcwebrtc"
    assert metadata["Version"] == abcwebrtc.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == ">=3.8"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")
    assert metadata["Project-URL"] is None
    required = metadata.get_all("Requires-Dist")
    plain = [text for text in required if "extra ==" not in text]
    assert {re.split("[!<>=]", text)[0] for text in plain} == LIBRARIES


# what is installed works


class Environment:
    """A virtual environment with the wheel and what it requires, and an empty folder."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.bin = folder / "venv" / "bin"
        self.folder = folder / "empty"
        self.folder.mkdir()
        self.run(sys.executable, "-m", "venv", folder / "venv")
        self.pip("install", wheel)

    def pip(self, *arguments: object) -> str:
        options = ("--disable-pip-version-check", "--quiet")
        return self.run(self.bin / "python", "-m", "pip", *options, *arguments)

    def run(self, *command: object) -> str:
        return succeeded(run(*command, cwd=self.folder, seconds=SLOW))

    def abcwebrtc(self, *arguments: object) -> str:
        return self.run(self.bin / "abcwebrtc", *arguments)


@pytest.fixture(scope="module")
def environment(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = Environment(tmp_path_factory.mktemp("environment"), built.wheel)
    (made.folder / "key.pem").write_bytes(public_pem())
    key = "jwt_token_user: { 'exp': 360, 'jwtuserpublickeyfile': 'key.pem' }\n"
    (made.folder / "od.config").write_text(full_example() + key, encoding="utf-8")
    return made


def test_what_is_required_is_installed_and_no_tool(environment: Environment) -> None:
    environment.pip("check")
    listed = environment.run(environment.bin / "python", "-m", "pip", "list", "--format=freeze")
    names: Set[str] = {line.split("==")[0].lower() for line in listed.splitlines()}
    assert names >= LIBRARIES | {"abcwebrtc"}
    assert not names & {"hatchling", "pytest", "mypy", "ruff"}


def test_it_is_imported_from_where_it_is_installed(environment: Environment) -> None:
    code = "import abcwebrtc; print(abcwebrtc.__file__, abcwebrtc.__version__)"
    file, version = environment.run(environment.bin / "python", "-c", code).split()
    assert file.startswith(str(environment.bin.parent))
    assert version == abcwebrtc.__version__


def test_the_command_is_there_by_both_names(environment: Environment) -> None:
    wanted = f"abcwebrtc {abcwebrtc.__version__}\n"
    assert environment.abcwebrtc("--version") == wanted
    module = environment.run(environment.bin / "python", "-m", "abcwebrtc", "--version")
    assert module == wanted


def test_man_finds_the_page_beside_the_command(environment: Environment) -> None:
    man = require_program("man", "man-db")
    found = run(man, "--where", "abcwebrtc", cwd=environment.folder, PATH=f"{environment.bin}:/bin")
    assert succeeded(found).strip() == str(environment.bin.parent / "share/man/man1/abcwebrtc.1")


def test_check_and_mint_work(environment: Environment) -> None:
    assert "1 warning" in environment.abcwebrtc("check", "od.config")
    minted = environment.abcwebrtc("mint", "od.config", "--user", "alice")
    assert '"credential"' in minted


def test_probe_works(environment: Environment) -> None:
    line = ("abcwebrtc", "probe", "od.config", "--timeout", "0.1", "--json")
    done = run(environment.bin / line[0], *line[1:], cwd=environment.folder)
    assert json.loads(done.stdout)["results"][0]["url"].startswith("stun:")
    assert (done.returncode, done.stderr) == (1, "")


@pytest.fixture
def served(environment: Environment, tmp_path: Path) -> Iterator[str]:
    """Run ``abcwebrtc serve``, and return its address."""
    log = tmp_path / "log"
    line = [str(environment.bin / "abcwebrtc"), "serve", "od.config", "--port", "0"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with open(log, "wb") as stream:
        process = subprocess.Popen(
            line, cwd=environment.folder, env=env, stdout=stream, stderr=subprocess.STDOUT
        )
    try:
        wait_for(lambda: "serving on" in log.read_text() or process.poll() is not None)
        wait_for(lambda: log.read_text().rpartition("serving on ")[2].endswith("\n"))
        yield log.read_text().rpartition("serving on ")[2].split()[0]
        process.terminate()
        assert process.wait(WAIT) == 0, log.read_text()
    finally:
        process.kill()
        process.wait(WAIT)
        print(log.read_text())


def test_serve_answers_with_a_credential(served: str) -> None:
    answer = request(served + RTC_PATH, {}, bearer())
    assert answer.status == 200
    server = answer.json()["result"]["iceServers"][1]
    secret = "the-static-auth-secret-of-your-coturn"
    assert verify_turn_credentials(secret, server["username"], server["credential"])
    assert request(served + RTC_PATH, {}).status == 401


def test_the_source_archive_installs_the_same_files(
    built: Built, environment: Environment, tmp_path: Path
) -> None:
    target = tmp_path / "installed"
    environment.pip("install", "--no-deps", "--no-compile", "--target", target, built.sdist)
    shutil.rmtree(target / "bin")
    installed = {
        str(path.relative_to(target)): path.read_bytes()
        for path in (target / "abcwebrtc").rglob("*")
        if path.is_file()
    }
    with zipfile.ZipFile(built.wheel) as wheel:
        packed = {n: wheel.read(n) for n in wheel.namelist() if n.startswith("abcwebrtc/")}
    assert installed == packed
