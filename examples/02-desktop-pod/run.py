"""A desktop pod with WebRTC sound, created together with its Secret.

    python3 examples/02-desktop-pod/run.py

puts STUN_SERVER, TURN_SERVER and od.config's sound container into desktop.yaml.
It prints the pod, and the calls of the Kubernetes API that create it. Only the
Secret holds the password, and nothing holds the static secret.

--guest    a user with a label that the acl of the sound container denies
--cluster  really make the calls, on the cluster of your kubeconfig
--apt      install missing Debian packages (python3-venv)
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path
from typing import Any, Dict, Sequence

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import bootstrap  # noqa: E402

USER = "alice"
SECRET_FILE = HERE / "run" / "turn_secret"


def main() -> None:
    """Do what the module says."""
    options = parse_options()
    bootstrap.enter_venv("metrics", ["abcwebrtc", "kubernetes"], options.apt)
    import yaml

    from abcwebrtc import WebRTCConfig

    make_secret()
    config = WebRTCConfig.from_file(HERE / "od.config")
    pod = yaml.safe_load((HERE / "desktop.yaml").read_text(encoding="utf-8"))
    labels = ["guest"] if options.guest else []
    if not options.cluster:
        print("These calls of the Kubernetes API would create the desktop:\n")
    create_desktop(connect() if options.cluster else Rehearsal(), pod, config, USER, labels)
    show_end(options)


def create_desktop(
    api: Any, pod: Dict[str, Any], config: Any, user: str, labels: Sequence[str]
) -> None:
    """Create a desktop: its Secret first, since the pod waits for it.

    `api` is a ``kubernetes.client.CoreV1Api``. ``_preload_content=False`` keeps its older
    versions from writing the answer, which has the Secret's data, to the debug log.
    """
    from abcwebrtc import owned_secret, prepare_pod

    prepared = prepare_pod(pod, config, user, labels=labels)
    for note in prepared.notes:
        print("note:", note)
    namespace = pod["metadata"]["namespace"]
    if prepared.secret:
        api.create_namespaced_secret(namespace, prepared.secret, _preload_content=False)
    created = api.create_namespaced_pod(namespace, prepared.pod)
    if prepared.secret:  # so that Kubernetes deletes it with the pod
        owned = owned_secret(prepared.secret, created)
        name = owned["metadata"]["name"]
        api.patch_namespaced_secret(name, namespace, owned, _preload_content=False)


def show_end(options: argparse.Namespace) -> None:
    """Print what was done, and what else to try."""
    this = "python3 examples/02-desktop-pod/run.py"
    if options.cluster:
        print("The desktop is created. To delete it, with its Secret:\n")
        print(f"  kubectl delete pod -n abcdesktop desktop-{USER}")
        return
    print("\nNothing was created, and no cluster was contacted. Try:\n")
    if options.guest:
        print(f"  {this}              a user who may have sound")
    else:
        print(f"  {this} --guest      a user who may not have sound")
    print(f"  {this} --cluster    make these calls, on the cluster of your kubeconfig")


class Rehearsal:
    """Print each call, and create nothing."""

    def create_namespaced_secret(self, namespace: str, body: Dict[str, Any], **_: Any) -> None:
        """Say that a Secret would be created, and name its keys."""
        name, keys = body["metadata"]["name"], ", ".join(body["stringData"])
        print(f"create Secret {namespace}/{name} with {keys}")

    def create_namespaced_pod(self, namespace: str, body: Dict[str, Any]) -> Dict[str, Any]:
        """Print the pod that would be created, and return it as the API server would."""
        import yaml

        print(f"create Pod {namespace}/{body['metadata']['name']}")
        print(yaml.safe_dump(body, sort_keys=False))
        return {**body, "metadata": {**body["metadata"], "uid": "its-uid"}}

    def patch_namespaced_secret(
        self, name: str, namespace: str, body: Dict[str, Any], **_: Any
    ) -> None:
        """Say that a Secret would get its owner."""
        (owner,) = body["metadata"]["ownerReferences"]
        print(f"patch Secret {namespace}/{name}: owned by {owner['kind']} {owner['name']}")


def connect() -> Any:
    """Return the API of the cluster that kubectl would use."""
    from kubernetes import client, config

    config.load_kube_config()
    return client.CoreV1Api()


def make_secret() -> None:
    """Create the file that od.config names, readable by this user only."""
    SECRET_FILE.parent.mkdir(exist_ok=True)
    if not SECRET_FILE.exists():
        descriptor = os.open(SECRET_FILE, os.O_WRONLY | os.O_CREAT, 0o600)
        with open(descriptor, "w", encoding="utf-8") as stream:
            stream.write(secrets.token_urlsafe(32) + "\n")


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("--guest", "--cluster", "--apt"):
        parser.add_argument(name, action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
