"""Completion in real shells, by the script that ``abcwebrtc completion`` prints for each."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import time
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import pytest

import abcwebrtc
from conftest import require_program
from support import WAIT, command, environment

VERSION = f"abcwebrtc {abcwebrtc.__version__}\n"
CASES: List[Tuple[str, List[str]]] = [
    ("abcwebrtc pr", ["probe"]),
    ("abcwebrtc rotate ", ["check", "new-secret", "old-secret", "plan"]),
    ("abcwebrtc mint od", ["od.config"]),
    ("abcwebrtc serve od.config --cert f", ["folder/"]),
    ("abcwebrtc apply --restart ", ["delete", "none", "rollout"]),
    ("abcwebrtc mint --user ", []),
    ("abcwebrtc help who", ["whois"]),
    ("abcwebrtc check -o ", ["json", "text", "yaml"]),
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the folder that is the user's, with a command to complete and files to find."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "abcwebrtc"
    program.write_text(f'#!/bin/sh\nexec {" ".join(command())} "$@"\n')
    program.chmod(0o755)
    (tmp_path / "od.config").touch()
    (tmp_path / "folder").mkdir()
    return tmp_path


def surroundings(home: Path) -> Dict[str, str]:
    path = f"{home / 'bin'}:{os.environ['PATH']}"
    return environment(HOME=str(home), PATH=path, TERM="xterm", XDG_CONFIG_HOME=f"{home}/.config")


def output(home: Path, *line: str) -> List[str]:
    done = subprocess.run(
        line, cwd=home, env=surroundings(home), capture_output=True, text=True, timeout=WAIT
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_bash_offers_what_may_come_next(home: Path) -> None:
    script = """
        eval "$(abcwebrtc completion bash)"
        function=$(complete -p abcwebrtc | grep -o '_python_argcomplete[^ ]*')
        for line; do
            COMP_LINE="$line" COMP_POINT=${#line} COMP_TYPE=9
            $function abcwebrtc
            echo ${COMPREPLY[@]}
        done
    """
    bash = require_program("bash", "bash")
    found = output(home, bash, "-c", script, "bash", *(line for line, _ in CASES))
    assert [sorted(one.split()) for one in found] == [offered for _, offered in CASES]


def test_fish_offers_what_may_come_next(home: Path) -> None:
    fish, folder = require_program("fish", "fish"), home / ".config" / "fish" / "completions"
    folder.mkdir(parents=True)
    (folder / "abcwebrtc.fish").write_text(
        "\n".join(output(home, "abcwebrtc", "completion", "fish"))
    )
    for line, offered in CASES:
        found = output(home, fish, "-c", f"complete -C '{line}'")
        assert [one.partition("\t")[0] for one in found] == offered


class Terminal:
    """A shell in a terminal, into which a user types."""

    def __init__(self, program: int, stream: int) -> None:
        self.program, self.stream, self.shown = program, stream, ""

    def type(self, text: str, shown: str) -> None:
        """Type, and wait until something more is shown."""
        self.shown = ""
        os.write(self.stream, text.encode())
        end = time.monotonic() + WAIT
        while shown not in self.shown:
            left = max(0.0, end - time.monotonic())
            assert select.select([self.stream], [], [], left)[0], self.shown
            self.shown += os.read(self.stream, 65536).decode("utf-8", "replace")


@contextlib.contextmanager
def terminal(home: Path, *line: str) -> Iterator[Terminal]:
    program, stream = pty.fork()
    if not program:
        os.chdir(home)
        os.execvpe(line[0], line, surroundings(home))
    try:
        yield Terminal(program, stream)
    finally:
        os.close(stream)  # which hangs up
        os.waitpid(program, 0)


ZSH_SETUPS = {
    "eval": 'autoload -U compinit; compinit -u -D; eval "$(abcwebrtc completion zsh)"',
    "file": "fpath+=~/functions; abcwebrtc completion zsh > functions/_abcwebrtc; "
    "autoload -U compinit; compinit -u -D",
}


@pytest.mark.parametrize("setup", ZSH_SETUPS.values(), ids=ZSH_SETUPS)
def test_zsh_completes_what_is_typed(home: Path, setup: str) -> None:
    zsh = require_program("zsh", "zsh")
    (home / "functions").mkdir()
    with terminal(home, zsh, "-f", "-i") as typed:
        typed.type(f"{setup}; echo set''up\n", "setup\r")
        typed.type("abcwebrtc pr\t", "probe")
        typed.type("\x15abcwebrtc rotate \t", "print the steps")
        assert "check" in typed.shown
        typed.type("\x15abcwebrtc mint o\t", "od.config")
        typed.type("\x15abcwebrtc apply --restart \t", "none")
        typed.type("\x15abcwebrtc --ver\t > version; echo do''ne\n", "done\r")
    assert (home / "version").read_text() == VERSION


def test_bash_completes_what_is_typed(home: Path) -> None:
    with terminal(home, require_program("bash", "bash"), "--norc", "--noprofile", "-i") as typed:
        typed.type('eval "$(abcwebrtc completion bash)"; echo set""up\n', "setup\r")
        typed.type("abcwebrtc --ver\t > version; echo do''ne\n", "done\r")
    assert (home / "version").read_text() == VERSION
