"""What is unwise only in combination: servers, labels, policies and desktops of a fleet."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import pytest

from abcwebrtc.config import together
from abcwebrtc.config.coturn import MAX_SERVERS
from abcwebrtc.config.groups import MAX_LABELS, NOT_SHOWN, groups_of, shown_name
from abcwebrtc.turn import selection
from support.configurations import COTURN, LOGIN, SECRET
from support.fleets import fleet, names, server, servers

HIDDEN = "s3cr3tS3CR3T0123456789abcdef"
PARIS, ROME = {"permit": ["paris"]}, {"permit": ["rome"]}
NOT_PARIS = {"permit": ["all"], "deny": ["paris"]}
SITES = [server("p1", acl=PARIS), server("p2", acl=PARIS), server("r1", acl=ROME)]
RELAY = {"iceTransportPolicy": "relay"}
NO_OTHERS = (
    "note: webrtc.coturn: has no server for users without a label in an acl: no acl permits them"
)


def said(entries: Any, number: Optional[int] = None, **changes: Any) -> List[str]:
    """Return the warnings and notes of a fleet."""
    config = fleet(entries, number, **changes)
    return [f"{one.level}: {one}" for one in (*config.warnings, *config.notes)]


# names, numbers, weights, drains


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_even_fleet_is_fine(number: int) -> None:
    assert said(servers(3), number) == []
    assert said([server("a", weight=2), server("b", acl={"permit": ["all"]})], 1) == []
    assert said([server("a"), server("b", drain=True)], 1) == []
    assert said(servers(MAX_SERVERS), 2) == []


def test_more_servers_for_a_user_than_there_are() -> None:
    start = "warning: webrtc.coturn_servers: is 3, but users can get only "
    assert said(servers(2), 3) == [start + "2 servers"]
    assert said([server("a"), *servers(3, drain=True)], 3) == [start + "one server"]


def test_more_servers_than_the_users_of_a_label_may_have() -> None:
    start = "warning: webrtc.coturn_servers: is 2, but users with the label "
    found = said(SITES, 2)
    assert found == [f"{start}'rome' can get only one server", NO_OTHERS]
    # said once where all users get the same
    mixed = [server("a"), server("b", acl={"permit": ["all"], "deny": ["x"]})]
    assert said(mixed, 2) == [f"{start}'x' can get only one server"]
    assert said([server("a"), server("b", acl=PARIS)], 2) == [
        "warning: webrtc.coturn_servers: is 2, but users without a label in an acl can get only "
        "one server"
    ]


def test_weights_without_a_choice() -> None:
    words = "has a weight, which has no effect without a choice; add webrtc.coturn_servers: 1"
    entries = [server("a", weight=2), server("b")]
    assert said(entries) == [f"warning: webrtc.coturn: {words}"]
    assert said(entries, 1) == []
    assert said(servers(2, weight=1.0)) == []


def test_where_labels_change_nothing_a_number_is_about_all_users() -> None:
    policies = [{"acl": PARIS, "ttl": 900}]
    found = said(servers(2), 3, webrtc__policies=policies)
    assert found == ["warning: webrtc.coturn_servers: is 3, but users can get only 2 servers"]


@pytest.mark.parametrize(
    ("number", "weights", "light"),
    [
        (1, [65_536, 1], []),
        (1, [65_537, 1], [1]),
        (1, [1, 1e6, 1], [0, 2]),
        (2, [1, 1e6, 1], []),  # one of the light ones is the second of nearly everybody
        (2, [1e6, 1e6, 1], [2]),
        (3, [1e6, 1e6, 1e-6], []),
        (9, [1e6, 1], []),
    ],
)
def test_a_weight_with_which_perhaps_nobody_gets_a_server(
    number: int, weights: List[float], light: List[int]
) -> None:
    entries = [server(f"t{index}", weight=weight) for index, weight in enumerate(weights)]
    words = "is so small compared with the others that perhaps nobody gets this server"
    assert [text for text in said(entries, number) if "can get only" not in text] == [
        f"warning: webrtc.coturn[{index}].weight: {words}; write weights that differ less"
        for index in light
    ]


def test_a_light_server_that_some_label_gets_is_fine() -> None:
    heavy = server("heavy", weight=1e6, acl=NOT_PARIS)
    assert said([heavy, server("light")], 1) == []
    assert said([{**heavy, "drain": True}, server("light")], 1) == []
    assert len(said([{**heavy, "acl": {"permit": ["all"]}}, server("light", acl=PARIS)], 1)) == 1


def test_a_light_server_is_one_that_the_choice_gives_to_nobody_or_few() -> None:
    assert together.SLOTS == selection.SLOTS
    config = fleet([server("a", weight=1e6), server("b", weight=1)], 1)
    users = (f"user-{number}" for number in range(2000))
    assert {selection.choose(config, user).servers[0].name for user in users} == {"a"}


def test_a_number_without_servers() -> None:
    words = "warning: webrtc.coturn_servers: is 2, but webrtc.coturn has no server"
    assert words in said([], 2)


@pytest.mark.parametrize("number", [None, 1])
def test_a_fleet_that_is_drained_altogether(number: Optional[int]) -> None:
    words = "has only drained servers, so nobody new gets a TURN server"
    found = said([server("a", drain=True), server("b", drain=True, acl=PARIS)], number)
    assert found == [f"warning: webrtc.coturn: {words}"]


def test_two_servers_that_the_choice_takes_for_one() -> None:
    same = [{**COTURN}, {**COTURN, "url": [COTURN["url"], "other"]}]
    words = "has the first url of an earlier server, and the choice treats them as one"
    assert said(same, 1) == [f"warning: webrtc.coturn[1]: {words}; write a 'name' for each"]
    assert said(same) == []
    assert said([COTURN, {**same[1], "name": "b"}], 1) == []
    assert said([COTURN, {**COTURN, "protocol": "turns"}], 1) == []


# labels for which nothing is left


def test_users_for_whom_no_acl_permits_a_server() -> None:
    found = said([server("a", acl=NOT_PARIS)])
    words = "has no server for users with the label 'paris'"
    assert found == [f"warning: webrtc.coturn: {words}: no acl permits them"]
    assert said([server("a", acl=PARIS)]) == [NO_OTHERS]


def test_users_whose_servers_are_drained() -> None:
    entries = [server("a"), server("p", acl=PARIS)]
    assert said(entries) == []
    drained = [server("r", acl=ROME), server("p", acl=PARIS, drain=True)]
    words = "has no server for users with the label 'paris': those that they may have are drained"
    assert said(drained) == [f"warning: webrtc.coturn: {words}", NO_OTHERS]


def test_a_server_that_nobody_gets() -> None:
    for acl in ({}, {"permit": []}, {"permit": ["a"], "deny": ["a"]}, {"deny": ["all"]}):
        first, *_ = said([server("a", acl=acl), server("b")], 1)
        words = "permits nobody, so nobody gets this server; write 'permit': [ 'all' ]"
        assert first == f"warning: webrtc.coturn[0].acl: {words}"


def test_a_label_that_only_a_policy_names_counts() -> None:
    policies = [{"acl": {"permit": ["guests"]}, "ttl": 900}]
    found = said(SITES, webrtc__policies=policies)
    words = "has no server for users with the label 'guests': no acl permits them"
    assert f"warning: webrtc.coturn: {words}" in found


# secrets, and many labels


@pytest.mark.parametrize("label", [HIDDEN, "a b", "x" * 3 + "=" * 30, "\x1b[1m", "é"])
def test_a_label_that_may_be_a_secret_is_not_shown(label: str) -> None:
    acl = {"permit": ["all"], "deny": [label]}
    found = said(
        [server("a", acl=acl)], 1, webrtc__policies=[{"acl": {"permit": [label]}, **RELAY}]
    )
    assert found
    for text in found:
        assert label not in text
        assert "users with the label (not shown)" in text
    assert shown_name(label) == NOT_SHOWN


def test_a_name_that_may_be_a_secret_is_said() -> None:
    words = "looks like a secret, and logs and metrics show it; write a name"
    assert said([server("a"), {**server("b"), "name": HIDDEN}], 1) == [
        f"warning: webrtc.coturn[1].name: {words}"
    ]


def test_so_many_labels_are_looked_at() -> None:
    acl = {"permit": ["all"], "deny": [f"label-{number}" for number in range(MAX_LABELS)]}
    assert not any("note" in text for text in said([server("a", acl=acl), server("b")], 1))
    acl["deny"].append("one-more")
    config = fleet([server("a", acl=acl)], 1)
    assert len(list(groups_of(config))) == 1 + MAX_LABELS
    (note,) = config.notes
    words = "has, with the other entries, 257 labels in acls; only the first 256 are looked at"
    assert str(note) == f"webrtc.coturn: {words}"
    assert len(config.warnings) < 10  # the others of a kind are counted


# relays


NO_CALL = "get no TURN server: no call of theirs will connect"


@pytest.mark.parametrize("coturn", [[], [server("a", acl=NOT_PARIS)]], ids=len)
def test_a_relay_policy_for_users_without_a_turn_server(coturn: Any) -> None:
    policies = [{"acl": ROME, "ttl": 900}, {"acl": PARIS, **RELAY}]
    where = "webrtc.policies[1].iceTransportPolicy"
    words = f"warning: {where}: is 'relay', but users with the label 'paris' {NO_CALL}"
    assert words in said(coturn, webrtc__policies=policies)
    static = {"iceServers": [{"urls": "turn:a", **LOGIN}]}
    changes: Dict[str, Any] = {"webrtc__policies": policies, "webrtc__rtc_configuration": static}
    assert words not in said(coturn, **changes)


def test_a_relay_policy_of_the_rtc_configuration() -> None:
    where = "webrtc.rtc_configuration.iceTransportPolicy"
    found = said([server("a", acl=NOT_PARIS)], webrtc__rtc_configuration=RELAY)
    words = f"warning: {where}: is 'relay', but users with the label 'paris' {NO_CALL}"
    assert words in found
    policies = [{"acl": PARIS, "iceTransportPolicy": "all"}]
    changes: Dict[str, Any] = {"webrtc__policies": policies, "webrtc__rtc_configuration": RELAY}
    assert words not in said([server("a", acl=NOT_PARIS)], **changes)
    assert f"warning: {where}: is 'relay', but users {NO_CALL}" in said(
        [server("a", drain=True)], webrtc__rtc_configuration=RELAY
    )


def test_where_each_user_has_a_label_a_relay_policy_is_only_a_note() -> None:
    found = said(SITES, webrtc__rtc_configuration=RELAY)
    assert [text.partition(":")[0] for text in found] == ["note", "note"]
    assert "users without a label in an acl get no TURN server" in found[1]


def test_without_any_turn_server_a_relay_policy_is_said_once() -> None:
    found = said([], webrtc__rtc_configuration=RELAY)
    assert sum("'relay'" in text for text in found) == 1


# desktops


def test_desktops_of_users_who_get_no_server() -> None:
    desktop = {"turn": True, "acl": {"permit": ["guests", "paris"]}}
    where = "webrtc.desktop.acl"
    words = "permits users with the label 'guests', who get no TURN server, nor do their desktops"
    assert f"warning: {where}: {words}" in said(SITES, webrtc__desktop=desktop)
    assert not any(where in text for text in said(servers(2), 1, webrtc__desktop=desktop))
    silent = {**desktop, "turn": False}
    assert not any(f"{where}: permits" in text for text in said(SITES, webrtc__desktop=silent))


@pytest.mark.parametrize("desktop", [{}, {"turn": False}], ids=str)
def test_an_acl_of_desktops_that_get_no_turn_server(desktop: Any) -> None:
    warning = "warning: webrtc.desktop.turn: is not True, so the acl has no effect; "
    warning += "write 'turn': True, or remove the acl"
    everybody = servers(1)
    for acl in (PARIS, {}, {"permit": ["all"]}):
        assert warning in said(everybody, webrtc__desktop={**desktop, "acl": acl})
        assert warning not in said(everybody, webrtc__desktop={"turn": True, "acl": acl})
    assert warning not in said(everybody, webrtc__desktop=desktop)


@pytest.mark.parametrize(
    ("number", "plain", "warned"),
    [(None, 1, False), (1, 1, True), (2, 1, True), (3, 1, False), (1, 3, False), (None, 0, True)],
)
def test_desktops_whose_servers_have_only_turns(
    number: Optional[int], plain: int, warned: bool
) -> None:
    entries = servers(3)
    for entry in entries[plain:]:
        entry["protocol"] = "turns"
    found = said(entries, number, webrtc__desktop={"turn": True})
    assert any("webrtcbin up to 1.22 does not speak TLS" in text for text in found) is warned
    assert not any(text.startswith("warning: webrtc.desktop.turn") for text in found) or warned


# what a browser gets at most


def test_urls_are_counted_for_the_user_who_gets_the_most() -> None:
    entries = [{**entry, "transport": ["udp", "tcp"]} for entry in servers(10)]
    assert said(entries) == [
        "warning: webrtc.coturn: browsers get 20 urls; more than 4 make them slow"
    ]
    assert said(entries, 2) == []
    assert "browsers get 6 urls" in said(entries, 3)[0]
    assert said([*servers(4), *servers_named("d", 9, drain=True)]) == []
    assert said([*servers_named("p", 3, acl=PARIS), *servers_named("r", 4, acl=ROME)]) == [
        NO_OTHERS
    ]


def servers_named(start: str, number: int, **keys: Any) -> List[Dict[str, Any]]:
    return [server(f"{start}{index}", **keys) for index in range(number)]


def test_groups_are_what_users_get() -> None:
    policies = [{"acl": ROME, "ttl": 900}]
    desktop = {"turn": True, "acl": PARIS}
    config = fleet(SITES, 1, webrtc__policies=policies, webrtc__desktop=desktop)
    others, paris, rome = groups_of(config)
    assert (others.label, paris.label, rome.label) == (None, "paris", "rome")
    assert [names(group.servers) for group in (others, paris, rome)] == [[], ["p1", "p2"], ["r1"]]
    assert [group.policy for group in (others, paris, rome)] == [None, None, config.policies[0]]
    assert [group.has_desktop_turn for group in (others, paris, rome)] == [False, True, False]
    assert [paris.number(most) for most in (None, 1, 2, 3)] == [2, 1, 2, 2]


# what is wrong elsewhere


def test_nothing_is_guessed_about_entries_that_are_wrong() -> None:
    from support.configurations import errors_of

    mapping = {
        "webrtc.coturn": [server("a", acl=PARIS), {"url": "b"}],
        "webrtc.coturn_servers": 9,
        "webrtc.rtc_configuration": RELAY,
        "webrtc.policies": [{"acl": 1}],
    }
    found = errors_of(mapping)
    assert len(found) == 2
    assert SECRET not in "".join(found)
