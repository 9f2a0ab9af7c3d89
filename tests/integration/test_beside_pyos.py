"""examples/03-beside-pyos: nginx with the shipped location, and two replicas of the image."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

import pytest

from abcwebrtc import verify_turn_credentials
from conftest import require_program
from integration.image import Image, Pod, read_only, settings
from integration.turn import LOOPBACK, Certificate, Turnserver, TurnUrl, refusal, turn_urls
from integration.webserver import SERVICE, Asking, Nginx, Pyos, Resolver, service
from support import (
    RTC_PATH,
    Answer,
    ServerProcess,
    bearer,
    beside,
    make_token,
    public_pem,
    request,
    rsa_key,
    wait_for,
)

OLD, NEW = "the-secret-until-yesterday", "the-secret-from-today-on"
KEYINFO = "/API/core/getkeyinfo"
KEYS = {"webrtc.enable": True, "webrtc.rtc_constraints": {"video": False, "audio": True}}


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    with Image.built() as built:
        yield built


@pytest.fixture
def folder(image: Image) -> Path:
    """A folder for the volumes of pods that the image's user can reach."""
    path = Path(tempfile.mkdtemp(dir=image.root.parent))
    path.chmod(0o755)
    return path


@pytest.fixture
def nginx(tmp_path: Path, certificate: Certificate) -> Nginx:
    folder = tmp_path / "nginx"
    folder.mkdir()
    return Nginx(folder, certificate)


@pytest.fixture
def nginx_program() -> str:
    return require_program("nginx", "nginx")


@pytest.fixture
def pyos() -> Iterator[Pyos]:
    with Pyos(KEYS).running() as running:
        yield running


@pytest.fixture
def coturn(start_turnserver: Callable[..., Turnserver]) -> Turnserver:
    """A coturn that knows both secrets, as during a rotation."""
    return start_turnserver(NEW, OLD)


class Replica(NamedTuple):
    pod: Pod
    server: ServerProcess


@pytest.fixture
def replicas(image: Image, folder: Path, coturn: Turnserver) -> Iterator[List[Replica]]:
    """Two replicas that know the old secret."""
    with contextlib.ExitStack() as stack:
        found = []
        for name in ("a", "b"):
            pod = Pod(folder / name, f"{LOOPBACK}:{coturn.port}", OLD)
            stack.callback(lambda pod=pod: print(pod.log.read_text()))
            found.append(Replica(pod, stack.enter_context(pod.running(image))))
        yield found


@pytest.fixture
def web(nginx: Nginx, nginx_program: str, pyos: Pyos, replicas: List[Replica]) -> Iterator[Nginx]:
    """nginx in front of both replicas and pyos."""
    group = service(*(replica.server.base_url for replica in replicas))
    with nginx.running(nginx_program, pyos, group) as running:
        yield running


def credential(answer: Answer) -> TurnUrl:
    assert answer.status == 200, answer.body
    (url,) = turn_urls(answer.json()["result"])
    return url


def signed_with(url: TurnUrl, secret: str) -> bool:
    return verify_turn_credentials(secret, url.username, url.credential)


def direct(replica: Replica, user: str = "alice") -> Answer:
    return request(replica.server.base_url + RTC_PATH, {}, bearer(make_token(user)))


# the image


def test_the_image_serves_as_its_user_and_writes_nothing(
    image: Image, replicas: List[Replica]
) -> None:
    before = image.files()
    process = Path(f"/proc/{replicas[0].server.process.pid}")
    uids = process.joinpath("status").read_text().partition("\nUid:")[2].split()[:4]
    assert set(uids) == {str(beside.image_user() if not os.geteuid() else os.geteuid())}
    assert direct(replicas[0]).status == 200
    assert request(replicas[0].server.base_url + "/API/healthz").status == 200
    assert image.files() == before
    assert len(before) > 100
    if read_only():
        mounts = process.joinpath("mountinfo").read_text().splitlines()
        (root,) = [line.split() for line in mounts if line.split()[4] == "/"][-1:]
        assert "ro" in (*root[5].split(","), *root[-1].split(","))  # of the mount, or of all


def test_a_replica_stops_at_sigterm_and_says_no_secret(replicas: List[Replica], web: Nginx) -> None:
    given = credential(web.ask(RTC_PATH, {}, bearer()))
    for replica in replicas:
        assert replica.server.stop() == 0
        assert "abcwebrtc: stopped" in replica.server.output
        assert "Traceback" not in replica.server.output
        for text in (OLD, given.credential):
            assert text not in replica.server.output


def test_a_new_key_of_the_user_tokens_needs_a_restart(image: Image, folder: Path) -> None:
    pod = Pod(folder / "a", "turn.example.org", OLD)
    fresh = rsa_key("fresh")
    token = bearer(make_token(key=fresh))
    with pod.running(image) as server:
        pod.update_key(public_pem(fresh).decode())
        assert request(server.base_url + RTC_PATH, {}, token).status == 401
        assert request(server.base_url + RTC_PATH, {}, bearer()).status == 200
    with pod.running(image) as server:
        assert request(server.base_url + RTC_PATH, {}, token).status == 200
        assert request(server.base_url + RTC_PATH, {}, bearer()).status == 401


