"""The files of examples/03-beside-pyos, which tests read without copies."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, NamedTuple

import yaml

from conftest import ROOT

EXAMPLE = ROOT / "examples" / "03-beside-pyos"
MANIFEST_FILES = sorted(EXAMPLE.glob("*.yaml"))
LOCATION_FILE = EXAMPLE / "abcwebrtc-location.conf"


def manifests() -> List[Dict[str, Any]]:
    """Return the documents of every YAML file."""
    texts = [path.read_text(encoding="utf-8") for path in MANIFEST_FILES]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def manifest(kind: str) -> Dict[str, Any]:
    """Return the only document of a kind that is named abcwebrtc."""
    (found,) = [
        document
        for document in manifests()
        if (document["kind"], document["metadata"]["name"]) == (kind, "abcwebrtc")
    ]
    return found


def pod_spec() -> Dict[str, Any]:
    spec: Dict[str, Any] = manifest("Deployment")["spec"]["template"]["spec"]
    return spec


def container() -> Dict[str, Any]:
    (found,) = pod_spec()["containers"]
    return dict(found)


def shipped_od_config(replacements: Dict[str, str]) -> str:
    """Return the od.config of the ConfigMap, with addresses and paths replaced."""
    text = manifest("ConfigMap")["data"]["od.config"]
    return replaced(text, replacements)


def shipped_location(replacements: Dict[str, str]) -> str:
    """Return the nginx locations, with addresses replaced."""
    return replaced(LOCATION_FILE.read_text(encoding="utf-8"), replacements)


def replaced(text: str, replacements: Dict[str, str]) -> str:
    for old, new in replacements.items():
        assert old in text, f"{old} is not there any more"
        text = text.replace(old, new)
    return text


# the Dockerfile


class Instruction(NamedTuple):
    """A line of a Dockerfile; `words` are those of the exec form, or separated by blanks."""

    stage: int
    name: str
    words: List[str]
    text: str


def dockerfile() -> List[Instruction]:
    """Return the instructions of the Dockerfile; stages count from 0."""
    text = (EXAMPLE / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found, stage = [], -1
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        name, _, rest = line.partition(" ")
        stage += name == "FROM"
        words = json.loads(rest) if rest.startswith("[") else rest.split()
        found.append(Instruction(stage, name, words, rest))
    return found


def instructions(name: str, stage: int = -1) -> List[Instruction]:
    """Return the instructions with a name, in all stages or in one."""
    return [i for i in dockerfile() if i.name == name and stage in (-1, i.stage)]


def last_stage() -> int:
    return dockerfile()[-1].stage


def image_command() -> List[str]:
    """Return what the image runs: ENTRYPOINT and CMD."""
    (entrypoint,), (cmd,) = (instructions(name, last_stage()) for name in ("ENTRYPOINT", "CMD"))
    return [*entrypoint.words, *cmd.words]


def image_environment() -> Dict[str, str]:
    pairs = [word.split("=", 1) for i in instructions("ENV", last_stage()) for word in i.words]
    return dict(pairs)


def image_user() -> int:
    (user,) = instructions("USER", last_stage())
    uid, gid = user.text.split(":")
    assert uid == gid
    return int(uid)
