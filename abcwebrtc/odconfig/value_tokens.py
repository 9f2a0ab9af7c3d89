"""Build the syntax tree of a value of od.config, if its tokens are within bounds.

Some versions of Python parse a deep or long expression without checking for overflow. So
nothing is parsed unless its depth is known to be small. This module finds the tokens itself:
those of `tokenize` differ between versions of Python, and take several times as long.
"""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from typing import Callable, List, Mapping, NamedTuple, Optional, Tuple

from abcwebrtc.odconfig.ini import Budget, Lines

MAX_NESTING = 50
MAX_OPERATORS = 100
MAX_NUMBER_LENGTH = 100
MAX_PARTS = 20_000
"""The most tokens and lines of a value; an entry with every setting of 256 servers has 10,000."""
MAX_TEXT = 64 * 1024
"""The most characters of a text in a value that abcwebrtc reads."""

CONSTANTS = ("True", "False", "None")
_KEYWORDS = frozenset(keyword.kwlist).difference(CONSTANTS)
_MEANT = {
    **dict.fromkeys(("true", "yes", "on"), "True"),
    **dict.fromkeys(("false", "no", "off"), "False"),
    **dict.fromkeys(("none", "null"), "None"),
}
CLOSES = {")": "(", "]": "[", "}": "{"}
_ESCAPED = re.compile(r"\\['\"\\\n]")
_MASKS = {"\\\n": "\\\0"}
NUL = "a NUL character is not part of a literal value"
TOKEN = re.compile(  # of a text with `_MASKS`, so that no group is repeated, which takes memory
    r"""[ \t\f]*(?:(?P<blank>\\\0|\#[^\n\0]*|\Z)
    |(?P<line>[\n\0])
    |(?P<open>[\[({])
    |(?P<close>[\])}])
    |(?P<code>(?:[fFtT][rR]?|[rR][fFtT])['"])
    |(?P<text>(?:[bB][rR]?|[rR][bB]?|[uU])?(?:
        '''.*?'''
        |"{3}.*?"{3}
        |(?!''')'[^'\n]*'
        |(?!"{3})"[^"\n]*"))
    |(?P<quote>'''|"{3}|['"])
    |(?P<number>0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+
        |(?:[0-9][0-9_]*\.?(?:[0-9][0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9][0-9_]*)?[jJ]?)
    |(?P<name>[^\W\d]\w*)
    |(?P<operator>\.\.\.|(?:\*\*|//|>>|<<)=?|->|[-+*/%&|^@=<>!:]=|[-+*/%&|^@=<>~.,:;])
    |(?P<other>.))""",
    re.VERBOSE | re.DOTALL,
)
TOKEN_COST = 16
_VALUE_COST = 128
_PREFIX = "_ = "  # CherryPy puts a name and "=" before a value, too
_WRITE_LESS = "; no od.config needs as many, so remove what is not needed"
TOO_MANY = "the values of this file have too many parts" + _WRITE_LESS
UNCLOSED = (
    "the bracket or quote that opens here is not closed; "
    "close it, and begin the lines that belong to the value with a space"
)
NOT_CLOSED = (
    "this '{bracket}' is not closed; close it, and begin the lines that belong to the value with a "
    "space"
)
BEGIN_IN_LINE = "the value must begin on the line of its key"
F_STRING = "an f-string is not a literal value"
WITHOUT_QUOTES = "text without quotes; put text in quotes: 'text'"
AFTER_THE_END = "text after the end of the value; if it is an entry of its own, don't indent it"
_NOT_A_LITERAL = "not a Python literal; look for a missing comma or quote"
_NOT_A_VALUE = "not a Python value; put text in quotes; a comma or a quote may be missing"
BAD_QUOTE = "a quote is not closed, or not a straight one (' or \")"
KEPT_OPEN = "a '\\' right before the closing quote keeps it open; write '\\\\' for a '\\'"
INVISIBLE = "an invisible character; write a plain space, or remove it"
_BAD_CHARACTER = "a character that is only allowed in quotes; put text in quotes: 'text'"
BAD_ESCAPE = "a '\\' in text begins an escape that Python can't read; write '\\\\' for each '\\'"
CURLY_QUOTES = "`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u2032\u2033\u00ab\u00bb\u00b4"


