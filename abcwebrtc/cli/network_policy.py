"""``abcwebrtc networkpolicy``: prints what lets desktop pods reach the servers."""

from __future__ import annotations

import argparse
import json
import re
import socket
import sys
import textwrap
import time
from typing import Iterable, List, Tuple

from abcwebrtc.abcdesktop import DESKTOP_LABELS, NAMESPACE
from abcwebrtc.cli.options import OK, port_range
from abcwebrtc.cli.output import print_warnings, warn
from abcwebrtc.cluster.network_policy import (
    POLICY_NAME,
    Policy,
    PolicyOptions,
    network_policy,
    server_names,
    server_uris,
)
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import AbcWebRTCError

NAME, SUMMARY = "networkpolicy", "print what lets desktops reach the servers"
DESCRIPTION = """\
Prints the Kubernetes NetworkPolicy that lets desktop pods reach the STUN and
TURN servers of an od.config, and nothing else. It adds to the other policies.
Its comments say what it opens and what it does not.

Nothing is contacted, but for the DNS with --resolve.

example: abcwebrtc networkpolicy od.config --resolve
"""
_WIDTH = 100
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAMED = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--name", type=_name, default=POLICY_NAME, help="name of the policy (%(default)s)"
    )
    parser.add_argument(
        "-n",
        "--namespace",
        type=_namespace,
        default=NAMESPACE,
        help="namespace of the policy and the pods (%(default)s)",
    )
    label = ",".join(f"{key}={value}" for key, value in DESKTOP_LABELS.items())
    parser.add_argument(
        "--selector",
        type=_selector,
        metavar="KEY=VALUE",
        action="append",
        help=f"label of the pods; may be given several times ({label})",
    )
    parser.add_argument(
        "--resolve", action="store_true", help="write the addresses that names have now"
    )
    parser.add_argument(
        "--relay-ports",
        type=_range,
        metavar="MIN-MAX",
        help="open these UDP ports of the TURN servers too, for browsers' relays",
    )
    parser.add_argument("--dns", action="store_true", help="open the cluster's DNS too")
    parser.add_argument("--json", action="store_true", help="print JSON, notes on stderr")
    parser.set_defaults(usage_error=parser.error)


def run(options: argparse.Namespace) -> int:
    """Print the policy."""
    policy_options = _policy_options(options)
    config = WebRTCConfig.from_file(options.od_config, secrets_elsewhere=True)
    names = server_names(server_uris(config)) if options.resolve else []
    addresses = {name: resolve(name) for name in names}
    policy = network_policy(config, policy_options, addresses, time.time())
    print_warnings((*config.warnings, *config.notes))
    for warning in policy.warnings:
        warn(warning)
    if options.json:
        for note in policy.notes:
            print(f"note: {note}", file=sys.stderr)
        print(json.dumps(policy.manifest, indent=2))
    else:
        # PyYAML takes a while to import, and most commands have no use for it.
        from abcwebrtc.cluster.yaml import yaml_text

        print("\n".join(_comments(policy)))
        print(yaml_text([policy.manifest]), end="")
    return OK


def resolve(name: str) -> List[str]:
    """Return the addresses of a name, as this machine knows them.

    Raises `AbcWebRTCError` when it has none.
    """
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        return [str(info[4][0]) for info in found]
    except OSError as error:
        reason = error.strerror
    except UnicodeError:
        reason = "not a name that DNS can hold"
    raise AbcWebRTCError(
        f"can't resolve {name}: {reason}; try again where it can be resolved, "
        "or leave --resolve out"
    )


def _policy_options(options: argparse.Namespace) -> PolicyOptions:
    labels = options.selector or list(DESKTOP_LABELS.items())
    selector = dict(labels)
    if len(selector) < len(labels):
        options.usage_error("--selector gives one key twice, and a pod has one value of it")
    return PolicyOptions(
        options.name, options.namespace, selector, options.relay_ports, options.dns
    )


def _comments(policy: Policy) -> Iterable[str]:
    yield "# Made by abcwebrtc networkpolicy, for the STUN and TURN servers of an od.config."
    for note in (*policy.notes, *(f"Warning: {text}." for text in policy.warnings)):
        yield from textwrap.wrap(
            note,
            _WIDTH,
            initial_indent="# - ",
            subsequent_indent="#   ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def _name(text: str) -> str:
    return _matching(rf"{_LABEL}(\.{_LABEL})*", text, 253, "a name such as desktop-webrtc")


def _namespace(text: str) -> str:
    return _matching(_LABEL, text, 63, "a namespace such as abcdesktop")


def _selector(text: str) -> Tuple[str, str]:
    pattern = rf"({_LABEL}(\.{_LABEL})*/)?{_NAMED}=({_NAMED})?"
    key, _, value = _matching(pattern, text, 400, "a label such as type=x11server").partition("=")
    return key, value


def _matching(pattern: str, text: str, length: int, what: str) -> str:
    if re.fullmatch(pattern, text) and len(text) <= length:
        return text
    raise argparse.ArgumentTypeError(f"write {what}")


def _range(text: str) -> Tuple[int, int]:
    ports = port_range(text, 1)
    if ports:
        return ports
    raise argparse.ArgumentTypeError("write two ports, such as 49152-65535, coturn's default")
