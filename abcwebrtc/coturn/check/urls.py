"""Rules for whether coturn answers at a url: ports, transports, certificate.

Pure. How coturn opens its listeners was tried with coturn 4.6.1 and 4.18.0.
"""

from __future__ import annotations

import os
from typing import Iterator, Mapping, Optional, Sequence, Set, Tuple, Union

from abcwebrtc.config.uris import IceURI
from abcwebrtc.coturn.certificate import CERT, KEY, check_certificate
from abcwebrtc.coturn.check.known_conf import KnownConf
from abcwebrtc.coturn.conf_file import TurnserverFile
from abcwebrtc.coturn.options import DTLS_ON_DEMAND
from abcwebrtc.errors import Problem

Content = Union[bytes, str]
"""The bytes of a file, or, as text, why it can't be read."""
FOLDERS = (
    *("", "turnserver", "coturn", "etc", "etc/turnserver", "etc/coturn"),
    *("/etc", "/etc/turnserver", "/etc/coturn"),
    *("/usr/local/etc", "/usr/local/etc/turnserver", "/usr/local/etc/coturn"),
)
"""Where coturn looks for a file with a relative name."""


def check_urls(
    conf: KnownConf,
    uris: Sequence[IceURI],
    files: Mapping[str, Content],
    unreadable: Mapping[str, str],
    now: float,
) -> Iterator[Problem]:
    """Yield what keeps coturn from answering at the urls, and what is wrong with its certificate.

    `files` holds the contents of the certificate and the key, and `unreadable` why
    coturn's user can't read them, by the names of their options.
    """
    # Without both, coturn runs without TLS.
    has_tls = all(conf.text(name) and not isinstance(files.get(name), str) for name in (CERT, KEY))
    for uri in uris:
        yield from _url(conf, uri, has_tls)
    yield from _certificate(conf, uris, files, now)
    for name, reason in unreadable.items():
        message = f"can't be read by turnserver, the user of Debian's unit: {reason}"
        yield conf.warning(name, f"{message}; without it coturn runs without TLS")


def _url(conf: KnownConf, uri: IceURI, has_tls: bool) -> Iterator[Problem]:
    """Yield what keeps coturn from answering at a url."""
    tls = uri.scheme == "turns"
    udp = uri.transport == "udp" if uri.transport else not tls
    open_ports = _open_ports(conf, tls, udp, has_tls)
    off = _switched_off(conf, tls, udp)
    if uri.effective_port in open_ports:
        return
    if off == "dtls":
        yield conf.error(
            off, f"is missing, and coturn {conf.version} needs it for {uri}; write dtls"
        )
    elif off:
        yield conf.error(off, f"turns off {uri} of od.config; remove it")
    elif tls and not (conf.text(CERT) and conf.text(KEY)):
        name = KEY if conf.text(CERT) else CERT
        what = "certificate" if name == CERT else "certificate's key"
        message = f"is missing, so coturn runs without TLS, which {uri} needs"
        yield conf.error(name, f"{message}; write {name}= and the path of the {what}")
    elif has_tls or not tls:  # otherwise `_certificate` reports the file that can't be read
        yield from _wrong_port(conf, uri, open_ports)


def _switched_off(conf: KnownConf, tls: bool, udp: bool) -> str:
    """Return the option that turns a url's transport off on every port, or ''."""
    secured, plain = conf.secures(udp), "no-udp" if udp else "no-tcp"
    if tls:
        dtls = "dtls" if conf.version >= DTLS_ON_DEMAND else "no-dtls"
        return "" if secured else dtls if udp else "no-tls"
    if conf.on(plain) and (plain == "no-tcp" or not secured):
        return plain
    return ""


def _open_ports(conf: KnownConf, tls: bool, udp: bool, has_tls: bool) -> Set[int]:
    """Return the ports where coturn answers clients of a url.

    The TLS port is open only if TLS is on; it accepts plain traffic too, unless
    ``no-tcp`` is set.
    """
    plain = "no-udp" if udp else "no-tcp"
    secured = has_tls and conf.secures(udp)
    ports: Set[int] = set()
    if not conf.on(plain) and (secured or not tls):
        ports.update((conf.plain_port, *(port for _, port in conf.aux_ports())))
    if secured and (tls or udp or not conf.on("no-tcp")):
        ports.add(conf.tls_port)
    return ports


def _wrong_port(conf: KnownConf, uri: IceURI, open_ports: Set[int]) -> Iterator[Problem]:
    """Yield that coturn does not listen on a url's port."""
    ports = " and ".join(map(str, sorted(open_ports))) or "no port"
    secure = uri.scheme == "turns" and bool(conf.all("tls-listening-port"))
    name = "tls-listening-port" if secure else "listening-port"
    for off in ("no-tcp", "no-udp"):
        if conf.on(off) and uri.effective_port == conf.plain_port:
            name = off
    message = f"does not match {uri} of od.config, for which coturn listens on {ports}"
    yield conf.error(name, f"{message}; use the same port, unless a forwarder is in front")


# the certificate


def certificate_files(conf: TurnserverFile, folder: str) -> Mapping[str, Tuple[str, ...]]:
    """Return where the certificate and the key may be: paths by the name of their option.

    A relative name starts in `folder`, where coturn runs, and in coturn's own `FOLDERS`.
    """
    return {
        name: tuple(os.path.join(folder, place, conf.text(name)) for place in FOLDERS)
        if not os.path.isabs(conf.text(name))
        else (conf.text(name),)
        for name in (CERT, KEY)
        if conf.text(name)
    }


def _certificate(
    conf: KnownConf, uris: Sequence[IceURI], files: Mapping[str, Content], now: float
) -> Iterator[Problem]:
    if not conf.has_use_for_certificate:
        return
    secure = [uri for uri in uris if uri.scheme == "turns"]
    report = conf.error if secure else conf.warning
    for name in (CERT, KEY):
        content = files.get(name)
        if isinstance(content, str):
            option = "--cert" if name == CERT else "--key"
            message = "coturn then runs without TLS; if it runs elsewhere, pass a copy with "
            message += option
            if not os.path.isabs(conf.text(name)):
                message = f"the name is relative, so write the absolute path; {message}"
            yield report(name, f"can't be read: {content}; {message}")
    cert, key = files.get(CERT), files.get(KEY)
    if not isinstance(cert, bytes):
        return
    password = conf.text("pkey-pwd").encode("utf-8", "surrogateescape")
    hosts = list(dict.fromkeys(uri.host_key for uri in secure))
    known_key: Optional[bytes] = key if isinstance(key, bytes) else None
    for problem in check_certificate(cert, known_key, password, hosts, now):
        yield (conf.error if problem.level == "error" else conf.warning)(
            problem.path, problem.message
        )
