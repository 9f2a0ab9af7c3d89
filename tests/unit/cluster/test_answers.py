"""Messages about an API server that does not answer show no login."""

from __future__ import annotations

import pytest

from abcwebrtc.cluster.answers import without_login


@pytest.mark.parametrize("login", ["", "me@", "me:pass@", "me:p/a:s@s?#@"])
def test_a_proxy_is_shown_without_its_login(login: str) -> None:
    assert without_login(f"http://{login}proxy.example:3128/x") == "http://proxy.example:3128"
