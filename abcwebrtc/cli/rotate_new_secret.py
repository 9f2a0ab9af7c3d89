"""``abcwebrtc rotate new-secret``: create a strong secret, in the formats of a rotation."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from typing import BinaryIO, List, Optional, Sequence, Tuple

from abcwebrtc.abcdesktop import NAMESPACE
from abcwebrtc.cli.options import kube_key, kube_name, kube_namespace, output_file, read_input
from abcwebrtc.cli.output import (
    TEXT,
    aside,
    detail,
    print_problems,
    problems_json,
    show_data,
)
from abcwebrtc.cli.parser import OK, STDIN, add_form, given
from abcwebrtc.cli.signals import ended_as_by_ctrl_c
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
from abcwebrtc.errors import AbcWebRTCError, ConfigError, Problem, UnreadableError
from abcwebrtc.files import read_stream
from abcwebrtc.secret_files import REPLACEABLE, others_can_replace, others_can_write, write_over

DESCRIPTION = """\
Print a new secret of 256 bits, or put it into a file, in front of the secrets
that are there already. With --from, use the first secret of a file instead of a
new one.

examples:
  abcwebrtc rotate new-secret --output new-secret
  abcwebrtc rotate new-secret --from new-secret --format turnserver
"""
NO_REALM = "REALM"
"""The placeholder for a realm in a plan."""
_FORMATS = ("file", "kubernetes", "turnserver", "sql", "turnadmin")
_ONLY_FOR = {
    **dict.fromkeys(("name", "namespace", "key"), ("kubernetes",)),
    "realm": ("turnadmin", "sql"),
    "database": ("turnadmin",),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add(
        "--format",
        metavar="FORMAT",
        choices=_FORMATS,
        default="file",
        help=f"{', '.join(_FORMATS[:-1])} or {_FORMATS[-1]} (file: one secret per line)",
    )
    add(
        "--from",
        dest="source",
        metavar="FILE",
        type=given,
        help="use the first secret of this file, - for stdin, instead of a new one",
    )
    add(
        "--output",
        metavar="FILE",
        type=output_file,
        help="write the secret into this file, in front of the secrets there",
    )
    add("--force", action="store_true", help="overwrite the secrets in --output")
    add("--replace", dest="force", action="store_true", help=argparse.SUPPRESS)  # its old name
    add(
        "--keep",
        metavar="FILE",
        type=given,
        help="also print the secrets of this file, - for stdin, after the new one",
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
    add_form(parser, "text, in the format of --format")


def database_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of a command for coturn's database."""
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
    show_content(_content(found, options), None, options)
    return OK


def _content(found: Tuple[Secret, ...], options: argparse.Namespace) -> bytes:
    """Return secrets in the format of ``--format``."""
    if options.format == "turnadmin":
        line = turnadmin("-s", options.source, options.realm, options.database)
        return f"{line}\n".encode("utf-8", "surrogateescape")
    if options.format == "kubernetes":
        # PyYAML takes a while to import, and most commands have no use for it.
        from abcwebrtc.cluster.yaml import yaml_text

        manifest = secret_manifest(found, options.name, options.namespace, options.key)
        return yaml_text([manifest]).encode("utf-8")
    if options.format == "turnserver":
        return turnserver_lines(found, options.source or options.keep)
    if options.format == "sql":
        return adding_sql(found, options.realm)
    return file_content(found)


def show_content(
    content: bytes,
    file: Optional[str],
    options: argparse.Namespace,
    problems: Sequence[Problem] = (),
) -> None:
    """Print what holds secrets, as it is or in the data of ``-o``; it need not be text.

    `file` is the file that the secrets are from.
    """
    if options.form == TEXT:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        return
    with suppress(UnicodeDecodeError):
        _show_data(file, content.decode("utf-8"), problems, options)
        return
    raise AbcWebRTCError(f"the secret is not UTF-8 text, which {options.form} can't hold")


def _show_data(
    file: Optional[str],
    content: Optional[str],
    problems: Sequence[Problem],
    options: argparse.Namespace,
) -> None:
    data = {"ok": True, "file": file, "content": content, **problems_json(problems)}
    show_data(data, options.form)


def _wrong_options(options: argparse.Namespace) -> str:
    """Return what is wrong with options that don't go together, or nothing."""
    if options.output and options.format != "file":
        return (
            "--output writes one secret per line; for another --format, redirect stdout to a file"
        )
    if options.output and options.keep:
        return "--output keeps the secrets in its file; leave --keep out"
    if options.force and not options.output:
        return "--force goes with --output FILE"
    if options.source == STDIN and options.keep == STDIN:
        return "--from and --keep can't both read stdin"
    if options.format == "kubernetes" and not options.name:
        return "--format kubernetes needs --name, the name of the Secret"
    if options.format == "turnadmin" and options.source in (None, STDIN):
        return (
            "--format turnadmin needs --from FILE: the command reads the secret from that file, "
            "and does not show it"
        )
    if options.format == "sql" and not options.source:
        return "--format sql needs --from FILE: a new secret would be in coturn's database only"
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
    warnings: List[Problem] = []

    def change(before: Optional[BinaryIO]) -> bytes:
        nonlocal found
        old = secrets_to_keep(_present(before, path), path, options.force)
        if before and old and others_can_write(before.fileno()):
            message = (
                "others can write it, so the secrets in it may be theirs; --force drops them, and "
                "chmod go-w keeps others out"
            )
            raise ConfigError(Problem(message, "", path))
        found = with_new(secret, old, path)
        return file_content(found)

    detail(f"writing {path}")
    try:
        with ended_as_by_ctrl_c():  # which removes the temporary file
            mode = write_over(path, change)
        if others_can_replace(path):
            warnings.append(Problem(REPLACEABLE, "", path, level="warning"))
    except OSError as error:
        reason = error.strerror or "it failed"
    if reason:
        # its exit status is that of what could not be done
        raise UnreadableError(Problem(f"can't be written: {reason}", "", path))
    if mode and mode & 0o004:
        message = "every user of this machine can read it; run chmod 600 or 640 on it"
        warnings.append(Problem(message, "", path, level="warning"))
    if options.form != TEXT:
        _show_data(path, None, warnings, options)
        return OK
    print_problems(warnings)
    count = "1 secret" if len(found) == 1 else f"{len(found)} secrets, the new one first"
    aside(f"{path}: {count}")
    return OK


def _present(before: Optional[BinaryIO], path: str) -> bytes:
    """Return what a file holds that is about to be written."""
    try:
        return read_stream(before, MAX_FILE_BYTES) if before else b""
    except OSError as error:
        reason = error.strerror
    raise UnreadableError(Problem(f"can't be read: {reason}", "", path))


def read_source(source: str) -> bytes:
    """Return the content of a secret file, or of stdin for ``-``.

    Raises `UnreadableError` if it can't be read, or is larger than 64 KiB.
    """
    detail(f"reading {'stdin' if source == STDIN else source}")
    return read_input(source, MAX_FILE_BYTES)
