"""A real nginx, with the location of examples/03-beside-pyos, in front of `abcwebrtc serve`."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Iterator, Tuple
from urllib.parse import urlsplit

from integration.turn import free_ports
from support import beside
from support.waiting import listens, wait_for

_CONF = """
daemon off;
{user}
pid {folder}/nginx.pid;
worker_processes 2;
worker_rlimit_nofile 32768;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {zone}
  upstream abcwebrtc.abcdesktop.svc.cluster.local {{ server {address}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096 {tls};
    {locations}
    location /API/ {{ proxy_pass http://{address}; }}
  }}
}}
"""


@contextlib.contextmanager
def nginx_before(
    program: str,
    folder: Path,
    base_url: str,
    certificate: Tuple[str, str] = ("", ""),
    limits: bool = False,
) -> Iterator[str]:
    """Run nginx, and yield its URL; `certificate` names the files of a certificate and its key.

    With `limits` it limits requests, as the comments of the shipped location show.
    """
    (port,) = free_ports(1)
    cert, key = certificate
    locations, zone = beside.shipped_location({}), ""
    if limits:
        zone = locations.partition("#   limit_req_zone")[2].partition("\n")[0]
        zone = f"limit_req_zone{zone}"
        locations = beside.shipped_location({"# limit_req zone": "limit_req zone"})
    conf = folder / "nginx.conf"
    conf.write_text(
        _CONF.format(
            user="" if os.geteuid() else "user root;",
            folder=folder,
            address=urlsplit(base_url).netloc,
            port=port,
            tls=f"ssl; ssl_certificate {cert}; ssl_certificate_key {key}" if cert else "",
            locations=locations,
            zone=zone,
        )
    )
    log = folder / "nginx-error.log"
    with running_nginx(program, conf, log, port):
        yield f"http{'s' if cert else ''}://127.0.0.1:{port}"


@contextlib.contextmanager
def running_nginx(program: str, conf: Path, log: Path, port: int) -> Iterator[None]:
    """Run nginx on a port of 127.0.0.1; `log` gets what is wrong with `conf`."""
    command = [program, "-e", str(log), "-c", str(conf)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: process.poll() is not None or listens("127.0.0.1", port))
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait()
