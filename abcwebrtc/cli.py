"""The ``abcwebrtc`` command: parses its line, delegates, prints."""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING, List, Optional, Sequence, TextIO, Tuple

import abcwebrtc
from abcwebrtc.config import WebRTCConfig
from abcwebrtc.errors import AbcWebRTCError, ConfigError, Problem
from abcwebrtc.rtc import build_rtc_configuration

if TYPE_CHECKING:
    from abcwebrtc.rest import Identity

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

_EPILOG = """\
exit status: 0 all is well, 1 it is not, 2 the command line is wrong.

Begin with 'abcwebrtc check od.config'.
"""
_CHECK = """\
Says what is wrong in the webrtc entries of an od.config, with line numbers,
and what browsers will get if nothing is. Nothing is executed or contacted.

example: abcwebrtc check --strict od.config
"""
_MINT = """\
Prints the rtc_configuration that a user's browser would get now: the static
one with a fresh TURN credential for each coturn server.

The output holds a working TURN password. It is JSON; --json puts it in one line.

example: abcwebrtc mint od.config --user alice
"""
_SERVE = """\
Answers POST /API/webrtc/coturn_rtcconfiguration as pyos does, so that it can
stand beside an unmodified pyos. Who asks is known by pyos's own user token;
its public key is read from the file that jwt_token_user names in od.config.

SIGTERM and Ctrl-C stop it after the requests in flight.

example: abcwebrtc serve od.config --host 0.0.0.0 --port 8080
"""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command line and return the exit status."""
    _prepare_output()
    try:
        return _run(arguments)
    except AbcWebRTCError as error:
        _print_error(error)
    except BrokenPipeError:
        _discard_output()  # whoever read us has gone
    except OSError as error:
        _discard_output()
        print(f"error: {error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        return INTERRUPTED
    return FAILED


def _run(arguments: Optional[Sequence[str]]) -> int:
    try:
        options = _parser().parse_args(arguments)
        status: int = options.run(options)
        return status
    finally:
        sys.stdout.flush()  # here, and not at exit, it can still be dealt with


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="abcwebrtc",
        description="WebRTC configuration and TURN credentials for abcdesktop.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"abcwebrtc {abcwebrtc.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_check(_command(commands, "check", "say what is wrong in an od.config", _CHECK))
    _add_mint(_command(commands, "mint", "print a fresh rtc_configuration", _MINT))
    _add_serve(_command(commands, "serve", "answer browsers, beside pyos", _SERVE))
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    summary: str,
    description: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("od_config", metavar="OD_CONFIG", help="pyos's od.config file")
    return parser


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strict", action="store_true", help="take warnings for errors")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(run=_check)


def _add_mint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", metavar="NAME", help="the userid to mint for")
    parser.add_argument("--json", action="store_true", help="print one line, for programs")
    parser.set_defaults(run=_mint)


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=_port, default=8080, help="TCP port, 0 for a free one (%(default)s)"
    )
    parser.add_argument("--cert", metavar="FILE", help="PEM certificate chain, for https")
    parser.add_argument("--key", metavar="FILE", help="PEM private key of the certificate")
    parser.add_argument(
        "--insecure-no-auth",
        action="store_true",
        help="give credentials to anybody; on a loopback address only",
    )
    parser.set_defaults(run=_serve, usage_error=parser.error)


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError("write a port from 0 to 65535")


# check


def _check(options: argparse.Namespace) -> int:
    config, errors, warnings = _findings(options.od_config)
    failed = bool(errors or (options.strict and warnings))
    if options.json:
        report = {
            "file": options.od_config,
            "ok": not failed,
            "errors": [problem.as_dict() for problem in errors],
            "warnings": [problem.as_dict() for problem in warnings],
        }
        print(json.dumps(report, indent=2))
        return FAILED if failed else OK
    for problem in sorted((*errors, *warnings), key=lambda problem: problem.line or 0):
        print(_finding_line(problem, sys.stdout))
    if config:
        print(_summary(config))
    print(f"{_count(len(errors), 'error')}, {_count(len(warnings), 'warning')}")
    return FAILED if failed else OK


def _findings(
    path: str,
) -> Tuple[Optional[WebRTCConfig], Sequence[Problem], Sequence[Problem]]:
    try:
        config = WebRTCConfig.from_file(path)
    except ConfigError as error:
        return None, error.problems, error.warnings
    return config, (), config.warnings


def _finding_line(problem: Problem, stream: TextIO) -> str:
    """Return ``od.config:399: error: webrtc.coturn.ttl: what is wrong``."""
    level = _coloured(problem.level, "31" if problem.level == "error" else "33", stream)
    parts = (problem.place, level, problem.path, problem.message)
    return ": ".join(part for part in parts if part)


def _summary(config: WebRTCConfig) -> str:
    rows = [("sound", "on" if config.enable else "off: webrtc.enable is False")]
    turn = {url: server for server in config.coturn for url in server.urls}
    for url in map(str, config.uris):
        server = turn.get(url)
        detail = f"  (ttl {server.ttl} s, username {server.username})" if server else ""
        rows.append((url.partition(":")[0], url + detail))
    return "\n".join(f"  {name:<7}{value}" for name, value in rows)


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


# mint


def _mint(options: argparse.Namespace) -> int:
    config = WebRTCConfig.from_file(options.od_config)
    now = datetime.now(timezone.utc)
    result = build_rtc_configuration(config, options.user, now.timestamp())
    print(json.dumps(result, indent=None if options.json else 2))
    if config.coturn and not options.json:
        ttl = min(server.ttl for server in config.coturn)
        end = datetime.fromtimestamp(int(now.timestamp()) + ttl, timezone.utc)
        print(f"valid for {ttl} s, until {end:%Y-%m-%d %H:%M:%S} UTC", file=sys.stderr)
    return OK


# serve


def _serve(options: argparse.Namespace) -> int:
    # CherryPy takes a while to import, and only this command needs it.
    from abcwebrtc.rest import create_app
    from abcwebrtc.serve import Listen, run_server

    _check_serve_options(options)
    _log_to_stderr()
    config = WebRTCConfig.from_file(options.od_config)
    for note in (*map(str, config.warnings), *_serve_notes(config, options)):
        _warn(note)
    app = create_app(config, _identity(config, options))
    run_server(app, Listen(options.host, options.port, options.cert, options.key), _announce)
    print("abcwebrtc: stopped")
    return OK


def _check_serve_options(options: argparse.Namespace) -> None:
    from abcwebrtc.serve import is_loopback

    if bool(options.cert) != bool(options.key):
        options.usage_error("--cert and --key go together: give both, or neither")
    if options.insecure_no_auth and not is_loopback(options.host):
        options.usage_error("--insecure-no-auth listens on loopback only; leave --host out")


def _identity(config: WebRTCConfig, options: argparse.Namespace) -> "Identity":
    from abcwebrtc.rest import token_identity
    from abcwebrtc.tokens import UserTokenVerifier

    if options.insecure_no_auth:
        return lambda: "anonymous"
    file = _key_file(config, options.od_config)
    verifier = UserTokenVerifier.from_file(file)
    if verifier.weakness:
        _warn(f"{file}: {verifier.weakness}")
    return token_identity(verifier)


def _log_to_stderr() -> None:
    import cherrypy

    logging.basicConfig(format="%(asctime)s %(levelname)s: %(message)s", level=logging.INFO)
    cherrypy.log.screen = False  # or it would say everything once more


def _announce(base_url: str) -> None:
    print(f"abcwebrtc {abcwebrtc.__version__}: serving on {base_url}", flush=True)


def _serve_notes(config: WebRTCConfig, options: argparse.Namespace) -> List[str]:
    notes = []
    if not config.enable:
        notes.append("webrtc.enable is False: requests for credentials get 403")
    if options.insecure_no_auth:
        notes.append("--insecure-no-auth: anybody on this machine gets credentials")
    elif not options.cert:
        notes.append("without --cert credentials travel in clear; put a TLS proxy in front")
    return notes


def _key_file(config: WebRTCConfig, file: str) -> str:
    if config.user_token_key_file:
        return config.user_token_key_file
    message = (
        "no public key to verify user tokens with; write jwt_token_user: "
        "{ 'jwtuserpublickeyfile': '/path/key.pem' }, the same as for pyos"
    )
    raise ConfigError(Problem(message, "jwt_token_user.jwtuserpublickeyfile", file))


# printing


def _print_error(error: AbcWebRTCError) -> None:
    if isinstance(error, ConfigError):
        for problem in error.problems:
            print(_finding_line(problem, sys.stderr), file=sys.stderr)
    else:
        print(f"{_coloured('error', '31', sys.stderr)}: {error}", file=sys.stderr)


def _prepare_output() -> None:
    """Make printing possible where a stream is closed, or not for all of Unicode."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, for good
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Keep Python from failing once more at exit with what could not be printed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _warn(text: str) -> None:
    print(f"{_coloured('warning', '33', sys.stderr)}: {text}", file=sys.stderr)


def _coloured(text: str, colour: str, stream: TextIO) -> str:
    if stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        return f"\033[{colour}m{text}\033[0m"
    return text
