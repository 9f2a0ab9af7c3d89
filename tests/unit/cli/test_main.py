"""The command line: its help, what is wrong on it, and its process."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import pytest
import yaml

import abcwebrtc
from abcwebrtc.cli import main as cli
from abcwebrtc.cli.main import main
from support import (
    ENTRIES,
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
    assert [f"\n  {n} " in result.out for n in (0, 1, 2, 3, 130)] == [True] * 5


def test_the_version_is_that_of_the_package(run: Any) -> None:
    assert run("--version").out == f"abcwebrtc {abcwebrtc.__version__}\n"


@pytest.mark.parametrize(
    "line",
    [
        [],
        ["check"],
        ["rotate", "plan"],
        ["rotate"],
        ["help", "chek"],
        ["check", "od.config", "-o", "xml"],
        ["check", "od.config", "-q", "-v"],
        ["check", "od.config", "--od-config", "od.config"],
        ["chek", "od.config"],
        ["check", "od.config", "--user", "alice"],
        ["check", "od.config", "more"],
        ["mint", "od.config", "--user"],
        ["--nonsense"],
    ],
    ids=" ".join,
)
def test_a_wrong_line_is_exit_2_with_two_lines(
    run: Any, line: List[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where no od.config is
    result = run(*line)
    assert result.status == 2
    assert result.out == ""
    error, usage = result.err.splitlines()
    command = error.partition(": error: ")[0]
    assert usage == f"Run 'abcwebrtc help{command[len('abcwebrtc') :]}' for usage."
    assert run(*re.findall("'(.*)'", usage)[0].split()[1:]).status == 0
    assert run(*line, "-o", "json").status == 2


@pytest.mark.parametrize(
    "words",
    [("probe", "--qui", "--desktop"), ("rotate", "new-secret", "--fo", "sql", "--from", "missing")],
)
def test_a_new_option_leaves_an_older_one_its_abbreviations(run: Any, words: List[str]) -> None:
    assert "ambiguous" not in run(*words).err


@pytest.mark.parametrize(
    "line",
    [
        "whois 1703086872 --users users missing",
        "whois --users users 1703086872 missing",
        "whois 1703086872 --json missing",
        "pod missing --user alice pod.yaml",
        "pod missing --diff pod.yaml",
    ],
)
def test_an_option_may_stand_between_two_arguments(run: Any, line: str) -> None:
    assert run(*line.split()).status == 3


@pytest.mark.parametrize("line", ["check -qojson", "check -ojson", "check --js", "check -q --json"])
def test_errors_are_json_however_that_is_asked_for(run: Any, line: str) -> None:
    result = run(*line.split(), "missing")
    assert result.status == 3
    assert json.loads(result.out)["errors"][0]["file"] == "missing"


@pytest.mark.parametrize("line", ["--json -o yaml", "-o yaml --json"])
def test_one_form_is_asked_for(run: Any, line: str) -> None:
    result = run("check", "missing", *line.split())
    assert result.status == 2
    assert "not allowed with" in result.out


def test_a_file_may_be_named_like_an_option(run: Any) -> None:
    result = run("check", "--", "--json")
    assert result.out == ""
    assert result.err == "./--json: error: can't be read: No such file or directory\n"


# as a process


IN_A_WRONG_PLACE = [
    "{}",
    "{} od.config",
    "check od.config {}",
    "check od.config --secret={}",
    "check od.config --secret {}",
    "check od.config -x{}",
    "check od.config --json={}",
    "mint od.config -{}",
    "turnserver-conf od.config --re={}",
    "turnserver-conf od.config --coturn={}",
    "rotate {} od.config",
    "rotate plan od.config --coturn {}",
    "rotate new-secret --format={}",
]


@pytest.mark.parametrize("secret", ["q83vEjRWeJC+/8='a", "Tr0ub4dor (choose from it) could match"])
@pytest.mark.parametrize("line", IN_A_WRONG_PLACE)
def test_what_is_wrong_on_the_line_is_not_shown(run: Any, line: str, secret: str) -> None:
    result = run(*(word.replace("{}", secret) for word in line.split()))
    assert (result.status, result.out) == (2, "")
    assert "error: " in result.err
    assert secret[:8] not in result.err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("chekc od.config", "invalid choice: chekc; did you mean check?\n"),
        ("rotate paln od.config", "invalid choice: paln; did you mean plan?\n"),
        ("check od.config --sttrict", "arguments: --sttrict; did you mean --strict?\n"),
        ("-v check od.config", "arguments: -v; write it after 'abcwebrtc check'\n"),
        ("rotate", "missing on the command line: SUBCOMMAND\n"),
        ("check od.config b c", "unrecognized arguments: 2 words that are not shown, since "),
        ("turnserver-conf od.config --re=a", "ambiguous option: could match --realm, --relay-p"),
        ("check od.config --json=a", "argument --json: takes no value\n"),
    ],
)
def test_what_is_misspelt_on_the_line_is_told(run: Any, line: str, told: str) -> None:
    assert told in run(*line.split()).err


def options_with_a_value(parser: argparse.ArgumentParser) -> Iterator[List[str]]:
    """Give a line for each option of each command that takes a value, which is empty."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                for line in options_with_a_value(one):
                    yield [name, *line]
        elif action.option_strings and action.nargs is None:
            yield [f"{action.option_strings[-1]}="]


