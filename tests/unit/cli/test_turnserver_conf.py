"""The command turnserver-conf: what it prints, writes and checks, and what it refuses."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, List

import pytest
import yaml

from abcwebrtc.cli import turnserver_check
from abcwebrtc.coturn.conf_file import parse_turnserver_conf
from support import Result, listed_options, own_options, run_command, run_main, write_od_config
from support.certificates import ABOVE, CERT, HOST
from support.certificates import KEY as PRIVATE_KEY
from support.turnserver_entry import ENTRY, SECRET
from support.users import MALLORY, acting_as, shared_folder
from unit.project.test_docs import table_keys
from unit.test_imports import loaded_by
from unit.test_secret_files import ACL, LISTED, give


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes]) -> Any:
    """Run the command in this process, for coturn 4.6; `out` is decoded as its bytes are."""

    def command(*arguments: object) -> Result:
        status, out, err = run_main(capfdbinary, "turnserver-conf", "--coturn", "4.6", *arguments)
        return Result(status, out.decode("utf-8", "surrogateescape"), err.decode())

    return command


@pytest.fixture
def od_config(tmp_path: Path) -> Path:
    return write_od_config(tmp_path, webrtc__coturn={**ENTRY, "protocol": "turns"})


def test_the_command_prints_without_the_secret_and_says_so(run: Any, od_config: Path) -> None:
    result = run(od_config)
    assert (result.status, SECRET in result.out + result.err) == (0, False)
    assert "in double quotes, from webrtc.coturn.coturn_static_auth_secret" in result.out
    expected = "warning: the secret is left out; --output FILE writes it, --show-secret prints it\n"
    assert result.err == expected


def test_show_secret_prints_it(run: Any, od_config: Path) -> None:
    result = run(od_config, "--show-secret")
    assert f'\nstatic-auth-secret="{SECRET}"\n' in result.out
    assert result.err == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"coturn_static_auth_secret_file": "static"},
            "the file static (webrtc.coturn.coturn_static_auth_secret_file)",
        ),
        (
            {"coturn_static_auth_secret_env": "TURN_SECRET"},
            "the environment variable TURN_SECRET (webrtc.coturn.coturn_static_auth_secret_env)",
        ),
    ],
)
def test_the_place_of_a_secret_is_named(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: Any, words: str
) -> None:
    (tmp_path / "static").write_bytes(b"\xff-not-unicode-but-long-enough\n")
    monkeypatch.setenv("TURN_SECRET", "\udcff-not-unicode-but-long-enough")
    path = write_od_config(tmp_path, webrtc__coturn={"url": HOST, **changes})
    assert words in run(path).out
    shown = run(path, "--show-secret").out
    assert 'static-auth-secret="\udcff-not-unicode-but-long-enough"\n' in shown


def test_a_secret_that_no_line_can_hold_is_one_message(run: Any, tmp_path: Path) -> None:
    coturn = {"url": HOST, "coturn_static_auth_secret": "a-secret-with-a-\0-in-it"}
    result = run(write_od_config(tmp_path, webrtc__coturn=coturn), "--show-secret")
    assert (result.status, result.out, "a-secret" in result.err) == (1, "", False)
    assert "has a control character, which turnserver.conf can't hold" in result.err
    assert result.err.count("\n") == 1


def test_a_long_name_of_a_file_is_no_way_into_the_options(run: Any, tmp_path: Path) -> None:
    name = "/".join(["x" * 200] * 5 + ["no-auth\nno-auth"])
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_bytes(b"a-secret-that-is-long-enough")
    coturn = {"url": HOST, "coturn_static_auth_secret_file": name}
    text = run(write_od_config(tmp_path, webrtc__coturn=coturn)).out
    assert max(map(len, text.splitlines())) < 1000
    assert parse_turnserver_conf(text.encode(), "").all("no-auth") == ()


def test_output_is_for_its_owner_alone(run: Any, od_config: Path, tmp_path: Path) -> None:
    path = tmp_path / "turnserver.conf"
    before = os.umask(0)
    try:
        result = run(od_config, "--output", path)
    finally:
        os.umask(before)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"wrote {path} with the secret in it; ")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == run(od_config, "--show-secret").out
    assert sorted(os.listdir(tmp_path)) == ["jwtuser.pem", "od.config", "turnserver.conf"]


def test_in_a_folder_that_others_can_write_it_says_so(
    run: Any, od_config: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "volume"
    folder.mkdir()
    folder.chmod(0o777)
    result = run(od_config, "--output", folder / "turnserver.conf")
    assert result.status == 0
    assert "turnserver.conf: others can write its folder, and put " in result.err
    assert SECRET in (folder / "turnserver.conf").read_text()


def test_output_never_replaces_a_file_unasked(run: Any, od_config: Path, tmp_path: Path) -> None:
    path = tmp_path / "turnserver.conf"
    path.write_text("mine")
    path.chmod(0o646)
    result = run(od_config, "--output", path)
    assert (result.status, path.read_text()) == (3, "mine")
    assert "exists; add --force to overwrite it" in result.err
    assert run(od_config, "--output", path, "--force").status == 0
    assert SECRET in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_file_that_is_replaced_keeps_its_acl(run: Any, od_config: Path, tmp_path: Path) -> None:
    path = tmp_path / "turnserver.conf"
    path.touch(0o640)
    give(path, ACL, LISTED)
    assert run(od_config, "--output", path, "--force").status == 0
    assert SECRET in path.read_text()
    assert os.getxattr(path, ACL) == LISTED


def test_warnings_of_od_config_are_on_stderr(run: Any, tmp_path: Path) -> None:
    path = write_od_config(tmp_path, webrtc__coturn={**ENTRY, "coturn_static_auth_secret": "short"})
    result = run(path)
    assert ": warning: webrtc.coturn" in result.err
    assert "is shorter than 16 characters" in result.err
    assert "short" not in result.out


def test_output_follows_a_link(run: Any, od_config: Path, tmp_path: Path) -> None:
    real, link = tmp_path / "real.conf", tmp_path / "link.conf"
    real.write_text("mine")
    link.symlink_to(real)
    assert run(od_config, "--output", link, "--force").status == 0
    assert link.is_symlink()
    assert SECRET in real.read_text()


@pytest.mark.parametrize("linked", [False, True])
def test_another_user_s_file_gets_no_secret(run: Any, od_config: Path, linked: bool) -> None:
    with shared_folder() as shared:
        conf = shared / "turnserver.conf"
        with acting_as(MALLORY):
            (shared / "loot").touch()
            conf.symlink_to("loot") if linked else conf.touch()
        result = run(od_config, "--output", conf, "--force")
        assert result.status == 3
        words = "is a link in a folder that others" if linked else "belongs to the user 54321, not"
        assert result.err.startswith(f"error: can't write {conf}: ")
        assert words in result.err
        assert conf.read_bytes() == b""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("folder", "not a regular file; name another one"),
        ("missing/x", "No such file or directory"),
    ],
)
def test_output_that_can_not_be_written_is_one_message(
    run: Any, od_config: Path, tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / "folder").mkdir()
    result = run(od_config, "--output", tmp_path / name, "--force")
    assert (result.status, result.err.count("\n"), SECRET in result.err) == (3, 1, False)
    assert words in result.err


@pytest.mark.parametrize(
    ("changes", "ports"),
    [
        ({"url": f"{HOST}:443", "protocol": "turns"}, "443"),
        ({"url": [f"{HOST}:80", f"{HOST}:3478", f"{HOST}:53"]}, "80 and 53"),
        ({"url": f"{HOST}:1024"}, ""),
        ({"url": f"{HOST}:3478"}, ""),
    ],
)
def test_ports_that_are_not_everybodys_are_said(
    run: Any, tmp_path: Path, changes: Any, ports: str
) -> None:
    result = run(write_od_config(tmp_path, webrtc__coturn={**ENTRY, **changes}), "--show-secret")
    said = f"warning: for port {ports}, Debian's unit needs AmbientCapabilities="
    assert (said in result.err) == ("needs AmbientCapabilities=" in result.out) == bool(ports)


SERVERS = [
    {**ENTRY, "coturn_static_auth_secret": SECRET},
    {**ENTRY, "url": "turn.other.local"},
    {**ENTRY, "url": "[2001:db8::1]:443", "name": "paris"},
]


@pytest.mark.parametrize(
    ("arguments", "name", "note"),
    [
        ([], HOST, "od.config has 3 coturn servers, and this is for the first"),
        (["--server", HOST], HOST, ""),
        (["--server", "TURN.other.local"], "turn.other.local", ""),
        (["--server", "2"], "turn.other.local", ""),
        (["--server", "[2001:db8::1]"], "2001:db8::1", ""),
        (["--server", "paris"], "2001:db8::1", ""),
        (["--server", "turn:turn.other.local"], "turn.other.local", ""),
        (["--server", "turn:[2001:db8::1]:443"], "2001:db8::1", ""),
    ],
)
def test_one_of_several_servers_is_chosen(
    run: Any, tmp_path: Path, arguments: List[str], name: str, note: str
) -> None:
    result = run(write_od_config(tmp_path, webrtc__coturn=SERVERS), *arguments)
    assert f"\nrealm={name}\n" in result.out
    assert note in result.err
    assert ("coturn servers" in result.err) == bool(note)


def test_a_server_that_is_not_there_is_one_message(run: Any, tmp_path: Path) -> None:
    for name in ("4", "0", "nobody.local", "Paris", "turn:"):
        result = run(write_od_config(tmp_path, webrtc__coturn=SERVERS), "--server", name)
        assert (result.status, result.out, result.err.count("\n")) == (2, "", 2)
        assert f"has: 1 {HOST}, 2 turn.other.local, 3 2001:db8::1 (paris)\n" in result.err


def test_not_all_of_very_many_servers_are_listed(run: Any, tmp_path: Path) -> None:
    many = [{**ENTRY, "url": f"turn{number}.local"} for number in range(22)]
    result = run(write_od_config(tmp_path, webrtc__coturn=many), "--server", "no")
    assert ", 20 turn19.local and 2 more\n" in result.err


def test_a_word_that_fits_two_servers_is_one_message(run: Any, tmp_path: Path) -> None:
    named = [{**server, "name": name} for server, name in zip(SERVERS, ["2", "b", HOST])]
    od_config = write_od_config(tmp_path, webrtc__coturn=named)
    for word, known in (
        ("2", f"1 {HOST} (2), 2 turn.other.local (b)"),
        (HOST, f"1 {HOST} (2), 3 "),
    ):
        result = run(od_config, "--server", word)
        assert (result.status, result.out) == (2, "")
        assert f"error: --server fits more than one: {known}" in result.err
    assert run(od_config, "--server", "1").status == 0


def test_without_a_server_there_is_nothing_to_print(run: Any, tmp_path: Path) -> None:
    path = write_od_config(tmp_path, webrtc__coturn=...)
    result = run(path)
    assert (result.status, result.out) == (1, "")
    assert f"{path}: error: webrtc.coturn: has no server; write one" in result.err


def test_no_version_is_spoken_of_where_there_is_nothing_to_print(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_od_config(tmp_path, webrtc__coturn=...)
    result = run_main(capsys, "turnserver-conf", "--coturn", "5.2", path)
    assert (result.status, len(result.err.splitlines())) == (1, 1)
    assert result.err.startswith(f"{path}: error: webrtc.coturn: has no server")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--strict"], "--strict needs --check"),
        (["--check", "x", "--output", "y"], "--output can't be used with --check"),
        (["--check", "x", "--allow-peer", "10.0.0.0/8"], "--allow-peer can't be used with --check"),
        (["--force"], "--force needs --output"),
        (["--key", "x"], "--key needs --cert"),
        (["--allow-peer", "10.0.0.1/8"], "has host bits set; write 10.0.0.0/8"),
        (["--allow-peer", "ten"], "write a network such as"),
        (["--allow-peer", "0.0.0.0/0"], "means every address to coturn"),
        (["--allow-peer", "8000::/1"], "would undo most of the denials"),
        (["--relay-ports", "5"], "write two ports"),
        (["--relay-ports", "50000-50000"], "a call takes two allocations"),
        (["--total-quota", "1"], "a call takes two allocations"),
        (["--allow-peer", "169.254.169.254"], "the metadata service of clouds"),
        (["--realm", "a realm"], "write a realm such as"),
        (["--user-quota", "0"], "write a number from 1 up"),
        (["--cert", "a\nno-auth"], "write a file name"),
    ],
)
def test_a_wrong_line_is_exit_2(
    run: Any, od_config: Path, arguments: List[str], words: str
) -> None:
    result = run(od_config, *arguments)
    assert (result.status, result.out) == (2, "")
    assert words in result.err


@pytest.mark.parametrize("name", [" x.pem", '"x".pem', "=x.pem", "x.pem ", "x;"])
def test_a_name_that_coturn_would_change_is_quoted(
    run: Any, od_config: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).touch()
    text = run(od_config, "--cert", tmp_path / name).out
    assert parse_turnserver_conf(text.encode(), "").text("cert") == str(tmp_path / name)


def test_a_relative_name_is_written_whole(
    run: Any, od_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian's unit starts coturn in /, where it would run without TLS."""
    monkeypatch.chdir(tmp_path)
    names = ("turn.pem", "keys/turn.key")
    (tmp_path / "keys").mkdir()
    for name in names:
        (tmp_path / name).touch()
    conf = parse_turnserver_conf(
        run(od_config, "--cert", names[0], "--key", names[1]).out.encode(), ""
    )
    assert [conf.text("cert"), conf.text("pkey")] == [str(tmp_path / name) for name in names]