# what a browser asks


def test_the_calls_of_the_browser_client(web: Nginx, pyos: Pyos) -> None:
    token = make_token("alice")
    sent = {**bearer(token), "Cookie": "session_id=of-pyos"}
    enabled = web.ask(KEYINFO, {"provider": "webrtc.enable"}, sent)
    answer = web.ask(RTC_PATH, {}, sent)
    constraints = web.ask(KEYINFO, {"provider": "webrtc.rtc_constraints"}, sent)
    assert enabled.json()["id"] is True
    assert constraints.json()["id"] == KEYS["webrtc.rtc_constraints"]
    assert pyos.paths == [KEYINFO, KEYINFO]
    assert answer.json()["message"] == "ok"
    assert refusal(credential(answer)) is None
    for name in ("access.log", "error.log"):
        assert token not in web.log(name)
        assert credential(answer).credential not in web.log(name)
    assert f'"POST {RTC_PATH} HTTP/1.1" 200' in web.log("access.log")


def test_no_cache_keeps_an_answer(web: Nginx) -> None:
    answer = web.ask(RTC_PATH, {}, bearer())
    assert answer.headers["cache-control"] == "no-store"
    assert "expires" not in answer.headers
    assert "cache-control" in web.ask(KEYINFO, {"provider": "webrtc.enable"}).headers


ERRORS: Dict[str, Tuple[Any, Dict[str, str], int]] = {
    "no token": ({}, {}, 401),
    "pyos's cookie is no token": ({}, {"Cookie": "ABCAuthorization=x"}, 401),
    "no JSON": ("[]", {"ABCAuthorization": "good"}, 400),
    "GET": (None, {"ABCAuthorization": "good"}, 405),
    "another type": ({}, {"ABCAuthorization": "good", "Content-Type": "text/plain"}, 415),
}


@pytest.mark.parametrize(("body", "headers", "status"), ERRORS.values(), ids=ERRORS)
def test_an_error_reaches_the_browser_as_it_is(
    body: Any, headers: Dict[str, str], status: int, web: Nginx
) -> None:
    if "ABCAuthorization" in headers:
        headers = {**headers, **bearer()}
    answer = web.ask(RTC_PATH, body, headers)
    assert answer.status == answer.json()["status"] == status


def test_a_large_body_is_refused_by_nginx(web: Nginx, replicas: List[Replica]) -> None:
    answer = web.ask(RTC_PATH, b"x" * 65 * 1024, bearer())
    assert answer.status == 413
    assert b"nginx" in answer.body


SPELLINGS = [
    "/API/webrtc/coturn_rtcconfiguration",
    "/API/WebRTC/Coturn_RTCConfiguration",
    "/api/webrtc/coturn_rtcconfiguration",
    "/API//webrtc/../webrtc/coturn_rtcconfiguration",
    "/%41PI/webrtc/coturn%5Frtcconfiguration",
]


@pytest.mark.parametrize("path", SPELLINGS)
def test_pyos_is_not_asked_in_any_spelling(path: str, web: Nginx, pyos: Pyos) -> None:
    answer = web.ask(path, {}, bearer())
    assert answer.headers["server"].startswith("nginx")
    assert b"from pyos" not in answer.body
    assert pyos.paths == []
    if "//" not in path:
        assert credential(answer).credential


@pytest.mark.parametrize("path", [KEYINFO, "/API/webrtcx", "/API/auth/auth", "/status"])
def test_all_other_paths_are_pyoss(path: str, web: Nginx, pyos: Pyos) -> None:
    web.ask(path, {"provider": "webrtc.enable"}, bearer())
    assert pyos.paths == [path]


def test_the_location_wins_below_pyoss_as_well(
    nginx: Nginx, nginx_program: str, pyos: Pyos, replicas: List[Replica]
) -> None:
    group = service(replicas[0].server.base_url)
    with nginx.running(nginx_program, pyos, group, location_first=False) as web:
        assert credential(web.ask(RTC_PATH, {}, bearer())).credential
    assert pyos.paths == []


def test_abcwebrtc_gets_the_token_as_it_is_and_no_cookie(
    nginx: Nginx, nginx_program: str, pyos: Pyos
) -> None:
    with Pyos({}).running() as noting:
        group = service(f"http://{noting.address}")
        with nginx.running(nginx_program, pyos, group) as web:
            sent = {**bearer(), "Cookie": "session_id=of-pyos", "Host": "desktop.example.org"}
            web.ask(RTC_PATH + "?a=%2F", {}, sent)
    ((path, headers),) = noting.asked
    assert path == RTC_PATH + "?a=%2F"
    got = {name.lower(): value for name, value in headers.items()}
    assert got["abcauthorization"] == sent["ABCAuthorization"]
    assert got["host"] == "desktop.example.org"
    assert got["content-type"] == "application/json"
    assert not {"cookie", "connection"} & set(got)


