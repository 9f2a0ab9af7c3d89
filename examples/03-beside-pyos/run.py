"""abcwebrtc beside pyos, on this machine: what the manifests describe, without a cluster.

    python3 examples/03-beside-pyos/run.py

starts coturn, two `abcwebrtc serve` with the od.config of abcwebrtc.yaml, a
stand-in for pyos, and in front of them nginx with abcwebrtc-location.conf. It
makes the calls of abcdesktop's browser client through nginx. Then it changes the
secret as the kubelet changes a mounted one, and opens an allocation on coturn
with a credential from before and one from after. Ctrl-C ends everything.

--once    end after the calls
--port N  nginx's port (8080)
--apt     install missing Debian packages (python3-venv, coturn, nginx)
"""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import bootstrap  # noqa: E402
import stage  # noqa: E402

RUN = HERE / "run"
TURN_PORT = 14782
ENDPOINT = "/API/webrtc/coturn_rtcconfiguration"
KEYINFO = "/API/core/getkeyinfo"
PUBLIC_KEY = "abcdesktop_jwt_user_signing_public_key.pem"
NGINX_CONF = """\
daemon off;
pid {run}/nginx.pid;
error_log {run}/nginx-error.log;
{user}
events {{}}
http {{
  access_log {run}/nginx-access.log;
  client_body_temp_path {run}/nginx-body;
  proxy_temp_path {run}/nginx-proxy;
  fastcgi_temp_path {run}/nginx-fastcgi;
  uwsgi_temp_path {run}/nginx-uwsgi;
  scgi_temp_path {run}/nginx-scgi;

  # In a cluster this name is the Service's.
  upstream abcwebrtc.abcdesktop.svc.cluster.local {{ {servers} }}

  server {{
    listen 127.0.0.1:{port};
    include {location};
    location ~ ^/API {{ proxy_pass http://{pyos}; }}
  }}
}}
"""


def main() -> None:
    """Do what the module says."""
    options = stage.options_parser(__doc__).parse_args()
    bootstrap.enter_venv("metrics", ["abcwebrtc", "aioice"], options.apt)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if not bootstrap.install_debian_packages(["coturn", "nginx"], options.apt):
        sys.exit("this example needs both coturn and nginx")
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir(mode=0o700)
    first, second = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    volumes = [make_volumes(RUN / name, first) for name in ("replica-1", "replica-2")]
    try:
        with ExitStack() as stack:
            stack.enter_context(stage.running_coturn(RUN, TURN_PORT, first, second))
            urls = [stack.enter_context(running_serve(volume)) for volume in volumes]
            pyos = stack.enter_context(running_pyos())
            base_url = stack.enter_context(running_nginx(options.port, urls, pyos))
            show_calls(base_url)
            show_rotation(base_url, volumes, first, second)
            show_end(base_url, urls)
            stage.wait_unless(options.once)
    except KeyboardInterrupt:
        print()


# what Kubernetes does


def make_volumes(folder: Path, secret: str) -> Path:
    """Create the volumes of a replica, and return their folder."""
    for name in ("config", "config.turn", "config.usersigning"):
        (folder / name).mkdir(parents=True)
    update_volume(folder / "config", {"od.config": od_config(folder)})
    update_volume(folder / "config.turn", secret_files(secret))
    update_volume(folder / "config.usersigning", {PUBLIC_KEY: user_key().decode()})
    return folder


def update_volume(volume: Path, files: Dict[str, str]) -> None:
    """Write the files of a volume as the kubelet does, so that all change in one step."""
    fresh, data, swap = (volume / f"..{name}" for name in (time.time_ns(), "data", "data_tmp"))
    fresh.mkdir()
    for name, text in files.items():
        (fresh / name).write_text(text)
    old = data.resolve() if data.is_symlink() else None
    swap.symlink_to(fresh.name)
    os.replace(swap, data)
    if old:
        shutil.rmtree(old)
        return
    for name in files:
        (volume / name).symlink_to(f"..data/{name}")


def od_config(folder: Path) -> str:
    """Return the od.config of the ConfigMap, with this example's paths and TURN server."""
    import yaml

    documents = yaml.safe_load_all((HERE / "abcwebrtc.yaml").read_text())
    text = next(d["data"]["od.config"] for d in documents if d["kind"] == "ConfigMap")
    text = text.replace("'/config", f"'{folder}/config").replace("'turns'", "'turn'")
    for port in (3478, 5349):
        text = text.replace(f"turn.domain.local:{port}", f"127.0.0.1:{TURN_PORT}")
    return text


def secret_files(*values: str) -> Dict[str, str]:
    """Return the files of the Secret abcwebrtc-turn, the newest secret first."""
    return {"static-auth-secret": "\n".join(values), "pseudonym-key": "a-key-that-stays-as-it-is"}


