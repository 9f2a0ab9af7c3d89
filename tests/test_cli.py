"""The command line; what `serve` does is in `test_serve`."""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import json
import os
import pty
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import abcwebrtc
from abcwebrtc import cli
from abcwebrtc.cli import main
from support import (
    ENTRIES,
    SECRET,
    WAIT,
    command,
    environment,
    run_command,
    run_main,
    wait_for,
    write_od_config,
)

COTURN = ENTRIES["webrtc.coturn"]
COMMANDS = [
    "apply",
    "check",
    "configmap",
    "mint",
    "networkpolicy",
    "pod",
    "probe",
    "serve",
    "turnserver-conf",
]
WEAK = {"webrtc__coturn": {**COTURN, "coturn_static_auth_secret": "CHANGEME"}}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    return functools.partial(run_main, capsys)


# check


def test_a_clean_file_is_exit_0_and_its_summary_shows_what_browsers_get(
    tmp_path: Path, run: Any
) -> None:
    result = run("check", write_od_config(tmp_path))
    assert result.status == 0
    assert result.err == ""
    assert result.out == (
        "  sound  on\n"
        "  stun   stun:stun.example.org:3478\n"
        "  turn   turn:turn.example.org:3478  (ttl 600 s, username userid)\n"
        "no errors, no warnings\n"
    )


def test_the_summary_says_when_sound_is_off(tmp_path: Path, run: Any) -> None:
    changes = {"webrtc__enable": False, "webrtc__coturn": ..., "webrtc__rtc_configuration": ...}
    result = run("check", write_od_config(tmp_path, **changes))
    assert result.status == 0
    assert result.out == "  sound  off: webrtc.enable is False\nno errors, no warnings\n"


def test_errors_are_exit_1_each_with_its_line(tmp_path: Path, run: Any) -> None:
    coturn = {**COTURN, "ttl": 0, "protocol": "http"}
    od_config = write_od_config(tmp_path, webrtc__enable="True", webrtc__coturn=coturn)
    result = run("check", od_config)
    lines = result.out.splitlines()
    assert result.status == 1
    assert result.err == ""
    assert lines[-1] == "3 errors, no warnings"
    assert len(lines) == 4
    for start in ("2: error: webrtc.enable: ", "4: error: webrtc.coturn.ttl: must be 1"):
        assert any(line.startswith(f"{od_config}:{start}") for line in lines)


def test_warnings_are_exit_0_and_shown_with_the_summary(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path, webrtc__enabled=True)
    result = run("check", od_config)
    first, *_, last = result.out.splitlines()
    assert result.status == 0
    assert first.startswith(f"{od_config}:6: warning: webrtc.enabled: no such entry")
    assert last == "no errors, 1 warning"
    assert "  sound  on\n" in result.out


def test_errors_come_before_warnings(tmp_path: Path, run: Any) -> None:
    result = run("check", write_od_config(tmp_path, webrtc__enable=1, webrtc__enabled=True))
    assert result.status == 1
    assert [line.split(": ")[1] for line in result.out.splitlines()[:2]] == ["error", "warning"]
    assert result.out.endswith("1 error, 1 warning\n")


@pytest.mark.parametrize(
    ("changes", "options", "status"),
    [
        ({}, [], 0),
        ({}, ["--strict"], 0),
        (WEAK, [], 0),
        (WEAK, ["--strict"], 1),
        ({"webrtc__enable": 1}, [], 1),
        ({"webrtc__enable": 1}, ["--strict"], 1),
    ],
    ids=str,
)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=str)
def test_strict_takes_warnings_for_errors(
    tmp_path: Path,
    run: Any,
    changes: Dict[str, Any],
    options: List[str],
    status: int,
    form: List[str],
) -> None:
    result = run("check", *options, *form, write_od_config(tmp_path, **changes))
    assert result.status == status
    if form:
        assert json.loads(result.out)["ok"] is (status == 0)


