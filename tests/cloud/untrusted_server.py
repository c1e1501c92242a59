"""A callback server that behaves as the path of a request says, well or badly, and records the requests.

    /ok  /500  /410?...  /429?retry=7     answers with that status (`ok` is 200)
    /reset  /close  /hang  /huge  ...     does what `BEHAVIOURS` lists under that name

As a program, `untrusted_server.py FILE`: prints its port, and writes a line into FILE for every request.
There `/random` behaves as `BEHAVIOUR_WEIGHTS` says.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]
HANG_S = 3600.0
"""Seconds that exceed the timeout of every client."""


@dataclass
class ReceivedRequest:
    """A request that was received completely."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.time)
    """Unix seconds when it was complete."""

    @property
    def behaviour(self) -> str:
        return urlsplit(self.target).path.strip("/").partition("/")[0]


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def hang(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(HANG_S)


async def slow_body(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 100000\r\n\r\n")
    await _send_slowly(writer)


async def slow_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 X\r\nX-Slow: ")
    await _send_slowly(writer)


async def _send_slowly(writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.05)


async def huge(writer: asyncio.StreamWriter) -> None:
    """Announces ten gigabytes and sends them."""
    writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 10000000000\r\n\r\n")
    await _send_without_end(writer, b"\0" * 65536)


async def chunks(writer: asyncio.StreamWriter) -> None:
    """A chunked response that never ends."""
    writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
    await _send_without_end(writer, b"1000\r\n" + b"\0" * 4096 + b"\r\n")


async def long_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 X\r\n")
    await _send_without_end(writer, b"X-Filler: " + b"a" * 4000 + b"\r\n")


async def interim(writer: asyncio.StreamWriter) -> None:
    """Interim responses (RFC 9110 section 15.2) without end, and no final one."""
    await _send_without_end(writer, b"HTTP/1.1 103 X\r\n\r\n" * 4000)


async def tiny_chunks(writer: asyncio.StreamWriter) -> None:
    """As `chunks`, with one byte in each."""
    writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
    await _send_without_end(writer, b"1\r\n.\r\n" * 10_000)


async def chunk_extensions(writer: asyncio.StreamWriter) -> None:
    """As `tiny_chunks`, with a long chunk extension (RFC 9112 section 7.1.1) before each byte."""
    writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
    await _send_without_end(writer, b"1;" + b"a" * 50_000 + b"\r\n.\r\n")


async def late(writer: asyncio.StreamWriter) -> None:
    """Answers 200 after 0.8 seconds."""
    await asyncio.sleep(0.8)
    writer.write(answer(200))


async def _send_without_end(writer: asyncio.StreamWriter, part: bytes) -> None:
    while not writer.is_closing():
        writer.write(part)
        await writer.drain()


async def garbage(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n" + bytes(range(256)))
    writer.close()


async def half_body(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\nhalf")
    writer.close()


async def gzip_bomb(writer: asyncio.StreamWriter) -> None:
    writer.write(answer(200, b"\x1f\x8b" + b"\0" * 50_000, "Content-Encoding: gzip"))


async def close_after(writer: asyncio.StreamWriter) -> None:
    """Answers 200 without `Connection: close`, and closes the connection."""
    writer.write(answer(200, b"ok"))
    await writer.drain()
    writer.close()


async def redirect(writer: asyncio.StreamWriter) -> None:
    writer.write(answer(302, b"", "Location: /ok"))


BEHAVIOURS: dict[str, Behaviour] = {
    "reset": reset,
    "close": close,
    "hang": hang,
    "slow-body": slow_body,
    "slow-headers": slow_headers,
    "huge": huge,
    "chunks": chunks,
    "interim": interim,
    "tiny-chunks": tiny_chunks,
    "chunk-extensions": chunk_extensions,
    "late": late,
    "long-headers": long_headers,
    "garbage": garbage,
    "half-body": half_body,
    "gzip-bomb": gzip_bomb,
    "close-after": close_after,
    "redirect": redirect,
}


class UntrustedServer:
    """The server, and the requests that it received."""

    def __init__(
        self, choose_behaviour: Callable[[ReceivedRequest], str] = lambda request: request.behaviour
    ) -> None:
        self.requests: list[ReceivedRequest] = []
        self.connections = 0
        self.port = 0
        self.choose_behaviour = choose_behaviour
        """Says how to behave on a request: a name of `BEHAVIOURS`, a status or `ok`."""

    def url(self, target: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}/{target}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                request = await self._read(reader)
                self.requests.append(request)
                name = self.choose_behaviour(request)
                if behave := BEHAVIOURS.get(name):
                    await behave(writer)
                else:
                    retry_after = parse_qs(urlsplit(request.target).query).get("retry", [])
                    headers = [f"Retry-After: {seconds}" for seconds in retry_after]
                    writer.write(answer(200 if name == "ok" else int(name), b"so be it", *headers))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client closed the connection
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> ReceivedRequest:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")[:-2]
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return ReceivedRequest(method, target, headers, body)


@asynccontextmanager
async def untrusted_server(
    choose_behaviour: Callable[[ReceivedRequest], str] = lambda request: request.behaviour,
    host: str = "127.0.0.1",
) -> AsyncIterator[UntrustedServer]:
    """Run a server on a free port until the block ends."""
    server = UntrustedServer(choose_behaviour)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Tasks that asyncio does not know as those of its server: it warns if one of those is cancelled.
        task = asyncio.ensure_future(server.handle(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = await asyncio.start_server(connected, host, 0, backlog=512)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # lets the loop close the sockets


BEHAVIOUR_WEIGHTS = {
    "ok": 84,
    "302": 3,
    "500": 4,
    "429": 3,
    "reset": 2,
    "close": 1,
    "huge": 1.5,
    "hang": 0.5,
    "slow-body": 0.5,
    "garbage": 0.5,
}


async def main(path: Path) -> None:
    """For the load test: `/steady` answers 200, `/random` at random, `/gone?after=N` 410 after N requests."""
    received: dict[str, int] = {}
    with path.open("a", buffering=1) as log:

        def choose_behaviour(request: ReceivedRequest) -> str:
            count = received[request.target] = received.get(request.target, 0) + 1
            name = "ok"
            if request.behaviour == "random":
                [name] = random.choices(list(BEHAVIOUR_WEIGHTS), list(BEHAVIOUR_WEIGHTS.values()))
            elif request.behaviour == "gone" and count > int(request.target.partition("=")[2]):
                name = "410"
            event = json.loads(request.body)
            log.write(f"{request.at:.6f} {request.target} {event['object_id']} {name}\n")
            return name

        async with untrusted_server(choose_behaviour, host="0.0.0.0") as server:
            server.requests = _DiscardingList()
            sys.stdout.write(f"{server.port}\n")
            sys.stdout.flush()
            await asyncio.sleep(HANG_S)


class _DiscardingList(list[ReceivedRequest]):
    """Stores nothing: the log has every request, and memory must not grow."""

    def append(self, request: ReceivedRequest, /) -> None:
        pass


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
