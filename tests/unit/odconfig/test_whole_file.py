"""What makes pyos refuse the whole file is said, whatever entry it is in, and nothing is run."""

from __future__ import annotations

import io
import itertools
import json
import sys
from pathlib import Path
from typing import Any, List, Optional, Tuple

import pytest
from cherrypy.lib.reprconf import Config

from abcwebrtc.errors import MAX_ALIKE, ConfigError, Problem
from abcwebrtc.odconfig.reader import load_od_config, parse_od_config, read_sections
from abcwebrtc.odconfig.whole_file import pyos_problems
from conftest import REFERENCES, ROOT
from unit.odconfig.test_execution import EXECUTED_BY_EVAL, mark

__all__ = ["mark"]
OWN = ROOT / "tests" / "data" / "od.config"
SECRET = "north-east-by-south-west"
SOUND = (
    "[global]\n"
    "webrtc.enable: True\n"
    f"webrtc.coturn: {{ 'coturn_static_auth_secret': '{SECRET}', 'url': 'turn.example.org' }}\n"
)
CLOSER = f"{SOUND}desktop.envlocal: {{\n  'STUN_SERVER': 'stun://stun.example.org:3478',\n}}\n"
Found = List[Tuple[Optional[int], str]]


def problems_of(text: str) -> Tuple[Problem, ...]:
    return pyos_problems(read_sections(text, "od.config"))


def found_in(text: str) -> Found:
    return [(one.line, one.level) for one in problems_of(text)]


def pyos_takes(text: str) -> bool:
    try:
        Config(io.StringIO(text))
    except Exception:
        return False
    return True


REFUSED = {
    "true": ("fail2ban: { 'enable': true }", 4),
    "a word": ("namespace: abcdesktop", 4),
    "an open quote": ("authmanagers: { 'a': { 'displayname: 'Office' } }", 4),
    "an open bracket further down": ("menu: {\n  'a': [ 1, 2,\n  'b': 3 }", 5),
    "an address": ("server.socket_host: 0.0.0.0", 4),
    "the value below the key": ("menu:\n  { 'a': 1 }", 4),
    "no comma": ("menu: [\n  'a'\n  'b': 1 ]", 6),
    "a key of webrtc's neighbours": ("desktop.zoom: large", 4),
    "another section": ("[/]\ntools.staticdir.on: true", 5),
    "a webrtc entry in another section": ("[/]\nwebrtc.a: true", 5),
    "a default": ("[DEFAULT]\nport: high", 5),
    "a default of another section": ("a: 1\n[/]\n[DEFAULT]\na: high", 7),
    "a default of webrtc elsewhere": ("webrtc.a: 1\n[/]\n[DEFAULT]\nwebrtc.a: high", 7),
    "a reference": ("a: 'b\nc: [ %(a)s ]", 4),
    "a reference in another section": ("[DEFAULT]\nc: [\n  %(a)s ]\na: 1\n[/]\na: b", 6),
    "a section that CherryPy takes for a name": ("[environment]\na: 1", 5),
}


@pytest.mark.parametrize(("entry", "line"), REFUSED.values(), ids=REFUSED)
def test_what_makes_pyos_refuse_the_file_is_an_error_with_its_line(
    entry: str, line: Optional[int]
) -> None:
    text = f"{SOUND}{entry}\n"
    assert not pyos_takes(text)
    problems = problems_of(text)
    assert (line, "error") in found_in(text)
    assert all(one.message.startswith("pyos refuses the whole file: ") for one in problems)


TAKEN = [
    *("a:", "a: ''", "a: os.getcwd()", "a: str(1) + 'b'", "a: os.environ", "a: 1 + 2 * 3"),
    *("a: 'b'; c", "a: 'b'\n  c", "a: json", "a: dict(b=1)['b']", "[environment]", "[/]\na: 1"),
    *("a: '100%%'", "a: [\n  # c\n\n  1 ]", "[DEFAULT]\na: %(b)s\n[global2]\nb: 2\n[/]\nb: '3'"),
]


