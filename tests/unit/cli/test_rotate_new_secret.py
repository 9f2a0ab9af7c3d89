"""``abcwebrtc rotate new-secret``: what it prints, and the files that it writes."""

from __future__ import annotations

import base64
import functools
import json
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any, List

import pytest
import yaml

from abcwebrtc.cli.main import main
from abcwebrtc.coturn.new_secret import new_secret
from support import SECRET, WAIT, command, environment, run_main, write_od_config
from support.users import MALLORY, acting_as, shared_folder
from unit.cli.test_rotate import COTURN, NEW

HEX = "[0-9a-f]{64}"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    return functools.partial(run_main, capsys, "rotate")


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


def test_in_a_folder_that_others_can_write_it_says_so(tmp_path: Path, run: Any) -> None:
    """A pod's `emptyDir` is such a folder."""
    folder = tmp_path / "volume"
    folder.mkdir()
    folder.chmod(0o777)
    result = run("new-secret", "--output", folder / "new")
    assert (result.status, result.out) == (0, "")
    warning, done = result.err.splitlines()
    assert warning.startswith(f"{folder / 'new'}: warning: others can write its folder, ")
    assert done == f"{folder / 'new'}: 1 secret"


def test_the_newest_stands_first_and_the_old_ones_stay(tmp_path: Path, run: Any) -> None:
    file = tmp_path / "secrets"
    file.write_text(f"\n {SECRET}\r\nan-older-one")
    file.chmod(0o600)
    result = run("new-secret", "--output", file)
    assert result.err == f"{file}: 3 secrets, the new one first\n"
    assert re.fullmatch(f"{HEX}\n{SECRET}\nan-older-one\n", file.read_text())
    run("new-secret", "--from", file, "--output", file, "--force")
    assert re.fullmatch(f"{HEX}\n", file.read_text())


@pytest.mark.parametrize(
    "words", ["new-secret --format sql --realm r --from", "old-secret --realm r --from"]
)
def test_the_lines_of_an_od_config_are_not_printed_as_secrets(
    tmp_path: Path, run: Any, words: str
) -> None:
    od_config = write_od_config(tmp_path, ldapconfig={"password": "Sehr-Geheim"})
    result = run(*words.split(), od_config)
    assert (result.status, result.out) == (1, "")
    assert "it has a line of an od.config" in result.err
    assert "Geheim" not in result.err


def test_a_new_secret_that_is_one_too_many_is_not_added(tmp_path: Path, run: Any) -> None:
    file = tmp_path / "secrets"
    file.write_text("".join(f"{SECRET}-{number}\n" for number in range(15)))
    assert run("new-secret", "--output", file).status == 0
    before, wrong = file.read_text(), "with the new one has 17 secrets, more than the 16 that are"
    for option in ("--output", "--keep"):
        result = run("new-secret", option, file)
        assert (result.status, result.out, file.read_text()) == (1, "", before)
        assert f"{file}: error: {wrong} read; remove the oldest\n" == result.err


OTHER_FILES = {
    "od.config": "[global]\nwebrtc.enable: True\n",
    "turnserver.conf": f"listening-port=3478\nstatic-auth-secret={SECRET}\n",
    "manifest.yaml": "apiVersion: v1\nkind: Secret\n",
    "tls.key": "-----BEGIN PRIVATE KEY-----\nMIIE\n",
}


@pytest.mark.parametrize("more", [[], ["--force"]])
@pytest.mark.parametrize("name", OTHER_FILES)
def test_a_file_of_another_kind_is_not_overwritten(
    tmp_path: Path, run: Any, name: str, more: List[str]
) -> None:
    file = tmp_path / name
    file.write_text(OTHER_FILES[name])
    result = run("new-secret", "--output", file, *more)
    assert result.status == 1
    assert f"{file}:1: error: has a line that is not a secret" in result.err
    assert file.read_text() == OTHER_FILES[name]


@pytest.mark.parametrize("secret", ["YWJjZGVmZw==", "ab+/c=", "a:b", "=a", "[a", "pass-phrase 1"])
def test_what_may_be_a_secret_is_kept(tmp_path: Path, run: Any, secret: str) -> None:
    file = tmp_path / "secrets"
    file.write_text(f"{secret}\n")
    assert run("new-secret", "--output", file).status == 0
    assert file.read_text().endswith(f"\n{secret}\n")


def test_a_file_keeps_its_mode_and_group(tmp_path: Path, run: Any) -> None:
    file = tmp_path / "secrets"
    file.write_text(SECRET)
    file.chmod(0o640)
    owner = (0, 23456) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(file, *owner)
    result = run("new-secret", "--output", file)
    found = file.stat()
    assert stat.S_IMODE(found.st_mode) == 0o640
    assert (found.st_uid, found.st_gid) == owner
    assert "warning" not in result.err
    file.chmod(0o644)
    assert "every user of this machine can read it" in run("new-secret", "--output", file).err


@pytest.mark.parametrize("mode", [0o606, 0o646, 0o602])
def test_a_secret_that_others_may_have_put_there_is_not_kept(
    tmp_path: Path, run: Any, mode: int
) -> None:
    file = tmp_path / "secrets"
    file.write_text(SECRET)
    file.chmod(mode)
    result = run("new-secret", "--output", file)
    assert (result.status, file.read_text()) == (1, SECRET)
    assert f"{file}: error: others can write it, so the secrets in it may be theirs; " in result.err
    assert SECRET not in result.err
    assert run("new-secret", "--output", file, "--replace").status == 0  # its old name
    assert re.fullmatch(f"{HEX}\n", file.read_text())


