"""A callback server that behaves as the path of a request says, well or badly, and records the requests.

    /ok  /500  /410?...  /429?retry=7     that status (`ok` is 200)
    /reset /close /hang /dribble /huge    and what else `ACTS` names

As a program, `untrusted_server.py FILE`: prints its port, and writes a line into FILE for every request.
There its behaviour is random, see `MOODS`.
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

Act = Callable[[asyncio.StreamWriter], Awaitable[None]]
FOREVER = 3600.0


@dataclass
class Seen:
    """A request that came in whole."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.time)

    @property
    def act(self) -> str:
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
    await asyncio.sleep(FOREVER)


async def dribble(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 100000\r\n\r\n")
    await _slowly(writer)


async def dribble_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 X\r\nX-Slow: ")
    await _slowly(writer)


async def _slowly(writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.05)


async def huge(writer: asyncio.StreamWriter) -> None:
    """Ten gigabytes."""
    writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 10000000000\r\n\r\n")
    await _without_end(writer, b"\0" * 65536)


async def chunks(writer: asyncio.StreamWriter) -> None:
    """An answer that never ends, and does not say so."""
    writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
    await _without_end(writer, b"1000\r\n" + b"\0" * 4096 + b"\r\n")


async def long_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 X\r\n")
    await _without_end(writer, b"X-Filler: " + b"a" * 4000 + b"\r\n")


async def interim(writer: asyncio.StreamWriter) -> None:
    """Always about to answer (RFC 9110 section 15.2)."""
    await _without_end(writer, b"HTTP/1.1 103 X\r\n\r\n" * 4000)


async def crumbs(writer: asyncio.StreamWriter) -> None:
    """As `chunks`, but that hardly anything is in them."""
    writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
    await _without_end(writer, b"1\r\n.\r\n" * 10_000)


async def extensions(writer: asyncio.StreamWriter) -> None:
    """As `crumbs`, but that much is said about them."""
    writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
    await _without_end(writer, b"1;" + b"a" * 50_000 + b"\r\n.\r\n")


async def late(writer: asyncio.StreamWriter) -> None:
    """A good answer, after a while."""
    await asyncio.sleep(0.8)
    writer.write(answer(200))


async def _without_end(writer: asyncio.StreamWriter, part: bytes) -> None:
    while not writer.is_closing():
        writer.write(part)
        await writer.drain()


async def garbage(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x16\x03\x01 this is no HTTP\r\n\r\n" + bytes(range(256)))
    writer.close()


async def half(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\nhalf")
    writer.close()


async def bomb(writer: asyncio.StreamWriter) -> None:
    writer.write(answer(200, b"\x1f\x8b" + b"\0" * 50_000, "Content-Encoding: gzip"))


async def once(writer: asyncio.StreamWriter) -> None:
    """Answers as if to go on, and hangs up."""
    writer.write(answer(200, b"ok"))
    await writer.drain()
    writer.close()


async def redirect(writer: asyncio.StreamWriter) -> None:
    writer.write(answer(302, b"", "Location: /ok"))


ACTS: dict[str, Act] = {
    "reset": reset,
    "close": close,
    "hang": hang,
    "dribble": dribble,
    "dribble-headers": dribble_headers,
    "huge": huge,
    "chunks": chunks,
    "interim": interim,
    "crumbs": crumbs,
    "extensions": extensions,
    "late": late,
    "long-headers": long_headers,
    "garbage": garbage,
    "half": half,
    "bomb": bomb,
    "once": once,
    "redirect": redirect,
}


class UntrustedServer:
    """The server, and what it has seen."""

    def __init__(self, choose: Callable[[Seen], str] = lambda seen: seen.act) -> None:
        self.seen: list[Seen] = []
        self.connections = 0
        self.port = 0
        self._choose = choose

    def url(self, target: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}/{target}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                seen = await self._read(reader)
                self.seen.append(seen)
                act = self._choose(seen)
                if known := ACTS.get(act):
                    await known(writer)
                else:
                    retry = parse_qs(urlsplit(seen.target).query).get("retry", [])
                    asked = [f"Retry-After: {one}" for one in retry]
                    writer.write(answer(200 if act == "ok" else int(act), b"so be it", *asked))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # they hung up on us
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Seen:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")[:-2]
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return Seen(method, target, headers, body)


@asynccontextmanager
async def untrusted_server(
    choose: Callable[[Seen], str] = lambda seen: seen.act, host: str = "127.0.0.1"
) -> AsyncIterator[UntrustedServer]:
    """A server on a port of its own."""
    one = UntrustedServer(choose)
    ours: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Tasks of our own: asyncio complains about those of its server that are cut off.
        task = asyncio.ensure_future(one.handle(reader, writer))
        ours.add(task)
        task.add_done_callback(ours.discard)

    server = await asyncio.start_server(connected, host, 0, backlog=512)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        for task in list(ours):
            task.cancel()
        await asyncio.gather(*ours, return_exceptions=True)
        await asyncio.sleep(0.01)  # for sockets to be closed


MOODS = {
    "ok": 84,
    "302": 3,
    "500": 4,
    "429": 3,
    "reset": 2,
    "close": 1,
    "huge": 1.5,
    "hang": 0.5,
    "dribble": 0.5,
    "garbage": 0.5,
}


async def main(path: Path) -> None:
    """For the storm: `/steady` is good, `/moody` moody, `/gone?after=N` says 410 after N requests."""
    asked: dict[str, int] = {}
    with path.open("a", buffering=1) as log:

        def choose(seen: Seen) -> str:
            count = asked[seen.target] = asked.get(seen.target, 0) + 1
            act = "ok"
            if seen.act == "moody":
                [act] = random.choices(list(MOODS), list(MOODS.values()))
            elif seen.act == "gone" and count > int(seen.target.partition("=")[2]):
                act = "410"
            event = json.loads(seen.body)
            log.write(f"{seen.at:.6f} {seen.target} {event['object_id']} {act}\n")
            return act

        async with untrusted_server(choose, host="0.0.0.0") as one:
            one.seen = _Nothing()
            sys.stdout.write(f"{one.port}\n")
            sys.stdout.flush()
            await asyncio.sleep(FOREVER)


class _Nothing(list[Seen]):
    def append(self, seen: Seen, /) -> None:
        """What is in the log need not be in memory."""


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
