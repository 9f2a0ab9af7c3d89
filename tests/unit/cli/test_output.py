"""Colour, which is for terminals that want it."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Sequence

import pytest

import abcwebrtc
from abcwebrtc.cli.main import main
from abcwebrtc.cli.output import (
    console,
    note,
    print_difference,
    print_error,
    print_problems,
    problems_count,
    say,
    show,
    show_data,
    warn,
)
from abcwebrtc.errors import AbcWebRTCError, ConfigError, Problem
from support import (
    WAIT,
    command,
    environment,
    run_command,
    run_main,
    run_on_a_terminal,
    write_od_config,
)


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


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ([], "found nothing wrong"),
        (["note"], "1 note"),
        (["warning", "error", "warning"], "1 error, 2 warnings"),
        (["note", "warning", "note", "error", "error"], "2 errors, 1 warning, 2 notes"),
    ],
    ids=str,
)
def test_the_count_of_problems_names_what_there_is(levels: List[str], said: str) -> None:
    assert problems_count(Problem("it", level=level) for level in levels) == said


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of 40 columns and 16 colours."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    return Terminal()


@pytest.mark.parametrize(("level", "colour"), [("error", 31), ("warning", 33), ("note", 36)])
def test_each_level_has_a_colour_of_its_own(terminal: Terminal, level: str, colour: int) -> None:
    print_problems([Problem("note: [red]it[/] :smile: 5", "a", level=level)], terminal)
    assert terminal.getvalue() == f"\033[{colour}m{level}\033[0m: a: note: [red]it[/] :smile: 5\n"


@pytest.mark.parametrize(
    ("columns", "term", "is_terminal", "width"),
    [
        *(("150", term, is_terminal, 150) for term in ("xterm", "dumb") for is_terminal in (0, 1)),
        ("", "dumb", 1, 80),
        *((wrong, "xterm", 1, 100) for wrong in ("0", "-3", "9" * 20, "many")),
        *((wrong, "xterm", 0, 100) for wrong in ("", "0", "-3", "9" * 20, "many")),
    ],
)
def test_columns_is_the_width_where_it_is_one(
    monkeypatch: pytest.MonkeyPatch, columns: str, term: str, is_terminal: int, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", term)
    assert console(Terminal() if is_terminal else io.StringIO()).width == width


def test_a_table_that_nobody_reads_any_more_is_no_exit_1(terminal: Terminal) -> None:
    """That status says that something was found."""

    def fail(text: str) -> int:
        raise BrokenPipeError

    terminal.write = fail  # type: ignore[method-assign]
    with pytest.raises(BrokenPipeError):
        console(terminal).print("it")


@pytest.mark.parametrize("variable", ["NO_COLOR", "TERM"])
def test_no_colour_where_none_is_wanted(
    terminal: Terminal, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "dumb")
    print_problems([Problem("it")], terminal)
    assert terminal.getvalue() == "error: it\n"


def test_a_problem_is_wrapped_at_blanks_on_a_terminal_alone(terminal: Terminal) -> None:
    url = "turns:turn.example.org:5349?transport=tcp-and-no-end"
    problem = Problem(f"this is more than {url} can hold in a line of forty", "webrtc.coturn")
    print_problems([problem], terminal)
    lines = re.sub("\033\\[[0-9]*m", "", terminal.getvalue()).splitlines()
    assert lines == [
        "error: webrtc.coturn: this is more than",
        f"  {url}",
        "  can hold in a line of forty",
    ]
    pipe = io.StringIO()
    print_problems([problem], pipe)
    assert pipe.getvalue() == f"{problem.as_line('error')}\n"


def test_json_is_never_coloured(tmp_path: Path) -> None:
    shown = run_on_a_terminal("check", "--json", write_od_config(tmp_path, webrtc__enable=1))
    assert "\033" not in shown
    assert json.loads(shown)["ok"] is False


def test_what_stdout_can_not_encode_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "zo\u00eb").mkdir()
    od_config = write_od_config(tmp_path / "zo\u00eb", webrtc__enable=1)
    result = run_command("check", od_config, env=environment(PYTHONIOENCODING="ascii"))
    assert result.returncode == 1
    assert "/zo\\xeb/od.config:2: error: webrtc.enable: " in result.stdout
    assert "Traceback" not in result.stderr


def test_yaml_goes_to_a_stdout_without_an_encoding_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert main(["configmap", str(write_od_config(tmp_path))]) == 0
    assert "kind: ConfigMap\n" in sys.stdout.getvalue()


def test_a_warning_that_nobody_hears_stops_nothing(tmp_path: Path) -> None:
    od_config = write_od_config(tmp_path, webrtc__enabled=True)
    line = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command("rotate", "plan", od_config)]
    result = subprocess.run(
        line, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=WAIT
    )
    assert result.returncode == 0
    assert result.stdout.startswith(b"webrtc.coturn: turn:turn.example.org:3478\n")


@pytest.mark.parametrize(("change", "status"), [({}, 0), ({"webrtc__enable": 1}, 1)])
def test_an_exit_status_does_not_depend_on_who_reads_stderr(
    change: Dict[str, int], status: int, tmp_path: Path
) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    od_config = write_od_config(tmp_path, webrtc__enabled=True, **change)
    line = command("mint", od_config, "--user", "alice")
    done = subprocess.run(
        line, env=environment(), stderr=theirs, stdout=subprocess.PIPE, timeout=WAIT
    )
    os.close(theirs)
    assert done.returncode == status


HOSTILE = "\x1b]0;owned\x07\n\u202e\udcff"
SHOWN = r"\x1b]0;owned\x07\n\u202e\udcff"


def test_every_way_to_print_a_line_escapes_it(capsys: pytest.CaptureFixture[str]) -> None:
    show(HOSTILE, HOSTILE)
    say(HOSTILE)
    print_difference(["+" + HOSTILE])
    print_problems([Problem(HOSTILE, HOSTILE, HOSTILE, 3)], sys.stdout)
    out = capsys.readouterr().out
    assert out.splitlines() == [
        *(SHOWN, SHOWN, SHOWN, f"+{SHOWN}"),
        f"{SHOWN}:3: error: {SHOWN}: {SHOWN}",
    ]
    warn(HOSTILE)
    note(HOSTILE)
    print_error(AbcWebRTCError(HOSTILE))
    print_error(ConfigError(Problem(HOSTILE)))
    assert capsys.readouterr().err.split("\n") == [
        f"warning: {SHOWN}",
        f"note: {SHOWN}",
        f"error: {SHOWN}",
        f"error: {SHOWN}",
        "",
    ]


def test_json_is_in_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    show_data({HOSTILE: HOSTILE + "\x7f\x9b"}, "json", one_line=True)
    out = capsys.readouterr().out
    assert out[:-1].isprintable()
    assert out.isascii()
    assert json.loads(out) == {HOSTILE: HOSTILE + "\x7f\x9b"}


@pytest.mark.parametrize(
    "line",
    [
        ("check", "od.config", HOSTILE[:-1]),
        ("check", f"--{HOSTILE[:-1]}", "od.config"),
        (HOSTILE[:-1],),
        ("rotate", HOSTILE[:-1]),
        ("rotate", "plan", "od.config", "--coturn", HOSTILE[:-1]),
        ("rotate", "plan", "od.config", f"--margin={HOSTILE[:-1]}"),
        ("check", f"--strict={HOSTILE[:-1]}", "od.config"),
        ("check", f"{HOSTILE[:-1]}/od.config"),
        ("check", f"{HOSTILE[:-1]}/od.config", "--json"),
        ("mint", f"{HOSTILE[:-1]}/od.config"),
        ("probe", f"{HOSTILE[:-1]}/od.config"),
        ("probe", "--desktop", "--ca", HOSTILE[:-1]),
    ],
    ids=lambda line: "-".join(part.encode("unicode_escape").decode() for part in line),
)
def test_what_was_typed_comes_back_as_an_escape(
    line: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run_main(capsys, *line)
    assert status in (2, 3)
    assert out + err
    assert all(text.isprintable() for text in (out + err).split("\n"))


PACKAGE = Path(abcwebrtc.__file__).parent


def test_no_other_module_writes_to_a_stream_or_has_a_logger_that_does_not_escape() -> None:
    """That none calls `print`, ruff holds."""
    files = sorted(PACKAGE.rglob("*.py"))
    texts = {str(path.relative_to(PACKAGE)): path.read_text(encoding="utf-8") for path in files}
    writes = re.compile(r"\bsys\.(stdout|stderr|__stdout__|__stderr__)\.write\(|\.writelines\(")
    assert [name for name, text in texts.items() if writes.search(text)] == []
    loggers = re.compile(r"\bgetLogger\((?!\))")
    assert [name for name, text in texts.items() if loggers.search(text)] == ["texts.py"]
