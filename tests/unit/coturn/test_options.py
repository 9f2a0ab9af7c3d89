"""The options of turnserver.conf, the versions of coturn, and which knows which."""

from __future__ import annotations

from typing import Any

import pytest

from abcwebrtc.coturn.options import (
    DEPRECATED,
    NEWEST,
    OLDEST,
    OPTIONS,
    SINCE,
    UNTIL,
    USUAL,
    CoturnVersion,
    deprecation,
    knows,
    parse_version,
)


def test_the_tables_speak_of_options_that_there_are() -> None:
    assert {*SINCE, *UNTIL, *DEPRECATED} <= set(OPTIONS)
    assert all(SINCE[name] < UNTIL[name] for name in SINCE if name in UNTIL)


TRIED = ("4.5.2", "4.6.1", "4.7", "4.16", "4.18")


@pytest.mark.parametrize(
    ("name", "versions"),
    [
        ("use-auth-secret", "4.5.2 4.6.1 4.7 4.16 4.18"),
        ("no-stun-backward-compatibility", "4.6.1"),
        ("stun-backward-compatibility", "4.7 4.16 4.18"),
        ("rfc3489-compatibility", "4.16 4.18"),
        ("no-tlsv1", "4.5.2 4.6.1"),
        ("no-cli", "4.5.2 4.6.1 4.7 4.16 4.18"),
        ("no-such-option", ""),
    ],
)
def test_which_version_knows_an_option(name: str, versions: str) -> None:
    known = [text for text in TRIED if knows(parse_version(text) or OLDEST, name)]
    assert " ".join(known) == versions


def test_an_option_is_deprecated_from_a_version_on() -> None:
    assert deprecation(USUAL, "no-cli") is None
    found = deprecation(NEWEST, "no-cli")
    assert found
    assert found.is_error
    assert deprecation(NEWEST, "secret-ts-exp-time") is None
    assert deprecation(NEWEST, "realm") is None


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("4.6", (4, 6)),
        ("4.5.1.3", (4, 5)),
        ("4.18.0", (4, 18)),
        ("4", None),
        ("v4.6", None),
        ("4.6\n", None),
        ("４.６", None),
        ("4.6.1.2.3", None),
        ("", None),
    ],
)
def test_a_version_is_two_numbers_and_what_follows(text: str, version: Any) -> None:
    assert parse_version(text) == version


def test_versions_compare_as_numbers() -> None:
    assert CoturnVersion(4, 6) < CoturnVersion(4, 18) < CoturnVersion(5, 0)
    assert (CoturnVersion(4, 19).known, CoturnVersion(4, 7).known) == (NEWEST, (4, 7))
    assert str(CoturnVersion(4, 18)) == "4.18"
