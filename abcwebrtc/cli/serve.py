"""``abcwebrtc serve``: answers browsers, beside pyos."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import logging
import socket
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, List, Optional
from urllib.parse import urlsplit

import abcwebrtc
from abcwebrtc.cli.options import needing_metrics, place, port, seconds, whole_number
from abcwebrtc.cli.output import lossy, print_problems, say, show
from abcwebrtc.cli.parser import OK, given
from abcwebrtc.cli.serve_log import JSON, TEXT, start_log
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import AbcWebRTCError, ConfigError, Problem
from abcwebrtc.texts import harmless_logger

if TYPE_CHECKING:
    from abcwebrtc.probe.watch import Watcher
    from abcwebrtc.web.access_log import Network
    from abcwebrtc.web.metrics import Metrics
    from abcwebrtc.web.rest import Identity

NAME, SUMMARY = "serve", "answer browsers, beside pyos"
_log = harmless_logger(__name__)
KEY_ENTRY = "jwt_token_user.jwtuserpublickeyfile"
DESCRIPTION = """\
Answer POST /API/webrtc/coturn_rtcconfiguration as pyos does, beside an
unmodified pyos. pyos's own user token identifies the user; jwt_token_user in
od.config names the public key that verifies it.

On a terminal, serve prints a link to a page that tests sound from your browser.
The link works once, within 10 minutes. SIGUSR1 prints a new one.

SIGTERM and Ctrl-C stop it after the requests in flight. Restart it after a
change of od.config, a key or a certificate. It rereads secret files by itself.

If clients may be slow or hostile, put nginx in front, and add --behind-proxy:
docs/explanation/reliability.md has the figures. The option promises that only
the proxy can reach this port, and your network must enforce that.

example: abcwebrtc serve od.config --host 0.0.0.0 --port 8080 --behind-proxy \\
    --trusted-proxy 192.0.2.10
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    listening = parser.add_argument_group("listening")
    listening.add_argument(
        "--host", type=_host, default="127.0.0.1", help="address to listen on (%(default)s)"
    )
    listening.add_argument(
        "--port", type=port(0), default=8080, help="TCP port, 0 for any free one (%(default)s)"
    )
    listening.add_argument(
        "--cert", metavar="FILE", type=given, help="PEM certificate chain, for https"
    )
    listening.add_argument(
        "--key", metavar="FILE", type=given, help="PEM private key of the certificate"
    )
    listening.add_argument(
        "--threads",
        type=whole_number(1, 256, "a number from 1 to 256"),
        default=10,
        metavar="N",
        help="how many requests to answer at once, from 1 to 256 (%(default)s)",
    )
    _add_monitoring(parser)
    _add_access(parser)
    fleet = parser.add_argument_group("several coturn servers")
    fleet.add_argument(
        "--probe",
        metavar="SECONDS",
        type=seconds(1, 86400),
        help="ask each coturn server for an allocation every so many seconds, and give users none "
        "that fails three times in a row (off)",
    )


def _add_monitoring(parser: argparse.ArgumentParser) -> None:
    monitoring = parser.add_argument_group("monitoring")
    monitoring.add_argument(
        "--metrics",
        metavar="HOST:PORT",
        type=place,
        help="export metrics for Prometheus at this address",
    )
    monitoring.add_argument(
        "--log-format",
        choices=(TEXT, JSON),
        default=TEXT,
        help="write the log as lines of text, or as one JSON object a line (%(default)s)",
    )


