"""A receiver on a socket of this process, for as long as a block lasts. Strangers reach it.

Rules of this file:
* Whoever connects says what is wanted within ten seconds, and in few words: h11 ends a head at 16 KB.
* There are so many connections and no more. For one more, the one that has said nothing for longest ends: who
  sends an event sends it at once, and is never that one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from ..errors import ArchiveError
from .answers import PATIENCE
from .receiver import Receiver

CONNECTIONS = 256
"""A process may commonly have 1,024 files open, and the archive and the client need some."""


class _Server(uvicorn.Server):
    """uvicorn that leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class _Connection(H11Protocol):
    """A connection that ends where the head of a request is too long in coming."""

    late: asyncio.TimerHandle
    """When the head of the next request is too late."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        self._await_head()
        if len(self.connections) > CONNECTIONS:
            all_there = cast("set[_Connection]", cast(Any, self.connections))  # uvicorn's, of any protocol
            min((one for one in all_there if one.waits), key=lambda one: one.late.when()).end()

    def connection_lost(self, exc: Exception | None) -> None:
        self.late.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self.late.cancel()
        self._await_head()
        super().on_response_complete()

    @property
    def waits(self) -> bool:
        """Whether no request is under way."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is None or cycle.response_complete

    def _await_head(self) -> None:
        self.late = self.loop.call_later(PATIENCE, self._give_up)

    def _give_up(self) -> None:
        if self.waits:
            self.end()

    def end(self) -> None:
        """Hang up."""
        self.connections.discard(self)  # at once: many may come before the loop gets to end this one
        self.transport.abort()


@contextlib.asynccontextmanager
async def serving(receiver: Receiver, listener: socket.socket) -> AsyncGenerator[None]:
    """The receiver answers while this lasts; requests in flight are finished. Raises ArchiveError."""
    config = uvicorn.Config(
        receiver,
        http=_Connection,
        ws="none",
        lifespan="on",
        log_level="error",  # below that stands what strangers send that is no HTTP
        access_log=False,  # a callback URL may hold a secret
        server_header=False,
        proxy_headers=False,
        backlog=CONNECTIONS // 4,  # all of them are accepted at once
        timeout_graceful_shutdown=10,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if task.done():
                raise ArchiveError("the inbox cannot be opened")
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await task
