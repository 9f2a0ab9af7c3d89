"""Read and write YAML as Kubernetes does. No other module uses PyYAML for manifests.

PyYAML reads some plain texts as dates or as base 60 numbers, and writes some texts
in a form that Kubernetes reads as numbers or booleans. This module does neither.
"""

from __future__ import annotations

import math
import re
from typing import Any, Dict, List, Set, Tuple

import yaml

from abcwebrtc.errors import ManifestError, Problem
from abcwebrtc.texts import is_obeyed

MAX_NODES = 200_000
"""Nodes of a document after expanding aliases; a few lines can expand to billions."""
MAX_ALIASED, ALIASES_FOR_EACH = 50_000, 10
"""Nodes that aliases may add to a file: this many, or this many for each node written out."""
_TOO_MANY = "has too many values, with its aliases written out"
MAX_DIGITS = 400
"""More than any number in JSON needs. Python 3.11 rejects 4300."""

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_TWICE = "has a key twice in one mapping; keep one of them"
_TWO_MERGES = "has << twice in one mapping; give it a list: <<: [*first, *second]"
_INT = re.compile(
    r"[-+]?([1-9][0-9_]*|0[xX][0-9a-fA-F_]*[0-9a-fA-F]_*|0[bB][01_]*[01]_*|0[oO]?[0-7_]*[0-7]_*|0_*)"
)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?")
_FORMS = {
    "str": re.compile(""),
    "merge": re.compile("<<"),
    "int": _INT,
    "float": _FLOAT,
    "bool": re.compile("yes|no|true|false|on|off", re.IGNORECASE),
    "null": re.compile("~|null|", re.IGNORECASE),
}
_PLAIN = re.compile(r"[A-Za-z/_][\w./:@ -]*", re.ASCII)
_BREAKS = re.compile("[\x85\u2028\u2029]")
_LITERAL = re.compile(
    "(?!\t)[\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]+"
)
"""What a literal block can hold; a tab at its start would be read as its indent."""
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
_QUOTED = re.compile(r" (?P<quote>['\"])(?![<\\])..+(?P=quote)", re.DOTALL)
"""Source text in PyYAML's messages. A single character or the name of a token may stay."""
_UNCLOSED = "a bracket opened earlier is not closed, or a comma is missing"
_UNCLEAR = {"second occurrence": "has the same anchor (&) twice; give each a different name"}


class _Loader(yaml.SafeLoader):
    """Read as Kubernetes does: no dates, no base 60."""


class _Dumper(yaml.SafeDumper):
    """Write every text so that any reader reads it back as the same text."""

    def ignore_aliases(self, data: Any) -> bool:
        """Never write aliases: they are hard to read."""
        return True

    def analyze_scalar(self, scalar: str) -> Any:
        """Allow a literal block wherever YAML does: PyYAML escapes tabs and trailing blanks."""
        analysis = super().analyze_scalar(scalar)
        is_literal = self.allow_unicode and _LITERAL.fullmatch(scalar)
        analysis.allow_block = analysis.allow_block or bool(is_literal)
        return analysis


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    if _BREAKS.search(text):  # the quotes that PyYAML chooses would turn these into a blank
        return dumper.represent_scalar(_TAG + "str", text, style='"')
    if "\n" in text:
        return dumper.represent_scalar(_TAG + "str", text, style="|")
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return dumper.represent_scalar(_TAG + "str", text, style=None if plain else "'")


def _int(text: str) -> int:
    """Return an integer as go-yaml reads it: 0644 and 0o644 are octal, _ is skipped."""
    plain = text.replace("_", "")
    return int(plain, 8 if re.match("[-+]?0[0-7]", plain) else 0)


