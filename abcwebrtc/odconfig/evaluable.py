"""Whether CherryPy can evaluate a value of od.config; nothing is executed or imported.

pyos reads od.config with ``cherrypy.lib.reprconf``, which builds a value out of
literals, names, attributes, subscripts, calls, ``+``, ``*`` and the minus sign, and
refuses the whole file for one value that it can't build. Here the same tree is
walked. What only running it can tell, such as what a call returns, counts as
something that every operation works on. Judged is what the CherryPy and the
Python of pyos do, 18.6 and 3.8, whatever runs here; 18.10 and 3.11 build the same.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import operator
import tokenize
import warnings
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, NoReturn, Tuple

from abcwebrtc.odconfig.ini import Budget, Lines
from abcwebrtc.odconfig.literals import result_weight
from abcwebrtc.odconfig.value_tokens import (
    MAX_OPERATORS,
    BoundsError,
    Limits,
    LiteralError,
    reason_for_name,
    scan_tokens,
    syntax_reason,
)

_PREFIX = "_ = "  # CherryPy puts a name and "=" before a value, too
_BUILTINS = frozenset(dir(builtins)) - {"_"}
_MODULE_NAMES = """
    abc aifc antigravity argparse array ast asynchat asyncio asyncore atexit audioop base64 bdb
    binascii binhex bisect builtins bz2 cProfile calendar cgi cgitb chunk cmath cmd code codecs
    codeop collections colorsys compileall concurrent configparser contextlib contextvars copy
    copyreg crypt csv ctypes curses dataclasses datetime dbm decimal difflib dis distutils doctest
    dummy_threading email encodings ensurepip enum errno faulthandler fcntl filecmp fileinput
    fnmatch formatter fractions ftplib functools gc genericpath getopt getpass gettext glob
    graphlib grp gzip hashlib heapq hmac html http idlelib imaplib imghdr imp importlib inspect io
    ipaddress itertools json keyword lib2to3 linecache locale logging lzma mailbox mailcap marshal
    math mimetypes mmap modulefinder multiprocessing netrc nis nntplib ntpath nturl2path numbers
    opcode operator optparse os ossaudiodev parser pathlib pdb pickle pickletools pipes pkgutil
    platform plistlib poplib posix posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc
    pydoc_data pyexpat queue quopri random re readline reprlib resource rlcompleter runpy sched
    secrets select selectors shelve shlex shutil signal site smtpd smtplib sndhdr socket
    socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string
    stringprep struct subprocess sunau symbol symtable sys sysconfig syslog tabnanny tarfile
    telnetlib tempfile termios test textwrap this threading time timeit tkinter token tokenize
    tomllib trace traceback tracemalloc tty turtle turtledemo types typing unicodedata unittest
    urllib uu uuid venv warnings wave weakref webbrowser wsgiref xdrlib xml xmlrpc zipapp zipfile
    zipimport zlib zoneinfo cherrypy cheroot controllers kubernetes oc
