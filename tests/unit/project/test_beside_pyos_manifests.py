"""The files of examples/03-beside-pyos are valid, and agree with each other and the code."""

from __future__ import annotations

import copy
import re
from pathlib import Path, PurePosixPath
from typing import Any, Dict, List

import kubernetes_validate
import pytest
from kubernetes_validate.utils import all_versions

from abcwebrtc import WebRTCConfig
from abcwebrtc.cli import main as cli
from abcwebrtc.odconfig.reader import parse_od_config
from abcwebrtc.web import serve
from abcwebrtc.web.rest import create_app
from support import RTC_PATH, beside, call, make_config

VERSIONS = sorted(set(all_versions()), key=lambda text: [int(n) for n in text.split(".")])
DOCUMENTS = beside.manifests()
NAMES = [f"{document['kind']} {document['metadata']['name']}" for document in DOCUMENTS]
LABELS = {
    "app.kubernetes.io/name": "abcwebrtc",
    "app.kubernetes.io/component": "webrtc",
    "app.kubernetes.io/part-of": "abcdesktop",
}
SELECTOR = {"matchLabels": {"app.kubernetes.io/name": "abcwebrtc"}}
KINDS = {
    "ConfigMap",
    "Deployment",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Role",
    "Service",
    "ServiceAccount",
}


# the manifests are Kubernetes's


def test_the_manifests_are_valid_in_every_version() -> None:
    assert {document["kind"] for document in DOCUMENTS} == KINDS
    assert {"1.30.0", kubernetes_validate.latest_version()} <= set(VERSIONS)
    for version in VERSIONS:
        for document in DOCUMENTS:
            kubernetes_validate.validate(document, version, strict=True)


FREE = [["labels"], ["matchLabels"], ["data"], ["requests"], ["limits"]]
"""Maps whose keys are the user's own."""


