"""The programs between a desktop's sound and a browser, each as a context manager.

The tests run the same programs in network namespaces: `within` of a `Host` turns a command
line into one that runs there.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, List, Mapping, Optional, Sequence

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import desktoppod  # noqa: E402
import stage  # noqa: E402

SYSTEM_PYTHON = "/usr/bin/python3"
SOUND = HERE / "container" / "sound.py"
SECONDS = 60
NGINX_CONF = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{}}
http {{
  access_log off;
  types {{ text/html html; text/css css; text/javascript js; }}
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;

  # In abcdesktop the token identifies the desktop.
  map $arg_user $desktop {{ {desktops} }}

  server {{
    listen 127.0.0.1:{port};
    root {page};
    index index.html;
    add_header Cache-Control no-store;

    # In place of a login: everybody who reaches this port is believed.
    location /login/ {{ alias {logins}/; default_type text/plain; }}
    location /API/ {{ proxy_pass {api}; }}
    location = /signalling {{
      if ($desktop = "") {{ return 404; }}
      proxy_pass http://$desktop;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_read_timeout 1d;
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Host:
    """Where programs run: their files, what runs a command line there, their environment."""

    folder: Path
    within: Callable[[Sequence[object]], List[str]] = lambda command: list(map(str, command))
    environ: Optional[Mapping[str, str]] = None

    @contextmanager
    def running(self, name: str, command: Sequence[object], **options: Any) -> Iterator[Program]:
        """Run a program whose output goes into a log file with its name."""
        log = self.folder / f"{name}.log"
        with open(log, "wb") as stream:
            settings = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "stdout": stream}
            settings = {"env": self.environ, **settings, **options}
            with stage.running(self.within(command), **settings) as process:
                yield Program(name, process, log)


@dataclass(frozen=True)
class Program:
    """A running program and its log file."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """Terminate it early."""
        self.process.terminate()
        self.process.wait(SECONDS)

    def wait_for(self, text: str) -> str:
        """Wait for a whole line that contains a text, and return it."""

        def found() -> Optional[str]:
            lines = self.output.splitlines(keepends=True)
            return next((one for one in lines if text in one and one.endswith("\n")), None)

        return str(self.wait_until(found)).strip()

    def wait_until(self, condition: Callable[[], Any]) -> Any:
        """Return the value of a condition once it is true, while the program runs."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            ended = self.process.poll() is not None
            value = condition()
            if value:
                return value
            if ended:
                break
            time.sleep(0.05)
        raise ChainError(f"{self.name} did not start:\n{self.output}")


class ChainError(Exception):
    """A program did not start."""


@contextmanager
def running_coturn(
    host: Host, od_config: Path, *options: object, switches: Sequence[str] = ()
) -> Iterator[Program]:
    """Run coturn with the turnserver.conf that abcwebrtc makes from an od.config.

    `options` are those of ``abcwebrtc turnserver-conf``, `switches` those of coturn.
    """
    conf = host.folder / "turnserver.conf"
    make = ["turnserver-conf", od_config, "--output", conf, "--force", "--quiet", *options]
    subprocess.run(abcwebrtc(*make), check=True, env=host.environ, stdout=subprocess.DEVNULL)
    files = {"--pidfile": "turnserver.pid", "--userdb": "turnserver.db"}
    paths = [word for option, name in files.items() for word in (option, host.folder / name)]
    command = [stage.program("turnserver"), "-c", conf, "--log-file=stdout", *paths, *switches]
    with host.running("turnserver", command) as coturn:
        coturn.wait_for("SQLite DB connection success")
        yield coturn


def abcwebrtc(*arguments: object) -> List[str]:
    """Return the command line of abcwebrtc."""
    return [sys.executable, "-m", "abcwebrtc", *map(str, arguments)]


@contextmanager
def running_serve(host: Host, od_config: Path) -> Iterator[str]:
    """Run ``abcwebrtc serve`` on a free port; give its base URL."""
    with host.running("serve", abcwebrtc("serve", od_config, "--port", 0)) as serve:
        yield serve.wait_for("serving on").split()[-1]


@dataclass(frozen=True)
class Desktop:
    """The running sound container of a user."""

    user: str
    address: str
    folder: Path
    container: Program

    @property
    def pulse_server(self) -> str:
        """The value of PULSE_SERVER for programs of this desktop."""
        return f"unix:{self.folder / '.pulse.sock'}"


@contextmanager
def running_desktop(
    host: Host, od_config: Path, user: str, pod_ip: str, port: int, *options: object, **given: Any
) -> Iterator[Desktop]:
    """Run the stand-in for a user's sound container.

    `options` are its own, `given` what `prepare_pod` is told, such as the user's labels.
    """
    folder = host.folder / user
    folder.mkdir(mode=0o700, exist_ok=True)
    image = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "XDG_CACHE_HOME": str(host.folder / "cache"),  # GStreamer's, once for all desktops
    }
    environment = {**image, **desktoppod.sound_environment(od_config, user, pod_ip, **given)}
    command = [SYSTEM_PYTHON, "-u", SOUND, "--folder", folder, "--port", port, *options]
    with host.running(f"sound-{user}", command, env=environment) as container:
        container.wait_for("signalling on")
        yield Desktop(user, f"{pod_ip}:{port}", folder, container)


@contextmanager
def running_nginx(
    host: Host, port: int, api: str, logins: Path, desktops: Mapping[str, str]
) -> Iterator[str]:
    """Run nginx, which gives the page, the API and the signalling one origin.

    `logins` is a folder with the token of each user. `desktops` has the address of each
    user's signalling. Give the base URL.
    """
    port = port or stage.free_port()
    addresses = " ".join(f'"{user}" {address};' for user, address in desktops.items())
    names = {"folder": host.folder, "page": HERE / "page", "logins": logins}
    text = NGINX_CONF.format(port=port, api=api, desktops=addresses, **names)
    conf = host.folder / "nginx.conf"
    conf.write_text(text, encoding="utf-8")
    command = [stage.program("nginx"), "-e", host.folder / "nginx-error.log", "-c", conf]
    with host.running("nginx", command) as nginx:
        nginx.wait_until(lambda: (host.folder / "nginx.pid").exists())
        yield f"http://localhost:{port}"
