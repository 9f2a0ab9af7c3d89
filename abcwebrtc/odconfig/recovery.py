"""Find every fault in a value that can't be read, and read the rest of it.

Python reports only the first fault of a text. This reader goes on after each fault, as long as it
is clear what was meant, so that an operator sees everything to fix at once. The recovered value is
used only to find more faults; no configuration is ever made from it.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

from abcwebrtc.errors import KeyPath
from abcwebrtc.odconfig.ini import Budget, Lines
from abcwebrtc.odconfig.mended_tokens import (
    CLOSE,
    CURLY,
    HASH,
    NAME,
    NUMBER,
    OPEN,
    OPERATOR,
    OTHER,
    PLAIN,
    QUOTES,
    SPOILT,
    TEXT,
    Token,
    mended_tokens,
)
from abcwebrtc.odconfig.scalars import Scalars
from abcwebrtc.odconfig.value_tokens import (
    AFTER_THE_END,
    BEGIN_IN_LINE,
    CLOSES,
    MAX_NESTING,
    MAX_TEXT,
    NOT_CLOSED,
    NUL,
    TOO_MANY,
    BoundsError,
)

MAX_LENGTH = 64 * 1024
"""Characters of a value that is read on behind its first fault."""
_CLOSER = {bracket: closer for closer, bracket in CLOSES.items()}
_VALUES = (TEXT, PLAIN, SPOILT, NUMBER, NAME, OPEN, OTHER)
_COMMA_MISSING = "a comma is missing at the end of this value"
_SET = "a set; write a list, [ ... ], or a dict with a ':' after each key"
_NO_VALUE = "a key without a value; write 'key': value"
_NO_KEY = "a list or a dict can't be a key; for several dicts write a list, [ { ... }, { ... } ]"
_IN_LIST = "a ':' in a list; write a dict, { 'key': value }"
_COLON = "a ':' after a value; if it belongs to the text, put it in the quotes, 'host:port'"
_SECOND = "a second value; for several dicts write a list, [ { ... }, { ... } ]"
_BEHIND = "text after the end of the value; remove it, or write '#' before a comment"
_BITS = 64


class Recovered(NamedTuple):
    """The faults of a value, and what could be read of it.

    A fault is the index of its line, what is wrong, and how often that occurs in the line. The
    value at a path in `unsure` is unknown or a guess; the container at a path in `incomplete` has
    lost some items.
    """

    faults: Tuple[Tuple[int, str, int], ...]
    value: Any
    positions: Dict[KeyPath, int]
    repeated: Tuple[int, ...]
    unsure: Set[KeyPath]
    incomplete: Set[KeyPath]


def recover(lines: Lines, path: KeyPath, budget: Budget, literal: bool = True) -> Recovered:
    """Return everything that is wrong in a value that `parse_literal` or `check_evaluable` refuses.

    Unless it has to be a `literal`, everything that CherryPy can evaluate is right.
    Raises `BoundsError` if the value is too long or too deep.
    """
    if sum(len(text) + 1 for _, text in lines) > MAX_LENGTH:
        raise BoundsError(0, TOO_MANY)
    shown = tuple((number, text.replace("\0", "\ufffd")) for number, text in lines)
    reader = _Reader(shown, budget, literal)  # to the tokenizer, a NUL is the end of a line
    for index, (_, text) in enumerate(lines):
        if "\0" in text:
            reader.add_fault(index, NUL)
    return reader.read(path)


class _Reader(Scalars):
    def add_fault(self, index: int, reason: str) -> None:
        """Add a fault that was found before the value is read."""
        self._fault(index, reason)

    def read(self, path: KeyPath) -> Recovered:
        """Read the whole value, which is at `path`."""
        self._tokens = mended_tokens(self._source, self._budget, self._fault)
        value = self._whole(path) if self._tokens else None
        if self._breaks and self._is_doubtful():
            return self._up_to_break(path)
        return Recovered(
            tuple((*fault, number) for fault, number in sorted(self._faults.items())),
            value,
            self._positions,
            tuple(self._repeated),
            self._unsure if self._tokens else {path},
            self._incomplete,
        )

    def _is_doubtful(self) -> bool:
        quotes = any(self._may_break(fault) for fault in self._faults)
        return quotes or any(reason != _IN_LIST for _, reason in self._breaks)

    def _may_break(self, fault: Tuple[int, str]) -> bool:
        """Return whether a fault may have hidden the bracket that is missed."""
        index, reason = fault
        last = self._breaks[0][0] if reason == CURLY else self._broken_at
        return index <= last and reason in QUOTES

    def _up_to_break(self, path: KeyPath) -> Recovered:
        """Return the faults up to the first one that leaves open which brackets belong together.

        What comes after it would be a guess, and its cure the wrong one.
        """
        index, reason = self._breaks[0]
        before = [fault for fault in sorted(self._faults) if fault not in self._breaks]
        index, reason = next(filter(self._may_break, before), (index, reason))
        kept = [fault for fault in before if fault[0] < index]
        faults = tuple((*fault, self._faults[fault]) for fault in kept)
        return Recovered((*faults, (index, reason, 1)), None, {}, (), {path}, set())

    def _whole(self, path: KeyPath) -> Any:
        first, then = self._tokens[0], self._peek(1)
        if first.kind in (TEXT, PLAIN) and then is not None and then.text == ":":
            self._fault(0, "a '{' is missing at the beginning of this value")
            value = self._dict(path, None)
        else:
            if not self._lines[0][1].strip():
                self._fault(0, BEGIN_IN_LINE)
            self._pass_colons()
            value = self._expression(path, False)
        while self._at < len(self._tokens):
            token = self._next()
            if token.kind == CLOSE:
                self._break(token.line, f"'{token.text}' closes no open bracket; remove it")
            elif token.text == "," and token.kind == OPERATOR:  # a tuple without brackets
                value = None
                self._unsure.add(path)
                if self._peek():
                    self._expression(None, False)
            else:
                self._at -= 1
                if self._is_comment():
                    self._pass_comment()
                    continue
                in_line = token.line == self._before().last
                if self._literal and token.text == "{":
                    self._fault(token.line, _SECOND)
                elif self._literal or in_line:
                    self._fault(token.line, _BEHIND if in_line else AFTER_THE_END)
                break
        return value

    def _expression(self, path: Optional[KeyPath], of_key: bool, key: bool = False) -> Any:
        """Return a value with the sums and products that it is made of."""
        value = self._operand(path, of_key, key)
        while self._is("+") or self._is("*"):
            operator = self._next().text
            value = self._combined(operator, value, self._operand(path, of_key), path)
        return value

    def _combined(self, operator: str, left: Any, right: Any, path: Optional[KeyPath]) -> Any:
        whole = type(left) is int and type(right) is int
        if whole and left.bit_length() + right.bit_length() < _BITS:
            return left * right if operator == "*" else left + right
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return (left + right)[:MAX_TEXT]
        self._doubt(path)
        return None

    def _operand(self, path: Optional[KeyPath], of_key: bool, key: bool = False) -> Any:
        token = self._peek()
        if token is None or token.kind == CLOSE or (token.text == "," and token.kind == OPERATOR):
            self._fault(self._before().last, "a value is missing")
            self._doubt(path)
            return None
        if self._is("-") and (self._peek(1) or token).kind == NUMBER:
            self._next()
            number = self._run(path, key)
            return -number if isinstance(number, (int, float)) else number
        if token.kind in (TEXT, PLAIN):
            return self._texts(path, of_key, key)
        if token.kind == SPOILT:
            self._next()
            self._doubt(path)
            if token.is_lost and path:
                self._lose(path[:-1])
            return None
        if token.kind == OPEN:
            return self._container(path)
        return self._run(path, key)

    # containers

    def _container(self, path: Optional[KeyPath]) -> Any:
        opener = self._next()
        if len(self._closers) >= MAX_NESTING:
            raise BoundsError(opener.line, f"brackets are nested more than {MAX_NESTING} deep")
        if opener.text == "{":
            return self._dict(path, opener)
        return self._items(path, opener)

    def _closes(self, opener: Optional[Token], closer: str) -> bool:
        """Return whether a container ends here, and take its closing bracket."""
        token = self._peek()
        if token is None:
            if opener:
                self._break(opener.line, NOT_CLOSED.format(bracket=opener.text))
            return True
        if token.kind != CLOSE:
            return False
        if token.text == closer:
            self._next()
            return True
        if opener:
            far = "" if token.line == opener.line else f" in line {self._lines[token.line][0]}"
            reason = (
                f"this '{opener.text}' is closed by '{token.text}'{far}; write '{closer}' for it"
            )
            more = ", or look for a bracket missing or too many in between" if far else ""
            self._break(opener.line, reason + more)
        if token.text not in self._closers[:-1]:
            self._next()
        return True

    def _items(self, path: Optional[KeyPath], opener: Token) -> Any:
        closer = _CLOSER[opener.text]
        self._closers.append(closer)
        items: List[Any] = []
        has_comma = False
        while not self._closes(opener, closer):
            if self._passes_stray():
                continue
            here = None if path is None else (*path, len(items))
            self._note(here)
            items.append(self._expression(here, False))
            if self._is(":") or self._assigns():
                note = self._break if len(items) == 1 else self._fault  # or the list was not closed
                colon = self._next().line
                if not any((colon, reason) in self._faults for reason in QUOTES):
                    note(colon, _IN_LIST)
                self._expression(None, False)
                self._doubt(here)
            has_comma = self._is(",") or has_comma
            self._end_item()
        self._closers.pop()
        if closer == "]":
            return items
        return items[0] if len(items) == 1 and not has_comma else tuple(items)

    def _dict(self, path: Optional[KeyPath], opener: Optional[Token]) -> Any:
        self._closers.append("}")
        result: Dict[Any, Any] = {}
        bare: List[int] = []
        while not self._closes(opener, "}"):
            if opener is None and self._peek() and self._is_entry():
                break
            if not self._passes_stray():
                self._pair(path, result, bare)
        self._closers.pop()
        if bare and not result and opener and path not in self._incomplete - {path}:
            self._fault(opener.line, _SET)
        else:
            for index in bare:
                self._fault(index, _NO_VALUE)
        if bare:
            self._lose(path)
        return result

    def _is_entry(self) -> bool:
        token = self._tokens[self._at]
        return token.kind == NAME and token.line > self._before().last

    def _pair(self, path: Optional[KeyPath], result: Dict[Any, Any], bare: List[int]) -> None:
        """Read one key and its value."""
        first = self._tokens[self._at]
        if first.kind == SPOILT:
            self._next()
            self._lose(path)
            self._end_item()
            return
        number = self._at
        key = self._expression(None, True, key=True)
        if isinstance(key, (list, dict)):
            self._fault(first.line, _NO_KEY)
            self._lose(path)
            self._end_item()
            return
        here = None if path is None else (*path, key)
        assigns = self._assigns()
        token = self._peek()
        if self._is(":"):
            self._next()
            self._pass_colons()
        elif assigns:
            self._at += len(assigns) if assigns == "=>" else 1
            reason = f"write ':' between a key and its value, not '{assigns}'"
            self._fault(first.line, reason)
        elif token and token.kind in _VALUES and token.line == first.last:
            self._fault(first.line, "a ':' is missing between a key and its value")
        elif self._continues_number(number, key):
            self._fault(first.line, "a comma in a number; write it without a comma, such as 3600")
            if path is not None and result:
                self._doubt((*path, list(result)[-1]))
            self._end_item()
            return
        else:
            bare.append(first.line)
            self._end_item()
            return
        self._note(here, first)
        try:
            if key in result:
                self._repeated.append(self._lines[first.line][0])
        except TypeError:  # a tuple with a list in it
            key = here = None
        result[key] = self._expression(here, True)
        self._end_item()

    def _continues_number(self, number: int, key: Any) -> bool:
        """Return whether what is read as a key are the digits behind a comma in a number."""
        if type(key) is not int or number < 2:
            return False
        comma, before = self._tokens[number - 1], self._tokens[number - 2]
        return comma.text == "," and before.kind == NUMBER and before.end == comma.start

    def _note(self, path: Optional[KeyPath], token: Optional[Token] = None) -> None:
        found = token or self._peek()
        if path is not None and found is not None:
            self._positions[path] = self._lines[found.line][0]

    def _end_item(self) -> None:
        """Pass over the comma behind an item, or say that it is missing."""
        while self._is_comment():
            self._pass_comment()
        token = self._peek()
        if token is None or token.kind == CLOSE:
            return
        if self._is(","):
            self._next()
            return
        before = self._before()
        if self._is(";") or self._is("."):
            self._next()
            self._fault(token.line, f"write ',' after a value, not '{token.text}'")
            then = self._peek()
            is_word = then and then.line == token.line and then.kind in (NAME, NUMBER)
            if then and is_word and (token.text == ";" or then.start > token.end):
                self._pass_line(token.line)  # a comment
            return
        if (before.last, HASH) in self._faults:  # the comma may be in the comment
            return
        if token.kind in _VALUES:
            self._fault(before.last, _COMMA_MISSING)
            return
        if self._is("-") or self._is("+"):
            self._fault(before.last, _COMMA_MISSING)
            return
        self._next()
        reason = f"'{token.text}' is not part of a literal value"
        self._fault(token.line, _COLON if token.text == ":" else reason)
        if self._peek() and self._tokens[self._at].line == token.line:
            then = self._tokens[self._at]
            if then.kind != CLOSE and not self._is(","):
                self._expression(None, False)
        if self._is(","):
            self._next()

    def _passes_stray(self) -> bool:
        """Pass over a comma that is too many, or a comment, and say so."""
        if self._is_comment():
            self._pass_comment()
            return True
        if self._is(",") or self._is(";"):
            token = self._next()
            if token.text == ",":
                self._fault(token.line, "a comma too many; take one out")
            else:
                self._fault(token.line, "a comment begins with '#', not ';'")
                self._pass_line(token.line)
            return True
        return False
