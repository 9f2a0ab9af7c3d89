"""Debian's Chromium, driven by Playwright, in a network namespace if needed."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import shlex
import stat
from pathlib import Path
from typing import Iterator, Optional, Sequence

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate
from playwright.sync_api import Browser, sync_playwright

from conftest import require_program
from integration.netns import Namespace
from support import WAIT

QUIET = [
    "--disable-background-networking",  # nothing but the page's own requests
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]
SPEAKING = [
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",  # a beep for a microphone
    "--use-fake-ui-for-media-stream",  # and nobody asked whether it may be used
]


def trusting(*certificates: Path) -> str:
    """Return the flag that makes Chromium trust some certificates, by the hashes of their keys."""
    digests = []
    for certificate in certificates:
        key = load_pem_x509_certificate(certificate.read_bytes()).public_key()
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        digests.append(base64.b64encode(hashlib.sha256(der).digest()).decode())
    return f"--ignore-certificate-errors-spki-list={','.join(digests)}"


@contextlib.contextmanager
def chromium(
    folder: Path, namespace: Optional[Namespace] = None, flags: Sequence[str] = ()
) -> Iterator[Browser]:
    """Run a headless Chromium; `folder` belongs to the test.

    It runs without Chromium's sandbox, which root and containers can't have; the
    pages are the tests' own.
    """
    program = require_program("chromium", "chromium")
    command = namespace.command(program) if namespace else [program]
    start = folder / "start-chromium"
    start.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    start.chmod(start.stat().st_mode | stat.S_IXUSR)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(start),
            args=[*QUIET, *flags],
            chromium_sandbox=False,
            timeout=WAIT * 1000,
        )
        try:
            yield browser
        finally:
            browser.close()