def test_json_has_every_finding_in_one_shape(tmp_path: Path, run: Any) -> None:
    od_config = str(write_od_config(tmp_path, webrtc__enable=1, webrtc__enabled=True))
    result = run("check", "--json", od_config)
    report = json.loads(result.out)
    assert list(report) == ["file", "ok", "errors", "warnings"]
    assert report["file"] == od_config
    assert report["ok"] is False
    (error,), (warning,) = report["errors"], report["warnings"]
    for finding in (error, warning):
        assert list(finding) == ["level", "file", "line", "path", "message"]
        assert finding["file"] == od_config
        assert finding["message"]
    assert (error["level"], error["line"], error["path"]) == ("error", 2, "webrtc.enable")
    assert (warning["level"], warning["line"], warning["path"]) == ("warning", 6, "webrtc.enabled")
    assert result.err == ""


def test_json_of_a_clean_file(tmp_path: Path, run: Any) -> None:
    od_config = str(write_od_config(tmp_path))
    result = run("check", od_config, "--json")
    assert result.status == 0
    expected = {"file": od_config, "ok": True, "errors": [], "warnings": []}
    assert json.loads(result.out) == expected


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.config", "can't be read: No such file or directory"),
        ("", "can't be read: Is a directory"),
        ("od.config/x", "can't be read: Not a directory"),
    ],
)
@pytest.mark.parametrize("name_of_command", COMMANDS)
def test_a_file_that_can_not_be_read_is_exit_1(
    tmp_path: Path, run: Any, name_of_command: str, name: str, reason: str
) -> None:
    write_od_config(tmp_path)
    result = run(name_of_command, tmp_path / name)
    assert result.status == 1
    assert f"{tmp_path / name}: error: {reason}\n" in result.out + result.err


def test_json_of_a_file_that_can_not_be_read_is_json(tmp_path: Path, run: Any) -> None:
    result = run("check", "--json", tmp_path / "missing.config")
    assert result.status == 1
    (error,) = json.loads(result.out)["errors"]
    assert error["line"] is None
    assert error["path"] == ""


@pytest.mark.parametrize("name", ["whois 1703086872", "probe"])
def test_a_fault_is_on_stderr_where_the_json_is_of_something_else(
    tmp_path: Path, run: Any, name: str
) -> None:
    od_config = write_od_config(tmp_path, webrtc__enable=1)
    result = run(*name.split(), "--json", od_config)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"{od_config}:")
    assert ": error: webrtc." in result.err


@pytest.mark.parametrize("form", [[], ["--json"]], ids=str)
@pytest.mark.parametrize("coturn", [COTURN, WEAK["webrtc__coturn"], {**COTURN, "ttl": 0}], ids=str)
def test_check_never_shows_a_secret(
    tmp_path: Path, run: Any, form: List[str], coturn: Dict[str, Any]
) -> None:
    result = run("check", *form, write_od_config(tmp_path, webrtc__coturn=coturn))
    assert coturn["coturn_static_auth_secret"] not in result.out + result.err


# any file at all

BAD_FILES = [
    b"",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf[global]\n",
    b"[global",
    b"[]\n",
    b"[global]\n\xe9: 1\n",
    b"[global]\n: 1\n",
    b"[global]\nwebrtc.enable\n",
    b"[global]\nwebrtc.enable: \n",
    b"[global]\nwebrtc.enable: %\n",
    b"[global]\nwebrtc.enable: %(webrtc.enable)s\n",
    b"[global]\nwebrtc.enable: __import__('os').abort()\n",
    b"[global]\nwebrtc.enable: " + b"[" * 10_000 + b"\n",
    b"[global]\nwebrtc.coturn: {'ttl': 1e999, 'url': ['\\ud800'], 3: {}}\n",
    b"[global]\nwebrtc.coturn: [[[[]]]]\n",
    b"[global]\nwebrtc.\xe2\x98\x83: 1\nwebrtc.enable: 0\n",
    b"[global]\nwebrtc.rtc_configuration: {'iceServers': [{'urls': b'x'}], 1: 2}\n",
    b"[global]\nwebrtc.desktop: 9\njwt_token_user: 'x'\nwebrtc.rtc_constraints: 1j\n",
    b"[global]\nwebrtc.coturn: {'coturn_static_auth_secret_file': '\\0', 'url': 'a'}\n",
]


