"""Serves the cloud on a listening socket until SIGTERM or SIGINT, then finishes the requests in flight.

Rules of this file:
* `ready` is called once the server accepts connections.
* The `Date` header of every response shows the cloud's clock (RFC 9110 section 6.6.1), because clients
  compute the ages of tokens and responses from it. A moved clock appears in the very next response.
* No client can keep a connection open for ever: `_net/http_server.py` limits how long it may take.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Generator
from email.utils import formatdate
from typing import TYPE_CHECKING

import uvicorn

from .._net.http_server import BoundedConnection, BoundedServer, ConnectionLimits
from .core.clock import Clock

if TYPE_CHECKING:
    from types import FrameType

    from starlette.types import ASGIApp


class _Server(BoundedServer):
    """A server that stops on signals, calls `ready`, and writes the cloud's time into `Date` headers."""

    def __init__(
        self,
        config: uvicorn.Config,
        limits: ConnectionLimits,
        clock: Clock,
        ready: Callable[[], None],
        shut_down: Callable[[], None],
    ) -> None:
        super().__init__(config, limits)
        self._clock = clock
        self._ready = ready
        self._shut_down = shut_down
        self._headers = [(b"date", b"")]
        clock.moved.connect(self._set_date)

    def _set_date(self) -> None:
        # The list is changed in place, because responses under way when the clock is moved already refer to
        # it.
        self._headers[0] = (b"date", formatdate(self._clock.seconds(), usegmt=True).encode())

    def set_default_headers(self) -> None:
        self._set_date()
        self.server_state.default_headers = self._headers

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the shutdown; called for SIGTERM and SIGINT."""
        self._shut_down()
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn's own method raises the signal again after a graceful shutdown, so that SIGTERM would kill
        # the process. This method does not: the process ends with exit code 0.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            if sys.platform == "win32":
                signal.signal(number, self.handle_exit)
            else:
                loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def run(
    app: ASGIApp,
    listener: socket.socket,
    ready: Callable[[], None],
    *,
    clock: Clock | None = None,
    shut_down: Callable[[], None] = lambda: None,
    limits: ConnectionLimits = ConnectionLimits(),  # noqa: B008  # frozen
) -> None:
    """Serve an ASGI application until SIGTERM or SIGINT; then let requests in flight finish.

    `ready` is called once the server accepts connections. `clock` gives the time of the `Date` headers;
    default the real time. `shut_down` is called when a signal arrives: it should end the requests that wait
    for an event.
    """
    keep_freed_memory()
    # The modules and tables loaded so far are needed until the process ends. Frozen objects are skipped by
    # later garbage collections, which are then faster.
    gc.collect()
    gc.freeze()
    config = uvicorn.Config(
        app,
        lifespan="on",
        http=BoundedConnection,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        # `X-Forwarded-For` is trusted only when the operator names the proxies in uvicorn's variable.
        # Otherwise any client could claim any address, and so evade the limit on wrong passphrases.
        proxy_headers="FORWARDED_ALLOW_IPS" in os.environ,
        timeout_graceful_shutdown=10,
        timeout_keep_alive=75,
    )
    _Server(config, limits, clock or Clock(), ready, shut_down).run(sockets=[listener])


def keep_freed_memory() -> None:
    """Tell glibc not to return freed memory to the system.

    Otherwise page faults double the time that an answer of 100 kB takes.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        # The parameters are defined in malloc.h: M_TRIM_THRESHOLD is -1, M_TOP_PAD is -2, M_MMAP_THRESHOLD is
        # -3 and at most 32 MB.
        for parameter, value in ((-1, 64 << 20), (-2, 16 << 20), (-3, 32 << 20)):
            mallopt(parameter, value)
