"""The pages are true: tests run their examples and commands, and compare their tables."""

from __future__ import annotations

import doctest
import json
import os
import re
import shlex
from pathlib import Path
from typing import Iterator, List, NamedTuple

import pytest

from abcwebrtc import WebRTCConfig
from abcwebrtc.cli import main as cli
from abcwebrtc.config import coturn, desktop, entries, policies, sound
from abcwebrtc.odconfig.reader import parse_od_config
from abcwebrtc.web.rest import create_app
from conftest import ROOT
from support import RTC_PATH, call, listed_options, own_options, run_main

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    page: Path
    line: int
    kind: str
    text: str


def blocks(kind: str) -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            if match.group("kind") == kind:
                line = text.count("\n", 0, match.start()) + 1
                yield Block(page, line, kind, match.group("text"))


def each(kind: str) -> "pytest.MarkDecorator":
    found = list(blocks(kind))
    return pytest.mark.parametrize(
        "block", found, ids=[f"{block.page.name}:{block.line}" for block in found]
    )


def full_example() -> str:
    return next(block.text for block in blocks("ini") if block.text.startswith("[global]"))


@pytest.fixture
def od_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the pages' full example as od.config in the current folder, and their desktop.yaml."""
    path = tmp_path / "od.config"
    path.write_text(full_example(), encoding="utf-8")
    (tmp_path / "desktop.yaml").write_text(next(blocks("yaml")).text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return path


@each("ini")
def test_a_configuration_on_a_page_is_valid_and_not_unwise(block: Block, tmp_path: Path) -> None:
    """Except for its secret, which anybody can read there."""
    part = block.text if block.text.startswith("[global]") else "[global]\n" + block.text
    mapping = {**parse_od_config(full_example()), **parse_od_config(part)}
    secret = "a-secret-that-is-long-enough"
    (tmp_path / "secrets").mkdir()
    for name in re.findall(r"'secrets/(.*?)'", part):
        (tmp_path / "secrets" / name).write_text(secret)
    environ = dict.fromkeys(("TURN_SECRET", "TURN_PSEUDONYM_KEY"), secret)
    warnings = WebRTCConfig.from_mapping(mapping, environ, folder=str(tmp_path)).warnings
    assert [one for one in warnings if "is a placeholder" not in one.message] == []


def test_the_full_examples_are_the_same_on_every_page() -> None:
    full = [block.text for block in blocks("ini") if block.text.startswith("[global]")]
    assert len(full) >= 2
    assert len(set(full)) == 1


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_python_on_a_page_gives_what_it_says(page: Path, od_config: Path) -> None:
    text = page.read_text(encoding="utf-8")
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
    report: List[str] = []
    runner.run(test, out=report.append)
    assert not report, "".join(report)
    assert bool(test.examples) == ("```python" in text)


@each("console")
def test_a_command_on_a_page_prints_what_it_says(
    block: Block, od_config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, _, expected = block.text.partition("\n")
    assert command.startswith("$ abcwebrtc ")
    assert run_line(command[2:], capsys) == expected


def run_line(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run an `abcwebrtc` command line, and return what it prints."""
    result = run_main(capsys, *shlex.split(line, comments=True)[1:])
    assert result.status == 0, result.err
    return result.out


def shell_lines() -> List[str]:
    return [line for block in blocks("sh") for line in block.text.splitlines() if line.strip()]


ABCWEBRTC_LINES = [line for line in shell_lines() if line.startswith("abcwebrtc ")]


@pytest.mark.parametrize("line", [line for line in ABCWEBRTC_LINES if " serve " not in line])
def test_a_command_in_a_shell_block_works(
    line: str, od_config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_line(line, capsys)


@pytest.mark.parametrize("line", [line for line in ABCWEBRTC_LINES if " serve " in line])
def test_a_serve_command_in_a_shell_block_is_understood(line: str) -> None:
    options = cli.make_parser().parse_args(shlex.split(line, comments=True)[1:])
    assert options.od_config in (None, "od.config")


def test_every_other_command_names_a_file_that_is_there() -> None:
    others = [line for line in shell_lines() if line not in ABCWEBRTC_LINES]
    files = [shlex.split(line)[1] for line in others if line.startswith("python3 ")]
    assert files
    assert [name for name in files if not (ROOT / name).is_file()] == []
    installing = [line for line in others if not line.startswith("python3 ")]
    assert installing == ["pipx install .", "pipx ensurepath"]
    page = ROOT / "docs" / "how-to" / "install.md"
    assert "\n".join(installing) in page.read_text(encoding="utf-8")


def table_keys(page: str, heading: str) -> List[str]:
    """Return the code in the first column of the table under a heading."""
    (path,) = (ROOT / "docs").rglob(page)
    text = "\n" + path.read_text(encoding="utf-8")
    section = text.split(f"\n{heading}\n", 1)[1]
    table = re.search(r"(^\|.*\n)+", section, re.MULTILINE)
    assert table
    cells = [row.split("|")[1] for row in table.group().splitlines()]
    return [key for cell in cells for key in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("## Entries", [*entries.KEYS, entries.USER_TOKEN, entries.ENVLOCAL, sound.DESKTOP_POD]),
        ("### webrtc.coturn", coturn.KEYS),
        ("### webrtc.desktop", desktop.KEYS),
        ("### webrtc.policies", policies.KEYS),
        ("### desktop.pod", sound.KEYS),
    ],
)
def test_the_tables_of_keys_are_complete(heading: str, keys: List[str]) -> None:
    assert sorted(table_keys("configuration.md", heading)) == sorted(keys)


@pytest.mark.parametrize(
    ("command", "page", "heading"),
    [
        ("serve", "endpoint.md", "# Endpoints"),
        ("pod", "pods.md", "## On the command line"),
    ],
)
def test_the_tables_of_options_are_complete(command: str, page: str, heading: str) -> None:
    assert listed_options(table_keys(page, heading)) == own_options(command)


def test_the_answer_in_endpoint_md_has_the_members_of_a_real_one(od_config: Path) -> None:
    app = create_app(WebRTCConfig.from_file(od_config), lambda: "alice")
    shown = json.loads(next(blocks("json")).text)
    real = call(app, "POST", RTC_PATH, {}).json()
    assert list(shown) == list(real)
    assert list(shown["result"]["iceServers"][1]) == list(real["result"]["iceServers"][1])


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_to_files_lead_somewhere(page: Path) -> None:
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert [name for name in targets if not os.path.exists(page.parent / name)] == []


def anchors(page: Path) -> List[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings]


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_to_headings_lead_to_one(page: Path) -> None:
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    links = re.findall(r"\]\((?!https?:)([^)#]*\.md|)#([^)]+)\)", text)
    wrong = [
        link
        for link in links
        if link[1] not in anchors((page.parent / link[0]) if link[0] else page)
    ]
    assert wrong == []


def test_the_index_has_every_page_once() -> None:
    index = ROOT / "docs" / "README.md"
    pages = [one for one in PAGES if index.parent in one.parents and one != index]
    listed = re.findall(
        r"^\| \[[^\]]+\]\((.+?)\) \|", index.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(one for one in listed if one.endswith(".md")) == sorted(
        str(one.relative_to(index.parent)) for one in pages
    )
