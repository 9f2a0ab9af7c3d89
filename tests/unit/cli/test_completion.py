"""What completes the command line: its script, what it loads, and what it offers."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import pytest

from abcwebrtc.cli import completion
from abcwebrtc.cli.main import make_parser
from support import WAIT, command, environment, run_main

NO_FILES = {
    *("A,B", "ADDRESS", "CIDR", "COMMAND", "IP", "KEY=VALUE", "MIN-MAX", "N", "NAME"),
    "NAME|HOST|N",
    *("NAME=VALUE", "PORT", "PUBLIC/PRIVATE", "SECONDS", "TIME", "URL", "USER", "USERNAME"),
    *("VERSION", None),
    "HOST:PORT",
}


def completions(line: str, folder: Path, **changes: str) -> List[str]:
    """Return what is offered for the end of a line, as any shell asks for it."""
    env = environment(**changes, _ARGCOMPLETE="1", COMP_LINE=line, COMP_POINT=str(len(line)))
    shell = ["sh", "-c", 'exec "$@" 8>&1', "sh", *command()]
    done = subprocess.run(shell, cwd=folder, env=env, stdout=subprocess.PIPE, timeout=WAIT)
    assert done.returncode == 0
    return [one.rstrip() for one in done.stdout.decode().split("\v")] if done.stdout else []


def values(parser: argparse.ArgumentParser) -> Iterator[Tuple[str, argparse.Action]]:
    """Yield the actions of all commands that take a value, with the names to show."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                yield from ((f"{name} {more}", found) for more, found in values(one))
        elif action.nargs != 0:
            yield "/".join(action.option_strings) or action.dest, action


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_the_script_is_printed_and_help_says_where_it_goes(capsys: Any, shell: str) -> None:
    result = run_main(capsys, "completion", shell)
    assert (result.status, result.err) == (0, "")
    assert "_ARGCOMPLETE" in result.out
    assert f"\n  {shell}" in run_main(capsys, "completion", "--help").out


def test_another_shell_is_exit_2(capsys: Any) -> None:
    assert run_main(capsys, "completion", "tcsh").status == 2


def test_nothing_is_loaded_for_it_until_it_is_wanted() -> None:
    code = "import sys; from abcwebrtc.cli.main import main; main(['check', 'missing'])"
    code = f"import atexit, sys; atexit.register(lambda: print(*sys.modules)); {code}"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), stdout=subprocess.PIPE)
    assert b"abcwebrtc.cli.completion" in done.stdout
    assert b"argcomplete" not in done.stdout


def test_commands_come_without_options_and_options_after_a_dash(tmp_path: Path) -> None:
    assert {"check", "rotate"} <= set(completions("abcwebrtc ", tmp_path))
    assert not [one for one in completions("abcwebrtc ", tmp_path) if one.startswith("-")]
    assert set(completions("abcwebrtc check --", tmp_path)) >= {"--help", "--json"}
    assert "plan" in completions("abcwebrtc rotate ", tmp_path)


def test_choices_are_offered_and_files_where_a_file_goes(tmp_path: Path) -> None:
    for name in ("od.config", "other"):
        (tmp_path / name).touch()
    apply = "abcwebrtc apply od.config --restart"
    assert completions(f"{apply} ", tmp_path) == ["rollout", "delete", "none"]
    assert completions(f"{apply}=d", tmp_path) == ["--restart=delete"]
    assert completions("abcwebrtc check -o ", tmp_path) == ["text", "json", "yaml"]
    assert completions("abcwebrtc help net", tmp_path) == ["networkpolicy"]
    assert set(completions("abcwebrtc check ", tmp_path)) == {"od.config", "other"}
    assert completions("abcwebrtc serve od.config --cert ot", tmp_path) == ["other"]


def test_nothing_is_offered_for_what_only_the_user_knows(tmp_path: Path) -> None:
    (tmp_path / "od.config").touch()
    assert completions("abcwebrtc mint od.config --user ", tmp_path) == []
    assert completions("abcwebrtc apply od.config --context ", tmp_path) == []


def test_what_a_value_is_decides_whether_files_are_offered() -> None:
    found = {(name, action.metavar) for name, action in values(make_parser()) if not action.choices}
    unknown = {one for one in found if one[1] not in completion._FILES | NO_FILES}
    assert not unknown, "decide in completion.py, or here"


@pytest.mark.parametrize("line", ["check ", "mint --user ", "apply --context ", "rotate check --"])
def test_no_file_is_opened_whose_content_may_be_secret(tmp_path: Path, line: str) -> None:
    """To open a pipe to which nobody writes would take for ever."""
    for name in ("od.config", "config"):
        os.mkfifo(tmp_path / name)
    files = {"ABCWEBRTC_OD_CONFIG": "od.config", "KUBECONFIG": "config"}
    completions(f"abcwebrtc {line}", tmp_path, **files)
