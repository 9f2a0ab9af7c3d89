"""``abcwebrtc completion``: prints the script that completes command lines, and answers it."""

from __future__ import annotations

import argparse
from typing import Iterator

from abcwebrtc.cli.output import show_document
from abcwebrtc.cli.parser import OK

NAME, SUMMARY = "completion", "print the script that completes commands in your shell"
OWN_POSITIONALS = True
DESCRIPTION = """\
Print a script that makes the Tab key complete commands, options, their
choices and file names. Save it where your shell looks for it:

  bash  ~/.local/share/bash-completion/completions/abcwebrtc
  zsh   a file _abcwebrtc in a folder of $fpath
  fish  ~/.config/fish/completions/abcwebrtc.fish

bash looks there if the package bash-completion is installed. Otherwise, and
for zsh without such a folder, add this line to ~/.bashrc, or to ~/.zshrc after
compinit, with the name of the shell:

  eval "$(abcwebrtc completion bash)"

example: abcwebrtc completion fish > ~/.config/fish/completions/abcwebrtc.fish
"""
SHELLS = ("bash", "zsh", "fish")
COMPLETING = "_ARGCOMPLETE"
"""Set by the script when it wants completions instead of running a command."""
_FILES = {"FILE", "FOLDER", "OD_CONFIG", "POD"}
"""The metavars of files. Nothing is offered for any other value without choices."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("shell", choices=SHELLS, help="the shell that you use")


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    from argcomplete.shell_integration import shellcode

    # With its defaults, bash would offer files wherever we offer nothing.
    show_document(shellcode(["abcwebrtc"], use_defaults=False, shell=options.shell))
    return OK


def complete(parser: argparse.ArgumentParser) -> None:
    """Print what may come next, for the shell, and exit. No file is opened for that."""
    from argcomplete.completers import ChoicesCompleter, FilesCompleter
    from argcomplete.finders import CompletionFinder, safe_actions

    commands = next(action for action in parser._actions if action.nargs == argparse.PARSER)
    names = dict.fromkeys(commands.choices or (), "")
    for action in _actions(parser):
        if type(action).__module__ != argparse.__name__:
            safe_actions.add(type(action))  # ours do nothing but store
        if not action.choices:
            completer = ChoicesCompleter(names if action.metavar == commands.metavar else {})
            action.completer = (  # type: ignore[attr-defined]
                FilesCompleter() if action.metavar in _FILES else completer
            )
    CompletionFinder()(parser, always_complete_options=False)


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from _actions(one)
