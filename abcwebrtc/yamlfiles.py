"""YAML as Kubernetes takes it, in and out. Only this module knows PyYAML.

PyYAML reads some plain texts as dates and as numbers to the base 60, and writes
some texts in a form that Kubernetes's own reader takes for numbers or bools.
Here neither happens.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Set

import yaml

from abcwebrtc.errors import ManifestError, Problem

MAX_NODES = 200_000
"""Nodes with all aliases followed; a few lines can stand for billions."""

_PLAIN = re.compile(r"[A-Za-z/_][\w./:@ -]*", re.ASCII)
_BREAKS = re.compile("[\x85\u2028\u2029]")
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


class _Loader(yaml.SafeLoader):
    """Reads as Kubernetes does: no dates, no base 60, no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Dict[Any, Any]:
        """Return a mapping; refuse one that has a key twice, or keys that are no text."""
        seen: Set[str] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if not isinstance(key, yaml.ScalarNode):
                raise _error("has a key that is not text", key)
            if key.value in seen:
                raise _error("has a key twice in one mapping; keep one of them", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Writes every text so that no reader takes it for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write out what occurs twice: aliases are harder to read."""
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    if _BREAKS.search(text):  # which PyYAML's own choice of quotes would turn into a blank
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
    if "\n" in text:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else "'")


def _resolvers() -> Dict[str, Any]:
    kept = {"tag:yaml.org,2002:" + name for name in ("bool", "null", "merge")}
    return {
        first: [(tag, pattern) for tag, pattern in resolvers if tag in kept]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.yaml_implicit_resolvers = _resolvers()  # its own, instead of those that it inherits
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"[-+]?(0|[1-9][0-9]*|0[0-7]+|0x[0-9a-fA-F]+|0b[01]+)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)
_Dumper.add_representer(str, _represent_text)


def parse_yaml(text: str, file: str) -> List[Any]:
    """Return the documents of a text, empty ones left out.

    Raises `ManifestError` with file and line; its text quotes no value.
    """
    line = None
    try:
        loader = _Loader(text)
        documents = []
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                _count(node, {})
                documents.append(loader.construct_document(node))
        return [document for document in documents if document is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message, line = error.problem or "is not valid YAML", mark.line + 1 if mark else None
    except (yaml.YAMLError, RecursionError, ValueError):
        message = "is not valid YAML, or nested too deep"
    raise ManifestError(Problem(message, "", file, line))


def yaml_text(documents: List[Any]) -> str:
    """Return documents as YAML, keys in their order."""
    text: str = yaml.dump_all(
        documents,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=2**20,
        explicit_start=len(documents) > 1,
    )
    return text


def _count(node: yaml.Node, known: Dict[int, int]) -> int:
    """Return the number of nodes with aliases followed; refuse too many, and loops."""
    if id(node) in known:
        if known[id(node)] == 0:
            raise _error("has an alias inside of what it stands for", node)
        return known[id(node)]
    known[id(node)] = 0
    children: List[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        children = [child for pair in node.value for child in pair]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    total = 1 + sum(_count(child, known) for child in children)
    if total > MAX_NODES:
        raise _error("has too many values, with its aliases written out", node)
    known[id(node)] = total
    return total


def _error(message: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=message, problem_mark=node.start_mark)
