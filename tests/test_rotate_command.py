"""``abcwebrtc rotate``: its line, its output, and the files that it writes."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import functools
import json
import os
import re
import shlex
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator, List

import pytest
import yaml

from abcwebrtc import WebRTCConfig
from abcwebrtc.cli import main
from abcwebrtc.errors import ConfigError
from abcwebrtc.rotation import STEPS, Answer, groups
from abcwebrtc.rotationcheck import Report, Switch, rows_of, what_to_ask
from abcwebrtc.secretfiles import locked, new_secret, write_secret_file
from abcwebrtc.secrets import Secret
from support import ENTRIES, SECRET, WAIT, command, environment, run_main, write_od_config

COTURN = ENTRIES["webrtc.coturn"]
NEW = "the-secret-from-today-on"
HEX = "[0-9a-f]{64}"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    return functools.partial(run_main, capsys, "rotate")


# the line


@pytest.mark.parametrize("name", ["plan", "new-secret", "check"])
def test_the_help_of_each_subcommand_has_an_example(run: Any, name: str) -> None:
    result = run(name, "--help")
    assert result.status == 0
    assert f"\nexample: abcwebrtc rotate {name} " in result.out


def test_without_a_subcommand_the_line_is_wrong(run: Any) -> None:
    result = run()
    assert result.status == 2
    assert "SUBCOMMAND" in result.err


WRONG_LINES = {
    "a number that is none": (["plan", "od.config", "--margin", "1h"], "whole number of seconds"),
    "a time that is none": (["plan", "od.config", "--at", "noon"], "2026-01-05T09:00:00Z"),
    "an entry that is none": (["plan", "od.config", "--entry", "-1"], "a number, such as 0"),
    "a timeout that is none": (["check", "od.config", "--timeout", "0"], "write seconds"),
    "yaml into a secret file": (
        ["new-secret", "--format", "turnserver", "--output", "x"],
        "send stdout to a file",
    ),
    "turnadmin without a file": (["new-secret", "--format", "turnadmin"], "needs --from FILE"),
    "turnadmin from stdin": (
        ["new-secret", "--format", "turnadmin", "--from", "-"],
        "needs --from FILE",
    ),
    "a manifest without a name": (["new-secret", "--format", "kubernetes"], "needs --name"),
    "a name that no Secret has": (["new-secret", "--name", "A B"], "abcdesktop-turn"),
    "a key that no Secret has": (["new-secret", "--key", ".."], "static-auth-secret"),
    "a name for a file": (["new-secret", "--name", "a"], "--name goes with --format kubernetes"),
    "a namespace for turnserver": (
        ["new-secret", "--format", "turnserver", "-n", "a"],
        "--namespace goes with --format kubernetes",
    ),
    "a realm for a manifest": (
        ["new-secret", "--format", "kubernetes", "--name", "a", "--realm", "b"],
        "--realm goes with --format turnadmin",
    ),
    "replace without output": (["new-secret", "--replace"], "goes with --output"),
    "keep with output": (["new-secret", "--keep", "a", "--output", "b"], "leave --keep out"),
    "output to a minus sign": (["new-secret", "--output", "-"], "leave --output out"),
    "stdin twice": (["new-secret", "--from", "-", "--keep", "-"], "both read stdin"),
}


@pytest.mark.parametrize(("line", "words"), WRONG_LINES.values(), ids=WRONG_LINES)
def test_a_wrong_line_is_exit_2_and_says_what_to_write(
    run: Any, line: List[str], words: str
) -> None:
    result = run(*line)
    assert result.status == 2
    assert words in result.err
    assert result.out == ""


# plan


def test_plan_prints_numbered_steps_and_no_secret(tmp_path: Path, run: Any) -> None:
    result = run("plan", write_od_config(tmp_path), "--at", "2026-01-05T09:00:00Z")
    assert result.status == 0
    assert result.err == ""
    first, second, *rest = result.out.splitlines()
    assert first == "webrtc.coturn: turn:turn.example.org:3478"
    assert second == "  one secret, no rotation is under way"
    numbers = [line.split(".")[0].strip() for line in rest if re.match(r"  \d+\. ", line)]
    assert numbers == [str(number) for number in range(1, 10)]
    assert "2026-01-05 09:15:01 UTC" in re.sub(r"\s+", " ", result.out)
    assert SECRET not in result.out


def test_the_json_of_plan_says_the_same(tmp_path: Path, run: Any) -> None:
    result = run("plan", "--json", write_od_config(tmp_path), "--at", "1767603600")
    (group,) = json.loads(result.out)["groups"]
    assert group["overlap"]["remove_at"] == "2026-01-05T09:15:01Z"
    assert group["places"] == [{"kind": "inline", "name": ""}]
    assert group["secrets"] == 1
    assert [step["name"] for step in group["steps"]][:3] == ["prepare", "make", "give"]


def test_by_default_the_switch_is_now(tmp_path: Path, run: Any) -> None:
    result = run("plan", "--json", write_od_config(tmp_path))
    (group,) = json.loads(result.out)["groups"]
    at = group["overlap"]["switch_at"]
    assert f"--since {at}" in json.dumps(group["steps"])
    assert at > "2026-01-01"


def test_the_last_time_that_can_be_given_has_a_plan(tmp_path: Path, run: Any) -> None:
    line = ("--at", "2099-12-31T23:59:59Z", "--margin", "99999999")
    result = run("plan", write_od_config(tmp_path), *line)
    assert result.status == 0
    assert " UTC" in result.out


def test_plan_sees_a_database_that_is_prepared(tmp_path: Path, run: Any) -> None:
    database = tmp_path / "turndb"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("pragma journal_mode=wal")
        connection.execute("create table one (two)")
    result = run("plan", write_od_config(tmp_path), "--database", database)
    assert "pragma" not in result.out
    assert f"-b {database}" in result.out


def test_each_secret_is_planned_by_itself(tmp_path: Path, run: Any) -> None:
    other = {**COTURN, "coturn_static_auth_secret": NEW, "url": "turn.other.org"}
    od_config = write_od_config(tmp_path, webrtc__coturn=[COTURN, other, COTURN])
    groups = json.loads(run("plan", "--json", od_config).out)["groups"]
    assert [group["paths"] for group in groups] == [
        ["webrtc.coturn[0]", "webrtc.coturn[2]"],
        ["webrtc.coturn[1]"],
    ]
    assert "--entry 1" in json.dumps(groups[1]["steps"])
    (chosen,) = json.loads(run("plan", "--json", od_config, "--entry", "1").out)["groups"]
    assert chosen["paths"] == ["webrtc.coturn[1]"]
    too_high = run("plan", od_config, "--entry", "3")
    assert too_high.status == 2
    assert "--entry is from 0 to 2 here" in too_high.err


@pytest.mark.parametrize("name", ["plan", "check"])
def test_without_a_coturn_there_is_nothing_to_rotate(tmp_path: Path, run: Any, name: str) -> None:
    od_config = write_od_config(tmp_path, webrtc__coturn=...)
    result = run(name, od_config)
    assert result.status == 1
    assert result.err == (
        f"{od_config}: error: webrtc.coturn: there is no coturn server, "
        "so there is no secret to change\n"
    )


@pytest.mark.parametrize("name", ["plan", "check"])
def test_the_same_secret_twice_is_not_taken_for_an_old_one(
    tmp_path: Path, run: Any, name: str
) -> None:
    """Its step 'take the old one' would take the only one."""
    (tmp_path / "secrets").write_text(f"{NEW}\n{NEW}\n")
    in_file = {key: value for key, value in COTURN.items() if "secret" not in key}
    in_file["coturn_static_auth_secret_file"] = "secrets"
    for coturn in (in_file, {**COTURN, "coturn_static_auth_secret": [NEW, SECRET, NEW]}):
        result = run(name, write_od_config(tmp_path, webrtc__coturn=coturn))
        assert (result.status, result.out) == (1, "")
        assert "error: webrtc.coturn: has the same secret twice" in result.err
        assert NEW not in result.err


def test_that_nothing_mints_is_said(tmp_path: Path, run: Any) -> None:
    result = run("plan", write_od_config(tmp_path, webrtc__enable=False))
    assert result.status == 0
    assert "webrtc.enable is False" in result.err


def test_warnings_of_the_configuration_are_as_check_has_them(
    tmp_path: Path, run: Any, capsys: Any
) -> None:
    od_config = write_od_config(tmp_path, webrtc__enabled=True)
    result = run("plan", od_config)
    main(["check", str(od_config)])
    assert result.err.splitlines() == capsys.readouterr().out.splitlines()[:1]


@pytest.mark.parametrize("name", ["plan", "check"])
def test_a_configuration_that_is_wrong_is_exit_1(tmp_path: Path, run: Any, name: str) -> None:
    result = run(name, write_od_config(tmp_path, webrtc__coturn={**COTURN, "ttl": 0}))
    assert result.status == 1
    assert "webrtc.coturn.ttl: must be 1 second or more" in result.err
    assert result.out == ""


# new-secret


def test_a_new_secret_is_one_line_and_another_each_time(run: Any) -> None:
    found = {run("new-secret").out for _ in range(20)}
    assert len(found) == 20
    assert all(re.fullmatch(f"{HEX}\n", text) for text in found)


def test_a_new_secret_means_nothing_to_od_config(tmp_path: Path) -> None:
    text = new_secret().reveal().decode()
    od_config = write_od_config(
        tmp_path, webrtc__coturn={**COTURN, "coturn_static_auth_secret": text}
    )
    assert main(["check", "--strict", str(od_config)]) == 0


def test_a_new_file_is_for_its_owner_only(tmp_path: Path, run: Any) -> None:
    file = tmp_path / "new"
    before = os.umask(0)
    try:
        result = run("new-secret", "--output", file)
    finally:
        os.umask(before)
    assert (result.status, result.out) == (0, "")
    assert result.err == f"{file}: 1 secret\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert re.fullmatch(f"{HEX}\n", file.read_text())


def test_the_newest_stands_first_and_the_old_ones_stay(tmp_path: Path, run: Any) -> None:
    file = tmp_path / "secrets"
    file.write_text(f"\n {SECRET}\r\nan-older-one")
    file.chmod(0o600)
    result = run("new-secret", "--output", file)
    assert result.err == f"{file}: 3 secrets, the new one first\n"
    assert re.fullmatch(f"{HEX}\n{SECRET}\nan-older-one\n", file.read_text())
    run("new-secret", "--from", file, "--output", file, "--replace")
    assert re.fullmatch(f"{HEX}\n", file.read_text())


OTHER_FILES = {
    "od.config": "[global]\nwebrtc.enable: True\n",
    "turnserver.conf": f"listening-port=3478\nstatic-auth-secret={SECRET}\n",
    "manifest.yaml": "apiVersion: v1\nkind: Secret\n",
    "tls.key": "-----BEGIN PRIVATE KEY-----\nMIIE\n",
}


@pytest.mark.parametrize("more", [[], ["--replace"]])
@pytest.mark.parametrize("name", OTHER_FILES)
def test_a_file_of_another_kind_is_not_overwritten(
    tmp_path: Path, run: Any, name: str, more: List[str]
) -> None:
    file = tmp_path / name
    file.write_text(OTHER_FILES[name])
    result = run("new-secret", "--output", file, *more)
    assert result.status == 1
    assert f"{file}:1: error: has a line that is no secret" in result.err
    assert file.read_text() == OTHER_FILES[name]


@pytest.mark.parametrize("secret", ["YWJjZGVmZw==", "ab+/c=", "a:b", "=a", "[a", "pass-phrase 1"])
def test_what_may_be_a_secret_is_kept(tmp_path: Path, run: Any, secret: str) -> None:
    file = tmp_path / "secrets"
    file.write_text(f"{secret}\n")
    assert run("new-secret", "--output", file).status == 0
    assert file.read_text().endswith(f"\n{secret}\n")


def test_a_file_keeps_its_mode_and_owner(tmp_path: Path, run: Any) -> None:
    file = tmp_path / "secrets"
    file.write_text(SECRET)
    file.chmod(0o640)
    owner = (12345, 23456) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(file, *owner)
    result = run("new-secret", "--output", file)
    found = file.stat()
    assert stat.S_IMODE(found.st_mode) == 0o640
    assert (found.st_uid, found.st_gid) == owner
    assert "warning" not in result.err
    file.chmod(0o644)
    assert "every user of this machine can read it" in run("new-secret", "--output", file).err


def test_a_file_keeps_a_group_that_is_not_the_writers(tmp_path: Path) -> None:
    """As where pyos's group may read a file of root's."""
    file = tmp_path / "secrets"
    file.write_text(SECRET)
    group = 23456 if os.geteuid() == 0 else [os.getgid(), *os.getgroups()][-1]
    os.chown(file, -1, group)
    write_secret_file(str(file), [Secret(NEW)])
    assert (file.stat().st_uid, file.stat().st_gid) == (os.geteuid(), group)


def test_a_secret_is_never_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where others may look, or from where no file can be moved in one step."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    write_secret_file(str(tmp_path / "secrets"), [Secret(NEW)])
    assert os.listdir(tmp_path) == ["secrets"]


def test_a_secret_that_is_there_is_moved_to_the_front(tmp_path: Path, run: Any) -> None:
    file, new = tmp_path / "secrets", tmp_path / "new"
    file.write_text(f"{SECRET}\n{NEW}\n")
    new.write_text(NEW)
    for _ in range(2):
        assert run("new-secret", "--from", new, "--output", file).status == 0
        assert file.read_text() == f"{NEW}\n{SECRET}\n"


def test_a_link_stays_a_link(tmp_path: Path, run: Any) -> None:
    (tmp_path / "real").write_text(SECRET)
    (tmp_path / "link").symlink_to("real")
    run("new-secret", "--output", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text().endswith(f"\n{SECRET}\n")


def test_no_reader_sees_half_a_file(tmp_path: Path) -> None:
    """The inode is another one after it, so whoever has the old one open reads that to its end."""
    file = tmp_path / "secrets"
    file.write_text(SECRET)
    with open(file) as stream:
        write_secret_file(str(file), [Secret(NEW)])
        assert stream.read() == SECRET
    assert file.read_text() == f"{NEW}\n"
    assert os.listdir(tmp_path) == ["secrets"]


def test_of_secrets_that_are_written_at_the_same_time_none_is_lost(tmp_path: Path) -> None:
    line = command("rotate", "new-secret", "--output", tmp_path / "secrets")
    runs = [subprocess.Popen(line, env=environment(), stderr=subprocess.DEVNULL) for _ in range(6)]
    assert [one.wait(WAIT) for one in runs] == [0] * 6
    assert len(set((tmp_path / "secrets").read_text().split())) == 6
    assert os.listdir(tmp_path) == ["secrets"]


def test_who_writes_secrets_holds_the_lock_of_their_folder(tmp_path: Path) -> None:
    with open_folder(tmp_path) as other:
        with locked(str(tmp_path / "secrets")), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def open_folder(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def test_a_failed_write_leaves_the_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secrets"
    file.write_text(SECRET)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="can't be written: No space left on device") as caught:
        write_secret_file(str(file), [Secret(NEW)])
    assert caught.value.__context__ is None
    assert (file.read_text(), os.listdir(tmp_path)) == (SECRET, ["secrets"])


@pytest.mark.parametrize("option", ["--output", "--from", "--keep"])
@pytest.mark.parametrize("name", ["folder", "folder/none/x", "nul\0"], ids=repr)
def test_a_file_that_can_not_be_used_is_exit_1(
    tmp_path: Path, run: Any, option: str, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    result = run("new-secret", option, tmp_path / name)
    assert result.status == 1
    assert re.fullmatch(r".*: error: can't be (read|written): [^\n]+\n", result.err, re.DOTALL)
    assert result.out == ""


def test_only_a_file_that_is_not_there_is_taken_for_one_without_secrets(
    tmp_path: Path, run: Any
) -> None:
    """One that can't be read may hold the secret that coturn has."""
    link = tmp_path / "secrets"
    link.symlink_to("secrets")
    result = run("new-secret", "--output", link)
    assert result.status == 1
    assert "secrets: error: can't be read: Too many levels of symbolic links" in result.err
    assert link.is_symlink()


