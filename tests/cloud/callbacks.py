"""A callback on a socket of its own that answers challenges as it is told, and keeps what it was asked."""

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


def proves(query: dict[str, str]) -> Reply:
    """What a good callback answers."""
    return 200, json.dumps({"challenge": query.get("challenge")}).encode()


@dataclass
class Callback:
    """What it was asked, and how it answers."""

    url: str
    reply: Callable[[dict[str, str]], Reply] = proves
    wait: Callable[[], Awaitable[Any]] | None = None
    """What it does before it answers."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
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
                self.asked.append((method, query))
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
async def callback(
    reply: Callable[[dict[str, str]], Reply] = proves, wait: Callable[[], Awaitable[Any]] | None = None
) -> AsyncIterator[Callback]:
    """A callback on 127.0.0.1."""
    here = Callback("", reply, wait)
    ours: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(here.handle(reader, writer))
        ours.add(task)
        task.add_done_callback(ours.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    here.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/oura"
    try:
        yield here
    finally:
        server.close()
        for task in ours:
            task.cancel()
        await asyncio.gather(*ours, return_exceptions=True)
        await server.wait_closed()
