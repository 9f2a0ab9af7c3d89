"""Debian's headless Firefox, driven by WebDriver BiDi, in a network namespace.

Playwright drives a Firefox of its own only, and Debian has no geckodriver. BiDi needs
neither: Firefox listens for it on a websocket of its own loopback.
https://www.w3.org/TR/webdriver-bidi/
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping

from websocket import WebSocket, create_connection

from conftest import require_program
from integration.netns import Namespace
from support import WAIT, environment, wait_for

QUIET: Mapping[str, Any] = {  # nothing but the page's own requests
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.aboutwelcome.enabled": False,
    "browser.safebrowsing.provider.google4.updateURL": "",
    "browser.safebrowsing.provider.mozilla.updateURL": "",
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.systemAddon.update.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}
CONNECT = """
import socket, sys
made = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
socket.send_fds(socket.socket(fileno=0), [b"."], [made.fileno()])
"""
"""Python code that connects in the namespace, and passes the connection outside."""


class Firefox:
    """A running Firefox."""

    def __init__(self, connection: WebSocket) -> None:
        self._socket = connection
        self._numbers = itertools.count(1)
        self.log: List[Dict[str, Any]] = []
        # of coturn, which is an authority of the test's own
        self.call("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
        self.call("session.subscribe", events=["log.entryAdded"])

    def call(self, method: str, **params: Any) -> Dict[str, Any]:
        """Send a command, and return its answer; earlier log entries go to `log`."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("method") == "log.entryAdded":
                self.log.append(message["params"])
            if message.get("id") == number:
                assert message["type"] == "success", message
                return dict(message["result"])

    def tab(self) -> Tab:
        """Open a tab."""
        return Tab(self, self.call("browsingContext.create", type="tab")["context"])


class Tab:
    """A tab of Firefox."""

    def __init__(self, firefox: Firefox, context: str) -> None:
        self._firefox, self._context = firefox, context

    @property
    def console(self) -> List[str]:
        """What the page logged and threw, and CSP violations that Firefox reports."""
        own = [one for one in self._firefox.log if one["source"].get("context") == self._context]
        return [f"{one['level']}: {one['text']}" for one in own]

    def call(self, method: str, **params: Any) -> Dict[str, Any]:
        return self._firefox.call(method, context=self._context, **params)

    def goto(self, url: str) -> None:
        self.call("browsingContext.navigate", url=url, wait="complete")

    def evaluate(self, code: str) -> Any:
        """Return the value of an expression, or of its promise, if it is JSON."""
        answer = self._firefox.call(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({code})) ?? 'null')()",
            target={"context": self._context},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    def wait_until(self, code: str) -> Any:
        """Return the value of an expression once it is true."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            value = self.evaluate(code)
            if value:
                return value
            time.sleep(0.1)
        text = self.evaluate("document.body.innerText")
        raise AssertionError("\n".join([f"in vain: {code}", text, *self.console]))

    def click(self, selector: str) -> None:
        """Click an element with the mouse, as a user does."""
        find = f"document.querySelector({json.dumps(selector)})"
        self.evaluate(f"{find}.scrollIntoView({{block: 'center'}})")
        middle = "({x, y, width, height}) => [x + width / 2, y + height / 2].map(Math.round)"
        x, y = self.evaluate(f"({middle})({find}.getBoundingClientRect())")
        moves = [
            {"type": "pointerMove", "x": x, "y": y},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        mouse = {"type": "pointer", "id": "mouse", "actions": moves}
        self.call("input.performActions", actions=[mouse])


@contextlib.contextmanager
def firefox(
    folder: Path, namespace: Namespace, preferences: Mapping[str, Any] = {}, **variables: str
) -> Iterator[Firefox]:
    """Run a Firefox in the namespace; `folder` belongs to the test."""
    program = require_program("firefox-esr", "firefox-esr")
    profile = folder / "profile"
    profile.mkdir()
    lines = [
        f"user_pref({json.dumps(name)}, {json.dumps(value)});"
        for name, value in {**QUIET, **preferences}.items()
    ]
    (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
    options = ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port=0"]
    with open(folder / "firefox.log", "wb") as log, contextlib.ExitStack() as stack:
        process = subprocess.Popen(
            namespace.command(program, *options, "about:blank"),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**environment(), "HOME": str(folder), **variables},
        )
        stack.callback(process.wait, WAIT)
        stack.callback(process.terminate)
        where = profile / "WebDriverBiDiServer.json"
        wait_for(lambda: (where.exists() and where.stat().st_size) or process.poll() is not None)
        assert process.poll() is None, (folder / "firefox.log").read_text()
        port = json.loads(where.read_text())["ws_port"]
        with connected(namespace, port) as connection:
            yield Firefox(connection)


@contextlib.contextmanager
def connected(namespace: Namespace, port: int) -> Iterator[WebSocket]:
    """Open BiDi's websocket, which is on the namespace's loopback."""
    here, there = socket.socketpair()
    with here, there:
        command = namespace.command(sys.executable, "-c", CONNECT, port)
        subprocess.run(command, stdin=there, check=True, timeout=WAIT)
        (descriptor,) = socket.recv_fds(here, 1, 1)[1]
    url = f"ws://127.0.0.1:{port}/session"
    with socket.socket(fileno=descriptor) as made:
        made.settimeout(WAIT)
        opened = create_connection(url, socket=made, suppress_origin=True, timeout=WAIT)
        with contextlib.closing(opened):
            yield opened
