"""The test page's verdict on what browsers may see; in Chromium, without a server."""

from __future__ import annotations

from typing import Any, Dict

import pytest
from playwright.sync_api import Page as Tab

from e2e.testpage_results import SRFLX, WORKS, error, relayed, seen

pytest_plugins = ["e2e.testpage_fixtures"]

TLS, TCP = "turns:a.example", "turn:a.example?transport=tcp"
LOOKUP = "TURN host lookup received error."
MUTE = "no answer from a.example, TLS port 5349"


def look(word: str) -> Dict[str, str]:
    return {"word": word, "message": f"what {word} means", "advice": "What to do."}


SMALL = {"ice": "connected", "dtls": "connecting", "small": True}
FAULTS = [
    (seen(errors=error(401)), "401: the server refuses this username and credential"),
    (seen(errors=error(486)), "486: the user or the server already has all"),
    (seen(errors=error(508)), "508: the server has no relay port left"),
    (seen(errors=error(437)), "437: the server already has an allocation for this address"),
    (seen(errors=error(599)), "599: the server refuses"),
    (seen(errors=error(701, LOOKUP)), "the name a.example does not resolve"),
    (seen(ended="limit", errors=error(701, LOOKUP)), "no answer from a.example, UDP port 3478"),
    (seen(ended="limit"), "no answer from a.example, UDP port 3478"),
    (seen(ended="limit", binding=True), "no answer to Allocate from a.example, UDP port 3478"),
    (seen(ended="limit", look=look("redirect")), "what redirect means"),
    (seen(errors=error(701, "timed out")), "no answer from a.example, UDP port 3478"),
    (seen(), "the browser gathers nothing, and does not say why"),
    (seen(ended="refused"), "this browser refuses the url"),
    (
        seen(TCP, errors=error(701)),
        "the connection to a.example, TCP port 3478 is refused or closed",
    ),
    (seen(TCP, ended="limit", errors=error(701)), "no answer from a.example, TCP port 3478"),
    (seen("turn:a.example:636", ended="limit"), "UDP port 636, and Chromium uses no TURN server"),
    (seen("turns:192.0.2.1:990"), "TLS port 990, and Chromium uses no TURN server"),
    (
        seen("turn:a.example:636", errors=error(401)),
        "401: the server refuses this username and credential",
    ),
    (seen("turn:a.example:443", ended="limit"), "no answer from a.example, UDP port 443"),
    (seen(errors=error(440)), "440: the server gives no IPv4 relay address"),
    (seen(TCP, ended="limit"), "no answer from a.example, TCP port 3478"),
    (
        seen(TLS, errors=error(701)),
        "TLS fails on a.example, TLS port 5349, asked from this browser",
    ),
    (seen(TLS, errors=error(401)), "401: the server refuses this username and credential"),
    (
        seen(TLS, errors=error(701), look={**look("certificate-name"), "message": "not for it"}),
        "not for it",
    ),
    (
        seen(TLS, errors=error(701), look=look("trusted")),
        "but works from the machine of abcwebrtc serve",
    ),
    (seen(TLS, errors=error(701), look=look("refused")), "what refused means"),
    (seen(TLS, errors=error(701), look=look("not-stun")), "what not-stun means"),
    # silence is no certificate; that of the name's other address may be there as an error
    (
        seen(TLS, ended="limit", look=look("trusted")),
        f"{MUTE}, asked from this browser, although abcwebrtc serve gets one",
    ),
    (
        seen(TLS, ended="limit", look=look("certificate-untrusted")),
        "although abcwebrtc serve gets one",
    ),
    (
        seen(TLS, ended="limit", look=look("certificate-expired")),
        "although abcwebrtc serve gets one",
    ),
    (seen(TLS, ended="limit", look=look("no-answer")), "what no-answer means"),
    (
        seen(TLS, ended="limit", errors=error(701), look=look("certificate-untrusted")),
        "although abcwebrtc serve gets one",
    ),
    (
        seen(TLS, ended="limit", errors=error(701), look=look("certificate-expired")),
        "what certificate-expired means",
    ),
    (seen(TLS, ended="limit", errors=error(701)), f"{MUTE} within 10 s, asked from this browser."),
    # Firefox 140 tells no errors, so that this may be a wrong credential
    (seen(TLS, isMute=True, look=look("refused")), "what refused means"),
    (seen(TLS, isMute=True, look=look("certificate-name")), "what certificate-name means"),
    (seen(TLS, isMute=True, look=look("trusted")), "does not say why; abcwebrtc serve finds that"),
    (seen(TLS, isMute=True, look=look("certificate-self-signed")), "does not say why; abcwebrtc"),
    (seen(TLS, isMute=True), "the browser gathers nothing, and does not say why"),
    (seen("turns:192.0.2.1", isMute=True, look=look("trusted")), "uses TLS with a name only"),
    (
        relayed(state="failed", heard=False, packetsReceived=0),
        "data sent to it from another relay of the server does not arrive",
    ),
    (relayed(heard=False, packetsReceived=0), "the call connects, but no sound arrives"),
    (relayed(heard=False), "the tone can't be made out in it"),
    (relayed(brokeOff=True), "the tone arrives, and then stops"),
    (
        relayed(state="failed", heard=False, packetsReceived=0, isRefused=True),
        "the browser gives up at once, as it does after a 403: the server forbids data to its own",
    ),
    (
        relayed(state="failed", heard=False, packetsReceived=0, isReached=True, handshake=SMALL),
        "between this browser and the relay, the small packets of ICE come through, but not",
    ),
    (
        relayed(state="failed", heard=False, packetsReceived=0, isReached=True),
        "data passes through the relay, but the call does not connect in 20 s",
    ),
]