@pytest.mark.parametrize("option", ["--cert", "--key"])
def test_a_relative_name_of_no_file_is_exit_2(
    run: Any, od_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = ("--cert", "/etc/turn.pem") if option == "--key" else ()
    result = run(od_config, *whole, option, "turn.pem", "--output", tmp_path / "t.conf")
    assert (result.status, result.out) == (2, "")
    assert f"{option} names a file that is not here" in result.err
    assert "write the file's absolute path on coturn's machine" in result.err
    assert not (tmp_path / "t.conf").exists()


@pytest.fixture
def conf(run: Any, od_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the command writes, with a certificate that is not for `HOST`."""
    # another test looks at whether Debian's user for coturn can read the files
    monkeypatch.setattr(turnserver_check, "unreadable", lambda path: None)
    cert = tmp_path / "c.pem"
    cert.write_bytes(CERT + ABOVE + PRIVATE_KEY)
    path = tmp_path / "turnserver.conf"
    assert run(od_config, "--output", path, "--cert", cert).status == 0
    return path


def test_check_says_what_is_wrong_with_lines(run: Any, od_config: Path, conf: Path) -> None:
    conf.write_text(conf.read_text().replace(SECRET, "another-one") + "no-auth=no\n")
    result = run(od_config, "--check", conf)
    last = conf.read_text().count("\n")
    lines = result.out.splitlines()
    assert result.status == 1
    assert f"{conf}:9: error: static-auth-secret: is not a secret of od.config" in lines[0]
    assert f"{conf}:{last}: error: no-auth: turns logins off" in lines[-2]
    assert lines[-1] == "3 errors"  # with the certificate, which has expired
    assert SECRET not in result.out + result.err


def test_check_as_json(run: Any, od_config: Path, conf: Path) -> None:
    conf.write_text(conf.read_text() + "lt-cred-mech\n")
    report = json.loads(run(od_config, "--check", conf, "--json").out)
    assert (report["file"], report["ok"]) == (str(conf), False)
    assert [item["path"] for item in report["errors"]] == ["cert"]
    (warning,) = report["warnings"]
    last = conf.read_text().count("\n")
    assert (warning["line"], warning["path"], warning["file"]) == (last, "lt-cred-mech", str(conf))


def test_check_is_strict_where_it_is_asked_to(run: Any, tmp_path: Path) -> None:
    path = write_od_config(tmp_path, webrtc__coturn=ENTRY)
    conf = tmp_path / "turnserver.conf"
    assert run(path, "--output", conf).status == 0
    assert run(path, "--check", conf, "--strict") == Result(0, "found nothing wrong\n", "")
    conf.write_text(conf.read_text() + "lt-cred-mech\n")
    assert run(path, "--check", conf).status == 0
    assert run(path, "--check", conf, "--strict").status == 1


def test_check_reads_copies_of_the_certificate(run: Any, od_config: Path, tmp_path: Path) -> None:
    conf = tmp_path / "turnserver.conf"
    assert run(od_config, "--output", conf, "--cert", "/elsewhere/turn.pem").status == 0
    result = run(od_config, "--check", conf)
    assert result.out.count("can't be read: No such file or directory") == 2
    (tmp_path / "copy.pem").write_bytes(CERT + PRIVATE_KEY)
    result = run(od_config, "--check", conf, "--cert", tmp_path / "copy.pem")
    assert "can't be read" not in result.out
    assert "the certificate expired on" in result.out


UNREADABLE = {
    "od.config": ["MISSING"],
    "od.config, to check": ["MISSING", "--check", "CONF"],
    "turnserver.conf": ["OD_CONFIG", "--check", "MISSING"],
    "certificate": ["OD_CONFIG", "--check", "CONF", "--cert", "MISSING"],
    "key": ["OD_CONFIG", "--check", "CONF", "--key", "MISSING"],
}


@pytest.mark.parametrize("words", UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_can_not_be_read_is_exit_3(
    run: Any, od_config: Path, conf: Path, tmp_path: Path, words: List[str]
) -> None:
    missing = tmp_path / "missing"
    names = {"OD_CONFIG": od_config, "CONF": conf, "MISSING": missing}
    line = [names.get(word, word) for word in words]
    message = "can't be read: No such file or directory"
    assert run(*line) == Result(3, "", f"{missing}: error: {message}\n")
    result = run(*line, "-o", "json")
    (error,) = json.loads(result.out)["errors"]
    assert (result.status, result.err) == (3, "")
    assert (error["file"], error["message"]) == (str(missing), message)


def test_check_finds_a_relative_name_that_the_unit_does_not_find(
    run: Any, od_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is only in the folder of the check is not where coturn looks for it."""
    conf, pem = tmp_path / "turnserver.conf", tmp_path / "turn.pem"
    pem.write_bytes(CERT + ABOVE + PRIVATE_KEY)
    assert run(od_config, "--output", conf, "--cert", pem).status == 0
    conf.write_text(conf.read_text().replace(str(pem), "turn.pem"))
    elsewhere = run(od_config, "--check", conf)
    assert elsewhere.out.count("the name is relative, so write the absolute path") == 2
    monkeypatch.chdir(tmp_path)
    here = run(od_config, "--check", conf)
    words = f"the name is relative, and the unit starts coturn in /; write {pem}"
    assert here.out.count(words) == 1
    monkeypatch.setattr(
        turnserver_check, "certificate_files", lambda conf, _: {"cert": (str(pem),)}
    )
    assert words not in run(od_config, "--check", conf).out


def test_check_of_what_is_no_text_is_one_message(run: Any, od_config: Path, tmp_path: Path) -> None:
    conf = tmp_path / "turnserver.conf"
    conf.write_text("use-auth-secret\nrealm=x\n", encoding="utf-16")
    result = run(od_config, "--check", conf)
    message = "is not a plain text file; save it as UTF-8"
    assert result == Result(1, f"{conf}: error: {message}\n1 error\n", "")


OTHER_FILES = [
    "[global]\nwebrtc.enable: True\nldapconfig: { 'password': 'Sehr-Geheim' }\n",
    "-----BEGIN PRIVATE KEY-----\nSehr-Geheim\n-----END PRIVATE KEY-----\n",
    "apiVersion: v1\nkind: Secret\nstringData: { key: Sehr-Geheim }\n",
]


@pytest.mark.parametrize("text", OTHER_FILES)
def test_check_of_another_file_is_one_message(
    run: Any, od_config: Path, tmp_path: Path, text: str
) -> None:
    conf = tmp_path / "other"
    conf.write_text(text)
    result = run(od_config, "--check", conf)
    message = "is not a turnserver.conf: no line of it is an option of coturn; name "
    assert (result.status, result.out.count("\n")) == (1, 2)
    assert result.out.startswith(f"{conf}: error: {message}")
    assert result.out.endswith("\n1 error\n")
    assert "Geheim" not in result.out + result.err


def test_check_reads_as_many_options_as_a_coturn_needs(
    run: Any, od_config: Path, tmp_path: Path
) -> None:
    conf = tmp_path / "turnserver.conf"
    most = turnserver_check.MAX_OPTIONS
    conf.write_text("  # a comment\n\n" * 9999 + "no-cli\n" * most)
    assert "can be checked" not in run(od_config, "--check", conf).err
    conf.write_text(conf.read_text() + "\tno-such-option\n")
    result = run(od_config, "--check", conf)
    message = f"has {most + 1} lines with an option, and only {most} can be checked; "
    assert result == Result(3, "", f"{conf}: error: {message}no coturn needs so many\n")


def test_check_of_a_broken_od_config_is_json_as_well(run: Any, tmp_path: Path) -> None:
    path = write_od_config(tmp_path, webrtc__coturn={"url": HOST})
    result = run(path, "--check", tmp_path / "x", "--json")
    assert result.status == 1
    assert json.loads(result.out)["errors"][0]["file"] == str(path)


# stdin, -o, -q and -v


READ_FROM_STDIN = {
    "od.config": ["-"],
    "od.config by its option": ["--od-config", "-"],
    "od.config, to check": ["-", "--check", "CONF"],
    "turnserver.conf": ["OD_CONFIG", "--check", "-"],
    "certificate and key": ["OD_CONFIG", "--check", "CONF", "--cert", "-"],
    "certificate alone": ["OD_CONFIG", "--check", "CONF", "--cert", "-", "--key", "PEM"],
    "key alone": ["OD_CONFIG", "--check", "CONF", "--cert", "PEM", "--key", "-"],
}


@pytest.mark.parametrize("words", READ_FROM_STDIN.values(), ids=READ_FROM_STDIN)
def test_a_file_may_be_stdin(
    run: Any, od_config: Path, conf: Path, tmp_path: Path, words: List[str]
) -> None:
    names = {"OD_CONFIG": od_config, "CONF": conf, "PEM": tmp_path / "c.pem"}
    piped = od_config
    if "--check" in words and words[0] != "-":
        piped = conf if words[2] == "-" else tmp_path / "c.pem"
    line = ["turnserver-conf", "--coturn", "4.6", *(names.get(word, word) for word in words)]
    with open(piped, "rb") as stream:
        result = run_command(*line, stdin=stream, cwd=tmp_path)
    if "--check" in words:
        name = "stdin" if words[2] == "-" else str(conf)
        assert f"{name}:" in result.stdout
        assert "error: cert: the certificate expired on" in result.stdout
        assert (result.returncode, result.stderr) == (1, "")
    else:
        assert (result.returncode, result.stdout) == (0, run(od_config).out)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-", "--check", "-"], "OD_CONFIG and --check can't both be stdin"),
        (["OD_CONFIG", "--check", "-", "--cert", "-"], "--check and --cert can't both be stdin"),
        (["-", "--check", "x", "--key", "-"], "OD_CONFIG and --key can't both be stdin"),
        (["OD_CONFIG", "--cert", "-"], "read stdin only with --check"),
        (["OD_CONFIG", "--cert", "/x", "--key", "-"], "read stdin only with --check"),
        (["OD_CONFIG", "--output", "-"], "write a file name; for stdout, use --show-secret"),
    ],
)
def test_stdin_is_read_once_and_only_for_what_is_read(
    run: Any, od_config: Path, arguments: List[str], words: str
) -> None:
    line = [od_config if word == "OD_CONFIG" else word for word in arguments]
    result = run(*line)
    assert (result.status, result.out, result.err.count("\n")) == (2, "", 2)
    assert words in result.err