@pytest.mark.parametrize("data", BAD_FILES, ids=lambda data: repr(data)[:60])
@pytest.mark.parametrize("line", [["check"], ["check", "--json"], ["mint"], ["serve"]], ids=str)
def test_a_bad_file_is_exit_1_and_never_a_traceback(
    tmp_path: Path, run: Any, line: List[str], data: bytes
) -> None:
    od_config = tmp_path / "od.config"
    od_config.write_bytes(data)
    assert run(*line, od_config).status == 1


def test_a_key_file_that_is_no_file_name_is_exit_1(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path, jwt_token_user={"jwtuserpublickeyfile": "a\0b"})
    result = run("serve", od_config)
    assert result.status == 1
    assert "the key file is not" in result.err


@given(data=st.one_of(st.binary(), st.text().map(lambda text: f"[global]\n{text}".encode())))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_exit_0_or_1(tmp_path: Path, run: Any, data: bytes) -> None:
    od_config = tmp_path / "od.config"
    od_config.write_bytes(data)
    assert run("check", od_config).status in (0, 1)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 70_000)
    | st.sampled_from(["turn", "udp", "a.example.org:3478", "stun:a", "userid", "", "pseudonym"])
    | st.text(max_size=5)
    | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*COTURN, "urls", "iceServers", "credential"]) | st.integers(), inner
        )
    ),
    max_leaves=8,
)
KEYS = [*ENTRIES, "webrtc.rtc_constraints", "webrtc.desktop", "jwt_token_user", "webrtc.x"]


@given(entries=st.dictionaries(st.sampled_from(KEYS), VALUES))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_is_exit_0_or_1(tmp_path: Path, run: Any, entries: Dict[str, Any]) -> None:
    lines = [f"{key}: {value!a}".replace("%", "%%") for key, value in entries.items()]
    od_config = tmp_path / "od.config"
    od_config.write_text("\n".join(["[global]", *lines]))
    assert run("check", od_config).status in (0, 1)
    assert run("mint", od_config, "--user", "a").status in (0, 1)


# mint


def test_mint_prints_json_and_says_on_stderr_how_long_it_holds(tmp_path: Path, run: Any) -> None:
    before = time.time()
    result = run("mint", write_od_config(tmp_path), "--user", "alice")
    content = json.loads(result.out)
    assert result.status == 0
    stun, turn = content["iceServers"]
    assert stun == {"urls": "stun:stun.example.org:3478"}
    expires_at, _, user = turn["username"].partition(":")
    assert user == "alice"
    assert int(before) + 600 <= int(expires_at) <= time.time() + 600
    assert abcwebrtc.verify_turn_credentials(SECRET, turn["username"], turn["credential"])
    end = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(int(expires_at)))
    assert result.err == f"valid for 600 s, until {end} UTC\n"
    assert len(result.out.splitlines()) > 5


def test_mint_json_is_one_line_and_nothing_else(tmp_path: Path, run: Any) -> None:
    result = run("mint", "--json", "--user", "zo\u00eb", write_od_config(tmp_path))
    assert result.out.count("\n") == 1
    assert result.out.isascii()
    assert json.loads(result.out)["iceServers"][1]["username"].endswith(":zo\u00eb")
    assert result.err == ""


def test_the_note_is_about_the_server_that_expires_first(tmp_path: Path, run: Any) -> None:
    servers = [{**COTURN, "ttl": ttl} for ttl in (900, 300)]
    result = run("mint", write_od_config(tmp_path, webrtc__coturn=servers), "--user", "alice")
    assert result.err.startswith("valid for 300 s, ")


def test_mint_of_stun_alone_has_no_note(tmp_path: Path, run: Any) -> None:
    result = run("mint", write_od_config(tmp_path, webrtc__coturn=None))
    assert result.status == 0
    assert json.loads(result.out)["iceServers"] == [{"urls": "stun:stun.example.org:3478"}]
    assert result.err == ""


@pytest.mark.parametrize(
    ("style", "user", "status"),
    [
        ("timestamp", None, 0),
        ("timestamp", "alice", 0),
        ("userid", None, 1),
        ("userid", "a b", 1),
        ("userid", "\udcff", 1),
        ("pseudonym", None, 1),
        ("pseudonym", "a b", 0),
    ],
)
def test_mint_needs_a_user_where_the_style_does(
    tmp_path: Path, run: Any, style: str, user: Any, status: int
) -> None:
    od_config = write_od_config(tmp_path, webrtc__coturn={**COTURN, "username": style})
    result = run("mint", od_config, *([] if user is None else ["--user", user]))
    assert result.status == status
    if status:
        assert result.out == ""
        assert result.err.startswith("error: ")
        assert "user" in result.err