HERE = {**SRFLX, "type": "host", "address": "x.local"}


def relayed_at(address: str, **call: Any) -> Dict[str, Any]:
    made = relayed(**call)
    made["candidates"][0]["address"] = address
    return made


def shut(url: str = "turn:a.example", **outside: Any) -> Dict[str, Any]:
    made = {"state": "failed", "peer": "192.0.2.9", "handshake": {"ice": "failed", "dtls": "new"}}
    return {**relayed(url), "outside": {**made, **outside}}


PRIVATE = {**relayed("turn:11.0.0.1")["candidates"][0], "address": "10.0.0.5"}
OTHER = {**PRIVATE, "address": "11.0.0.2"}
MORE = [
    [seen("stuns:a.example", ended="refused")],
    [seen("stun:a.example", ended="limit"), seen("turn:b.example", ended="limit")],
    [seen("stun:a.example", candidates=[HERE], isMute=True)],
    [seen("stun:a.example")],
    [seen(ended="limit"), relayed()],
    [seen(errors=error(701))],
    [relayed(state="failed", lacksRelay=True)],
    [relayed(state="failed", errors=error(508))],
    [relayed(heard=False, noOutput=True)],
    *(
        [relayed_at(address, state="failed", heard=False, packetsReceived=0, isRefused=True)]
        for address in ("127.0.0.1", "10.0.0.5", "11.0.0.2")
    ),
    [shut()],
    [relayed(packetsLost=50, packetsReceived=50)],
    [{**relayed("turn:11.0.0.1"), "candidates": [PRIVATE]}],
    [{**relayed("turn:11.0.0.1"), "candidates": [OTHER]}],
]
"""What the page says about these; `test_agreement` checks that every cause is reached."""


@pytest.mark.parametrize(("result", "said"), FAULTS, ids=[said for _, said in FAULTS])
def test_the_words_of_a_fault(judge: Any, result: Dict[str, Any], said: str) -> None:
    found = judge(result)
    assert found["level"] == "error"
    assert found["headline"] == "Sound will not work from this network: no TURN server works."
    (problem,) = found["problems"]
    assert said in problem["text"]
    assert " fails: " in problem["text"]
    assert problem["advice"].endswith((".", "?"))