EMPTY = [" ".join(line) for line in options_with_a_value(cli.make_parser())]


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


def test_a_printed_command_takes_no_file_for_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_od_config(tmp_path).rename(tmp_path / "-x")
    monkeypatch.chdir(tmp_path)
    result = run_main(capsys, "rotate", "plan", "--", "-x")
    assert result.status == 0
    assert "abcwebrtc rotate check ./-x" in re.sub(r"\s+", " ", result.out)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("check", "found nothing wrong"),
        ("mint --user alice", "iceServers"),
        ("configmap", "kind: ConfigMap"),
        ("networkpolicy", "kind: NetworkPolicy"),
        ("turnserver-conf", "realm=turn.example.org"),
        ("rotate plan", "rotate check OD_CONFIG"),
        ("whois 1703086872:alice", "user     alice"),
    ],
)
def test_an_od_config_comes_from_a_pipe(tmp_path: Path, line: str, shown: str) -> None:
    text = write_od_config(tmp_path).read_text()
    # with `stdin` None, subprocess makes a pipe for the input
    for name in ("/dev/stdin", "-"):
        result = run_command(*line.split(), name, stdin=None, input=text)
        assert (result.returncode, shown in result.stdout) == (0, True), result.stderr


def test_turnserver_conf_prints_warnings_as_check_does(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path, webrtc__enabled=True)
    expected = run("check", od_config).out.splitlines()[0]
    assert expected.startswith(f"{od_config}:6: warning: webrtc.enabled: no such entry")
    result = run("turnserver-conf", od_config)
    assert result.status == 0
    assert expected in result.err.splitlines()


def test_a_namespace_has_the_same_options_everywhere() -> None:
    lines = {line.split("--namespace")[0].strip() for line in EMPTY if "--namespace=" in line}
    assert lines == {"apply", "configmap", "networkpolicy", "rotate new-secret"}
    for line in lines:
        options = ["--format", "kubernetes", "--name", "x"] if "rotate" in line else ["od.config"]
        found = cli.make_parser().parse_args([*line.split(), *options, "-n", "sound"])
        assert found.namespace == "sound"


def check_no_traceback(text: str) -> None:
    assert "Traceback" not in text
    assert "Exception ignored" not in text


def test_python_m_abcwebrtc_is_the_command(tmp_path: Path) -> None:
    result = run_command("check", write_od_config(tmp_path, webrtc__enable=1))
    assert result.returncode == 1
    assert result.stdout.endswith("1 error\n")
    assert run_command().returncode == 2


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
    assert "--help" in line or result.returncode == 3


def test_a_full_disk_is_no_traceback(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        result = run_with_output(full, "check", write_od_config(tmp_path))
    check_no_traceback(result.stderr)
    assert result.returncode == 3


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (["check", "missing"], 3),
        (["check", "od.config"], 0),
        (["check"], 0),
        (["mint", "--nonsense"], 2),
        (["mint", "od.config", "--user", "u"], 0),
    ],
)
@pytest.mark.parametrize("target", ["/dev/full", "&-"])
def test_a_stderr_that_is_full_or_closed_changes_no_exit_status(
    tmp_path: Path, line: List[str], status: int, target: str
) -> None:
    """Python's own would be 120, where stderr can't be flushed at the end."""
    write_od_config(tmp_path)
    shell = ["sh", "-c", f'exec "$@" 2>{target}', "sh", *command(*line)]
    env = environment()
    assert subprocess.run(shell, cwd=tmp_path, env=env, timeout=WAIT).returncode == status


