"""Checks of what od.config puts into a container as it is.

Source: the Kubernetes API, v1 ResourceRequirements and SecurityContext.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Dict, Mapping, Optional

from abcwebrtc.config.frozen import Frozen, freeze
from abcwebrtc.config.problems import Findings, kind
from abcwebrtc.config.quantities import parse_quantity
from abcwebrtc.errors import KeyPath

GROUPS = ("requests", "limits")
RESOURCES = ("cpu", "memory", "ephemeral-storage")
_EXTENDED = re.compile(
    r"hugepages-[0-9]+[KMGTPE]i|[a-z0-9.-]+\.[a-z]+/[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
)

USER_ID, TEXTS = "a number of a user or group", "a list of texts"
PLACEHOLDER = re.compile(r"\{\{\s*(?P<name>uidNumber|gidNumber)\s*\}\}")
"""Stands for the user's own number; pyos fills it in for each desktop."""
MAX_ID = 2**31 - 1

_PROFILE = {"type": str, "localhostProfile": str}
_SELINUX = {"level": str, "role": str, "type": str, "user": str}
SECURITY_CONTEXT: Mapping[str, Any] = {
    "allowPrivilegeEscalation": bool,
    "appArmorProfile": _PROFILE,
    "capabilities": {"add": TEXTS, "drop": TEXTS},
    "privileged": bool,
    "procMount": str,
    "readOnlyRootFilesystem": bool,
    "runAsGroup": USER_ID,
    "runAsNonRoot": bool,
    "runAsUser": USER_ID,
    "seLinuxOptions": _SELINUX,
    "seccompProfile": _PROFILE,
}


def check_resources(findings: Findings, path: KeyPath, value: Any) -> Frozen:
    """Return a container's resources with quantities as text; errors go to `findings`."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        right = "{ 'limits': { 'memory': '256Mi' } }"
        findings.error(path, f"must be a dict such as {right}, not {kind(value)}")
        return None
    before = len(findings.errors)
    findings.misspelt_keys(path, value, GROUPS)
    value = {key: value[key] for key in GROUPS if value.get(key) is not None}
    sizes = {key: _sizes(findings, (*path, key), value[key]) for key in value}
    for name, size in sizes.get("requests", {}).items():
        if size > sizes.get("limits", {}).get(name, size):
            message = "is more than the limit, which Kubernetes refuses"
            findings.error((*path, "requests", name), message)
    return None if len(findings.errors) > before else freeze(findings, path, _as_text(value))


def check_security_context(findings: Findings, path: KeyPath, value: Any) -> Frozen:
    """Return a container's securityContext; errors go to `findings`.

    What Kubernetes has on no container, such as ``supplementalGroups`` of a pod's,
    is left out, as the API server does.
    A user or group may be pyos's ``{{ uidNumber }}`` or ``{{ gidNumber }}``.
    """
    if value is None:
        return None
    before = len(findings.errors)
    _check(findings, path, value, SECURITY_CONTEXT)
    if len(findings.errors) > before:
        return None
    return freeze(findings, path, _only(value, SECURITY_CONTEXT))


def _sizes(findings: Findings, path: KeyPath, value: Any) -> Dict[str, Decimal]:
    if not isinstance(value, Mapping):
        findings.error(path, f"must be a dict such as {{ 'memory': '256Mi' }}, not {kind(value)}")
        return {}
    sizes: Dict[str, Decimal] = {}
    for name, quantity in value.items():
        if not isinstance(name, str) or not _EXTENDED.fullmatch(name):
            findings.unknown_keys(path, [name], RESOURCES)
        size = _size(findings, (*path, name), quantity) if isinstance(name, str) else None
        if size is not None:
            sizes[name] = size
    return sizes


def _size(findings: Findings, path: KeyPath, quantity: Any) -> Optional[Decimal]:
    size: Optional[Decimal] = findings.attempt(path, lambda: parse_quantity(quantity))
    in_thousandths = isinstance(quantity, str) and quantity.endswith("m")
    if size is not None and path[-1] == "memory" and in_thousandths:
        findings.error(path, "ends in 'm', thousandths of a byte; write 'M' or 'Mi'")
    return size


def _as_text(value: Mapping[str, Mapping[str, Any]]) -> Dict[str, Dict[str, str]]:
    """Return resources with every quantity as text, the only form that the API's schema has."""
    return {
        key: {name: str(quantity) for name, quantity in group.items()}
        for key, group in value.items()
    }


def _check(findings: Findings, path: KeyPath, value: Any, shape: Any) -> None:
    """Compare a value with the shape that the API wants."""
    if isinstance(shape, Mapping):
        _check_dict(findings, path, value, shape)
    elif shape is USER_ID:
        _check_id(findings, path, value)
    elif shape is TEXTS:
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
            findings.error(path, "must be a list of texts, such as [ 'ALL' ]")
    elif not isinstance(value, shape):
        right = "True or False without quotes" if shape is bool else "text in quotes"
        findings.error(path, f"must be {right}, not {kind(value)}")


def _check_dict(findings: Findings, path: KeyPath, value: Any, shape: Mapping[str, Any]) -> None:
    if not isinstance(value, Mapping):
        findings.error(path, f"must be a dict, not {kind(value)}")
        return
    findings.misspelt_keys(path, value, tuple(shape))
    for key in shape:
        if value.get(key) is not None:
            _check(findings, (*path, key), value[key], shape[key])


def _only(value: Any, shape: Any) -> Any:
    """Return what of a value has a place in the shape."""
    if not isinstance(shape, Mapping):
        return value
    return {key: _only(value[key], shape[key]) for key in shape if value.get(key) is not None}


def _check_id(findings: Findings, path: KeyPath, value: Any) -> None:
    if isinstance(value, str) and PLACEHOLDER.fullmatch(value):
        return
    if type(value) is not int or not 0 <= value <= MAX_ID:
        message = "must be a whole number without quotes, or '{{ uidNumber }}', '{{ gidNumber }}'"
        findings.error(path, message)
