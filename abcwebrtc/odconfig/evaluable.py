"""Decide whether CherryPy can evaluate a value of od.config. Nothing is executed or imported.

pyos reads od.config with ``cherrypy.lib.reprconf``. It builds values from literals,
names, attributes, subscripts, calls, ``+``, ``*`` and unary minus, and rejects the whole
file if it can't build one of them. This module walks the same syntax tree. If only
running the code could tell a value, such as the result of a call, every operation is
assumed to work on it. The rules are those of CherryPy 18.6 and Python 3.8, which pyos
uses, whatever runs here; 18.10 and 3.11 have the same rules.
"""

from __future__ import annotations

import ast
import builtins
import operator
from dataclasses import dataclass
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

from abcwebrtc.odconfig.ini import Budget, Lines
from abcwebrtc.odconfig.literals import Builder
from abcwebrtc.odconfig.value_tokens import parse_value, reason_for_name

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
"""The modules of Python 3.8 to 3.13, and those that every pyos has."""
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
"""What CherryPy rejects and, for some of it, what to write instead."""


@dataclass(frozen=True)
class _Name:
    """What a name, or an expression with one, stands for: a module, a builtin, or unknown."""

    what: str = ""
    name: str = ""


_UNKNOWN = _Name()


class Evaluable(NamedTuple):
    """What is known about a value that CherryPy can evaluate, as indexes of its lines.

    The lines in `doubts` name a module that pyos may not have. At `behind`, text begins
    after the value, which CherryPy ignores.
    """

    doubts: Tuple[int, ...] = ()
    behind: Optional[int] = None


def check_evaluable(lines: Lines, budget: Budget) -> Evaluable:
    """Refuse a value that CherryPy can't evaluate.

    `lines` are its text with the line numbers. The cost of reading it is taken from `budget`.

    Raises `LiteralError` if CherryPy rejects it, `BoundsError` if it is too long or too
    deep to read. Their `index` is that of the line.
    """
    if not "\n".join(text for _, text in lines):
        return Evaluable()
    parsed = parse_value(lines, budget, literal=False)
    builder = _ExpressionBuilder(lines, budget)
    builder.build(parsed.tree)
    return Evaluable(tuple(builder.doubts), parsed.behind)


class _ExpressionBuilder(Builder):
    """Accept everything that CherryPy's builder accepts; an unknown value is a `_Name`."""

    def __init__(self, lines: Lines, budget: Budget) -> None:
        super().__init__(lines, budget)
        self.doubts: List[int] = []

    def build_other(self, node: ast.AST) -> Any:
        """Return the value of a name, or of an expression with one, or refuse the node."""
        if isinstance(node, (ast.UnaryOp, ast.BinOp)):
            self._refuse_operator(node.op, node)
        kind = type(node).__name__
        method = getattr(self, f"_build_{kind.lower()}", None)
        if method is None:
            what = _NODES.get(kind, "expression of this kind")
            right = "" if ";" in what else "; write a plain value"
            self.fail(node, f"CherryPy accepts no {what}{right}")
        return method(node)

    def splat(self, node: ast.Dict) -> Any:
        """Return None: CherryPy treats a ``**`` as that key."""
        return None

    def calculate(
        self, node: ast.AST, operation: Callable[..., Any], operands: List[Any], reason: str
    ) -> Any:
        """Return an unknown value if an operand is unknown."""
        if any(operand is _UNKNOWN for operand in operands):
            return _UNKNOWN
        return super().calculate(node, operation, operands, reason)

    def _refuse_operator(self, operation: ast.AST, node: ast.AST) -> None:
        if isinstance(node, ast.UnaryOp):
            self.fail(node, "of '-', '+', '~' and 'not', CherryPy accepts only '-'")
        if isinstance(operation, ast.FloorDiv):
            self.fail(node, "'//' does not begin a comment; '#' does")
        self.fail(node, "of the operators between values, CherryPy accepts only '+' and '*'")

    def _build_name(self, node: ast.Name) -> Any:
        if node.id.startswith("_"):
            return _UNKNOWN
        if node.id in _MODULES:
            return _Name("module", node.id)
        if node.id in _BUILTINS:
            return _Name("builtin", node.id)
        self.fail(node, reason_for_name(node.id))

    def _build_attribute(self, node: ast.Attribute) -> Any:
        parent = node.value
        is_known = not isinstance(parent, ast.Name) or (
            parent.id in _MODULES or parent.id in _BUILTINS or parent.id.startswith("_")
        )
        if not is_known:
            self.doubts.append(parent.lineno - 1)
            return _UNKNOWN
        value = self.build(parent)
        if not isinstance(value, _Name) and not hasattr(value, node.attr):
            self.fail(node, "the value before a '.' has no such attribute; put text in quotes")
        return _UNKNOWN

    def _build_call(self, node: ast.Call) -> Any:
        called = self.build(node.func)
        if not isinstance(called, _Name) or called.what == "module":
            self.fail(node, "a '(' after something that can't be called; a comma is missing")
        for argument in node.args:
            self.build(argument.value if isinstance(argument, ast.Starred) else argument)
        for given in node.keywords:
            value = self.build(given.value)
            if given.arg is None and not isinstance(value, (dict, _Name)):
                self.fail(node, "a '**' before something that is not a dict")
        return _UNKNOWN

    def _build_index(self, node: Any) -> Any:
        return self.build(node.value)  # Python 3.8 puts it around what stands in [ ]

    def _build_subscript(self, node: ast.Subscript) -> Any:
        value, key = self.build(node.value), self.build(node.slice)
        if not (_is_sure(value) and _is_sure(key)):
            return _UNKNOWN
        return self.calculate(node, operator.getitem, [value, key], "a '[' right after a value")


def _is_sure(value: Any) -> bool:
    """Return whether a value, or the keys in it, do not depend on where they are evaluated."""
    if isinstance(value, (tuple, dict)):
        return all(map(_is_sure, value))
    return value is not _UNKNOWN
