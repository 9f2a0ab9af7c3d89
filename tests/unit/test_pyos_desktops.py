"""Desktops inside pyos: the pod and the Secret that pyos creates, and when it creates none."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from pathlib import Path
from typing import Any, Dict, Iterator
from urllib.parse import unquote

import pytest

from pyos_host import BASIC, WAYS, fit, running_host
from pyos_host.apiserver import ApiServer
from support import RTC_PATH, Answer, ServerProcess, bearer, make_token, request, write_od_config
from support.pyos_entries import COTURN, DESKTOP, password_in

LAUNCH_PATH = "/API/composer/launchdesktop"
SECRET_WAY, MANIFEST_WAY, ENVIRONMENT_WAY = WAYS


@contextlib.contextmanager
def desktop_host(way: str, folder: Path, api: ApiServer, **changes: Any) -> Iterator[ServerProcess]:
    od_config = write_od_config(folder, **{**DESKTOP, **changes})
    fitted = fit(folder / "host", (*BASIC, way))
    with running_host(fitted, od_config, KUBERNETES_URL=api.url) as running:
        yield running


def login(user: str = "alice", *labels: str) -> Dict[str, str]:
    names = dict.fromkeys(("loud", *labels), "true")
    auth = {"provider": "local", "data": {"labels": names}}
    return bearer(make_token(user, auth=auth))


def launch(running: ServerProcess, user: str = "alice", **options: Any) -> Answer:
    return request(running.base_url + LAUNCH_PATH, options, login(user))


def variables(container: Dict[str, Any]) -> Dict[str, Any]:
    return {item["name"]: item.get("value", item.get("valueFrom")) for item in container["env"]}


def pod_containers(api: ApiServer) -> Dict[str, Dict[str, Any]]:
    """Return the variables of each container of the pod that was created."""
    (call,) = [call for call in api.calls if call.what == ("POST", "pods")]
    spec = call.body["spec"]
    return {c["name"][0]: variables(c) for c in spec["initContainers"] + spec["containers"]}


def test_with_a_secret_the_manifest_holds_no_credential(tmp_path: Path, api: ApiServer) -> None:
    with desktop_host(SECRET_WAY, tmp_path, api) as running:
        assert launch(running).json()["result"] == "alice-887f3"
        output = running.output
    secret, pod, patch = api.calls
    assert [call.what for call in api.calls] == [
        ("POST", "secrets"),
        ("POST", "pods"),
        ("PATCH", "secrets"),
    ]
    turn_server = secret.body["stringData"]["TURN_SERVER"]
    password = password_in(turn_server)
    found = pod_containers(api)
    reference = {"name": secret.body["metadata"]["name"], "key": "TURN_SERVER"}
    assert found["s"]["TURN_SERVER"] == {"secretKeyRef": reference}
    assert "TURN_SERVER" not in found["x"]
    assert "TURN_SERVER" not in found["i"]
    assert found["x"]["STUN_SERVER"] == found["s"]["STUN_SERVER"] == "stun://stun.example.org:3478"
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "alice-887f3", "uid": "uid-2"}
    assert patch.path == f"/api/v1/namespaces/abcdesktop/secrets/{reference['name']}"
    assert patch.body == {"metadata": {"ownerReferences": [owner]}}
    encoded = base64.b64encode(turn_server.encode()).decode()
    assert [word for word in (password, unquote(password), encoded) if word in output] == []
    (logged,) = re.findall("INFO:oc.od.orchestrator:the manifest is (.*)", output)
    assert json.loads(logged) == pod.body


def test_in_the_manifest_there_is_one_call_and_a_plain_turn_server(
    tmp_path: Path, api: ApiServer
) -> None:
    with desktop_host(MANIFEST_WAY, tmp_path, api) as running:
        assert launch(running).status == 200
    assert [call.what for call in api.calls] == [("POST", "pods")]
    found = pod_containers(api)
    assert password_in(found["s"]["TURN_SERVER"])
    assert "TURN_SERVER" not in found["x"]


@pytest.mark.parametrize("way", [SECRET_WAY, MANIFEST_WAY])
@pytest.mark.parametrize("secrets", [{"name": "registry"}, [{"name": "registry"}]], ids=str)
def test_pull_secrets_go_to_the_pod(tmp_path: Path, api: ApiServer, way: str, secrets: Any) -> None:
    """The mock checks manifests with the API's schema, which has this field only there."""
    sound = {**DESKTOP["desktop__pod"]["sound"], "imagePullSecrets": secrets}
    with desktop_host(way, tmp_path, api, desktop__pod={"sound": sound}) as running:
        assert launch(running).status == 200
    (pod,) = [call.body for call in api.calls if call.what == ("POST", "pods")]
    assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]


def test_in_the_environment_it_goes_to_every_container(tmp_path: Path, api: ApiServer) -> None:
    with desktop_host(ENVIRONMENT_WAY, tmp_path, api) as running:
        assert launch(running).status == 200
    found = pod_containers(api)
    assert sorted(found) == ["i", "s", "x"]
    for container in found.values():
        assert password_in(container["TURN_SERVER"])
        assert container["STUN_SERVER"] == "stun://stun.example.org:3478"
        assert container["ABCDESKTOP_USERID"] == "alice"


@pytest.mark.parametrize("way", WAYS)
def test_browser_and_desktop_get_the_same_server_among_those_of_their_labels(
    tmp_path: Path, api: ApiServer, way: str
) -> None:
    fleet = [
        {**COTURN, "name": f"{site}{number}", "url": f"{site}{number}.example.org"}
        for site in ("lyon", "paris")
        for number in range(8)
    ]
    for server in fleet:
        server["acl"] = {"permit": [server["name"].rstrip("01234567")]}
    changes = {"webrtc__coturn": fleet, "webrtc__coturn_servers": 1}
    with desktop_host(way, tmp_path, api, **changes) as running:
        answer = request(running.base_url + RTC_PATH, {}, login("alice", "paris"))
        assert request(running.base_url + LAUNCH_PATH, {}, login("alice", "paris")).status == 200
    (entry,) = answer.json()["result"]["iceServers"][1:]
    host = entry["urls"][len("turn:") :]
    assert host.startswith("paris")
    bodies = json.dumps([call.body for call in api.calls])
    assert re.findall(r"@(\w+\.example\.org):3478", bodies).count(host) >= 1
    assert "@lyon" not in bodies


@pytest.mark.parametrize("way", WAYS)
def test_a_user_without_a_credential_gets_a_desktop_without_turn(
    tmp_path: Path, api: ApiServer, way: str
) -> None:
    with desktop_host(way, tmp_path, api) as running:
        assert launch(running, "union-select").status == 200
        assert "no TURN server for this desktop: " in running.output
    assert [call.what for call in api.calls] == [("POST", "pods")]
    found = pod_containers(api)
    assert all("TURN_SERVER" not in container for container in found.values())
    assert found["s"]["STUN_SERVER"] == "stun://stun.example.org:3478"


def test_a_dry_run_creates_no_secret(tmp_path: Path, api: ApiServer) -> None:
    with desktop_host(SECRET_WAY, tmp_path, api) as running:
        assert launch(running, dry_run="All").status == 200
    assert [(call.what, call.query) for call in api.calls] == [
        (("POST", "pods"), {"dryRun": ["All"]})
    ]
