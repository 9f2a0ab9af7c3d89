"""Groups of entries, the steps of a rotation, and the plan."""

from __future__ import annotations

import itertools
import json
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import pytest

from abcwebrtc import WebRTCConfig
from abcwebrtc.rotation import (
    ANNOUNCE,
    MIXED,
    NO_ANSWER,
    NOT_GIVEN,
    OVERLAP,
    READY,
    RETIRED,
    SETTLED,
    STEPS,
    SWITCH_NOW,
    WRONG,
    Answer,
    Group,
    Step,
    find_step,
    groups,
    least_advanced,
)
from abcwebrtc.rotationcheck import (
    UNRESOLVED,
    Report,
    Switch,
    candidates,
    rows_of,
    what_to_ask,
    worst_status,
)
from abcwebrtc.rotationplan import CONF, PlanOptions, is_wal, notes, overlap, plan, state
from abcwebrtc.secrets import FixedSecrets, Secret
from abcwebrtc.times import iso_text

OLD, NEW, OTHER = "the-secret-until-yesterday", "the-secret-from-today", "the-secret-of-another"
AT = 1767603600
"""2026-01-05T09:00:00Z."""
OF_ONE = FixedSecrets((Secret(OLD),))


def entry(*secrets: str, **changes: Any) -> Dict[str, Any]:
    made = {"coturn_static_auth_secret": list(secrets), "url": "turn.domain.local", **changes}
    return {key: value for key, value in made.items() if value is not ...}


def make_groups(coturn: Any, folder: Path = Path(), **changes: Any) -> List[Group]:
    mapping = {"webrtc.enable": True, "webrtc.coturn": coturn, **changes}
    environ = {"TURN_SECRET": f"{NEW}\n{OLD}"}
    config = WebRTCConfig.from_mapping(mapping, environ, folder=str(folder))
    return groups(config, coturn)


def options(**changes: Any) -> PlanOptions:
    made: Dict[str, Any] = {"od_config": "od.config", "switch_at": AT, "realm": "turn.local"}
    return PlanOptions(**{**made, **changes})


# groups


def test_a_dict_is_one_group_without_an_index() -> None:
    (group,) = make_groups(entry(OLD))
    assert group.paths == ("webrtc.coturn",)
    assert group.secrets == (Secret(OLD),)


def test_entries_that_share_a_secret_are_one_group() -> None:
    coturn = [
        entry(NEW, OLD, url="a.local", ttl=60),
        entry(OTHER, url="b.local"),
        entry(OLD, url="c.local", ttl=90),
    ]
    first, second = make_groups(coturn)
    assert first.paths == ("webrtc.coturn[0]", "webrtc.coturn[2]")
    assert first.urls == ("turn:a.local", "turn:c.local")
    assert first.secrets == (Secret(NEW), Secret(OLD))
    assert (first.browser_ttl, first.is_mixed) == (90, True)
    assert (second.paths, second.is_mixed) == (("webrtc.coturn[1]",), False)


