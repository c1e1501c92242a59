"""Runs the cloud on a listening socket until SIGTERM or SIGINT; requests in flight are finished then.

Rules of this file:
* `ready` is called when the port answers, not before.
* Every answer has a `Date` header by the cloud's clock (RFC 9110 section 6.6.1), from the moment that clock
  is moved: a client learns there what time it is.
* No client occupies a connection for ever: see `_net/http_server.py`.
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
    """Stops on signals, calls `ready`, and dates answers by the cloud's clock."""

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
        clock.moved.connect(self._date)

    def _date(self) -> None:
        # In place: answers that are being worked out when the clock is moved have taken the list already.
        self._headers[0] = (b"date", formatdate(self._clock.seconds(), usegmt=True).encode())

    def set_default_headers(self) -> None:
        self._date()
        self.server_state.default_headers = self._headers

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal says to stop."""
        self._shut_down()
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn raises the signal again after draining: a clean end would become a death by SIGTERM.
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

    `clock` dates the answers. `shut_down` is called with the signal, so that requests that wait for
    an event end.
    """
    rest_the_heap()
    # What is loaded by now stays: the collector need not walk it again and again.
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
        # Whoever reaches this machine could name any address of theirs, and dodge the wait for wrong guesses:
        # a proxy is believed only where somebody says which (uvicorn's variable).
        proxy_headers="FORWARDED_ALLOW_IPS" in os.environ,
        timeout_graceful_shutdown=10,
        timeout_keep_alive=75,
    )
    _Server(config, limits, clock or Clock(), ready, shut_down).run(sockets=[listener])


def rest_the_heap() -> None:
    """Tell glibc to keep freed memory: answers of 100 kB otherwise cost twice as much, in page faults."""
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        # malloc.h: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD; of the last glibc takes 32 MB at most.
        for parameter, value in ((-1, 64 << 20), (-2, 16 << 20), (-3, 32 << 20)):
            mallopt(parameter, value)
