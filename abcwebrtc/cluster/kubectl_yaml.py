"""YAML as kubectl prints it, to the byte: mappings of texts, sorted by their keys.

kubectl writes with a Go port of libyaml, which breaks lines, and chooses a
style for a text, in other ways than PyYAML. The rules here are libyaml's
(``yaml_emitter_analyze_scalar`` and what follows it in ``emitter.c``).
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, List

WIDTH = 80
"""Columns after which a text that is not in a block is broken at a blank."""
_INDENT = 2

_NOT_PRINTABLE = re.compile(r"[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
_BREAK = re.compile(r"[\n\u2028\u2029]")
_ESCAPED = re.compile(rf"[\\\"]|{_BREAK.pattern}|{_NOT_PRINTABLE.pattern}")
# U+2028 and U+2029 at the end would be lost; kubectl writes a block that loses them.
_NOT_IN_BLOCK = re.compile(r" [\n\u2028\u2029]|[ \u2028\u2029]\Z")
_ESCAPES = {"\0": "0", "\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f"}
_ESCAPES.update({"\r": "r", "\x1b": "e", '"': '"', "\\": "\\", "\x85": "N"})
_ESCAPES.update({"\u2028": "L", "\u2029": "P"})

_NOT_PLAIN = re.compile(r"[#,\[\]{}&*!|>'\"%@`]|[-?:]([ \n]|$)|---|\.\.\.|.*(: |:$| #)", re.DOTALL)
# What Go's reader would not take for text, and so is quoted.
_NOT_TEXT = re.compile(
    r"|~|y|n|yes|no|on|off|true|false|null|<<|=|\d{4}-\d\d?-\d\d?([Tt ].*)?"
    r"|[-+]?(0x[\da-f_]+|0b[01_]+|0o[0-7_]+|(\.\d[\d_]*|\d[\d_]*(\.[\d_]*)?)(e[-+]?\d+)?)"
    r"|[-+]?\d[\d_]*(:[0-5]?\d)+(\.[\d_]*)?|[-+]?\.inf|\.nan",
    re.IGNORECASE | re.ASCII,
)


def kubectl_text(mapping: Dict[str, Any]) -> str:
    """Return a mapping of texts, None and further mappings as kubectl prints it."""
    return "".join(_lines(mapping, 0))


def _lines(mapping: Dict[str, Any], indent: int) -> Iterator[str]:
    for key in sorted(mapping):
        value = mapping[key]
        start = " " * indent + _inline(key, 0, 0)
        if isinstance(value, dict):
            yield f"{start}:\n"
            yield from _lines(value, indent + _INDENT)
        elif value is None:
            yield f"{start}: null\n"
        else:
            text = scalar(value, len(start) + 2, indent + _INDENT)
            yield f"{start}: {text}" + ("" if _ends_line(text) else "\n")


def scalar(text: str, column: int, indent: int) -> str:
    """Return a text as a scalar that starts at a column.

    Lines after the first one have this indentation. A literal block ends with
    the line break of its own, if it has one.
    """
    if "\n" in text and not _needs_quotes(text):
        return _literal(text, indent)
    return _inline(text, column, indent)


def _ends_line(text: str) -> bool:
    return text.startswith("|") and text.endswith("\n")


def _needs_quotes(text: str) -> bool:
    """Return whether a text of several lines can't be in a literal block."""
    return bool(_NOT_PRINTABLE.search(text) or _NOT_IN_BLOCK.search(text))


def _inline(text: str, column: int, indent: int) -> str:
    if _NOT_TEXT.fullmatch(text):
        return f'"{text}"'
    if _NOT_PRINTABLE.search(text) or _BREAK.search(text):
        return _double_quoted(text, column, indent)
    if text[0] == " " or text[-1] == " " or _NOT_PLAIN.match(text):
        quoted = text.replace("'", "''")
        return "'" + _folded(list(quoted), column + 1, indent) + "'"
    return _folded(list(text), column, indent)


def _double_quoted(text: str, column: int, indent: int) -> str:
    parts = [_ESCAPED.sub(_escape, character) for character in text]
    return '"' + _folded(parts, column + 1, indent, "\\") + '"'


def _escape(match: "re.Match[str]") -> str:
    character = match.group()
    if character in _ESCAPES:
        return "\\" + _ESCAPES[character]
    number = ord(character)
    form = "x{:02X}" if number < 0x100 else "u{:04X}" if number < 0x10000 else "U{:08X}"
    return "\\" + form.format(number)


def _folded(parts: List[str], column: int, indent: int, escape: str = "") -> str:
    """Return the parts of a text in lines that are broken at single blanks.

    A blank that follows a break has to be escaped; where it can't be, that
    blank is no place to break at.
    """
    written: List[str] = []
    after_blank = False
    last = len(parts) - 1
    for index, part in enumerate(parts):
        blank = part == " "
        if blank and indent and not after_blank and column > WIDTH and 0 < index < last:
            next_is_blank = parts[index + 1] == " "
            if escape or not next_is_blank:
                part = "\n" + " " * indent + (escape if next_is_blank else "")
                column = indent
        column += len(part) if "\n" not in part else len(escape if next_is_blank else "")
        written.append(part)
        after_blank = blank
    return "".join(written)


def _literal(text: str, indent: int) -> str:
    if text[-1] not in "\n\u2028\u2029":
        chomping = "-"
    elif len(text) == 1 or text[-2] in "\n\u2028\u2029":
        chomping = "+"
    else:
        chomping = ""
    hint = str(_INDENT) if text[0] in " \n\u2028\u2029" else ""
    margin = " " * indent
    body = re.sub(r"(^|(?<=[\n\u2028\u2029]))(?=[^\n\u2028\u2029])", margin, text)
    return f"|{hint}{chomping}\n{body}"
