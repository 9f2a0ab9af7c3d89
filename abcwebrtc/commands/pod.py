"""``abcwebrtc pod``: injects WebRTC into the manifests of desktop pods."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import Any, Dict, List, Optional

from abcwebrtc.commands import OK
from abcwebrtc.config import WebRTCConfig
from abcwebrtc.errors import KeyPath, ManifestError, Problem, format_path
from abcwebrtc.findings import kind
from abcwebrtc.pods import prepare_pod
from abcwebrtc.printing import coloured, finding_line

NAME, SUMMARY = "pod", "inject WebRTC into a pod's manifest"
DESCRIPTION = """\
Reads the manifest of a desktop pod, YAML or JSON, one document or several, and
prints it with STUN_SERVER, TURN_SERVER and the sound container that od.config
gives this user. Other documents stay as they are. Nothing is contacted.

TURN_SERVER holds a working password. With --secret it is in a Secret, printed
before the pod, and the pod refers to it.

example: abcwebrtc pod od.config desktop.yaml --user alice --secret
"""
STDIN = "-"
USERID_LABEL = "access_userid"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "pod", metavar="POD", nargs="?", default=STDIN, help="the manifest's file; stdin by default"
    )
    parser.add_argument(
        "--user", metavar="NAME", help="the userid; by default the pod's label access_userid"
    )
    parser.add_argument(
        "--labels", metavar="A,B", type=_names, default=[], help="the user's labels, for the acl"
    )
    parser.add_argument(
        "--containers",
        metavar="A,B",
        type=_names,
        help="the containers that get STUN_SERVER, beside sound; all by default",
    )
    parser.add_argument(
        "--secret", action="store_true", help="keep TURN_SERVER in a Secret, and print that too"
    )
    parser.add_argument(
        "--diff", action="store_true", help="print what changes, with secrets masked"
    )


def run(options: argparse.Namespace) -> int:
    """Print the injected manifests, or the differences."""
    # PyYAML takes a while to import, and most commands have no use for it.
    from abcwebrtc.manifestfiles import parse_manifests
    from abcwebrtc.masking import masked_diff

    config = WebRTCConfig.from_file(options.od_config)
    file = "stdin" if options.pod == STDIN else options.pod
    manifests = parse_manifests(_read(options.pod, file), file)
    injector = _Injector(config, options, file)
    after = injector.inject_all(manifests.documents)
    if not options.diff:
        print(manifests.text(after), end="")
        return OK
    for line in masked_diff(manifests.documents, after, manifests.text):
        colour = {"+": "32", "-": "31"}.get(line[:1], "0")
        print(coloured(line, colour, sys.stdout))
    return OK


class _Injector:
    """Injects into the pods among some documents, and prints what to know of them."""

    def __init__(self, config: WebRTCConfig, options: argparse.Namespace, file: str) -> None:
        self._config = config
        self._options = options
        self._file = file
        self._pods = 0

    def inject_all(self, documents: List[Any]) -> List[Any]:
        """Return the documents, new where they are pods, with the Secrets before their pods."""
        many = len(documents) > 1
        result: List[Any] = []
        for number, document in enumerate(documents, 1):
            result += self._inject(document, (f"document {number}",) if many else ())
        if not self._pods:
            raise ManifestError(Problem("has no document of kind Pod", "", self._file))
        return result

    def _inject(self, document: Any, path: KeyPath) -> List[Any]:
        if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
            words = "has no 'kind'" if isinstance(document, dict) else f"is {kind(document)}"
            raise self._error(ManifestError.at((), f"{words}; write a manifest: kind: Pod"), path)
        if document["kind"] == "List":
            items = document.get("items") or []
            paths = [(*path, "items", index) for index in range(len(items))]
            new = [part for item, where in zip(items, paths) for part in self._inject(item, where)]
            return [{**document, "items": new}]
        return self._inject_pod(document, path) if document["kind"] == "Pod" else [document]

    def _inject_pod(self, pod: Dict[str, Any], path: KeyPath) -> List[Any]:
        self._pods += 1
        options = self._options
        try:
            prepared = prepare_pod(
                pod,
                self._config,
                options.user or _access_userid(pod),
                labels=options.labels,
                containers=options.containers,
                turn_secret=options.secret,
            )
        except ManifestError as error:
            failure = self._error(error, path)
        else:
            for note in prepared.notes:
                print(finding_line(self._placed(note, path), sys.stderr), file=sys.stderr)
            return [*([prepared.secret] if prepared.secret else []), prepared.pod]
        raise failure

    def _error(self, error: ManifestError, path: KeyPath) -> ManifestError:
        return ManifestError(*(self._placed(problem, path) for problem in error.problems))

    def _placed(self, problem: Problem, path: KeyPath) -> Problem:
        where = ".".join(part for part in (format_path(path), problem.path) if part)
        return replace(problem, path=where, file=self._file)


def _access_userid(pod: Dict[str, Any]) -> Optional[str]:
    """Return the userid that pyos has put on a pod."""
    labels = (pod.get("metadata") or {}).get("labels") or {}
    return labels.get(USERID_LABEL)


def _read(name: str, file: str) -> str:
    reason = ""
    try:
        if name == STDIN:
            data = sys.stdin.buffer.read()
        else:
            with open(name, "rb") as stream:
                data = stream.read()
    except OSError as error:
        reason = error.strerror or "no such file"
    if reason:
        raise ManifestError(Problem(f"can't be read: {reason}", "", file))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    raise ManifestError(Problem("not UTF-8 text; save the file as UTF-8", "", file, line))


def _names(text: str) -> List[str]:
    names = [name.strip() for name in text.split(",")]
    if all(names):
        return names
    raise argparse.ArgumentTypeError("write names with commas between them, such as a,b")
