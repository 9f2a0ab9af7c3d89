"""The certificate of `serve`, renewed while it serves."""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import socket
import ssl
import threading
from pathlib import Path
from typing import Callable, Dict, List, Optional
from urllib.parse import urlsplit

import pytest
import trustme

from abcwebrtc.web.server_certificate import ServerCertificate, _why_refused
from support import WAIT, request, running_server, wait_for, write_od_config

HEALTHZ = "/API/healthz"
USED = "the certificate has changed, and is used from now on"
NOT_USED = "the new certificate is not used: "


class Issued:
    """A certificate for loopback, by an authority of its own."""

    def __init__(self) -> None:
        self.authority = trustme.CA()
        made = self.authority.issue_cert("127.0.0.1")
        self.cert = b"".join(pem.bytes() for pem in made.cert_chain_pems)
        self.key = made.private_key_pem.bytes()

    @property
    def trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    def write(self, folder: Path) -> None:
        """Put the files in the place of those that are there, one after the other."""
        for name, data in (("tls.crt", self.cert), ("tls.key", self.key)):
            (folder / "new").write_bytes(data)
            (folder / "new").rename(folder / name)


class Volume:
    """A Secret as a kubelet mounts it: links to a folder that is replaced as a whole."""

    def __init__(self, folder: Path, issued: Issued) -> None:
        self.folder = folder
        self._number = 0
        self.write(issued)
        for name in ("tls.crt", "tls.key"):
            (folder / name).symlink_to(Path("..data", name))

    def write(self, issued: Issued) -> None:
        self._number += 1
        made = self.folder / f"..{self._number}"
        made.mkdir()
        issued.write(made)
        (self.folder / "..data_tmp").symlink_to(made.name)
        (self.folder / "..data_tmp").rename(self.folder / "..data")


def files(folder: Path) -> List[str]:
    return [str(folder / "tls.crt"), str(folder / "tls.key")]


# a running server


def test_a_renewed_certificate_is_used_and_no_connection_is_lost(tmp_path: Path) -> None:
    old, new = Issued(), Issued()
    old.write(tmp_path)
    cert, key = files(tmp_path)
    with running_server(write_od_config(tmp_path), "--cert", cert, "--key", key) as running:
        where = urlsplit(running.base_url)
        made = http.client.HTTPSConnection(str(where.hostname), where.port, context=old.trust)
        with contextlib.closing(made) as kept:
            assert get(kept) == 200
            new.write(tmp_path)
            wait_for(lambda: get(kept) == 200 and USED in running.output)
        url = running.base_url + HEALTHZ
        assert request(url, context=new.trust).status == 200
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            request(url, context=old.trust)
        (tmp_path / "tls.crt").write_bytes(old.cert)  # the key is the new one's
        wait_for(lambda: NOT_USED in running.output)
        assert request(url, context=new.trust).status == 200
        assert running.output.count(USED) == running.output.count(NOT_USED) == 1
        assert running.stop() == 0


def get(connection: http.client.HTTPSConnection) -> int:
    connection.request("GET", HEALTHZ)
    with connection.getresponse() as answer:
        answer.read()
        return answer.status


# one look at the files after the other


class Watched:
    """A certificate whose files a test changes, and what it has logged."""

    def __init__(self, folder: Path, log: pytest.LogCaptureFixture) -> None:
        log.set_level(logging.INFO)
        self.folder, self._log = folder, log
        self.old, self.new = Issued(), Issued()
        self.old.write(folder)
        self.certificate = ServerCertificate(*files(folder))

    def look(self, times: int = 1) -> List[str]:
        """Return what that many looks have logged."""
        self._log.clear()
        for _ in range(times):
            self.certificate.refresh()
        return [f"{one.levelname}: {one.getMessage()}" for one in self._log.records]


@pytest.fixture
def watched(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Watched:
    return Watched(tmp_path, caplog)


def test_files_that_stay_as_they_are_are_not_read_again(watched: Watched) -> None:
    assert watched.look(5) == []


def test_files_are_left_alone_while_they_change(watched: Watched) -> None:
    (watched.folder / "tls.crt").write_bytes(watched.new.cert)
    assert watched.look() == []
    (watched.folder / "tls.key").write_bytes(watched.new.key)
    assert watched.look() == []
    cert = watched.folder / "tls.crt"
    assert watched.look(5) == [f"INFO: {cert}: {USED}"]


def test_a_secret_of_kubernetes_is_followed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    volume = Volume(tmp_path, Issued())
    certificate = ServerCertificate(*files(tmp_path))
    volume.write(Issued())
    for _ in range(3):
        certificate.refresh()
    assert [one.getMessage() for one in caplog.records] == [f"{tmp_path / 'tls.crt'}: {USED}"]


FAULTS: Dict[str, Callable[[Path], object]] = {
    "gone": lambda folder: (folder / "tls.key").unlink(),
    "folder gone": lambda folder: folder.rename(folder.with_name("elsewhere")),
    "empty": lambda folder: (folder / "tls.crt").write_bytes(b""),
    "half": lambda folder: os.truncate(folder / "tls.key", 100),
    "of another": lambda folder: (folder / "tls.key").write_bytes(Issued().key),
    "swapped": lambda folder: (folder / "tls.crt").replace(folder / "tls.key"),
    "a folder": lambda folder: ((folder / "tls.key").unlink(), (folder / "tls.key").mkdir()),
    "a FIFO": lambda folder: ((folder / "tls.key").unlink(), os.mkfifo(folder / "tls.key")),
}


@pytest.mark.parametrize("spoil", FAULTS.values(), ids=FAULTS)
def test_files_that_are_no_pair_are_one_warning_and_the_old_stay_in_use(
    watched: Watched, spoil: Callable[[Path], object]
) -> None:
    spoil(watched.folder)
    (warning,) = watched.look(5)
    assert warning.startswith(f"WARNING: {NOT_USED}")
    assert is_served(watched.certificate, watched.old)


def test_it_recovers_by_itself(watched: Watched) -> None:
    (watched.folder / "tls.key").unlink()
    (warning,) = watched.look(3)
    assert "tls.key: can't be read: No such file or directory" in warning
    watched.new.write(watched.folder)
    (info,) = watched.look(3)
    assert info.endswith(USED)
    assert is_served(watched.certificate, watched.new)
    assert not is_served(watched.certificate, watched.old)


def is_served(certificate: ServerCertificate, issued: Issued) -> bool:
    """Say whether a client that trusts an authority takes what it is shown."""
    here, there = socket.socketpair()
    with here, certificate.wrap(there) as server:
        waiting = threading.Thread(target=shake_hands, args=[server], daemon=True)
        waiting.start()
        try:
            issued.trust.wrap_socket(here, server_hostname="127.0.0.1").close()
        except ssl.SSLCertVerificationError:
            return False
        finally:
            waiting.join(WAIT)
        return True


def shake_hands(server: ssl.SSLSocket) -> None:
    with contextlib.suppress(OSError):  # the client may not like it
        server.do_handshake()


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("EE_KEY_TOO_SMALL", "too weak"),
        ("CA_MD_TOO_WEAK", "too weak"),
        ("KEY_VALUES_MISMATCH", "not a pair"),
        (None, "not a pair"),
    ],
)
def test_a_weak_certificate_is_called_weak(reason: Optional[str], words: str) -> None:
    error = ssl.SSLError(1, "in words of OpenSSL")
    error.reason = reason  # type: ignore[assignment]
    assert words in _why_refused(error)
