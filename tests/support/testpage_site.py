"""The application of `abcwebrtc serve` with the operator's page, without a server."""

from __future__ import annotations

from http.cookies import Morsel, SimpleCookie
from typing import Any, Dict

from abcwebrtc.web.rest import LeftOut, create_app, none_left_out, token_identity
from abcwebrtc.web.test_page import COOKIE, OperatorLogin, OperatorPage
from abcwebrtc.web.tokens import UserTokenVerifier
from support import (
    ENTRIES,
    Answer,
    call,
    make_config,
    rsa_key,
)

COTURN = ENTRIES["webrtc.coturn"]


class Site:
    """The application with its page, a clock that tests set, and one browser."""

    def __init__(self, left_out: LeftOut = none_left_out, **changes: Any) -> None:
        self.now = 1000.0
        self.login = OperatorLogin(lambda: self.now)
        self.cookie = ""
        config = make_config(**changes)
        identity = token_identity(UserTokenVerifier(rsa_key().public_key()))
        page = OperatorPage(config, identity, self.login, left_out)
        self.app = create_app(config, identity, page, left_out)

    def get(self, path: str = "/", method: str = "GET", **headers: str) -> Answer:
        return call(self.app, method, path, None, {"Cookie": self.cookie, **_named(headers)})

    def post(self, path: str, body: Any = "{}", **headers: str) -> Answer:
        return call(self.app, "POST", path, body, {"Cookie": self.cookie, **_named(headers)})

    def redeem(self, key: str, **headers: str) -> Answer:
        return self.post("/login", {"key": key}, **headers)

    def log_in(self) -> Site:
        self.cookie = f"{COOKIE}={morsel(self.redeem(self.login.new_key())).value}"
        return self


def _named(headers: Dict[str, str]) -> Dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def morsel(answer: Answer) -> "Morsel[str]":
    assert answer.status == 200, answer.body
    return SimpleCookie(answer.headers["set-cookie"])[COOKIE]
