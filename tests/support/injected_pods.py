"""A configuration for pods, pods after the injection, and their parts."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from abcwebrtc import WebRTCConfig, inject_webrtc, prepare_pod
from support import SECRET
from support.desktop_pod import SOUND, assert_valid, desktop_pod

NOW = 1700000000
COTURN = {"coturn_static_auth_secret": SECRET, "url": "turn.example.org", "username": "userid"}
ENTRIES: Dict[str, Any] = {
    "webrtc.enable": True,
    "webrtc.rtc_configuration": {"iceServers": [{"urls": "stun:stun.example.org"}]},
    "webrtc.coturn": COTURN,
    "desktop.pod": {"sound": SOUND},
}
STUN = {"name": "STUN_SERVER", "value": "stun://stun.example.org:3478"}
SERVICE = {"name": "ABCDESKTOP_SERVICE_sound", "value": "enabled"}

SECTIONS = ("initContainers", "containers")


def configuration(turn: bool = False, sound: Any = None, **entries: Any) -> WebRTCConfig:
    """Return changed `ENTRIES`; `sound` changes keys of that entry, and ... removes one."""
    mapping = {**ENTRIES, **{name.replace("__", "."): entries[name] for name in entries}}
    if turn:
        mapping["webrtc.desktop"] = {"turn": True}
    if sound is not None:
        entry = {**SOUND, **sound}
        entry = {key: value for key, value in entry.items() if value is not ...}
        mapping["desktop.pod"] = {"sound": entry}
    mapping = {name: value for name, value in mapping.items() if value is not ...}
    return WebRTCConfig.from_mapping(mapping, now=NOW)


def inject(pod: Any, config: Optional[WebRTCConfig] = None, **options: Any) -> Any:
    result = inject_webrtc(pod, config or configuration(), "ada", NOW, **options)
    assert_valid(result)
    return result


def containers(pod: Dict[str, Any]) -> List[Dict[str, Any]]:
    return [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]


def sound_of(pod: Dict[str, Any]) -> Dict[str, Any]:
    (found,) = (c for c in pod["spec"]["containers"] if c["name"].startswith("s-"))
    return found


def variable(container: Dict[str, Any], name: str) -> Any:
    """Return the variable of this name, or None; fail if a container has it twice."""
    found = [item for item in container.get("env") or [] if item["name"] == name]
    assert len(found) < 2
    return found[0] if found else None


def from_secret(name: str) -> Dict[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": "mine", "key": "it"}}}


def secret_name(pod_name: str) -> str:
    pod = desktop_pod()
    pod["metadata"]["name"] = pod_name
    prepared = prepare_pod(pod, configuration(turn=True), "ada", NOW)
    name: str = prepared.secret["metadata"]["name"]
    entry = variable(sound_of(prepared.pod), "TURN_SERVER")
    assert entry["valueFrom"]["secretKeyRef"]["name"] == name
    return name
