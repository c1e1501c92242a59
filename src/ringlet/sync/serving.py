"""A receiver on a socket of this process, for as long as a block lasts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator

import uvicorn

from ..errors import ArchiveError
from .receiver import Receiver


class _Server(uvicorn.Server):
    """uvicorn that leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@contextlib.asynccontextmanager
async def serving(receiver: Receiver, listener: socket.socket) -> AsyncGenerator[None]:
    """The receiver answers while this lasts; requests in flight are finished. Raises ArchiveError."""
    config = uvicorn.Config(
        receiver,
        lifespan="on",
        log_level="warning",
        access_log=False,  # a callback URL may hold a secret
        server_header=False,
        proxy_headers=False,
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
