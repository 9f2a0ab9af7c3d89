"""Read the Python literals in od.config. Nothing is ever executed.

CherryPy also evaluates names, attributes and calls. This module accepts only literals, and
the ``+``, ``*`` and unary minus of literals that CherryPy accepts, within bounds.
"""

from __future__ import annotations

import ast
import operator
from contextlib import suppress
from typing import Any, Callable, Dict, List, NamedTuple, NoReturn, Optional, Tuple

from abcwebrtc.errors import KeyPath
from abcwebrtc.odconfig.ini import Budget, Lines
from abcwebrtc.odconfig.value_tokens import AFTER_THE_END, BoundsError, LiteralError, parse_value

Positions = Dict[KeyPath, int]
MAX_OTHER_KEYS = 64
"""The most keys of one dict that are not text: hashes of numbers can be made to collide."""
MAX_RESULT = 128 * 1024
"""The most characters and items that the sums and products of one value may produce."""
_WEIGHT_COST = 4
MAX_BITS = 1024
"""The most bits of a number from a sum or a product; JavaScript numbers have fewer."""


class Literal(NamedTuple):
    """A value, the lines of the items inside it, of repeated keys, and of joined texts.

    A position is noted if it differs from that of the container. If a key is repeated, Python
    uses the last one. In the lines `joined` ends a text of a list that Python joins with the next.
    """

    value: Any
    positions: Positions
    repeated: Tuple[int, ...]
    joined: Tuple[int, ...] = ()


def parse_literal(lines: Lines, path: KeyPath, budget: Budget) -> Literal:
    """Return the value of a literal.

    `lines` are the text with its line numbers, `path` is the key path of the value. The cost
    of reading it, and of what ``+`` and ``*`` produce, is taken from `budget`. An empty text is
    an empty string, as in CherryPy's ``unrepr``.

    Raises `LiteralError`, whose `index` is that of the line.
    """
    if not "\n".join(text for _, text in lines):
        return Literal("", {}, ())
    parsed = parse_value(lines, budget, literal=True)
    if parsed.behind is not None:
        raise LiteralError(parsed.behind, AFTER_THE_END)
    builder = Builder(lines, budget)
    value = builder.build(parsed.tree, path, lines[0][0])
    joined = tuple(lines[index][0] for index in parsed.joined)
    return Literal(value, builder.positions, tuple(builder.repeated), joined)


class Builder:
    """Build the value of a tree as CherryPy's builder does, but from literals only."""

    def __init__(self, lines: Lines, budget: Budget) -> None:
        self._lines = lines
        self._budget = budget
        self._room = MAX_RESULT
        self.positions: Positions = {}
        self.repeated: List[int] = []

    def build(self, node: ast.AST, path: Optional[KeyPath] = None, line: int = 0) -> Any:
        """Return the value of a node at `path`, noted in `line`.

        The path of an operand of a sum or a product is None.
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
            reason = "a '-' before something that is not a number"
            return self.calculate(node, operator.neg, [self.build(node.operand)], reason)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mult)):
            operation = operator.mul if isinstance(node.op, ast.Mult) else operator.add
            operands = [self.build(node.left), self.build(node.right)]
            return self.calculate(
                node, operation, operands, "a '+' or '*' between values that it can't join"
            )
        return self.build_other(node)

    def build_other(self, node: ast.AST) -> Any:
        """Return the value of a node that is not a literal, or refuse it."""
        self.fail(node, "only text, numbers, True, False, None, lists, tuples and dicts")

    def splat(self, node: ast.Dict) -> Any:
        """Return the key for a ``**`` in a dict, or refuse it."""
        self.fail(node, "'**' is not part of a literal value")

    def calculate(
        self, node: ast.AST, operation: Callable[..., Any], operands: List[Any], reason: str
    ) -> Any:
        """Do what CherryPy does with plain values; none of them has methods from od.config."""
        if operation in (operator.add, operator.mul):
            weight = _result_weight(operation, *operands)
            self._room -= weight
            if self._room < 0 or not self._budget.spend(_WEIGHT_COST * weight):
                self._exceed(node, "the result of '+' or '*' would be too large; write it out")
        result, is_done = None, False
        with suppress(TypeError, LookupError, ArithmeticError, ValueError):
            result, is_done = operation(*operands), True
        # Nothing is raised inside, since an exception may hold a part of the value.
        if not is_done:
            self.fail(node, f"{reason}; a comma or a quote may be missing")
        if isinstance(result, int) and result.bit_length() > MAX_BITS:
            self._exceed(node, f"a number of more than {MAX_BITS} bits; write a smaller one")
        return result

    def fail(self, node: Any, reason: str) -> NoReturn:
        """Raise `LiteralError` for a node."""
        raise LiteralError(max(getattr(node, "lineno", 1), 1) - 1, reason)

    def _exceed(self, node: Any, reason: str) -> NoReturn:
        raise BoundsError(node.lineno - 1, reason)

    def _note(self, node: ast.expr, path: Optional[KeyPath], container_line: int) -> int:
        line = self._lines[node.lineno - 1][0]
        if path is not None and line != container_line:
            self.positions[path] = line
        return line

    def _items(self, node: Any, path: Optional[KeyPath], line: int) -> List[Any]:
        result = []
        for index, item in enumerate(node.elts):
            here = None if path is None else (*path, index)
            result.append(self.build(item, here, self._note(item, here, line)))
        return result

    def _dict(self, node: ast.Dict, path: Optional[KeyPath], line: int) -> Dict[Any, Any]:
        result: Dict[Any, Any] = {}
        others = 0
        for key_node, value_node in zip(node.keys, node.values):
            key = self.splat(node) if key_node is None else self.build(key_node)
            place = key_node or value_node
            others += not isinstance(key, str)
            if others > MAX_OTHER_KEYS:
                reason = f"a dict with more than {MAX_OTHER_KEYS} keys that are not text"
                self._exceed(place, f"{reason}; put its keys in quotes")
            try:
                is_repeated = key in result
            except TypeError:
                self.fail(place, "a list or a dict can't be a key")
            if is_repeated:
                self.repeated.append(self._lines[place.lineno - 1][0])
            here = None if path is None else (*path, key)
            result[key] = self.build(value_node, here, self._note(place, here, line))
        return result


def _result_weight(operation: Callable[..., Any], left: Any, right: Any) -> int:
    """Return an upper bound for the weight of a sum or a product."""
    for value, times in ((left, right), (right, left)):
        is_sequence = isinstance(value, (str, bytes, list, tuple))
        if operation is operator.mul and is_sequence and isinstance(times, int):
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
