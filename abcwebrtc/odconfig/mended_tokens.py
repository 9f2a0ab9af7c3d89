"""Find the tokens of a value that can't be read; a fault in one token does not end the list.

An unclosed quote spoils the text around it, up to the next comma or bracket. The rest of its line,
and all other lines, are read as usual.
"""

from __future__ import annotations

import re
from typing import Callable, List, NamedTuple, Optional

from abcwebrtc.odconfig.ini import POISON, Budget
from abcwebrtc.odconfig.value_tokens import (
    BAD_QUOTE,
    CURLY_QUOTES,
    F_STRING,
    INVISIBLE,
    KEPT_OPEN,
    TOKEN,
    TOKEN_COST,
    TOO_MANY,
    UNCLOSED,
    BoundsError,
    masked,
)

TEXT, PLAIN, SPOILT, NUMBER, NAME, OPEN, CLOSE, OPERATOR, OTHER = (
    *("text", "plain", "spoilt", "number", "name", "open", "close", "operator", "other"),
)
"""Kinds of a token: PLAIN is a text that is known without its quotes, SPOILT is unknown."""
MAX_TOKENS = 5000
"""The most tokens in a value that is read after its first fault; a large pod has a tenth."""
_CURLY = re.compile(f"[{CURLY_QUOTES}]([^{CURLY_QUOTES}'\"\n]*)[{CURLY_QUOTES}'\"]")
_KEY = re.compile(r"""[\s,]*['"]?([A-Za-z_][\w.]*)['"]?\s*:(?!//)""")
_TRAIL = " \t,])}"
CURLY = "a curly quote or a backtick; write a straight quote, ' or \""
HASH = "text without quotes, in which a '#' begins a comment; put text in quotes: 'text'"
QUOTES = (UNCLOSED, KEPT_OPEN, BAD_QUOTE, CURLY, HASH)
"""What can be wrong with a quote. The brackets behind it may then seem to be wrong too."""

Fault = Callable[[int, str], None]
"""Takes the index of a line, and what is wrong there."""


class Token(NamedTuple):
    """A token, with its place in the source and the indexes of its first and its last line.

    `is_lost` says of a SPOILT one that there may be several items in it.
    """

    kind: str
    text: str
    start: int
    end: int
    line: int
    last: int
    is_lost: bool = False


def mended_tokens(source: str, budget: Budget, fault: Fault) -> List[Token]:
    """Return the tokens of a value; `fault` is told what is wrong in them.

    Raises `BoundsError` where there are too many.
    """
    return _Tokens(source, budget, fault).run()


