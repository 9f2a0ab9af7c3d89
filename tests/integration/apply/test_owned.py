"""``abcwebrtc apply`` to a ConfigMap that others made: their text can come back, and copies go."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Dict, Tuple

import pytest

from abcwebrtc.cluster.configmap import LAST_APPLIED, keeps_another
from integration.apply.conftest import OLD_SECRET, break_pyos
from integration.kubeconfig import KEY, NAME
from support import SECRET


def applied(data: Any, **annotations: str) -> Dict[str, Any]:
    """Return metadata as ``kubectl apply`` leaves it on a ConfigMap with this data."""
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": data}
    return {"name": NAME, "annotations": {LAST_APPLIED: json.dumps(manifest), **annotations}}


def everything(cluster: Any) -> str:
    return json.dumps(cluster.config_map())


@pytest.mark.parametrize("options", [[], ["--dry-run"]], ids=str)
def test_an_owner_is_said_before_anything_is_written(cluster: Any, run: Any, options: Any) -> None:
    labels = {"app.kubernetes.io/managed-by": "Helm"}
    cluster.add_config_map("[global]\n", metadata={"name": NAME, "labels": labels})
    status, _, err = run(*options)
    assert status == 0
    assert err.splitlines()[1] == (
        f"warning: Helm owns the ConfigMap {NAME}: the next helm upgrade or rollback will "
        f"overwrite {KEY}; change it in the values or the chart of the release"
    )
    assert bool(cluster.writes()) == (not options)


def test_an_owner_of_what_stays_is_none_of_our_business(
    cluster: Any, od_config: Path, run: Any
) -> None:
    labels = {"app.kubernetes.io/managed-by": "Helm"}
    cluster.add_config_map(od_config.read_text(), metadata={"name": NAME, "labels": labels})
    assert "Helm" not in run()[2]


def test_a_copy_of_the_old_text_goes_and_other_annotations_stay(
    cluster: Any, od_config: Path, run: Any
) -> None:
    old = cluster.text()
    cluster.add_config_map(old, metadata=applied({KEY: old}, mine="kept"))
    status, _, err = run()
    assert status == 0
    assert f"note: the annotation {LAST_APPLIED} has a copy of {KEY}, including its secrets" in err
    assert cluster.config_map()["metadata"]["annotations"] == {"mine": "kept"}
    assert OLD_SECRET not in everything(cluster)


def test_a_dry_run_leaves_the_copy(cluster: Any, run: Any) -> None:
    old = cluster.text()
    cluster.add_config_map(old, metadata=applied({KEY: old}))
    status, _, err = run("--dry-run")
    assert (status, cluster.writes()) == (0, [])
    assert "is removed; kubectl apply" in err
    assert LAST_APPLIED in cluster.config_map()["metadata"]["annotations"]


def test_a_copy_of_a_still_older_text_goes_though_the_text_stays(
    cluster: Any, od_config: Path, run: Any, tmp_path: Path
) -> None:
    """As ``kubectl create --dry-run | kubectl replace`` leaves it; pyos need not restart."""
    text = od_config.read_text()
    cluster.add_config_map(text, metadata=applied({KEY: text.replace(SECRET, OLD_SECRET)}))
    status, out, _ = run("--dry-run")
    assert (status, cluster.writes()) == (0, [])
    assert out.endswith(f"dry run: ConfigMap {NAME} would be replaced\n")
    assert run()[0] == 0
    assert cluster.writes() == ["PUT configmaps"]
    assert OLD_SECRET not in everything(cluster)
    assert cluster.text() == text
    assert run()[0] == 0
    assert cluster.writes() == ["PUT configmaps"]


def test_a_rollback_brings_no_copy_back(cluster: Any, od_config: Path, run: Any) -> None:
    old = cluster.text()
    older = old.replace(OLD_SECRET, "a-still-older-secret")
    cluster.add_config_map(old, metadata=applied({KEY: older}, mine="kept"))
    before = copy.deepcopy(cluster.config_map())
    break_pyos(od_config)
    status, _, err = run("--timeout", "0.1", "--rollback-on-failure")
    assert status == 1
    assert f"rolled back: ConfigMap {NAME} restored\n" in err
    after = cluster.config_map()
    assert after["data"] == before["data"]
    assert after["metadata"]["annotations"] == {"mine": "kept"}
    assert "a-still-older-secret" not in everything(cluster)


TEXT = "the text"
COPIES: Tuple[Any, ...] = (
    ({}, False),
    ({KEY: TEXT}, False),
    ({"other": "x"}, False),
    ({KEY: "another"}, True),
    ({KEY: None}, True),
    ([], True),
)


@pytest.mark.parametrize(("data", "expected"), COPIES)
def test_a_copy_is_another_where_it_may_hold_another_text(data: Any, expected: bool) -> None:
    manifest = {"metadata": applied(data), "data": {KEY: TEXT}}
    assert keeps_another(manifest, KEY) is expected


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 99999, None])
def test_a_copy_that_is_none_may_hold_anything(text: Any) -> None:
    metadata = {"name": NAME, "annotations": {LAST_APPLIED: text}}
    assert keeps_another({"metadata": metadata, "data": {KEY: TEXT}}, KEY)
    assert not keeps_another(None, KEY)
    assert not keeps_another({"metadata": {"name": NAME}, "data": {KEY: TEXT}}, KEY)
