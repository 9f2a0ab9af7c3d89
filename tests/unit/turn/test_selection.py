"""The choice of the TURN servers for each user: what holds for any fleet."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from typing import Any, Collection, Dict, List, Optional, Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.desktop.environment import desktop_environment
from abcwebrtc.turn import selection
from abcwebrtc.turn.rtc_configuration import build_rtc_configuration
from abcwebrtc.turn.selection import FEW, SLOTS, choose, desktop_choice, slot_of
from support.configurations import NOW, SECRET
from support.fleets import fleet, names, server, servers

LABELS = ("paris", "rome", "staff")
USERS = [f"user-{number}" for number in range(300)]

WEIGHTS = st.sampled_from([1e-6, 0.5, 1, 1, 1, 2, 7.25, 1_000_000])
SUBSETS = st.lists(st.sampled_from([*LABELS, "all"]), unique=True, max_size=3)
ACLS = st.none() | st.fixed_dictionaries({"permit": SUBSETS, "deny": SUBSETS})
USERIDS = st.text() | st.text(st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF))
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True)


@st.composite
def entries_of_fleets(draw: Any, most: int = FEW) -> List[Dict[str, Any]]:
    """Draw the servers of a fleet with weights, acls and drains."""
    found = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=most, unique=True)):
        entry = server(name, weight=draw(WEIGHTS), drain=draw(st.integers(0, 4)) == 0)
        entry["url"] = "turn.example.org"
        acl = draw(ACLS)
        found.append({**entry, "acl": acl} if acl else entry)
    return found


def given_to(config: WebRTCConfig, user: Optional[str], **keys: Any) -> List[str]:
    return names(choose(config, user, **keys).servers)


# for any fleet


@given(
    entries=entries_of_fleets(),
    number=st.integers(1, FEW + 2),
    user=USERIDS,
    labels=st.sets(st.sampled_from([*LABELS, "other"])),
    data=st.data(),
)
def test_a_user_gets_the_same_servers_whatever_the_order_of_the_list(
    entries: List[Dict[str, Any]], number: int, user: str, labels: Collection[str], data: Any
) -> None:
    left_out = data.draw(st.sets(st.sampled_from(names(fleet(entries).coturn))))
    config = fleet(entries, number)
    found = given_to(config, user, labels=labels, left_out=left_out)
    assert found == given_to(config, user, labels=[*labels] * 2, left_out=tuple(left_out))
    other = fleet(data.draw(st.permutations(entries)), number)
    assert found == given_to(other, user, labels=labels, left_out=left_out)


@given(
    entries=entries_of_fleets(),
    number=st.integers(1, FEW + 2),
    user=st.none() | USERIDS,
    labels=st.sets(st.sampled_from([*LABELS, "other"])),
    data=st.data(),
)
def test_a_user_gets_as_many_as_there_are_and_none_that_is_not_permitted(
    entries: List[Dict[str, Any]],
    number: Optional[int],
    user: Optional[str],
    labels: Collection[str],
    data: Any,
) -> None:
    def permits(entry: Dict[str, Any]) -> bool:
        acl = entry.get("acl") or {"permit": ["all"], "deny": []}
        denied = any(name in labels or name == "all" for name in acl["deny"])
        return not denied and any(name in labels or name == "all" for name in acl["permit"])

    permitted = {one["name"] for one in entries if not one["drain"] and permits(one)}
    left_out = data.draw(st.sets(st.sampled_from([one["name"] for one in entries])))
    alive = (permitted - left_out) or permitted  # a watcher for which all are dead is wrong
    found = given_to(fleet(entries, number), user, labels=labels, left_out=left_out)
    assert set(found) <= alive
    assert len(set(found)) == len(found) == min(number, len(alive))
    all_of_them = given_to(fleet(entries), user, labels=labels, left_out=left_out)
    assert all_of_them == [one["name"] for one in entries if one["name"] in alive]


@given(entries=entries_of_fleets(), user=USERIDS, number=st.integers(1, FEW), data=st.data())
def test_who_gets_fewer_servers_gets_the_first_of_them(
    entries: List[Dict[str, Any]], user: str, number: int, data: Any
) -> None:
    whole = given_to(fleet(entries, FEW), user)
    assert given_to(fleet(entries, number), user) == whole[:number]


@given(entries=entries_of_fleets(), user=USERIDS, data=st.data())
def test_the_servers_that_remain_keep_their_order(
    entries: List[Dict[str, Any]], user: str, data: Any
) -> None:
    assume(len(entries) > 1)
    whole = given_to(fleet(entries, FEW), user)
    gone = data.draw(st.integers(0, len(entries) - 1))
    name = entries[gone]["name"]
    rest = [one for one in whole if one != name]
    fewer = fleet([*entries[:gone], *entries[gone + 1 :]], FEW)
    assert given_to(fewer, user) == rest
    if rest:  # the same for one that is drained, or dead
        entries[gone]["drain"] = True
        assert given_to(fleet(entries, FEW), user) == rest
        assert given_to(fewer, user, left_out=[name]) == rest


@given(entries=entries_of_fleets(), user=st.sampled_from(USERS), number=st.integers(1, 3))
def test_browser_and_desktop_have_the_same_servers_in_the_same_order(
    entries: List[Dict[str, Any]], user: str, number: int
) -> None:
    for index, entry in enumerate(entries):
        entry.update(url=f"{index}.example.org", protocol=("turn", "turns")[index % 2])
    config = fleet(entries, number, webrtc__desktop={"turn": True})
    for labels in ((), ("paris",), ("paris", "rome")):
        answer = build_rtc_configuration(config, user, NOW, labels=labels)["iceServers"]
        urls = [one["urls"] for one in answer]
        variables = desktop_environment(config, user, NOW, labels=labels)
        plain = [url for url in urls if url.startswith("turn:")] or urls
        assert ("TURN_SERVER" in variables) is bool(plain)
        if plain:
            scheme, _, host = plain[0].partition(":")
            start, _, end = variables["TURN_SERVER"].partition("@")
            assert start.startswith(f"{scheme}://")
            assert end == host + (":3478" if scheme == "turn" else ":5349")
            pair = desktop_choice(config, user, labels)
            assert pair is not None
            assert str(pair[1]) == plain[0]


@given(
    entries=st.lists(st.tuples(st.booleans(), st.sampled_from(["turn", "turns"])), max_size=3),
    number=st.none() | st.just(1),
)
def test_a_desktop_s_server_is_one_of_those_that_desktops_may_have(
    entries: Any, number: Optional[int]
) -> None:
    found = [
        server(f"t{index}", drain=drain, protocol=scheme)
        for index, (drain, scheme) in enumerate(entries)
    ]
    config = fleet(found, number, webrtc__desktop={"turn": True})
    pair = desktop_choice(config, "alice")
    assert pair is None or pair in config.desktop_turns


def test_a_drained_server_does_not_hide_the_one_that_desktops_get() -> None:
    found = [server("a", drain=True), server("b", protocol="turns"), server("c", protocol="turns")]
    config = fleet(found, webrtc__desktop={"turn": True})
    assert [str(uri) for _, uri in config.desktop_turns] == [
        "turn:a.example.org",
        "turns:b.example.org",
    ]


@given(user=USERIDS)
def test_any_userid_has_a_slot(user: str) -> None:
    assert 0 <= slot_of(user) < SLOTS
    assert slot_of(user) == slot_of(
        str(user.encode("utf-8", "surrogatepass"), "utf-8", "surrogatepass")
    )


def test_a_user_that_is_no_text_is_said() -> None:
    for user in (7, b"alice"):
        with pytest.raises(TypeError, match="user must be text, not "):
            choose(fleet(servers(2), 1), user)  # type: ignore[arg-type]


# without webrtc.coturn_servers


@given(number=st.integers(1, FEW + 10), user=st.none() | USERIDS, weight=WEIGHTS)
def test_without_a_number_everybody_gets_the_list_as_it_is(
    number: int, user: Optional[str], weight: float
) -> None:
    config = fleet(servers(number, weight=weight))
    assert choose(config, user, ("paris",)) == (config.coturn, None)
    assert choose(config, user).servers is config.coturn
    assert given_to(config, user, left_out=["t0"]) == (names(config.coturn[1:]) or ["t0"])
    assert given_to(config, user, left_out=names(config.coturn)) == names(config.coturn)
    assert given_to(config, user, left_out=["unknown"]) == names(config.coturn)


@pytest.mark.parametrize("number", [1, 3, FEW + 5])
def test_without_a_server_nobody_gets_one(number: int) -> None:
    config = fleet([], number, webrtc__desktop={"turn": True})
    assert choose(config, "alice") == ((), None)
    assert choose(config) == ((), None)
    assert desktop_choice(config, "alice") is None
    drained = fleet(servers(number, drain=True), 1)
    assert choose(drained, "alice").servers == ()
    assert choose(drained, "alice", left_out=["t0"]).servers == ()


def test_a_text_is_no_list_of_names() -> None:
    desktop = {"turn": True, "acl": {"permit": ["paris"]}}
    config = fleet([server("a", acl={"permit": ["paris"]})], webrtc__desktop=desktop)
    for wrong in ({"labels": "paris"}, {"labels": ["paris"], "left_out": "a"}):
        for ask in (choose, desktop_choice, build_rtc_configuration, desktop_environment):
            with pytest.raises(TypeError, match="lists of names"):
                ask(config, "alice", **wrong)  # type: ignore[operator]


# servers with one name


@pytest.mark.parametrize("number", [2, FEW + 2])
def test_servers_whose_first_urls_are_equal_are_both_there(number: int) -> None:
    entry = {"coturn_static_auth_secret": SECRET, "url": ["a", "b"]}
    config = fleet([entry, {**entry, "url": ["a", "c"]}, *servers(number)], number + 2)
    found = choose(config, "alice").servers
    assert len(found) == number + 2
    assert sorted(names(found)) == sorted(names(config.coturn))
    assert len(choose(config, "alice", left_out=["turn:a"]).servers) == number


# many servers


def weights_of(kind: str, number: int) -> List[float]:
    kinds = {
        "equal": [1.0] * number,
        "rising": [1.0 + index for index in range(number)],
        "one heavy": [1_000_000.0] + [1.0] * (number - 1),
        "one light": [1e-6] + [1.0] * (number - 1),
        "halves": [1e6, 1e-6] * number,
    }
    return kinds[kind][:number]


def weighted(kind: str, number: int) -> List[Dict[str, Any]]:
    pairs = zip(servers(number), weights_of(kind, number))
    return [{**entry, "weight": weight} for entry, weight in pairs]


KINDS = ("equal", "rising", "one heavy", "one light", "halves")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "number"), [(FEW + 1, 1), (FEW + 1, 4), (70, 15), (250, 2)])
def test_a_short_list_is_the_beginning_of_the_whole_order(
    kind: str, size: int, number: int
) -> None:
    entries = weighted(kind, size)
    short, whole = fleet(entries, number), fleet(entries, size)
    for user in USERS[:100]:
        order = given_to(whole, user)
        assert sorted(order) == sorted(names(whole.coturn))
        assert given_to(short, user) == order[:number]
        dead = set(order[: number + 1])
        rest = [name for name in order if name not in dead]
        assert given_to(short, user, left_out=dead) == rest[:number]
        assert given_to(short, user, left_out=order[1:]) == order[:1]
        assert given_to(short, user, left_out=order) == order[:number]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [FEW - 1, FEW, FEW + 1])
@pytest.mark.parametrize("number", [1, 2])
def test_only_the_users_of_a_server_that_goes_move(kind: str, size: int, number: int) -> None:
    entries = weighted(kind, size)
    before, moved = fleet(entries, number), 0
    for gone in (0, size // 2, size - 1):
        after = fleet([*entries[:gone], *entries[gone + 1 :]], number)
        name = f"t{gone}"
        for user in USERS:
            old, new = given_to(before, user), given_to(after, user)
            assert given_to(before, user, left_out=[name]) == new
            kept = [one for one in old if one != name]
            assert new[: len(kept)] == kept
            assert name not in new
            moved += new != old
    assert moved


def test_the_memory_of_a_choice_is_bounded_with_any_weights_and_labels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: List[int] = []

    def shortlists(runners: Any, length: int) -> Any:
        found = original(runners, length)
        made.append(sum(map(len, found)))
        return found

    original = selection._shortlists
    monkeypatch.setattr(selection, "_shortlists", shortlists)
    labels = [f"label-{number}" for number in range(12)]
    entries = weighted("one heavy", 100)
    for index, entry in enumerate(entries):
        acl = {"permit": ["all"], "deny": [labels[index % 12]]}
        entries[index] = {**entry, "acl": acl, "weight": 1e-6 if index % 2 else entry["weight"]}
    config = fleet(entries, 2)
    for label in labels:
        assert len(given_to(config, "alice", labels=[label])) == 2
    assert 0 < len(made) <= 4
    assert 7 * SLOTS < min(made) <= max(made) < 9 * SLOTS


# processes and threads


CODE = """
import json, sys
from support.fleets import fleet, names
from abcwebrtc.turn.selection import choose
entries, users, asked = json.load(sys.stdin)
config = fleet(entries, 2)
print(json.dumps([names(choose(config, user, asked).servers) for user in users]))
"""


@pytest.mark.parametrize("size", [FEW, FEW + 1])
def test_two_processes_agree(size: int) -> None:
    entries = weighted("rising", size)
    entries[0] = {**entries[0], "acl": {"permit": ["paris", "rome"]}}
    entries[1] = {**entries[1], "acl": {"permit": ["all"], "deny": ["rome"]}}
    labels = ["rome", "paris", "other"]
    config = fleet(entries, 2)
    expected = [given_to(config, user, labels=labels) for user in USERS]
    assert len({tuple(one) for one in expected}) > size
    for seed, order in (("1", entries), ("2", entries[::-1])):
        path = os.pathsep.join(map(os.path.abspath, ("tests", ".")))
        result = subprocess.run(
            [sys.executable, "-c", CODE],
            input=json.dumps([order, USERS, labels[::-1]]),
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        assert json.loads(result.stdout) == expected


def test_threads_that_are_the_first_agree() -> None:
    from concurrent.futures import ThreadPoolExecutor

    other, config = fleet(servers(FEW + 1), 2), fleet(servers(FEW + 1), 2)
    expected = [given_to(other, user) for user in USERS]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda user: given_to(config, user), USERS * 2))
    finally:
        sys.setswitchinterval(before)
    assert found == expected * 2


# what a configuration keeps


def test_a_race_that_another_thread_throws_away_is_run_nevertheless() -> None:
    class ThrownAway(Dict[Any, Any]):
        def __setitem__(self, key: Any, value: Any) -> None:
            """Forget the item, as a thread does that finds too many groups."""

    config = fleet(servers(3), 1)
    races = selection._Races(config)
    races._races = ThrownAway()
    race, _ = races.of(())
    assert race.winners("alice", ()) == choose(config, "alice").servers


def test_a_copy_is_chosen_from_as_the_configuration_itself() -> None:
    config = fleet(servers(FEW + 1), 2)
    expected = [given_to(config, user) for user in USERS]
    for other in (copy.copy(config), copy.deepcopy(config), replace(config)):
        assert [given_to(other, user) for user in USERS] == expected
        assert other == config
    assert "derived" not in repr(config)
    with pytest.raises(TypeError, match="a Secret can't be pickled"):
        pickle.dumps(config)


def test_a_replaced_part_is_chosen_from() -> None:
    config = fleet(servers(FEW + 1), 2, webrtc__policies=[{"ttl": 60}])
    first = choose(config, "alice")
    assert first.policy == config.policies[0]
    assert choose(replace(config, policies=()), "alice") == (first.servers, None)
    assert choose(replace(config, coturn_servers=1), "alice").servers == first.servers[:1]
    rest = tuple(one for one in config.coturn if one is not first.servers[0])
    assert first.servers[0] not in choose(replace(config, coturn=rest), "alice").servers


# policies


@pytest.mark.parametrize(
    ("labels", "ttl", "transport"),
    [
        ((), 3600, None),
        (("guests",), 900, "relay"),
        (("guests", "staff"), 900, "relay"),  # the first that matches
        (("staff",), 60, None),
        (("staff", "banned"), 3600, None),
    ],
)
def test_the_first_policy_that_permits_a_user_is_the_only_one(
    labels: Sequence[str], ttl: int, transport: Optional[str]
) -> None:
    policies = [
        {"acl": {"permit": ["guests"]}, "iceTransportPolicy": "relay", "ttl": 900},
        {"acl": {"permit": ["staff"], "deny": ["banned"]}, "ttl": 60},
    ]
    config = fleet(servers(3), webrtc__policies=policies)
    choice = choose(config, "alice", labels)
    assert [choice.ttl_of(one) for one in choice.servers] == [ttl] * 3
    answer = build_rtc_configuration(config, "alice", NOW, labels=labels)
    assert answer.get("iceTransportPolicy") == transport
    assert [one["username"] for one in answer["iceServers"]] == [str(NOW + ttl)] * 3


@settings(max_examples=30)
@given(labels=st.sets(st.sampled_from(["paris", "rome", "staff", "x"])))
def test_the_acl_of_the_desktop_says_whose_desktop_gets_a_turn_server(labels: Any) -> None:
    acl = {"permit": ["staff"], "deny": ["rome"]}
    config = fleet(servers(2), 1, webrtc__desktop={"turn": True, "acl": acl})
    expected = "staff" in labels and "rome" not in labels
    variables = desktop_environment(config, "alice", NOW, labels=labels)
    assert ("TURN_SERVER" in variables) is expected
