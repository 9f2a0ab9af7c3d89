"""Who may log in: the secrets of od.config, the login options, the realm."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

import pytest

from abcwebrtc.coturn.check.login import login_rule
from abcwebrtc.coturn.conf_file import parse_turnserver_conf
from support.certificates import HOST
from support.turnserver_entry import ENTRY, GOOD, OLD, SECRET, compare

BOTH = {"coturn_static_auth_secret": [SECRET, OLD]}
SECRETS: Dict[str, Tuple[str, Any, str, str, str]] = {
    "another": (
        "-static-auth-secret\nstatic-auth-secret=another",
        {},
        "error",
        "static-auth-secret",
        "is not a secret of od.config",
    ),
    "none": ("-static-auth-secret", {}, "error", "static-auth-secret", "is missing"),
    "in a database": (
        "-static-auth-secret\nuserdb=/var/lib/turn/turndb",
        {},
        "warning",
        "userdb",
        "may hold the secrets",
    ),
    "another, and a database": (
        "-static-auth-secret\nstatic-auth-secret=x\nredis-userdb=ip=1",
        {},
        "warning",
        "static-auth-secret",
        "may be in coturn's database",
    ),
    "single quotes": (
        f"-static-auth-secret\nstatic-auth-secret='{SECRET}-'",
        {"coturn_static_auth_secret": f"{SECRET}-"},
        "error",
        "static-auth-secret",
        "only in blanks, quotes",
    ),
    "a leading = is lost": (
        f"-static-auth-secret\nstatic-auth-secret==x{SECRET}",
        {"coturn_static_auth_secret": f"=x{SECRET}"},
        "error",
        "static-auth-secret",
        "only in blanks, quotes",
    ),
    "only the old one": (
        f"-static-auth-secret\nstatic-auth-secret={OLD}",
        BOTH,
        "error",
        "static-auth-secret",
        "is an older secret of od.config",
    ),
    "only the new one": (
        "",
        BOTH,
        "warning",
        "static-auth-secret",
        "secret 2 of od.config is missing here",
    ),
    "one more": (
        "static-auth-secret=of-somebody-else",
        {},
        "warning",
        "static-auth-secret",
        "remove it once nothing else signs with it",
    ),
}


@pytest.mark.parametrize(
    ("text", "changes", "level", "path", "words"), SECRETS.values(), ids=SECRETS
)
def test_secrets_are_compared(text: str, changes: Any, level: str, path: str, words: str) -> None:
    found = [item for item in compare(text, **changes) if "single quotes, which" not in str(item)]
    assert [(item.level, item.path) for item in found] == [(level, path)]
    assert words in found[0].message
    assert OLD not in str(found)


@pytest.mark.parametrize("take", ["-static-auth-secret\n", ""])
def test_an_empty_secret_is_one_error(take: str) -> None:
    (found,) = compare(f'{take}static-auth-secret=""')
    assert (found.level, found.path) == ("error", "static-auth-secret")
    assert "anybody can sign a credential" in found.message


def test_a_file_without_any_login_says_what_is_missing() -> None:
    found = compare("-use-auth-secret\n-static-auth-secret")
    assert [(item.level, item.path, item.message[:10]) for item in found] == [
        ("error", "use-auth-secret", "is missing"),
        ("error", "static-auth-secret", "is missing"),
    ]


def test_a_secret_that_is_wrong_is_said_with_its_line() -> None:
    (found,) = compare("-static-auth-secret\nstatic-auth-secret=another")
    line = GOOD.count("\n")  # one line less, and one more
    assert str(found).startswith(f"t.conf:{line}: static-auth-secret: is not a secret of od")


@pytest.mark.parametrize("case", ["another", "none"])
def test_the_database_is_asked_for_by_a_command_that_shows_no_secret(case: str) -> None:
    (found,) = compare(SECRETS[case][0])
    assert found.message.endswith("has it; abcwebrtc rotate check OD_CONFIG asks coturn")


def test_every_entry_of_a_host_needs_its_secret() -> None:
    entries = [
        {**ENTRY, "protocol": "turns"},
        {**ENTRY, "coturn_static_auth_secret": "of-the-other-entry"},
    ]
    (found,) = compare("", coturn=entries)
    assert found.message.startswith("is not a secret of od.config")


@pytest.mark.parametrize("value", ["$TURN_SECRET", "${TURN_SECRET}", "$(cat /run/secrets/turn)"])
def test_a_secret_that_a_shell_fills_in_is_not_compared(value: str) -> None:
    found = compare("-static-auth-secret", options=[f"static-auth-secret={value}"])
    assert {(item.level, item.path) for item in found} == {("warning", "static-auth-secret")}
    assert any("was not compared" in item.message for item in found)
    found = compare(f"-static-auth-secret\nstatic-auth-secret={value}")
    assert [(item.level, item.path) for item in found] == [("error", "static-auth-secret")]


def test_a_secret_on_the_command_line_is_not_shown() -> None:
    found = compare("-static-auth-secret", options=[f"static-auth-secret={SECRET}"])
    assert [(item.level, item.path) for item in found] == [("warning", "static-auth-secret")]
    assert SECRET not in str(compare("", options=[SECRET, f"{SECRET}=1"]))


USERID = {"username": "userid"}


@pytest.mark.parametrize(
    ("text", "changes", "level", "path", "words"),
    [
        ("no-auth", {}, "error", "no-auth", "does not start"),
        ("no-auth=no", {}, "error", "no-auth", "turns logins off"),
        ("lt-cred-mech=no", {}, "error", "lt-cred-mech", "turns logins off"),
        ("lt-cred-mech", {}, "warning", "lt-cred-mech", "is part of use-auth-secret"),
        ("-use-auth-secret", {}, "warning", "use-auth-secret", "is missing"),
        ("user=a:b", {}, "warning", "user", "can't log in"),
        ("-realm", {}, "error", "realm", "is missing"),
        ("-realm\nrealm=a b", {}, "error", "realm", "(400)"),
        ("-realm\nrealm=x.org", {}, "warning", "realm", f"neither {HOST}"),
        ("rest-api-separator=|", USERID, "error", "rest-api-separator", "is not ':'"),
    ],
)
def test_what_is_wrong_with_the_login_is_found(
    text: str, changes: Any, level: str, path: str, words: str
) -> None:
    (found,) = compare(text, **changes)
    assert (found.level, found.path) == (level, path)
    assert words in found.message


@pytest.mark.parametrize(
    "text",
    [
        "lt-cred-mech=no\nno-auth=no\nuse-auth-secret",
        "-realm\nrealm=domain.local",
        "-realm\nrealm=DOMAIN.local",
        "rest-api-separator=|",
    ],
)
def test_a_login_that_is_right_is_not_found_wrong(text: str) -> None:
    assert compare(text) == []


@pytest.mark.parametrize(
    ("text", "starts", "culprit"),
    [
        ("use-auth-secret", True, None),
        ("static-auth-secret=x\nlt-cred-mech", True, None),
        ("no-auth=no\nuse-auth-secret", True, None),
        ("use-auth-secret\nno-auth=no", True, "no-auth"),
        ("use-auth-secret\nno-auth", False, "no-auth"),
        ("no-auth\nuse-auth-secret", False, None),
        ("use-auth-secret\nlt-cred-mech=no\nno-auth", True, "no-auth"),
        ("no-auth", True, "no-auth"),
        ("", True, None),
    ],
)
def test_the_order_of_the_login_options_counts(
    text: str, starts: bool, culprit: Optional[str]
) -> None:
    login = login_rule(parse_turnserver_conf(text.encode(), "").settings)
    assert (login.starts, login.open_by and login.open_by.name) == (starts, culprit)