class LiteralError(Exception):
    """A value can't be used. The message never quotes the value."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason


class BoundsError(LiteralError):
    """A value is too long or too deep to be read."""


class Parsed(NamedTuple):
    """The tree of a value, with indexes of its lines.

    At `behind`, text begins after the value. In the lines `joined` ends a text of a list that
    Python joins with the next one, as no comma is between them.
    """

    tree: ast.expr
    behind: Optional[int]
    joined: Tuple[int, ...]


def parse_value(lines: Lines, budget: Budget, literal: bool) -> Parsed:
    """Return what Python reads in a value that is not empty.

    `lines` are its text with the line numbers. The cost of reading it is taken from `budget`.
    With `literal`, tokens that no literal has are refused.

    Raises `LiteralError` if it can't be parsed, `BoundsError` if it is too long or too deep
    for that. Their `index` is that of the line.
    """
    if not lines[0][1]:
        raise LiteralError(0, BEGIN_IN_LINE)
    if not budget.spend(_VALUE_COST):
        raise BoundsError(0, TOO_MANY)
    check_lines(len(lines))
    for index, (_, text) in enumerate(lines):
        if "\0" in text:  # the tokenizer of Python 3.13 fails on some
            raise LiteralError(index, NUL)
    source = "\n".join(text for _, text in lines)
    scanner = _Scanner(source, budget, literal)
    scanner.run()
    reason = _NOT_A_LITERAL if literal else _NOT_A_VALUE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # for one, of '\d' in a string
            first, *others = ast.parse(_PREFIX + source).body
        assert isinstance(first, ast.Assign)  # noqa: S101, for mypy
        behind = others[0].lineno - 1 if others else None
        return Parsed(first.value, behind, tuple(dict.fromkeys(scanner.joined)))
    except (MemoryError, RecursionError):
        error: LiteralError = BoundsError(0, "a value that is nested too deep")
    except (SyntaxError, ValueError) as failure:
        message = str(getattr(failure, "msg", ""))
        is_escape = message.startswith(("(unicode error) 'unicodeescape'", "(value error)"))
        line = getattr(failure, "lineno", None) or 1
        error = LiteralError(line - 1, BAD_ESCAPE if is_escape else reason)
    # Raised out here, since an exception's context would hold the source.
    raise error


def check_lines(number: int) -> None:
    """Raise `BoundsError` for a value of too many lines."""
    if number > MAX_PARTS:
        raise BoundsError(0, f"a value of more than {MAX_PARTS} lines{_WRITE_LESS}")


def masked(source: str) -> str:
    """Return a text as long as another, in which `TOKEN` treats no escaped quote as a quote."""
    return _ESCAPED.sub(lambda match: _MASKS.get(match.group(), "\\_"), source)


def meant_constant(word: str) -> Optional[str]:
    """Return Python's name of a constant in another language's spelling, or a misspelt one."""
    lower = word.lower()
    if lower in _MEANT:
        return _MEANT[lower]
    for right in ("true", "false", "none", "null"):
        if lower[:1] == right[0] and _is_misspelt(lower, right):
            return _MEANT[right]
    return None


def _is_misspelt(word: str, right: str) -> bool:
    """Return whether two words differ by at most one missing or superfluous letter."""
    shorter, longer = sorted((word, right), key=len)
    if len(longer) - len(shorter) > 1:
        return False
    if len(longer) == len(shorter):
        return sorted(word) == sorted(right)
    return any(longer[:place] + longer[place + 1 :] == shorter for place in range(len(longer)))


def reason_for_name(name: str) -> str:
    """Return what to write instead of a word without quotes, which is not quoted here."""
    meant = meant_constant(name)
    if meant:
        return f"write {meant}; if it is meant as text, put text in quotes"
    return WITHOUT_QUOTES


class _Scanner:
    """Count the tokens of a value, to limit the depth of the tree that `ast` builds.

    A comma ends the nesting of its neighbours, unless a keyword such as ``lambda`` does.
    """

    def __init__(self, source: str, budget: Budget, literal: bool) -> None:
        self._source = source
        self._budget = budget
        self._literal = literal
        self._index = 0  # of the line
        self._brackets: List[Tuple[str, int]] = []
        self._operators = [0]  # since the last comma, inside of each bracket
        self._keywords = 0
        self._ended = self._after_value = False
        self._text_end: Optional[int] = None  # the line of the last token, if that is a text
        self._joined: List[List[int]] = [[]]  # inside of each bracket
        self._has_comma = [False]
        self.joined: List[int] = []

    def run(self) -> None:
        """Check all tokens; raise `LiteralError` if one is refused."""
        for number, match in enumerate(TOKEN.finditer(masked(self._source)), start=1):
            if number > MAX_PARTS:
                self._exceed(f"a value of more than {MAX_PARTS} parts{_WRITE_LESS}")
            if not self._budget.spend(TOKEN_COST):
                self._exceed(TOO_MANY)
            kind = str(match.lastgroup)
            _CHECKS[kind](self, match.group(kind))
            if kind not in ("text", "blank", "line"):
                self._text_end = None
        if self._brackets:
            raise LiteralError(self._brackets[-1][1], UNCLOSED)

    def _fail(self, reason: str) -> None:
        raise LiteralError(self._index, reason)

    def _exceed(self, reason: str) -> None:
        raise BoundsError(self._index, reason)

    def _count(self, operators: int = 0, keywords: int = 0) -> None:
        self._operators[-1] += operators
        self._keywords += keywords
        if self._keywords + sum(self._operators) > MAX_OPERATORS:
            self._exceed(f"more than {MAX_OPERATORS} operators in one value")

    def _check_blank(self, text: str) -> None:
        self._index += text.count("\0")

    def _check_line(self, _: str) -> None:
        self._index += 1
        if not self._brackets:
            self._ended = True
            self._after_value = False

    def _check_text(self, text: str) -> None:
        if self._literal and len(text) > MAX_TEXT:
            self._exceed(f"a text of more than {MAX_TEXT} characters; write a shorter one")
        self._check_value()
        self._joined[-1] += [] if self._text_end is None else [self._text_end]
        self._text_end = self._index = self._index + text.count("\n") + text.count("\0")

    def _check_code(self, opening: str) -> None:
        """Refuse an f-string or t-string: some versions of Python parse it without a token."""
        if self._ended and not self._literal:  # CherryPy evaluates nothing there
            self._exceed("an f-string after the value")
        is_f_string = "f" in opening.lower()
        self._fail(F_STRING if is_f_string else reason_for_name("t"))

    def _check_quote(self, quote: str) -> None:
        self._fail(UNCLOSED) if len(quote) > 1 else self._check_other(quote)

    def _check_value(self) -> None:
        if self._literal and self._after_value:
            self._count(operators=1)  # 'a' 'b' is a sum
        self._after_value = True

    def _check_number(self, number: str) -> None:
        if len(number) > MAX_NUMBER_LENGTH:
            self._exceed(f"a number of more than {MAX_NUMBER_LENGTH} digits")
        self._check_value()

    def _check_name(self, name: str) -> None:
        if not name.isidentifier():
            self._fail(_BAD_CHARACTER)
        if self._literal and name not in CONSTANTS:
            self._fail(AFTER_THE_END if self._ended else reason_for_name(name))
        self._count(keywords=name in _KEYWORDS)
        self._check_value()

    def _check_open(self, bracket: str) -> None:
        if self._after_value and self._literal:
            self._fail(f"'{bracket}' right after a value; a comma is missing")
        if self._after_value:
            self._count(operators=1)  # a call or a subscript
        self._brackets.append((bracket, self._index))
        self._operators.append(0)
        self._joined.append([])
        self._has_comma.append(False)
        self._after_value = False
        if len(self._brackets) > MAX_NESTING:
            self._exceed(f"brackets are nested more than {MAX_NESTING} deep")

    def _check_close(self, bracket: str) -> None:
        if not self._brackets:
            self._fail(f"'{bracket}' closes no open bracket; remove it")
        opened, index = self._brackets.pop()
        if opened != CLOSES[bracket]:
            raise LiteralError(index, UNCLOSED)
        self._operators.pop()
        joined, has_comma = self._joined.pop(), self._has_comma.pop()
        if bracket == "]" or (bracket == ")" and has_comma):
            self.joined += joined
        self._after_value = True

    def _check_operator(self, operator: str) -> None:
        self._after_value = False
        if operator == ",":
            self._operators[-1] = 0
            self._has_comma[-1] = True
        elif operator == ";" and not (self._literal or self._brackets):
            self._ended = True
        elif self._literal and operator not in ("+", "-", "*", ":"):
            self._fail(f"'{operator}' is not part of a literal value")
        elif operator != ":":
            self._count(operators=1)

    def _check_other(self, character: str) -> None:
        """Refuse a character that begins no token of Python, and a text that does not end."""
        if character not in f"'\"{CURLY_QUOTES}":
            is_visible = character.isprintable() and not character.isspace()
            self._fail(_BAD_CHARACTER if is_visible else INVISIBLE)
        kept_open = f"\\{character}" in self._source.split("\n")[self._index]
        self._fail(KEPT_OPEN if kept_open else BAD_QUOTE)


_CHECKS: Mapping[str, Callable[[_Scanner, str], None]] = {
    kind: getattr(_Scanner, f"_check_{kind}") for kind in TOKEN.groupindex
}
