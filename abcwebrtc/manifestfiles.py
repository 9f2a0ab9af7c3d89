"""Files with Kubernetes manifests: YAML or JSON, one document or several.

They are printed in the format that they came in, with their keys in order.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Tuple

from abcwebrtc.errors import ManifestError, Problem
from abcwebrtc.yamlfiles import parse_yaml, yaml_text

MAX_CHARACTERS = 4 * 1024 * 1024
_INDENT = re.compile(r"\{\n([ \t]+)\"")


@dataclass(frozen=True)
class Manifests:
    """The documents of a file, and how they are to be printed again.

    `indent` is None for JSON in one line.
    """

    documents: List[Any]
    is_json: bool = False
    indent: Any = None

    def text(self, documents: Iterable[Any]) -> str:
        """Return documents as text, in the format of the file."""
        if not self.is_json:
            return yaml_text(list(documents))
        lines = (json.dumps(item, indent=self.indent, ensure_ascii=False) for item in documents)
        return "".join(f"{line}\n" for line in lines)


def parse_manifests(text: str, file: str) -> Manifests:
    """Return the documents of a text; `file` is what messages call it.

    Raises `ManifestError`, with the line, where it is neither YAML nor JSON or
    is larger than 4 Mi characters.
    """
    if len(text) > MAX_CHARACTERS:
        raise ManifestError(Problem("is larger than 4 MiB: this is no manifest", "", file))
    if text.lstrip()[:1] in ("{", "["):
        indent = _INDENT.search(text)
        return Manifests(_parse_json(text, file), True, indent.group(1) if indent else None)
    return Manifests(parse_yaml(text, file))


def _parse_json(text: str, file: str) -> List[Any]:
    decoder = json.JSONDecoder(
        object_pairs_hook=_mapping, parse_constant=_number, parse_float=_number
    )
    documents: List[Any] = []
    end = len(text) - len(text.lstrip())
    message, line = "", 0
    try:
        while end < len(text):
            document, end = decoder.raw_decode(text, end)
            documents.append(document)
            end += len(text[end:]) - len(text[end:].lstrip())
    except json.JSONDecodeError as error:
        message, line = f"is not valid JSON: {error.msg}", error.lineno
    except _JSONError as error:
        message, line = str(error), text.count("\n", 0, end) + 1
    except (RecursionError, ValueError):
        message, line = "is nested too deep, or has a number that is too long", 1
    if message:
        raise ManifestError(Problem(message, "", file, line))
    return documents


class _JSONError(Exception):
    """What JSON allows and a manifest does not. Its text quotes no value."""


def _mapping(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise _JSONError(
            "has a key twice in one object, in the document that begins here; keep one of them"
        )
    return result


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _JSONError("has a number that JSON can't hold, in the document that begins here")
    return number
