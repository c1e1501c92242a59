"""The receiver where strangers reach it: who sends too much, or too slowly, keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from ringlet import webhooks as w
from ringlet._cloud.serve import bind
from ringlet._receiver import server as room
from ringlet._receiver.receiver import Receiver

from ..tampered import EVENT, SECRET

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HALF = b"POST / HTTP/1.1\r\nhost: a\r\nx: "
SOON = 10


class Door:
    """A receiver under `serving`, and who knocks."""

    def __init__(self, port: int) -> None:
        self.port = port

    @contextlib.asynccontextmanager
    async def line(self, said: bytes = b"") -> AsyncIterator[Line]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(said)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def post(self, line: Line) -> bytes:
        """The status that an event gets."""
        reader, writer = line
        said = {"host": "a", "content-length": str(len(EVENT.body))}
        said |= w.headers(SECRET, EVENT.body, now=time.time())
        head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        writer.write(f"POST / HTTP/1.1\r\n{head}\r\n".encode() + EVENT.body)
        return (await reader.readuntil(b"\r\n\r\n"))[9:12]


@pytest.fixture
def door(tmp_path: Path) -> Callable[[Callable[[Door], Coroutine[Any, Any, None]]], None]:
    def run(act: Callable[[Door], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            receiver = Receiver(SECRET, "token", inbox=tmp_path / "inbox.db")
            with bind("127.0.0.1", 0) as listener:
                async with room.serving(receiver, listener), asyncio.timeout(SOON):
                    await act(Door(listener.getsockname()[1]))

        asyncio.run(main())

    return run


async def ends(line: Line) -> None:
    with contextlib.suppress(ConnectionError):
        while await line[0].read(1 << 16):
            pass


@pytest.mark.parametrize("header", [b"a" * 60, b"a: b\r\n" * 10], ids=["one", "many"])
def test_a_head_without_end_is_not_read_to_its_end(door: Any, header: bytes) -> None:
    async def act(door: Door) -> None:
        sent = 0
        async with door.line(b"POST / HTTP/1.1\r\nhost: a\r\nx: ") as line:
            with contextlib.suppress(ConnectionError):
                while sent < 100 << 20:
                    line[1].write(header * 1000)
                    await line[1].drain()
                    sent += 60_000
        assert sent < 50 << 20
        async with door.line() as line:
            assert await door.post(line) == b"200"

    door(act)


@pytest.mark.parametrize("said", [b"", HALF], ids=["nothing", "half a head"])
def test_who_does_not_say_what_is_wanted_is_hung_up_on(
    door: Any, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(room, "PATIENCE", 0.3)

    async def act(door: Door) -> None:
        async with door.line(said) as line:
            await ends(line)
        async with door.line(said) as line:
            with contextlib.suppress(ConnectionError):
                while not line[0].at_eof():  # a sign now and then is no head either
                    line[1].write(said[-1:] or b"P")
                    await line[1].drain()
                    await asyncio.sleep(0.05)

    door(act)


def test_who_sends_events_is_not_hung_up_on(door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE", 0.3)

    async def act(door: Door) -> None:
        async with door.line() as line:
            for _ in range(8):
                assert await door.post(line) == b"200"
                await asyncio.sleep(0.1)
            line[1].write(HALF)
            await ends(line)

    door(act)


def test_however_many_hold_the_line_an_event_gets_through(door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "CONNECTIONS", 20)

    async def act(door: Door) -> None:
        async with contextlib.AsyncExitStack() as lines:
            mine = await lines.enter_async_context(door.line())
            assert await door.post(mine) == b"200"
            first, *_ = [await lines.enter_async_context(door.line(HALF)) for _ in range(60)]
            latest = await lines.enter_async_context(door.line())
            assert await door.post(latest) == b"200"
            await ends(first)

    door(act)
