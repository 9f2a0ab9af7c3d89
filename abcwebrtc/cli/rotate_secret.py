"""``abcwebrtc rotate new-secret``: a strong secret, in the forms that a rotation needs."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Sequence, Tuple

from abcwebrtc.abcdesktop import NAMESPACE
from abcwebrtc.cli.new_file import locked, write_over
from abcwebrtc.cli.options import OK, STDIN, given, kube_key, kube_name, kube_namespace, output_file
from abcwebrtc.cli.output import warn
from abcwebrtc.cli.rotate_options import read_source, secret_from
from abcwebrtc.config.secret_sources import Secret, secrets_in
from abcwebrtc.coturn.conf_file import why_no_line
from abcwebrtc.coturn.rotation_plan import DEFAULT_DATABASE, turnadmin
from abcwebrtc.coturn.secret_files import (
    file_content,
    first_secret,
    new_secret,
    others_can_read,
    read_secret_file,
    secret_manifest,
    turnserver_lines,
    with_new,
)
from abcwebrtc.errors import ConfigError, Problem

_FORMATS = ("file", "kubernetes", "turnserver", "turnadmin")
_OF_ANOTHER_KIND = re.compile(rb"\s*(\[[\w.-]+\]\s*$|[\w.-]+=[^=\s]|[\w.-]+\s*[:=]\s|-----BEGIN )")
"""A line of an od.config, a turnserver.conf, a manifest or a PEM file."""
_ONLY_FOR = {"kubernetes": ("name", "namespace", "key"), "turnadmin": ("realm", "database")}
DESCRIPTION = """\
Prints a new secret of 256 bits, or writes it into a file, in front of those
that are there. With --from it takes the first secret of a file instead.

example: abcwebrtc rotate new-secret --output new-secret
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--format", choices=_FORMATS, default="file", help="what to print (%(default)s)"
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="FILE",
        type=given,
        help="take the first secret of this file, - for stdin, instead of a new one",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=output_file,
        help="put it in front of the secrets in this file",
    )
    parser.add_argument("--replace", action="store_true", help="keep none of those in --output")
    parser.add_argument(
        "--keep",
        metavar="FILE",
        type=given,
        help="print the secrets of this file, - for stdin, behind it",
    )
    parser.add_argument("--name", type=kube_name, help="name of the Kubernetes Secret")
    parser.add_argument(
        "-n",
        "--namespace",
        type=kube_namespace,
        default=NAMESPACE,
        help="namespace of the Secret (%(default)s)",
    )
    parser.add_argument(
        "--key", type=kube_key, default="static-auth-secret", help="key in the Secret (%(default)s)"
    )
    parser.add_argument(
        "--realm", type=given, default="REALM", help="coturn's realm, for turnadmin"
    )
    parser.add_argument(
        "--database",
        metavar="FILE",
        type=given,
        default=DEFAULT_DATABASE,
        help="coturn's database, for turnadmin (%(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Print a secret, or write it into a file."""
    wrong = _wrong_options(options)
    if wrong:
        options.usage_error(wrong)
    if options.format == "turnadmin":
        first_secret(read_secret_file(options.source), options.source)
        print(turnadmin("-s", options.source, options.realm, options.database))
        return OK
    secret = secret_from(options.source) if options.source else new_secret()
    if options.output:
        return _write(secret, options)
    old = _kept(options.keep) if options.keep else ()
    _print_secrets(with_new(secret, old), options)
    return OK


def _kept(source: str) -> Tuple[Secret, ...]:
    """Return the secrets to keep; none at all is a mistake, not a wish."""
    return secrets_in(read_source(source), source)


def _wrong_options(options: argparse.Namespace) -> str:
    """Return what is wrong with options that don't go together, or nothing."""
    if options.output and options.format != "file":
        return "--output writes secrets, one a line; for another --format send stdout to a file"
    if options.output and options.keep:
        return "--output keeps the secrets of its own file; leave --keep out"
    if options.replace and not options.output:
        return "--replace goes with --output FILE"
    if options.source == STDIN and options.keep == STDIN:
        return "--from and --keep can't both read stdin"
    if options.format == "kubernetes" and not options.name:
        return "--format kubernetes needs --name, the name of the Secret"
    if options.format == "turnadmin" and options.source in (None, STDIN):
        return (
            "--format turnadmin needs --from FILE: its line reads the secret from there, "
            "and does not show it"
        )
    return _unused_option(options)


def _unused_option(options: argparse.Namespace) -> str:
    for form, names in _ONLY_FOR.items():
        for name in names if options.format != form else ():
            if getattr(options, name) != options.default_of(name):
                return f"--{name} goes with --format {form}"
    return ""


def _write(secret: Secret, options: argparse.Namespace) -> int:
    reason = None
    with locked(options.output):
        found = with_new(secret, _old(options.output, options.replace))
        try:
            write_over(options.output, file_content(found))
        except OSError as error:
            reason = error.strerror or "it failed"
    if reason:
        raise ConfigError(Problem(f"can't be written: {reason}", "", options.output))
    if others_can_read(options.output):
        warn(f"{options.output}: every user of this machine can read it; chmod 600 or 640 it")
    count = "1 secret" if len(found) == 1 else f"{len(found)} secrets, the new one first"
    print(f"{options.output}: {count}", file=sys.stderr)
    return OK


def _old(path: str, replace: bool) -> Tuple[Secret, ...]:
    """Return the secrets that a file holds and that are to stay in it."""
    data = read_secret_file(path, missing_ok=True)
    for line, text in enumerate(data.splitlines(), 1):
        if _OF_ANOTHER_KIND.match(text):
            message = "has a line that is no secret, so it is not overwritten; give another file"
            raise ConfigError(Problem(message, "", path, line))
    return () if replace or not data.strip() else secrets_in(data, path)


def _turnserver_lines(found: Sequence[Secret], options: argparse.Namespace) -> bytes:
    for secret in found:
        reason = why_no_line(secret.reveal())
        if reason:
            file = options.source or options.keep
            raise ConfigError(Problem(f"the secret {reason}", "", file))
    return turnserver_lines(found)


def _print_secrets(found: Sequence[Secret], options: argparse.Namespace) -> None:
    if options.format == "kubernetes":
        # PyYAML takes a while to import, and most commands have no use for it.
        from abcwebrtc.cluster.yaml import yaml_text

        manifest = secret_manifest(found, options.name, options.namespace, options.key)
        print(yaml_text([manifest]), end="")
        return
    turnserver = options.format == "turnserver"
    data = _turnserver_lines(found, options) if turnserver else file_content(found)
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
