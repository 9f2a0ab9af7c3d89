"""What the mock of Kubernetes and the real one have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

NAMESPACE, NAME, KEY = "abcdesktop", "abcdesktop-config", "od.config"
TOKEN = "a-token-of-the-cluster"
BROKEN = "broken-for-pyos"
"""A pod of pyos does not get ready if its od.config contains this."""


def write_kubeconfig(
    file: Path, url: str, context: str = "test", token: str = TOKEN, **cluster: Any
) -> Path:
    """Write a kubeconfig with one context, and a token."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "contexts": [{"name": context, "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url, **cluster}}],
        "users": [{"name": "u", "user": {"token": token}}],
    }
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file
