"""Playwright drives the browser; it does not exist for every Python that abcwebrtc supports."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from conftest import require_program

if sys.version_info >= (3, 10):
    from playwright.sync_api import Browser

    from e2e import browser
    from e2e.gstreamer import require_gstreamer
    from e2e.lab import Lab, SoundPage
    from integration import netns
    from integration.turn import Certificate, make_certificate
else:
    collect_ignore_glob = ["test_*.py"]

PROGRAMS = {
    "turnserver": "coturn",
    "nginx": "nginx",
    "pulseaudio": "pulseaudio",
    "paplay": "pulseaudio-utils",
    "chromium": "chromium",
}
TIME = "seconds until sound"


@pytest.fixture(scope="session")
def sound_certificate(tmp_path_factory: pytest.TempPathFactory) -> "Certificate":
    """coturn's certificate, for its address in the network."""
    return make_certificate(tmp_path_factory.mktemp("certificate"), netns.SERVER)


@pytest.fixture(scope="module")
def sound_network(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[netns.Network]":
    """Two namespaces: desktops behind a NAT, and the outside."""
    for program, package in PROGRAMS.items():
        require_program(program, package)
    require_gstreamer()
    with netns.required_network() as made:
        yield made


@pytest.fixture(scope="module")
def chromium(
    sound_network: "netns.Network",
    sound_certificate: "Certificate",
    tmp_path_factory: pytest.TempPathFactory,
) -> "Iterator[Browser]":
    """A Chromium outside, with a beep as microphone, which trusts coturn's certificate."""
    folder = tmp_path_factory.mktemp("chromium")
    trust = browser.trusting(sound_certificate.cert_file)
    shared = "--process-per-site"  # by the pages of a browser context
    flags = [*browser.SPEAKING, trust, shared]
    with browser.chromium(folder, sound_network.outside, flags) as made:
        yield made


@pytest.fixture(scope="session")
def gstreamer_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for GStreamer's registry, which takes seconds to build."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def lab(
    sound_network: "netns.Network",
    chromium: "Browser",
    sound_certificate: "Certificate",
    gstreamer_cache: Path,
    tmp_path: Path,
) -> "Iterator[Lab]":
    """An empty laboratory; everything that it starts ends with the test."""
    with contextlib.ExitStack() as stack:
        made = Lab(sound_network, chromium, sound_certificate, tmp_path, stack)
        (made.inside.folder / "cache").symlink_to(gstreamer_cache)
        yield made
    for log in sorted(tmp_path.rglob("*.log")):  # pytest shows it when the test fails
        print(f"== {log.name}\n{log.read_text(encoding='utf-8', errors='replace')[-5000:]}")


@pytest.fixture
def report_time(record_property: Callable[[str, object], None]) -> "Callable[[SoundPage], None]":
    """Return a function that reports how long a page waited for its sound."""
    return lambda page: record_property(TIME, page.heard_after())


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the times, which no test checks."""
    for report in terminalreporter.getreports("passed"):
        times = ", ".join(f"{value:.1f}" for name, value in report.user_properties if name == TIME)
        if times:
            terminalreporter.write_line(f"{TIME}: {times} ({report.nodeid})")
