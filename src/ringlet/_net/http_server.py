"""The connections of a server: whoever asks does so in time, or makes room for others.

uvicorn waits for ever for a request that has begun, and so does it for the first on a connection: a few
hundred senders of a byte now and then would hold every connection there is ("Slowloris").

Rules of this file:
* A request is whole, its body too, `WHOLE` seconds after its first byte; else it is answered with 408
  (RFC 9110 section 15.5.9). A connection on which nothing was asked is closed after as long, one that has
  been answered after what uvicorn calls keep-alive.
* The time in which they wait for us does not count: while an earlier answer is under way, or we read nothing.
* An answer takes the time it takes, and so does whoever reads it.
* Where there are more connections than fit, the one that was waited for longest makes room, and after those
  who owe a request those who do not take their answer.
* What comes of a body after its answer is let go by, up to `UNREAD`: to close at once would take the answer
  from a client that is still sending (RFC 9112 section 9.6).
* A request costs two entries in a dictionary; the server sweeps once a second.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

WHOLE = 30.0
"""Seconds for a request to come in. The largest has 64 KB: whoever has 2 KB a second is in time."""
UNREAD: Final = 64 * 1024
"""Bytes of a body that are let go by after its answer."""
MOST = 4096
"""Connections at a time, where the system allows for them; each costs some 20 KB."""


class Connections(ServerState):
    """What the connections of one server share."""

    def __init__(self) -> None:
        super().__init__()
        self.most = min(MOST, _files() // 2)  # the other half is for the archive, callbacks and names
        self.waiting: dict[Connection, float] = {}
        """Those that owe a request or the rest of one, the longest first, and until when they may."""
        self.stalled: dict[Connection, None] = {}
        """Those that do not take what is sent to them, the longest first."""

    def make_room(self, newest: Connection) -> None:
        """Hang up on those that were waited for longest, while there are too many."""
        while len(self.connections) > self.most:
            next(iter(self.waiting or self.stalled), newest).abort()

    def sweep(self, now: float) -> None:
        """Hang up on those that are late."""
        for one in [one for one, until in self.waiting.items() if until <= now]:
            one.late()


class Connection(HttpToolsProtocol):
    """One connection of a server whose state is `Connections`."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(server_state, Connections)
        self._all = server_state
        self._asking = False
        """Whether a request has begun to come, and has not come to its end."""
        self._has_head = False
        """Whether the head of the last request that began has come: then `cycle` is about it."""
        self._answering: RequestResponseCycle | None = None
        """The answer that is under way; others may stand in line behind it (`pipeline`)."""
        self._unread = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._all.make_room(self)
        self._wait(WHOLE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        if self._answering:  # uvicorn tells the last one only, of several sent at once
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    # What is asked

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._asking, self._has_head, self._unread = True, False, 0
        self._wait(WHOLE)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._has_head = True
        if self._answering is None:
            self._answering = self.cycle

    def on_body(self, body: bytes) -> None:
        if self.cycle.response_complete:
            self._unread += len(body)
            if self._unread > UNREAD:
                self.abort()
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._asking = False
        self._owes_nothing_yet()

    def on_response_complete(self) -> None:
        self._answering = self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()
        if self._asking:
            self._wait(WHOLE)  # from here on it is they who let us wait
        else:
            self._owes_nothing_yet()

    def _owes_nothing_yet(self) -> None:
        """What was asked has come: it is for us to answer, or for them to ask for more."""
        if self._answering:
            self._all.waiting.pop(self, None)
        else:
            self._wait(self.timeout_keep_alive)

    def _wait(self, seconds: float) -> None:
        self._all.waiting.pop(self, None)  # whoever comes anew comes last
        self._all.waiting[self] = self.loop.time() + seconds

    # What is answered

    def pause_writing(self) -> None:
        super().pause_writing()
        self._all.stalled[self] = None

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._all.stalled.pop(self, None)

    # The end

    def late(self) -> None:
        """What was to come has not come in time."""
        mine = self._has_head and self._answering is self.cycle
        if self.flow.read_paused or (self._answering and not mine):
            self._wait(WHOLE)
            return
        self._forget()
        self._all.stalled[self] = None  # until all that was said has been taken
        untold = self._asking and not (self._has_head and self.cycle.response_started)
        if untold and not self.transport.is_closing():
            dated = b"".join(b"%s: %s\r\n" % header for header in self.server_state.default_headers)
            end = b"connection: close\r\ncontent-length: 0\r\n\r\n"
            self.transport.write(b"HTTP/1.1 408 Request Timeout\r\n" + dated + end)
        self.transport.close()

    def abort(self) -> None:
        """Hang up at once, whatever is still to be sent."""
        self._forget()
        self.connections.discard(self)
        self.transport.abort()

    def _forget(self) -> None:
        self._all.waiting.pop(self, None)
        self._all.stalled.pop(self, None)


def _files() -> int:
    """How many files and connections the system lets this process have."""
    if sys.platform == "win32":
        return 2 * MOST
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 2 * MOST if limit == resource.RLIM_INFINITY else limit