def _resolvers() -> Dict[str, Any]:
    kept = {_TAG + name for name in ("bool", "null", "merge")}
    return {
        first: [(tag, pattern) for tag, pattern in resolvers if tag in kept]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.yaml_implicit_resolvers = _resolvers()  # instead of the inherited ones
_Loader.add_implicit_resolver(_TAG + "int", re.compile(f"({_INT.pattern})$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    _TAG + "float", re.compile(f"({_FLOAT.pattern})$"), list("-+.0123456789")
)
_Loader.add_constructor(_TAG + "int", lambda _, node: _int(node.value))
_Loader.add_constructor(_TAG + "merge", lambda _, node: node.value)  # a << that is not a key
_Dumper.add_representer(str, _represent_text)


def parse_yaml(text: str, file: str) -> List[Any]:
    """Return the documents of a text, without empty ones.

    Raises `ManifestError` with file and line; its message quotes no value.
    """
    line = None
    try:
        return _documents(_Loader(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message, line = error.problem or "is not valid YAML", mark.line + 1 if mark else None
        message = _UNCLOSED if message.startswith("expected ',' or") else message
        message = _UNCLEAR.get(message, message)
    except yaml.reader.ReaderError as error:
        message = "has a character that YAML does not allow"
        line = text.count("\n", 0, error.position) + 1
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError):
        message = "is not valid YAML, or is nested too deeply"
    raise ManifestError(Problem(_QUOTED.sub("", message), "", file, line))


def yaml_text(documents: List[Any]) -> str:
    """Return documents as YAML; keys keep their order.

    The text is ASCII if a terminal would interpret one of its characters.
    """
    text = _dumped(documents, allow_unicode=True)
    return _dumped(documents, allow_unicode=False) if is_obeyed(text) else text


def _dumped(documents: List[Any], allow_unicode: bool) -> str:
    text: str = yaml.dump_all(
        documents,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=allow_unicode,
        width=2**20,
        explicit_start=len(documents) > 1,
    )
    return text


def _documents(loader: _Loader) -> List[Any]:
    documents = []
    aliased = written = 0
    while loader.check_node():
        node = loader.get_node()
        if node is not None:
            known: Dict[int, int] = {}
            aliased += _check(node, known) - len(known)
            written += len(known)
            if aliased > max(MAX_ALIASED, ALIASES_FOR_EACH * written):
                raise _error(_TOO_MANY, node)
            documents.append(loader.construct_document(node))
    return [document for document in documents if document is not None]


def _check(node: yaml.Node, known: Dict[int, int]) -> int:
    """Reject anything but plain data, or too much of it, and merge what << refers to.

    Returns the number of nodes after expanding aliases. `known` has that number for
    each node seen so far, or 0 while it is being counted.
    """
    if id(node) in known:
        if known[id(node)] == 0:
            raise _error("has an alias inside the node it refers to", node)
        return known[id(node)]
    known[id(node)] = 0
    total = 1
    for child in _children(node):
        total += _check(child, known)
        if total > MAX_NODES:  # stop at once: each further << would copy what it refers to
            raise _error(_TOO_MANY, node)
    if isinstance(node, yaml.MappingNode):
        _merge(node)
    known[id(node)] = total
    return total


def _children(node: yaml.Node) -> List[yaml.Node]:
    """Check a node, and return the nodes within it."""
    if isinstance(node, yaml.ScalarNode):
        _check_scalar(node)
        return []
    if node.tag != _TAG + ("map" if isinstance(node, yaml.MappingNode) else "seq"):
        raise _error("has a tag on a mapping or list; remove the tag", node)
    if not isinstance(node, yaml.MappingNode):
        return list(node.value)
    node.value = [(_key(key), child) for key, child in node.value]
    seen: Set[Tuple[str, str]] = set()
    for key, _ in node.value:
        if (key.value, key.tag) in seen:
            raise _error(_TWO_MERGES if key.tag == _MERGE else _TWICE, key)
        seen.add((key.value, key.tag))
    return [child for pair in node.value for child in pair]


def _check_scalar(node: yaml.ScalarNode) -> None:
    name = node.tag[len(_TAG) :] if node.tag.startswith(_TAG) else ""
    if name not in _FORMS:
        raise _error("has a tag that has no equivalent in JSON; remove the tag", node)
    if name != "str" and not _FORMS[name].fullmatch(node.value):
        raise _error("has a tag that does not fit its value; remove the tag", node)
    if name in ("int", "float") and len(node.value) > MAX_DIGITS:
        raise _error("has a number that is too long", node)
    if name == "float" and not math.isfinite(float(node.value.replace("_", ""))):
        raise _error("has a number that JSON can't hold", node)


def _key(node: yaml.Node) -> yaml.ScalarNode:
    """Return a key as the text that Kubernetes reads: yes is "true", and 0x1 is "1"."""
    if not isinstance(node, yaml.ScalarNode):
        raise _error("has a key that is not text", node)
    _check_scalar(node)
    if node.tag in (_TAG + "float", _TAG + "null"):
        raise _error("has a key that is not text; put it in quotes", node)
    if node.tag == _TAG + "int":
        text = str(_int(node.value))
    elif node.tag == _TAG + "bool":
        text = "true" if node.value.lower() in ("yes", "true", "on") else "false"
    else:
        return node
    return yaml.ScalarNode(_TAG + "str", text, node.start_mark)


def _merge(node: yaml.MappingNode) -> None:
    """Merge the keys that << refers to; the mapping's own keys win, then the first mapping's.

    PyYAML's constructor would do it too, but its releases disagree on which key wins.
    """
    merged: Dict[str, Tuple[yaml.ScalarNode, yaml.Node]] = {}
    for source in (child for key, child in node.value if key.tag == _MERGE):
        for mapping in source.value if isinstance(source, yaml.SequenceNode) else [source]:
            if not isinstance(mapping, yaml.MappingNode):
                raise _error("has << with a value other than a mapping or a list of them", mapping)
            for pair in mapping.value:
                merged.setdefault(pair[0].value, pair)
    merged.update((pair[0].value, pair) for pair in node.value if pair[0].tag != _MERGE)
    node.value = list(merged.values())


def _error(message: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=message, problem_mark=node.start_mark)
