"""The values of an od.config as CherryPy and as abcwebrtc read them."""

from __future__ import annotations

import configparser
import io
from typing import Any, Dict, Optional

import pytest
from cherrypy.lib.reprconf import Config, Parser

from abcwebrtc.errors import ConfigError
from abcwebrtc.odconfig.reader import parse_od_config

USED = ("webrtc.", "desktop.envlocal", "desktop.pod", "jwt_token_user")
SECRET = "Zq7xW9vK"


def read_with_cherrypy(text: str) -> Dict[str, Any]:
    """Return [global] as pyos reads it; this executes what the text calls."""
    return dict(Config(io.StringIO(text, newline=None))["global"])


def used(entries: Dict[str, Any]) -> Dict[str, str]:
    """Return the entries that abcwebrtc uses, in a form in which 1, 1.0 and True differ."""
    return {
        key: repr(value)
        for key, value in entries.items()
        if key.startswith("webrtc.") or key in USED
    }


def refusal_of(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_od_config(text)
    return caught.value


def texts_with_cherrypy(text: str) -> Optional[Dict[str, str]]:
    """Return the interpolated texts of [global], or None if CherryPy refuses the file."""
    parser = Parser()
    try:
        parser.read_string(text)
        everything = {name: dict(parser.items(name)) for name in parser.sections()}
    except configparser.Error:
        return None
    return everything.get("global")
