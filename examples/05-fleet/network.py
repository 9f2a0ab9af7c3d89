"""A network of its own for this example: a switch, and a machine for each coturn.

All are network namespaces. They have no names and end with the processes in them, so
nothing of them stays on this machine, and nothing in them is in anybody's way: no
address, no port. Where user namespaces are allowed, this needs no root.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import os
import socket
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List, Mapping, Sequence

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
LOOPBACK, OWN_ADDRESS = "127.0.0.1", "10.77.0.1"


class NoNetworkError(Exception):
    """Network namespaces are not allowed on this machine, for the reason in the text."""


def move_into_new_network() -> List[str]:
    """Move this process, and whatever it starts from now on, into a network with a switch.

    Return what runs a command in there from outside, if put before it. Raise
    `NoNetworkError` if that is not allowed.
    """
    user, group = os.geteuid(), os.getegid()
    enter = ["nsenter", f"--target={os.getpid()}", "--net"]
    if _unshare(CLONE_NEWNET):
        fault = _unshare(CLONE_NEWUSER | CLONE_NEWNET)
        if fault:
            raise NoNetworkError(fault)
        maps = {"setgroups": "deny", "uid_map": f"0 {user} 1", "gid_map": f"0 {group} 1"}
        for name, text in maps.items():
            Path("/proc/self", name).write_text(text)
        enter += ["--user", "--preserve-credentials"]
    _ip("link set lo up", "link add switch type bridge", "link set switch up")
    _ip(f"address add {OWN_ADDRESS}/24 dev switch")
    return enter


def _unshare(flags: int) -> str:
    """Move this process into new namespaces; return why that fails, or an empty text."""
    libc = ctypes.CDLL(None, use_errno=True)  # os.unshare() came with Python 3.12
    return os.strerror(ctypes.get_errno()) if libc.unshare(flags) else ""


@contextmanager
def machine(address: str) -> Iterator[List[str]]:
    """Connect a machine to the switch; give what runs a command in it, if put before it."""
    command = ["unshare", "--net", "sh", "-c", "echo made && exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()  # type: ignore[union-attr]
        port = "port" + address.rpartition(".")[2]
        _ip(f"link add {port} type veth peer name eth0 netns {holder.pid}")
        _ip(f"link set {port} master switch up")
        enter = ["nsenter", f"--target={holder.pid}", "--net"]
        inside = ("link set lo up", "link set eth0 up", f"address add {address}/24 dev eth0")
        _ip(*inside, enter=enter)
        yield enter  # at the end cat has no input any more, so it ends too


def _ip(*lines: str, enter: Sequence[str] = ()) -> None:
    command = [*enter, "ip", "-batch", "-"]
    done = subprocess.run(command, input="\n".join(lines), text=True, stderr=subprocess.PIPE)
    if done.returncode:
        raise NoNetworkError(done.stderr.strip())


def forward(listeners: Mapping[int, socket.socket]) -> None:
    """Carry connections from sockets that were opened outside to the ports in here."""

    async def run() -> None:
        for port, listener in listeners.items():
            await asyncio.start_server(functools.partial(_connect, port), sock=listener)
        await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()


async def _connect(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        reader_here, writer_here = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        writer.close()
        return
    both = _carry(reader, writer_here), _carry(reader_here, writer)
    await asyncio.gather(*both, return_exceptions=True)  # either end may reset it


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            data = await reader.read(65536)
            if not data:
                break
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
