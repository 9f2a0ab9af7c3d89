"""``abcwebrtc turnserver-conf --check``: compares a turnserver.conf with od.config."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Dict, Optional, Sequence, Tuple

from abcwebrtc.cli.output import (
    TEXT,
    is_failure,
    print_problems,
    problems_count,
    problems_json,
    show,
    show_data,
)
from abcwebrtc.cli.parser import FAILED, OK
from abcwebrtc.cli.turnserver_options import chosen_coturn, chosen_version
from abcwebrtc.config.uris import STUN_SCHEMES
from abcwebrtc.coturn.certificate import CERT, KEY
from abcwebrtc.coturn.check.clients import DesktopStun
from abcwebrtc.coturn.check.compare import Around, check_turnserver_conf
from abcwebrtc.coturn.check.urls import Content, certificate_files
from abcwebrtc.coturn.conf_file import TurnserverFile, parse_turnserver_conf, with_options
from abcwebrtc.coturn.file_access import unreadable
from abcwebrtc.errors import ConfigError, Problem
from abcwebrtc.files import read_file

MAX_BYTES = 1024 * 1024
_FOREIGN = 3
"""Lines, and none an option, from which on a file is another one than that of coturn."""
MAX_OPTIONS = 2048
"""Lines of a turnserver.conf beside comments: each range of peers is compared with the others."""


def check(options: argparse.Namespace) -> int:
    """Print the problems, and return the exit status."""
    try:
        found = _problems(options)
    except ConfigError as error:
        found = error.problems + error.warnings + error.notes
    failed = is_failure(found, options.strict)
    if options.form != TEXT:
        report = {"file": options.check, "ok": not failed, **problems_json(found)}
        show_data(report, options.form)
    else:
        print_problems(found, sys.stdout)
        show(problems_count(found))
    return FAILED if failed else OK


def _problems(options: argparse.Namespace) -> Tuple[Problem, ...]:
    _, config, coturn = chosen_coturn(options)
    conf = parse_turnserver_conf(_read_conf(options.check), options.check)
    if not conf.settings and len(conf.problems) >= _FOREIGN:
        message = (
            "is no turnserver.conf: none of its lines is an option of coturn; write "
            "turnserver-conf OD_CONFIG --check FILE, with turnserver.conf as FILE"
        )
        raise ConfigError(Problem(message, "", options.check))
    conf = with_options(conf, options.option or ())
    stun = [uri for uri in config.static_uris if uri.scheme in STUN_SCHEMES]
    files, reasons = _tls_files(conf, options)
    version = chosen_version(options.coturn)
    uri = config.desktop_stun_uri
    desktop = DesktopStun(uri, config.desktop.turn) if uri else None
    around = Around(desktop, frozenset(options.behind_proxy or ()), reasons)
    return check_turnserver_conf(conf, coturn, stun, files, time.time(), version, around)


def _tls_files(
    conf: TurnserverFile, options: argparse.Namespace
) -> Tuple[Dict[str, Content], Dict[str, str]]:
    """Return the contents of the certificate and the key, and what keeps Debian's coturn from them.

    What is said of a copy says nothing of the file; and where there is a
    ``proc-user``, coturn is started as root, and reads them before it is that user.
    """
    contents: Dict[str, Content] = {}
    reasons: Dict[str, str] = {}
    copies = {CERT: options.cert, KEY: options.key or options.cert}
    # each once, since it may be a pipe
    given = {path: _read((path,), by_user=True) for path in set(copies.values()) if path}
    for name, places in certificate_files(conf, os.getcwd()).items():
        if copies[name]:
            contents[name] = given[copies[name]]
            continue
        contents[name] = _read(places)
        path = next(filter(os.path.exists, places), None)
        reason = _only_from_here(path, certificate_files(conf, "/")[name])
        if path and not reason and not conf.text("proc-user"):
            reason = unreadable(path)
        if reason and reason not in reasons.values():
            reasons[name] = reason
    return contents, reasons


def _only_from_here(path: Optional[str], in_the_unit: Sequence[str]) -> Optional[str]:
    """Say where a relative name leads to a file in the current folder, but not in the unit's, /."""
    if path is None or any(map(os.path.exists, in_the_unit)):
        return None
    return f"the name is relative, and the unit starts coturn in /; write {path}"


def _read_conf(path: str) -> bytes:
    content = _read((path,), by_user=True)
    if isinstance(content, bytes) and content.count(b"\0") > 3:
        content = "not a plain text file; save it as UTF-8"
    if isinstance(content, str):
        raise ConfigError(Problem(f"can't be read: {content}", "", path))
    lines = map(bytes.lstrip, content.split(b"\n"))
    number = sum(bool(line) and not line.startswith(b"#") for line in lines)
    if number > MAX_OPTIONS:
        message = f"has {number} lines with an option, more than the {MAX_OPTIONS} that are read"
        raise ConfigError(Problem(f"{message}; no coturn needs as many", "", path))
    return content


def _read(paths: Sequence[str], by_user: bool = False) -> Content:
    """Return the content of the first file that is there, or, as text, why there is none."""
    reason: Optional[str] = None
    for path in paths:
        try:
            return read_file(path, MAX_BYTES, by_user)
        except FileNotFoundError as error:
            reason = reason or error.strerror
            continue
        except OSError as error:
            return str(error.strerror)
    return reason or "not a file name"
