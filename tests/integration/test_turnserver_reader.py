"""coturn reads a turnserver.conf as this project's reader does."""

from __future__ import annotations

from pathlib import Path
from typing import List

from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc.coturn.conf_file import parse_turnserver_conf, quoted
from conftest import ONE_FIXTURE
from integration.generated import accepted, bare_conf, running
from integration.turn import free_ports

LINES = [
    b"static-auth-secret=plain-one",
    b"  static-auth-secret plain-two  ",
    b"static-auth-secret\t= \tplain-three\t",
    b'static-auth-secret="quoted one "   ',
    b'static-auth-secret="open quote',
    b"static-auth-secret='single quotes'",
    b'static-auth-secret=quote at the end"',
    b'static-auth-secret="quote"inside',
    b"static-auth-secret=with # a comment",
    b"static-auth-secret=carriage return\r",
    b"static-auth-secret=carriage\rreturn inside",
    b"static-auth-secret=semicolon;",
    b"static-auth-secret==two equals",
    b'static-auth-secret="=equals kept"',
    b"static-auth-secret=cut\0here",
    b"static-auth-secret=vertical tab\v",
    b"static-auth-secret=" + b"l" * 1004,
    b'static-auth-secret="' + b"q" * 1002 + b'"',
]


def test_coturn_takes_the_secrets_that_the_reader_sees(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    conf = bare_conf(tmp_path, port, *LINES)
    secrets = parse_turnserver_conf(conf.read_bytes(), "").all("static-auth-secret")
    assert len(secrets) == len(LINES)
    with running(conf, port=port):
        assert [item.line for item in secrets if not accepted(port, item.value)] == []
        assert not accepted(port, b"another")


def test_coturn_passes_over_the_lines_that_the_reader_passes_over(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    lines = [
        b"static-auth-secret:colon",
        b"Static-Auth-Secret=capitals",
        b"static_auth_secret=underscores",
        b"--static-auth-secret=dashes",
        b"\vstatic-auth-secret=vertical",
        b"#static-auth-secret=comment",
        b" \t# static-auth-secret=comment",
        b"static-auth-secret=good",
    ]
    conf = bare_conf(tmp_path, port, *lines)
    parsed = parse_turnserver_conf(conf.read_bytes(), "")
    assert [item.value for item in parsed.all("static-auth-secret")] == [b"good"]
    assert len(parsed.problems) == 5
    with running(conf, port=port):
        assert accepted(port, b"good")
        for name in (b"colon", b"capitals", b"underscores", b"dashes", b"vertical", b"comment"):
            assert not accepted(port, name)


LINE_BYTES = st.binary(min_size=1, max_size=60).filter(lambda data: b"\n" not in data)
AWKWARD = st.lists(st.sampled_from([b" ", b"=", b'"', b"'", b"\t", b";", b"#", b"a", b"\\", b"\r"]))


@settings(max_examples=8, suppress_health_check=ONE_FIXTURE)
@given(st.lists(LINE_BYTES | AWKWARD.map(b"".join), min_size=20, max_size=40))
def test_coturn_agrees_on_any_bytes(tmp_path: Path, values: List[bytes]) -> None:
    # The number makes every secret unique, so that no other line lets it in.
    raw = [b"static-auth-secret=%b-%d-%b" % (v, n, v[::-1]) for n, v in enumerate(values)]
    safe = [v + b"/%d" % n for n, v in enumerate(values) if b"\0" not in v and b"\r" not in v]
    lines = [*raw, *(b"static-auth-secret=" + quoted(value) for value in safe)]
    (port,) = free_ports(1)
    conf = bare_conf(tmp_path, port, *lines)
    parsed = parse_turnserver_conf(conf.read_bytes(), "").all("static-auth-secret")
    assert [item.value for item in parsed][len(raw) :] == safe
    with running(conf, port=port):
        refused = [item.line for item in parsed if not accepted(port, item.value)]
    assert refused == []
