"""Entries of webrtc.coturn for tests, and what the parser returns for them."""

from __future__ import annotations

from abcwebrtc.config.coturn import parse_coturn
from abcwebrtc.config.problems import Where
from abcwebrtc.config.secret_sources import SecretReader
from support.configurations import COTURN as MINIMAL
from support.configurations import NOW

URL = MINIMAL["url"]


def parse(value, environ=None, folder="", now=NOW):
    reader = SecretReader(environ or {}, str(folder))
    servers, problems = parse_coturn(value, Where({})["coturn"], reader, now)
    return servers, texts(problems, "error"), texts(problems, "warning")


def texts(problems, level):
    """Return the problems of a level as they are printed."""
    return [str(problem) for problem in problems if problem.level == level]


def parse_one(given=None, without=(), **kwargs):
    """Parse the minimal server with some keys added, changed or left out."""
    server = {**MINIMAL, **(given or {})}
    return parse({key: server[key] for key in server if key not in without}, **kwargs)


def urls_of(given):
    servers, errors, warnings = parse_one(given)
    assert errors == warnings == []
    return servers[0].urls


def values(source):
    return [secret.reveal().decode() for secret in source.current()]
