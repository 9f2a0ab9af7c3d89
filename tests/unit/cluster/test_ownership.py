"""The owner of a ConfigMap is recognized by the marks that tools leave."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import pytest

from abcwebrtc.cluster.ownership import ownership

KEY = "od.config"
ARGO = "argocd.argoproj.io/"
TRACKED = "desks:/ConfigMap:abcdesktop/abcdesktop-config"


def owner(
    labels: Any = None, annotations: Any = None, fields: Any = None, **metadata: Any
) -> Optional[str]:
    metadata.update(name="abcdesktop-config", labels=labels, annotations=annotations)
    return ownership({"metadata": {**metadata, "managedFields": fields}, "data": {KEY: "x"}}, KEY)


def managed(manager: str, data: Any) -> List[Dict[str, Any]]:
    return [{"manager": manager, "operation": "Update", "fieldsV1": {"f:data": data}}]


OWNERS: List[Any] = [
    ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm owns", "helm upgrade"),
    ({"annotations": {"meta.helm.sh/release-name": "abc"}}, "Helm (abc) owns", "chart of the rel"),
    ({"annotations": {f"{ARGO}tracking-id": TRACKED}}, "Argo CD (desks) owns", "its next sync"),
    ({"labels": {f"{ARGO}instance": "desks"}}, "Argo CD (desks) owns", "its next sync"),
    (
        {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}},
        "Flux (apps) owns",
        "source that Flux",
    ),
    (
        {
            "labels": {"app.kubernetes.io/managed-by": "Helm", "helm.toolkit.fluxcd.io/name": "r"},
            "annotations": {"meta.helm.sh/release-name": "r"},
        },
        "Flux (r) owns",
        "source that Flux follows",
    ),
    ({"labels": {"app.kubernetes.io/managed-by": "Helm", f"{ARGO}instance": "d"}}, "Argo CD", "sy"),
    ({"annotations": {"objectset.rio.cattle.io/id": "f"}}, "Fleet (f) owns", "correction of drift"),
    ({"labels": {"kapp.k14s.io/app": "1700"}}, "kapp (1700) owns", "kapp deploy"),
    ({"fields": managed("argocd-controller", {"f:od.config": {}})}, "Argo CD owns", "sync"),
    ({"fields": managed("kustomize-controller", {})}, "Flux owns", "reconciliation"),
    ({"fields": managed("helm", {".": {}, "f:od.config": {}})}, "Helm owns", "helm upgrade"),
    ({"fields": managed("Terraform", {"f:od.config": {}})}, "Terraform owns", "terraform apply"),
    ({"fields": managed("pulumi-kubernetes-1a2b", {"f:od.config": {}})}, "Pulumi", "pulumi up"),
    (
        {"ownerReferences": [{"kind": "Desk", "name": "main", "controller": True}]},
        "Desk main owns",
        "change it there",
    ),
]


@pytest.mark.parametrize(("marks", "start", "words"), OWNERS)
def test_who_puts_another_text_back_is_named(marks: Any, start: str, words: str) -> None:
    text = owner(**marks)
    assert text is not None
    assert text.startswith(start)
    assert words in text
    assert "the ConfigMap abcdesktop-config" in text
    assert "will overwrite od.config; change it " in text or "may overwrite od.config" in text


NOBODY: List[Any] = [
    {},
    {"labels": {"app.kubernetes.io/managed-by": "Kustomize", "app": "abcdesktop"}},
    {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "helm argocd"}},
    {"labels": {"app.kubernetes.io/instance": "argocd", "helm.sh/chart": "x"}},
    {"fields": managed("kubectl-client-side-apply", {"f:od.config": {}})},
    {"fields": managed("abcwebrtc", {"f:od.config": {}})},
    {"fields": managed("helm", {"f:another": {}})},
    {"fields": [{"manager": "helm", "fieldsV1": {"f:metadata": {}}}]},
    {"ownerReferences": [{"kind": "Desk", "name": "main"}]},
    {"labels": "x", "annotations": 5},
    {"labels": {f"{ARGO}instance": 5}},
    {"fields": [None, {}, {"fieldsV1": []}, {"fieldsV1": {"f:data": 5}}]},
]


@pytest.mark.parametrize("marks", NOBODY)
def test_others_own_nothing(marks: Any) -> None:
    assert owner(**marks) is None


def test_a_name_that_is_none_is_not_shown() -> None:
    text = owner({f"{ARGO}instance": "\x1b[2J gone"})
    assert text is not None
    assert text.startswith("Argo CD owns")
