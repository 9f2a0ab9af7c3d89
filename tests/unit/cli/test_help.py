"""The help of every command: it fits a terminal, and its examples are lines that work."""

from __future__ import annotations

import argparse
import re
import shlex
from typing import List

import pytest

from abcwebrtc.cli.main import make_parser
from man_page import parsers

PARSERS = {parser.prog: parser for parser in parsers(make_parser())}
GROUPS = ("abcwebrtc", "abcwebrtc rotate")
"""They have commands, whose help has the examples."""


def examples(name: str) -> List[str]:
    text = str(PARSERS[name].description).replace("\\\n", "")
    return re.findall(r"(?m)^(?:example: |  )(abcwebrtc .*)", text)


@pytest.mark.parametrize("name", PARSERS)
def test_it_fits_80_columns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = PARSERS[name].format_help().splitlines()
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("name", PARSERS)
def test_each_option_is_explained_and_says_its_default_in_brackets(name: str) -> None:
    for action in PARSERS[name]._actions:
        if action.dest == "help" or isinstance(action, argparse._SubParsersAction):
            continue
        assert action.help, action.dest
        assert not re.search("default is|defaults to|[,;] .* by default", action.help), action.dest
        assert not action.help.endswith("."), action.dest


@pytest.mark.parametrize("name", [name for name in PARSERS if name not in GROUPS])
def test_its_examples_are_right_command_lines(name: str) -> None:
    assert examples(name)
    for example in examples(name):
        assert f"{example} ".startswith(f"{name} ")
        for part in re.split(r" \| | < | > ", example):
            if part.startswith("abcwebrtc "):
                make_parser().parse_args(shlex.split(part)[1:])
