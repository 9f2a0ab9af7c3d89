"""``abcwebrtc pod``: adds WebRTC to the manifests of desktop pods."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import replace
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from abcwebrtc.abcdesktop import USERID_LABEL
from abcwebrtc.cli.options import add_labels, names, read_input
from abcwebrtc.cli.output import (
    JSON,
    TEXT,
    aside,
    detail,
    print_difference,
    print_problems,
    print_utf8,
    show_data,
    show_document,
)
from abcwebrtc.cli.parser import OK, STDIN, STDIN_FILE, add_form, given
from abcwebrtc.config.desktop import TURN_SERVER
from abcwebrtc.config.problems import kind
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.desktop.pod import PreparedPod, prepare_pod
from abcwebrtc.desktop.pod_data import all_containers
from abcwebrtc.errors import KeyPath, ManifestError, Problem, format_path
from abcwebrtc.turn.selection import choose, desktop_choice, with_choice

NAME, SUMMARY = "pod", "add WebRTC to the manifest of a desktop pod"
DESCRIPTION = """\
Read the manifest of a desktop pod, YAML or JSON, with one document or more, and
print it with the STUN_SERVER, the TURN_SERVER and the sound container that
od.config gives this user. Other documents are left as they are.
Nothing is contacted.

TURN_SERVER contains a working password. With --secret it is in a Secret, which
is printed before the pod and which the pod refers to.

A single argument that ends in .yaml, .yml or .json is POD.

example: abcwebrtc pod od.config desktop.yaml --user alice --secret
"""
MAX_BYTES = 4 * 1024 * 1024
_MANIFESTS = (".yaml", ".yml", ".json")
_DENIED = (
    "desktops of users with these labels get no TURN_SERVER; name the labels that the user has, "
    "such as --labels staff,paris"
)
_DRAINED = "has only drained servers, so new desktops get no TURN_SERVER"
_OD_CONFIG = re.compile(r"(?:[ \t]*(?:[#;].*)?\r?\n)*\[global\]")
"""How an od.config begins."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "pod", metavar="POD", nargs="?", type=given, help="file of the manifest, - for stdin (-)"
    )
    parser.add_argument(
        "--user",
        metavar="NAME",
        type=given,
        help=f"userid of the desktop's user (the pod's label {USERID_LABEL})",
    )
    add_labels(parser, "the sound container and of TURN servers")
    parser.add_argument(
        "--containers",
        metavar="A,B",
        type=names,
        help="containers that get STUN_SERVER, besides the sound container (all)",
    )
    parser.add_argument(
        "--secret", action="store_true", help="keep TURN_SERVER in a Secret, and print that as well"
    )
    parser.add_argument(
        "--diff", action="store_true", help="print what changes, with secrets masked"
    )
    add_form(parser, "the format of POD; with --diff, a diff")
    parser.set_defaults(arrange=_arrange)


def _arrange(options: argparse.Namespace) -> None:
    """Treat a single argument as the manifest if its name says so, or od.config has an option."""
    name = options.od_config
    if name and not options.pod and (name.endswith(_MANIFESTS) or options.named_od_config):
        options.od_config, options.pod = None, name
    options.pod = options.pod or STDIN
    if options.pod == STDIN and STDIN_FILE in (options.od_config, options.named_od_config):
        options.usage_error("stdin can't be both OD_CONFIG and POD; name a file for one of them")


def run(options: argparse.Namespace) -> int:
    """Print the manifests with WebRTC in them, or the difference."""
    # PyYAML takes a while to import, and most commands have no use for it.
    from abcwebrtc.cluster.manifests import Manifests, parse_manifests
    from abcwebrtc.cluster.masking import masked_diff

    config = WebRTCConfig.from_file(options.od_config, secrets_elsewhere=True)
    print_problems(config.notes)
    file = "stdin" if options.pod == STDIN else options.pod
    if file == "stdin" and sys.stdin and sys.stdin.isatty():
        aside("reading the manifest from this terminal; end it with Ctrl-D")
    detail(f"reading the manifest from {file}")
    manifests = parse_manifests(_read(options.pod, file), file)
    after = inject_all(manifests.documents, config, options, file)
    if options.diff:
        diff = list(masked_diff(manifests.documents, after, manifests.text))
        if options.form == TEXT:
            print_difference(diff)
        else:
            show_data({"ok": True, "changed": bool(diff), "diff": diff}, options.form)
    elif options.form == JSON:
        several = {"apiVersion": "v1", "kind": "List", "items": after}
        show_data(several if len(after) > 1 else after[0], JSON)
    else:
        print_utf8()
        shown = manifests if options.form == TEXT else Manifests(after)
        show_document(shown.text(after))
    return OK


