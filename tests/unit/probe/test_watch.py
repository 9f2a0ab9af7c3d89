"""When a server is left out, and when it is back; tests/integration watches real coturns."""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
import threading
from dataclasses import replace
from typing import Dict, FrozenSet, List, Optional, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc.config.uris import IceURI
from abcwebrtc.errors import ProbeError
from abcwebrtc.probe.model import ALLOCATE, Failure, Login
from abcwebrtc.probe.stun_client import Settings, StepError, StoppedError, unverified_context
from abcwebrtc.probe.watch import FAILURES, SUCCESSES, Liveness, Watcher, _why_dead, states_of
from support import WAIT, make_config, wait_for
from support.rest_apps import COTURN

NO = "no answer in 3 s"
MEANING = {"x": NO, ".": "", "?": None}


def rounds(liveness: Liveness, **texts: str) -> List[FrozenSet[str]]:
    """Take a round for each character: ``x`` is a failure, and ``?`` that nothing is known.

    Return who is left out after each.
    """
    found = []
    for results in zip(*texts.values()):
        lines = {name: MEANING[one] for name, one in zip(texts, results)}
        list(liveness.update(lines))
        found.append(liveness.left_out)
    return found


def test_three_failures_in_a_row_leave_a_server_out_and_two_successes_bring_it_back() -> None:
    found = rounds(Liveness(), a="xx.xxx.x..x", b="...........")
    out = frozenset("a")
    assert [one == out for one in found] == [
        *[False] * 5,
        *[True] * 4,
        *[False] * 2,
    ]


def test_the_log_has_a_line_each_way() -> None:
    liveness = Liveness()
    lines = [list(liveness.update({"a": one, "b": ""})) for one in (NO, NO, NO, NO, "", "", "")]
    said = [line for line in lines if line]
    assert said == [
        [f"a is left out after 3 failures in a row: {NO}"],
        ["a answers again, and is back in use"],
    ]


def test_the_log_does_not_say_that_a_drained_server_is_in_use() -> None:
    liveness = Liveness(frozenset("d"))
    said = [line for one in (NO, NO, NO, "", "") for line in liveness.update({"d": one, "b": ""})]
    assert said == [
        f"d is drained, and seems dead after 3 failures in a row: {NO}",
        "d answers again, and stays drained",
    ]


def test_if_all_seem_dead_all_stay_in_use_and_the_log_says_so_once() -> None:
    liveness = Liveness()
    lines = [list(liveness.update({"a": NO, "b": NO})) for _ in range(5)]
    assert liveness.left_out == frozenset()
    assert [len(one) for one in lines] == [0, 0, 1, 0, 0]
    assert lines[2] == [f"every server that is left seems dead, so all of them stay in use: {NO}"]
    lines = [list(liveness.update({"a": NO, "b": ""})) for _ in range(4)]
    assert lines == [
        ["not every server that is left seems dead any more"],
        [],
        [f"a is left out after 3 failures in a row: {NO}"],
        [],
    ]


def test_a_watcher_that_is_cut_off_amid_a_round_leaves_nobody_out() -> None:
    found = rounds(Liveness(), a=".xxxx", b="xxxxx", c="xxxxx")
    assert found == [frozenset()] * 5
    found = rounds(Liveness(), a="xxxxxx..xx", b="...xxx..xx", c="...xxxxx..")
    assert found[2:7] == [frozenset("a")] * 5
    assert found[7:] == [frozenset()] * 3


def test_the_last_living_server_is_never_left_out_and_the_dead_ones_stay_out() -> None:
    found = rounds(Liveness(), a="xxxxxxxx", b="...xxxxx", c="......xx")
    assert found[2:5] == [frozenset("a")] * 3
    assert found[5] == found[6] == frozenset("ab")
    found = rounds(Liveness(), a="xxxxxxxx", b="...xxxxx")
    assert found[-1] == frozenset("a")


def test_a_drained_server_is_not_the_last_living_one() -> None:
    found = rounds(Liveness(frozenset("d")), a="xxxx", d="....")
    assert found[-1] == frozenset()
    found = rounds(Liveness(frozenset("d")), a="....", d="xxxx")
    assert found[-1] == frozenset("d")


def test_what_is_not_known_of_a_server_changes_nothing() -> None:
    out = frozenset("a")
    assert rounds(Liveness(), a="??????", b="......")[-1] == frozenset()
    found = rounds(Liveness(), a="xx??x?????.?.", b=".............")
    assert [one == out for one in found] == [*[False] * 4, *[True] * 8, False]
    found = rounds(Liveness(), a=".????", b=".xxxx")  # b is the only one that could be asked
    assert found[-1] == frozenset()
    assert rounds(Liveness(), a="..???", b=".xxxx", c=".....")[-1] == frozenset("b")


def test_the_log_says_of_whom_nothing_is_known() -> None:
    liveness = Liveness()
    every: List[Dict[str, Optional[str]]] = [
        *[{"a": None, "b": ""}] * 4,
        *[{"a": "", "b": ""}] * 2,
    ]
    why = "DNS does not answer, or this machine has no socket left"
    lines = [list(liveness.update(one)) for one in every]
    assert lines == [
        [],
        [],
        [f"a can't be asked, so nothing changes there: {why}"],
        [],
        ["a can be asked again"],
        [],
    ]


