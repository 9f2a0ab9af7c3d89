"""Where a request ends, and what is refused before it is read."""

from __future__ import annotations

import contextlib
from typing import List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc.web.httpd.framing import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    Head,
    RefusedError,
    read_head,
)
from support.httpd_server import GET, head_of, with_headers, without_host


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ([], 0),
        (["Content-Length: 0"], 0),
        (["Content-Length: 12"], 12),
        (["content-LENGTH:12 "], 12),
        (["Content-Length: 0012"], 12),
        (["Content-Length: 12", "Content-Length: 12"], 12),
        ([f"Content-Length: {MAX_BODY_BYTES}"], MAX_BODY_BYTES),
    ],
)
def test_a_request_is_as_long_as_its_headers_say(lines: List[str], body: int) -> None:
    data = with_headers(*lines)
    assert head_of(data + b"GET / HTTP/1.1\r\n\r\n") == Head(len(data) + body, False)


@given(st.integers(0, len(GET) - 1))
def test_headers_that_are_not_complete_say_nothing(length: int) -> None:
    assert head_of(GET[:length]) is None


@given(st.lists(st.integers(0, len(GET)), max_size=10))
def test_it_does_not_matter_how_the_bytes_arrive(cuts: List[int]) -> None:
    data, searched, found = bytearray(), 0, None
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(GET)]):
        data += GET[start:end]
        found = found or read_head(data, searched)
        searched = len(data)
    assert found == Head(len(GET), False)


@pytest.mark.parametrize(
    ("lines", "expects"),
    [
        (["Expect: 100-continue"], True),
        (["Expect: 100-Continue"], True),
        (["Expect: something"], False),
    ],
)
def test_a_client_may_wait_for_100_continue(lines: List[str], expects: bool) -> None:
    found = head_of(with_headers(*lines))
    assert found
    assert found.expects is expects


def test_nobody_waits_for_100_continue_in_http_1_0() -> None:
    found = head_of(with_headers("Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert found
    assert not found.expects


REFUSED = [
    (b"x" * (MAX_HEAD_BYTES + 1), 414),
    (b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD_BYTES, 431),
    (with_headers("X: " + "x" * MAX_HEAD_BYTES), 431),
    (with_headers(*["X: x"] * 100), 431),
    (with_headers("Transfer-Encoding: chunked"), 411),
    (with_headers("Transfer-Encoding: identity", "Content-Length: 3"), 411),
    (with_headers(f"Content-Length: {MAX_BODY_BYTES + 1}"), 413),
    (with_headers("Content-Length: " + "9" * 5000), 413),
    (with_headers("Content-Length: -1"), 400),
    (with_headers("Content-Length: +1"), 400),
    (with_headers("Content-Length: 1_0"), 400),
    (with_headers("Content-Length: 0x10"), 400),
    (with_headers("Content-Length: \u0661"), 400),
    (with_headers("Content-Length:"), 400),
    (with_headers("Content-Length: 1, 1"), 400),
    (with_headers("Content-Length: 1", "Content-Length: 2"), 400),
    (with_headers("Content-Length : 1"), 400),
    (with_headers("X: x", " folded"), 400),
    (with_headers("X: x", "\tfolded"), 400),
    # RFC 9112, section 2.2, and RFC 9110, section 5.5: a CR alone, and other controls
    (with_headers("X: x\rTransfer-Encoding: chunked"), 400),
    (with_headers("X: x\0"), 400),
    (with_headers("X: x\x1b[31m"), 400),
    (with_headers("X: x\nContent-Length: 3"), 400),
    (with_headers("Content-Length: \x0b3"), 400),
    # RFC 9110, section 5.6.2: a name is a token
    (with_headers(": x"), 400),
    (with_headers("no colon"), 400),
    (with_headers("X\xff: x"), 400),
    (with_headers("X(: x"), 400),
    # RFC 9112, section 3.2: one Host, and a valid one
    (with_headers("Host: y"), 400),
    (with_headers("Host: x"), 400),
    (b"GET / HTTP/1.1\r\nHost: x y\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: user@x\r\n\r\n", 400),
    # RFC 9112, section 3
    *[
        (line + b"\r\nHost: x\r\n\r\n", 400)
        for line in (
            *(b" GET / HTTP/1.1", b"GET  / HTTP/1.1", b"GET / HTTP/1.1 ", b"GET\t/\tHTTP/1.1"),
            *(b"GET / HTTP/1.-5", b"GET / HTTP/+1.1", b"GET / HTTP/01.01", b"GET / HTTP/1. 1"),
            *(b"GET /", b"GET / x HTTP/1.1", b"G<T / HTTP/1.1", b"GET /\xff HTTP/1.1", b"GET"),
        )
    ],
    (b"GET / HTTP/1.1\nHost: x\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\n\nX: x\r\n\r\n", 400),
]


@pytest.mark.parametrize(("data", "status"), REFUSED, ids=lambda value: repr(value)[-30:])
def test_what_is_too_large_or_not_clear_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(RefusedError) as caught:
        head_of(data)
    assert caught.value.status == status


@pytest.mark.parametrize(
    "host", ["x", "", "desktop.domain.local:8080", "[::1]:80", "[fe80::1%25lo]", "192.0.2.1", "a_b"]
)
def test_a_host_may_be_any_name_or_address_with_a_port(host: str) -> None:
    """RFC 3986, section 3.2.2; RFC 9110, section 7.2 allows an empty one."""
    data = without_host(f"Host: {host}")
    assert head_of(data) == Head(len(data), False)


def test_text_of_a_header_may_have_tabs_and_bytes_over_127() -> None:
    """RFC 9110, section 5.5."""
    data = with_headers("X:\ta\tb\xe9\t", "X:")
    assert head_of(data) == Head(len(data), False)


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_any_bytes_are_a_head_are_refused_or_say_nothing(start: bytes, end: bytes) -> None:
    data = start + b"\r\n\r\n" + end
    with contextlib.suppress(RefusedError):
        found = head_of(data)
        assert found
        assert found.length >= data.index(b"\r\n\r\n") + 4
