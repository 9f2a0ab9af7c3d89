"""What tests do in a Chromium tab with the test page."""

from __future__ import annotations

from typing import Any, Dict

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from e2e.testpage_stage import Page
from support import WAIT

MILLISECONDS = WAIT * 1000
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1200, "height": 900}


def opened(tab: Tab, page: Page) -> Tab:
    """Open a one-time link, and wait for the page."""
    tab.goto(page.link)
    expect(tab.get_by_role("button", name="Start the test")).to_be_enabled(timeout=MILLISECONDS)
    return tab


def outcome(tab: Tab, page: Page) -> Dict[str, str]:
    """Run the whole test, and return what each server's card says, by its url."""
    opened(tab, page).get_by_role("button", name="Start the test").click()
    return result(tab)


def result(tab: Tab) -> Dict[str, str]:
    button = tab.get_by_role("button", name="Test again")
    expect(button).to_be_visible(timeout=MILLISECONDS)
    cards = tab.locator(".server").all()
    return {card.locator(".url code").inner_text(): card.inner_text() for card in cards}


def verdict(tab: Tab) -> str:
    return tab.get_by_role("status", name="Verdict").inner_text()


def headline(tab: Tab) -> str:
    return tab.locator(".headline").inner_text()


def check_accessible(tab: Tab) -> None:
    """Check the page with axe, in light and dark, on a phone and on a desktop."""
    for size in (PHONE, DESK):
        tab.set_viewport_size(size)  # type: ignore[arg-type]
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found = Axe().run(tab)
            assert found.violations_count == 0, (size, scheme, found.generate_report())
        wide = tab.evaluate("document.documentElement.scrollWidth")
        assert wide <= size["width"], "it has to be scrolled sideways"


def only(*servers: Dict[str, Any]) -> Dict[str, Any]:
    """Return od.config entries for only these servers."""
    return {"webrtc__rtc_configuration": {}, "webrtc__coturn": list(servers)}
