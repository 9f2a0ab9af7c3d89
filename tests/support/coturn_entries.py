"""Entries of webrtc.coturn for tests, and what the parser makes of them."""

from __future__ import annotations

from abcwebrtc.config.coturn import parse_coturn
from abcwebrtc.config.problems import Findings
from abcwebrtc.config.secret_reader import SecretReader

NOW = 1_700_000_000
SECRET = "0123456789abcdefghij"
URL = "turn.domain.local:3478"
MINIMAL = {"coturn_static_auth_secret": SECRET, "url": URL}


def parse(value, environ=None, folder="", now=NOW):
    findings = Findings({})
    reader = SecretReader(environ or {}, str(folder))
    servers = parse_coturn(findings, value, ("coturn",), reader, now)
    return servers, list(map(str, findings.errors)), list(map(str, findings.warnings))


def parse_one(given=None, without=(), **kwargs):
    """Parse the minimal server with some of its keys given or left out."""
    server = {**MINIMAL, **(given or {})}
    return parse({key: server[key] for key in server if key not in without}, **kwargs)


def urls_of(given):
    servers, errors, warnings = parse_one(given)
    assert errors == warnings == []
    return servers[0].urls


def values(source):
    return [secret.reveal().decode() for secret in source.current()]
