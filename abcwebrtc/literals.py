"""Python literals, as od.config writes them; nothing is ever executed.

CherryPy evaluates the values of od.config with names, attributes and calls.
Here only literals pass, with the ``+``, ``*`` and unary minus of literals that
CherryPy also takes, and each of them within bounds.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from typing import Any, Dict, List, NoReturn, Optional, Tuple

from abcwebrtc.errors import KeyPath
from abcwebrtc.ini import Budget, Lines

MAX_NESTING = 50
MAX_OPERATORS = 100
MAX_NUMBER_LENGTH = 100
Positions = Dict[KeyPath, int]

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
_PREFIX = "_ = "
_TOKEN_COST = 8
_UNCLOSED = (
    "the bracket or quote that opens here is not closed; "
    "close it, and begin the lines that belong to the value with a space"
)
_NOT_A_LITERAL = "not a Python literal; look for a missing comma or quote"
_AFTER_THE_END = "text after the end of the value; if it is an entry of its own, don't indent it"
_BAD_CHARACTER = "a quote is not closed, or not a straight one (' or \")"


class LiteralError(Exception):
    """A value that is not a literal. Its text never quotes the value."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason


def parse_literal(
    lines: Lines, path: KeyPath, budget: Budget, repeated: Optional[List[int]] = None
) -> Tuple[Any, Positions]:
    """Return the value of a literal, and the lines of what is inside it.

    `lines` are the text with its line numbers, `path` is the key path of the
    value. A position is noted where it differs from that of the container. What
    ``+`` and ``*`` make is taken from `budget`. An empty text is an empty
    string, as in CherryPy's ``unrepr``. The line of each key that its dict has
    already is put into `repeated`; Python takes the last of them.

    Raises `LiteralError`, whose `index` says in which of `lines`.
    """
    source = "\n".join(text for _, text in lines)
    if not source:
        return "", {}
    if not lines[0][1]:
        raise LiteralError(0, "the value has to begin in the line of its key")
    for index, (_, text) in enumerate(lines):
        if "\0" in text:  # the tokenizer of Python 3.13 fails on some
            raise LiteralError(index, "a NUL character is not part of a literal value")
    _check_tokens(source, budget)
    evaluator = _Evaluator(lines, budget)
    value = evaluator.evaluate(_parse(_PREFIX + source), path, lines[0][0])
    if repeated is not None:
        repeated += evaluator.repeated
    return value, evaluator.positions


def _check_tokens(source: str, budget: Budget) -> None:
    """Refuse what would be costly or dangerous to parse, before it is parsed."""
    count = _count_simple(source)
    if count and budget.spend(_TOKEN_COST * count):
        return
    limits = _Limits(budget)
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            limits.check(token)
        return
    except tokenize.TokenError as error:
        message, (row, _) = error.args
        reason = _UNCLOSED if "EOF" in message else _BAD_CHARACTER
        index = limits.opened if "statement" in message else row - 1
    except (SyntaxError, UnicodeError) as error:
        reason, index = _NOT_A_LITERAL, (getattr(error, "lineno", None) or 1) - 1
    # Raised out here, since an exception's context would hold the source.
    raise LiteralError(index, reason)


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


class _Limits:
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
        index = token.start[0] - 1
        if not self._budget.spend(_TOKEN_COST):
            raise LiteralError(index, "the values of this file have too many parts")
        if token.type == tokenize.ERRORTOKEN and not token.string.isspace():
            raise LiteralError(index, _BAD_CHARACTER)
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
        if token.type == tokenize.NUMBER and len(token.string) > MAX_NUMBER_LENGTH:
            raise LiteralError(index, f"a number of more than {MAX_NUMBER_LENGTH} digits")
        if token.type == tokenize.STRING and _F_STRING.match(token.string):
            raise LiteralError(index, "an f-string is not a literal value")
        if self._after_value:
            self._count_operator(index)  # 'a' 'b' is a sum

    def _reason_for_name(self, name: str) -> str:
        if self._ended:
            return _AFTER_THE_END
        meant = _MEANT.get(name.lower())
        if meant:
            return f"Python writes this {meant}; text stands in quotes"
        return "text without quotes; od.config is data, so put text in quotes: 'text'"

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
            raise LiteralError(index, f"brackets are nested more than {MAX_NESTING} deep")

    def _count_operator(self, index: int) -> None:
        self.operators += 1
        if self.operators > MAX_OPERATORS:
            raise LiteralError(index, f"more than {MAX_OPERATORS} operators in one value")

    def _close(self, index: int, operator: str) -> None:
        if not self.brackets:
            raise LiteralError(index, f"'{operator}' closes no bracket; take it out")
        opened, opened_index = self.brackets.pop()
        if opened != _CLOSES[operator]:
            raise LiteralError(opened_index, _UNCLOSED)


