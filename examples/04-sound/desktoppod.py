"""The environment of a desktop's sound container, read from the injected pod."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional

MANIFEST = Path(__file__).resolve().parent.parent / "02-desktop-pod" / "desktop.yaml"
"""A desktop pod without sound."""


def sound_environment(od_config: Path, user: str, pod_ip: str, **given: Any) -> Dict[str, str]:
    """Return the environment that the kubelet gives to a user's sound container.

    All of it comes from the pod and the Secret that `prepare_pod` returns; `given` is passed to it.
    """
    import yaml

    from abcwebrtc import WebRTCConfig, prepare_pod

    pod = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    prepared = prepare_pod(pod, WebRTCConfig.from_file(od_config), user, **given)
    containers = prepared.pod["spec"]["containers"]
    (container,) = [one for one in containers if one["name"].startswith("s-")]
    return {
        entry["name"]: variable(entry, prepared.secret, {"status.podIP": pod_ip})
        for entry in container["env"]
    }


def variable(
    entry: Dict[str, Any], secret: Optional[Dict[str, Any]], fields: Dict[str, str]
) -> str:
    """Return the value of an entry of ``env``, which may come from a field or a Secret."""
    if "valueFrom" not in entry:
        return str(entry["value"])
    source = entry["valueFrom"]
    if "fieldRef" in source:
        return fields[source["fieldRef"]["fieldPath"]]
    reference = source["secretKeyRef"]
    if secret is None or reference["name"] != secret["metadata"]["name"]:
        raise LookupError(f"no Secret {reference['name']}")
    return str(secret["stringData"][reference["key"]])
