"""``abcwebrtc rotate new-secret``: a strong secret, in the forms that a rotation needs."""

from __future__ import annotations

import argparse
import sys
from typing import BinaryIO, Optional, Tuple

from abcwebrtc.abcdesktop import NAMESPACE
from abcwebrtc.cli.options import kube_key, kube_name, kube_namespace, output_file, read_input
from abcwebrtc.cli.output import show, show_document, warn
from abcwebrtc.cli.parser import OK, STDIN, given
from abcwebrtc.config.secret_sources import MAX_FILE_BYTES, Secret, secrets_in
from abcwebrtc.coturn.new_secret import (
    DEFAULT_DATABASE,
    file_content,
    new_secret,
    secret_manifest,
    secrets_to_keep,
    turnadmin,
    turnserver_lines,
    with_new,
)
from abcwebrtc.coturn.secret_sql import adding_sql
from abcwebrtc.errors import ConfigError, Problem
from abcwebrtc.files import read_stream
from abcwebrtc.secret_files import REPLACEABLE, others_can_replace, others_can_write, write_over

DESCRIPTION = """\
Prints a new secret of 256 bits, or writes it into a file, in front of those
that are there. With --from it takes the first secret of a file instead.

example: abcwebrtc rotate new-secret --output new-secret
"""
NO_REALM = "REALM"
"""What a plan has for a realm that it was not told."""
_FORMATS = ("file", "kubernetes", "turnserver", "sql", "turnadmin")
_ONLY_FOR = {
    **dict.fromkeys(("name", "namespace", "key"), ("kubernetes",)),
    "realm": ("turnadmin", "sql"),
    "database": ("turnadmin",),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("--format", choices=_FORMATS, default="file", help="what to print (%(default)s)")
    add(
        "--from",
        dest="source",
        metavar="FILE",
        type=given,
        help="take the first secret of this file, - for stdin, instead of a new one",
    )
    add(
        "--output",
        metavar="FILE",
        type=output_file,
        help="put it in front of the secrets in this file",
    )
    add("--replace", action="store_true", help="keep none of those in --output")
    add(
        "--keep",
        metavar="FILE",
        type=given,
        help="print the secrets of this file, - for stdin, behind it",
    )
    add("--name", type=kube_name, help="name of the Kubernetes Secret")
    add(
        "-n",
        "--namespace",
        type=kube_namespace,
        default=NAMESPACE,
        help="namespace of the Secret (%(default)s)",
    )
    add(
        "--key", type=kube_key, default="static-auth-secret", help="key in the Secret (%(default)s)"
    )
    database_arguments(parser)


def database_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what a command for coturn's database needs."""
    parser.add_argument(
        "--realm", type=given, default=NO_REALM, help="coturn's realm, for its database"
    )
    parser.add_argument(
        "--database",
        metavar="FILE",
        type=given,
        default=DEFAULT_DATABASE,
        help="coturn's SQLite database (%(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Print a secret, or write it into a file."""
    wrong = _wrong_options(options)
    if wrong:
        options.usage_error(wrong)
    source = options.source
    secret = secrets_in(read_source(source), source)[0] if source else new_secret()
    if options.output:
        return _write(secret, options)
    old = secrets_in(read_source(options.keep), options.keep) if options.keep else ()
    found = with_new(secret, old, options.keep)
    if options.format == "turnadmin":
        show(turnadmin("-s", source, options.realm, options.database))
    elif options.format == "kubernetes":
        # PyYAML takes a while to import, and most commands have no use for it.
        from abcwebrtc.cluster.yaml import yaml_text

        manifest = secret_manifest(found, options.name, options.namespace, options.key)
        show_document(yaml_text([manifest]))
    elif options.format == "turnserver":
        write_bytes(turnserver_lines(found, source or options.keep))
    elif options.format == "sql":
        write_bytes(adding_sql(found, options.realm))
    else:
        write_bytes(file_content(found))
    return OK


def write_bytes(data: bytes) -> None:
    """Write secrets to stdout; they need not be text."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)


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
    if options.format == "sql" and not options.source:
        return "--format sql needs --from FILE: nothing could mint with one that is nowhere else"
    if options.format == "sql" and options.realm == options.default_of("realm"):
        return "--format sql needs --realm, coturn's realm"
    for name, forms in _ONLY_FOR.items():
        if options.format not in forms and getattr(options, name) != options.default_of(name):
            return f"--{name} goes with --format {' or '.join(forms)}"
    return ""


def _write(secret: Secret, options: argparse.Namespace) -> int:
    """Put a secret in front of those that ``--output`` holds."""
    path, reason, mode = options.output, "", None
    found: Tuple[Secret, ...] = ()

    def change(before: Optional[BinaryIO]) -> bytes:
        nonlocal found
        old = secrets_to_keep(_content(before, path), path, options.replace)
        if before and old and others_can_write(before.fileno()):
            message = (
                "others can write it, so the secrets in it may be theirs; --replace leaves "
                "them out, and chmod go-w keeps others away"
            )
            raise ConfigError(Problem(message, "", path))
        found = with_new(secret, old, path)
        return file_content(found)

    try:
        mode = write_over(path, change)
        if others_can_replace(path):
            warn(f"{path}: {REPLACEABLE}")
    except OSError as error:
        reason = error.strerror or "it failed"
    if reason:
        raise ConfigError(Problem(f"can't be written: {reason}", "", path))
    if mode and mode & 0o004:
        warn(f"{path}: every user of this machine can read it; chmod 600 or 640 it")
    count = "1 secret" if len(found) == 1 else f"{len(found)} secrets, the new one first"
    show(f"{path}: {count}", to=sys.stderr)
    return OK


def _content(before: Optional[BinaryIO], path: str) -> bytes:
    try:
        return read_stream(before, MAX_FILE_BYTES) if before else b""
    except OSError as error:
        reason = error.strerror
    raise ConfigError(Problem(f"can't be read: {reason}", "", path))


def read_source(source: str) -> bytes:
    """Return the content of a secret file, or of stdin for ``-``.

    Raises `ConfigError` when it can't be read, or is larger than 64 KiB.
    """
    return read_input(source, MAX_FILE_BYTES)