def test_mint_says_that_webrtc_is_off(tmp_path: Path, run: Any) -> None:
    result = run("mint", write_od_config(tmp_path, webrtc__enable=False), "--user", "alice")
    assert result.status == 1
    assert result.out == ""
    assert result.err == "error: webrtc.enable is False; set webrtc.enable: True for sound\n"


def test_mint_says_every_error_of_the_file(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path, webrtc__enable=1, webrtc__coturn=2)
    result = run("mint", od_config)
    assert result.status == 1
    assert result.out == ""
    assert [line.split(": ")[:3] for line in result.err.splitlines()] == [
        [f"{od_config}:2", "error", "webrtc.enable"],
        [f"{od_config}:4", "error", "webrtc.coturn"],
    ]


# the line itself


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_has_an_example(run: Any, name: str) -> None:
    result = run(name, "--help")
    assert result.status == 0
    assert f"\nexample: abcwebrtc {name} " in result.out
    assert "OD_CONFIG" in result.out


def test_the_help_names_the_commands_and_the_exit_status(run: Any) -> None:
    result = run("--help")
    assert result.status == 0
    assert all(re.search(rf"\n    {name}\s", result.out) for name in COMMANDS)
    assert "exit status: 0 all is well" in result.out


def test_the_version_is_that_of_the_package(run: Any) -> None:
    assert run("--version").out == f"abcwebrtc {abcwebrtc.__version__}\n"


@pytest.mark.parametrize(
    "line",
    [
        [],
        ["check"],
        ["mint"],
        ["serve"],
        ["chek", "od.config"],
        ["check", "od.config", "--user", "alice"],
        ["check", "od.config", "more"],
        ["mint", "od.config", "--user"],
        ["--nonsense"],
    ],
    ids=" ".join,
)
def test_a_wrong_line_is_exit_2_with_the_usage(run: Any, line: List[str]) -> None:
    result = run(*line)
    assert result.status == 2
    assert result.out == ""
    assert result.err.startswith("usage: abcwebrtc")


# as a process