def test_a_closed_stdout_is_no_traceback(tmp_path: Path) -> None:
    line = ["sh", "-c", 'exec "$@" >&-', "sh", *command("check", write_od_config(tmp_path))]
    result = subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=WAIT)
    check_no_traceback(result.stderr)


def gone_reader() -> int:
    ours, theirs = os.pipe()
    os.close(ours)
    return theirs


@pytest.mark.parametrize(
    ("output", "message"),
    [(gone_reader, ""), (lambda: "/dev/full", "error: No space left on device\n")],
)
def test_what_can_not_be_printed_is_exit_3(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    output: Any,
    message: str,
) -> None:
    with contextlib.suppress(OSError), open(output(), "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["check", str(write_od_config(tmp_path))]) == 3
    assert capsys.readouterr().err == message


def test_main_works_without_a_stdout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["check", str(write_od_config(tmp_path))]) == 0
    sys.stdout.close()


def test_main_works_with_another_stdout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert main(["check", str(write_od_config(tmp_path))]) == 0
    assert sys.stdout.getvalue().endswith("found nothing wrong\n")


def has_open_twice(process: int, file: Any) -> bool:
    """Return whether a process has what is open as `file` here, beside its stdin."""
    found = 0
    for name in os.listdir(f"/proc/{process}/fd"):
        with contextlib.suppress(OSError):
            found += os.path.samestat(os.stat(f"/proc/{process}/fd/{name}"), os.fstat(file))
    return found > 1


