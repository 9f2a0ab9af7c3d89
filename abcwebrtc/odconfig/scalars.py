"""Read the texts, numbers and words of a value that can't be read, and guess what was meant."""

from __future__ import annotations

import ast
import re
import warnings
from typing import Any, Dict, List, Optional, Set, Tuple

from abcwebrtc.errors import KeyPath
from abcwebrtc.odconfig.evaluable import check_evaluable
from abcwebrtc.odconfig.ini import POISON, Budget, Lines
from abcwebrtc.odconfig.mended_tokens import (
    CLOSE,
    HASH,
    NAME,
    NUMBER,
    OPEN,
    OPERATOR,
    PLAIN,
    SPOILT,
    TEXT,
    Cursor,
    Token,
)
from abcwebrtc.odconfig.value_tokens import (
    BAD_ESCAPE,
    CONSTANTS,
    MAX_NUMBER_LENGTH,
    MAX_TEXT,
    WITHOUT_QUOTES,
    LiteralError,
    meant_constant,
    reason_for_name,
)

MAX_FAULTS = 20
"""Of one value."""
_UNIT = re.compile(r"-?[0-9][0-9_.]*\s?[A-Za-z%]+")
_UNQUOTED_KEY = "text without quotes; put the key in quotes: 'key'"
_NO_TEXT = {
    **dict.fromkeys(("webrtc.enable", "enable", "turn", "drain"), "True or False, without quotes"),
    **dict.fromkeys(("audio", "video"), "True, False or a dict"),
    **dict.fromkeys(("webrtc.rtc_configuration", "webrtc.rtc_constraints"), "a dict"),
    **dict.fromkeys(("permit", "deny"), "a list of label names, such as [ 'all' ]"),
    "webrtc.coturn": "a dict, or a list of dicts",
    "webrtc.coturn_servers": "a whole number, such as 2",
    "webrtc.desktop": "a dict such as { 'turn': True }",
    "webrtc.policies": "a list of dicts",
    "iceServers": "a list such as [ { 'urls': 'stun:stun.domain.local' } ]",
    "iceCandidatePoolSize": "a whole number from 0 to 255, such as 0",
    "acl": "a dict such as { 'permit': [ 'all' ] }",
    "tcpport": "a port from 1 to 65535, such as 4714",
    "ttl": "a whole number of seconds, such as 3600",
    "weight": "a number, such as 2",
}
"""What a value must be that can't be text, by its key."""
_SOUND = ("desktop.pod", "sound")
_CODE = "Python code is not run here; write the value itself, or put text in quotes"


