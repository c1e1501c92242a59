"""A uvicorn server with deadlines for requests and a limit of connections, to serve untrusted clients.

uvicorn has a time-out for idle connections only. It waits for ever for the end of a request that has begun,
and for the first request of a new connection; its parser llhttp reads a head of any length. A few hundred
clients that send one byte now and then ("Slowloris") would occupy all connections that the process may have.

Rules of this file:
* A request, body included, must be complete `request_timeout_s` seconds after its first byte. Otherwise the
  server answers 408 (RFC 9110 section 15.5.9), or closes the connection if its answer has begun already.
* A connection without any request is closed after the same time, without an answer. A connection on which a
  request was answered is closed after uvicorn's `timeout_keep_alive`.
* The time in which the client waits for the server does not count: while the server makes an earlier answer,
  or has paused reading.
* The application may take any time to answer, and the client any time to read the answer.
* If there are too many connections, the server disconnects the client for whose request it has waited
  longest. If it waits for none, it disconnects the client that has left its answer unread for longest.
* A head, a chunk size or trailers longer than `max_head_bytes` are answered 431 (RFC 6585 section 5).
* After an answer, up to `MAX_DISCARDED_BYTES` of an unread request body are read and dropped. Closing at once
  would reset the connection, and a client that is still sending might lose the answer (RFC 9112 section 9.6).
* The deadlines are entries in one dictionary, which the server goes through once a second. A timer for each
  request would cost more than parsing it.

`BoundedConnection` overrides methods of a class that uvicorn does not document. pyproject.toml therefore has
an upper bound for uvicorn. tests/net/test_http_server.py and tests/receiver/test_server.py test the rules.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

MAX_DISCARDED_BYTES: Final = 64 * 1024
"""The most bytes of a request body that are read and dropped after the answer."""
_MANY_FILES: Final = 1 << 20
"""The number of open files that is assumed where the system has no limit."""


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """The limits of a server on requests and connections. The defaults are those of the cloud."""

    request_timeout_s: float = 30.0
    """Seconds for a whole request. The largest request has 64 KB, so a client must send 2 KB a second."""
    max_connections: int = 4096
    """The most open connections, which take about 20 KB each. The server also takes no more connections than
    half the number of files that the process may open."""
    max_head_bytes: int = 64 * 1024
    """The most bytes of an incomplete head. A head that is complete after a single read may be longer."""


class ConnectionTable(ServerState):
    """All connections of one server, and the deadlines of those for whose request the server waits."""

    def __init__(self, limits: ConnectionLimits) -> None:
        super().__init__()
        self.limits = limits
        # Each connection takes a file. Half of the files are left for the archive, for outgoing connections
        # and for name look-ups.
        self.max_connections = min(limits.max_connections, _max_open_files() // 2)
        self.deadlines: dict[BoundedConnection, float] = {}
        """The deadlines (loop time) of the connections whose client must send a request, earliest first."""
        self.not_reading: dict[BoundedConnection, None] = {}
        """The connections whose client does not read its response; first the one that has not for longest."""

    def evict(self, newest: BoundedConnection) -> None:
        """While there are too many connections, disconnect the client that has been waited for longest."""
        while len(self.connections) > self.max_connections:
            next(iter(self.deadlines or self.not_reading), newest).abort()

    def expire(self, now: float) -> None:
        """End the connections whose deadline is over; `now` is the loop's time."""
        for connection in [one for one, deadline in self.deadlines.items() if deadline <= now]:
            connection.expire()


