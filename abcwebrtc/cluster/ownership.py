"""Who else writes a ConfigMap: what installs it, and puts its own text back.

Each tool leaves marks on what it makes: labels, annotations, and its name among
the managers of fields. Sources: the documentation of Helm, Argo CD, Flux, Fleet,
kapp, Terraform and Pulumi.
"""

from __future__ import annotations

import re
from typing import Any, List, Mapping, NamedTuple, Optional, Tuple

_MANAGED_BY = "app.kubernetes.io/managed-by"


class _Tool(NamedTuple):
    """A tool: its name, its marks, what of it writes again, and where to change od.config."""

    name: str
    marks: Tuple[str, ...]
    managers: str
    event: str
    place: str


_TOOLS = (
    _Tool(
        "Argo CD",
        ("argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance"),
        "argocd-.*",
        "its next sync, which may come at once,",
        "in what the application is made from",
    ),
    _Tool(
        "Flux",
        ("helm.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/name"),
        "helm-controller|kustomize-controller|flux",
        "its next reconciliation, within minutes,",
        "in the source that it follows",
    ),
    _Tool(
        "Fleet",
        ("objectset.rio.cattle.io/id",),
        "fleetagent|fleet-agent",
        "its next correction of drift",
        "in the Git repository that it follows",
    ),
    _Tool("kapp", ("kapp.k14s.io/app",), "kapp.*", "the next kapp deploy", "in what kapp deploys"),
    _Tool(
        "Terraform",
        (),
        "(?i:terraform.*|hashicorp)",
        "the next terraform apply",
        "in Terraform's configuration",
    ),
    _Tool("Pulumi", (), "(?i:pulumi.*)", "the next pulumi up", "in the Pulumi program"),
    _Tool(
        "Helm",
        ("meta.helm.sh/release-name",),
        "(?i:helm)",
        "the next helm upgrade or rollback",
        "in the values or the chart of the release",
    ),
)


def ownership(config_map: Mapping[str, Any], key: str) -> Optional[str]:
    """Return who owns a ConfigMap, and will put its text under `key` back; None for nobody."""
    metadata = config_map.get("metadata") or {}
    marks = {**_texts(metadata, "labels"), **_texts(metadata, "annotations")}
    name = metadata.get("name")
    managers = _managers(metadata, key)
    for tool in _TOOLS:
        found = [marks[mark] for mark in tool.marks if mark in marks]
        by_label = re.fullmatch(tool.managers, marks.get(_MANAGED_BY, ""))
        if found or by_label or any(re.fullmatch(tool.managers, each) for each in managers):
            return (
                f"{tool.name}{_named(found)} owns the ConfigMap {name}: "
                f"{tool.event} puts its own {key} back; change it {tool.place}"
            )
    for owner in metadata.get("ownerReferences") or ():
        if isinstance(owner, dict) and owner.get("controller") is True:
            what = " ".join(filter(_is_word, map(str, (owner.get("kind"), owner.get("name")))))
            return (
                f"{what} owns the ConfigMap {name}, and may put its own {key} back; change it there"
            )
    return None


def _named(values: List[str]) -> str:
    """Return the name that a tool has for what it installs, as far as it is a name."""
    name = (
        values[0].partition(":")[0] if values else ""
    )  # Argo CD's is app:group/kind:namespace/name
    return f" ({name})" if _is_word(name) else ""


def _is_word(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9][\w./-]{0,100}", text))


def _texts(metadata: Mapping[str, Any], key: str) -> Mapping[str, str]:
    items = metadata.get(key)
    pairs = items.items() if isinstance(items, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, str)}


def _managers(metadata: Mapping[str, Any], key: str) -> List[str]:
    """Return who manages the text under a key, or all of the data."""
    found = []
    for entry in metadata.get("managedFields") or ():
        data = entry.get("fieldsV1") if isinstance(entry, dict) else None
        data = data.get("f:data") if isinstance(data, dict) else None
        if isinstance(data, dict) and (f"f:{key}" in data or not data):
            found.append(str(entry.get("manager")))
    return found
