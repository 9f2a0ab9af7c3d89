"""Answers to ``abcwebrtc apply`` get lost, after the cluster has done something or before."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import aiohttp.web
import pytest

from abcwebrtc.cluster import api
from abcwebrtc.cluster.certainty import LOOKS
from integration.apply.conftest import backup_of, break_pyos, way_back
from integration.cluster import Server, is_dry
from integration.kubeconfig import BROKEN, NAME

HTML = b"<html>504 Gateway Time-out"
DONE = "it was done; only the answer was lost\n"
NOT_DONE = "; so far the cluster shows that it was not done\n"
UNKNOWN = "; can't tell whether it was done\n"
PATIENCE = 5.0
"""Seconds until silence is a lost answer, and in which a slow machine gives all others."""


def instead(status: int, body: bytes = HTML) -> Any:
    async def answer(request: Any, real: Optional[aiohttp.web.Response]) -> Any:
        return aiohttp.web.Response(status=status, body=body)

    return answer


async def cut(request: Any, real: Any) -> Any:
    request._raw_request.transport.abort()
    return aiohttp.web.Response()


async def half(request: Any, real: Any) -> Any:
    """Promise more than is sent, as a proxy does that stops in the middle of an answer."""
    body = real.body if real else b'{"kind": "ConfigMap", "metadata": {'
    answer = aiohttp.web.StreamResponse(headers={"Content-Length": str(len(body) + 100)})
    await answer.prepare(request._raw_request)
    await answer.write(body[: len(body) // 2])
    request._raw_request.transport.close()
    return answer


async def silence(request: Any, real: Any) -> Any:
    while request._raw_request.transport:  # until the client hangs up
        await asyncio.sleep(0.02)
    return aiohttp.web.Response()


ANSWERS: Dict[str, Any] = {
    "cut": cut,
    "half": half,
    "silence": silence,
    "502": instead(502),
    "504": instead(504),
    "403 of a gateway": instead(403),
    "413 of a gateway": instead(413, b"{}"),
    "a login page": instead(200),
    "a redirect": instead(302),
    "503 of the server": instead(503, b'{"kind": "Status", "reason": "ServiceUnavailable"}'),
    "500 of etcd": instead(500, b'{"kind": "Status", "message": "etcdserver: request timed out"}'),
}
SOME = ("cut", "504", "403 of a gateway", "a login page")


def lose(
    cluster: Any,
    what: str,
    answer: Any,
    is_done: bool,
    then: Callable[[], None] = lambda: None,
    looks: int = 0,
    skip: int = 0,
) -> None:
    """Answer the first request of a kind like this, done or not, and the next `looks` GETs too."""
    handle, left, lost = cluster._handle, [skip + 1], [0]

    async def handled(request: Any) -> Any:
        path = f"{request.method.value} {request.resource and request.resource.plural}"
        if path == what and not is_dry(request) and left[0]:
            left[0] -= 1
            if not left[0]:
                real = await handle(request) if is_done else None
                then()
                lost[0] = looks
                return await answer(request, real)
        elif lost[0] and request.method.value == "GET":
            lost[0] -= 1
            return await cut(request, None)
        return await handle(request)

    object.__setattr__(cluster, "_handle", handled)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "REQUEST_TIMEOUT", PATIENCE)


WRITES: List[Tuple[str, str]] = [
    ("PUT configmaps", "rollout"),
    ("POST configmaps", "rollout"),
    ("PATCH deployments", "rollout"),
    ("DELETE pods", "delete"),
]


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize(("what", "mode"), WRITES)
def test_what_was_done_is_found_and_gone_on_with(
    server: Server, od_config: Path, run: Any, cluster: Any, name: str, what: str, mode: str
) -> None:
    if what == "POST configmaps":
        cluster.objects["v1/configmaps", "abcdesktop", NAME].delete()
    lose(cluster, what, ANSWERS[name], is_done=True)
    status, out, err = run("--restart", mode)
    assert (status, cluster.text()) == (0, od_config.read_text())
    assert err.count(DONE) == 1
    assert out.endswith(f"pyos restarted ({mode})\npyos is ready\n")
    assert cluster.writes().count(what) == 1


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize(("what", "mode"), WRITES)
def test_what_was_not_done_is_said(
    cluster: Any, run: Any, name: str, what: str, mode: str, tmp_path: Path
) -> None:
    if what == "POST configmaps":
        cluster.objects["v1/configmaps", "abcdesktop", NAME].delete()
    old = cluster.text()
    lose(cluster, what, ANSWERS[name], is_done=False)
    status, out, err = run("--restart", mode)
    assert status == 3
    assert NOT_DONE in err
    assert DONE not in err
    failed = err.partition("failed; so far: ")[2]
    if "configmaps" in what:
        assert cluster.text() == old
        assert failed.startswith(
            f"the ConfigMap {NAME} is unchanged, but the request may still arrive\n"
        )
    else:
        assert failed.startswith(f"ConfigMap {NAME} replaced; some pods of pyos may have been")
    assert "\nto go back: " in failed
    assert "pyos restarted" not in out
    if old is not None:
        assert backup_of(tmp_path).read_text() == old


@pytest.mark.parametrize("is_done", [True, False])
def test_what_nobody_can_find_out_is_said(
    cluster: Any, run: Any, tmp_path: Path, is_done: bool
) -> None:
    old = cluster.text()
    lose(cluster, "PUT configmaps", cut, is_done, looks=LOOKS)
    status, _, err = run("--rollback-on-failure")
    assert status == 3
    assert UNKNOWN in err
    assert f"failed; so far: the ConfigMap {NAME} may or may not have been written\n" in err
    assert backup_of(tmp_path).read_text() == old
    assert way_back(err)[2] == str(backup_of(tmp_path))
    assert "PATCH deployments" not in cluster.writes()


def test_a_look_that_fails_once_is_not_the_last(cluster: Any, od_config: Path, run: Any) -> None:
    lose(cluster, "PUT configmaps", cut, is_done=True, looks=LOOKS - 1)
    assert run()[0] == 0
    assert cluster.text() == od_config.read_text()


def test_what_arrives_late_is_found(cluster: Any, od_config: Path, run: Any) -> None:
    """A proxy has given up, but the API server still does it."""
    text = od_config.read_text()
    looks: List[Any] = []

    def arrive(request: Any) -> None:
        if request.method.value == "GET" and "PUT configmaps" in cluster.writes():
            looks.append(request)
            if len(looks) == LOOKS:
                cluster.add_config_map(text)

    lose(cluster, "PUT configmaps", instead(504), is_done=False)
    handle = cluster._handle

    async def late(request: Any) -> Any:
        cluster.seen.append(request) if request.method.value == "PUT" else None
        arrive(request)
        return await handle(request)

    object.__setattr__(cluster, "_handle", late)
    status, _, err = run()
    assert (status, cluster.text()) == (0, text)
    assert DONE in err


@pytest.mark.parametrize("is_done", [True, False])
def test_what_somebody_else_has_written_stays(
    cluster: Any, run: Any, tmp_path: Path, is_done: bool
) -> None:
    old, theirs = cluster.text(), "[global]\n# of somebody else\n"
    lose(cluster, "PUT configmaps", cut, is_done, then=lambda: cluster.add_config_map(theirs))
    status, _, err = run("--rollback-on-failure")
    assert (status, cluster.text()) == (3, theirs)
    assert "has neither the old od.config nor the new one; somebody else" in err
    failed = err.partition("failed; so far: ")[2]
    assert failed.splitlines() == [
        f"the ConfigMap {NAME} was changed by somebody else",
        f"the old od.config is in {backup_of(tmp_path)}",
    ]
    assert backup_of(tmp_path).read_text() == old


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("is_done", [True, False])
def test_a_rollback_whose_answer_is_lost_is_looked_at(
    cluster: Any, od_config: Path, run: Any, tmp_path: Path, name: str, is_done: bool
) -> None:
    old = cluster.text()
    break_pyos(od_config)
    lose(cluster, "PUT configmaps", ANSWERS[name], is_done, skip=1)
    status, _, err = run("--timeout", "0", "--rollback-on-failure")
    assert status == 1
    if is_done:
        assert cluster.text() == old
        assert f"rolled back: ConfigMap {NAME} restored\n" in err
        assert not list(tmp_path.glob("*.bak"))
    else:
        assert BROKEN in cluster.text()
        assert NOT_DONE in err
        assert "rolled back" not in err
        assert way_back(err)[2] == str(backup_of(tmp_path))


def test_a_rollback_after_a_lost_answer_undoes_what_was_done(
    cluster: Any, od_config: Path, run: Any
) -> None:
    """It also keeps what somebody else has changed meanwhile."""
    old = cluster.text()
    break_pyos(od_config)

    def change() -> None:
        found = cluster.config_map()
        found["data"]["other"] = "changed"
        cluster.add_config_map("", data=found["data"], metadata=found["metadata"])

    lose(cluster, "PUT configmaps", cut, is_done=True, then=change)
    status, _, err = run("--timeout", "0", "--rollback-on-failure")
    assert status == 1
    assert f"rolled back: ConfigMap {NAME} restored\n" in err
    assert cluster.config_map()["data"] == {"od.config": old, "other": "changed"}


def test_a_put_that_a_proxy_sends_twice_can_be_undone(
    cluster: Any, od_config: Path, run: Any
) -> None:
    """nginx does that; the second request conflicts with the first."""
    old = cluster.text()
    break_pyos(od_config)
    handle, left = cluster._handle, [1]

    async def twice(request: Any) -> Any:
        if request.method.value == "PUT" and not is_dry(request) and left[0]:
            left[0] -= 1
            await handle(request)
        return await handle(request)

    object.__setattr__(cluster, "_handle", twice)
    status, _, err = run("--timeout", "0", "--rollback-on-failure")
    assert (status, cluster.text()) == (1, old)
    assert f"rolled back: ConfigMap {NAME} restored\n" in err


def test_what_is_not_sent_is_not_looked_for(cluster: Any, run: Any, server: Server) -> None:
    """The API server stops after the last look before the change."""

    def refuse(*arguments: Any, **options: Any) -> Any:
        from urllib3.exceptions import NewConnectionError

        raise NewConnectionError(None, "refused")  # type: ignore[arg-type]

    seen = len(cluster.seen)
    lose(cluster, "PUT configmaps", cut, is_done=False)
    with pytest.MonkeyPatch.context() as patched:
        real = api.Cluster._send

        def send(self: Any, method: str, *arguments: Any, **options: Any) -> Any:
            if method == "PUT":
                patched.setattr(self._pool, "request", refuse)
            return real(self, method, *arguments, **options)

        patched.setattr(api.Cluster, "_send", send)
        status, _, err = run()
    assert status == 3
    assert len(cluster.seen) > seen
    assert "failed; so far: nothing was changed\n" in err


def test_a_webhook_that_changes_what_is_written_is_told(
    cluster: Any, run: Any, tmp_path: Path
) -> None:
    handle = cluster._handle

    async def changed(request: Any) -> Any:
        if request.method.value == "PUT" and not is_dry(request):
            request.data["data"]["od.config"] += "# of a webhook\n"
        return await handle(request)

    object.__setattr__(cluster, "_handle", changed)
    status, _, err = run()
    assert status == 3
    assert "# of a webhook" in cluster.text()
    assert "somebody else has changed it" in err
    assert backup_of(tmp_path)