def options_with_a_value(parser: argparse.ArgumentParser) -> Iterator[List[str]]:
    """Give a line for each option of each command that takes a value, which is empty."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                for line in options_with_a_value(one):
                    yield [name, *line]
        elif action.option_strings and action.nargs is None:
            yield [f"{action.option_strings[-1]}="]


EMPTY = [" ".join(line) for line in options_with_a_value(cli._parser())]


def test_there_are_options_with_a_value() -> None:
    assert {"serve --cert=", "rotate new-secret --output=", "apply --context="} <= set(EMPTY)


@pytest.mark.parametrize("line", EMPTY)
def test_an_option_without_a_value_is_exit_2_and_not_passed_over(run: Any, line: str) -> None:
    """A script with an unset variable would get another thing than it asks for."""
    result = run(*line.split())
    assert (result.status, result.out) == (2, "")
    assert f"argument {line.split()[-1][:-1]}" in result.err.replace("-n/", "")


@pytest.mark.parametrize(
    ("line", "name"), [(["pod", "od.config", ""], "POD"), (["whois", "", "od.config"], "USERNAME")]
)
def test_an_argument_that_is_empty_is_exit_2(run: Any, line: List[str], name: str) -> None:
    result = run(*line)
    assert (result.status, result.out) == (2, "")
    assert f"argument {name}: is empty" in result.err


@pytest.mark.parametrize("name", ["check", "mint", "configmap"])
def test_an_od_config_without_a_name_is_exit_2(run: Any, name: str) -> None:
    result = run(name, "")
    assert (result.status, result.out) == (2, "")
    assert "argument OD_CONFIG: is empty" in result.err


@pytest.mark.parametrize("name", [*COMMANDS, "whois 1703086872", "rotate plan", "rotate check"])
def test_a_dash_is_no_od_config(run: Any, name: str) -> None:
    result = run(*name.split(), "-")
    assert (result.status, result.out) == (2, "")
    message = "write the name of a file; for stdin write /dev/stdin"
    assert f"argument OD_CONFIG: {message}\n" in result.err


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("check", "no errors, no warnings"),
        ("mint --user alice", "iceServers"),
        ("configmap", "kind: ConfigMap"),
        ("networkpolicy", "kind: NetworkPolicy"),
        ("turnserver-conf", "realm=turn.example.org"),
        ("rotate plan", "rotate check /dev/stdin"),
        ("whois 1703086872:alice", "user     alice"),
    ],
)
def test_an_od_config_comes_from_a_pipe(tmp_path: Path, line: str, shown: str) -> None:
    text = write_od_config(tmp_path).read_text()
    # with `stdin` None, subprocess makes a pipe for the input
    result = run_command(*line.split(), "/dev/stdin", stdin=None, input=text)
    assert (result.returncode, shown in result.stdout) == (0, True), result.stderr


def test_turnserver_conf_prints_warnings_as_check_does(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path, webrtc__enabled=True)
    expected = run("check", od_config).out.splitlines()[0]
    assert expected.startswith(f"{od_config}:6: warning: webrtc.enabled: no such entry")
    result = run("turnserver-conf", od_config)
    assert result.status == 0
    assert result.err.splitlines()[0] == expected


def test_a_namespace_has_the_same_options_everywhere() -> None:
    lines = {line.split("--namespace")[0].strip() for line in EMPTY if "--namespace=" in line}
    assert lines == {"apply", "configmap", "networkpolicy", "rotate new-secret"}
    for line in lines:
        options = ["--format", "kubernetes", "--name", "x"] if "rotate" in line else ["od.config"]
        found = cli._parser().parse_args([*line.split(), *options, "-n", "sound"])
        assert found.namespace == "sound"


def check_no_traceback(text: str) -> None:
    assert "Traceback" not in text
    assert "Exception ignored" not in text


def test_python_m_abcwebrtc_is_the_command(tmp_path: Path) -> None:
    result = run_command("check", write_od_config(tmp_path, webrtc__enable=1))
    assert result.returncode == 1
    assert result.stdout.endswith("1 error, no warnings\n")
    assert run_command().returncode == 2


def test_the_main_module_runs_main(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["abcwebrtc", "check", str(write_od_config(tmp_path))])
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("abcwebrtc", run_name="__main__")
    assert caught.value.code == 0


LINES = [["check"], ["check", "--json"], ["mint", "--user", "a"], ["mint", "--json", "--user", "a"]]


def run_with_output(stream: Any, *arguments: object) -> Any:
    return subprocess.run(
        command(*arguments),
        stdin=subprocess.DEVNULL,
        stdout=stream,
        stderr=subprocess.PIPE,
        env=environment(),
        timeout=WAIT,
        text=True,
    )


@pytest.mark.parametrize("line", [*LINES, ["--help"], ["mint", "--help"]], ids=" ".join)
def test_a_reader_that_has_gone_is_no_traceback(tmp_path: Path, line: List[str]) -> None:
    theirs = gone_reader()
    file = [] if "--help" in line else [write_od_config(tmp_path)]
    try:
        result = run_with_output(theirs, *line, *file)
    finally:
        os.close(theirs)
    check_no_traceback(result.stderr)
    assert "--help" in line or result.returncode == 1


def test_a_full_disk_is_no_traceback(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        result = run_with_output(full, "check", write_od_config(tmp_path))
    check_no_traceback(result.stderr)
    assert result.returncode == 1


def test_a_closed_stdout_is_no_traceback(tmp_path: Path) -> None:
    line = ["sh", "-c", 'exec "$@" >&-', "sh", *command("check", write_od_config(tmp_path))]
    result = subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=WAIT)
    check_no_traceback(result.stderr)


def test_a_key_that_stdout_can_not_encode_is_no_traceback(tmp_path: Path) -> None:
    od_config = write_od_config(tmp_path)
    with open(od_config, "a", encoding="utf-8") as stream:
        stream.write("webrtc.\u2603: 1\n")
    env = environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    result = run_command("check", od_config, env=env)
    check_no_traceback(result.stderr)
    assert result.returncode == 0
    assert "no such entry" in result.stdout


def gone_reader() -> int:
    ours, theirs = os.pipe()
    os.close(ours)
    return theirs


@pytest.mark.parametrize(
    ("output", "message"),
    [(gone_reader, ""), (lambda: "/dev/full", "error: No space left on device\n")],
)
def test_what_can_not_be_printed_is_exit_1(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    output: Any,
    message: str,
) -> None:
    with contextlib.suppress(OSError), open(output(), "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["check", str(write_od_config(tmp_path))]) == 1
    assert capsys.readouterr().err == message


def test_main_works_without_a_stdout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["check", str(write_od_config(tmp_path))]) == 0
    sys.stdout.close()


def test_main_works_with_another_stdout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert main(["check", str(write_od_config(tmp_path))]) == 0
    assert sys.stdout.getvalue().endswith("no errors, no warnings\n")


def open_for_writing(fifo: Path) -> Any:
    """Open a FIFO once somebody reads it; until then give None."""
    with contextlib.suppress(OSError):
        return os.fdopen(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK), "wb")


@pytest.fixture
def heeded_ctrl_c() -> Iterator[None]:
    """Let processes heed Ctrl-C, also where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded_ctrl_c")
