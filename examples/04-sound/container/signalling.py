"""The signalling protocol of abcdesktop's browser client, over a websocket.

The browser sends ``HELLO <userid>`` and gets ``HELLO`` back. Then the container calls: it sends
``{"sdp": {"type": "offer", "sdp": ...}}``, and gets the answer in the same shape. Both send their
candidates as ``{"ice": {"candidate": ..., "sdpMLineIndex": ...}}``. The call lasts as long as the
websocket.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any, AsyncIterator, Callable, Dict

import websockets

PROTOCOL_ERROR = 1002

Send = Callable[[Dict[str, Any]], None]
MakeCall = Callable[[Send], Any]


@contextlib.asynccontextmanager
async def listening(host: str, port: int, make_call: MakeCall) -> AsyncIterator[None]:
    """Accept browsers; `make_call` gets the function that sends a message to the browser."""

    async def talk(connection: Any) -> None:
        hello = str(await connection.recv()).split()
        if len(hello) != 2 or hello[0] != "HELLO":
            await connection.close(PROTOCOL_ERROR, "send HELLO and a userid")
            return
        await connection.send("HELLO")
        await hold_call(connection, make_call)

    async with websockets.serve(talk, host, port):
        print(f"signalling on ws://{host}:{port}", flush=True)
        yield


async def hold_call(connection: Any, make_call: MakeCall) -> None:
    """Hold a call as long as its browser is connected."""
    loop, messages = asyncio.get_running_loop(), asyncio.Queue()

    def send(message: dict[str, Any]) -> None:  # from any thread
        loop.call_soon_threadsafe(messages.put_nowait, message)

    call = make_call(send)
    sender = asyncio.ensure_future(forward(messages, connection))
    try:
        async for text in connection:
            call.receive(json.loads(text))
    except ValueError:
        await connection.close(PROTOCOL_ERROR, "not JSON")
    except websockets.ConnectionClosedError:
        pass  # the browser left without closing the websocket
    finally:
        sender.cancel()
        call.close()


async def forward(messages: asyncio.Queue[dict[str, Any]], connection: Any) -> None:
    """Send the messages of the call."""
    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            await connection.send(json.dumps(await messages.get()))
