"""The tokens of a value of od.config, held within bounds before `ast` sees them.

Some versions of Python build the tree of a deep or long expression without a
check for overflow, so nothing is parsed whose depth is not known to be small.
"""

from __future__ import annotations

import io
import re
import tokenize
from typing import List, Tuple

from abcwebrtc.odconfig.ini import Budget

MAX_NESTING = 50
MAX_OPERATORS = 100
MAX_NUMBER_LENGTH = 100

_CONSTANTS = ("True", "False", "None")
_MEANT = {
    **dict.fromkeys(("true", "yes", "on"), "True"),
    **dict.fromkeys(("false", "no", "off"), "False"),
    **dict.fromkeys(("none", "null"), "None"),
}
_CLOSES = {")": "(", "]": "[", "}": "{"}
_OPERATORS = "+-*"
_VALUES = (tokenize.NAME, tokenize.NUMBER, tokenize.STRING)
_SIGNIFICANT = (*_VALUES, tokenize.OP, tokenize.NEWLINE)
_F_STRING = re.compile("[A-Za-z]*[fF]")
_F_STRING_STARTS = [getattr(tokenize, f"{kind}STRING_START", None) for kind in "FT"]
_SIMPLE = re.compile(
    r"""[ \t]*(?:
        (?P<text>(?:'[^'\\\n]*'|"[^"\\\n]*")(?![\w.'"]))
        |(?P<plain>(?:True|False|None|(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?)(?![\w.'"]))
        |(?P<comma>[,:])|(?P<open>[\[({])|(?P<close>[\])}])|(?P<minus>-(?=[0-9]))
        |(?P<line>(?:\#[^\n]*)?\n)|(?P<end>(?:\#[^\n]*)?\Z)|(?P<other>.))""",
    re.VERBOSE,
)
"""Short numbers, text without a backslash, and what stands between them."""
_NOT_SIMPLE = {
    *((one, two) for one in ("plain", "close") for two in ("text", "plain", "open", "minus")),
    *(("text", two) for two in ("plain", "open", "minus")),
}
_PASSED_OVER = (" ", "\t", "\f", "\n")
_OPERATOR_CHARACTERS = "()[]{},:;.+-*/%&|^~=<>@!"
_TOKEN_COST = 8
_UNCLOSED = (
    "the bracket or quote that opens here is not closed; "
    "close it, and begin the lines that belong to the value with a space"
)
NOT_A_LITERAL = "not a Python literal; look for a missing comma or quote"
AFTER_THE_END = "text after the end of the value; if it is an entry of its own, don't indent it"
_BAD_QUOTE = "a quote is not closed, or not a straight one (' or \")"
_KEPT_OPEN = "a '\\' right before the closing quote keeps it open; write '\\\\' for a '\\'"
_INVISIBLE = "an invisible character; write a plain space, or take it out"
_BAD_CHARACTER = "a character that stands in quotes or not at all; put text in quotes: 'text'"
_QUOTES = "'\"`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u2032\u2033\u00ab\u00bb\u00b4"
_CODE_POINT = re.compile(r"\(U\+([0-9A-F]{4,6})\)|U\+([0-9A-F]{4,6})$")
BAD_ESCAPE = "a '\\' in text begins what Python can't read; write '\\\\' for each '\\'"


