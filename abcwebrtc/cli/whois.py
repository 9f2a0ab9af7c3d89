"""``abcwebrtc whois``: say who a username in coturn's log belongs to, and when it was minted."""

from __future__ import annotations

import argparse
import time
from typing import Any, Dict, Iterator, Optional

from abcwebrtc.cli.options import open_input
from abcwebrtc.cli.output import TEXT, detail, print_problems, show, show_data, warn
from abcwebrtc.cli.parser import (
    FAILED,
    OK,
    STDIN,
    STDIN_FILE,
    add_form,
    add_od_config,
    given,
    od_config_name,
)
from abcwebrtc.config.coturn import PSEUDONYM, USERID
from abcwebrtc.config.entries import COTURN
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import AbcWebRTCError, ConfigError, Problem, UnreadableError
from abcwebrtc.times import duration_text, iso_text, moment_json, relative_text
from abcwebrtc.turn.usernames import (
    Identity,
    UseridReader,
    find_user,
    mintings,
    parse_username,
    pseudonym_keys,
    style_of,
)

NAME, SUMMARY = "whois", "say who a username in coturn's log belongs to"
OWN_POSITIONALS = True
DESCRIPTION = """\
Say when a TURN username was minted, when it expires, and whose it is. A
pseudonym is looked up among the userids in --users. Nothing is contacted.

USERNAME is expiry or expiry:name, or the whole line of coturn's log. USERNAME
and OD_CONFIG may come in either order.

The exit status is 1 if USERNAME is not a TURN username, or belongs to none of
the userids.

example: abcwebrtc whois 1703086872:alice od.config
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "username", metavar="USERNAME", type=given, help="the username, or a line of the log"
    )
    add_od_config(parser)
    parser.add_argument(
        "--users",
        metavar="FILE",
        type=given,
        help="userids to look for, one per line, - for stdin; needed for a pseudonym",
    )
    add_form(parser)
    parser.set_defaults(arrange=_arrange)


def _arrange(options: argparse.Namespace) -> None:
    """Find out which argument is the username; raise `CredentialError` if none is."""
    first, second = options.username, options.od_config
    if second and _is_username(second) and not _is_username(first):
        options.username, options.od_config = second, od_config_name(first)
    parse_username(options.username)  # before anything is said about od.config
    if options.users == STDIN and STDIN_FILE in (options.od_config, options.named_od_config):
        options.usage_error("stdin can't be both OD_CONFIG and --users; name a file for one")


def _is_username(text: str) -> bool:
    try:
        parse_username(text)
        return True
    except AbcWebRTCError:
        return False


def run(options: argparse.Namespace) -> int:
    """Print what is known; fail if none of the userids fits."""
    username = parse_username(options.username)
    config = WebRTCConfig.from_file(options.od_config, secrets_elsewhere=True)
    print_problems(config.notes)
    if not config.coturn:
        message = "there is no coturn server, so no username was minted with this od.config"
        raise ConfigError(Problem(message, COTURN, options.od_config))
    now = time.time()
    style = style_of(username, config)
    user = username.name if style == USERID else None
    if style == PSEUDONYM and options.users:
        user = _find(username.name or "", config, options.users)
    found = Identity(username, style, user, mintings(username, style, config, now))
    if options.form != TEXT:
        show_data(_as_dict(found, now), options.form)
    else:
        show(*_lines(found, bool(options.users), now))
    return FAILED if style == PSEUDONYM and options.users and user is None else OK


def _find(name: str, config: WebRTCConfig, file: str) -> Optional[str]:
    detail(f"looking for the pseudonym among the userids in {file}")
    reason = ""
    with open_input(file) as stream:
        users = UseridReader(stream)
        try:
            user = find_user(name, pseudonym_keys(config), users)
            if not users.found:
                reason = "it has no userid; write one per line, in UTF-8"
        except OSError as error:
            reason = error.strerror or "it failed"
    if reason:
        source = "stdin" if file == STDIN else file
        raise UnreadableError(Problem(f"can't be used: {reason}", "", source))
    if users.skipped:
        number = "1 line" if users.skipped == 1 else f"{users.skipped} lines"
        warn(f"{file}: {number} skipped: not UTF-8 text, or longer than 64 KiB")
    return user


def _as_dict(found: Identity, now: float) -> Dict[str, Any]:
    return {
        "username": str(found.username),
        "style": found.style,
        "user": found.user,
        "pseudonym": found.username.name if found.style == PSEUDONYM else None,
        **moment_json("expires_at", found.username.expires_at),
        "expired": found.username.expires_at < int(now),
        "minted": [minting.as_dict() for minting in found.mintings],
    }


def _lines(found: Identity, tried: bool, now: float) -> Iterator[str]:
    expiry = found.username.expires_at
    yield f"user     {_user_text(found, tried)}"
    yield from _minted_lines(found, now)
    word = "expired" if expiry < int(now) else "expires"
    yield f"{word}  {iso_text(expiry)}, {relative_text(expiry, now)}"


def _user_text(found: Identity, tried: bool) -> str:
    if found.user is not None:
        return found.user
    if found.style != PSEUDONYM:
        return "unknown: the username is a bare expiry, which 'username': 'timestamp' makes"
    if tried:
        return "none of these userids, under any of the configured keys"
    return "unknown: it is a pseudonym; list userids to look for in --users FILE"


def _minted_lines(found: Identity, now: float) -> Iterator[str]:
    if not found.mintings:
        yield "minted   not with this od.config: its username style or its ttl is different"
    word = "minted"
    for minting in found.mintings:
        moment = f"{iso_text(minting.minted_at)}, {relative_text(minting.minted_at, now)}"
        yield f"{word:<9}{moment}, for {minting.made_for} (ttl {duration_text(minting.ttl)})"
        word = "or"