def inject_all(
    documents: List[Any], config: WebRTCConfig, options: argparse.Namespace, file: str
) -> List[Any]:
    """Return the documents, with new ones for the pods, and the Secrets before their pods.

    Prints notes on them on stderr. Raises `ManifestError` if none is a pod.
    """
    many = len(documents) > 1
    pods: List[Dict[str, Any]] = []
    said: Dict[str, None] = {}

    def inject(pod: Dict[str, Any], path: KeyPath) -> List[Any]:
        prepared, message = _prepared(pod, path, file, config, options)
        pods.append(prepared.pod)
        said[message] = None
        return [prepared.secret, prepared.pod] if prepared.secret else [prepared.pod]

    after: List[Any] = []
    for number, document in enumerate(documents, 1):
        after += _injected(document, (f"document {number}",) if many else (), file, inject)
    if not pods:
        message = "has no document of kind Pod; give the manifest of a desktop pod"
        raise ManifestError(Problem(message, "", file))
    where = ("webrtc.coturn", options.od_config)
    print_problems([Problem(message, *where, level="note") for message in said if message])
    return after


def _injected(
    document: Any, path: KeyPath, file: str, inject: Callable[[Dict[str, Any], KeyPath], List[Any]]
) -> List[Any]:
    """Return a document and, if it is or contains a pod, a new one with the Secret before it."""
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        words = "has no 'kind'" if isinstance(document, dict) else f"is {kind(document)}"
        message = f"{words}; write a manifest: kind: Pod"
        raise ManifestError(Problem(message, format_path(path), file))
    items, where = document.get("items"), (*path, "items")
    if document["kind"] == "Pod":
        return inject(document, path)
    if document["kind"] != "List" or items is None:
        return [document]
    if not isinstance(items, list):
        message = f"must be a list, not {kind(items)}"
        raise ManifestError(Problem(message, format_path(where), file))
    parts = [_injected(item, (*where, i), file, inject) for i, item in enumerate(items)]
    return [{**document, "items": [part for new in parts for part in new]}]


def _prepared(
    pod: Dict[str, Any],
    path: KeyPath,
    file: str,
    config: WebRTCConfig,
    options: argparse.Namespace,
) -> Tuple[PreparedPod[Dict[str, Any]], str]:
    """Return a pod with WebRTC in it, and what to say of its TURN server; print the notes on it."""

    def placed(problems: Iterable[Problem]) -> List[Problem]:
        start = format_path(path)
        paths = [(one, ".".join(filter(None, (start, one.path)))) for one in problems]
        return [replace(one, path=where, file=file) for one, where in paths]

    try:
        user = _access_userid(pod) if options.user is None else options.user
        own = with_choice(config, choose(config, user, options.labels))
        prepared = prepare_pod(
            pod,
            own,
            user,
            labels=options.labels,
            containers=options.containers,
            turn_secret=options.secret,
        )
        failure = None
    except ManifestError as error:
        failure = ManifestError(*placed(error.problems))
    if failure:
        raise failure
    print_problems(placed(prepared.notes))
    given = desktop_choice(own, user, options.labels)
    number = sum(len(server.uris) for server in own.coturn)
    if given and number > 1 and _has_turn(prepared.pod):
        return prepared, (
            f"TURN_SERVER is {given[1]} only, since webrtcbin takes a single one: if that server "
            f"fails, desktops have none, whichever of the {number} urls browsers use"
        )
    if given or not (config.enable and config.desktop.turn and config.coturn):
        return prepared, ""
    if all(server.drain for server in config.coturn):
        return prepared, _DRAINED
    return prepared, _DENIED if config.labels else ""


def _has_turn(pod: Dict[str, Any]) -> bool:
    every = [item for _, container in all_containers(pod) for item in container.get("env") or ()]
    return any(item["name"] == TURN_SERVER for item in every)


def _access_userid(pod: Dict[str, Any]) -> Optional[str]:
    """Return the userid from the label that pyos puts on a pod."""
    labels: Any = pod
    for key in ("metadata", "labels"):
        labels = labels.get(key)
        if not isinstance(labels, dict):
            return None  # prepare_pod says what is wrong
    user = labels.get(USERID_LABEL)
    if user is not None and not isinstance(user, str):
        message = f"must be text, not {kind(user)}; write it in quotes"
        raise ManifestError.at(("metadata", "labels", USERID_LABEL), message)
    return user


def _read(name: str, file: str) -> str:
    data, line = read_input(name, MAX_BYTES), 0
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    if line:
        raise ManifestError(Problem("not UTF-8 text; save the file as UTF-8", "", file, line))
    if _OD_CONFIG.match(text):
        message = "is an od.config, not a manifest; write: abcwebrtc pod OD_CONFIG POD"
        raise ManifestError(Problem(message, "", file))
    return text