class LiteralError(Exception):
    """A value that can't be used. Its text never quotes the value."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason


class BoundsError(LiteralError):
    """A value that is too long or too deep to look at."""


def check_tokens(source: str, budget: Budget) -> None:
    """Refuse what would be costly or dangerous to parse, before it is parsed."""
    count = _count_simple(source)
    if not count or not budget.spend(_TOKEN_COST * count):
        scan_tokens(source, Limits(budget))


def scan_tokens(source: str, limits: Limits) -> None:
    """Let `limits` check every token of a text.

    Raises `LiteralError`, whose `index` is the line of the token, from 0.
    """
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            limits.check(token)
        return
    except tokenize.TokenError as error:
        message, (row, _) = error.args
        index = limits.opened if "statement" in message else row - 1
        reason = _UNCLOSED if "EOF" in message else _wrong_character(source, row, message)
    except (SyntaxError, UnicodeError) as error:
        reason, index = NOT_A_LITERAL, (getattr(error, "lineno", None) or 1) - 1
    # Raised out here, since an exception's context would hold the source.
    raise LiteralError(index, reason)


def _wrong_character(source: str, row: int, message: str) -> str:
    """Return what is wrong where the tokenizer of Python 3.12 and later stops."""
    lines = source.split("\n")
    found = _CODE_POINT.search(message)
    character = "'" if "unterminated" in message else "\\"
    if found:
        character = chr(int(found.group(1) or found.group(2), 16))
    return reason_for_character(character, lines[min(row, len(lines)) - 1])


def _foreign_character(token: tokenize.TokenInfo) -> str:
    """Return the character of a token that begins none in Python, or nothing.

    Up to Python 3.11 it is an error's token, and an operator's or a name's from 3.12 on.
    """
    text = token.string
    if token.type == tokenize.ERRORTOKEN:
        return "" if text in _PASSED_OVER else text[:1]
    if token.type == tokenize.OP:
        return "" if text[:1] in _OPERATOR_CHARACTERS and text != "!" else text[:1]
    if token.type == tokenize.NAME and not text.isidentifier():
        return next((one for one in text if not f"a{one}".isidentifier()), text[:1])
    return ""


def reason_for_character(character: str, line: str) -> str:
    """Return what to write instead of a character that begins no token of Python."""
    if character not in _QUOTES:
        is_visible = character.isprintable() and not character.isspace()
        return _BAD_CHARACTER if is_visible else _INVISIBLE
    return _KEPT_OPEN if f"\\{character}" in line else _BAD_QUOTE


def syntax_reason(failure: Exception, otherwise: str) -> str:
    """Return what to write instead of what `ast` refuses, which is mostly said by `otherwise`."""
    message = str(getattr(failure, "msg", ""))
    is_escape = message.startswith(("(unicode error) 'unicodeescape'", "(value error)"))
    return BAD_ESCAPE if is_escape else otherwise


def _count_simple(source: str) -> int:
    """Return the number of tokens if they are simple and well within the limits, else 0.

    Most values of an od.config are; the tokenizer of Python up to 3.11, itself
    written in Python, takes several times as long for them.
    """
    kinds: List[str] = []
    opened: List[str] = []
    before = ""
    for match in _SIMPLE.finditer(source):
        kind = str(match.lastgroup)
        if (before, kind) in _NOT_SIMPLE or kind == "other":
            return 0
        if kind == "open":
            opened.append(match.group("open"))
            if len(opened) > MAX_NESTING:
                return 0
        elif kind == "close" and not (opened and opened.pop() == _CLOSES[match.group("close")]):
            return 0
        kinds.append(kind)
        before = before if kind == "line" else kind
    return 0 if opened or kinds.count("minus") > MAX_OPERATORS else len(kinds)


def reason_for_name(name: str) -> str:
    """Return what to write instead of a word without quotes, which is not quoted here."""
    meant = _MEANT.get(name.lower())
    if meant:
        return f"Python writes this {meant}; text stands in quotes"
    return (
        "text without quotes, or a quote before it is not closed; "
        "od.config is data, so put text in quotes: 'text'"
    )


class Limits:
    """What has been counted so far in the tokens of one value.

    Together they hold down the depth of the tree that `ast` makes of them,
    which some versions of Python build without a check for overflow.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.operators = 0
        self.brackets: List[Tuple[str, int]] = []
        self._after_value = False
        self._ended = False

    @property
    def opened(self) -> int:
        """The line, from 0, of the last bracket that is open."""
        return self.brackets[-1][1] if self.brackets else 0

    def check(self, token: tokenize.TokenInfo) -> None:
        """Count a token, or raise `LiteralError`."""
        index = token.start[0] - 1
        if not self._budget.spend(_TOKEN_COST):
            raise BoundsError(index, "the values of this file have too many parts")
        foreign = _foreign_character(token)
        if foreign:
            raise LiteralError(index, reason_for_character(foreign, token.line))
        if token.type in _F_STRING_STARTS:
            self._refuse_f_string(index)
        if token.type == tokenize.OP:
            self._check_operator(index, token.string)
        elif token.type in _VALUES:
            self._check_value(index, token)
        self._ended = self._ended or token.type == tokenize.NEWLINE
        if token.type in _SIGNIFICANT:
            self._after_value = token.type in _VALUES or token.string in _CLOSES

    def _check_value(self, index: int, token: tokenize.TokenInfo) -> None:
        if token.type == tokenize.NAME and token.string not in _CONSTANTS:
            raise LiteralError(index, self._reason_for_name(token.string))
        self._check_form(index, token)
        if self._after_value:
            self._count_operator(index)  # 'a' 'b' is a sum

    def _check_form(self, index: int, token: tokenize.TokenInfo) -> None:
        if token.type == tokenize.STRING and _F_STRING.match(token.string):
            self._refuse_f_string(index)
        if token.type == tokenize.NUMBER and len(token.string) > MAX_NUMBER_LENGTH:
            raise BoundsError(index, f"a number of more than {MAX_NUMBER_LENGTH} digits")

    def _refuse_f_string(self, index: int) -> None:
        # Python up to 3.11 parses what is in one without a token that could be counted.
        raise LiteralError(index, "an f-string is not a literal value")

    def _reason_for_name(self, name: str) -> str:
        if self._ended:
            return AFTER_THE_END
        return reason_for_name(name)

    def _check_operator(self, index: int, operator: str) -> None:
        if operator in _CLOSES.values():
            if self._after_value:
                raise LiteralError(index, f"'{operator}' right after a value; a comma is missing")
            self.brackets.append((operator, index))
        elif operator in _CLOSES:
            self._close(index, operator)
        elif operator in _OPERATORS:
            self._count_operator(index)
        elif operator not in (",", ":"):
            raise LiteralError(index, f"'{operator}' is not part of a literal value")
        if len(self.brackets) > MAX_NESTING:
            raise BoundsError(index, f"brackets are nested more than {MAX_NESTING} deep")

    def _count_operator(self, index: int) -> None:
        self.operators += 1
        if self.operators > MAX_OPERATORS:
            raise BoundsError(index, f"more than {MAX_OPERATORS} operators in one value")

    def _close(self, index: int, operator: str) -> None:
        if not self.brackets:
            raise LiteralError(index, f"'{operator}' closes no bracket; take it out")
        opened, opened_index = self.brackets.pop()
        if opened != _CLOSES[operator]:
            raise LiteralError(opened_index, _UNCLOSED)
