"""The client's address in the log of a real `serve`, behind a real nginx and without it."""

from __future__ import annotations

import contextlib
import http.client
import re
from pathlib import Path
from typing import Iterator, List
from urllib.parse import urlsplit

import pytest

from conftest import require_program
from support import ServerProcess, running_server, wait_for, write_od_config
from support.front import nginx_before

NGINX, CLIENT, NEIGHBOUR = "127.0.0.1", "127.0.0.2", "127.0.0.3"
FORGED = "203.0.113.9"
PATH = "/API/webrtc/turn?service=turn"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    od_config = write_od_config(tmp_path_factory.mktemp("proxied"))
    options = ("--behind-proxy", "--trusted-proxy", NGINX, "--trusted-proxy", "fd00::/64")
    with running_server(od_config, *options) as running:
        yield running


@pytest.fixture(scope="module")
def front(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    nginx = require_program("nginx", "nginx")
    with nginx_before(nginx, tmp_path_factory.mktemp("nginx"), server.base_url) as url:
        yield url


def ask(url: str, source: str, name: str, *forwarded: str) -> None:
    """Send a request from an address, and name it in the log by its User-Agent."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, source_address=(source, 0))
    connection.putrequest("GET", PATH)
    connection.putheader("User-Agent", name)
    connection.putheader("Referer", f"https://a.example/?key={FORGED}")
    for value in forwarded:
        connection.putheader("X-Forwarded-For", value)
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


def addresses(server: ServerProcess, name: str) -> List[str]:
    """Return the addresses in the lines of a request."""
    line = re.compile(rf'INFO: (\S+) - - .* "{re.escape(name)}"$', re.MULTILINE)
    found: List[str] = wait_for(lambda: line.findall(server.output))
    return found


def test_behind_the_shipped_location_the_log_has_the_client_s_address(
    server: ServerProcess, front: str
) -> None:
    ask(front, CLIENT, "through-nginx")
    assert addresses(server, "through-nginx") == [CLIENT]


def test_what_a_client_says_of_itself_to_nginx_is_not_believed(
    server: ServerProcess, front: str
) -> None:
    ask(front, CLIENT, "forged", FORGED)
    ask(front, CLIENT, "forged-twice", FORGED, NGINX)
    assert addresses(server, "forged") + addresses(server, "forged-twice") == [CLIENT] * 2
    assert FORGED not in server.output


def test_past_nginx_the_log_has_the_peer_whatever_it_says(server: ServerProcess) -> None:
    ask(server.base_url, NEIGHBOUR, "past-nginx", FORGED)
    assert addresses(server, "past-nginx") == [NEIGHBOUR]
    assert FORGED not in server.output


def test_without_a_trusted_proxy_the_log_has_nginx_s_address(tmp_path: Path) -> None:
    nginx = require_program("nginx", "nginx")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running_server(write_od_config(tmp_path), "--behind-proxy"))
        ask(stack.enter_context(nginx_before(nginx, tmp_path, server.base_url)), CLIENT, "unnamed")
        assert addresses(server, "unnamed") == [NGINX]
