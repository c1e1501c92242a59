"""A receiver on a socket that untrusted clients reach: sending too much or too slowly blocks nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from ringlet import webhooks as w
from ringlet._net.listen import bind
from ringlet._receiver.receiver import Receiver
from ringlet._receiver.server import LIMITS, serving

from ..signed_events import EVENT, SECRET

Connection: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HALF_A_HEAD = b"POST / HTTP/1.1\r\nhost: a\r\nx: "
TEST_TIMEOUT_S = 10


class Served:
    """A receiver under `serving`, and what its clients do."""

    def __init__(self, port: int) -> None:
        self.port = port

    @contextlib.asynccontextmanager
    async def connect(self, sent: bytes = b"") -> AsyncIterator[Connection]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def post(self, connection: Connection) -> bytes:
        """Post an event; the status of the answer."""
        reader, writer = connection
        headers = {"host": "a", "content-length": str(len(EVENT.body))}
        headers |= w.signed_headers(SECRET, EVENT.body, now=time.time())
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"POST / HTTP/1.1\r\n{head}\r\n".encode() + EVENT.body)
        return (await reader.readuntil(b"\r\n\r\n"))[9:12]


Scenario: TypeAlias = Callable[[Served], Coroutine[Any, Any, None]]


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., None]:
    """Runs a scenario against a receiver with the given limits."""

    def run(scenario: Scenario, **limits: Any) -> None:
        async def main() -> None:
            receiver = Receiver(SECRET, "token", inbox=tmp_path / "inbox.db")
            given = dataclasses.replace(LIMITS, **limits)
            with bind("127.0.0.1", 0) as listener:
                async with serving(receiver, listener, given), asyncio.timeout(TEST_TIMEOUT_S):
                    await scenario(Served(listener.getsockname()[1]))

        asyncio.run(main())

    return run


async def read_to_end(connection: Connection) -> bytes:
    """Everything that still comes until the receiver closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := await connection[0].read(1 << 16):
            received += piece
    return received


def test_the_limits_are_no_wider_than_oura_needs() -> None:
    assert LIMITS.request_timeout_s <= 10
    assert LIMITS.max_connections <= 256
    assert LIMITS.max_head_bytes <= 16 * 1024


@pytest.mark.parametrize("header", [b"a" * 60, b"a: b\r\n" * 10], ids=["one", "many"])
def test_a_head_without_end_is_not_read_to_its_end(serve: Any, header: bytes) -> None:
    async def scenario(served: Served) -> None:
        sent = 0
        async with served.connect(HALF_A_HEAD) as connection:
            with contextlib.suppress(ConnectionError):
                while sent < 100 << 20:
                    connection[1].write(header * 1000)
                    await connection[1].drain()
                    sent += 60_000
        assert sent < 50 << 20
        async with served.connect() as connection:
            assert await served.post(connection) == b"200"

    serve(scenario)


@pytest.mark.parametrize(
    "before", [b"", b"transfer-encoding: chunked\r\n\r\n1;x=", b"transfer-encoding: chunked\r\n\r\n0\r\nx: "]
)
def test_a_head_a_chunk_size_and_trailers_may_have_so_many_bytes(serve: Any, before: bytes) -> None:
    async def scenario(served: Served) -> None:
        head = b"POST / HTTP/1.1\r\nhost: a\r\n" + (before or b"x: ")
        async with served.connect(head) as connection:
            for size in (15_000, 2_000):
                await asyncio.sleep(0.1)  # so that each arrives in a read of its own
                connection[1].write(b"a" * size)
            assert (await read_to_end(connection)).startswith(b"HTTP/1.1 431 ")

    serve(scenario)


@pytest.mark.parametrize("sent", [b"", HALF_A_HEAD], ids=["nothing", "half a head"])
def test_a_client_that_sends_no_whole_head_in_time_is_disconnected(serve: Any, sent: bytes) -> None:
    async def scenario(served: Served) -> None:
        async with served.connect(sent) as connection:
            await read_to_end(connection)
        async with served.connect(sent) as connection:
            with contextlib.suppress(ConnectionError):
                while not connection[0].at_eof():  # a byte now and then is no head either
                    connection[1].write(sent[-1:] or b"P")
                    await connection[1].drain()
                    await asyncio.sleep(0.05)

    serve(scenario, request_timeout_s=0.3)


def test_a_client_that_sends_events_is_not_disconnected(serve: Any) -> None:
    async def scenario(served: Served) -> None:
        async with served.connect() as connection:
            for _ in range(24):  # longer than the server takes between two looks at the deadlines
                assert await served.post(connection) == b"200"
                await asyncio.sleep(0.1)
            connection[1].write(HALF_A_HEAD)
            assert (await read_to_end(connection)).startswith(b"HTTP/1.1 408 ")

    serve(scenario, request_timeout_s=0.3)


def test_however_many_occupy_connections_an_event_is_acknowledged(serve: Any) -> None:
    async def scenario(served: Served) -> None:
        async with contextlib.AsyncExitStack() as connections:
            idle = await connections.enter_async_context(served.connect())
            assert await served.post(idle) == b"200"
            slow = [await connections.enter_async_context(served.connect(HALF_A_HEAD)) for _ in range(60)]
            latest = await connections.enter_async_context(served.connect())
            assert await served.post(latest) == b"200"
            await read_to_end(slow[0])

    serve(scenario, max_connections=20)