def test_another_user_s_file_gets_no_secret(run: Any) -> None:
    with shared_folder() as shared:
        with acting_as(MALLORY):
            (shared / "secret").touch()
            (shared / "secret").chmod(0o600)
        result = run("new-secret", "--output", shared / "secret", "--force")
        assert result.status == 3
        assert "can't be written: it belongs to the user 54321, not to you; name an" in result.err
        assert (shared / "secret").read_bytes() == b""


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


def test_of_secrets_that_are_written_at_the_same_time_none_is_lost(tmp_path: Path) -> None:
    line = command("rotate", "new-secret", "--output", tmp_path / "secrets")
    runs = [subprocess.Popen(line, env=environment(), stderr=subprocess.DEVNULL) for _ in range(6)]
    assert [one.wait(WAIT) for one in runs] == [0] * 6
    assert len(set((tmp_path / "secrets").read_text().split())) == 6
    assert os.listdir(tmp_path) == ["secrets"]


def test_a_failed_write_leaves_the_file_and_nothing_else(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secrets"
    file.write_text(SECRET)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    result = run("new-secret", "--output", file)
    assert result.status == 3
    assert result.err == f"{file}: error: can't be written: No space left on device\n"
    assert (file.read_text(), os.listdir(tmp_path)) == (SECRET, ["secrets"])


def test_a_device_is_not_replaced(tmp_path: Path, run: Any) -> None:
    os.symlink("/dev/null", tmp_path / "null")
    result = run("new-secret", "--output", tmp_path / "null")
    assert (
        result.err
        == f"{tmp_path}/null: error: can't be written: not a regular file; name another one\n"
    )
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("option", ["--output", "--from", "--keep"])
@pytest.mark.parametrize("name", ["folder", "folder/none/x", "nul\0"], ids=repr)
def test_a_file_that_can_not_be_used_is_exit_3(
    tmp_path: Path, run: Any, option: str, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    result = run("new-secret", option, tmp_path / name)
    assert result.status == 3
    assert re.fullmatch(r".*: error: can't be (read|written): [^\n]+\n", result.err, re.DOTALL)
    assert result.out == ""


def test_only_a_file_that_is_not_there_is_taken_for_one_without_secrets(
    tmp_path: Path, run: Any
) -> None:
    """A file that can't be read may hold the secret that coturn has."""
    link = tmp_path / "secrets"
    link.symlink_to("secrets")
    result = run("new-secret", "--output", link)
    assert result.status == 3
    assert "secrets: error: can't be written: Too many levels of symbolic links" in result.err
    assert link.is_symlink()


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
    assert "long: error: the secret is longer than the 1023 bytes" in result.err


def test_a_file_that_is_too_large_is_exit_1(tmp_path: Path, run: Any) -> None:
    (tmp_path / "large").write_bytes(b"x" * 65537)
    for option in ("--from", "--keep", "--output"):
        result = run("new-secret", option, tmp_path / "large")
        assert "large: error: can't be read: larger than 64 KiB" in result.err
    assert (tmp_path / "large").stat().st_size == 65537


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
        assert result.returncode == 3
        assert result.stderr == "stdin: error: can't be read: it is closed\n"
    else:
        assert (result.returncode, result.stdout) == (0, f"{NEW}\n")


# data


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_the_data_has_what_text_prints(tmp_path: Path, run: Any, form: str) -> None:
    (tmp_path / "new").write_text(NEW)
    for line in (
        [],
        ["--format", "sql", "--realm", "r"],
        ["--format", "kubernetes", "--name", "n"],
    ):
        line = ["--from", tmp_path / "new", *line]
        found = yaml.safe_load(run("new-secret", *line, "-o", form).out)
        expected = {"ok": True, "file": None, "content": run("new-secret", *line).out}
        assert found == {**expected, "errors": [], "warnings": [], "notes": []}


def test_the_data_of_a_file_does_not_show_its_secrets(tmp_path: Path, run: Any) -> None:
    file = tmp_path / "secrets"
    file.write_text(SECRET)
    file.chmod(0o644)
    result = run("new-secret", "--output", file, "--json")
    found = json.loads(result.out)
    assert (result.status, result.err) == (0, "")
    assert (found["ok"], found["file"], found["content"]) == (True, str(file), None)
    assert [one["file"] for one in found["warnings"]] == [str(file)]
    assert file.read_text().split()[0] not in result.out


def test_a_secret_that_json_can_not_hold_is_an_error(tmp_path: Path, run: Any) -> None:
    (tmp_path / "new").write_bytes(b"\xff-not-utf-8")
    result = run("new-secret", "--from", tmp_path / "new", "--json")
    assert (result.status, result.err) == (3, "")
    assert json.loads(result.out)["errors"][0]["message"].startswith("the secret is not UTF-8")


def test_quiet_leaves_errors_and_the_secret(tmp_path: Path, run: Any) -> None:
    file = tmp_path / "secrets"
    assert run("new-secret", "--output", file, "-q") == (0, "", "")
    assert len(run("new-secret", "-q").out) == 65
    file.chmod(0o666)
    assert "error: others can write it" in run("new-secret", "--output", file, "-q").err


def test_verbose_names_the_files_and_no_secret(tmp_path: Path, run: Any) -> None:
    (tmp_path / "new").write_text(NEW)
    result = run("new-secret", "-v", "--from", tmp_path / "new")
    assert result.err == f"reading {tmp_path}/new\n"