def _add_access(parser: argparse.ArgumentParser) -> None:
    proxy = parser.add_argument_group("behind a proxy")
    proxy.add_argument(
        "--behind-proxy",
        action="store_true",
        help="promise that only a TLS proxy, such as nginx, can reach the port",
    )
    proxy.add_argument(
        "--trusted-proxy",
        action="append",
        type=_proxy,
        default=[],
        metavar="ADDRESS",
        help="address or network of a proxy: the log has the client's address from its "
        "X-Forwarded-For; may be given several times",
    )
    page = parser.add_argument_group("access")
    page.add_argument(
        "--print-link",
        action="store_true",
        help="print the test page's link even if stdout is not a terminal",
    )
    page.add_argument(
        "--page-url",
        type=_page_url,
        metavar="URL",
        help="address of the test page for browsers, if a proxy is in front",
    )
    page.add_argument(
        "--insecure-no-auth",
        action="store_true",
        help="give credentials to anybody; only on a loopback address",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until a signal comes."""
    # CherryPy takes a while to import, and only this command needs it.
    import cherrypy

    from abcwebrtc.web.access_log import ClientAddresses
    from abcwebrtc.web.rest import create_app, none_left_out
    from abcwebrtc.web.serve import Listen, run_server
    from abcwebrtc.web.test_page import OperatorLogin, OperatorPage

    if bool(options.cert) != bool(options.key):
        options.usage_error("--cert and --key go together: give both, or neither")
    if options.insecure_no_auth and not is_loopback(options.host):
        options.usage_error("--insecure-no-auth listens on loopback only; leave out --host")
    with redirect_stdout(lossy(sys.stdout, needs_reader=True)), contextlib.ExitStack() as stack:
        start_log(options.log_format, options.quiet)
        cherrypy.log.screen = False  # otherwise it would print every line once more
        config = WebRTCConfig.from_file(options.od_config)
        _tell(options, *config.warnings, *map(_warning, _serve_notes(config, options)))
        identity = _identity(config, options)
        login = None if options.insecure_no_auth else OperatorLogin()
        watcher = _watcher(config, options, stack)
        left_out = watcher.left_out if watcher else none_left_out
        metrics = _metrics(config, watcher, options, stack)
        given = {} if metrics is None else {"given": metrics.given}
        page = OperatorPage(config, identity, login, left_out)
        # Not the page's identity: whoever opens its login page has no token yet.
        identity = identity if metrics is None else metrics.counting(identity)
        app = create_app(config, identity, page, left_out, **given)
        app = app if metrics is None else metrics.requests_of(app)
        app = ClientAddresses(app, options.trusted_proxy)

        def ready(base_url: str) -> None:
            try:
                show(f"abcwebrtc {abcwebrtc.__version__}: serving on {base_url}")
            except BrokenPipeError:
                message = "nobody reads stdout, on which serve prints its address"
                raise AbcWebRTCError(
                    f"{message}; send stdout to /dev/null if that is meant"
                ) from None
            if options.print_link or sys.stdout.isatty():
                print_link(base_url)

        def print_link(base_url: str) -> None:
            page = options.page_url or page_url(base_url)
            if login:
                say(f"abcwebrtc: test page, once within 10 minutes: {page}#{login.new_key()}")
            else:
                say(f"abcwebrtc: test page: {page}")

        listen = Listen(options.host, options.port, options.cert, options.key, options.threads)
        run_server(app, listen, ready, print_link)
        say("abcwebrtc: stopped")
    return OK


def _tell(options: argparse.Namespace, *problems: Problem) -> None:
    """Print warnings and notes on stderr, or put them into a log of JSON objects."""
    if options.log_format != JSON:
        print_problems(problems)
        return
    for problem in () if options.quiet else problems:
        level = logging.WARNING if problem.level == "warning" else logging.INFO
        _log.log(level, "%s", problem)


def _warning(text: str) -> Problem:
    return Problem(text, level="warning")


def _watcher(
    config: WebRTCConfig, options: argparse.Namespace, stack: contextlib.ExitStack
) -> "Optional[Watcher]":
    """Start to watch the servers until the stack ends; return None if nobody has asked for it."""
    if options.probe is None:
        return None
    from abcwebrtc.probe.watch import Watcher  # and with it aioice

    if not config.coturn:
        text = "--probe has nothing to ask: webrtc.coturn has no server"
        _tell(options, _warning(text))
        return None
    watcher = Watcher(config, options.probe)
    watcher.start()
    stack.callback(watcher.stop)
    return watcher


def _metrics(
    config: WebRTCConfig,
    watcher: "Optional[Watcher]",
    options: argparse.Namespace,
    stack: contextlib.ExitStack,
) -> "Optional[Metrics]":
    """Return the metrics, served until the stack ends, or None if nobody has asked for them."""
    if options.metrics is None:
        return None
    with needing_metrics():
        from abcwebrtc.metrics_server import metrics_server
        from abcwebrtc.web.metrics import Metrics
        from abcwebrtc.web.rest import none_left_out

    registry, url = stack.enter_context(metrics_server(options.metrics))
    _log.info("metrics are at %s", url)
    if watcher is None:
        return Metrics(registry, lambda: config, none_left_out)
    return Metrics(registry, lambda: config, watcher.left_out, watcher.answers)


def _identity(config: WebRTCConfig, options: argparse.Namespace) -> "Identity":
    from abcwebrtc.web.rest import anybody, token_identity
    from abcwebrtc.web.tokens import UserTokenVerifier

    if options.insecure_no_auth:
        return anybody(options.host)
    files = config.user_token_key_files
    if not files:
        message = (
            "no public key to verify user tokens; write jwt_token_user: "
            "{ 'jwtuserpublickeyfile': '/path/key.pem' }, as for pyos"
        )
        raise ConfigError(Problem(message, KEY_ENTRY, options.od_config))
    verifier = UserTokenVerifier.from_file(*files, entry=KEY_ENTRY)
    _tell(options, *verifier.problems)
    if verifier.weakness:
        _tell(options, _warning(f"{', '.join(files)}: {verifier.weakness}"))
    _log.debug("user tokens are verified with %s", ", ".join(files))
    return token_identity(verifier)


def page_url(base_url: str) -> str:
    """Return the address of the test page for a browser on this machine.

    An address that stands for all of the machine's addresses, such as 0.0.0.0, becomes loopback.
    """
    here = base_url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    return f"{here}/"


def _page_url(text: str) -> str:
    """Return a URL that ends in a slash, which the links in the page need."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(text)
        fine = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
        if fine and not (parts.query or parts.fragment) and text.isprintable():
            return text if text.endswith("/") else text + "/"
    raise argparse.ArgumentTypeError("write a URL such as https://desktop.domain.local/webrtc/")


def _serve_notes(config: WebRTCConfig, options: argparse.Namespace) -> List[str]:
    notes = []
    if not config.enable:
        notes.append("webrtc.enable is False: requests for credentials get 403")
    if options.insecure_no_auth:
        notes.append("--insecure-no-auth: anybody on this machine gets credentials")
    elif not (options.cert or options.behind_proxy or is_loopback(options.host)):
        notes.append("without --cert, credentials travel in clear text; put a TLS proxy in front")
    if not (options.behind_proxy or is_loopback(options.host)):
        notes.append(
            f"--host {options.host}: deliberately slow clients keep all others waiting; "
            "put nginx in front, and add --behind-proxy"
        )
    return notes


def is_loopback(host: str) -> bool:
    """Return whether a host is a loopback address, or a name that has only such addresses."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host or None, None)}
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(address.split("%")[0]).is_loopback for address in found)


def _proxy(text: str) -> "Network":
    """Return the network of a proxy; an address is a network with one address."""
    what = "write an address such as 192.0.2.10, or a network such as 10.244.0.0/16"
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        raise argparse.ArgumentTypeError(what) from None
    mapped = getattr(found.network_address, "ipv4_mapped", None)
    if mapped and found.prefixlen >= 96:  # as in the log of a listener on ::
        found = ipaddress.ip_network((mapped, found.prefixlen - 96))
    if not found.prefixlen:
        raise argparse.ArgumentTypeError(f"{text} lets anybody forge the address; {what}")
    return found


def _host(text: str) -> str:
    """Return a host without the brackets of an IPv6 address in a url."""
    in_brackets = text.startswith("[") and text.endswith("]")
    return given(text[1:-1] if in_brackets else text)
