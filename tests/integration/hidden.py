"""Marked secrets, a configuration with all of them, and a search for marks."""

from __future__ import annotations

import base64
import traceback
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest

from support import Answer, write_od_config

INLINE, OLD, FILE = "markInlineQ7x2Jd8s", "markOldV4n9Lq1cZ", "markFileH3k8Wp5rT"
ENVIRONMENT, KEY, STATIC = "markEnvG6t1Bz0yU", "markKeyM2f7Sx4aE", "markStaticC9w3Nv6oI"
SECRETS = (INLINE, OLD, FILE, ENVIRONMENT, KEY)
MARKS = (*SECRETS, STATIC)
VARIABLE = "ABCWEBRTC_TEST_SECRET"

DEBUG_EVERYTHING = """\
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, force=True)
logging.getLogger("abcwebrtc").debug("debug logging is on")
"""


# what is looked for


def forms(mark: str) -> List[str]:
    """Return a mark as it is, in hex, and in base64 at any offset."""
    assert len(mark) > 12, "too short to be looked for"
    data = mark.encode()
    found = [mark, data.hex()]
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + data).decode()
        found.append(coded[4 if offset else 0 : -4])
    return found


def shown(text: str, *marks: str) -> List[str]:
    """Return the marks that a text contains in any form."""
    return [mark for mark in marks if any(form in text for form in forms(mark))]


def exception_text(error: Optional[BaseException]) -> str:
    """Return everything that an exception can show, including suppressed contexts."""
    texts: List[str] = []
    while error is not None:
        texts += [repr(error), str(error), repr(error.args), repr(vars(error))]
        texts += traceback.format_exception(type(error), error, error.__traceback__)
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


def credentials_in(answer: Answer) -> List[str]:
    """Return the passwords minted in an answer."""
    data = answer.json()
    servers = data.get("result", {}).get("iceServers", [])
    found = [server.get("credential") for server in servers] + [data.get("password")]
    return [credential for credential in found if credential and credential != STATIC]


# a configuration with every kind of secret


def server_entry(**changes: Any) -> Dict[str, Any]:
    return {"url": "turn.example.org:3478", "protocol": "turn", "ttl": 600, **changes}


def entries(folder: Path) -> Dict[str, Any]:
    (folder / "secret").write_text(f"{FILE}\n", encoding="utf-8")
    static = {"urls": "turn:old.example.org:3478", "username": "all", "credential": STATIC}
    stun = {"urls": "stun:stun.example.org:3478"}
    return {
        "webrtc.enable": True,
        "webrtc.rtc_configuration": {"iceServers": [stun, static]},
        "webrtc.coturn": [
            server_entry(coturn_static_auth_secret=[INLINE, OLD], username="userid"),
            server_entry(
                coturn_static_auth_secret_file="secret", username="pseudonym", pseudonym_key=KEY
            ),
            server_entry(coturn_static_auth_secret_env=VARIABLE, username="timestamp"),
        ],
    }


def write_marked_od_config(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write an od.config that has a secret of each kind, or says where it is."""
    monkeypatch.setenv(VARIABLE, ENVIRONMENT)
    return write_od_config(folder, entries(folder))