def test_all_seem_dead_until_one_is_seen_to_live() -> None:
    liveness = Liveness()
    for result in ({"a": None, "b": NO}, {"a": None, "b": NO}):
        list(liveness.update(result))
    assert list(liveness.update({"a": None, "b": NO}))[1:] == [
        f"every server that can be asked seems dead, so all of them stay in use: {NO}"
    ]
    assert list(liveness.update({"a": None, "b": None}))[1:] == []
    assert "not every server that is left seems dead any more" in liveness.update(
        {"a": "", "b": NO}
    )


def test_another_configuration_keeps_what_is_known_of_the_same_servers() -> None:
    before = Liveness()
    rounds(before, a="xxxx", b="..xx", c="....", d="....")
    after = before.among(frozenset("abce"), frozenset())
    assert after.left_out == frozenset("a")
    assert after.answers == {"a": False, "b": False, "c": True}
    assert rounds(after, a="xx", b="xx", c="..", e="xx") == [frozenset("ab")] * 2
    assert before.left_out == frozenset("a")


def test_another_configuration_without_the_living_ones_starts_anew() -> None:
    before = Liveness()
    rounds(before, a="xxxx", b="xxxx", c="....")
    assert before.left_out == frozenset("ab")
    for names, drained in (("ab", ""), ("abc", "c")):
        after = before.among(frozenset(names), frozenset(drained))
        assert after.left_out == frozenset()
        assert rounds(after, a="xxxx", b="xxxx")[-1] == frozenset()


RESULTS = st.lists(
    st.fixed_dictionaries({name: st.sampled_from("x.?") for name in "abc"}), max_size=40
)


def as_results(result: Dict[str, str], order: str = "abc") -> Dict[str, Optional[str]]:
    return {name: MEANING[result[name]] for name in order}


def last_known(results: List[Dict[str, str]], name: str, number: int) -> List[str]:
    return [one[name] for one in results if one[name] != "?"][-number:]


@given(RESULTS)
def test_somebody_is_always_left_and_the_order_does_not_matter(
    results: List[Dict[str, str]],
) -> None:
    liveness, other = Liveness(), Liveness()
    for result in results:
        list(liveness.update(as_results(result)))
        list(other.update(as_results(result, "cab")))
        assert liveness.left_out == other.left_out
        assert liveness.left_out < frozenset("abc")


@given(RESULTS)
def test_a_change_has_as_many_results_in_a_row_behind_it(results: List[Dict[str, str]]) -> None:
    liveness = Liveness()
    for number, result in enumerate(results, 1):
        before = liveness.left_out
        list(liveness.update(as_results(result)))
        for name in liveness.left_out - before:
            assert last_known(results[:number], name, FAILURES) == ["x"] * FAILURES
        for name in before - liveness.left_out:
            assert last_known(results[:number], name, SUCCESSES) == ["."] * SUCCESSES


def test_the_states_of_servers() -> None:
    servers = make_config(
        webrtc__coturn=[
            {**COTURN, "name": "a"},
            {**COTURN, "name": "b"},
            {**COTURN, "name": "c", "drain": True},
        ]
    ).coturn
    found = states_of(servers, frozenset("bc"))
    assert found == {"a": "in_use", "b": "left_out", "c": "drained"}


def test_the_further_places_of_a_server_are_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = [f"127.0.0.{number}" for number in range(1, 5)]
    silent, others = set(hosts), threading.Barrier(len(hosts) - 1)

    def allocate(uri: IceURI, address: str, login: Login, settings: Settings) -> None:
        if address in hosts[1:]:
            others.wait(WAIT)
        if address in silent:
            raise StepError(Failure(ALLOCATE, "timeout"))

    monkeypatch.setattr("abcwebrtc.probe.watch._allocate", allocate)
    servers = [{**COTURN, "url": hosts, "name": "a"}, {**COTURN, "url": "127.0.0.9", "name": "b"}]
    watcher = Watcher(make_config(webrtc__coturn=servers), 60)
    for _ in range(FAILURES):
        watcher._round()
    assert watcher.left_out() == {"a"}
    silent.remove(hosts[2])
    for _ in range(SUCCESSES):
        watcher._round()
    assert watcher.left_out() == frozenset()


def test_a_server_of_whose_names_dns_says_nothing_is_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = {"a.example": socket.EAI_AGAIN, "b.example": socket.EAI_NONAME}

    def look_up(host: str, *arguments: object, **named: object) -> List[Tuple[object, ...]]:
        if host in names:
            raise socket.gaierror(names[host], "as the system says")
        return [(0, 0, 0, "", (host, 0))]

    def allocate(uri: IceURI, address: str, login: Login, settings: Settings) -> None:
        if address != "127.0.0.9":
            raise StepError(Failure(ALLOCATE, "timeout"))

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    monkeypatch.setattr("abcwebrtc.probe.watch._allocate", allocate)
    urls = {
        "silent": ["a.example"],
        "gone": ["b.example"],
        "silent-in-part": ["a.example", "127.0.0.1"],
        "living-in-part": ["a.example", "127.0.0.9"],
        "usual": ["127.0.0.9"],
    }
    servers = [{**COTURN, "url": url, "name": name} for name, url in urls.items()]
    watcher = Watcher(make_config(webrtc__coturn=servers), 60)
    for _ in range(FAILURES):
        watcher._round()
    assert watcher.left_out() == {"gone"}
    assert watcher.answers() == {"gone": False, "living-in-part": True, "usual": True}


