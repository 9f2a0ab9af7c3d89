"""Python literals, as od.config writes them; nothing is ever executed.

CherryPy evaluates the values of od.config with names, attributes and calls.
Here only literals pass, with the ``+``, ``*`` and unary minus of literals that
CherryPy also takes, and each of them within bounds.
"""

from __future__ import annotations

import ast
import warnings
from typing import Any, Dict, List, NoReturn, Optional, Tuple

from abcwebrtc.errors import KeyPath
from abcwebrtc.odconfig.ini import Budget, Lines
from abcwebrtc.odconfig.value_tokens import (
    AFTER_THE_END,
    NOT_A_LITERAL,
    LiteralError,
    check_tokens,
    syntax_reason,
)

Positions = Dict[KeyPath, int]

_PREFIX = "_ = "


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
    check_tokens(source, budget)
    evaluator = _Evaluator(lines, budget)
    value = evaluator.evaluate(_parse(_PREFIX + source), path, lines[0][0])
    if repeated is not None:
        repeated += evaluator.repeated
    return value, evaluator.positions


def _parse(source: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # for one, of '\d' in a string
            body = ast.parse(source).body
        failed, reason = None, ""
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        failed = (getattr(error, "lineno", None) or 1) - 1
        reason = syntax_reason(error, NOT_A_LITERAL)
        body = []
    if failed is not None:
        raise LiteralError(failed, reason)
    statement = body[0]
    if len(body) > 1:
        raise LiteralError(body[1].lineno - 1, AFTER_THE_END)
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
        if not self._budget.spend(result_weight(left, right, multiply)):
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


def result_weight(left: Any, right: Any, multiply: bool) -> int:
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