def _parse(source: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # for one, of '\d' in a string
            body = ast.parse(source).body
        failed = None
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        failed = (getattr(error, "lineno", None) or 1) - 1
        body = []
    if failed is not None:
        raise LiteralError(failed, _NOT_A_LITERAL)
    statement = body[0]
    if len(body) > 1:
        raise LiteralError(body[1].lineno - 1, _AFTER_THE_END)
    if not isinstance(statement, ast.Assign):
        raise LiteralError(0, "not a Python literal")
    return statement.value


class _Evaluator:
    def __init__(self, lines: Lines, budget: Budget) -> None:
        self._lines = lines
        self._budget = budget
        self.positions: Positions = {}
        self.repeated: List[int] = []

    def evaluate(self, node: ast.AST, path: Optional[KeyPath], line: int) -> Any:
        """Return the value of a node that stands at `path`, noted in `line`.

        What is inside a sum or a product has no path: None.
        """
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.List):
            return self._items(node, path, line)
        if isinstance(node, ast.Tuple):
            return tuple(self._items(node, path, line))
        if isinstance(node, ast.Dict):
            return self._dict(node, path, line)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self._negative(node, line)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mult)):
            return self._binary(node, line)
        self._fail(node, "only text, numbers, True, False, None, lists, tuples and dicts")

    def _fail(self, node: ast.AST, reason: str) -> NoReturn:
        raise LiteralError(node.lineno - 1, reason)  # type: ignore[attr-defined]

    def _note(self, node: ast.expr, path: Optional[KeyPath], container_line: int) -> int:
        line = self._lines[node.lineno - 1][0]
        if path is not None and line != container_line:
            self.positions[path] = line
        return line

    def _items(self, node: Any, path: Optional[KeyPath], line: int) -> List[Any]:
        result = []
        for index, item in enumerate(node.elts):
            here = None if path is None else (*path, index)
            result.append(self.evaluate(item, here, self._note(item, here, line)))
        return result

    def _dict(self, node: ast.Dict, path: Optional[KeyPath], line: int) -> Dict[Any, Any]:
        result = {}
        for key_node, value_node in zip(node.keys, node.values):
            if key_node is None:
                self._fail(node, "'**' is not part of a literal value")
            key = self.evaluate(key_node, None, line)
            if not _is_hashable(key):
                self._fail(key_node, "a list or a dict can't be a key")
            if key in result:
                self.repeated.append(self._lines[key_node.lineno - 1][0])
            here = None if path is None else (*path, key)
            result[key] = self.evaluate(value_node, here, self._note(key_node, here, line))
        return result

    def _negative(self, node: ast.UnaryOp, line: int) -> Any:
        operand = self.evaluate(node.operand, None, line)
        if isinstance(operand, (int, float, complex)):
            return -operand
        self._fail(node, "'-' stands before something that is not a number")

    def _binary(self, node: ast.BinOp, line: int) -> Any:
        left = self.evaluate(node.left, None, line)
        right = self.evaluate(node.right, None, line)
        multiply = isinstance(node.op, ast.Mult)
        if not self._budget.spend(_result_weight(left, right, multiply)):
            self._fail(node, "the result of '+' or '*' would be too large")
        try:
            return left * right if multiply else left + right
        except (TypeError, OverflowError):
            pass
        self._fail(node, "'+' or '*' of two things that it can't join")


def _is_hashable(key: Any) -> bool:
    try:
        hash(key)
    except TypeError:
        return False
    return True


def _result_weight(left: Any, right: Any, multiply: bool) -> int:
    """Return an upper bound of the weight of a sum or a product."""
    for value, times in ((left, right), (right, left)):
        if multiply and isinstance(value, (str, bytes, list, tuple)) and isinstance(times, int):
            return _weight(value) * max(times, 1)
    return _weight(left) + _weight(right)


def _weight(value: Any) -> int:
    """Return about how much memory a value takes, in characters and items."""
    if isinstance(value, (str, bytes)):
        return len(value) + 1
    if isinstance(value, (list, tuple)):
        return 1 + sum(map(_weight, value))
    if isinstance(value, dict):
        return 1 + sum(_weight(key) + _weight(item) for key, item in value.items())
    if isinstance(value, int):
        return 1 + value.bit_length() // 8
    return 1