@pytest.mark.parametrize("extra", [{}, {"transport": "tcp"}, {"protocol": "turns"}])
def test_a_machine_without_sockets_says_nothing_of_a_server(extra: Dict[str, str]) -> None:
    """Really without: the limit of descriptors is as low as the lowest one that is free."""
    servers = [{**COTURN, **extra, "url": "127.0.0.9", "name": name} for name in "ab"]
    watcher = Watcher(make_config(webrtc__coturn=servers), 60)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(os.devnull) as lowest:
        free = lowest.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        watcher._round()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert watcher.answers() == {}


def test_what_another_address_shows_counts_more_than_a_lack_of_sockets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def allocate(uri: IceURI, address: str, login: Login, settings: Settings) -> None:
        if address != "127.0.0.9":
            detail = os.strerror(errno.EMFILE) if address == "127.0.0.1" else ""
            raise StepError(Failure(ALLOCATE, "error", detail=detail))

    monkeypatch.setattr("abcwebrtc.probe.watch._allocate", allocate)
    urls = {"a": ["127.0.0.1", "127.0.0.9"], "b": ["127.0.0.1", "127.0.0.2"], "c": ["127.0.0.2"]}
    servers = [{**COTURN, "url": url, "name": name} for name, url in urls.items()]
    watcher = Watcher(make_config(webrtc__coturn=servers), 60)
    watcher._round()
    assert watcher.answers() == {"a": True, "c": False}


class Failing(Watcher):
    """A watcher whose rounds fail, except for the third."""

    rounds = 0
    error: Exception = OSError("what nobody foresaw")

    def _round(self) -> None:
        self.rounds += 1
        if self.rounds == 5:
            raise StoppedError
        if self.rounds != 3:
            raise self.error


@pytest.mark.parametrize(
    ("error", "words", "is_traced"),
    [
        (Failing.error, "OSError", True),
        (ProbeError("no further thread"), "no further thread", False),
    ],
)
def test_rounds_that_fail_are_logged_once_and_others_follow(
    error: Exception, words: str, is_traced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    watcher = Failing(make_config(webrtc__coturn=[COTURN]), 0)
    watcher.error = error
    watcher.start()
    wait_for(lambda: not watcher._thread.is_alive())
    assert watcher.rounds == 5
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in told] == [
        f"can't watch the coturn servers: {words}",
        "the coturn servers are watched again",
        f"can't watch the coturn servers: {words}",
    ]
    assert bool(told[0].exc_info) == is_traced


class Told(threading.Event):
    """A request to stop, which comes at the first pause; it notes how long that would have been."""

    def __init__(self, seen: List[object]) -> None:
        super().__init__()
        self.seen = seen

    def wait(self, timeout: Optional[float] = None) -> bool:
        if timeout:
            self.seen.append(timeout)
            self.set()
        return self.is_set()


class Noting(Watcher):
    """A watcher that notes its rounds and its first pause, and stops there."""

    def __init__(self, seconds: float, before: Optional[Watcher] = None) -> None:
        super().__init__(make_config(webrtc__coturn=[COTURN]), seconds, before=before)
        self.seen: List[object] = []
        self._settings = replace(self._settings, stop=Told(self.seen))

    def _round(self) -> None:
        self.seen.append("a round")


def test_a_watcher_after_another_waits_until_the_next_round_is_due() -> None:
    """Else three new configurations within a second would leave out a server that restarts."""
    first = Noting(3600)
    first._watch()
    assert first.seen == ["a round", pytest.approx(3600, rel=0.1)]
    second = Noting(3600, before=first)
    second._watch()
    assert second.seen == [pytest.approx(3600, rel=0.2)]
    third = Noting(60, before=second)
    third._asked -= 67
    third._watch()
    assert third.seen[0] == "a round"


def test_without_servers_there_is_nothing_to_watch(caplog: pytest.LogCaptureFixture) -> None:
    watcher = Watcher(make_config(webrtc__coturn={}), 60)
    watcher.start()
    wait_for(lambda: not watcher._thread.is_alive())
    (record,) = (one for one in caplog.records if one.levelno >= logging.WARNING)
    assert "no coturn server to watch" in record.getMessage()
    assert record.levelno == logging.WARNING


def test_a_watcher_that_stops_asks_no_further_address() -> None:
    (server,) = make_config(webrtc__coturn=[{**COTURN, "transport": "tcp"}]).coturn
    settings = Settings(1, unverified_context(), threading.Event())
    settings.stop.set()
    with pytest.raises(StoppedError):
        _why_dead(server, [(uri, "192.0.2.1") for uri in server.uris], settings)
