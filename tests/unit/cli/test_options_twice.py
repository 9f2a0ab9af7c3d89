"""An option that is given twice is a list, or an error: none silently drops the first value."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import pytest

from abcwebrtc.cli.main import main, make_parser
from support import write_od_config

Option = Tuple[Tuple[str, ...], argparse.Action]


def options(parser: argparse.ArgumentParser, command: Tuple[str, ...] = ()) -> Iterator[Option]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from options(inner, (*command, name))
        elif action.option_strings:
            yield command, action


def value_of(action: argparse.Action) -> List[str]:
    """Return a value that the option takes, nothing for a flag."""
    if action.nargs == 0:
        return []
    if action.choices:
        return [str(next(iter(action.choices)))]
    candidates = ["5", "a.b", "x=1", "10.0.0.5", "50000-50010", "4.6", "2026-01-05", "127.0.0.1:80"]
    candidates.append("https://abcdesktop.domain.local/")
    kind: Any = action.type or str
    for candidate in candidates:
        try:
            kind(candidate)
        except (argparse.ArgumentTypeError, TypeError, ValueError):
            continue
        return [candidate]
    raise AssertionError(f"no value for {action.option_strings}")


ALL = list(options(make_parser()))


def test_all_commands_are_looked_at() -> None:
    assert len({command for command, _ in ALL}) > 12


@pytest.mark.parametrize(
    ("command", "action"), ALL, ids=["-".join((*c, a.option_strings[-1])) for c, a in ALL]
)
def test_an_option_twice(
    command: Tuple[str, ...], action: argparse.Action, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = make_parser()
    for name in command:
        (subparsers,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
        parser = subparsers.choices[name]
    for other in parser._actions:
        other.required = False
        if not other.option_strings:
            other.nargs, other.choices = "*", None
    words = [action.option_strings[-1], *value_of(action)]
    if action.dest in ("help", "version"):
        return
    parser.parse_args(words)
    if action.nargs == 0:
        parser.parse_args(words * 2)
    elif isinstance(action, argparse._AppendAction):
        assert len(getattr(parser.parse_args(words * 2), action.dest)) == 2
    else:
        with pytest.raises(SystemExit) as ended:
            parser.parse_args(words * 2)
        assert ended.value.code == 2
        message = f"argument {'/'.join(action.option_strings)}: is given twice; give it once"
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["--realm", "a", "--realm", "b"], ["--realm=a", "--realm=a"], ["--rea=a", "--rea=b"]],
)
def test_the_command_says_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: List[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["turnserver-conf", str(write_od_config(tmp_path)), *words])
    assert ended.value.code == 2
    assert "argument --realm: is given twice; give it once" in capsys.readouterr().err


def test_a_flag_may_be_repeated(tmp_path: Path) -> None:
    assert main(["check", str(write_od_config(tmp_path)), "--json", "--json"]) == 0
