"""``abcwebrtc networkpolicy``: prints the policy that lets desktop pods reach the servers."""

from __future__ import annotations

import argparse
import socket
import time
from typing import Iterable, List

from abcwebrtc.abcdesktop import DESKTOP_LABELS, NAMESPACE
from abcwebrtc.cli.options import kube_label, kube_name, kube_namespace, port_range
from abcwebrtc.cli.output import TEXT, YAML, detail, note, print_problems, show, show_data, warn
from abcwebrtc.cli.parser import OK, add_form
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
from abcwebrtc.texts import wrapped

NAME, SUMMARY = "networkpolicy", "print the policy that lets desktops reach the servers"
DESCRIPTION = """\
Print a Kubernetes NetworkPolicy that lets desktop pods reach the STUN and
TURN servers in od.config, and nothing else. It adds to your other policies.
Its comments say what it opens and what it does not.

Nothing is contacted, except DNS with --resolve.

example: abcwebrtc networkpolicy od.config --resolve
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--name", type=kube_name, default=POLICY_NAME, help="name of the policy (%(default)s)"
    )
    parser.add_argument(
        "-n",
        "--namespace",
        type=kube_namespace,
        default=NAMESPACE,
        help="namespace of the policy and the pods (%(default)s)",
    )
    label = ",".join(f"{key}={value}" for key, value in DESKTOP_LABELS.items())
    parser.add_argument(
        "--selector",
        type=kube_label,
        metavar="KEY=VALUE",
        action="append",
        help=f"label of the pods; may be given several times ({label})",
    )
    parser.add_argument(
        "--resolve", action="store_true", help="write the addresses that the names have now"
    )
    parser.add_argument(
        "--relay-ports",
        type=port_range(),
        metavar="MIN-MAX",
        help="also open these UDP ports of the TURN servers, for the relays of browsers",
    )
    parser.add_argument("--dns", action="store_true", help="also open the cluster's DNS")
    add_form(parser, "YAML with comments")


def run(options: argparse.Namespace) -> int:
    """Print the policy."""
    policy_options = _policy_options(options)
    config = WebRTCConfig.from_file(options.od_config, secrets_elsewhere=True)
    names = server_names(server_uris(config)) if options.resolve else []
    addresses = {name: resolve(name) for name in names}
    policy = network_policy(config, policy_options, addresses, time.time())
    print_problems((*config.warnings, *config.notes))
    for warning in policy.warnings:
        warn(warning)
    if options.form != TEXT:
        for text in policy.notes:
            note(text)
        show_data(policy.manifest, options.form)
    else:
        show(*_comments(policy))
        show_data(policy.manifest, YAML)
    return OK


def resolve(name: str) -> List[str]:
    """Return the addresses of a name, as this machine resolves it.

    Raises `AbcWebRTCError` if it has none.
    """
    try:
        detail(f"resolving {name}")
        found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        addresses = [str(info[4][0]) for info in found]
        detail(f"{name} is {', '.join(addresses)}")
        return addresses
    except OSError as error:
        reason = error.strerror
    except UnicodeError:
        reason = "not a name that DNS can hold"
    raise AbcWebRTCError(
        f"can't resolve {name}: {reason}; run this where it can be resolved, or without --resolve"
    )


def _policy_options(options: argparse.Namespace) -> PolicyOptions:
    labels = options.selector or list(DESKTOP_LABELS.items())
    selector = dict(labels)
    if len(selector) < len(labels):
        options.usage_error("--selector gives a key twice, but a label of a pod has one value")
    return PolicyOptions(
        options.name, options.namespace, selector, options.relay_ports, options.dns
    )


def _comments(policy: Policy) -> Iterable[str]:
    yield "# Made by abcwebrtc networkpolicy, for the STUN and TURN servers of an od.config."
    for text in (*policy.notes, *(f"Warning: {one}." for one in policy.warnings)):
        yield from wrapped(text, "# - ", "#   ")
