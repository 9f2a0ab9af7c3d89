"""``abcwebrtc turnserver-conf --check``: compares a turnserver.conf with od.config."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Dict, Optional, Sequence, Tuple

from abcwebrtc.cli.options import read_input
from abcwebrtc.cli.output import (
    TEXT,
    detail,
    is_failure,
    print_problems,
    problems_count,
    problems_json,
    show,
    show_data,
)
from abcwebrtc.cli.parser import FAILED, OK, STDIN
from abcwebrtc.cli.turnserver_options import Remarks, chosen_coturn, chosen_version
from abcwebrtc.config.uris import STUN_SCHEMES
from abcwebrtc.coturn.certificate import CERT, KEY
from abcwebrtc.coturn.check.clients import DesktopStun
from abcwebrtc.coturn.check.compare import Around, check_turnserver_conf
from abcwebrtc.coturn.check.urls import Content, certificate_files
from abcwebrtc.coturn.conf_file import TurnserverFile, parse_turnserver_conf, with_options
from abcwebrtc.coturn.file_access import unreadable
from abcwebrtc.errors import ConfigError, Problem, UnreadableError
from abcwebrtc.files import read_file

MAX_BYTES = 1024 * 1024
_FOREIGN = 3
"""A file with so many lines, none of which is an option, is not a turnserver.conf."""
MAX_OPTIONS = 2048
"""Lines of a turnserver.conf, without comments: each range of peers is compared with the others."""


def check(options: argparse.Namespace, remarks: Remarks) -> int:
    """Print the problems, and return the exit status.

    Raises `UnreadableError` for a file that can't be read.
    """
    name = "stdin" if options.check == STDIN else options.check
    try:
        found = _problems(options, name, remarks)
    except UnreadableError:
        raise
    except ConfigError as error:
        found = error.problems + error.warnings + error.notes
    failed = is_failure(found, options.strict)
    if options.form != TEXT:
        report = {"file": name, "ok": not failed, **problems_json([*found, *remarks.problems])}
        show_data(report, options.form)
    else:
        print_problems(found, sys.stdout)
        show(problems_count(found))
    return FAILED if failed else OK


def _problems(options: argparse.Namespace, name: str, remarks: Remarks) -> Tuple[Problem, ...]:
    _, config, coturn = chosen_coturn(options, remarks)
    conf = parse_turnserver_conf(_read_conf(options.check, name), name)
    if not conf.settings and len(conf.problems) >= _FOREIGN:
        message = "is not a turnserver.conf: no line of it is an option of coturn; name another"
        raise ConfigError(Problem(f"{message} file with --check", "", name))
    conf = with_options(conf, options.option or ())
    stun = [uri for uri in config.static_uris if uri.scheme in STUN_SCHEMES]
    files, reasons = _tls_files(conf, options)
    version = chosen_version(options.coturn, remarks)
    detail(f"comparing {name} with {coturn.name} of od.config, as coturn {version} reads it")
    uri = config.desktop_stun_uri
    desktop = DesktopStun(uri, config.desktop.turn) if uri else None
    around = Around(desktop, frozenset(options.behind_proxy or ()), reasons)
    return check_turnserver_conf(conf, coturn, stun, files, time.time(), version, around)


def _tls_files(
    conf: TurnserverFile, options: argparse.Namespace
) -> Tuple[Dict[str, Content], Dict[str, str]]:
    """Return the contents of the certificate and the key, and why Debian's coturn can't read them.

    The access to a copy says nothing about the file. With ``proc-user``, coturn starts as
    root, and reads the files before it becomes that user.
    """
    contents: Dict[str, Content] = {}
    reasons: Dict[str, str] = {}
    copies = {CERT: options.cert, KEY: options.key or options.cert}
    given: Dict[str, bytes] = {}
    for path in filter(None, dict.fromkeys(copies.values())):  # each once: it may be a pipe
        detail(f"reading {'stdin' if path == STDIN else path}")
        given[path] = read_input(path, MAX_BYTES)
    for name, places in certificate_files(conf, os.getcwd()).items():
        if copies[name]:
            contents[name] = given[copies[name]]
            continue
        detail(f"looking for {name}: {', '.join(places[:1])}")
        contents[name] = _read(places)
        path = next(filter(os.path.exists, places), None)
        reason = _only_from_here(path, certificate_files(conf, "/")[name])
        if path and not reason and not conf.text("proc-user"):
            reason = unreadable(path)
        if reason and reason not in reasons.values():
            reasons[name] = reason
    return contents, reasons


def _only_from_here(path: Optional[str], in_the_unit: Sequence[str]) -> Optional[str]:
    """Return a warning for a relative name that works in the current folder, not in the unit's."""
    if path is None or any(map(os.path.exists, in_the_unit)):
        return None
    return f"the name is relative, and the unit starts coturn in /; write {path}"


def _read_conf(path: str, name: str) -> bytes:
    detail(f"reading {name}")
    content = read_input(path, MAX_BYTES)
    if content.count(b"\0") > 3:
        raise ConfigError(Problem("is not a plain text file; save it as UTF-8", "", name))
    lines = map(bytes.lstrip, content.split(b"\n"))
    number = sum(bool(line) and not line.startswith(b"#") for line in lines)
    if number > MAX_OPTIONS:
        message = f"has {number} lines with an option, and only {MAX_OPTIONS} can be checked"
        raise UnreadableError(Problem(f"{message}; no coturn needs so many", "", name))
    return content


def _read(paths: Sequence[str]) -> Content:
    """Return the content of the first file that exists, or, as text, why there is none."""
    reason: Optional[str] = None
    for path in paths:
        try:
            return read_file(path, MAX_BYTES)
        except FileNotFoundError as error:
            reason = reason or error.strerror
            continue
        except OSError as error:
            return str(error.strerror)
    return reason or "not a file name"
