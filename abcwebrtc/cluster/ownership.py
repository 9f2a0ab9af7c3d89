"""Which tool owns a ConfigMap, and will overwrite it with its own text.

Each tool marks what it creates: with labels, annotations, and its name as a field
manager. Sources: the documentation of Helm, Argo CD, Flux, Fleet, kapp, Terraform
and Pulumi.
"""

from __future__ import annotations

import re
from typing import Any, List, Mapping, NamedTuple, Optional, Tuple

_MANAGED_BY = "app.kubernetes.io/managed-by"


class _Tool(NamedTuple):
    """A tool: its name, its marks, which event overwrites, and where to change od.config."""

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
        "its next sync, which may start at any moment,",
        "in the source of the application",
    ),
    _Tool(
        "Flux",
        ("helm.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/name"),
        "helm-controller|kustomize-controller|flux",
        "its next reconciliation, within minutes,",
        "in the source that Flux follows",
    ),
    _Tool(
        "Fleet",
        ("objectset.rio.cattle.io/id",),
        "fleetagent|fleet-agent",
        "its next correction of drift",
        "in the Git repository that Fleet follows",
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
    """Return a warning about the tool that owns the text under `key`, or None if there is none."""
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
                f"{tool.event} will overwrite {key}; change it {tool.place}"
            )
    for owner in metadata.get("ownerReferences") or ():
        if isinstance(owner, dict) and owner.get("controller") is True:
            what = " ".join(filter(_is_word, map(str, (owner.get("kind"), owner.get("name")))))
            return f"{what} owns the ConfigMap {name}, and may overwrite {key}; change it there"
    return None


def _named(values: List[str]) -> str:
    """Return what the tool calls this installation, if that is a plain name."""
    name = values[0].partition(":")[0] if values else ""  # Argo CD: app:group/kind:namespace/name
    return f" ({name})" if _is_word(name) else ""


def _is_word(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9][\w./-]{0,100}", text))


def _texts(metadata: Mapping[str, Any], key: str) -> Mapping[str, str]:
    items = metadata.get(key)
    pairs = items.items() if isinstance(items, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, str)}


def _managers(metadata: Mapping[str, Any], key: str) -> List[str]:
    """Return the field managers of the text under a key, or of all data."""
    found = []
    for entry in metadata.get("managedFields") or ():
        data = entry.get("fieldsV1") if isinstance(entry, dict) else None
        data = data.get("f:data") if isinstance(data, dict) else None
        if isinstance(data, dict) and (f"f:{key}" in data or not data):
            found.append(str(entry.get("manager")))
    return found