LIMITS = (
    "This is what a browser sees. A desktop reaches these servers by another route: run "
    "'abcwebrtc probe --desktop' in a desktop's pod to test that."
)


def test_a_server_that_works_has_no_problem(judge: Any) -> None:
    assert judge(relayed()) == {
        "level": "ok",
        "headline": f"{WORKS} TURN/UDP.",
        "problems": [],
        "limits": LIMITS,
    }


def test_the_sentence_of_the_issue(judge: Any) -> None:
    look = {"word": "certificate-self-signed", "message": "the certificate is self-signed"}
    found = judge(relayed(), seen(TLS, errors=error(701), look=look))
    assert found["level"] == "warning"
    assert found["headline"] == f"{WORKS} TURN/UDP."
    assert found["problems"][0]["text"] == (
        "TURN/TLS fails: the certificate is self-signed; the same host works on UDP port 3478."
    )


def test_a_fault_of_a_port_that_answers_something_else_is_no_firewall(judge: Any) -> None:
    """coturn's options for that are no-stun and stun-only."""
    srflx = seen("stun:a.example", candidates=[SRFLX])
    (stun,) = judge(seen("stun:a.example", ended="limit"), relayed())["problems"]
    (turn,) = judge(srflx, seen(ended="limit"))["problems"]
    assert "no answer to STUN from a.example, UDP port 3478, although it answers" in stun["text"]
    assert "no answer to Allocate from a.example, UDP port 3478, although it" in turn["text"]
    assert ("no-stun" in stun["advice"], "stun-only" in turn["advice"]) == (True, True)
    (again,) = judge(relayed(), seen(ended="limit"))["problems"]
    assert again["advice"] == "Look for packet loss."


def test_a_name_that_leads_to_a_server_over_tcp_does_resolve(judge: Any) -> None:
    """Firefox gives the same empty error if this machine's firewall forbids UDP."""
    blocked = seen(errors=error(701))
    assert "does not resolve" in judge(blocked)["problems"][0]["text"]
    (problem,) = judge(blocked, relayed(TCP))["problems"]
    assert "no answer from a.example, UDP port 3478, asked from this browser" in problem["text"]
    assert "; the same host works on TCP port 3478" in problem["text"]


def test_a_relay_that_nobody_outside_reaches_is_no_sound_for_everybody(judge: Any) -> None:
    found = judge(shut())
    assert found["level"] == "error"
    assert "over TURN/UDP only if the desktop has a relay" in found["headline"]
    (problem,) = found["problems"]
    assert "data from this browser (192.0.2.9) to the relay 192.0.2.1:1 does not" in problem["text"]
    assert "Open min-port to max-port" in problem["advice"]
    assert judge(shut(state="works"))["level"] == "ok"
    assert judge(shut(state="untried"))["level"] == "ok"
    assert judge(shut(state="refused"))["level"] == "ok"
    (problem,) = judge(shut(handshake=SMALL))["problems"]
    assert "as a peer outside, and the relay, the small packets of ICE" in problem["text"]
    other = relayed("turn:b.example")
    assert judge(shut(), other)["headline"].endswith("over TURN/UDP at b.example.")


def test_an_address_that_data_comes_to_is_not_doubted(judge: Any) -> None:
    made = {**shut("turn:11.0.0.1", state="works"), "candidates": [OTHER]}
    assert judge(made)["problems"] == []
    assert len(judge({**made, "outside": None})["problems"]) == 1
    made["candidates"] = [PRIVATE]
    assert "10.0.0.5, which is not a public address" in judge(made)["problems"][0]["text"]