def test_an_entry_can_join_two_groups() -> None:
    coturn = [entry("a" * 20), entry("b" * 20), entry("a" * 20, "b" * 20), entry("c" * 20)]
    assert [group.indexes for group in make_groups(coturn)] == [(0, 1, 2), (3,)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_a_chain_of_shared_secrets_is_one_group_in_any_order(order: Tuple[int, ...]) -> None:
    letters = ["ab", "bc", "cd", "de"]
    coturn = [entry(*(letter * 20 for letter in letters[index])) for index in order]
    assert [group.indexes for group in make_groups(coturn)] == [(0, 1, 2, 3)]


def test_the_place_of_a_secret_is_known(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(OTHER)
    key = "coturn_static_auth_secret"
    coturn = [
        entry("inline-secret-of-this-one"),
        entry(**{key: ..., key + "_file": "file"}),
        entry(**{key: ..., key + "_env": "TURN_SECRET"}),
    ]
    places = [group.places[0].as_dict() for group in make_groups(coturn, tmp_path)]
    assert places == [
        {"kind": "inline", "name": ""},
        {"kind": "file", "name": str(tmp_path / "file")},
        {"kind": "environment", "name": "TURN_SECRET"},
    ]


# the overlap

DESKTOP = {"turn": True, "ttl": 86400}


@pytest.mark.parametrize(
    ("changes", "ttls"),
    [
        ({}, [3600, 60]),
        ({"webrtc.desktop": DESKTOP}, [86400, 60]),
        ({"webrtc.desktop": {**DESKTOP, "turn": False}}, [3600, 60]),
        ({"webrtc.desktop": {"turn": True, "ttl": 600}}, [3600, 60]),
        ({"webrtc.desktop": DESKTOP, "webrtc.enable": False}, [3600, 60]),
    ],
)
def test_the_longest_ttl_is_the_browsers_or_the_desktops(
    changes: Dict[str, Any], ttls: List[int]
) -> None:
    coturn = [entry(OLD, ttl=3600), entry(OTHER, ttl=60)]
    assert [group.longest_ttl for group in make_groups(coturn, **changes)] == ttls


def test_the_desktops_ttl_counts_for_the_server_that_desktops_get() -> None:
    """A turn url comes before a turns one, so it is the second entry here."""
    coturn = [entry(OLD, protocol="turns"), entry(OTHER)]
    found = make_groups(coturn, **{"webrtc.desktop": DESKTOP})
    assert [group.desktop_ttl for group in found] == [None, 86400]


def test_the_old_secret_goes_a_second_after_its_last_credential_and_the_margin() -> None:
    (group,) = make_groups(entry(OLD, ttl=600))
    assert group.removal(AT, 0) == AT + 601
    assert group.removal(AT, 30) == AT + 631


# the step


STEP_OF = {
    ((True,), (), ()): SETTLED,
    ((False,), (), ()): WRONG,
    ((None,), (), ()): NO_ANSWER,
    ((True,), (True,), ()): OVERLAP,
    ((True,), (False,), ()): RETIRED,
    ((True,), (False, True), ()): OVERLAP,
    ((False,), (True,), ()): NOT_GIVEN,
    ((False,), (False,), ()): WRONG,
    ((True,), (None,), ()): NO_ANSWER,
    ((True,), (), (True,)): READY,
    ((True,), (), (False,)): ANNOUNCE,
    ((False,), (), (True,)): SWITCH_NOW,
    ((False,), (), (False,)): WRONG,
    ((False,), (True,), (False,)): NOT_GIVEN,
    ((True,), (), (None,)): NO_ANSWER,
    ((True,), (True,), (True,)): READY,
}


@pytest.mark.parametrize(("answers", "step"), STEP_OF.items(), ids=str)
def test_the_step_follows_from_what_coturn_accepts(answers: Any, step: Step) -> None:
    (minting,), older, new = answers
    assert find_step(minting, older, new) is step


def test_works_says_whether_the_minting_secret_is_accepted() -> None:
    options_of = ([], [True], [False])
    for minting, older, new in itertools.product([True, False], options_of, options_of):
        assert find_step(minting, older, new).works is minting


def test_of_several_servers_the_least_advanced_one_counts() -> None:
    assert least_advanced([SETTLED, OVERLAP, RETIRED]) is OVERLAP
    assert least_advanced([READY, ANNOUNCE]) is ANNOUNCE
    assert least_advanced([NO_ANSWER, WRONG, READY]) is WRONG
    assert len({step.name for step in STEPS}) == len(STEPS)
    assert {*STEPS} >= {step for _, step in every_step()} | {MIXED}


def every_step() -> List[Tuple[Any, Any]]:
    """Return what coturn may accept of the secrets, each with the step that this is."""
    some: List[Any] = [(), (True,), (False,), (None,), (True, False)]
    cases = itertools.product((True, False, None), some, some)
    return [(case, find_step(*case)) for case in cases]


# the report


def report(
    coturn: Any,
    accepted: Dict[str, Optional[bool]],
    new: Optional[str] = None,
    since: Optional[float] = None,
    now: float = AT,
) -> Report:
    (group,) = make_groups(coturn)
    secret = Secret(new) if new else None
    addresses = {uri: [("192.0.2.1", 3478)] for one in group.servers for uri in one.uris}
    answers = [
        (asked, Answer(accepted[asked.candidate.secret.reveal().decode()]))
        for asked in what_to_ask([group], addresses, secret)
    ]
    (rows,) = rows_of(1, answers)
    switch = None if since is None else Switch(since, "--since")
    return Report(group, rows, switch, 300, now)


@pytest.mark.parametrize(
    ("since", "now", "goes_on"),
    [
        (None, AT, False),
        (AT, AT, False),
        (AT, AT + 3900, False),
        (AT, AT + 3901, True),
        (AT - 3901, AT, True),
    ],
)
def test_the_old_one_may_go_when_the_overlap_is_over(
    since: Optional[float], now: float, goes_on: bool
) -> None:
    found = report(entry(NEW, OLD), {NEW: True, OLD: True}, since=since, now=now)
    assert found.step is OVERLAP
    assert found.goes_on is goes_on
    expected = None if since is None else iso_text(since + 3901)
    assert found.as_dict()["remove_at"] == expected
    text = "\n".join(found.lines())
    assert ("the older one may go from coturn: since" in text) is goes_on
    assert ("give --since TIME" in text) is (since is None)


@pytest.mark.parametrize(
    ("step", "goes_on"),
    [
        (report(entry(OLD), {OLD: True}), True),
        (report(entry(NEW, OLD), {NEW: True, OLD: False}), True),
        (report(entry(OLD), {OLD: True, NEW: True}, new=NEW), True),
        (report(entry(OLD), {OLD: True, NEW: False}, new=NEW), False),
        (report(entry(NEW, OLD), {NEW: False, OLD: True}), False),
    ],
    ids=lambda value: value.step.name if isinstance(value, Report) else str(value),
)
def test_the_next_step_may_be_done(step: Report, goes_on: bool) -> None:
    assert step.goes_on is goes_on
    assert step.as_dict()["go_on"] is goes_on


def test_entries_that_mint_with_different_secrets_keep_the_old_one() -> None:
    coturn = [entry(NEW, OLD, url="a.local"), entry(OLD, url="b.local")]
    found = report(coturn, {NEW: True, OLD: True}, since=0)
    assert found.step is MIXED
    assert not found.goes_on


def test_entries_stay_mixed_when_coturn_has_forgotten_what_they_shared() -> None:
    coturn = [entry(NEW, OLD, url="a.local"), entry("another-secret-of-today", OLD, url="b.local")]
    found = report(coturn, {NEW: True, "another-secret-of-today": True, OLD: False})
    assert [row.step for row in found.rows] == [RETIRED, RETIRED]
    assert found.step is MIXED
    assert not found.goes_on


def test_the_json_of_a_report_says_what_the_text_says() -> None:
    found = report(entry(NEW, OLD), {NEW: True, OLD: True}, since=AT)
    assert list(found.as_dict()) == [
        *("paths", "step", "works", "go_on", "meaning", "advice"),
        *("longest_ttl", "margin", "switched_at", "switched_by", "remove_at", "servers"),
    ]
    assert (found.as_dict()["meaning"], found.as_dict()["advice"]) == (
        OVERLAP.meaning,
        OVERLAP.advice,
    )
    assert OVERLAP.meaning in "\n".join(found.lines())


def test_a_name_that_does_not_resolve_is_no_answer() -> None:
    (group,) = make_groups(entry(OLD))
    (uri,) = group.servers[0].uris
    (asked,) = what_to_ask([group], {uri: []}, None)
    assert asked.address is None
    (rows,) = rows_of(1, [(asked, UNRESOLVED)])
    found = Report(group, rows, None, 300, AT)
    assert found.step is NO_ANSWER
    assert "not known (the name does not resolve)" in "\n".join(found.lines())


def test_every_address_of_a_name_is_a_row_of_its_own() -> None:
    (group,) = make_groups(entry(NEW, OLD))
    (uri,) = group.servers[0].uris
    addresses = {uri: [("192.0.2.1", 3478), ("192.0.2.2", 3478)]}
    asked = what_to_ask([group], addresses, None)
    accepted = [Answer(one.shown == "192.0.2.1" or one.candidate.position == 2) for one in asked]
    (rows,) = rows_of(1, zip(asked, accepted))
    assert [(row.address, row.step) for row in rows] == [
        ("192.0.2.1", OVERLAP),
        ("192.0.2.2", NOT_GIVEN),
    ]


@pytest.mark.parametrize(
    ("configured", "new", "roles"),
    [
        ((OLD,), None, [("minting", 1)]),
        ((NEW, OLD), None, [("minting", 1), ("older", 2)]),
        ((OLD,), NEW, [("minting", 1), ("new", None)]),
        ((NEW, OLD), NEW, [("minting", 1), ("older", 2)]),
        ((OLD, NEW), NEW, [("minting", 1), ("new", None)]),
    ],
)
def test_a_secret_is_asked_about_once(
    configured: Tuple[str, ...], new: Optional[str], roles: List[Any]
) -> None:
    (group,) = make_groups(entry(*configured))
    found = candidates(group.servers[0], Secret(new) if new else None)
    assert [(one.role, one.position) for one in found] == roles


@pytest.mark.parametrize(
    ("accepted", "status"),
    [([True, True], 0), ([True, False], 1), ([True, None], 1), ([None, False], 1)],
)
def test_the_worst_report_gives_the_exit_status(
    accepted: List[Optional[bool]], status: int
) -> None:
    reports = [report(entry(OLD), {OLD: one}) for one in accepted]
    assert worst_status(reports, 0, 3, 1) == status
    waiting = report(entry(OLD), {OLD: True, NEW: False}, new=NEW)
    assert worst_status([*reports, waiting], 0, 3, 1) == (status or 3)


# the plan


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


def group_of_file(tmp_path: Path) -> Group:
    (tmp_path / "it's a file").write_text(f"{NEW}\n\n{OLD}\n")
    key = "coturn_static_auth_secret"
    (group,) = make_groups(entry(**{key: ..., key + "_file": "it's a file"}), tmp_path)
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
