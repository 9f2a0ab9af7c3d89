"""Run `abcwebrtc pod` on a manifest, and return the parts of its output."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest
import yaml

from support import SECRET, Result, run_main, write_od_config
from support.desktop_pod import assert_valid

STUN = {"name": "STUN_SERVER", "value": "stun://stun.example.org:3478"}
SOUND: Dict[str, Any] = {
    "image": {"default": "registry.example.org/pulseaudio:1", "staff": "registry.example.org/hifi"},
    "enable": True,
    "tcpport": 4714,
    "acl": {"permit": ["all"], "deny": ["quiet"]},
}
CHANGES: Dict[str, Any] = {"webrtc__desktop": {"turn": True}, "desktop__pod": {"sound": SOUND}}
NOTHING_SECRET = {"webrtc__coturn": ...}

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: desk-1
  namespace: desks
  labels:
    access_userid: alice
    zebra: 'yes'
spec:
  volumes:
  - name: tmp
    emptyDir: {}
  containers:
  - name: x-alice
    image: registry.example.org/desktop:1
    env:
    - name: MODE
      value: '0644'
    volumeMounts:
    - name: tmp
      mountPath: /tmp
  - name: c-alice
    image: registry.example.org/cups:1
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: b\nspec:\n  ports: [{port: 0x50}]\n"


class Injected(Result):
    @property
    def documents(self) -> List[Any]:
        assert self.status == 0, self.err
        found = list(yaml.safe_load_all(self.out))
        assert_valid(*(item for item in found if item["kind"] in ("Pod", "Secret")))
        return found

    @property
    def pod(self) -> Any:
        return next(item for item in self.documents if item["kind"] == "Pod")


def pod_runner(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Return a function that runs the command with a manifest on stdin."""

    def call(manifest: Any, *options: object, **changes: Any) -> Injected:
        data = manifest if isinstance(manifest, bytes) else manifest.encode("utf-8")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        od_config = write_od_config(folder, **{**CHANGES, **changes})
        result = Injected(*run_main(capsys, "pod", od_config, *options))
        assert SECRET not in result.out + result.err
        assert "Traceback" not in result.err
        if result.status:
            assert result.out == ""
            assert result.err
        return result

    return call


def containers(pod: Any) -> Dict[str, Any]:
    return {item["name"]: item for item in pod["spec"]["containers"]}


def variables(pod: Any, name: str) -> Dict[str, Any]:
    return {item["name"]: item for item in containers(pod)[name].get("env", [])}


def as_json(**options: Any) -> str:
    return json.dumps(yaml.safe_load(POD), **options) + "\n"