class BoundedConnection(HttpToolsProtocol):
    """One connection of a `BoundedServer`."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(server_state, ConnectionTable)
        self._table = server_state
        self._limits = server_state.limits
        self._receiving = False
        """Whether a request has begun to arrive and is not complete."""
        self._has_head = False
        """Whether the head of the latest request is complete: only then `cycle` belongs to that request."""
        self._answering: RequestResponseCycle | None = None
        """The request that is being answered; later ones wait in `pipeline` (RFC 9112 section 9.3.2)."""
        self._framing_bytes = 0
        """Bytes read since the last read that completed a head, a request or a piece of a body."""
        self._discarded_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._table.evict(self)
        self._set_deadline(self._limits.request_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        if self._answering:
            # uvicorn marks only the latest of several pipelined requests as disconnected; the application may
            # still be answering an earlier one, and would wait for ever.
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    # Methods that llhttp calls in this order for each request

    def data_received(self, data: bytes) -> None:
        self._framing_bytes += len(data)
        super().data_received(data)
        if self._framing_bytes > self._limits.max_head_bytes and not self.transport.is_closing():
            if self._earlier_answer_under_way():
                self.abort()
            else:
                self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._receiving, self._has_head, self._discarded_bytes = True, False, 0
        self._set_deadline(self._limits.request_timeout_s)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._framing_bytes = 0
        self._has_head = True
        if self._answering is None:
            self._answering = self.cycle

    def on_body(self, body: bytes) -> None:
        self._framing_bytes = 0
        if self.cycle.response_complete:
            self._discarded_bytes += len(body)
            if self._discarded_bytes > MAX_DISCARDED_BYTES:
                self.abort()
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._framing_bytes = 0
        self._receiving = False
        self._request_complete()

    def on_response_complete(self) -> None:
        self._answering = self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()
        if self._receiving:
            # Until now the client has waited for the server.
            self._set_deadline(self._limits.request_timeout_s)
        else:
            self._request_complete()

    def _request_complete(self) -> None:
        """Remove the deadline while a request is being answered; otherwise set that of an idle connection."""
        if self._answering:
            self._table.deadlines.pop(self, None)
        else:
            self._set_deadline(self.timeout_keep_alive)

    def _set_deadline(self, seconds: float) -> None:
        # Removed and inserted again, so that it becomes the last entry, because `evict` takes the first.
        self._table.deadlines.pop(self, None)
        self._table.deadlines[self] = self.loop.time() + seconds

    # Methods that the transport calls when its buffer is full, and when it is empty again

    def pause_writing(self) -> None:
        super().pause_writing()
        self._table.not_reading[self] = None

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._table.not_reading.pop(self, None)

    # Methods that end a connection

    def expire(self) -> None:
        """Refuse a request that is not complete at its deadline, unless its client waits for the server."""
        if self.flow.read_paused or self._earlier_answer_under_way():
            self._set_deadline(self._limits.request_timeout_s)
        else:
            self._refuse(b"408 Request Timeout")

    def abort(self) -> None:
        """Disconnect at once, even if part of an answer is not sent yet."""
        self._forget()
        # This connection is removed now, because `evict` counts the connections at once, and
        # `connection_lost` is called later.
        self.connections.discard(self)
        self.transport.abort()

    def _earlier_answer_under_way(self) -> bool:
        """Whether the application is answering a request that came before the one that is arriving."""
        own = self._has_head and self._answering is self.cycle
        return self._answering is not None and not own

    def _refuse(self, status: bytes) -> None:
        """Answer a request that is not complete, unless its answer has begun, and close the connection."""
        self._forget()
        # A client that does not read the response can then be evicted.
        self._table.not_reading[self] = None
        answered = self._has_head and self.cycle.response_started
        if self._receiving and not answered and not self.transport.is_closing():
            headers = b"".join(b"%s: %s\r\n" % header for header in self.server_state.default_headers)
            end = b"connection: close\r\ncontent-length: 0\r\n\r\n"
            self.transport.write(b"HTTP/1.1 " + status + b"\r\n" + headers + end)
        self.transport.close()

    def _forget(self) -> None:
        self._table.deadlines.pop(self, None)
        self._table.not_reading.pop(self, None)


class BoundedServer(uvicorn.Server):
    """A uvicorn server with `http=BoundedConnection` in its configuration. The caller handles signals."""

    def __init__(self, config: uvicorn.Config, limits: ConnectionLimits) -> None:
        super().__init__(config)
        self.server_state = self._table = ConnectionTable(limits)

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second. Returns whether to stop."""
        stop = await super().on_tick(counter)
        self.set_default_headers()  # Called before `expire`, whose answers have these headers, too.
        if counter % 10 == 0:
            self._table.expire(asyncio.get_running_loop().time())
        return stop

    def set_default_headers(self) -> None:
        """Override this to change the headers of every answer, which `on_tick` has just set to uvicorn's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Do not install uvicorn's signal handlers: they raise the signal again after a graceful shutdown."""
        yield


def _max_open_files() -> int:
    """The number of files and sockets that the system lets this process have open."""
    if sys.platform == "win32":
        return _MANY_FILES
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MANY_FILES if limit == resource.RLIM_INFINITY else limit
