"""Nothing in an od.config is executed, unlike in CherryPy."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Iterator

import pytest

from abcwebrtc.odconfig.reader import parse_od_config
from support.od_config_values import read_with_cherrypy, refusal_of

EXECUTED_BY_CHERRYPY = [
    "os.mkdir({mark!r})",
    "[1, os.mkdir({mark!r})]",
    "{{'ttl':\n  os.mkdir({mark!r})}}",
    "__import__('os').mkdir({mark!r})",
    "bait_for_abcwebrtc",
    "bait_for_abcwebrtc.attribute",
    "__import__('bait_for_abcwebrtc')",
    "'a'.join([os.mkdir({mark!r})])",
]
EXECUTED_BY_EVAL = [
    *EXECUTED_BY_CHERRYPY,
    "[os.mkdir({mark!r}) for _ in 'a']",
    "(lambda: os.mkdir({mark!r}))()",
    "f'{{os.mkdir({mark!r})}}'",
    "f'''{{__import__(\"os\").mkdir({mark!r})}}'''",
    "'a' if os.mkdir({mark!r}) else 'b'",
    "{{**os.mkdir({mark!r})}}",
    "[*os.mkdir({mark!r})]",
    "'%%s' %% os.mkdir({mark!r})",
    "1; os.mkdir({mark!r})",
    "1\n  os.mkdir({mark!r})",
    "1)\n  os.mkdir({mark!r}",
    "not os.mkdir({mark!r})",
    "-os.mkdir({mark!r})",
]


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield a path that comes into being when a value above is executed."""
    path = str(tmp_path / "executed")
    bait = f"import os\nattribute = 1\nos.mkdir({path!r})\n"
    (tmp_path / "bait_for_abcwebrtc.py").write_text(bait, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield path
    sys.modules.pop("bait_for_abcwebrtc", None)


@pytest.mark.parametrize("value", EXECUTED_BY_CHERRYPY)
def test_the_bait_is_taken_by_cherrypy(value, mark):
    with contextlib.suppress(ValueError):
        read_with_cherrypy("[global]\nlogging: " + value.format(mark=mark))
    assert os.path.exists(mark)


@pytest.mark.parametrize("key", ["webrtc.a", "jwt_token_user"])
@pytest.mark.parametrize("value", EXECUTED_BY_EVAL)
def test_an_entry_that_is_used_is_refused_and_not_executed(key, value, mark):
    error = refusal_of(f"[global]\n\n{key}: " + value.format(mark=mark))
    for problem in error.problems:
        assert (problem.file, problem.path) == ("od.config", key)
        assert problem.line in (3, 4)
    assert not os.path.exists(mark)
    assert "bait_for_abcwebrtc" not in sys.modules


@pytest.mark.parametrize("place", ["desktop.zoom", "[/]\nwebrtc.a"])
@pytest.mark.parametrize("value", EXECUTED_BY_EVAL)
def test_an_entry_that_is_not_used_is_ignored_and_not_executed(place, value, mark):
    config = parse_od_config("[global]\nwebrtc.b: 1\n" + f"{place}: " + value.format(mark=mark))
    assert config == {"webrtc.b": 1}
    assert not os.path.exists(mark)
    assert "bait_for_abcwebrtc" not in sys.modules