class Scalars(Cursor):
    """Reads everything but containers from the tokens, and notes what is wrong."""

    def __init__(self, lines: Lines, budget: Budget, literal: bool) -> None:
        super().__init__("\n".join(text for _, text in lines))
        self._lines = lines
        self._budget = budget
        self._literal = literal
        self._faults: Dict[Tuple[int, str], int] = {}
        self._positions: Dict[KeyPath, int] = {}
        self._repeated: List[int] = []
        self._unsure: Set[KeyPath] = set()
        self._incomplete: Set[KeyPath] = set()
        self._closers: List[str] = []
        self._breaks: List[Tuple[int, str]] = []
        self._broken_at = 0  # where the first of them was noticed

    def _fault(self, index: int, reason: str) -> None:
        if len(self._faults) < MAX_FAULTS or (index, reason) in self._faults:
            self._faults[index, reason] = self._faults.get((index, reason), 0) + 1

    def _break(self, index: int, reason: str) -> None:
        """Note a fault after which brackets may be paired wrongly."""
        if not self._breaks:
            self._broken_at = max(index, self._before().last)
        self._breaks.append((index, reason))
        self._fault(index, reason)

    def _pass_colons(self) -> None:
        """Pass over each ``:`` that is too many before a value."""
        while self._is(":"):
            self._fault(self._next().line, "a ':' too many; take one out")

    def _doubt(self, path: Optional[KeyPath]) -> None:
        if path is not None:
            self._unsure.add(path)

    def _lose(self, path: Optional[KeyPath]) -> None:
        if path is not None:
            self._incomplete.add(path)

    def _texts(self, path: Optional[KeyPath], of_key: bool, key: bool) -> Any:
        """Return a text, or several that Python joins; the last one may be the next key."""
        value = self._text(self._next(), path)
        while not key:
            token = self._peek()
            if token is None or token.kind not in (TEXT, PLAIN):
                break
            if of_key and (self._is(":", 1) or self._assigns(1)):
                break
            more = self._text(self._next(), path)
            value = value + more if type(value) is type(more) and value is not None else None
        if not key and self._is_method():
            return self._code(path)
        return value

    def _is_method(self) -> bool:
        """Return whether the call of a method follows, as in ``'a b'.split()``."""
        name, opener = self._peek(1), self._peek(2)
        is_call = name and opener and opener.text == "(" and opener.start == name.end
        return bool(is_call) and self._is(".")

    def _code(self, path: Optional[KeyPath]) -> None:
        """Pass over a call, which CherryPy makes, and abcwebrtc does not."""
        first = self._next()
        self._pass_run(first, False)
        self._doubt(path)
        if self._literal:
            self._fault(first.line, _CODE)

    def _text(self, token: Token, path: Optional[KeyPath]) -> Any:
        value: Any = token.text
        if token.kind == TEXT:
            value = self._evaluated(token, BAD_ESCAPE)
        if value is None or (isinstance(value, str) and POISON in value):
            self._doubt(path)
        return value

    def _evaluated(self, token: Token, reason: str) -> Any:
        """Return what a token is in Python; nothing is run."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.literal_eval(token.text)
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            pass  # they hold the text
        self._fault(token.line, reason)
        return None

    def _run(self, path: Optional[KeyPath], key: bool) -> Any:
        """Return a number, a constant, or what was to be text and stands without quotes."""
        first = self._next()
        self._pass_run(first, key)
        last = self._before()
        fragment = self._source[first.start : last.end]
        if first is last and first.kind == NUMBER:
            return self._number(first, path)
        if fragment in CONSTANTS:
            return {"True": True, "False": False, "None": None}[fragment]
        return self._unquoted(fragment, first, path, key)

    def _pass_run(self, first: Token, key: bool) -> None:
        inside = 0
        while self._at < len(self._tokens):
            token, before = self._tokens[self._at], self._before()
            if inside:
                inside += (token.kind == OPEN) - (token.kind == CLOSE)
            elif token.kind == OPEN and token.start == before.end and before.kind in (NAME, CLOSE):
                inside = 1  # a call, or a part of something
            elif token.line != first.line or self._ends_run(token, first, before, key):
                break
            self._next()

    def _ends_run(self, token: Token, first: Token, before: Token, key: bool) -> bool:
        if token.kind in (TEXT, PLAIN, SPOILT, OPEN, CLOSE) or token.text in (",", ";"):
            return True
        is_apart = token.start > before.end
        if is_apart and (self._is_comment() or token.text in ("=", "==")):
            return True
        if token.text in ("+", "*") and before.kind == CLOSE:
            return True  # a call is an operand like another
        if token.text in ("+", "*") and first is before and first.kind in (NUMBER, NAME):
            return first.kind == NUMBER or first.text in CONSTANTS
        return key and token.text in (":", "=", "==", "->", ":=")

    def _number(self, token: Token, path: Optional[KeyPath]) -> Any:
        value = None
        if len(token.text) <= MAX_NUMBER_LENGTH:
            right = "remove the 0" if _must_be(path, token.text) else "put text in quotes"
            value = self._evaluated(token, f"a number can't begin with 0; {right}")
        if value is None:
            self._doubt(path)
        return value

    def _unquoted(self, fragment: str, first: Token, path: Optional[KeyPath], key: bool) -> Any:
        """Return what a text without quotes was meant to be, and say what to write."""
        if not self._literal:
            try:
                lines = tuple((0, line) for line in fragment.split("\n"))
                check_evaluable(lines, self._budget)
            except LiteralError as error:
                self._fault(first.line + error.index, self._reason(fragment, first, key, error))
            self._doubt(path)
            return fragment if key else None
        is_code, reason = _is_code(fragment), ""
        if not (key or is_code) and first.kind in (NAME, NUMBER):
            is_cut = self._source.startswith("#", self._before().end)
            reason = _must_be(path, fragment) or (HASH if is_cut else "")
        self._fault(first.line, reason or self._reason(fragment, first, key))
        meant = meant_constant(fragment)
        is_text = not (reason or meant or first.kind == NUMBER or "\n" in fragment or is_code)
        if key or is_text:
            return fragment[:MAX_TEXT]
        self._doubt(path)
        return {"True": True, "False": False}.get(meant or "")

    def _reason(
        self, fragment: str, first: Token, key: bool, error: Optional[LiteralError] = None
    ) -> str:
        if key and first.kind == NAME:
            return _UNQUOTED_KEY
        if _UNIT.fullmatch(fragment):
            return "a number followed by letters; write the number alone, or put text in quotes"
        if "**" in fragment and first.kind == NUMBER:
            return "'**' is not part of a literal value"
        if first.kind == OPERATOR and first.text in ("=", ":", "**", "=="):
            return f"'{first.text}' is not part of a literal value"
        if meant_constant(fragment):
            return reason_for_name(fragment)
        if self._literal and _is_code(fragment):
            return _CODE
        return error.reason if error and first.kind == NAME else WITHOUT_QUOTES


def _must_be(path: Optional[KeyPath], fragment: str) -> str:
    """Return what to write at a path instead of text without quotes, if text is wrong there too."""
    if not path or not (str(path[0]).startswith("webrtc.") or path[:2] == _SOUND):
        return ""
    right = _NO_TEXT.get(str(path[-1]))
    if right is None:
        return ""
    name = f"'{path[-1]}' " if path[1:] else ""
    meant = meant_constant(fragment) if right.startswith("True") else None
    return f"{name}must be {right}" + (f"; write {meant}" if meant in ("True", "False") else "")


def _is_code(fragment: str) -> bool:
    """Return whether a run calls something or takes a part of it, as in ``os.environ['A']``."""
    return "(" in fragment or "[" in fragment