"""
_MODULES = frozenset(_MODULE_NAMES.split())
"""The modules of Python 3.8 to 3.13, and what a pyos surely has beside them."""
_KEYWORDS = frozenset(keyword.kwlist) - {"True", "False", "None"}
_SYNTAX = "not a Python value; text stands in quotes, and a comma or a quote may be missing"
_DEEP = "a value that is nested too deep"
_NODES = {
    "Set": "set; write a list, [ ... ], or a dict with a ':' after each key",
    "Compare": "comparison",
    "JoinedStr": "f-string",
    "Starred": "'*' before a value",
    "Slice": "part of a list or text, [a:b]",
    "ExtSlice": "part of a list or text, [a:b]",
    "IfExp": "'if'",
    "BoolOp": "'and' or 'or'",
    "Lambda": "lambda",
}
"""What CherryPy does not take, and for some what to write instead."""
_OPERATIONS: Dict[type, Callable[[Any, Any], Any]] = {ast.Add: operator.add, ast.Mult: operator.mul}
"""What CherryPy knows to do with two values."""


@dataclass(frozen=True)
class _Name:
    """What a name, or anything made of one, stands for: a module, a builtin, or unknown."""

    what: str = ""
    name: str = ""


_UNKNOWN = _Name()


def check_evaluable(lines: Lines, budget: Budget) -> List[int]:
    """Refuse a value that CherryPy can't evaluate.

    `lines` are its text with the line numbers; what it costs to look at it is
    taken from `budget`. Returns the index of each of `lines` that names a module
    which pyos may have or not.

    Raises `LiteralError` when CherryPy refuses it, `BoundsError` when it is too
    long or too deep to be looked at. `index` says in which of `lines`.
    """
    source = "\n".join(text for _, text in lines)
    if not source:
        return []
    if not lines[0][1]:
        raise LiteralError(0, "the value has to begin in the line of its key")
    for index, (_, text) in enumerate(lines):
        if "\0" in text:
            raise LiteralError(index, "a NUL character")
    scan_tokens(source, _ExpressionLimits(budget))
    builder = _Builder(budget)
    builder.build(_parse(_PREFIX + source))
    return builder.doubts


class _ExpressionLimits(Limits):
    """Lets every token of Python through, as long as the tree of them stays flat enough.

    A comma ends what its neighbours nest, unless a keyword such as ``lambda`` does.
    """

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget)
        self._keywords = 0
        self._levels = [0]

    def _check_value(self, index: int, token: tokenize.TokenInfo) -> None:
        self._check_form(index, token)
        if token.type == tokenize.NAME and token.string in _KEYWORDS:
            self._keywords += 1
            self._check_depth(index)

    def _refuse_f_string(self, index: int) -> None:
        if self._ended:  # CherryPy evaluates nothing there
            raise BoundsError(index, "an f-string behind the value")
        super()._refuse_f_string(index)

    def _check_operator(self, index: int, operator: str) -> None:
        if operator in "([{":
            if self._after_value:
                self._count_operator(index)  # a call or a subscript
            self._after_value = False
            self._levels.append(0)
        if operator in "([{)]}":
            super()._check_operator(index, operator)
            del self._levels[len(self.brackets) + 1 :]
        elif operator == ",":
            self._levels[-1] = 0
        elif operator == ";" and not self.brackets:
            self._ended = True
        elif operator != ":":
            self._count_operator(index)

    def _count_operator(self, index: int) -> None:
        self._levels[-1] += 1
        self._check_depth(index)

    def _check_depth(self, index: int) -> None:
        if self._keywords + sum(self._levels) > MAX_OPERATORS:
            raise BoundsError(index, f"more than {MAX_OPERATORS} operators in one value")


def _parse(source: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # for one, of '\d' in a string
            statement = ast.parse(source).body[0]
        error: LiteralError = LiteralError(0, _SYNTAX)
    except (SyntaxError, ValueError) as failure:
        statement = ast.Pass()
        line = (getattr(failure, "lineno", None) or 1) - 1
        error = LiteralError(line, syntax_reason(failure, _SYNTAX))
    except (MemoryError, RecursionError):
        statement = ast.Pass()
        error = BoundsError(0, _DEEP)
    if not isinstance(statement, ast.Assign):  # CherryPy passes over what follows the first one
        raise error
    return statement.value


class _Builder:
    """Walks a tree as CherryPy's builder does; what it can't know is a `_Name`."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.doubts: List[int] = []

    def build(self, node: Any) -> Any:
        """Return the value of a node, or raise `LiteralError`."""
        kind = type(node).__name__
        method = getattr(self, f"_build_{kind.lower()}", None)
        if method is None:
            what = _NODES.get(kind, "expression of this kind")
            right = "" if ";" in what else "; write a plain value"
            self._fail(node, f"CherryPy takes no {what}{right}")
        return method(node)

    def _fail(self, node: Any, reason: str) -> NoReturn:
        raise LiteralError(max(getattr(node, "lineno", 1), 1) - 1, reason)

    def _build_constant(self, node: ast.Constant) -> Any:
        return node.value

    def _build_list(self, node: ast.List) -> List[Any]:
        return [self.build(item) for item in node.elts]

    def _build_tuple(self, node: ast.Tuple) -> Tuple[Any, ...]:
        return tuple([self.build(item) for item in node.elts])

    def _build_dict(self, node: ast.Dict) -> Dict[Any, Any]:
        result = {}
        for key_node, value_node in zip(node.keys, node.values):
            # CherryPy takes a '**' for the key None.
            key = None if key_node is None else self.build(key_node)
            value = self.build(value_node)
            try:
                result[key] = value
            except TypeError:
                self._fail(key_node, "a list or a dict can't be a key")
        return result

    def _build_name(self, node: ast.Name) -> Any:
        if node.id.startswith("_"):
            return _UNKNOWN
        if node.id in _MODULES:
            return _Name("module", node.id)
        if node.id in _BUILTINS:
            return _Name("builtin", node.id)
        self._fail(node, reason_for_name(node.id))

    def _build_attribute(self, node: ast.Attribute) -> Any:
        parent = node.value
        if isinstance(parent, ast.Name) and not _is_known(parent.id):
            self.doubts.append(parent.lineno - 1)
            return _UNKNOWN
        value = self.build(parent)
        if not isinstance(value, _Name) and not hasattr(value, node.attr):
            self._fail(node, "the value before a '.' has no such attribute; text stands in quotes")
        return _UNKNOWN

    def _build_call(self, node: ast.Call) -> Any:
        called = self.build(node.func)
        if not isinstance(called, _Name) or called.what == "module":
            self._fail(node, "a '(' right after what can't be called; a comma is missing")
        for argument in node.args:
            self.build(argument.value if isinstance(argument, ast.Starred) else argument)
        for given in node.keywords:
            value = self.build(given.value)
            if given.arg is None and not isinstance(value, (dict, _Name)):
                self._fail(node, "a '**' before what is not a dict")
        return _UNKNOWN

    def _build_index(self, node: Any) -> Any:
        return self.build(node.value)  # Python 3.8 puts it around what stands in [ ]

    def _build_subscript(self, node: ast.Subscript) -> Any:
        value, key = self.build(node.value), self.build(node.slice)
        if not (_is_sure(value) and _is_sure(key)):
            return _UNKNOWN
        return self._try(node, operator.getitem, value, key, "a '[' right after a value")

    def _build_unaryop(self, node: ast.UnaryOp) -> Any:
        if not isinstance(node.op, ast.USub):
            self._fail(node, "of '-', '+', '~' and 'not', CherryPy takes only '-'")
        operand = self.build(node.operand)
        if operand is _UNKNOWN:
            return _UNKNOWN
        reason = "a '-' before what is not a number"
        return self._try(node, lambda value, _: -value, operand, None, reason)

    def _build_binop(self, node: ast.BinOp) -> Any:
        operation = _OPERATIONS.get(type(node.op))
        if isinstance(node.op, ast.FloorDiv):
            self._fail(node, "'//' begins no comment here; that is '#'")
        if operation is None:
            self._fail(node, "of the operators between values, CherryPy takes only '+' and '*'")
        left, right = self.build(node.left), self.build(node.right)
        if left is _UNKNOWN or right is _UNKNOWN:
            return _UNKNOWN
        if not self._budget.spend(result_weight(left, right, operation is operator.mul)):
            raise BoundsError(node.lineno - 1, "the result of a '+' or '*' is large")
        return self._try(node, operation, left, right, "a '+' or '*' of what it can't join")

    def _try(
        self, node: ast.expr, operation: Callable[[Any, Any], Any], one: Any, two: Any, reason: str
    ) -> Any:
        """Do what CherryPy does with plain values; nothing in them has methods of its own."""
        try:
            return operation(one, two)
        except (TypeError, LookupError, ArithmeticError, ValueError):
            pass
        self._fail(node, f"{reason}; a comma or a quote may be missing")


def _is_known(name: str) -> bool:
    return name in _MODULES or name in _BUILTINS or name.startswith("_")


def _is_sure(value: Any) -> bool:
    """Say whether a value, or the keys in it, are the same wherever they are evaluated."""
    if isinstance(value, (tuple, dict)):
        return all(map(_is_sure, value))
    return value is not _UNKNOWN
