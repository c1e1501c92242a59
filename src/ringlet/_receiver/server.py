"""Serves a receiver on a socket of this process, e.g. for `ringlet sync --webhooks`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator

import uvicorn

from .._net.http_server import BoundedConnection, BoundedServer, ConnectionLimits
from ..errors import ArchiveError
from .answers import BODY_TIMEOUT_S
from .receiver import Receiver

LIMITS = ConnectionLimits(
    request_timeout_s=BODY_TIMEOUT_S,
    max_connections=256,  # A process may often open only 1,024 files, and the archive needs some of them.
    max_head_bytes=16 * 1024,
)
"""The limits for connections to a receiver.

When there are too many connections, those that send slowly are closed. Oura sends each event at once, so its
connections are not affected.
"""


@contextlib.asynccontextmanager
async def serving(
    receiver: Receiver, listener: socket.socket, limits: ConnectionLimits = LIMITS
) -> AsyncGenerator[None]:
    """Serve a receiver until the `async with` block ends; then finish the requests in flight.

    Raises ArchiveError if the inbox cannot be opened.
    """
    config = uvicorn.Config(
        receiver,
        http=BoundedConnection,
        ws="none",
        lifespan="on",
        log_level="error",  # At the level of warnings, uvicorn logs every request that is not HTTP.
        access_log=False,  # The path or query of a callback URL may be a secret.
        server_header=False,
        proxy_headers=False,
        # asyncio accepts up to `backlog` connections in one iteration of the event loop.
        backlog=limits.max_connections // 4,
        timeout_graceful_shutdown=10,
    )
    server = BoundedServer(config, limits)
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