def test_without_a_second_relay_nothing_is_said_of_relay_ports(judge: Any) -> None:
    """The server has stopped since, or the browser does not report a quota."""
    call = {"state": "failed", "heard": False, "packetsReceived": 0, "lacksRelay": True}
    found = judge(relayed(**call, errors=error(701)))
    assert found["headline"].endswith("over TURN/UDP: no call could be tried.")
    assert "no second one to call from" in found["problems"][0]["text"]
    assert "still running" in found["problems"][0]["advice"]


def test_a_fault_says_where_the_same_host_answers(judge: Any) -> None:
    text = judge(seen(ended="limit"), relayed(TCP), relayed("turns:b.example"))["problems"][0][
        "text"
    ]
    assert text.endswith("from this browser; the same host works on TCP port 3478.")


def test_labels_are_told_apart_by_host_and_then_by_port(judge: Any) -> None:
    found = judge(relayed(), relayed("turn:b.example"), relayed("turn:b.example:1"), relayed(TCP))
    assert found["headline"].endswith(
        "over TURN/UDP at a.example, TURN/UDP at b.example:3478, TURN/UDP at b.example:1 "
        "and TURN/TCP."
    )
    found = judge(relayed("turn:[2001:db8::1]:1"), relayed("turn:[2001:db8::1]"))
    assert found["headline"].endswith(
        "over TURN/UDP at [2001:db8::1]:1 and TURN/UDP at [2001:db8::1]:3478."
    )


@pytest.mark.parametrize(("lost", "level"), [(0, "ok"), (5, "ok"), (6, "warning"), (90, "warning")])
def test_loss_is_a_warning_from_5_percent_on(judge: Any, lost: int, level: str) -> None:
    found = judge(relayed(packetsLost=lost, packetsReceived=100 - lost))
    assert found["level"] == level
    will = (
        "As far as a browser can tell, sound will work" if level == "ok" else "Sound will have gaps"
    )
    assert found["headline"] == f"{will} from this network over TURN/UDP."
    assert [f"{lost} %" in problem["text"] for problem in found["problems"]] == [True] * (
        level != "ok"
    )


def test_a_transport_with_loss_is_not_said_to_work_as_the_others_do(judge: Any) -> None:
    found = judge(relayed(packetsLost=50, packetsReceived=50), relayed(TCP))
    assert found["headline"] == (f"{WORKS} TURN/TCP, and have gaps over TURN/UDP.")


def test_silence_of_stun_is_taken_for_no_nat_only_where_it_can_be_nothing_else(judge: Any) -> None:
    def of(**changes: Any) -> Any:
        found = judge(seen("stun:a", **changes), relayed())
        return found["level"], [problem["text"] for problem in found["problems"]]

    assert of(candidates=[HERE]) == ("ok", [])
    level, (said,) = of()  # a policy that forbids UDP to the browser
    assert (level, "STUN fails: this browser gathers no address over UDP" in said) == (
        "warning",
        True,
    )
    assert of(candidates=[{**HERE, "protocol": "TCP"}])[1] == [said]
    level, (said,) = of(candidates=[HERE], isMute=True)  # Firefox 140 tells no errors
    assert "there is no NAT, or no answer" in said


def test_a_browser_that_gathers_nothing_at_all_may_be_kept_from_it(judge: Any) -> None:
    def advice(stun: Dict[str, Any], turn: Dict[str, Any]) -> str:
        problem = judge({**seen("stun:a.example", ended="limit"), **stun}, turn)["problems"][0]
        where = "a.example, UDP port 3478 within 10 s, asked from this browser"
        assert problem["text"] == f"STUN fails: no answer from {where}."
        return str(problem["advice"])

    silent, firewall = seen("turn:b.example", ended="limit"), "Look for a firewall on the way, and"
    assert firewall in advice({}, silent)
    assert "proxy_only in Firefox" in advice({}, silent)
    assert advice({"candidates": [HERE]}, silent).endswith("is running and listens there.")
    assert advice({}, relayed("turn:b.example")).endswith("is running and listens there.")
    assert advice({}, {**silent, "errors": error(401)}).endswith("is running and listens there.")
    turn = judge(seen("stun:a.example", ended="limit"), silent)["problems"][1]
    assert turn["advice"].endswith("is running and listens there.")  # once is enough