def keys_of(value: Any, path: List[Any]) -> List[List[Any]]:
    """Return the path of every key that Kubernetes defines."""
    if isinstance(value, list):
        return [found for i, item in enumerate(value) for found in keys_of(item, [*path, i])]
    if not isinstance(value, dict):
        return []
    free = path[-1:] in FREE or (path == ["spec", "selector"] and "matchLabels" not in value)
    own = [] if free else [[*path, key] for key in value]
    return own + [found for key in value for found in keys_of(value[key], [*path, key])]


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_a_misspelt_key_of_a_manifest_would_be_found(document: Dict[str, Any]) -> None:
    paths = keys_of(document, [])
    assert len(paths) >= 5
    for path in paths[:: len(paths) // 5]:  # some of each depth
        wrong = copy.deepcopy(document)
        place = wrong
        for step in path[:-1]:
            place = place[step]
        place[f"{path[-1]}x"] = place.pop(path[-1])
        with pytest.raises((kubernetes_validate.ValidationError, KeyError)):
            kubernetes_validate.validate(wrong, "1.30", strict=True)


# they fit together


def test_the_labels_are_the_same_everywhere() -> None:
    own = [document for document in DOCUMENTS if document["metadata"]["name"] == "abcwebrtc"]
    template = beside.manifest("Deployment")["spec"]["template"]
    assert [d["metadata"]["labels"] for d in [*own, template]] == [LABELS] * (len(KINDS) + 1)


def test_every_selector_finds_the_pods() -> None:
    deployment = beside.manifest("Deployment")["spec"]
    (spread,) = beside.pod_spec()["topologySpreadConstraints"]
    selectors = [
        deployment["selector"],
        spread["labelSelector"],
        beside.manifest("PodDisruptionBudget")["spec"]["selector"],
        beside.manifest("NetworkPolicy")["spec"]["podSelector"],
        {"matchLabels": beside.manifest("Service")["spec"]["selector"]},
        *(to["podSelector"] for to in web_server_policy()["egress"][0]["to"]),
    ]
    assert selectors == [SELECTOR] * 6


def web_server_policy() -> Dict[str, Any]:
    (found,) = [d for d in DOCUMENTS if d["metadata"]["name"] == "abcwebrtc-permits"]
    return dict(found["spec"])


def test_the_web_server_may_ask_it_and_it_may_ask_nobody() -> None:
    own, other = beside.manifest("NetworkPolicy")["spec"], web_server_policy()
    assert own["egress"] == []
    assert own["policyTypes"] == ["Ingress", "Egress"]
    assert own["ingress"][0]["from"] == [{"podSelector": other["podSelector"]}]
    assert other["policyTypes"] == ["Egress"]
    for rule in (own["ingress"][0], other["egress"][0]):
        assert rule["ports"] == [{"protocol": "TCP", "port": "http"}]


def test_one_port_runs_through_all_of_them() -> None:
    command = beside.image_command()
    port = command[command.index("--port") + 1]
    (exposed,) = beside.instructions("EXPOSE")
    (named,) = beside.container()["ports"]
    (service,) = beside.manifest("Service")["spec"]["ports"]
    assert [port, str(named["containerPort"])] == exposed.words * 2
    assert service["targetPort"] == named["name"] == "http"
    assert service["port"] == 80, "the nginx location names no port"


def test_nginx_asks_the_service() -> None:
    name = beside.manifest("Service")["metadata"]["name"]
    text = beside.shipped_location({})
    assert re.findall(r"set \$abcwebrtc (\S+);", text) == [f"{name}.abcdesktop.svc.cluster.local"]
    assert "location ^~ /API/webrtc/ {" in text
    assert RTC_PATH.startswith("/API/webrtc/")


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_a_probe_is_answered_without_a_login(probe: str) -> None:
    asked = beside.container()[probe]["httpGet"]
    app = create_app(make_config(webrtc__enable=False), lambda: pytest.fail("nobody asked who"))
    assert call(app, "GET", asked["path"]).status == 200
    assert asked["port"] == "http"


# a pod can do little, and goes without a request being lost


def test_the_pod_is_restricted() -> None:
    spec, own = beside.pod_spec(), beside.container()["securityContext"]
    ids = {spec["securityContext"][key] for key in ("runAsUser", "runAsGroup", "fsGroup")}
    assert ids == {beside.image_user()}
    assert beside.image_user() >= 10000
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(beside.container()["resources"]) == {"requests", "limits"}


def test_it_has_no_access_to_the_api_server() -> None:
    spec, account = beside.pod_spec(), beside.manifest("ServiceAccount")
    assert spec["serviceAccountName"] == account["metadata"]["name"]
    assert spec["automountServiceAccountToken"] is False
    assert account["automountServiceAccountToken"] is False
    assert beside.manifest("Role")["rules"] == []
    assert "RoleBinding" not in KINDS


def test_a_replica_is_always_there() -> None:
    spec = beside.manifest("Deployment")["spec"]
    budget = beside.manifest("PodDisruptionBudget")["spec"]
    assert spec["replicas"] == 2 > budget["minAvailable"] == 1
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_a_stop_ends_before_kubernetes_kills() -> None:
    (program, seconds) = beside.container()["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    grace = beside.pod_spec()["terminationGracePeriodSeconds"]
    assert 0 < int(seconds) + serve.SHUTDOWN_SECONDS < grace


# the configuration, and the secrets that are not in it


def mounts() -> Dict[str, Dict[str, Any]]:
    """Return the volume at each mount path; all are read-only and can be updated."""
    volumes = {volume["name"]: volume for volume in beside.pod_spec()["volumes"]}
    found = {m["mountPath"]: volumes.pop(m["name"]) for m in beside.container()["volumeMounts"]}
    assert volumes == {}
    for mount in beside.container()["volumeMounts"]:
        assert mount["readOnly"] is True
        assert "subPath" not in mount
    return found


def named_files() -> List[str]:
    return re.findall(r"'(/.*?)'", beside.shipped_od_config({}))


def test_every_file_that_is_named_is_mounted() -> None:
    files = [PurePosixPath(name) for name in [*named_files(), beside.image_command()[2]]]
    assert len(files) == 4
    for file in files:
        volume = mounts()[str(file.parent)]
        if "configMap" in volume:
            assert volume["configMap"]["name"] == beside.manifest("ConfigMap")["metadata"]["name"]
            assert file.name in beside.manifest("ConfigMap")["data"]
        else:
            assert volume["secret"]["defaultMode"] == 0o440


def test_of_the_users_signing_keys_only_the_public_one_is_mounted() -> None:
    secret = mounts()["/config.usersigning"]["secret"]
    assert secret["secretName"] == "abcdesktopjwtusersigning"
    (item,) = secret["items"]
    assert item["key"] == item["path"] == "abcdesktop_jwt_user_signing_public_key.pem"


def test_the_configuration_is_valid_and_not_unwise(tmp_path: Path) -> None:
    file = tmp_path / "value"
    file.write_text("a-secret-that-is-long-enough")
    text = beside.shipped_od_config(dict.fromkeys(named_files(), str(file)))
    config = WebRTCConfig.from_mapping(parse_od_config(text))
    assert config.warnings == ()
    assert config.enable is True
    assert config.user_token_key_files == (str(file),)
    assert [str(uri) for uri in config.uris] == [
        "stun:turn.domain.local:3478",
        "turns:turn.domain.local:5349",
    ]


def test_no_secret_is_shipped() -> None:
    assert "Secret" not in KINDS
    (server,) = [parse_od_config(beside.shipped_od_config({}))["webrtc.coturn"]]
    inline = [key for key in server if "secret" in key or "pseudonym" in key]
    assert inline == ["coturn_static_auth_secret_file", "pseudonym_key_file"]
    assert "env" not in beside.container()
    assert set(beside.image_environment()) == {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    assert beside.instructions("ARG") == []


# the image


def test_the_image_has_two_stages_of_one_pinned_slim_python() -> None:
    first, last = beside.instructions("FROM")
    assert re.fullmatch(r"python:3\.\d+-slim@sha256:[0-9a-f]{64}", last.words[0])
    assert first.words == [last.words[0], "AS", "build"]
    names = [i.name for i in beside.dockerfile() if i.stage == last.stage]
    assert names == ["FROM", "COPY", "ENV", "USER", "EXPOSE", "ENTRYPOINT", "CMD"]
    (copied,) = beside.instructions("COPY", last.stage)
    assert copied.words == ["--from=build", "/opt/abcwebrtc", "/opt/abcwebrtc"]


def test_nothing_in_the_image_is_run_by_a_shell() -> None:
    run = [i for i in beside.dockerfile() if i.name in ("RUN", "ENTRYPOINT", "CMD")]
    assert len(run) == 8
    assert [i.text for i in run if not i.text.startswith("[")] == []


def test_nothing_gets_into_the_image_without_a_hash() -> None:
    pip = [i.words for i in beside.instructions("RUN") if "pip" in i.words[0]]
    fetching = [words for words in pip if "--no-index" not in words]
    assert [words[-2:] for words in fetching] == [
        ["-r", "build-requirements.txt"],
        ["-r", "requirements.txt"],
    ]
    assert all({"--require-hashes", "--only-binary=:all:"} <= set(words) for words in fetching)
    own = [words for words in pip if words not in fetching]
    assert len(own) == 2
    assert all("--no-deps" in words for words in own)


def test_the_command_is_understood() -> None:
    program, *arguments = beside.image_command()
    assert program == "/opt/abcwebrtc/bin/abcwebrtc"
    options = cli.make_parser().parse_args(arguments)
    assert (options.od_config, options.host) == ("/config/od.config", "0.0.0.0")


def test_the_builder_gets_what_is_copied_and_nothing_else() -> None:
    copied = [word for i in beside.instructions("COPY", 0) for word in i.words[:-1]]
    assert [name for name in copied if not (beside.ROOT / name).exists()] == []
    ignored = (beside.EXAMPLE / "Dockerfile.dockerignore").read_text().splitlines()
    assert ignored[1:] == ["*", *(f"!{name}" for name in copied), "**/__pycache__"]


def test_the_deployment_names_a_version_of_the_image() -> None:
    name, _, tag = beside.container()["image"].rpartition(":")
    assert name
    assert re.fullmatch(r"\d+\.\d+\.\d+", tag)
    dockerfile = (beside.EXAMPLE / "Dockerfile").read_text()
    assert f"-t {name}:{tag} ." in dockerfile
