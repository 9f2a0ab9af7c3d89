"""The probe shows what servers answer, and no terminal obeys it."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

import pytest
from aioice import stun

from integration.probing import coturn, ice, run_here
from integration.turn import LOOPBACK
from support import private_pem, write_od_config
from support.certificates import issue

HOSTILE = "\x1b]0;owned\x07\x9b2J\n0 errors\r\u202e\u2066\u200b\x00"
SHOWN = r"\x1b]0;owned\x07\x9b2J\n0 errors\r\u202e\u2066\u200b\x00"
Answers = Callable[[stun.Message], Dict[str, Any]]
"""The attributes of the answer to a request; ERROR-CODE makes it an error."""


@contextlib.contextmanager
def turn_server(answers: Answers) -> Iterator[int]:
    """Answer all STUN requests by UDP, and yield the port."""
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(socket.timeout):
                data, client = listening.recvfrom(4096)
                with contextlib.suppress(ValueError):  # as libnice asks, which is not answered
                    request = stun.parse_message(data)
                    found = answers(request)
                    kind = stun.Class.ERROR if "ERROR-CODE" in found else stun.Class.RESPONSE
                    method = request.message_method
                    answer = stun.Message(method, kind, request.transaction_id, found)
                    listening.sendto(bytes(answer), client)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind((LOOPBACK, 0))
        listening.settimeout(0.1)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            thread.join()


def error(code: int, **more: Any) -> Answers:
    """Answer a Binding, and everything else with an error in these words."""
    words = {"SOFTWARE": f"a {HOSTILE}", "REALM": f"r {HOSTILE}", "NONCE": f"n {HOSTILE}".encode()}
    realms = iter([f"other {HOSTILE}"] * 100) if more.pop("two_realms", False) else None

    def answers(request: stun.Message) -> Dict[str, Any]:
        if request.message_method == stun.Method.BINDING:
            return {"XOR-MAPPED-ADDRESS": ("192.0.2.1", 5), **words}
        is_signed = "MESSAGE-INTEGRITY" in request.attributes
        found = {**words, "REALM": next(realms)} if realms and is_signed else words
        return {"ERROR-CODE": (code if is_signed else 401, f"no {HOSTILE}"), **found, **more}

    return answers


def probe_says(folder: Path, url: str) -> str:
    """Return everything that the probe prints about a server, after checking each character."""
    protocol, _, address = url.partition(":")
    entries = {"webrtc__rtc_configuration": ice(), "webrtc__coturn": coturn(address)}
    entries["webrtc__coturn"]["protocol"] = protocol
    od_config = write_od_config(folder, **entries)
    line = ("probe", od_config, "--quick")
    done, as_json = run_here(*line), run_here(*line, "--json")
    assert done.returncode == as_json.returncode == 1
    for text in (done.stdout, done.stderr, as_json.stdout, as_json.stderr):
        assert all(part.isprintable() for part in text.split("\n")), repr(text)
    assert as_json.stdout.isascii()
    json.loads(as_json.stdout)
    return done.stdout


@pytest.mark.parametrize("code", [300, 400, 401, 403, 437, 438, 441, 442, 486, 500, 508, 699])
def test_no_error_of_a_server_is_obeyed(tmp_path: Path, code: int) -> None:
    with turn_server(error(code)) as port:
        said = probe_says(tmp_path, f"turn:{LOOPBACK}:{port}")
    assert "error: " in said
    assert "\n0 errors" not in said


def test_a_realm_is_shown_with_escapes(tmp_path: Path) -> None:
    with turn_server(error(401, two_realms=True)) as port:
        said = " ".join(probe_says(tmp_path, f"turn:{LOOPBACK}:{port}").split())
    assert f"in realm r {SHOWN} and" in said
    assert f"for a login in realm other {SHOWN}" in said


def test_a_certificate_is_shown_with_escapes(tmp_path: Path) -> None:
    name = HOSTILE.replace("\x00", "")
    pem = issue("a\x1b[2J.example.org", days=(-1, 36500), subject=name, issuer=f"of {name}")
    (tmp_path / "server.pem").write_bytes(pem + private_pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):  # ssl's are some, and so is the timeout
                client, _ = listening.accept()
                with context.wrap_socket(client, server_side=True) as wrapped:
                    wrapped.recv(1)

    with socket.create_server((LOOPBACK, 0)) as listening:
        listening.settimeout(0.1)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            port = listening.getsockname()[1]
            said = " ".join(probe_says(tmp_path, f"turns:{LOOPBACK}:{port}").split())
        finally:
            over.set()
            thread.join()
    assert r"\x1b]0;owned\x07\x9b2J\n0 errors\r\u202e\u2066\u200b" in said
    assert r"a\x1b[2J.example.org" in said
