"""The protocol, urls and transports of webrtc.coturn."""

from __future__ import annotations

import pytest

from support.coturn_entries import URL, parse_one, urls_of

# Protocol and url.


@pytest.mark.parametrize("protocol", ["turn", "turns"])
def test_the_protocol_is_the_scheme(protocol):
    assert urls_of({"protocol": protocol}) == (f"{protocol}:{URL}",)


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        ("http", "must be 'turn' or 'turns'"),
        ("stun", "must be 'turn' or 'turns'"),
        (["turn"], "must be 'turn' or 'turns'"),
    ],
)
def test_another_protocol_is_an_error(protocol, words):
    _, errors, _ = parse_one({"protocol": protocol})
    assert len(errors) == 1
    assert errors[0].startswith(f"coturn.protocol: {words}")


@pytest.mark.parametrize(
    ("url", "urls"),
    [
        ("host", ["host"]),
        ("host:65535", ["host:65535"]),
        ("[2001:db8::1]:3478", ["[2001:db8::1]:3478"]),
        ("host:3478?transport=tcp", ["host:3478?transport=tcp"]),
        (["b", "a:80"], ["b", "a:80"]),
        (["a", "b", "a"], ["a", "b"]),
        ("turnip:3478", ["turnip:3478"]),
        ("turn:3478", ["turn:3478"]),  # a Service that is called turn
        ("https.domain.local", ["https.domain.local"]),
    ],
)
def test_a_good_url_is_kept(url, urls):
    assert urls_of({"url": url}) == tuple(f"turn:{item}" for item in urls)


@pytest.mark.parametrize("wrap", [lambda url: (url, ""), lambda url: (["good", url], "[1]")])
@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            "turn:host:3478",
            "begins with 'turn:'; write host:port alone, and the scheme as 'protocol'",
        ),
        ("turn://host", "begins with 'turn://'; write host:port alone"),
        ("https://host/", "begins with 'https://'; write host:port alone"),
        ("wss://host", "begins with 'wss://'; write host:port alone"),
        ("host:0", "has a port that is not a number from 1 to 65535"),
        ("2001:db8::1", "has an IPv6 address without brackets; write '[2001:db8::1]:3478'"),
        ("", "has no host; write host:port"),
        ("host?transport=tls", "transport=udp or transport=tcp"),
        (3478, "must be text such as 'host:3478', not a whole number"),
    ],
)
def test_a_bad_url_is_an_error_at_its_place(wrap, url, words):
    value, place = wrap(url)
    _, errors, _ = parse_one({"url": value})
    assert len(errors) == 1
    assert errors[0].startswith(f"coturn.url{place}: ")
    assert words in errors[0]


@pytest.mark.parametrize("url", [" host:3478", "host:3478 ", "host:3478\n", "\thost:3478"])
def test_a_blank_at_an_end_is_a_warning(url):
    servers, errors, warnings = parse_one({"url": url})
    assert errors == []
    assert warnings == ["coturn.url: begins or ends with whitespace, which is ignored; remove it"]
    assert servers[0].urls == ("turn:host:3478",)


@pytest.mark.parametrize("url", ["tcp://host:3478", "coturn://host", "ftp://host"])
def test_any_other_scheme_is_called_one(url):
    _, errors, _ = parse_one({"url": url})
    assert "scheme" in errors[0]
    assert "begins with" not in errors[0], "it may be a secret"


@pytest.mark.parametrize("given", [{}, {"url": []}, {"url": ()}])
def test_a_missing_url_is_an_error(given):
    _, errors, _ = parse_one(given, without=() if given else ["url"])
    assert len(errors) == 1
    assert errors[0].startswith("coturn.url: is missing; write 'url': 'host:port'")


# Transports.


