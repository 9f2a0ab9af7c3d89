"""Files with Kubernetes manifests: YAML or JSON, one document or several.

They are printed in the format they were read in, and keys keep their order.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Tuple

from abcwebrtc.cluster.yaml import MAX_DIGITS, parse_yaml, yaml_text
from abcwebrtc.errors import ManifestError, Problem
from abcwebrtc.texts import is_obeyed

MAX_CHARACTERS = 4 * 1024 * 1024
MAX_DEPTH = 100
MAX_FLOW = 64 * 1024
"""More characters than any YAML in braces has; parsing more as YAML too would be slow."""
_INDENT = re.compile(r"\{\r?\n([ \t]+)\"")
_BLANKS = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True)
class Manifests:
    """The documents of a file, and how to print them again.

    `indent` is None for JSON on one line.
    """

    documents: List[Any]
    is_json: bool = False
    indent: Any = None

    def text(self, documents: Iterable[Any]) -> str:
        """Return documents as text, in the format of the file.

        JSON is written in ASCII if a terminal would interpret one of its characters.
        """
        given = list(documents)
        if not self.is_json:
            return yaml_text(given)
        text = self._json(given, False)
        return self._json(given, True) if is_obeyed(text) else text

    def _json(self, documents: List[Any], ascii_only: bool) -> str:
        lines = (
            json.dumps(item, indent=self.indent, ensure_ascii=ascii_only) for item in documents
        )
        return "".join(f"{line}\n" for line in lines)


def parse_manifests(text: str, file: str) -> Manifests:
    """Return the documents of a text; messages call it `file`.

    Raises `ManifestError`, with the line, if the text is neither YAML nor JSON, is
    larger than 4 Mi characters, or is nested more than 100 levels deep.
    """
    if len(text) > MAX_CHARACTERS:
        raise ManifestError(Problem("is larger than 4 MiB, so it is not a manifest", "", file))
    text = text[1:] if text.startswith("\ufeff") else text
    if text.lstrip()[:1] in ("{", "["):
        manifests = _parse_braces(text, file)
    else:
        manifests = Manifests(parse_yaml(text, file))
    if _is_deep(manifests.documents, -1):
        message = f"is nested more than {MAX_DEPTH} levels deep, so it is not a manifest"
        raise ManifestError(Problem(message, "", file))
    return manifests


def _parse_braces(text: str, file: str) -> Manifests:
    """Return a text that begins with a brace or bracket, parsed as JSON or else as YAML."""
    try:
        indent = _INDENT.search(text)
        return Manifests(_parse_json(text, file), True, indent.group(1) if indent else None)
    except _NotJSONError as error:
        failure = error
    if len(text) <= MAX_FLOW:
        with contextlib.suppress(ManifestError):
            return Manifests(parse_yaml(text, file))
    raise failure


def _is_deep(value: Any, depth: int) -> bool:
    if depth > MAX_DEPTH:
        return True
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, list) and any(_is_deep(item, depth + 1) for item in value)


def _parse_json(text: str, file: str) -> List[Any]:
    decoder = json.JSONDecoder(
        object_pairs_hook=_mapping, parse_constant=_float, parse_float=_float, parse_int=_int
    )
    documents: List[Any] = []
    end = _skip_blanks(text, 0)
    kind = ManifestError
    try:
        while end < len(text):
            document, end = decoder.raw_decode(text, end)
            documents.append(document)
            end = _skip_blanks(text, end)
        return documents
    except json.JSONDecodeError as error:
        kind, message, line = _NotJSONError, f"is not valid JSON: {error.msg}", error.lineno
    except _JSONError as error:
        message, line = str(error), text.count("\n", 0, end) + 1
    except RecursionError:
        message, line = "is nested too deeply", text.count("\n", 0, end) + 1
    raise kind(Problem(message, "", file, line))


class _NotJSONError(ManifestError):
    """The text is not JSON, but may still be YAML."""


class _JSONError(Exception):
    """Something that JSON allows and a manifest does not. The message quotes no value."""


def _mapping(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise _JSONError(
            "has a key twice in one object, in the document that begins here; keep one of them"
        )
    return result


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _JSONError("has a number that JSON can't hold, in the document that begins here")
    return number


def _int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise _JSONError("has a number that is too long, in the document that begins here")
    return int(text)


def _skip_blanks(text: str, start: int) -> int:
    match = _BLANKS.match(text, start)
    return match.end() if match else start
