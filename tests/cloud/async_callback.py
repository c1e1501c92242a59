"""A callback server in the event loop of the test: answers challenges and events and records the requests.

Tests that block use `tests/callback_server.py`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .untrusted_server import answer

Reply = tuple[int, bytes]


def echo_challenge(query: dict[str, str]) -> Reply:
    """The response of a correct callback: it repeats the challenge."""
    return 200, json.dumps({"challenge": query.get("challenge")}).encode()


@dataclass
class AsyncCallback:
    """The requests that came, and how they are answered."""

    url: str
    reply: Callable[[dict[str, str]], Reply] = echo_challenge
    wait: Callable[[], Awaitable[Any]] | None = None
    """Awaited before each response."""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Method and query of each request."""
    bodies: list[bytes] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ")
                lengths = [line[15:] for line in head if line.lower().startswith("content-length:")]
                self.bodies.append(await reader.readexactly(int(lengths[0]) if lengths else 0))
                query = dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
                self.requests.append((method, query))
                if self.wait is not None:
                    await self.wait()
                status, body = self.reply(query)
                writer.write(answer(status, body))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def async_callback(
    reply: Callable[[dict[str, str]], Reply] = echo_challenge,
    wait: Callable[[], Awaitable[Any]] | None = None,
) -> AsyncIterator[AsyncCallback]:
    """Run a callback server on 127.0.0.1 until the block ends."""
    callback = AsyncCallback("", reply, wait)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(callback.handle(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    callback.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/oura"
    try:
        yield callback
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
