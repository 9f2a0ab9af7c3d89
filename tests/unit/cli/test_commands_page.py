"""docs/reference/commands.md: what all commands share, and each exit status, tried."""

from __future__ import annotations

import argparse
import functools
import json
import re
import shlex
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from abcwebrtc.cli.main import make_parser
from abcwebrtc.cli.parser import FAILED, INTERRUPTED, OK, UNABLE, USAGE
from abcwebrtc.config.coturn_secrets import SECRET_KEY
from conftest import ROOT
from integration.turn import free_ports
from support import SECRET, run_main, write_od_config

PAGE = ROOT / "docs" / "reference" / "commands.md"

TRIED: Dict[str, Dict[int, List[str]]] = {
    "check": {
        OK: ["check"],
        FAILED: ["check wrong.config", "check --strict unwise.config"],
        UNABLE: ["check missing"],
    },
    "mint": {OK: ["mint --user alice"], FAILED: ["mint wrong.config", "mint"]},
    "serve": {FAILED: ["serve wrong.config"], UNABLE: ["serve missing"]},
    "probe": {
        FAILED: ["probe wrong.config", "probe closed.config"],
        UNABLE: ["probe missing", "probe --desktop"],
    },
    "turnserver-conf": {
        OK: ["turnserver-conf", "turnserver-conf --output new.conf"],
        FAILED: ["turnserver-conf wrong.config", "turnserver-conf --check wrong.conf"],
        UNABLE: [
            "turnserver-conf missing",
            "turnserver-conf --check missing",
            "turnserver-conf --output missing/new.conf",
            "turnserver-conf --output wrong.conf",
        ],
    },
    "configmap": {
        OK: ["configmap"],
        FAILED: ["configmap wrong.config"],
        UNABLE: ["configmap missing"],
    },
    "apply": {FAILED: ["apply wrong.config"], UNABLE: ["apply", "apply missing"]},
    "pod": {
        OK: ["pod od.config pod.yaml"],
        FAILED: ["pod wrong.config pod.yaml", "pod od.config wrong.yaml"],
        UNABLE: ["pod od.config missing"],
    },
    "networkpolicy": {
        OK: ["networkpolicy"],
        FAILED: ["networkpolicy wrong.config", "networkpolicy off.config"],
        UNABLE: ["networkpolicy missing", "networkpolicy nowhere.config --resolve"],
    },
    "rotate plan": {
        OK: ["rotate plan"],
        FAILED: ["rotate plan wrong.config"],
        UNABLE: ["rotate plan missing"],
    },
    "rotate new-secret": {
        OK: ["rotate new-secret", "rotate new-secret --output new-secret"],
        UNABLE: ["rotate new-secret --from missing", "rotate new-secret --output missing/secret"],
    },
    "rotate old-secret": {
        OK: ["rotate old-secret --from two-secrets --realm a"],
        FAILED: ["rotate old-secret --realm a", "rotate old-secret wrong.config --realm a"],
        UNABLE: ["rotate old-secret --from missing --realm a"],
    },
    "rotate check": {FAILED: ["rotate check wrong.config"], UNABLE: ["rotate check closed.config"]},
    "whois": {
        OK: ["whois 1703086872:alice", "whois od.config 1703086872:alice"],
        FAILED: ["whois alice", "whois wrong.config 1703086872:alice"],
        UNABLE: ["whois missing 1703086872:alice"],
    },
    "completion": {OK: ["completion bash", "completion zsh", "completion fish"]},
    "help": {OK: ["help", "help rotate plan"]},
}
"""Command lines with each exit status. Those that need a server or a cluster are elsewhere."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    closed = f"127.0.0.1:{free_ports(1)[0]}"
    server = {SECRET_KEY: SECRET, "protocol": "turn"}
    configs = {
        "wrong": {"webrtc__enable": 1},
        "unwise": {"webrtc__coturn": {**server, "url": "a.example", SECRET_KEY: "CHANGEME"}},
        "off": {"webrtc__enable": False},
        "nowhere": {"webrtc__coturn": {**server, "url": "nowhere.invalid:3478"}},
        "closed": {
            "webrtc__rtc_configuration": {"iceServers": [{"urls": f"stun:{closed}"}]},
            "webrtc__coturn": {**server, "url": closed, "transport": "tcp"},
        },
    }
    for name, changes in configs.items():
        write_od_config(tmp_path, **changes).rename(tmp_path / f"{name}.config")
    write_od_config(tmp_path)
    pod = '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": '
    files = {
        "pod.yaml": pod + '[{"name": "x-a", "image": "a"}]}}',
        "wrong.yaml": pod + "1}}",
        "wrong.conf": "static-auth-secret=another\n",
        "two-secrets": "one-secret-that-is-long\nanother-secret-that-is-long\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    return functools.partial(run_main, capsys)


def commands(parser: argparse.ArgumentParser) -> Iterator[Tuple[str, argparse.ArgumentParser]]:
    """Yield every command that has no subcommands, and its parser."""
    inner = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    for action in inner:
        for one in action.choices.values():
            yield from commands(one)
    if not inner:
        yield parser.prog.partition(" ")[2], parser


PARSERS = dict(commands(make_parser()))


def rows(header: str) -> List[List[str]]:
    """Return the cells of a table's rows, without their links."""
    _, _, below = PAGE.read_text(encoding="utf-8").partition(f"\n{header}\n")
    table = below.partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def names(header: str) -> List[str]:
    return [re.findall("`(.+?)`", row[0])[0] for row in rows(header)]


COMMANDS, STATUSES = "| command | what it does | it contacts | `-o` |", "| command | 0 | 1 | 3 |"


def test_the_tables_have_every_command() -> None:
    assert sorted(names(COMMANDS)) == sorted(names(STATUSES)) == sorted(PARSERS) == sorted(TRIED)


def test_the_table_has_every_status() -> None:
    shown = [int(row[0]) for row in rows("| status | meaning |")]
    assert shown == [OK, FAILED, USAGE, UNABLE, INTERRUPTED]


def test_the_table_says_which_commands_print_data() -> None:
    shown = {re.findall("`(.+?)`", row[0])[0] for row in rows(COMMANDS) if row[3]}
    assert shown == {name for name, one in PARSERS.items() if "-o" in one._option_string_actions}


@pytest.mark.parametrize("command", TRIED)
def test_a_status_that_is_tried_is_in_the_table(command: str) -> None:
    (row,) = [row for row in rows(STATUSES) if f"`{command}`" in row[0]]
    shown = [status for status, cell in zip((OK, FAILED, UNABLE), row[1:]) if cell]
    assert [status for status in TRIED[command] if status not in shown] == []


@pytest.mark.parametrize(
    ("line", "status"),
    [(line, status) for lines in TRIED.values() for status, them in lines.items() for line in them],
)
def test_a_command_line_has_its_status(run: Any, line: str, status: int) -> None:
    result = run(*shlex.split(line))
    assert result.status == status, result


@pytest.mark.parametrize("command", PARSERS)
def test_a_command_line_that_is_wrong_is_told_in_two_lines(run: Any, command: str) -> None:
    result = run(*command.split(), "--nothing")
    assert (result.status, result.out, len(result.err.splitlines())) == (USAGE, "", 2)


def test_the_error_that_is_shown_is_printed(run: Any) -> None:
    _, _, shown = PAGE.read_text(encoding="utf-8").partition("\n$ abcwebrtc probe ")
    line, _, text = shown.partition("```")[0].partition("\n")
    result = run("probe", *line.split())
    assert json.loads(result.out) == json.loads(text)
    assert (result.out, result.err) == (text, "")