@pytest.mark.parametrize("name", COMMANDS)
def test_ctrl_c_is_exit_130_without_a_traceback(tmp_path: Path, name: str) -> None:
    fifo = tmp_path / "od.config"
    os.mkfifo(fifo)
    with subprocess.Popen(
        command(name, fifo),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(),
    ) as process:
        try:
            with wait_for(lambda: open_for_writing(fifo)):  # so that it waits for its file
                process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=WAIT)
        finally:
            process.kill()
    assert process.returncode == 130
    check_no_traceback(out.decode())


def test_ctrl_c_in_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(abcwebrtc.WebRTCConfig, "from_file", interrupted)
    assert main(["check", str(write_od_config(tmp_path))]) == 130


# colour


def run_on_a_terminal(*arguments: object, **environ: str) -> str:
    """Return what a command writes to a terminal."""
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env=environment(**{"TERM": "xterm", "NO_COLOR": "", **environ}),
            timeout=WAIT,
        )
        return os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    ids=str,
)
def test_colour_is_for_terminals_that_want_it(
    tmp_path: Path, environ: Dict[str, str], coloured: bool
) -> None:
    od_config = write_od_config(tmp_path, webrtc__enable=1, webrtc__enabled=True)
    shown = run_on_a_terminal("check", od_config, **environ)
    assert ("\033[31merror\033[0m: webrtc.enable: " in shown) is coloured
    assert ("\033[33mwarning\033[0m: webrtc.enabled: " in shown) is coloured
    assert ("\033" in shown) is coloured
    shown = run_on_a_terminal("mint", od_config, **environ)
    assert ("\033[31merror\033[0m: webrtc.enable: " in shown) is coloured


def test_json_is_never_coloured(tmp_path: Path) -> None:
    shown = run_on_a_terminal("check", "--json", write_od_config(tmp_path, webrtc__enable=1))
    assert "\033" not in shown
    assert json.loads(shown)["ok"] is False


class Terminal:
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "expected"),
    [({}, "\033[31mx\033[0m"), ({"NO_COLOR": "1"}, "x"), ({"TERM": "dumb"}, "x")],
    ids=str,
)
def test_colour_in_this_process(
    monkeypatch: pytest.MonkeyPatch, environ: Dict[str, str], expected: str
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert abcwebrtc.printing.coloured("x", "31", Terminal()) == expected


def test_findings_come_in_the_order_of_the_file(tmp_path: Path, run: Any) -> None:
    od_config = tmp_path / "od.config"
    od_config.write_text("[global]\nwebrtc.on: 1\nwebrtc.coturn: 5\nwebrtc.enable: 1\n")
    lines = run("check", od_config).out.splitlines()[:-1]
    assert [line.split(":")[1:3] for line in lines] == [
        ["2", " warning"],
        ["3", " error"],
        ["4", " error"],
    ]
