"""Whether coturn answers at a url: its ports, and the transports that are turned off.

Pure. What coturn does with its listeners was tried with coturn 4.6.1 and 4.18.0.
"""

from __future__ import annotations

from typing import Mapping, Set, Union

from abcwebrtc.config.uris import IceURI
from abcwebrtc.coturn.certificate import CERT, KEY
from abcwebrtc.coturn.check.notes import Notes
from abcwebrtc.coturn.conf_file import TurnserverFile
from abcwebrtc.coturn.options import DTLS_ON_DEMAND
from abcwebrtc.coturn.server import PLAIN_PORT, TLS_PORT

Content = Union[bytes, str]
"""What is in a file, or, as text, why it can't be read."""


def has_tls_files(conf: TurnserverFile, files: Mapping[str, Content]) -> bool:
    """Say whether coturn can read a certificate and a key; without, it runs without TLS."""
    return all(conf.text(name) and not isinstance(files.get(name), str) for name in (CERT, KEY))


def check_url(notes: Notes, uri: IceURI, has_tls: bool) -> None:
    """Note what keeps coturn from answering at a url."""
    conf = notes.conf
    tls = uri.scheme == "turns"
    udp = uri.transport == "udp" if uri.transport else not tls
    open_ports = _open_ports(notes, tls, udp, has_tls)
    off = _switched_off(notes, tls, udp)
    if uri.effective_port in open_ports:
        return
    if off == "dtls":
        notes.error(off, f"is missing, and coturn {notes.version} needs it for {uri}; write dtls")
    elif off:
        notes.error(off, f"shuts {uri} out, which od.config has; remove it")
    elif tls and not (conf.text(CERT) and conf.text(KEY)):
        name = KEY if conf.text(CERT) else CERT
        notes.error(name, f"is missing, so coturn runs without TLS, and {uri} needs it")
    elif has_tls or not tls:  # else the file that can't be read is an error already
        _wrong_port(notes, uri, open_ports)


def _switched_off(notes: Notes, tls: bool, udp: bool) -> str:
    """Return the option that turns the way to a url off on every port, or nothing."""
    secured, plain = notes.secures(udp), "no-udp" if udp else "no-tcp"
    if tls:
        dtls = "dtls" if notes.version >= DTLS_ON_DEMAND else "no-dtls"
        return "" if secured else dtls if udp else "no-tls"
    if notes.conf.on(plain) and (plain == "no-tcp" or not secured):
        return plain
    return ""


def _open_ports(notes: Notes, tls: bool, udp: bool, has_tls: bool) -> Set[int]:
    """Return the ports where coturn takes what comes to a url.

    Its TLS port is open only where TLS is, and takes plain traffic as well,
    unless ``no-tcp`` is set.
    """
    conf, plain = notes.conf, "no-udp" if udp else "no-tcp"
    secured = has_tls and notes.secures(udp)
    ports: Set[int] = set()
    if not conf.on(plain) and (secured or not tls):
        aux = [setting.text.rpartition(":")[2] for setting in conf.all("aux-server")]
        ports.add(conf.number("listening-port", PLAIN_PORT))
        ports.update(int(port) for port in aux if port.isdecimal())
    if secured and (tls or udp or not conf.on("no-tcp")):
        ports.add(conf.number("tls-listening-port", TLS_PORT))
    return ports


def _wrong_port(notes: Notes, uri: IceURI, open_ports: Set[int]) -> None:
    """Note that coturn does not listen where a url leads."""
    conf = notes.conf
    ports = " and ".join(map(str, sorted(open_ports))) or "no port"
    secure = uri.scheme == "turns" and bool(conf.all("tls-listening-port"))
    name = "tls-listening-port" if secure else "listening-port"
    for off in ("no-tcp", "no-udp"):
        if conf.on(off) and uri.effective_port == conf.number("listening-port", PLAIN_PORT):
            name = off
    message = f"does not fit {uri} of od.config, for which coturn listens on {ports}"
    notes.error(name, f"{message}; make them the same, unless something in front of it forwards")