def test_a_device_is_not_replaced(tmp_path: Path, run: Any) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ConfigError, match="not a regular file"):
        write_secret_file(str(tmp_path / "fifo"), [Secret(NEW)])
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)


@pytest.mark.parametrize("option", ["--from", "--keep"])
def test_a_file_without_a_secret_is_exit_1(tmp_path: Path, run: Any, option: str) -> None:
    (tmp_path / "empty").write_text("\n \n")
    result = run("new-secret", option, tmp_path / "empty")
    assert (result.status, result.out) == (1, "")
    assert "the file holds no secret: it is empty" in result.err


@pytest.mark.parametrize("option", ["--from", "--keep", "--output"])
@pytest.mark.parametrize("data", [b"\xef\xbb\xbfsecret\n", b"sec\x00ret\n"])
def test_a_file_with_what_nobody_means_to_have_in_it_is_exit_1(
    tmp_path: Path, run: Any, option: str, data: bytes
) -> None:
    (tmp_path / "odd").write_bytes(data)
    result = run("new-secret", option, tmp_path / "odd")
    assert (result.status, result.out) == (1, "")
    assert "the secret can't be used: it " in result.err
    assert (tmp_path / "odd").read_bytes() == data


def test_a_file_of_blanks_gets_its_first_secret(tmp_path: Path, run: Any) -> None:
    (tmp_path / "blank").write_text("\n \n")
    assert run("new-secret", "--output", tmp_path / "blank").status == 0
    assert re.fullmatch(f"{HEX}\n", (tmp_path / "blank").read_text())


