"""From a configuration to the environment of a container, as the cluster makes it."""

from __future__ import annotations

import base64
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from abcwebrtc import WebRTCConfig, prepare_pod
from integration.netns import DESKTOP
from support.desktop_pod import assert_valid

SOUND = "s-alice-1"
POD: Dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "alice-1", "namespace": "abcdesktop"},
    "spec": {
        "containers": [
            {
                "name": "x-alice-1",
                "image": "desktop",
                "env": [
                    {"name": "LC_ALL", "value": "C"},
                    {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                    {"name": "PULSE_SERVER", "value": "tcp:$(POD_IP):4713"},
                ],
            }
        ]
    },
}
SOUND_ENTRY = {"sound": {"image": "sound", "enable": True, "acl": {"permit": ["all"]}}}
FIELDS = {"status.podIP": DESKTOP}

Pod = Dict[str, Any]
Environment = Dict[str, str]


def inject(
    pod: Pod, config: WebRTCConfig, user: Optional[str], now: float, as_secret: bool = False
) -> Tuple[Pod, List[Dict[str, Any]]]:
    """Return the pod with its sound container, and the Secrets that it refers to."""
    prepared = prepare_pod(pod, config, user, now, turn_secret=as_secret)
    secrets = [prepared.secret] if prepared.secret else []
    assert_valid(prepared.pod, *secrets)
    return prepared.pod, secrets


def container_environment(
    pod: Pod, container: str, secrets: Sequence[Mapping[str, Any]] = ()
) -> Environment:
    """Return the environment that kubelet gives to a container, apart from its image's.

    In the order of the list: a value is expanded with what stands before it, a
    field or a key of a Secret is taken as it is, and the last of a name wins.
    """
    (found,) = [one for one in pod["spec"]["containers"] if one["name"] == container]
    environment: Environment = {}
    for entry in found["env"]:
        if "valueFrom" in entry:
            environment[entry["name"]] = _value_from(entry["valueFrom"], secrets)
        else:
            environment[entry["name"]] = expanded(entry.get("value", ""), environment)
    return environment


def _value_from(source: Mapping[str, Any], secrets: Sequence[Mapping[str, Any]]) -> str:
    if "fieldRef" in source:
        return FIELDS[source["fieldRef"]["fieldPath"]]
    reference = source["secretKeyRef"]
    (secret,) = [one for one in secrets if one["metadata"]["name"] == reference["name"]]
    if reference["key"] in secret.get("stringData", {}):
        return str(secret["stringData"][reference["key"]])
    return base64.b64decode(secret["data"][reference["key"]]).decode()


def expanded(value: str, environment: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` if there is such a variable, and ``$$`` with ``$``."""

    def replacement(match: "re.Match[str]") -> str:
        if match[0] == "$$":
            return "$"
        return environment.get(match[1], match[0])

    return re.sub(r"\$(?:\$|\(([^)]*)\))", replacement, value)
