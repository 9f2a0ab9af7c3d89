"""The plan of a rotation: its steps, its moments, its commands, and no secret in it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List

import pytest

from abcwebrtc import WebRTCConfig
from abcwebrtc.cli.main import main
from abcwebrtc.config.secret_sources import FixedSecrets, Secret
from abcwebrtc.coturn.rotation import Group, groups
from abcwebrtc.coturn.rotation_plan import CONF, PlanStep, is_wal, notes, overlap, plan, state
from support.rotation_groups import (
    AT,
    DESKTOP,
    NEW,
    OLD,
    OTHER,
    entry,
    make_groups,
    options,
    report,
)

OF_ONE = FixedSecrets((Secret(OLD),))


def names(group: Group, **changes: Any) -> List[str]:
    return [step.name for step in plan(group, options(**changes))]


ALL = ["make", "give", "verify", "switch", "wait", "take", "clean", "end"]


@pytest.mark.parametrize(
    ("coturn", "steps"),
    [
        (entry(OLD), ALL),
        (entry(NEW, OLD), ["verify", "wait", "take", "clean", "end"]),
        ([entry(NEW, OLD), entry(OLD)], ["verify", "switch", "wait", "take", "clean", "end"]),
    ],
)
def test_the_steps_begin_where_the_configuration_is(coturn: Any, steps: List[str]) -> None:
    (group,) = make_groups(coturn)
    assert names(group, is_prepared=True) == steps
    assert names(group) == ["prepare", *steps]
    assert names(group, coturn=CONF) == steps


def test_the_state_is_said() -> None:
    assert state(make_groups(entry(OLD))[0]) == "one secret, no rotation is under way"
    assert "a rotation is under way" in state(make_groups(entry(NEW, OLD))[0])
    mixed = [entry(NEW, OLD), entry(OLD)]
    assert "mint with different secrets" in state(make_groups(mixed)[0])


def test_the_old_one_is_taken_after_the_overlap_and_not_before() -> None:
    (group,) = make_groups(entry(OLD, ttl=600), **{"webrtc.desktop": DESKTOP})
    by_name = {step.name: step for step in plan(group, options(margin=60))}
    moment = AT + 86400 + 1 + 60
    assert by_name["wait"].not_before == by_name["take"].not_before == moment
    assert "desktops' ttl of 1 day, and 1 minute" in by_name["wait"].text
    assert "2026-01-06 09:01:01 UTC" in by_name["wait"].text
    assert by_name["wait"].commands[0].endswith(" --since 2026-01-05T09:00:00Z --margin 60")
    assert overlap(group, options(margin=60)) == {
        "browser_ttl": 600,
        "desktop_ttl": 86400,
        "margin": 60,
        "switch_at": "2026-01-05T09:00:00Z",
        "remove_at": "2026-01-06T09:01:01Z",
    }
    assert "Desktops hold a TURN credential" in notes(group, options())[0]


def test_turnserver_conf_needs_restarts_that_end_calls() -> None:
    (group,) = make_groups(entry(OLD))
    steps = plan(group, options(coturn=CONF))
    assert not any("turnadmin" in command for step in steps for command in step.commands)
    ends_calls = [step.name for step in steps if "ends every running call" in step.text]
    assert ends_calls == ["give", "take"]
    not_before = {step.name: step.not_before for step in steps if step.not_before}
    assert not_before == dict.fromkeys(["wait", "take"], group.removal(AT, options().margin))
    assert notes(group, options()) == []
    (note,) = notes(group, options(coturn=CONF))
    assert "ends every running call" in note


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, False),
        ({"username": "userid"}, False),
        ({"username": "pseudonym"}, True),
        ({"username": "pseudonym", "pseudonym_key": "a-key-of-its-own-that-stays"}, False),
    ],
)
def test_pseudonyms_that_change_are_said(changes: Dict[str, str], said: bool) -> None:
    (group,) = make_groups(entry(OLD, **changes))
    assert any("pseudonym_key" in note for note in notes(group, options())) is said


def group_of_file(
    tmp_path: Path, text: str = f"{NEW}\n\n{OLD}\n", name: str = "it's a file"
) -> Group:
    (tmp_path / name).write_text(text)
    key = "coturn_static_auth_secret"
    (group,) = make_groups(entry(**{key: ..., key + "_file": name}), tmp_path)
    return group


def switch_of(group: Group) -> Any:
    # A group that is not in the middle of a rotation has the step.
    one = replace(group, servers=tuple(replace(s, secrets=OF_ONE) for s in group.servers))
    (switch,) = [step for step in plan(one, options()) if step.name == "switch"]
    return switch


def test_entries_that_differ_are_to_mint_with_the_same_secret() -> None:
    (group,) = make_groups([entry(NEW, OLD), entry(OLD)])
    (switch,) = [step for step in plan(group, options()) if step.name == "switch"]
    assert "first in webrtc.coturn[0] and webrtc.coturn[1]" in switch.text
    assert switch.commands == ()


def test_an_inline_secret_is_switched_by_a_new_configmap_and_a_restart() -> None:
    (group,) = make_groups(entry(OLD))
    configmap, restart, _ = switch_of(group).commands
    assert "--from-file=od.config=od.config" in configmap
    assert restart.endswith("rollout restart deployment/pyos-od")


def test_a_file_is_switched_without_a_restart(tmp_path: Path) -> None:
    switch = switch_of(group_of_file(tmp_path))
    (command,) = switch.commands
    assert shlex.split(command)[-2:] == ["--output", str(tmp_path / "it's a file")]
    assert "restart" not in " ".join((*switch.commands, *switch.instead))
    assert "patch secret NAME" in switch.instead[0]


def test_the_lines_for_a_file_switch_it_and_clean_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "it's a file"
    found = []
    for step in plan(group_of_file(tmp_path, OLD), options()):
        if step.name in ("make", "switch", "clean"):
            (line,) = step.commands
            assert main(shlex.split(line)[1:]) == 0
            found.append(file.read_text().split())
    new = (tmp_path / "new-secret").read_text().strip()
    assert found == [[OLD], [new, OLD], [new]]


def test_the_line_for_turnserver_conf_prints_the_new_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new-secret").write_text(NEW)
    (group,) = make_groups(entry(OLD))
    (give,) = [step for step in plan(group, options(coturn=CONF)) if step.name == "give"]
    (line,) = give.commands
    assert main(shlex.split(line)[1:]) == 0
    assert capsys.readouterr().out == f"static-auth-secret={NEW}\n"


@pytest.mark.parametrize("coturn", [entry(NEW, OLD), [entry(NEW, OLD), entry(OLD)]])
def test_in_the_middle_of_a_rotation_coturn_is_asked_first(coturn: Any) -> None:
    (group,) = make_groups(coturn)
    assert plan(group, options(coturn=CONF))[0].commands == ("abcwebrtc rotate check od.config",)


def test_a_key_with_a_dot_is_one_key_to_kubectl(tmp_path: Path) -> None:
    switch = switch_of(group_of_file(tmp_path, name="turn.secret"))
    words = shlex.split(switch.instead[0])
    assert r"jsonpath={.data.turn\.secret}" in words
    assert words[words.index("--key") + 1] == "turn.secret"


def test_a_variable_is_patched_and_pyos_restarted() -> None:
    key = "coturn_static_auth_secret"
    coturn = entry(**{key: ..., key + "_env": "ONE"})
    mapping = {"webrtc.enable": True, "webrtc.coturn": coturn}
    (group,) = groups(WebRTCConfig.from_mapping(mapping, {"ONE": OLD}), coturn)
    (switch,) = [step for step in plan(group, options()) if step.name == "switch"]
    assert "--key ONE" in switch.commands[0]
    assert "rollout restart" in switch.commands[1]


def test_a_shell_reads_the_old_secret_from_the_file(tmp_path: Path) -> None:
    steps = plan(group_of_file(tmp_path), options(realm="a realm", database="/a b/db"))
    (command,) = next(step.commands for step in steps if step.name == "take")
    script = "turnadmin() { printf '%s|' \"$@\"; }; " + command
    printed = subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, check=True, text=True)
    assert printed.stdout == f"-X|{OLD}|-r|a realm|-b|/a b/db|"


def test_every_older_secret_of_a_file_is_taken(tmp_path: Path) -> None:
    for secrets, lines in (((NEW, OLD, OTHER), [2, 3]), ((NEW, OLD), [2]), ((OLD,), [2])):
        group = group_of_file(tmp_path, "\n".join(secrets))
        (take,) = [step for step in plan(group, options()) if step.name == "take"]
        assert [re.findall(r"sed -n (\d+)p", line) for line in take.commands] == [
            [str(line)] for line in lines
        ]


def test_an_old_secret_in_no_file_is_written_by_hand() -> None:
    (group,) = make_groups(entry(NEW, OLD))
    (take,) = [step for step in plan(group, options()) if step.name == "take"]
    assert take.commands == ("turnadmin -X OLD -r turn.local -b /var/lib/turn/turndb",)
    assert take.instead == ()


def test_the_name_of_the_od_config_is_quoted(tmp_path: Path) -> None:
    (group,) = make_groups(entry(OLD))
    steps = plan(group, options(od_config="my od.config"))
    commands = [shlex.split(command) for step in steps for command in step.commands]
    checks = [command[3] for command in commands if command[:3] == ["abcwebrtc", "rotate", "check"]]
    assert checks == ["my od.config"] * 3
    assert any("--from-file=od.config=my od.config" in command for command in commands)


def test_an_entry_of_several_is_named_in_the_commands() -> None:
    (group,) = make_groups(entry(OLD))
    text = json.dumps([step.as_dict() for step in plan(group, options(entry=2))])
    assert "--entry 2 --new new-secret-2" in text
    assert "rm -f new-secret-2" in text


def test_programs_find_all_of_a_step() -> None:
    step = PlanStep("take", "Do it.", ("one", "two"), "Else:", ("three",), AT)
    assert step.as_dict() == {
        "name": "take",
        "text": "Do it.",
        "commands": ["one", "two"],
        "otherwise": "Else:",
        "instead": ["three"],
        "not_before": "2026-01-05T09:00:00Z",
    }
    assert replace(step, not_before=None).as_dict()["not_before"] is None


@pytest.mark.parametrize("coturn", [entry(OLD), entry(NEW, OLD), [entry(NEW, OLD), entry(OLD)]])
@pytest.mark.parametrize("where", ["database", CONF])
def test_no_secret_is_in_a_plan_or_a_report(coturn: Any, where: str) -> None:
    (group,) = make_groups(coturn)
    text = repr([group, plan(group, options(coturn=where)), notes(group, options())])
    found = report(coturn, {NEW: True, OLD: True}, since=AT)
    text += repr(found) + json.dumps(found.as_dict()) + "".join(found.lines())
    assert OLD not in text
    assert NEW not in text


@pytest.mark.parametrize(
    ("header", "is_one"),
    [
        (b"SQLite format 3\0\x10\0\2\2", True),
        (b"SQLite format 3\0\x10\0\1\1", False),
        (b"", False),
        (b"something else \0\x10\0\2\2", False),
    ],
)
def test_a_wal_database_is_known_by_its_header(header: bytes, is_one: bool) -> None:
    assert is_wal(header) is is_one