def test_a_secret_that_no_line_of_turnserver_conf_holds_is_exit_1(tmp_path: Path, run: Any) -> None:
    (tmp_path / "long").write_text("x" * 2000)
    result = run("new-secret", "--format", "turnserver", "--from", tmp_path / "long")
    assert (result.status, result.out) == (1, "")
    assert "long: error: the secret is too long for a line, which ends at 1023 bytes" in result.err


def test_a_file_that_is_too_large_is_exit_1(tmp_path: Path, run: Any) -> None:
    (tmp_path / "large").write_bytes(b"x" * 65537)
    assert "larger than 64 KiB" in run("new-secret", "--from", tmp_path / "large").err


def test_the_line_of_turnserver_conf(tmp_path: Path, run: Any) -> None:
    assert re.fullmatch(
        f"static-auth-secret={HEX}\n", run("new-secret", "--format", "turnserver").out
    )
    (tmp_path / "new").write_text("q83v+/8=\n")
    result = run("new-secret", "--format", "turnserver", "--from", tmp_path / "new")
    assert result.out == 'static-auth-secret="q83v+/8="\n'


def test_the_manifest_holds_the_new_secret_and_the_kept_ones(tmp_path: Path, run: Any) -> None:
    (tmp_path / "old").write_bytes(b"\xff-not-utf-8")
    line = ["--format", "kubernetes", "--name", "turn", "--namespace", "n", "--key", "k"]
    result = run("new-secret", *line, "--keep", tmp_path / "old")
    manifest = yaml.safe_load(result.out)
    assert (manifest["kind"], manifest["metadata"]) == (
        "Secret",
        {"name": "turn", "namespace": "n"},
    )
    assert re.fullmatch(
        HEX.encode() + b"\n\xff-not-utf-8\n", base64.b64decode(manifest["data"]["k"])
    )


