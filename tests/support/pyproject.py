"""Read pyproject.toml, whatever is installed."""

from __future__ import annotations

from typing import Any, Dict

from conftest import ROOT

try:
    import tomllib
except ImportError:  # before Python 3.11, where pytest brings it
    import tomli as tomllib  # type: ignore[no-redef]


def pyproject() -> Dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