def user_key() -> bytes:
    """Return pyos's public key; the first call creates it, and the token of a user."""
    file = RUN / "user_public_key.pem"
    if not file.exists():
        file.write_bytes(stage.make_user(RUN))
    return file.read_bytes()


# the programs


@contextmanager
def running_serve(volumes: Path) -> Iterator[str]:
    """Run `abcwebrtc serve` with the volumes of a replica; give its base URL."""
    command = [sys.executable, "-m", "abcwebrtc", "serve", str(volumes / "config" / "od.config")]
    with open(volumes / "log", "w") as log:
        options: Dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": log, "text": True}
        with stage.running([*command, "--port", "0"], **options) as process:
            line = process.stdout.readline()
            if "serving on" not in line:
                sys.exit("abcwebrtc serve did not start: " + (volumes / "log").read_text())
            yield line.split()[-1]


@contextmanager
def running_pyos() -> Iterator[str]:
    """Run a stand-in for pyos that only answers getkeyinfo; give its address."""
    from abcwebrtc import load_od_config

    entries = load_od_config(RUN / "replica-1" / "config" / "od.config")

    class Pyos(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = {"id": entries.get(json.loads(body).get("provider")), "callbackurl": None}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pyos)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()


@contextmanager
def running_nginx(port: int, urls: List[str], pyos: str) -> Iterator[str]:
    """Run nginx with the location of this folder; give its base URL."""
    if port and stage.listens("127.0.0.1", port):
        sys.exit(f"port {port} is in use; choose another one with --port")
    port = port or stage.free_port()
    config = RUN / "nginx.conf"
    config.write_text(
        NGINX_CONF.format(
            run=RUN,
            user="" if os.geteuid() else "user root;",
            servers=" ".join(f"server {url.partition('//')[2]};" for url in urls),
            port=port,
            location=HERE / "abcwebrtc-location.conf",
            pyos=pyos,
        )
    )
    command = [stage.program("nginx"), "-e", str(RUN / "nginx-error.log"), "-c", str(config)]
    with stage.running(command) as process:
        stage.wait_for(lambda: process.poll() is not None or stage.listens("127.0.0.1", port), RUN)
        if process.poll() is not None:
            sys.exit("nginx did not start: " + (RUN / "nginx-error.log").read_text())
        yield f"http://127.0.0.1:{port}"


# what is shown


def show_calls(base_url: str) -> None:
    """Make the calls of the browser client, in its order, and print the answers."""
    print(f"A browser asks {base_url} for its configuration, in three calls.\n")
    show_key(base_url, "webrtc.enable")
    print(f"abcwebrtc answers {ENDPOINT}:", json.dumps(call(base_url + ENDPOINT, {}), indent=2))
    show_key(base_url, "webrtc.rtc_constraints")


def show_key(base_url: str, provider: str) -> None:
    """Ask for a key, which pyos answers, and print it."""
    answer = call(base_url + KEYINFO, {"provider": provider})
    print(f"pyos answers {KEYINFO} for {provider}: {json.dumps(answer['id'])}")


def show_rotation(base_url: str, volumes: List[Path], first: str, second: str) -> None:
    """Change the secret of both replicas, and use credentials from before and after."""
    before = stage.wait_for(lambda: credential_of(base_url, first), RUN)
    for volume in volumes:
        update_volume(volume / "config.turn", secret_files(second, first))
    print("\nThe secret has changed, without a restart:")
    after = stage.wait_for(lambda: credential_of(base_url, second), RUN)
    for name, server in (("old", before), ("new", after)):
        _, port = asyncio.run(stage.open_allocation(TURN_PORT, server))
        print(f"coturn accepts a credential of the {name} secret: relay 127.0.0.1:{port}")


def show_end(base_url: str, urls: List[str]) -> None:
    """Print what runs, and what to try with the programs of this machine."""
    folder = os.path.relpath(RUN)
    stage.show_end(
        [
            f"nginx at {base_url}, in front of the next three",
            *(f"abcwebrtc serve at {url}" for url in urls),
            "a stand-in for pyos",
            f"coturn at 127.0.0.1:{TURN_PORT}",
        ],
        [
            *stage.curl(base_url + ENDPOINT, RUN / "token"),
            f"{stage.abcwebrtc()} probe {folder}/replica-1/config/od.config",
            f"tail {folder}/replica-*/log",
        ],
    )


def credential_of(base_url: str, secret: str) -> Any:
    """Ask for a credential; return its server if this secret has signed it."""
    from abcwebrtc import verify_turn_credentials

    server = call(base_url + ENDPOINT, {})["result"]["iceServers"][-1]
    good = verify_turn_credentials(secret, server["username"], server["credential"])
    return server if good else None


def call(url: str, body: Dict[str, Any]) -> Dict[str, Any]:
    """Post JSON as the browser client does, and return the answer."""
    return stage.call(url, (RUN / "token").read_text(), body)


if __name__ == "__main__":
    main()