def test_the_line_of_turnadmin_does_not_show_the_secret(tmp_path: Path, run: Any) -> None:
    (tmp_path / "new").write_text(NEW)
    result = run("new-secret", "--format", "turnadmin", "--from", tmp_path / "new", "--realm", "r")
    assert result.out == (
        f'turnadmin -s "$(grep . {tmp_path}/new | sed -n 1p)" -r r -b /var/lib/turn/turndb\n'
    )


@pytest.mark.parametrize("closed", [False, True])
def test_stdin_can_hold_the_secrets(closed: bool) -> None:
    line = "<&- " if closed else ""
    script = f'exec "$@" {line}'
    result = subprocess.run(
        ["sh", "-c", script, "sh", *command("rotate", "new-secret", "--from", "-")],
        input=f"{NEW}\nanother\n",
        capture_output=True,
        text=True,
        env=environment(),
        timeout=WAIT,
    )
    if closed:
        assert result.returncode == 1
        assert result.stderr == "stdin: error: can't be read: it is closed\n"
    else:
        assert (result.returncode, result.stdout) == (0, f"{NEW}\n")


# check; what it finds with a coturn is in `integration/test_rotate`


def test_check_without_aioice_says_how_to_install_it(tmp_path: Path) -> None:
    before = "import sys; sys.modules['aioice'] = None"
    od_config = write_od_config(tmp_path, webrtc__coturn={**COTURN, "url": "127.0.0.1:9"})
    result = subprocess.run(
        command("rotate", "check", od_config, before=before),
        capture_output=True,
        text=True,
        env=environment(),
        timeout=WAIT,
    )
    assert result.returncode == 1
    assert result.stderr == "error: aioice is not installed; run pip install 'abcwebrtc[probe]'\n"