# what nginx does while a replica, or all of them, are gone


def test_nginx_starts_while_the_service_is_unknown_and_pyos_is_served(
    nginx: Nginx, nginx_program: str, pyos: Pyos
) -> None:
    with nginx.running(nginx_program, pyos) as web:
        assert web.ask(RTC_PATH, {}, bearer()).status == 502
        assert web.ask(KEYINFO, {"provider": "webrtc.enable"}).json()["id"] is True


def test_nginx_asks_the_resolver_for_the_service(
    nginx: Nginx, nginx_program: str, pyos: Pyos, replicas: List[Replica]
) -> None:
    port = replicas[0].server.base_url.rpartition(":")[2]
    named = {f"{SERVICE};": f"{SERVICE}:{port};"}
    with Resolver(LOOPBACK).running() as resolver, nginx.running(
        nginx_program, pyos, resolver=resolver.place, replacements=named
    ) as web:
        assert credential(web.ask(RTC_PATH, {}, bearer())).credential
        assert resolver.questions == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_replica_that_goes_away_costs_no_request(
    number: signal.Signals, web: Nginx, replicas: List[Replica]
) -> None:
    with Asking(web) as asking:
        asking.wait_for_more(25)
        replicas[0].server.process.send_signal(number)
        replicas[0].server.process.wait()
        asking.wait_for_more(50)
    assert [answer.status for answer in asking.answers if answer.status != 200] == []


def test_a_replica_that_hangs_costs_no_request(
    nginx: Nginx, nginx_program: str, pyos: Pyos, replicas: List[Replica]
) -> None:
    """A slow machine may need longer than the shipped file has for the second replica."""
    in_all, answering = "proxy_next_upstream_timeout", "proxy_read_timeout"
    times = dict(re.findall(r"(\w+) (\d+)s;", beside.shipped_location({})))
    assert int(times[answering]) < int(times[in_all])
    patient = {f"{in_all} {times[in_all]}s": f"{in_all} 60s"}
    group = service(*(replica.server.base_url for replica in replicas))
    process = replicas[0].server.process
    with nginx.running(nginx_program, pyos, group, replacements=patient) as web:
        process.send_signal(signal.SIGSTOP)
        try:
            with ThreadPoolExecutor(4) as pool:
                answers = list(pool.map(lambda _: web.ask(RTC_PATH, {}, bearer()), range(8)))
        finally:
            process.send_signal(signal.SIGCONT)
    assert [answer.status for answer in answers] == [200] * 8


# two replicas are as good as one


def test_two_replicas_give_a_user_the_same_credential_and_coturn_takes_both(
    replicas: List[Replica],
) -> None:
    def in_the_same_second() -> Any:
        first, second = (direct(replica) for replica in replicas)
        same = first.json()["expires_at"] == second.json()["expires_at"]
        return (first, second) if same else None

    first, second = wait_for(in_the_same_second)
    assert first.json() == second.json()
    assert credential(first).username.count(":") == 1
    for answer in (first, second):
        assert refusal(credential(answer)) is None
    assert (
        credential(direct(replicas[1], "bob")).username.split(":")[1]
        != (credential(first).username.split(":")[1])
    )


# the secret is changed


def test_every_credential_given_while_the_secret_is_changed_opens_an_allocation(
    web: Nginx, replicas: List[Replica], coturn: Turnserver
) -> None:
    with Asking(web) as asking:
        asking.wait_for_more(75)
        for replica in replicas:  # the kubelets of two nodes do it at two times
            replica.pod.secret.update(settings(NEW, OLD))
            asking.wait_for_more(25)
        for replica in replicas:
            wait_for(lambda replica=replica: signed_with(credential(direct(replica)), NEW))
        asking.wait_for_more(75)
    assert len(asking.answers) >= 200
    assert {answer.status for answer in asking.answers} == {200}
    urls = [credential(answer) for answer in asking.answers]
    assert {signed_with(url, OLD) for url in urls[:50]} == {True}
    assert {signed_with(url, NEW) for url in urls[-50:]} == {True}
    given = list(dict.fromkeys(urls))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(refusal, given)) == [None] * len(given)
    names = {url.username.split(":")[1] for url in given}
    assert len(names) == 4, "a pseudonym outlives the change, and with it the quota"


def test_the_old_secret_is_refused_once_coturn_has_forgotten_it(
    start_turnserver: Callable[..., Turnserver], image: Image, folder: Path
) -> None:
    server = start_turnserver(NEW)
    pod = Pod(folder / "a", f"{LOOPBACK}:{server.port}", OLD)
    with pod.running(image) as running:
        replica = Replica(pod, running)
        assert refusal(credential(direct(replica))) == 401
        pod.secret.update(settings(NEW))
        wait_for(lambda: signed_with(credential(direct(replica)), NEW))
        assert refusal(credential(direct(replica))) is None
