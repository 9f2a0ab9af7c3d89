"""The fixtures of the test page in Chromium: each module has its own network and browser."""

from __future__ import annotations

import re
from typing import Any, Iterator, List

import pytest
from playwright.sync_api import Browser, BrowserContext
from playwright.sync_api import Page as Tab

from e2e.browser import chromium
from e2e.testpage_stage import (
    GLOBAL,
    GLOBAL_NAME,
    NAME,
    PORT,
    TLS_PORT,
    Certificate,
    Page,
    Stage,
    servers_of_every_kind,
    stage,
)
from e2e.testpage_tab import DESK, opened
from integration import netns
from integration.netns import SERVER

GOOD = 8001


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("testpage")
    with netns.required_network() as network, stage(folder, network) as made:
        yield made
        for log in made.logs:
            print(log.read_text(encoding="utf-8", errors="replace"))


@pytest.fixture(scope="module")
def certificate(running: Stage) -> Certificate:
    """The certificate that Chromium trusts, for coturn's usual port."""
    made = Certificate(running.folder, "trusted")
    running.coturn(PORT, TLS_PORT, made)
    return made


@pytest.fixture(scope="module")
def browser(running: Stage, certificate: Certificate) -> Iterator[Browser]:
    names = f"MAP {NAME} {SERVER}, MAP {GLOBAL_NAME} {GLOBAL}"
    flags = [certificate.pin, f"--host-resolver-rules={names}"]
    with chromium(running.folder, running.network.desktop, flags) as browser:
        yield browser


@pytest.fixture(scope="module")
def good(running: Stage) -> Page:
    return running.serve(GOOD, **servers_of_every_kind())


@pytest.fixture(scope="module")
def scripts(browser: Browser, good: Page) -> Iterator[Tab]:
    """A tab that may import the page's scripts."""
    context = browser.new_context()
    yield opened(context.new_page(), good)
    context.close()


@pytest.fixture(scope="module")
def report(scripts: Tab) -> Any:
    """Return a function that passes results to the scripts, and returns verdict and report."""
    code = """async ([results, policy]) => {
        const {judge, reportText} = await import("./testpage/verdict.js");
        const {listServers} = await import("./testpage/servers.js");
        const entry = ({url, login}) => ({urls: url, ...login});
        const servers = listServers({iceServers: results.map(entry)});
        const all = results.map((one, index) => ({...one, server: servers[index]}));
        const verdict = judge(all, policy);
        return [verdict, reportText(verdict, all, [])];
    }"""
    return lambda *results, policy="all": scripts.evaluate(code, [results, policy])


@pytest.fixture(scope="module")
def judge(report: Any) -> Any:
    """Return a function that returns the verdict on results."""
    return lambda *results, policy="all": report(*results, policy=policy)[0]


@pytest.fixture(scope="module")
def diagnose(scripts: Tab) -> Any:
    """Return a function that returns the diagnosis of the first result."""
    code = """async results => {
        const {diagnose} = await import("./testpage/diagnosis.js");
        const {listServers} = await import("./testpage/servers.js");
        const entry = ({url, login}) => ({urls: url, ...login});
        const servers = listServers({iceServers: results.map(entry)});
        const all = results.map((one, index) => ({...one, server: servers[index]}));
        return diagnose(all[0], all);
    }"""
    return lambda *results: scripts.evaluate(code, results)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport=DESK, color_scheme="light")
    yield made
    made.close()


@pytest.fixture
def tab(context: BrowserContext) -> Iterator[Tab]:
    """A tab; the browser must not complain about what the page loads and does."""
    made = context.new_page()
    faults: List[str] = []
    made.on("pageerror", lambda error: faults.append(str(error)))
    made.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    yield made
    expected = re.compile(r"^Failed to load resource: .* status of 40[13] ")
    assert [fault for fault in faults if not expected.match(fault)] == []