def test_only_check_loads_aioice(tmp_path: Path) -> None:
    code = (
        "import sys; from abcwebrtc.cli import main; assert main(sys.argv[1:]) == 0; "
        "assert not {'aioice', 'yaml', 'cherrypy'} & set(sys.modules)"
    )
    for line in (["plan", write_od_config(tmp_path)], ["new-secret"]):
        subprocess.run(
            [sys.executable, "-c", code, "rotate", *map(str, line)],
            env=environment(),
            stdout=subprocess.DEVNULL,
            check=True,
        )


def test_the_switch_can_not_be_in_the_future(tmp_path: Path, run: Any) -> None:
    result = run("check", write_od_config(tmp_path), "--since", "2099-01-01")
    assert result.status == 2
    assert "--since lies in the future" in result.err


def test_a_new_secret_belongs_to_one_entry(tmp_path: Path, run: Any) -> None:
    other = {**COTURN, "coturn_static_auth_secret": "another-secret-of-its-own"}
    od_config = write_od_config(tmp_path, webrtc__coturn=[COTURN, other])
    (tmp_path / "new").write_text(NEW)
    result = run("check", od_config, "--new", tmp_path / "new")
    assert result.status == 2
    assert "--new needs --entry N" in result.err


# the page

PAGE = Path(__file__).resolve().parent.parent / "docs" / "rotation.md"


