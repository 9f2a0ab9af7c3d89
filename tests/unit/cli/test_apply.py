"""What of ``abcwebrtc apply`` needs no cluster: the state of a rollout, options, its page."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any, Dict, List, Tuple

import kubernetes_validate
import pytest
import yaml

from abcwebrtc.cli.main import main
from abcwebrtc.cluster.restart import NotReadyError, is_ready, rollout_state, trouble
from abcwebrtc.errors import KubeError
from support import write_od_config
from support.desktop_pod import VERSIONS
from unit.project.test_docs import ROOT, table_keys
from unit.test_imports import HEAVY, loaded_by

PAGE = ROOT / "docs" / "apply.md"


def deployment(
    generation: int = 2,
    seen: int = 2,
    wanted: Any = 1,
    total: int = 1,
    updated: int = 1,
    available: int = 1,
) -> Dict[str, Any]:
    status = {"observedGeneration": seen, "replicas": total, "updatedReplicas": updated}
    spec = {} if wanted is None else {"replicas": wanted}
    return {
        "metadata": {"generation": generation},
        "spec": spec,
        "status": {**status, "availableReplicas": available},
    }


# As `kubectl rollout status` decides it (DeploymentStatusViewer in its sources).
@pytest.mark.parametrize(
    ("manifest", "state"),
    [
        (deployment(), (True, "1 of 1 new pods are ready")),
        (deployment(wanted=None), (True, "1 of 1 new pods are ready")),
        (deployment(seen=3), (True, "1 of 1 new pods are ready")),
        (deployment(seen=1), (False, "waiting for the rollout to begin")),
        (deployment(updated=0), (False, "0 of 1 new pods are made")),
        (
            deployment(total=2),
            (False, "1 of 1 new pods are ready, 1 old to end"),
        ),
        (deployment(available=0), (False, "0 of 1 new pods are ready")),
        (
            deployment(wanted=3, total=3, updated=3, available=2),
            (False, "2 of 3 new pods are ready"),
        ),
        (
            deployment(wanted=0, total=0, updated=0, available=0),
            (True, "0 of 0 new pods are ready"),
        ),
        ({"metadata": {"generation": 1}}, (False, "waiting for the rollout to begin")),
    ],
)
def test_the_state_of_a_rollout(manifest: Any, state: Tuple[bool, str]) -> None:
    assert rollout_state(manifest) == state


READY = {"type": "Ready", "status": "True"}


@pytest.mark.parametrize(
    ("pod", "ready"),
    [
        ({"metadata": {}, "status": {"conditions": [READY]}}, True),
        ({"metadata": {}, "status": {"conditions": [{**READY, "status": "False"}]}}, False),
        ({"metadata": {}, "status": {"conditions": [{**READY, "type": "Initialized"}]}}, False),
        ({"metadata": {}, "status": {}}, False),
        ({"metadata": {}}, False),
        ({"metadata": {"deletionTimestamp": "x"}, "status": {"conditions": [READY]}}, False),
    ],
)
def test_a_pod_is_ready(pod: Any, ready: bool) -> None:
    assert is_ready(pod) == ready


WAITING = {"name": "pyos", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
ENDED = {"name": "pyos", "state": {"terminated": {"exitCode": 1}}}
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"containerStatuses": [WAITING]}, "ImagePullBackOff"),
        ({"containerStatuses": [ENDED]}, "its container pyos ended with 1"),
        ({"containerStatuses": [{**WAITING, "ready": True}, ENDED]}, "its container pyos ended"),
        ({"initContainerStatuses": [WAITING], "containerStatuses": [ENDED]}, "ImagePullBackOff"),
        ({"containerStatuses": [{"name": "pyos"}], "conditions": [UNSCHEDULABLE]}, "Unschedulable"),
        ({"conditions": [READY], "phase": "Pending"}, "Pending"),
        ({}, ""),
        (None, ""),
    ],
)
def test_the_trouble_of_a_pod(status: Any, text: str) -> None:
    found = trouble({"metadata": {}, "status": status})
    assert found.startswith(text)
    assert bool(found) == bool(text)


def test_exceptions_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(KubeError("no", status=403)))
    assert (str(error), error.status, error.is_transient) == ("no", 403, False)
    assert str(pickle.loads(pickle.dumps(NotReadyError("no", "pod", "container")))) == "no"


@pytest.mark.parametrize(
    ("status", "transient"), [(None, True), (429, True), (500, True), (409, False), (403, False)]
)
def test_which_errors_may_pass(status: Any, transient: bool) -> None:
    assert KubeError("x", status=status).is_transient == transient


# the command line


@pytest.mark.parametrize(
    "options",
    [
        ["--restart", "kill"],
        ["--timeout", "-1"],
        ["--timeout", "nan"],
        ["--timeout", "inf"],
        ["--timeout", "soon"],
        ["--namespace", "a.b"],
        ["--name", "A"],
        ["--key", "a/b"],
    ],
    ids=repr,
)
def test_a_wrong_option_is_exit_2(tmp_path: Path, capsys: Any, options: List[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["apply", str(write_od_config(tmp_path)), *options])
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"argument {'-n/' if 'space' in options[0] else ''}{options[0]}: " in err


def test_an_od_config_with_an_error_loads_no_client(tmp_path: Path) -> None:
    code = "from abcwebrtc.cli.main import main\nassert main(['apply', *sys.argv[1:]]) == 1"
    od_config = write_od_config(tmp_path, webrtc__enable=1)
    assert not loaded_by(code, od_config) & {*HEAVY, "yaml", "urllib3"}


# the page


@pytest.mark.parametrize("command", ["configmap", "apply"])
def test_the_tables_of_options_are_complete(capsys: Any, command: str) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    offered = set(re.findall(r"(?<![\w-])--?[a-z-]+", capsys.readouterr().out.partition("\n\n")[2]))
    listed = [key for key in table_keys("apply.md", f"## {command}") if key[0] == "-"]
    options = {name for name in offered if name.startswith("--") or name == "-n"}
    described = {"--help", "-h", "--dry-run" if command == "configmap" else "--help"}
    described |= {"--from-file"} if command == "configmap" else set()
    assert sorted(listed) == sorted(options - described)


def role() -> Any:
    (text,) = re.findall(r"^```yml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return yaml.safe_load(text)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_role(version: str) -> None:
    kubernetes_validate.validate(role(), version, strict=True)
    wrong = {**role(), "rules": [{"apigroups": [""], "verbs": ["get"]}]}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, version, strict=True)
