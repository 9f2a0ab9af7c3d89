"""The plan of a rotation: its steps, its moments, its commands, and no secret in it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any, Dict, List

import pytest

from abcwebrtc import WebRTCConfig
from abcwebrtc.cli.main import main
from abcwebrtc.coturn.rotation import groups
from abcwebrtc.coturn.rotation_plan import CONF, Plan, PlanStep
from support import command, environment
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

KEY = "coturn_static_auth_secret"
ALL = ["make", "give", "verify", "switch", "wait", "take", "clean", "end"]


def plan(entries: Any, **changes: Any) -> Plan:
    (group,) = make_groups(entries)
    return Plan(group, options(**changes))


def step(made: Plan, name: str) -> PlanStep:
    (found,) = [one for one in made.steps if one.name == name]
    return found


@pytest.mark.parametrize(
    ("coturn", "steps", "state"),
    [
        (entry(OLD), ALL, "one secret; no rotation is under way"),
        (entry(NEW, OLD), ["verify", "wait", "take", "clean", "end"], "2 secrets; a rotation is"),
        (
            [entry(NEW, OLD), entry(OLD)],
            ["verify", "switch", "wait", "take", "clean", "end"],
            "the entries mint with different secrets",
        ),
    ],
)
def test_the_steps_begin_where_the_configuration_is(
    coturn: Any, steps: List[str], state: str
) -> None:
    made = plan(coturn)
    assert [one.name for one in made.steps] == ["prepare", *steps]
    assert [one.name for one in plan(coturn, coturn=CONF).steps] == steps
    assert made.state.startswith(state)


def test_the_old_one_is_taken_after_the_overlap_and_not_before() -> None:
    (group,) = make_groups(entry(OLD, ttl=600), **{"webrtc.desktop": DESKTOP})
    made = Plan(group, options(margin=60))
    wait = step(made, "wait")
    assert wait.not_before == step(made, "take").not_before == AT + 86400 + 1 + 60
    assert "desktops' ttl of 1 day, plus 1 minute" in wait.text
    assert "2026-01-06T09:01:01Z" in wait.text
    assert wait.commands[0].endswith(" --since 2026-01-05T09:00:00Z --margin 60")
    assert made.as_dict()["overlap"] == {
        "browser_ttl": 600,
        "desktop_ttl": 86400,
        "margin": 60,
        "switch_at": "2026-01-05T09:00:00Z",
        "switch_at_unix": AT,
        "remove_at": "2026-01-06T09:01:01Z",
        "remove_at_unix": AT + 86400 + 61,
    }
    assert "Desktops keep a TURN credential for 1 day" in made.notes[0]


def test_turnserver_conf_needs_restarts_that_end_calls() -> None:
    made = plan(entry(OLD), coturn=CONF)
    assert not any("sqlite3" in command for one in made.steps for command in one.commands)
    ends_calls = [one.name for one in made.steps if "ends every running call" in one.text]
    assert ends_calls == ["give", "take"]
    assert [one.name for one in made.steps if one.not_before] == ["wait", "take"]
    (note,) = made.notes
    assert "ends every running call" in note
    assert plan(entry(OLD)).notes == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"username": "userid"}, False),
        ({"username": "pseudonym"}, True),
        ({"username": "pseudonym", "pseudonym_key": "a-key-of-its-own-that-stays"}, False),
    ],
)
def test_pseudonyms_that_change_are_said(changes: Dict[str, str], said: bool) -> None:
    assert any("pseudonym_key" in note for note in plan(entry(OLD, **changes)).notes) is said


def plan_of_file(tmp_path: Path, name: str = "it's a file") -> Plan:
    (tmp_path / name).write_text(OLD)
    (group,) = make_groups(entry(**{KEY: ..., KEY + "_file": name}), tmp_path)
    return Plan(group, options(realm="a realm", database="/a b/db"))


def test_entries_that_differ_are_to_mint_with_the_same_secret() -> None:
    switch = step(plan([entry(NEW, OLD), entry(OLD)]), "switch")
    assert "first in webrtc.coturn[0] and webrtc.coturn[1]" in switch.text
    assert switch.commands == ()


def test_an_inline_secret_is_switched_and_cleaned_by_apply() -> None:
    made = plan(entry(OLD), od_config="my od.config")
    assert step(made, "switch").commands == ("abcwebrtc apply 'my od.config'",)
    assert step(made, "clean").commands == ("abcwebrtc apply 'my od.config'",)


def test_a_file_is_switched_without_a_restart(tmp_path: Path) -> None:
    switch = step(plan_of_file(tmp_path), "switch")
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
    for one in plan_of_file(tmp_path).steps:
        if one.name in ("make", "switch", "clean"):
            (line,) = one.commands
            assert main(shlex.split(line)[1:]) == 0
            found.append(file.read_text().split())
    new = (tmp_path / "new-secret").read_text().strip()
    assert found == [[OLD], [new, OLD], [new]]


@pytest.mark.parametrize("coturn", [entry(NEW, OLD), [entry(NEW, OLD), entry(OLD)]])
def test_in_the_middle_of_a_rotation_coturn_is_asked_first(coturn: Any) -> None:
    first = plan(coturn, coturn=CONF, od_config="my od.config").steps[0]
    assert first.commands == ("abcwebrtc rotate check 'my od.config'",)


def test_a_key_with_a_dot_is_one_key_to_kubectl(tmp_path: Path) -> None:
    words = shlex.split(step(plan_of_file(tmp_path, name="turn.secret"), "switch").instead[0])
    assert r"jsonpath={.data.turn\.secret}" in words
    assert words[words.index("--key") + 1] == "turn.secret"


def test_a_variable_is_patched_and_pyos_restarted() -> None:
    coturn = entry(**{KEY: ..., KEY + "_env": "ONE"})
    mapping = {"webrtc.enable": True, "webrtc.coturn": coturn}
    (group,) = groups(WebRTCConfig.from_mapping(mapping, {"ONE": OLD}), coturn)
    patch, restart = step(Plan(group, options(od_config="my od.config")), "switch").commands
    assert "--key ONE" in patch
    assert restart == "abcwebrtc apply 'my od.config' --restart rollout"


@pytest.mark.parametrize("secrets", [(OLD,), (NEW, OLD), (NEW, OLD, OTHER)])
def test_the_old_ones_of_od_config_are_taken_by_a_pipe(secrets: Any) -> None:
    take = step(plan(entry(*secrets), realm="a realm", database="/a b/db"), "take")
    assert take.commands == (
        "abcwebrtc rotate old-secret od.config --realm 'a realm' "
        "| sqlite3 -cmd '.timeout 5000' '/a b/db'",
    )
    assert (take.otherwise, take.instead) == ("", ())


def test_a_realm_and_a_database_are_never_taken_for_options() -> None:
    made = plan(entry(OLD), realm="-x", database="-db")
    lines = [line for one in made.steps for line in one.commands]
    assert sum(" --realm=-x | " in line for line in lines) == 2
    assert sum(" ./-db" in line for line in lines) == 3
    assert not any(" -db" in line or "--realm " in line for line in lines)


def test_a_file_that_is_not_here_may_be_a_secret_of_kubernetes(tmp_path: Path) -> None:
    take = step(plan_of_file(tmp_path), "take")
    (command,) = take.commands
    assert command.startswith("abcwebrtc rotate old-secret od.config --realm")
    assert take.otherwise == "If that file is not on this machine, but in a Kubernetes Secret NAME:"
    (instead,) = take.instead
    assert instead.endswith(command.replace("old-secret od.config", "old-secret --from -"))
    assert instead.startswith("kubectl -n abcdesktop get secret NAME -o jsonpath=")


def test_the_new_secret_is_a_line_of_its_own_in_turnserver_conf(tmp_path: Path) -> None:
    conf = tmp_path / "turnserver.conf"
    conf.write_text("realm=turn.domain.local")  # without an end of the line
    (tmp_path / "new-secret").write_text(NEW)
    (line,) = step(plan(entry(OLD), coturn=CONF), "give").commands
    assert line.endswith(" >> /etc/turnserver.conf")
    here = line.replace("/etc/turnserver.conf", "turnserver.conf")
    script = f'abcwebrtc() {{ {shlex.join(command())} "$@"; }}\n' + here
    printed = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, check=True
    )
    assert printed.stdout == b""
    assert conf.read_text() == f"realm=turn.domain.local\nstatic-auth-secret={NEW}\n"


@pytest.mark.parametrize("kind", ["", "_file", "_env"])
@pytest.mark.parametrize("where", ["database", CONF])
def test_no_command_has_a_place_for_a_secret(tmp_path: Path, kind: str, where: str) -> None:
    """Neither for one that you type, nor for one that a shell inserts."""
    (tmp_path / "TURN_SECRET").write_text(OLD)
    made = {KEY: ..., KEY + kind: "TURN_SECRET"} if kind else {KEY: OLD}
    (group,) = make_groups(entry(**made), tmp_path)
    steps = Plan(group, options(coturn=where)).steps
    commands = [command for one in steps for command in (*one.commands, *one.instead)]
    assert len(commands) >= 4
    assert not [command for command in commands if re.search(r"\bOLD\b|\bNEW\b|\$\(|`", command)]


def test_an_entry_of_several_is_named_in_the_commands() -> None:
    text = json.dumps(plan(entry(OLD), entry=2).as_dict())
    assert "--entry 2 --new new-secret-2" in text
    assert "rm -f new-secret-2" in text


def test_programs_find_all_of_a_step() -> None:
    made = PlanStep("take", "Do it.", ("one", "two"), "Else:", ("three",), AT)
    assert made.as_dict() == {
        "name": "take",
        "text": "Do it.",
        "commands": ["one", "two"],
        "otherwise": "Else:",
        "instead": ["three"],
        "not_before": "2026-01-05T09:00:00Z",
        "not_before_unix": AT,
    }


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("where", ["database", CONF])
def test_text_fits_the_width_and_no_command_is_wrapped(width: int, where: str) -> None:
    made = plan(entry(OLD), coturn=where, od_config="my od.config")
    lines = list(made.lines(width))
    assert max(len(line) for line, is_command in lines if not is_command) <= max(width, 50)
    commands = [command for one in made.steps for command in (*one.commands, *one.instead)]
    assert [line.strip() for line, is_command in lines if is_command] == commands


def test_an_od_config_from_stdin_has_a_placeholder_in_the_commands() -> None:
    made = plan(entry(OLD), od_config=None)
    assert step(made, "switch").commands == ("abcwebrtc apply OD_CONFIG",)
    assert step(made, "end").commands[0] == "abcwebrtc rotate check OD_CONFIG"
    assert "replace OD_CONFIG with the name of its file" in made.notes[0]


@pytest.mark.parametrize("coturn", [entry(OLD), entry(NEW, OLD), [entry(NEW, OLD), entry(OLD)]])
@pytest.mark.parametrize("where", ["database", CONF])
def test_no_secret_is_in_a_plan_or_a_report(coturn: Any, where: str) -> None:
    made = plan(coturn, coturn=where)
    text = repr(made) + json.dumps(made.as_dict()) + "".join(line for line, _ in made.lines())
    found = report(coturn, {NEW: True, OLD: True}, since=AT)
    text += repr(found) + json.dumps(found.as_dict()) + "".join(found.lines())
    assert OLD not in text
    assert NEW not in text
