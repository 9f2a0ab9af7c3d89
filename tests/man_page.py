"""Writes docs/reference/abcwebrtc.1, the man page, from the parser: python tests/man_page.py."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Dict, Iterator

from argparse_manpage.manpage import Manpage

import abcwebrtc
from abcwebrtc.cli.main import make_parser

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "abcwebrtc.1"
ENVIRONMENT = {
    "ABCWEBRTC_OD_CONFIG": "The od.config to read if the command line names none.",
    "KUBECONFIG": "The kubeconfig of apply, or several with colons between them, if "
    "--kubeconfig names none; ~/.kube/config by default.",
    "HTTPS_PROXY, NO_PROXY": "The proxy to the Kubernetes API server, and the hosts to reach "
    "without it.",
    "TMPDIR": "Where apply keeps the old od.config if the folder of the new one can't be written; "
    "/tmp by default.",
    "STUN_SERVER, TURN_SERVER": "The servers that probe --desktop asks, as in a desktop's pod.",
    "NO_COLOR": "If it is set and not empty, nothing is coloured.",
    "TERM": "If it is dumb, nothing is coloured, and no line is overwritten.",
    "COLUMNS": "The width of tables, in place of the terminal's.",
}
FILES = {
    "./od.config": "The od.config that is read if neither the command line nor "
    "ABCWEBRTC_OD_CONFIG names one.",
}
SEE_ALSO = """\
.BR turnserver (1),
.BR turnadmin (1),
.BR kubectl (1)
.PP
The documentation of
.UR https://www.abcdesktop.io
abcdesktop
.UE"""
OWN_REQUESTS = "TH|SH|SS|TP|PP|B|BR|RS|RE|UR|UE|nf|fi|nh|ad"


def page() -> str:
    """Return the page. It has no date, and changes with the parser and the version alone."""
    parser = make_parser()
    statuses = _take_epilog(parser)
    for one in parsers(parser):
        one.usage = _usage(one)
        for group in one._action_groups:
            kinds = map(type, group._group_actions)
            if argparse._SubParsersAction in kinds:
                group.title = "commands"
    data = {"format": "single-commands-section", "manual_title": "abcdesktop"}
    made = Manpage(parser, {**data, "version": abcwebrtc.__version__})
    made.date, made.mf.format = "", data["format"]
    made.description = "configure, check and test WebRTC sound for abcdesktop"
    sections = {"exit status": statuses, "environment": ENVIRONMENT, "files": FILES}
    for heading, entries in sections.items():
        made.add_section(heading, "=", "\n".join(map(_entry, entries, entries.values())))
    made.add_section("see also", "=", SEE_ALSO)
    return _tidied(str(made))


def _take_epilog(parser: argparse.ArgumentParser) -> Dict[str, str]:
    """Move what --help says last into the description, and return the exit statuses."""
    before, _, after = str(parser.epilog).partition("exit status:\n")
    table, _, rest = after.partition("\n\n")
    parser.description = "\n\n".join((str(parser.description), before.strip(), rest.strip()))
    parser.epilog = None
    found = re.findall(r"(?m)^  (\d+) +(.*(?:\n {7,}.*)*)", table)
    return {number: re.sub(r"\s+", " ", text) for number, text in found}


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and those of its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from parsers(one)


def _usage(parser: argparse.ArgumentParser) -> str:
    """Return the usage in short. How argparse writes it in full depends on Python's version."""
    words = [parser.prog]
    if any(action.option_strings and action.dest != "help" for action in parser._actions):
        words.append("[OPTION]...")
    for action in parser._actions:
        name = str(action.metavar or "|".join(map(str, action.choices or [action.dest])))
        if action.option_strings:
            words += [f"{action.option_strings[-1]} {name}"] if action.required else []
        elif action.nargs == argparse.PARSER:
            words.append(f"{name} ...")
        else:
            shape = {"?": "[{}]", "*": "[{}]...", "+": "{}..."}.get(str(action.nargs), "{}")
            words.append(shape.format(name))
    return " ".join(words).replace("%", "%%")


def _entry(name: str, text: str) -> str:
    return f".TP\n.B {_escaped(name)}\n{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("-", "\\-")


def _tidied(text: str) -> str:
    """Return the page with what argparse-manpage leaves to do.

    Usages and examples are commands, so they are not filled; no word is hyphenated; no line of
    text is read as a request; a section has its title in its line; options have no title.
    """
    head, _, text = text.partition("\n")
    text = re.sub(rf"(?m)^(?='|\.(?!({OWN_REQUESTS})\b))", r"\\&", text)
    text = re.sub(r"(?m)^\.SH\n", ".SH ", text)
    text = re.sub(r"(?m)^usage: (.*)", r".B \1", text)
    text = re.sub(r"(?m)^(examples?:.*(?:\n[^.\n].*)*)", r".nf\n\1\n.fi", text)
    text = re.sub(r"(?m)^(?!arguments:|options:)(.*)\n\.RS 7$", r".PP\n.B \1:", text)
    text = re.sub(r"(?m)^((arguments|options):\n)?\.R(S 7|E)$", "", text)
    text = re.sub(r"\n{2,}", "\n.PP\n", text.strip())
    text = re.sub(r"(?m)^\.PP\n(?=\.(?:PP|SH|SS|TP|RE))", "", text)
    return f"{head}\n.nh\n.ad l\n{text}\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