class _Tokens:
    def __init__(self, source: str, budget: Budget, fault: Fault) -> None:
        self._source = source
        self._masked = masked(source)
        self._budget = budget
        self._fault = fault
        self._index = self._place = 0
        self._tokens: List[Token] = []

    def run(self) -> List[Token]:
        while self._place < len(self._source):
            if len(self._tokens) > MAX_TOKENS or not self._budget.spend(TOKEN_COST):
                raise BoundsError(self._index, TOO_MANY)
            match = TOKEN.match(self._masked, self._place)
            assert match is not None  # noqa: S101, the last alternative takes any character
            kind = str(match.lastgroup)
            start, end = match.span(kind)
            self._place = max(end, match.end())
            if kind == "blank":
                self._index += self._masked.count("\0", start, end)
            elif kind == "line":
                self._index += 1
            elif kind == "code":  # the text in an f-string is read as another one
                self._fault(self._index, F_STRING)
                self._place = end - 1
            elif kind == "quote":
                self._open_quote(start, end)
            elif kind == "other":
                self._other(start, end)
            else:
                self._add(kind, start, end)
        return self._tokens

    def _add(self, kind: str, start: int, end: int, text: Optional[str] = None) -> None:
        first = self._index
        self._index += self._source.count("\n", start, end)
        text = self._source[start:end] if text is None else text
        self._tokens.append(Token(kind, text, start, end, first, self._index))

    def _spoil(self, start: int, end: int, is_lost: bool) -> None:
        self._tokens.append(Token(SPOILT, "", start, end, self._index, self._index, is_lost))

    def _other(self, start: int, end: int) -> None:
        character = self._source[start:end]
        curly = _CURLY.match(self._source, start)
        if curly:
            self._fault(self._index, CURLY)
            self._add(PLAIN, *curly.span(), text=curly.group(1))
            self._place = curly.end()
        elif character in CURLY_QUOTES:
            self._fault(self._index, CURLY)
            self._spoil_line(start)
        elif character == POISON:
            self._spoil(start, end, False)
        elif character.isprintable() and not character.isspace():
            self._add(OTHER, start, end)
        else:
            self._fault(self._index, INVISIBLE)

    def _open_quote(self, start: int, end: int) -> None:
        """Take what a quote spoils for one that is not known."""
        if end - start > 1:
            self._fault(self._index, UNCLOSED)
            self._spoil(start, len(self._source), True)
            self._place = len(self._source)
            return
        line = self._source[self._source.rfind("\n", 0, start) + 1 : self._end_of_line(start)]
        kept_open = f"\\{self._source[start:end]}" in line
        self._fault(self._index, KEPT_OPEN if kept_open else BAD_QUOTE)
        self._spoil_line(start)

    def _end_of_line(self, place: int) -> int:
        end = self._source.find("\n", place)
        return len(self._source) if end < 0 else end

    def _spoil_line(self, quote: int) -> None:
        """Leave out what belongs to a quote, and go on with what ends its line."""
        end = self._end_of_line(quote)
        tokens = self._tokens
        begin = quote
        while tokens and tokens[-1].last == self._index and not self._is_before_value():
            begin = tokens.pop().start
        is_value = bool(tokens) and tokens[-1].text == ":"
        key = None if is_value else _KEY.match(self._source, begin, end)
        if key:
            self._add(PLAIN, *key.span(1), text=key.group(1))
            self._add(OPERATOR, key.end() - 1, key.end())
            begin = key.end()
        behind = begin + len(self._source[begin:end].rstrip(_TRAIL))
        behind = max(behind, quote + 1)
        self._spoil(begin, behind, not (key or is_value) or "," in self._source[begin:behind])
        self._place = behind

    def _is_before_value(self) -> bool:
        """Return whether a key or a value may begin after the last token."""
        last = self._tokens[-1]
        if last.text == ":" and len(self._tokens) > 1:
            return self._tokens[-2].kind in (TEXT, PLAIN)
        return last.kind == OPEN or last.text in (",", ":")


class Cursor:
    """A place among the tokens of a source, and what it takes to see what is there."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens: List[Token] = []
        self._at = 0

    def _fault(self, index: int, reason: str) -> None:
        raise NotImplementedError

    def _peek(self, further: int = 0) -> Optional[Token]:
        place = self._at + further
        return self._tokens[place] if place < len(self._tokens) else None

    def _next(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _before(self) -> Token:
        return self._tokens[max(self._at - 1, 0)]

    def _is(self, text: str, further: int = 0) -> bool:
        token = self._peek(further)
        return token is not None and token.kind == OPERATOR and token.text == text

    def _assigns(self, further: int = 0) -> str:
        """Return what stands in place of a ``:``, such as ``=`` or ``=>``, or nothing."""
        token, then = self._peek(further), self._peek(further + 1)
        if token is None or token.kind != OPERATOR or token.text not in ("=", "==", ":=", "->"):
            return ""
        is_arrow = token.text == "=" and then is not None and then.text == ">"
        return "=>" if is_arrow else token.text

    def _is_comment(self) -> bool:
        token, then = self._peek(), self._peek(1)
        if token is None or token.kind != OPERATOR:
            return False
        if token.text == "//":
            return True
        return token.text == "/" and then is not None and then.text in ("*", "**")

    def _pass_comment(self) -> None:
        token = self._next()
        mark = token.text if token.text == "//" else "/*"
        self._fault(token.line, f"a comment begins with '#', not '{mark}'")
        end = self._source.find("*/", token.end) if mark == "/*" else -1
        if end < 0:
            self._pass_line(token.line)
            return
        while self._peek() and self._tokens[self._at].start < end + 2:
            self._next()

    def _pass_line(self, index: int) -> None:
        while self._peek() and self._tokens[self._at].line == index:
            self._next()