PARTS = ("kind", "secure", "transport", "host", "port", "label")


@pytest.mark.parametrize(
    ("result", "policy", "level", "said"),
    [
        (seen("stun:a", candidates=[SRFLX]), "all", "warning", "only where no relay is needed"),
        (seen("stun:a", candidates=[HERE]), "all", "warning", "only where no relay is needed"),
        (seen("stun:a", ended="limit"), "all", "error", "STUN fails, and there is no TURN server"),
        (seen("stun:a", candidates=[SRFLX]), "relay", "error", "iceTransportPolicy is 'relay'"),
    ],
)
def test_without_turn(judge: Any, result: Any, policy: str, level: str, said: str) -> None:
    found = judge(result, policy=policy)
    assert found["level"] == level
    assert said in found["headline"]


@pytest.mark.parametrize(
    "result",
    [
        seen(ended="stopped"),
        {**relayed(), "call": None},
        relayed(state="stopped", heard=False, packetsReceived=0),
    ],
)
def test_what_was_stopped_is_not_judged(judge: Any, result: Any) -> None:
    assert judge(result)["headline"] == "Stopped before there was a verdict."
    assert judge(result, relayed(TCP))["headline"].endswith("over TURN/TCP.")


def test_no_server_at_all(judge: Any) -> None:
    assert judge()["level"] == "error"


@pytest.mark.parametrize(
    ("url", "expected"),
    [  # kind, secure, transport, host, port, label
        ("turn:h", ("turn", False, "udp", "h", 3478, "TURN/UDP")),
        ("TURN:H:1?transport=TCP", ("turn", False, "tcp", "h", 1, "TURN/TCP")),
        ("turns:h", ("turn", True, "tcp", "h", 5349, "TURN/TLS")),
        (
            "turns:[2001:db8::1]:443?transport=tcp",
            ("turn", True, "tcp", "2001:db8::1", 443, "TURN/TLS"),
        ),
        ("stun:h:19302", ("stun", False, "udp", "h", 19302, "STUN")),
        ("stuns:h", ("stun", True, "tcp", "h", 5349, "STUN/TLS")),
    ],
)
def test_urls_are_taken_apart(scripts: Tab, url: str, expected: Any) -> None:
    code = 'async url => (await import("./testpage/servers.js")).readUrl(url)'
    read = scripts.evaluate(code, url)
    assert tuple(read[key] for key in PARTS) == expected


def test_the_frequency_of_a_tone_is_found(scripts: Tab) -> None:
    code = """async ([hz, rate]) => {
        const {peak, isTone, level, FFT_SIZE} = await import("./testpage/call.js");
        const audio = new OfflineAudioContext(1, rate, rate);
        const analyser = new AnalyserNode(audio, {fftSize: FFT_SIZE});
        const oscillator = new OscillatorNode(audio, {frequency: hz});
        oscillator.connect(analyser).connect(audio.destination);
        oscillator.start();
        const samples = (await audio.startRendering()).getChannelData(0);
        const bins = new Float32Array(analyser.frequencyBinCount);
        analyser.getFloatFrequencyData(bins);
        const found = peak(bins, rate);
        return [found, level(samples), isTone(found, level(samples)), isTone(found, 0)];
    }"""
    for hz, rate, is_tone in ((440, 48000, True), (440, 44100, True), (470, 48000, False)):
        found, loudness, judged, silent = scripts.evaluate(code, [hz, rate])
        assert abs(found - hz) < 3
        assert 0.95 < loudness <= 1
        assert (judged, silent) == (is_tone, False)
