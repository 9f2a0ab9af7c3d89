"""What a coturn's relays reach, for a client in another network namespace.

Its argument is a JSON object: the host of the coturn, the authority of its certificate, the
username and the credential, the address and the port of a service on coturn's machine, and an
address of this machine. Prints a JSON object for each transport: what came back from that service,
from a socket here, and from another relay.
"""

import asyncio
import json
import socket
import ssl
import sys

from integration.turn import TurnUrl, allocated

PORT = 3478
PATIENCE = 1.0
ATTEMPTS = 5


async def heard(relay, there, answer):
    """Send to an address through a relay until it gives this answer; return it or None.

    A slow machine may give one that was asked before twice.
    """

    async def comes():
        while await relay.received.get() != answer:
            pass

    for _ in range(ATTEMPTS):
        relay.transport.sendto(b"hello", there)
        try:
            await asyncio.wait_for(comes(), PATIENCE)
            return answer.decode()
        except asyncio.TimeoutError:
            pass
    return None


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(b"the outside", address)


async def seen(told, transport, tls):
    trust = ssl.create_default_context(cafile=told["authority"]) if tls else None
    url = TurnUrl(told["host"], PORT, transport, tls, told["username"], told["credential"])
    family = socket.AF_INET6 if ":" in told["host"] else socket.AF_INET
    loop = asyncio.get_running_loop()
    here, _ = await loop.create_datagram_endpoint(Echo, (told["here"], 0), family=family)
    async with allocated(url, trust) as first, allocated(url, trust) as second:
        service, outside = (told["peer"], told["service"]), here.get_extra_info("sockname")[:2]
        found = {"service": await heard(first, service, b"the service")}
        found["outside"] = await heard(first, outside, b"the outside")
        second.transport.sendto(b"permit", first.address)
        found["relay"] = (await first.send_until_received(b"sound", second)).decode()
    here.close()
    return found


async def main():
    told = json.loads(sys.argv[1])
    ways = {"udp": ("udp", False), "tcp": ("tcp", False), "tls": ("tcp", True)}
    found = await asyncio.gather(*(seen(told, *way) for way in ways.values()))
    print(json.dumps(dict(zip(ways, found))))


asyncio.run(main())
