"""Fixtures: a real turnserver, and the real ``abcwebrtc serve``."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import pytest

from abcwebrtc.coturn.options import CoturnVersion
from abcwebrtc.coturn.this_machine import installed_version
from conftest import newest_turnserver, require_program

if sys.version_info >= (3, 10):
    from integration import netns
    from integration.endpoint import Endpoint
    from integration.generated import Coturn
    from integration.turn import Certificate, Turnserver, make_certificate
else:  # aioice and schemathesis are not made for it
    collect_ignore_glob = ["test_*.py"]

SECRET = "the-static-auth-secret-of-coturn"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def start_turnserver(
    tmp_path: Path, certificate: Certificate
) -> Iterator[Callable[..., Turnserver]]:
    """Return a function that starts a turnserver with these secrets and options.

    It is the machine's own, where no other `program` is given, such as `newest_turnserver()`.
    """
    installed = require_program("turnserver", "coturn")
    with contextlib.ExitStack() as stack:

        def start(*secrets: str, options: Any = (), program: str = installed) -> Turnserver:
            server = Turnserver(program, tmp_path, certificate, secrets, options)
            stack.callback(_finish, server)
            server.wait_until_ready()
            return server

        yield start


def _finish(server: Turnserver) -> None:
    status = server.stop()
    print(f"turnserver on port {server.port} ended with {status} and said:")
    print(server.output)  # pytest shows it when the test fails


@pytest.fixture(scope="module")
def shared_turnserver(
    tmp_path_factory: pytest.TempPathFactory, certificate: Certificate
) -> Iterator[Turnserver]:
    """A turnserver for all tests of a module, which knows `SECRET`."""
    program = require_program("turnserver", "coturn")
    folder = tmp_path_factory.mktemp("turnserver")
    server = Turnserver(program, folder, certificate, [SECRET])
    try:
        server.wait_until_ready()
        yield server
    finally:
        _finish(server)


@pytest.fixture
def turnserver(shared_turnserver: Turnserver) -> Iterator[Turnserver]:
    """The module's turnserver; if the test fails, pytest shows what it logged."""
    before = len(shared_turnserver.output)
    yield shared_turnserver
    print(shared_turnserver.output[before:])


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Endpoint]]:
    """Return a function that runs ``abcwebrtc serve`` on this ``webrtc.coturn``."""
    with contextlib.ExitStack() as stack:

        def start(coturn: Any, folder: Optional[Path] = None, **changes: Any) -> Endpoint:
            endpoint = stack.enter_context(Endpoint.running(folder or tmp_path, coturn, **changes))
            stack.callback(lambda: print(endpoint.server.output))
            return endpoint

        yield start


@pytest.fixture(scope="module")
def network() -> Iterator[netns.Network]:
    """A desktop behind a NAT, and the outside."""
    with netns.required_network() as made:
        yield made


AGAIN = pytest.mark.slow("the same on the newest coturn, too")


@pytest.fixture(scope="module", params=["installed", pytest.param("newest", marks=AGAIN)])
def each_coturn(request: pytest.FixtureRequest) -> Coturn:
    """The installed coturn, and the newest one."""
    newest = request.param == "newest"
    program = newest_turnserver() if newest else require_program("turnserver", "coturn")
    version = installed_version(program)
    assert version
    return Coturn(program, version)


@pytest.fixture(scope="module")
def program(each_coturn: Coturn) -> str:
    return each_coturn.program


@pytest.fixture(scope="module")
def version(each_coturn: Coturn) -> CoturnVersion:
    return each_coturn.version
