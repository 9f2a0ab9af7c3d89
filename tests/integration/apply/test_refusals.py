"""``abcwebrtc apply`` when others write too, and when the cluster refuses."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any, List

import aiohttp.web
import pytest

from integration.apply.conftest import fail, only
from integration.cluster import CONFIG_MAPS, PODS, Server, is_dry, refusal
from integration.kubeconfig import KEY, NAME, NAMESPACE
from support import SECRET

# conflicts


def test_a_conflict_is_retried_and_the_change_of_the_other_kept(
    cluster: Any, od_config: Path, run: Any
) -> None:
    def change(request: Any) -> None:
        cluster.add_config_map(old, data={KEY: old, "other": "changed"})

    old = cluster.text()
    cluster.before = only("PUT", "configmaps", change, times=2)
    assert run()[0] == 0
    assert cluster.config_map()["data"] == {KEY: od_config.read_text(), "other": "changed"}
    assert cluster.writes() == 3 * ["PUT configmaps"] + ["PATCH deployments"]


def test_an_od_config_that_another_has_changed_is_not_overwritten(cluster: Any, run: Any) -> None:
    def change(request: Any) -> None:
        cluster.add_config_map("[global]\n")

    cluster.before = only("PUT", "configmaps", change)
    status, _, err = run("--rollback-on-failure")
    assert (status, cluster.text()) == (3, "[global]\n")
    assert f"error: somebody else has just changed {KEY} in the ConfigMap {NAME}; " in err
    assert "failed; so far: nothing was changed\n" in err


def test_a_conflict_without_an_end_is_an_error(cluster: Any, run: Any) -> None:
    cluster.before = only("PUT", "configmaps", fail(409, "Conflict"), times=99)
    status, _, err = run()
    assert status == 3
    assert cluster.writes() == 5 * ["PUT configmaps"]
    assert f"error: can't update ConfigMap {NAME} in namespace {NAMESPACE} (409): " in err


def test_a_configmap_that_appears_meanwhile_is_replaced(
    server: Server, od_config: Path, run: Any
) -> None:
    cluster = server.cluster
    cluster.add_pyos()
    text = od_config.read_text()
    act = lambda request: cluster.add_config_map(text)  # noqa: E731
    cluster.before = only("POST", "configmaps", act)
    assert run()[0] == 0
    assert cluster.config_map()["data"] == {KEY: text, "other": "kept"}


def test_a_pod_that_another_has_made_anew_is_not_deleted(cluster: Any, run: Any) -> None:
    """It has the same name, but is another object."""
    (pod,) = cluster.pods()
    name = pod["metadata"]["name"]

    def make_again(request: Any) -> None:
        metadata = {**pod["metadata"], "uid": "another"}
        cluster.objects[PODS, NAMESPACE, name] = {**pod, "metadata": metadata}

    cluster.before = only("DELETE", "pods", make_again)
    status, _, err = run("--restart", "delete")
    assert status == 3
    assert f"error: can't delete pod {name} in namespace {NAMESPACE} (409): it has changed" in err
    assert [pod["metadata"]["uid"] for pod in cluster.pods()] == ["another"]


# what a cluster refuses

RULES = [
    ("GET", "configmaps", "get", "rollout", []),
    ("PUT", "configmaps", "update", "rollout", []),
    ("POST", "configmaps", "create", "rollout", []),
    ("PATCH", "deployments", "patch", "rollout", []),
    ("GET", "deployments", "get", "rollout", []),
    ("GET", "pods", "list", "delete", []),
    ("DELETE", "pods", "delete", "delete", []),
]


@pytest.mark.parametrize(("method", "resource", "verb", "mode", "done"), RULES)
def test_a_missing_permission_is_named_with_the_rule_that_gives_it(
    cluster: Any,
    run: Any,
    method: str,
    resource: str,
    verb: str,
    mode: str,
    done: List[str],
    tmp_path: Path,
) -> None:
    def hook(request: Any) -> None:
        if (request.method.value, request.resource.plural) == (method, resource):
            raise refusal(403, "Forbidden", f"User cannot, because of {SECRET}")

    if method == "POST":
        cluster.objects[CONFIG_MAPS, NAMESPACE, NAME].delete()
    cluster.before = hook
    status, _, err = run("--restart", mode)
    lines = err.splitlines()
    message = next(line for line in lines if line.startswith("error: "))
    group = "apps" if resource == "deployments" else ""
    assert status == 3
    assert message.startswith(f"error: you are not allowed to {verb} ")
    assert message.endswith(
        f'(403); a Role needs the rule apiGroups: ["{group}"], resources: ["{resource}"], '
        f'verbs: ["{verb}"]'
    )
    assert [line for line in cluster.writes() if line != f"{method} {resource}"] == done
    assert "to go back: " not in err.partition("failed; until then")[2]
    assert not list(tmp_path.glob("*.bak"))


def test_what_rollout_needs_is_not_the_pods(cluster: Any, run: Any) -> None:
    """`apply` looks at pods to explain a failure; not being allowed to is no other failure."""
    cluster.before = only("GET", "pods", fail(403), times=99)
    assert run()[0] == 0


SERVER_ERRORS = [
    (401, "Unauthorized", {}, "does not accept your credentials (401): log in again"),
    (404, "NotFound", {"kind": "namespaces"}, "there is no namespace abcdesktop; create it"),
    (413, "RequestEntityTooLarge", {}, "(413): it is too large"),
    (422, "Invalid", {"causes": [{"field": "data[od.config]", "message": SECRET}]},
     "(422): the cluster rejects its data[od.config]\n"),
    (422, "Invalid", {"causes": [{"field": SECRET}]}, "(422): the cluster rejects its contents"),
    (429, "TooManyRequests", {}, "the API server answers 429 TooManyRequests\n"),
    (500, "QhZjXkWv", {}, "the API server answers 500; so far the cluster shows"),
    (503, "ServiceUnavailable", {}, "the API server answers 503 ServiceUnavailable; so far"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "reason", "details", "message"), SERVER_ERRORS)
def test_what_the_server_answers_becomes_one_clear_line_without_values(
    server: Server, run: Any, status: int, reason: str, details: Any, message: str
) -> None:
    server.cluster.add_pyos()
    text = f"it is wrong: {SECRET}"
    server.cluster.before = only("POST", "configmaps", fail(status, reason, text, details))
    result, _, err = run("--restart", "none")
    assert result == 3
    assert sum(line.startswith("error: ") for line in err.splitlines()) == 1
    assert message in err
    unknown = status >= 500
    done = "the ConfigMap abcdesktop-config is unchanged, but the request may still arrive"
    start, _, end = err.partition("failed; so far: ")
    assert end.startswith(f"{done if unknown else 'nothing was changed'}\n")
    assert "to go back: kubectl delete configmap" in start
    assert ("to go back: kubectl delete configmap" in end) == unknown


STRANGE = [(b"<html>", 404), (b"{}", 404), *((body, 200) for body in (b"<html>", b"[]", b"\xff"))]
STRANGE += [(b"[" * 100_000, 200), (b'{"metadata": {}}', 200), (b'{"metadata": 1}', 200)]
STRANGE += [(b'{"metadata": {"name": "x"}, "data": 1}', 200)]


@pytest.mark.parametrize(("body", "status"), STRANGE)
def test_an_answer_that_is_no_object_is_an_error(
    cluster: Any, run: Any, body: bytes, status: int
) -> None:
    async def handle(request: Any) -> Any:
        return aiohttp.web.Response(body=body, status=status)

    object.__setattr__(cluster, "_handle", handle)
    result, _, err = run()
    assert result == 3
    assert re.fullmatch(
        r"note: .*\nerror: http://127.* does not answer as a Kubernetes API server does\n", err
    )


def test_a_redirect_is_not_followed(cluster: Any, run: Any) -> None:
    """It would send the token there."""
    cluster.before = only("GET", "configmaps", fail(302, "Found"))
    status, _, err = run()
    assert status == 3
    assert "the API server answers 302\n" in err
    assert len(cluster.seen) == 1


@pytest.mark.parametrize("mode", ["rollout", "delete"])
def test_a_webhook_that_can_not_try_is_no_obstacle(cluster: Any, run: Any, mode: str) -> None:
    def hook(request: Any) -> None:
        if is_dry(request):
            raise refusal(400, "BadRequest", "admission webhook does not support dry run")

    cluster.before = hook
    status, out, _ = run("--restart", mode)
    assert status == 0
    assert out.endswith("pyos is ready\n")


def test_an_immutable_configmap_is_not_tried(cluster: Any, run: Any, tmp_path: Path) -> None:
    cluster.add_config_map("[global]\n", immutable=True)
    status, _, err = run()
    assert (status, cluster.writes()) == (3, [])
    assert "is immutable; save it, delete it, and apply again" in err
    assert "to go back" not in err
    assert not list(tmp_path.glob("*.bak"))


def test_an_od_config_in_binary_data_is_not_lost(cluster: Any, run: Any) -> None:
    binary = {"od.config": "/w==", "logo": "AAAA"}
    cluster.add_config_map("", data={"other": "kept"}, binaryData=binary)
    status, _, err = run()
    assert (status, cluster.writes()) == (3, [])
    assert "has od.config in its binaryData" in err
    assert "to go back" not in err
    assert cluster.config_map()["binaryData"] == binary


def test_a_paused_deployment_is_not_restarted(cluster: Any, run: Any) -> None:
    cluster.deployment()["spec"]["paused"] = True
    status, _, err = run()
    assert (status, cluster.writes()) == (3, [])
    assert (
        "the Deployment pyos-od is paused; resume it with "
        "kubectl -n abcdesktop rollout resume deployment pyos-od\n"
    ) in err


def test_a_pyos_that_is_scaled_to_nothing_is_not_said_to_be_ready(server: Server, run: Any) -> None:
    server.cluster.add_pyos(replicas=0)
    server.cluster.add_config_map("[global]\n")
    status, _, err = run()
    assert (status, server.cluster.writes()) == (3, [])
    assert err.endswith(
        "error: the Deployment pyos-od has 0 replicas, so nothing would start; run "
        f"kubectl -n {NAMESPACE} scale deployment pyos-od --replicas=1, "
        "or use --restart none\n"
    )
    assert run("--restart", "none")[0] == 0


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        (
            "rollout",
            f"namespace {NAMESPACE} has no Deployment pyos-od (404); choose another "
            "--namespace, or use --restart none and restart pyos yourself\n",
        ),
        ("delete", f"namespace {NAMESPACE} has no pod run=pyos-od to restart; "),
    ],
)
def test_without_pyos_nothing_is_written(server: Server, run: Any, mode: str, message: str) -> None:
    status, _, err = run("--restart", mode)
    assert (status, server.cluster.writes()) == (3, [])
    assert message in err
    assert run("--restart", "none")[0] == 0
    assert server.cluster.writes() == ["POST configmaps"]


BOMB = gzip.compress(b" " * 2**26, 9)
TOO_LONG = [(b" " * 2**24, ""), (BOMB, "gzip"), (gzip.compress(BOMB), "gzip, gzip")]


@pytest.mark.parametrize("status", [200, 403, 500])
@pytest.mark.parametrize(("body", "encoding"), TOO_LONG, ids=["long", "bomb", "bomb of a bomb"])
def test_an_answer_without_an_end_is_an_error(
    cluster: Any, run: Any, body: bytes, encoding: str, status: int
) -> None:
    async def handle(request: Any) -> Any:
        headers = {"Content-Encoding": encoding} if encoding else {}
        return aiohttp.web.Response(body=body, status=status, headers=headers)

    object.__setattr__(cluster, "_handle", handle)
    result, _, err = run()
    assert result == 3
    last = err.splitlines()[-1]
    assert re.fullmatch(
        r"error: the answer of http://127\.0\.0\.1:\d+ can't be read: it is "
        r"(longer than 8 MiB|compressed, although uncompressed data was requested)",
        last,
    )


def test_an_answer_that_is_compressed_unasked_is_read(cluster: Any, run: Any) -> None:
    """As some proxies do."""
    handle = cluster._handle

    async def compressed(request: Any) -> Any:
        answer = await handle(request)
        answer.enable_compression(aiohttp.web.ContentCoding.gzip)
        return answer

    object.__setattr__(cluster, "_handle", compressed)
    assert run()[0] == 0


def test_the_largest_od_config_is_read(cluster: Any, od_config: Path, run: Any) -> None:
    """In JSON as Go writes it, beside kubectl's copy."""
    text = od_config.read_text() + "# " + "<" * (2**20 - 1000) + "\n"
    copy = {"kubectl.kubernetes.io/last-applied-configuration": "<" * 2**17}
    cluster.add_config_map(text, metadata={"name": NAME, "annotations": copy})
    handle = cluster._handle

    async def as_go(request: Any) -> Any:
        answer = await handle(request)
        return aiohttp.web.Response(
            body=answer.body.replace(b"<", b"\\u003c"), content_type="application/json"
        )

    object.__setattr__(cluster, "_handle", as_go)
    status, _, err = run("--restart", "none")
    assert (status, cluster.text()) == (0, od_config.read_text()), err
