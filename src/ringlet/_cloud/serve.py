"""Running the cloud: bind, say so, answer, and on SIGTERM finish what was begun and leave.

Rules of this file:
* The port is bound before anything else is made, so that "port taken" is the first thing said.
* The ready line is printed when the port answers, not before.
* Every answer is dated by the cloud's clock, from the moment it is moved: clients see there what time it is.
* No client holds a connection for ever: `connections` says for how long.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Generator
from email.utils import formatdate
from typing import TYPE_CHECKING, TypeAlias

import uvicorn

from .._net.http_server import Connection, Connections
from ..errors import RingletError
from .control.faults import Message, Send
from .core.clock import Clock

if TYPE_CHECKING:
    from types import FrameType

App: TypeAlias = Callable[[Message, Callable[[], Awaitable[Message]], Send], Awaitable[None]]
"""An ASGI application."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises RingletError when the port is taken or the host is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as broken:
        listener.close()
        if broken.errno == errno.EADDRINUSE:
            raise RingletError(
                f"port {port} on {host} is taken",
                cure="the same again with --port 0, for any that is free",
            ) from None
        raise RingletError(
            f"cannot listen on {host}:{port}: {broken.strerror or broken}",
            cure="ringlet serve --host 127.0.0.1 --port 0",
        ) from None
    return listener


class _Server(uvicorn.Server):
    """uvicorn, with our own idea of signals, of when it is ready and of what time it is."""

    def __init__(
        self, config: uvicorn.Config, clock: Clock, ready: Callable[[], None], leave: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self.server_state = self._connections = Connections()
        self._clock = clock
        self._ready = ready
        self._leave = leave
        self._headers = [(b"date", b"")]
        clock.moved = self._date

    def _date(self) -> None:
        # In place: answers that are being worked out when the clock is moved have taken the list already.
        self._headers[0] = (b"date", formatdate(self._clock.seconds(), usegmt=True).encode())

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        leaving = await super().on_tick(counter)
        self._date()
        self.server_state.default_headers = self._headers
        if counter % 10 == 0:
            self._connections.sweep(asyncio.get_running_loop().time())
        return leaving

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal says to stop."""
        self._leave()
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
    app: App,
    listener: socket.socket,
    ready: Callable[[], None],
    *,
    clock: Clock | None = None,
    leave: Callable[[], None] = lambda: None,
) -> None:
    """Answer until a signal says to stop; then let requests in flight finish.

    `clock` dates the answers. `leave` is called with the signal, for those who wait to be told.
    """
    rest_the_heap()
    # What is loaded by now stays: the collector need not walk it again and again.
    gc.collect()
    gc.freeze()
    config = uvicorn.Config(
        app,
        lifespan="on",
        http=Connection,
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
    _Server(config, clock or Clock(), ready, leave).run(sockets=[listener])


def rest_the_heap() -> None:
    """Tell glibc to keep freed memory: answers of 100 kB otherwise cost twice as much, in page faults."""
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        # malloc.h: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD; of the last glibc takes 32 MB at most.
        for parameter, value in ((-1, 64 << 20), (-2, 16 << 20), (-3, 32 << 20)):
            mallopt(parameter, value)
