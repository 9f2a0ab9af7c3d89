"""A real Kubernetes: etcd, API server and controllers, with a stand-in for the kubelet.

No container runs. The stand-in binds pods to a node, and says that they are ready, unless
their ConfigMap says `BROKEN`, with which pyos would not start.
"""

from __future__ import annotations

import contextlib
import ssl
import subprocess
import threading
import time
import urllib.request
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, TextIO

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from build_kubernetes import FOLDER, PROGRAMS
from conftest import missing, require_program
from integration.kubeconfig import BROKEN, TOKEN, write_kubeconfig
from integration.turn import free_ports
from support import wait_for

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # google-auth warns of Python 3.9
    from kubernetes import client, config

LOOPBACK, NODE = "127.0.0.1", "node-1"
ADMIN = "the-token-of-the-administrator"
START_SECONDS = 120
CONTROLLERS = "deployment,replicaset,garbagecollector,namespace,serviceaccount,serviceaccount-token"


def require_kubernetes() -> None:
    """Skip the test if Kubernetes is not built, and say how to build it."""
    require_program("etcd", "etcd-server")
    if not all((FOLDER / program).exists() for program in PROGRAMS):
        missing("Kubernetes is not built; run python3 tests/build_kubernetes.py")


class ControlPlane:
    """The running programs, each with a log in `folder`, and the kubeconfigs of two users.

    `admin` may do all; `user` may do what a test allows it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: List["subprocess.Popen[bytes]"] = []
        self._ports = dict(zip(("etcd", "peers", "api", "controllers"), free_ports(4)))
        self.url = f"https://{LOOPBACK}:{self._ports['api']}"
        self._write_keys()
        authority = {"certificate-authority": str(folder / "ca.pem")}
        self.admin = write_kubeconfig(folder / "admin", self.url, token=ADMIN, **authority)
        self.user = write_kubeconfig(folder / "user", self.url, token=TOKEN, **authority)

    def _write_keys(self) -> None:
        authority, folder = trustme.CA(), self._folder
        issued = authority.issue_cert(LOOPBACK)
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
        issued.private_key_pem.write_to_path(str(folder / "key.pem"))
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = serialization.Encoding.PEM
        traditional = serialization.PrivateFormat.TraditionalOpenSSL
        private = key.private_bytes(pem, traditional, serialization.NoEncryption())
        (folder / "accounts.pem").write_bytes(private)
        lines = f'{ADMIN},admin,admin,"system:masters"\n{TOKEN},somebody,somebody\n'
        (folder / "tokens.csv").write_text(lines)

    def start(self) -> None:
        """Start all programs, and wait until pods can be created."""
        self._start_etcd()
        self._start_api_server()
        self._wait_until_ready()
        self._start_controllers()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.api_client = config.new_client_from_config(str(self.admin))
        self.core = client.CoreV1Api(self.api_client)
        self.core.create_node({"metadata": {"name": NODE}})

    def _start_etcd(self) -> None:
        own, peers = (f"http://{LOOPBACK}:{self._ports[name]}" for name in ("etcd", "peers"))
        self._start(
            require_program("etcd", "etcd-server"),
            *("--data-dir", str(self._folder / "data")),
            *("--listen-client-urls", own, "--advertise-client-urls", own),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            *("--initial-cluster", f"default={peers}"),
            # etcd gives a write 5 s and two of these; where a disk is busy, that is too little
            *("--heartbeat-interval", "1000", "--election-timeout", "10000"),
        )

    def _start_api_server(self) -> None:
        accounts = self._folder / "accounts.pem"
        self._start(
            str(FOLDER / "kube-apiserver"),
            f"--etcd-servers=http://{LOOPBACK}:{self._ports['etcd']}",
            *(f"--bind-address={LOOPBACK}", f"--secure-port={self._ports['api']}"),
            f"--tls-cert-file={self._folder / 'cert.pem'}",
            f"--tls-private-key-file={self._folder / 'key.pem'}",
            f"--token-auth-file={self._folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={accounts}",
            f"--service-account-signing-key-file={accounts}",
            "--service-cluster-ip-range=10.96.0.0/24",
        )

    def _start_controllers(self) -> None:
        self._start(
            str(FOLDER / "kube-controller-manager"),
            f"--kubeconfig={self.admin}",
            f"--controllers={CONTROLLERS}",
            f"--service-account-private-key-file={self._folder / 'accounts.pem'}",
            f"--root-ca-file={self._folder / 'ca.pem'}",
            *("--leader-elect=false", "--port=0", f"--bind-address={LOOPBACK}"),
            *(f"--secure-port={self._ports['controllers']}", f"--cert-dir={self._folder / 'own'}"),
        )

    def _start(self, program: str, *arguments: str) -> None:
        log = self._folder / f"{Path(program).name}.log"
        with open(log, "wb") as stream:
            process = subprocess.Popen(
                (program, *arguments),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        self._processes.append(process)

    def _wait_until_ready(self) -> None:
        context = ssl.create_default_context(cafile=str(self._folder / "ca.pem"))
        headers = {"Authorization": f"Bearer {ADMIN}"}

        def is_ready() -> bool:
            assert [process.poll() for process in self._processes] == [None, None]
            request = urllib.request.Request(f"{self.url}/readyz", headers=headers)
            with contextlib.suppress(OSError):
                urllib.request.urlopen(request, context=context).close()
                return True
            return False

        wait_for(is_ready, START_SECONDS)

    def stop(self) -> None:
        """Stop all programs; if a test fails, pytest shows the ends of their logs."""
        for process in reversed(self._processes):
            process.kill()
            process.wait()
        for log in self._folder.glob("*.log"):
            print(f"{log.name}:", log.read_text(encoding="utf-8", errors="replace")[-2000:])


class Kubelet(threading.Thread):
    """Does to pods what a kubelet would visibly do, until `stop`, with a log in `folder`."""

    def __init__(self, core: Any, folder: Path) -> None:
        super().__init__(daemon=True)
        self._core = core
        self._log = folder / "kubelet.log"
        self._over = threading.Event()

    def run(self) -> None:
        """Look at all pods, several times a second."""
        with open(self._log, "w", encoding="utf-8", buffering=1) as log:
            while not self._over.wait(0.2):
                for pod in self._try(log, self._pods) or []:
                    # It may have changed or gone meanwhile; the next look sees that.
                    self._try(log, self._care_for, pod, pod.metadata.name, pod.metadata.namespace)

    def _try(self, log: TextIO, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call, and log a failure, as a kubelet does: a busy API server fails now and then."""
        try:
            return call(*arguments)
        except Exception as error:
            print(time.strftime("%T"), call.__name__, type(error).__name__, error, file=log)

    def _pods(self) -> List[Any]:
        return list(self._core.list_pod_for_all_namespaces().items)

    def stop(self) -> None:
        self._over.set()
        self.join()

    def _care_for(self, pod: Any, name: str, namespace: str) -> None:
        if pod.metadata.deletion_timestamp:
            self._core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)
        elif not pod.spec.node_name:
            target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
            binding = {"metadata": {"name": name}, "target": target}
            self._core.create_namespaced_binding(namespace, binding, _preload_content=False)
        else:
            status = self._status(pod, self._is_broken(pod, namespace))
            if status["conditions"][0]["status"] != ready_condition(pod):
                self._core.patch_namespaced_pod_status(name, namespace, {"status": status})

    def _is_broken(self, pod: Any, namespace: str) -> bool:
        for volume in pod.spec.volumes or []:
            if volume.config_map:
                found = self._core.read_namespaced_config_map(volume.config_map.name, namespace)
                return any(BROKEN in text for text in (found.data or {}).values())
        return False

    def _status(self, pod: Any, broken: bool) -> Dict[str, Any]:
        state = {"waiting": {"reason": "CrashLoopBackOff"}} if broken else {"running": {}}
        own = {"ready": not broken, "restartCount": 0, "imageID": "", "state": state}
        containers = [{"name": one.name, "image": one.image, **own} for one in pod.spec.containers]
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        ready = {"type": "Ready", "status": str(not broken), "lastTransitionTime": now}
        return {"phase": "Running", "conditions": [ready], "containerStatuses": containers}


def ready_condition(pod: Any) -> str:
    """Return the status of a pod's condition Ready, as text."""
    found = [one.status for one in pod.status.conditions or [] if one.type == "Ready"]
    return str(found[0]) if found else ""


@contextlib.contextmanager
def running(folder: Path) -> Iterator[ControlPlane]:
    """Run a Kubernetes with its kubelet."""
    require_kubernetes()
    plane = ControlPlane(folder)
    try:
        plane.start()
        kubelet = Kubelet(plane.core, folder)
        kubelet.start()
        try:
            yield plane
        finally:
            kubelet.stop()
    finally:
        plane.stop()
