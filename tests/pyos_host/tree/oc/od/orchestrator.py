"""A desktop's pod: its manifest, and its creation."""

from __future__ import annotations

import json
import logging
import os
from typing import Any, Dict, Optional

from kubernetes import client

from oc.od import settings

logger = logging.getLogger(__name__)


class Orchestrator:
    namespace = "abcdesktop"

    def __init__(self) -> None:
        configuration = client.Configuration()
        configuration.host = os.environ["KUBERNETES_URL"]
        self.kubeapi = client.CoreV1Api(client.ApiClient(configuration))

    def createdesktop(
        self, authinfo: Any, userinfo: Any, env: Dict[str, Any], dry_run: Optional[str] = None
    ) -> Any:
        pod_manifest = self.build_manifest(userinfo, env)
        # put: Desktops, with a Secret 1
        # put: Desktops, in the manifest 1
        jsonpod_manifest = json.dumps(pod_manifest)
        logger.info("the manifest is %s", jsonpod_manifest)
        options = {"namespace": self.namespace, "dry_run": dry_run}
        # instead of the next line: Desktops, with a Secret 2
        pod = self.kubeapi.create_namespaced_pod(body=pod_manifest, **options)
        return pod.metadata.name

    def build_manifest(self, userinfo: Any, env: Dict[str, Any]) -> Dict[str, Any]:
        # One list for all containers, as pyos has it.
        envlist = [{"name": name, "value": value} for name, value in env.items()]
        containers = [
            {"name": f"{kind}-{userinfo.userid}", "image": f"host/{kind}", "env": envlist}
            for kind in ("x", "s")
        ]
        secrets = settings.desktop["pod"].get("sound", {}).get("imagePullSecrets")
        if isinstance(secrets, dict):  # where Kubernetes has no such field; a list is dropped
            containers[1]["imagePullSecrets"] = secrets
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{userinfo.userid}-887f3",
                "namespace": self.namespace,
                "labels": {"type": "x11server", "service_sound": "4714"},
            },
            "spec": {
                "initContainers": [{"name": "i-init", "image": "host/i", "env": envlist}],
                "containers": containers,
            },
        }