def end_while_it_reads(number: int, name: str, *words: str) -> Tuple[int, str]:
    """Send a signal to a command that reads od.config; return its exit status and its output."""
    pod = ["desktop.yaml"] if name == "pod" else []  # stdin can't be both
    with subprocess.Popen(
        command(name, "/dev/stdin", *pod, *words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(),
    ) as process:
        try:
            wait_for(lambda: has_open_twice(process.pid, process.stdin.fileno()))  # it reads
            process.send_signal(number)
            out, _ = process.communicate(timeout=WAIT)
        finally:
            process.kill()
    return process.returncode, out.decode()


@pytest.mark.parametrize("name", COMMANDS)
def test_ctrl_c_is_exit_130_without_a_traceback(name: str) -> None:
    status, out = end_while_it_reads(signal.SIGINT, name)
    assert status == 130
    check_no_traceback(out)


@pytest.mark.parametrize(
    ("number", "name", "form"),
    [
        *((signal.SIGINT, name, "json") for name in COMMANDS if name != "serve"),
        (signal.SIGTERM, "probe", "json"),
        (signal.SIGTERM, "check", "yaml"),
        (signal.SIGHUP, "mint", "yaml"),
    ],
)
def test_an_interruption_is_one_document(number: int, name: str, form: str) -> None:
    status, out = end_while_it_reads(number, name, "-o", form)
    found = yaml.safe_load(out)
    assert (status, found["ok"]) == (130, False)
    assert found["errors"][0]["message"].startswith("interrupted")


def test_an_interruption_after_the_data_adds_none(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    show = cli.check.run
    monkeypatch.setattr(cli.check, "run", lambda options: show(options) or interrupt())
    result = run("check", write_od_config(tmp_path), "-o", "json")
    assert (result.status, json.loads(result.out)["ok"]) == (130, True)


@pytest.mark.parametrize(
    "words", [["--version"], ["help"], ["check", "--help"], ["completion", "bash"]]
)
def test_a_help_that_could_not_be_printed_is_an_error(words: List[str]) -> None:
    for unbuffered in ("", "1"):
        env = {**environment(), "PYTHONUNBUFFERED": unbuffered}
        with open("/dev/full", "w") as full:
            result = subprocess.run(command(*words), stdout=full, stderr=subprocess.PIPE, env=env)
        assert (result.returncode, result.stderr) == (3, b"error: No space left on device\n")


@pytest.mark.parametrize("form", ["text", "json", "yaml"])
def test_an_error_that_nobody_can_read_is_no_traceback(form: str) -> None:
    line = command("check", "missing.config", "-o", form)
    with open("/dev/full", "w") as full:
        result = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (result.returncode, result.stderr.count("\n")) == (3, 1)
    reason = "No such file or directory" if form == "text" else "No space left on device"
    assert result.stderr.endswith(f": {reason}\n")


@pytest.mark.parametrize("name", ["turnserver-conf", "rotate new-secret"])
@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_a_command_that_is_ended_leaves_no_file_with_a_secret(
    tmp_path: Path, name: str, number: str
) -> None:
    (tmp_path / "out").mkdir()
    words = [*name.split(), "--output", str(tmp_path / "out/secret")]
    words += [str(write_od_config(tmp_path))] if name == "turnserver-conf" else []
    code = (
        "import os, signal, sys; from abcwebrtc.cli.main import main; "
        f"os.fsync = lambda _: os.kill(os.getpid(), signal.{number}); sys.exit(main(sys.argv[1:]))"
    )
    line = [sys.executable, "-c", code, *words]
    result = subprocess.run(line, capture_output=True, env=environment(), text=True, timeout=WAIT)
    assert (result.returncode, os.listdir(tmp_path / "out")) == (130, []), result.stderr


# what all commands have in common


def test_od_config_is_the_argument_the_option_the_environment_or_the_one_here(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {}
    for name in ("od.config", "environment", "option", "argument"):
        path = write_od_config(tmp_path, webrtc__enabled=True)
        files[name] = path.rename(tmp_path / f"{name}.x")
    files["od.config"].rename("od.config")
    assert run("check").out.startswith("od.config:6: warning")
    monkeypatch.setenv("ABCWEBRTC_OD_CONFIG", "environment.x")
    assert run("check").out.startswith("environment.x:6: warning")
    assert run("check", "--od-config", "option.x").out.startswith("option.x:6: warning")
    assert run("check", "argument.x").out.startswith("argument.x:6: warning")
    twice = run("check", "argument.x", "--od-config", "option.x")
    assert (twice.status, "is given twice" in twice.err) == (2, True)
    monkeypatch.setenv("ABCWEBRTC_OD_CONFIG", "")
    empty = run("check")
    assert (empty.status, "ABCWEBRTC_OD_CONFIG is empty; " in empty.err) == (2, True)


@pytest.mark.parametrize("words", [["check", "--nonsense"], ["mint", "-o", "json", "--nonsense"]])
@pytest.mark.parametrize("form", [["--json"], ["-o", "json"], ["-o", "yaml"], ["-oyaml"]])
def test_errors_of_the_line_are_data_where_data_is_asked_for(
    run: Any, words: List[str], form: List[str]
) -> None:
    result = run(*words[:1], *form, *words[-1:])
    assert (result.status, result.err) == (2, "")
    report = yaml.safe_load(result.out)
    assert report["ok"] is False
    (error,) = report["errors"]
    assert error["message"] == "unrecognized arguments: --nonsense"
    assert (report["warnings"], report["notes"]) == ([], [])


@pytest.mark.parametrize("name", ["mint", "whois 1703086872", "probe", "rotate plan"])
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_errors_of_od_config_are_data_where_data_is_asked_for(
    run: Any, tmp_path: Path, name: str, form: str
) -> None:
    od_config = write_od_config(tmp_path, webrtc__enable=1)
    result = run(*name.split(), od_config, "-o", form)
    assert (result.status, result.err) == (1, "")
    (error,) = yaml.safe_load(result.out)["errors"]
    assert (error["file"], error["line"]) == (str(od_config), 2)


def test_quiet_leaves_out_warnings_and_verbose_says_what_is_done(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_od_config(tmp_path, webrtc__enabled=True)
    line = ["turnserver-conf", "--coturn", "4.6"]
    usual, quiet, verbose = run(*line), run(*line, "--quiet"), run(*line, "--verbose")
    assert {usual.status, quiet.status, verbose.status} == {0}
    assert usual.out == quiet.out == verbose.out
    assert "warning: webrtc.enabled: no such entry" in usual.err
    assert quiet.err == ""
    assert verbose.err == f"reading od.config from od.config\n{usual.err}"
    assert run(*line).err == usual.err  # the next run is as if there had been no other


def test_help_prints_what_the_option_does(run: Any) -> None:
    for words in ([], ["check"], ["rotate"], ["rotate", "plan"]):
        assert run("help", *words) == run(*words, "--help")