@pytest.mark.parametrize("arguments", [[], ["--show-secret"], ["--firewall"]])
def test_what_is_printed_as_data_is_the_text(
    run: Any, od_config: Path, arguments: List[str]
) -> None:
    if "--firewall" in arguments:  # which takes no --coturn
        plain = run_command("turnserver-conf", od_config, *arguments)
        result = run_command("turnserver-conf", od_config, *arguments, "-o", "json")
        text, out, err = plain.stdout, result.stdout, result.stderr
    else:
        text = run(od_config, *arguments).out
        _, out, err = run(od_config, *arguments, "-o", "json")
    report = json.loads(out)
    left_out = "the secret is left out; --output FILE writes it, --show-secret prints it"
    warnings = [one["message"] for one in report.pop("warnings")]
    assert warnings == ([] if arguments else [left_out])
    assert report == {"ok": True, "file": None, "content": text, "notes": []}
    assert err == ""


def test_data_has_the_bytes_of_a_secret_that_are_not_text(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TURN_SECRET", "\udcff-not-unicode-but-long-enough")
    coturn = {"url": HOST, "coturn_static_auth_secret_env": "TURN_SECRET"}
    path = write_od_config(tmp_path, webrtc__coturn=coturn)
    text = run(path, "--show-secret").out
    report = json.loads(run(path, "--show-secret", "-o", "json").out)
    assert report["content"] == text
    assert run(path, "--show-secret", "-o", "yaml").status == 0


def test_a_file_that_is_written_is_named_and_its_secret_not_printed(
    run: Any, od_config: Path, tmp_path: Path
) -> None:
    path = tmp_path / "turnserver.conf"
    result = run(od_config, "--output", path, "-o", "json")
    report = json.loads(result.out)
    assert (report["ok"], report["file"], report["content"]) == (True, str(path), None)
    assert f"chmod 640 {path}" in report["notes"][0]["message"]
    assert (SECRET in result.out + result.err, SECRET in path.read_text()) == (False, True)
    result = run(od_config, "--output", path, "-o", "json")
    report = json.loads(result.out)
    assert (result.status, report["ok"]) == (3, False)
    assert report["errors"][0]["message"] == f"{path} exists; add --force to overwrite it"


def test_remarks_are_in_the_data_and_not_on_stderr(run: Any, tmp_path: Path) -> None:
    path = write_od_config(tmp_path, webrtc__coturn=SERVERS)
    (tmp_path / "empty").touch()
    for arguments in ([], ["--check", tmp_path / "empty"]):
        result = run(path, *arguments, "-o", "json")
        notes = [one["message"] for one in json.loads(result.out)["notes"]]
        assert any("this is for the first one" in text for text in notes)
        assert result.err == ""


def test_check_as_yaml_is_the_same_data(run: Any, od_config: Path, conf: Path) -> None:
    data = json.loads(run(od_config, "--check", conf, "-o", "json").out)
    assert yaml.safe_load(run(od_config, "--check", conf, "-o", "yaml").out) == data


def test_quiet_leaves_the_result(run: Any, od_config: Path, conf: Path) -> None:
    assert run(od_config, "-q") == Result(0, run(od_config).out, "")
    assert run(od_config, "--check", conf, "-q").out == run(od_config, "--check", conf).out


def test_verbose_says_what_is_done(run: Any, od_config: Path, conf: Path) -> None:
    pem = conf.with_name("c.pem")
    said = run(od_config, "--check", conf, "--cert", pem, "-v").err.splitlines()
    assert said == [
        f"reading od.config from {od_config}",
        f"reading {conf}",
        f"reading {pem}",
        f"comparing {conf} with {HOST} of od.config, as coturn 4.6 reads it",
    ]
    assert f"writing {conf}" in run(od_config, "--output", conf, "--force", "-v").err


def test_printing_loads_no_framework(od_config: Path) -> None:
    code = "from abcwebrtc.cli.main import main\nassert main(sys.argv[1:]) == 0"
    heavy = {"cherrypy", "kubernetes", "aioice", "yaml", "jwt", "cryptography"}
    assert not loaded_by(code, "turnserver-conf", od_config) & heavy


def test_a_secret_is_in_no_output_of_the_process(od_config: Path, conf: Path) -> None:
    for arguments in ([], ["--check", conf], ["--check", conf, "--json"], ["--output", conf]):
        result = run_command("turnserver-conf", od_config, *arguments)
        assert SECRET not in result.stdout + result.stderr
        assert "Traceback" not in result.stderr


def test_the_table_of_options_is_complete() -> None:
    listed = listed_options(table_keys("turnserver.md", "## Options"))
    assert listed == own_options("turnserver-conf")