@pytest.mark.parametrize("entry", TAKEN)
def test_what_pyos_takes_is_nothing_to_speak_of(entry: str) -> None:
    text = f"{SOUND}b: 1\n{entry}\n"
    assert pyos_takes(text)
    assert found_in(text) == []


@pytest.mark.parametrize("path", [OWN, *REFERENCES], ids=lambda path: path.name)
def test_files_of_abcdesktops_own_have_no_problem(path: Path) -> None:
    assert problems_of(path.read_text(encoding="utf-8")) == ()


def test_every_entry_is_looked_at_once_and_each_is_said() -> None:
    text = f"[DEFAULT]\nx: low\n{SOUND}a: true\nb: 'ok'\nc: [\nd: false\n[/]\ne: no\n[/x]\n"
    assert sorted(found_in(text)) == [(line, "error") for line in (2, 6, 8, 9, 11)]


def test_entries_that_abcwebrtc_uses_have_their_own_errors() -> None:
    assert found_in("[global]\nwebrtc.a: true\ndesktop.pod: {\njwt_token_user: x") == []


@pytest.mark.parametrize("sections", ["[globa]\n", "[DEFAULT]\n", "[DEFAULT]\na: 1\n[globa]\n"])
@pytest.mark.parametrize("after", ["", "[global]\nb: 1\n[other]\nc: 1\n", "[other]\nc: 1\n"])
@pytest.mark.parametrize("value", ["[ 1, , 2 3 ]", "true", "{ 'url' }"])
def test_a_fault_is_said_once_wherever_abcwebrtc_takes_the_entry_from(
    sections: str, after: str, value: str, tmp_path: Path, run: Any
) -> None:
    text = f"{sections}webrtc.coturn: {value}\n{after}"
    errors = json.loads(run("check", "-o", "json", write(tmp_path, text)).out)["errors"]
    said = [(error["path"], error["message"].rpartition("file: ")[2]) for error in errors]
    assert sorted(set(said)) == sorted(said)
    line = text.partition("webrtc.coturn")[0].count("\n") + 1
    assert line in [error["line"] for error in errors]


@pytest.mark.parametrize("entry", ["webrtc.enable: True", "webrtc.coturn = {}", "desktop.pod: {}"])
@pytest.mark.parametrize("value", ["{}", "'a'", "[\n  1 ]\n  other: 2"])
def test_an_entry_that_another_one_swallows_is_a_warning(entry: str, value: str) -> None:
    text = f"[global]\na: {value}\n\n  {entry}\n"
    assert pyos_takes(text)
    (problem,) = problems_of(text)
    assert (problem.level, problem.line) == ("warning", text.count("\n"))
    assert "begins with a space, so it belongs to the entry above" in problem.message


def test_a_percent_sign_is_left_to_the_parser_and_hides_nothing() -> None:
    assert found_in("[global]\na: '100%'\nb: true\nc: %(a)s\nd: %(d)s\ne: %(none)s") == [
        (3, "error")
    ]


@pytest.mark.parametrize("names", [("a", "b", "c"), ("webrtc.a", "webrtc.b", "webrtc.c")])
def test_entries_that_refer_to_each_other_in_any_way_are_judged_as_pyos_does(
    names: Tuple[str, ...],
) -> None:
    values = ("1", "[ %% ]", *(f"%({name})s" for name in names))
    for three in itertools.product(values, repeat=3):
        entries = "".join(f"{name}: {value}\n" for name, value in zip(names, three))
        text = f"[global]\n{entries}"
        assert is_taken(text) == pyos_takes(text), text


def is_taken(text: str) -> bool:
    """Return whether nothing in a file is an error, and pass all of it through both judges."""
    worse = [one for one in problems_of(text) if one.level == "error"]
    try:
        parse_od_config(text)
    except ConfigError:
        return False
    return not worse


def test_a_module_that_pyos_may_have_is_a_warning() -> None:
    (problem,) = problems_of(f"{SOUND}host: turn.example.org\n")
    assert (problem.line, problem.level) == (4, "warning")
    assert "put text in quotes" in problem.message


