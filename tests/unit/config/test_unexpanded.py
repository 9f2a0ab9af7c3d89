"""Variables and placeholders that nobody filled in."""

from __future__ import annotations

import pytest

from abcwebrtc.config.unexpanded import has_unexpanded, is_unexpanded

WHOLE = """
    $TURN_SECRET ${TURN_SECRET} ${turn.secret:-x} $(secret) $$SECRET {{secret}} {{-.Values.x-}}
    {%raw%} %SECRET% @SECRET@ <secret> <your-static-auth-secret> __SECRET__
""".split()  # noqa: SIM905


@pytest.mark.parametrize("text", [*WHOLE, "{{ a b }}", " $X\n", "<the secret>", "$(cat /x)"])
def test_a_placeholder(text: str) -> None:
    assert is_unexpanded(text)
    assert has_unexpanded(f"{text}:3478")


@pytest.mark.parametrize(
    "text",
    ["", "$", "$ecret", "a$B", "$A-b", "${", "{}", "<>", "<1>", "%d", "@", "{{", "aB$c{D}e", "__"],
)
def test_a_password_is_none(text: str) -> None:
    assert not is_unexpanded(text)


@pytest.mark.parametrize("text", ["$host:3478", "turn.$DOMAIN", "a.{{ d }}", "turn.<domain>:3478"])
def test_a_part_of_a_url_may_be_one(text: str) -> None:
    assert has_unexpanded(text)
    assert not is_unexpanded(text) or text == "$HOST"


@pytest.mark.parametrize(
    "text", ["turn.example.org:3478", "[2001:db8::1]", "a_b", "__a", "xn--9ca"]
)
def test_a_host_is_none(text: str) -> None:
    assert not has_unexpanded(text)
