"""The secrets in an entry of ``webrtc.coturn``: inline, in a file, or in the environment."""

from __future__ import annotations

import re
from typing import Any, Iterator, List, Mapping, Optional, Set, Tuple

from abcwebrtc.config.problems import UNEXPANDED, Where, is_unexpanded, kind, too_many
from abcwebrtc.config.secret_sources import (
    MAX_SECRETS,
    FixedSecrets,
    Secret,
    SecretReader,
    SecretSource,
    secrets_here,
)
from abcwebrtc.errors import Problem

SECRET_KEY = "coturn_static_auth_secret"  # noqa: S105, the name of a key
PSEUDONYM_KEY = "pseudonym_key"
PLACES = ("", "_file", "_env")
MIN_SECRET_BYTES = 16
_PLACEHOLDER = re.compile(
    rb"change.?me|super.?secret|your.?(secret|coturn)|placeholder|example|^<.*>$", re.IGNORECASE
)
_QUOTED = re.compile(rb"([\s=].*|.*\s|'.*'|\".*\")", re.DOTALL)
_FEWER_SECRETS = "list the one in use first, then older ones that must still be accepted"
_INSTEAD = "write the secret itself, or add _file or _env to the key and name a file or variable"
_BARE_PLACEHOLDERS = (b"secret", b"password", b"static-auth-secret", b"north")


def parse_secrets(
    entry: Mapping[Any, Any], name: str, where: Where, reader: SecretReader
) -> Tuple[Optional[SecretSource], List[Problem]]:
    """Return the secrets of a key and its ``_file`` and ``_env``, or None, and what is wrong.

    `name` is `SECRET_KEY` or `PSEUDONYM_KEY`, `where` the place of the entry.
    """
    given = [name + place for place in PLACES if name + place in entry]
    if len(given) > 1:
        return None, [where[given[1]].error(f"is given as well as '{given[0]}'; keep one of them")]
    if not given and name == SECRET_KEY:
        right = f"write coturn's static-auth-secret here, or use {name}_file"
        return None, [where[name].error(f"is missing; {right}")]
    if not given:
        return None, []
    (key,) = given
    value, here = entry[key], where[key]
    if key == name:
        source, problems = _inline(value, here, name == PSEUDONYM_KEY)
    elif not isinstance(value, str) or not value:
        return None, [here.error("must be the name of a file or variable, as text")]
    elif key.endswith("_file"):
        source, problems = reader.from_file(value, here)
    else:
        source, problems = reader.from_environment(value, here)
    many = isinstance(value, (list, tuple))
    secrets = secrets_here(source) if source else ()
    return source, [*problems, *_judge(secrets, here, many, name == SECRET_KEY)]


def _inline(value: Any, where: Where, own: bool) -> Tuple[Optional[SecretSource], List[Problem]]:
    if not isinstance(value, (list, tuple)):
        items = [(value, where)]
    elif not value:
        return None, [where.error("is an empty list; write at least one secret")]
    else:
        wrong = too_many(value, MAX_SECRETS, where, _FEWER_SECRETS)
        if wrong:
            return None, wrong
        items = [(item, where[index]) for index, item in enumerate(value)]
    reasons = [(_wrong_secret(item, own), here) for item, here in items]
    wrong = [here.error(reason) for reason, here in reasons if reason]
    if wrong:
        return None, wrong
    return FixedSecrets(tuple(Secret(item) for item, _ in items)), []


def _judge(
    secrets: Tuple[Secret, ...], where: Where, many: bool, in_turnserver_conf: bool
) -> Iterator[Problem]:
    """Warn of secrets that are placeholders, weak, or changed by turnserver.conf."""
    seen: Set[bytes] = set()
    for index, secret in enumerate(secrets):
        here = where[index] if many else where
        value = secret.reveal()
        if value in seen:
            yield here.warning("is listed twice; keep one of them")
            continue
        seen.add(value)
        if is_unexpanded(value.decode("utf-8", "replace")):
            yield here.warning(f"{UNEXPANDED}; {_INSTEAD}")
        elif _PLACEHOLDER.search(value) or value.lower() in _BARE_PLACEHOLDERS:
            yield here.warning("is a placeholder that anybody can guess; make a random one")
        elif len(value) < MIN_SECRET_BYTES:
            message = f"is shorter than {MIN_SECRET_BYTES} characters; make a random one"
            yield here.warning(message)
        if in_turnserver_conf and _QUOTED.fullmatch(value):
            yield here.warning(
                "begins or ends with characters that turnserver.conf drops unless it is quoted"
            )


def _wrong_secret(value: Any, own: bool) -> str:
    """Return why a value can't be a secret, or "". Never show the value.

    coturn never gets one of your `own`, the pseudonym key.
    """
    if not isinstance(value, str):
        return f"must be text in quotes, not {kind(value)}"
    if not value.strip():
        return "is empty; write " + ("a random text" if own else "coturn's static-auth-secret")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return "is not valid Unicode text"
    if re.search(r"[\x00-\x1f\x7f]", value):
        end = "; remove it" if own else ", which turnserver.conf can't hold"
        return "has a control character" + end
    return ""