def test_no_message_shows_a_value_or_a_key_that_may_be_one() -> None:
    text = f"[global]\na: {{ 'b': {SECRET}x }}\n{SECRET}: true\nc: '{SECRET}\nd: {SECRET}.e\n"
    text += f"f: [ '{SECRET}' '{SECRET}': 1 ]\njwt_{SECRET}: true\ndesktop.zoom: true\n"
    problems = problems_of(text)
    assert len(problems) == 7
    assert SECRET not in repr(problems)
    assert problems[-1].path == "desktop.zoom"


def test_so_many_problems_of_a_kind_are_said_and_the_others_counted() -> None:
    text = "[global]\n" + "".join(f"a{number}: true\n" for number in range(1000))
    *first, counting, other = problems_of(text + "b: a.b\n")
    assert [problem.more for problem in first] == [0] * (MAX_ALIKE - 1)
    assert counting.more == 1000 - MAX_ALIKE
    assert "treats this as a Python module" in other.message


@pytest.mark.parametrize("place", ["logging", "[/]\nwebrtc.a"])
@pytest.mark.parametrize("value", EXECUTED_BY_EVAL)
def test_nothing_is_executed_or_imported(place: str, value: str, mark: str) -> None:
    problems_of(f"[global]\n{place}: {value.format(mark=mark)}")
    assert not Path(mark).exists()
    assert "bait_for_abcwebrtc" not in sys.modules


# the commands


def write(folder: Path, text: str) -> Path:
    path = folder / "od.config"
    path.write_text(text, encoding="utf-8")
    return path


def test_check_says_it_beside_everything_else(tmp_path: Path, run: Any) -> None:
    bad = SOUND.replace("True", "1") + "webrtc.enabled: True\na: true\nb: 'c\n"
    result = run("check", write(tmp_path, bad))
    assert result.status == 1
    assert [line.split(":")[1] for line in result.out.splitlines()[:-1]] == ["2", "4", "5", "6"]


def test_check_promises_no_sound_where_pyos_does_not_start(tmp_path: Path, run: Any) -> None:
    result = run("check", write(tmp_path, f"{SOUND}a: true\n"))
    assert result.status == 1
    assert "  sound" not in result.out
    report = json.loads(run("check", "--json", write(tmp_path, f"{SOUND}a: true\n")).out)
    assert (report["ok"], report["errors"][0]["line"]) == (False, 4)


@pytest.mark.parametrize("command", ["configmap", "apply"])
def test_what_pyos_refuses_is_neither_printed_nor_written(
    tmp_path: Path, run: Any, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("abcwebrtc.cli.apply.connect", None)
    result = run(command, write(tmp_path, f"{SOUND}fail2ban: true\nwebrtc.desktop: 1\n"))
    assert (result.status, result.out) == (1, "")
    assert "od.config:4: error: fail2ban: pyos refuses the whole file: write True" in result.err
    assert "od.config:5: error: webrtc.desktop: " in result.err


@pytest.mark.parametrize("command", [["check"], ["configmap"], ["mint", "--user", "alice"]])
def test_a_closer_in_the_first_column_is_a_warning(
    tmp_path: Path, run: Any, command: List[str]
) -> None:
    result = run(command[0], write(tmp_path, CLOSER), *command[1:])
    assert result.status == 0
    assert "od.config:6: warning: " in result.out + result.err or command[0] == "mint"


def test_a_closer_in_the_first_column_is_not_rolled_out(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not pyos_takes(CLOSER)
    assert pyos_takes(CLOSER.replace("\n}", "\n }"))
    monkeypatch.setattr("abcwebrtc.cli.apply.connect", None)
    result = run("apply", write(tmp_path, CLOSER))
    assert result.status == 1
    assert "od.config:6: error: this '}' is in the first column" in result.err
    assert "put a space before it" in result.err
    assert result.err.count("od.config:") == 1


def test_what_pyos_refuses_does_not_keep_others_from_working(tmp_path: Path, run: Any) -> None:
    path = write(tmp_path, f"{SOUND}a: true\n")
    assert load_od_config(path)["webrtc.enable"] is True
    assert run("mint", path, "--user", "alice").status == 0