@pytest.mark.parametrize(
    ("transport", "url", "urls"),
    [
        ("udp", "a", ["a?transport=udp"]),
        (["udp", "tcp"], "a", ["a?transport=udp", "a?transport=tcp"]),
        (["tcp", "tcp"], "a", ["a?transport=tcp"]),
        (["udp", "tcp"], "a?transport=tcp", ["a?transport=tcp"]),
        ("tcp", ["a", "b?transport=udp"], ["a?transport=tcp", "b?transport=udp"]),
        (["udp", "tcp"], ["a", "a?transport=tcp"], ["a?transport=udp", "a?transport=tcp"]),
    ],
)
def test_a_transport_expands_each_url_that_names_none(transport, url, urls):
    found = urls_of({"transport": transport, "url": url})
    assert found == tuple(f"turn:{item}" for item in urls)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("a:3478,b:3478", "has a comma or a space in it; write several urls as a list"),
        ("turn:a:3478?transport=udp, turn:b", "has a comma or a space in it"),
        ("$TURN_HOST:3478", "has a variable or a placeholder in it, which nothing expands"),
    ],
)
def test_what_is_no_one_url_has_a_sentence_that_fits(url, words):
    (error,) = parse_one({"url": url})[1]
    assert error.startswith(f"coturn.url: {words}")


@pytest.mark.parametrize("transport", ["tls", "UDP", "", "udptcp", [], ["udp", "tls"], [["udp"]]])
def test_another_transport_is_an_error(transport):
    _, errors, _ = parse_one({"transport": transport})
    assert errors == ["coturn.transport: must be 'udp', 'tcp' or the list ['udp', 'tcp']"]


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"transport": "udp"}, "transport"),
        ({"transport": ["tcp", "udp"]}, "transport"),
        ({"url": "a?transport=udp"}, "url"),
        ({"url": ["b", "a?transport=udp"]}, "url[1]"),
    ],
)
def test_turns_over_udp_is_a_warning(given, place):
    _, errors, warnings = parse_one({"protocol": "turns", **given})
    assert errors == []
    assert len(warnings) == 1
    assert warnings[0].startswith(f"coturn.{place}: is turns over udp")
    assert warnings[0].endswith("use tcp")


@pytest.mark.parametrize(
    "given",
    [
        {"protocol": "turns", "transport": "tcp"},
        {"protocol": "turns", "url": "a?transport=tcp"},
        {"protocol": "turn", "transport": ["udp", "tcp"], "url": "a?transport=udp"},
    ],
)
def test_other_transports_are_no_warning(given):
    assert parse_one(given)[1:] == ([], [])


IN_CHROMIUM = "uses port 53, which Chromium does not connect to"
IN_FIREFOX = "uses a port that Firefox blocks: it throws on the whole rtc_configuration"
LOW = "uses a port under 1024, where Chromium allows TURN on 80 and 443 only, and reports no error"


@pytest.mark.parametrize(("protocol", "usual"), [("turn", 3478), ("turns", 5349)])
@pytest.mark.parametrize(
    ("port", "message"), [(53, IN_CHROMIUM), (54, LOW), (442, LOW), (1023, LOW)]
)
def test_a_port_that_a_browser_does_not_use_is_a_warning(protocol, usual, port, message):
    servers, errors, warnings = parse_one({"url": ["b", f"a:{port}"], "protocol": protocol})
    assert (len(servers), errors) == (1, [])
    assert warnings == [f"coturn.url[1]: {message}; the usual one is {usual}"]


@pytest.mark.parametrize(("protocol", "usual"), [("turn", 3478), ("turns", 5349)])
@pytest.mark.parametrize("port", [1, 636, 990, 5061, 10080])
def test_a_port_on_which_a_browser_throws_is_an_error(protocol, usual, port):
    servers, errors, warnings = parse_one({"url": ["b", f"a:{port}"], "protocol": protocol})
    assert (servers, warnings) == ((), [])
    assert errors == [f"coturn.url[1]: {IN_FIREFOX}; the usual one is {usual}"]


@pytest.mark.parametrize("port", [80, 443, 1024, 3478, 5349, 65535])
def test_a_port_that_browsers_use_is_no_warning(port):
    for protocol in ("turn", "turns"):
        assert parse_one({"url": f"a:{port}", "protocol": protocol})[1:] == ([], [])


@pytest.mark.parametrize("host", ["192.0.2.1", "[2001:db8::1]:5349"])
def test_turns_with_an_address_is_a_warning_and_turn_is_not(host):
    message = "is turns with an address, which Firefox ignores; write a name in its certificate"
    servers, errors, warnings = parse_one({"url": [host, "a"], "protocol": "turns"})
    assert (errors, warnings) == ([], [f"coturn.url[0]: {message}"])
    assert len(servers) == 1
    assert parse_one({"url": host})[2] == []
