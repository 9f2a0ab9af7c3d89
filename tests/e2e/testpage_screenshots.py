"""Take the screenshots of docs/how-to/testpage.md again:

    .venv/bin/python tests/e2e/testpage_screenshots.py

The servers are real; only their name is made up.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from playwright.sync_api import Browser, Page  # noqa: E402

from e2e.browser import chromium  # noqa: E402
from e2e.testpage_stage import (  # noqa: E402
    NAME,
    PORT,
    RESOLVE,
    TLS_PORT,
    Certificate,
    coturn_entry,
    servers_of_every_kind,
    stage,
    stun_entry,
)
from integration.netns import SERVER  # noqa: E402
from support import WAIT  # noqa: E402

IMAGES = ROOT / "docs" / "images"
DESK: Any = {"viewport": {"width": 1000, "height": 1040}, "color_scheme": "light"}
PHONE: Any = {
    "viewport": {"width": 360, "height": 740},
    "color_scheme": "dark",
    "device_scale_factor": 2,
}
EXPIRED_PORT, EXPIRED_TLS_PORT = 3500, 5400


def main() -> None:
    """Start the servers, and photograph what the page says about them."""
    with tempfile.TemporaryDirectory() as name, stage(Path(name)) as made:
        folder = made.folder
        good, expired = Certificate(folder, "good"), Certificate(folder, "expired", days=-3)
        made.coturn(PORT, TLS_PORT, good)
        made.coturn(EXPIRED_PORT, EXPIRED_TLS_PORT, expired)
        all_work = made.serve(8001, **servers_of_every_kind(NAME))
        one_fails = made.serve(
            8002,
            before=RESOLVE,
            webrtc__rtc_configuration=stun_entry(f"stun:{NAME}:{PORT}"),
            webrtc__coturn=[
                coturn_entry(host=NAME, transport="udp"),
                coturn_entry(EXPIRED_TLS_PORT, NAME, protocol="turns"),
            ],
        )
        flags = [good.pin, f"--host-resolver-rules=MAP {NAME} {SERVER}"]
        with chromium(folder, made.network.desktop, flags) as browser:
            desk = started(browser, DESK, all_work.link)
            desk.get_by_role("meter").first.wait_for()
            desk.wait_for_timeout(1500)
            shoot(desk, "testpage-call.png")
            finished(desk, "testpage-works.png")
            finished(started(browser, PHONE, one_fails.link), "testpage-certificate.png")


def started(browser: Browser, look: Any, link: str) -> Page:
    """Open a link, and start the test."""
    page = browser.new_context(**look).new_page()
    page.goto(link)
    page.get_by_role("button", name="Start the test").click()
    return page


def finished(page: Page, name: str) -> None:
    """Wait for the verdict."""
    page.get_by_role("button", name="Test again").wait_for(timeout=WAIT * 1000)
    shoot(page, name)


def shoot(page: Page, name: str) -> None:
    """Write the visible part of the page to a file."""
    path = IMAGES / name
    page.screenshot(path=path)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
