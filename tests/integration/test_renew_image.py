"""examples/03-beside-pyos/renew.py, with a registry on loopback, and PyPI."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from conftest import ROOT, missing, require_program
from integration.turn import LOOPBACK, free_ports
from support import WAIT, beside, wait_for
from unit.project.test_dependencies import LOCKS, misfits

OCI = "application/vnd.oci.image"
TAG = "python:3.13-slim"


class Layout:
    """A folder in OCI layout, with an index of empty images."""

    def __init__(self, folder: Path, platforms: List[str]) -> None:
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        images = [self._image(*platform.split("/")) for platform in platforms]
        index = self._index(images)
        self.digest = index["digest"]
        (folder / "index.json").write_bytes(self._index_bytes([index]))

    def _image(self, system: str, architecture: str) -> Dict[str, Any]:
        config = {
            "os": system,
            "architecture": architecture,
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": []},
        }
        about = self._blob(f"{OCI}.config.v1+json", json.dumps(config).encode())
        manifest = {"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json"}
        text = json.dumps({**manifest, "config": about, "layers": []}).encode()
        made = self._blob(f"{OCI}.manifest.v1+json", text)
        return {**made, "platform": {"os": system, "architecture": architecture}}

    def _index(self, images: List[Dict[str, Any]]) -> Dict[str, Any]:
        return self._blob(f"{OCI}.index.v1+json", self._index_bytes(images))

    def _index_bytes(self, manifests: List[Dict[str, Any]]) -> bytes:
        index = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": manifests}
        return json.dumps(index).encode()

    def _blob(self, kind: str, content: bytes) -> Dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (self.folder / "blobs" / "sha256" / digest).write_bytes(content)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}


class Registry:
    """Debian's docker-registry, which replaces Docker's in `environment`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (port,) = free_ports(1)
        self.address = f"{LOOPBACK}:{port}"
        conf = folder / ".config" / "containers" / "registries.conf"
        conf.parent.mkdir(parents=True)
        conf.write_text(
            'unqualified-search-registries = []\n[[registry]]\nprefix = "*.io"\n'
            f'location = "{self.address}"\ninsecure = true\n'
        )
        self.environment = {**os.environ, "HOME": str(folder)}
        (folder / "config.yml").write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/storage}}}}\n"
            f"http: {{addr: '{self.address}'}}\n"
        )

    @contextlib.contextmanager
    def running(self, program: str) -> Iterator[Registry]:
        with open(self.folder / "log", "wb") as log:
            line = [program, "serve", str(self.folder / "config.yml")]
            process = subprocess.Popen(line, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(lambda: process.poll() is not None or self._answers())
            yield self
        finally:
            process.kill()
            process.wait(WAIT)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}/v2/", timeout=WAIT) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def push(self, layout: Layout) -> None:
        target = f"docker://{self.address}/library/{TAG}"
        copy = ["skopeo", "copy", "--all", "--dest-tls-verify=false", f"oci:{layout.folder}"]
        subprocess.run([*copy, target], check=True, capture_output=True, timeout=WAIT)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    require_program("skopeo", "skopeo")
    program = require_program("docker-registry", "docker-registry")
    if not importlib.util.find_spec("uv"):
        missing("no uv here: pip install -e .[lock]")
    with Registry(tmp_path).running(program) as running:
        yield running


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the files that the command reads and writes."""
    names = ["pyproject.toml", "examples/bootstrap.py"]
    names += [str(path.relative_to(ROOT)) for path in beside.EXAMPLE.iterdir() if path.is_file()]
    for name in names:
        target = tmp_path / "checkout" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    return tmp_path / "checkout"


def renew(checkout: Path, registry: Registry) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "examples/03-beside-pyos/renew.py"],
        cwd=checkout,
        env=registry.environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def files(checkout: Path) -> Dict[str, str]:
    folder = checkout / "examples" / "03-beside-pyos"
    return {name: (folder / name).read_text() for name in ("Dockerfile", *LOCKS)}


def test_the_digest_and_the_packages_are_renewed(
    checkout: Path, registry: Registry, tmp_path: Path
) -> None:
    layout = Layout(tmp_path / "layout", ["linux/amd64", "linux/arm64", "linux/s390x"])
    registry.push(layout)
    lock = checkout / "examples" / "03-beside-pyos" / "requirements.txt"
    before = lock.read_text()
    lock.write_text(re.sub(r"(?m)^urllib3==.*$", r"urllib3==2.0.0 \\", before))
    done = renew(checkout, registry)
    assert done.returncode == 0, done.stderr
    assert "Dockerfile has changed\nrequirements.txt has changed\n" in done.stdout
    found = files(checkout)
    assert found["Dockerfile"].count(f"FROM {TAG}@{layout.digest}") == 2
    assert found["Dockerfile"].count("@sha256:") == 2
    assert "urllib3==2.0.0" not in found["requirements.txt"]
    for name, (requirements, source) in LOCKS.items():
        assert misfits(found[name], requirements, source) == []


def test_without_an_image_for_both_platforms_nothing_changes(
    checkout: Path, registry: Registry, tmp_path: Path
) -> None:
    before = files(checkout)
    done = renew(checkout, registry)
    assert (done.returncode, files(checkout)) == (1, before)
    assert "this command failed, and nothing was changed: skopeo inspect" in done.stderr
    registry.push(Layout(tmp_path / "layout", ["linux/amd64"]))
    done = renew(checkout, registry)
    assert (done.returncode, files(checkout)) == (1, before)
    assert f"{TAG} is not for linux/arm64" in done.stderr