def section(heading: str) -> str:
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n", 1)[1]
    return text.split("\n## ", 1)[0]


@pytest.mark.parametrize(
    ("name", "heading"),
    [("plan", "The plan"), ("new-secret", "A new secret"), ("check", "Where one is")],
)
def test_the_page_has_every_option(run: Any, name: str, heading: str) -> None:
    offered = set(re.findall(r"--[a-z]+", run(name, "--help").out.replace("--dry-run", "")))
    rows = [line.split("|")[1] for line in section(heading).splitlines() if line.startswith("|")]
    assert set(re.findall(r"`(--[a-z]+)`", " ".join(rows))) == offered - {"--help"}


def test_the_page_has_every_step() -> None:
    rows = [line for line in section("Where one is").splitlines() if line.startswith("| `")]
    calls = {True: "go through", False: "are refused", None: "unknown"}
    for step in STEPS:
        (row,) = [row for row in rows if row.startswith(f"| `{step.name}` |")]
        assert row.split("|")[2].strip() == calls[step.works]


def test_the_page_shows_what_check_prints(tmp_path: Path) -> None:
    url = "turn.domain.local:3478"
    coturn = {"coturn_static_auth_secret": [NEW, SECRET], "protocol": "turns", "url": url}
    mapping = {"webrtc.enable": True, "webrtc.coturn": coturn}
    (group,) = groups(WebRTCConfig.from_mapping(mapping), coturn)
    asked = what_to_ask([group], {uri: [(url, 3478)] for uri in group.servers[0].uris}, None)
    (rows,) = rows_of(1, [(one, Answer(True)) for one in asked])
    switch = Switch(1767603600, "--since")
    text = "\n".join(Report(group, rows, switch, 300, 1767603600 + 301).lines())
    assert f"```text\n{text}\n```\n" in section("Where one is")


def test_the_lines_of_the_page_make_every_form_of_one_secret(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = section("A new secret").split("```text\n", 1)[1].split("```", 1)[0].splitlines()
    printed = []
    for line in lines:
        result = run(*shlex.split(line, comments=True)[2:])
        assert result.status == 0, result.err
        printed.append(result.out)
    secret = (tmp_path / "new-secret").read_text()
    manifest = yaml.safe_load(printed[3])
    assert printed[:2] == ["", f"static-auth-secret={secret}"]
    assert printed[2].startswith("turnadmin -s")
    assert base64.b64decode(manifest["data"]["static-auth-secret"]).decode() == secret
