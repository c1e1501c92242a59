"""The connections of a server: whoever asks does so in time, or makes room for others.

uvicorn waits for ever for a request that has begun, and so does it for the first on a connection: a few
hundred senders of a byte now and then would hold every connection there is ("Slowloris").

Rules of this file:
* A request is whole, its body too, `WHOLE` seconds after its first byte; else it is answered with 408
  (RFC 9110 section 15.5.9). A connection on which nothing was asked is closed after as long.
* An answer takes the time it takes; but whoever takes nothing of it for as long is hung up on.
* Where there are more connections than fit, the one that the server has waited for longest makes room.
* What comes of a body after its answer is let go by, up to `UNREAD`: to close at once would take the answer
  from a client that is still sending (RFC 9112 section 9.6).
* A request costs a few entries in a dictionary, and no timer of its own: the server sweeps once a second.
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
        self.stalled: dict[Connection, tuple[float, int]] = {}
        """Those that do not take their answer: until when they may, and how much of it was left."""

    def make_room(self) -> None:
        """Hang up on those that were waited for longest, while there are too many."""
        while len(self.connections) > self.most and (least := next(iter(self.waiting or self.stalled), None)):
            least.abort()

    def sweep(self, now: float) -> None:
        """Hang up on those that are late."""
        for one in [one for one, until in self.waiting.items() if until <= now]:
            one.late()
        for one, (until, left) in list(self.stalled.items()):
            if until <= now:
                one.look_again(left)


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
        self._waiting = server_state.waiting
        self._unread = 0
        self._owed: object = None
        """The request that is waited for, once something of it has come."""
        self._before: RequestResponseCycle | None = None
        """What is answered, while what was asked behind it waits."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait(WHOLE)
        self._all.make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        if self._before:
            self._before.disconnected = True  # uvicorn tells the last one only, of several sent at once
        super().connection_lost(exc)

    # What is asked

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        newest = self._newest()
        if newest and newest.scope is self.scope and not newest.more_body:
            self._waiting.pop(self, None)
        elif self._owed is not self.scope:
            self._owed = self.scope
            self._wait(WHOLE)

    def on_message_begin(self) -> None:
        if not self.pipeline:
            self._before = self.cycle
        super().on_message_begin()
        self._unread = 0

    def on_body(self, body: bytes) -> None:
        if self.cycle.response_complete:
            self._unread += len(body)
            if self._unread > UNREAD:
                self.abort()
        super().on_body(body)

    def on_response_complete(self) -> None:
        if self.pipeline:
            self._before = self.pipeline[-1][0]
        super().on_response_complete()
        if self.cycle.response_complete and self not in self._waiting:
            self._wait(self.timeout_keep_alive)

    def _wait(self, seconds: float) -> None:
        self._waiting.pop(self, None)  # whoever comes anew comes last
        self._waiting[self] = self.loop.time() + seconds

    # What is answered

    def pause_writing(self) -> None:
        super().pause_writing()
        self._all.stalled[self] = self.loop.time() + WHOLE, self.transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._all.stalled.pop(self, None)

    # The end

    def late(self) -> None:
        """What was to come has not come in time."""
        if self.flow.read_paused:  # it is not they who let us wait
            self._wait(WHOLE)
        elif self.transport.is_closing():
            self.abort()
        else:
            if self._can_be_told():
                dated = b"".join(b"%s: %s\r\n" % header for header in self.server_state.default_headers)
                end = b"connection: close\r\ncontent-length: 0\r\n\r\n"
                self.transport.write(b"HTTP/1.1 408 Request Timeout\r\n" + dated + end)
            self.transport.close()

    def look_again(self, left: int) -> None:
        """Go on with those that have taken something of their answer, and not with others."""
        if self.transport.get_write_buffer_size() < left:
            self.pause_writing()
        else:
            self.abort()

    def abort(self) -> None:
        """Hang up at once, whatever is still to be sent."""
        self._forget()
        self.connections.discard(self)
        self.transport.abort()

    def _forget(self) -> None:
        self._waiting.pop(self, None)
        self._all.stalled.pop(self, None)

    def _newest(self) -> RequestResponseCycle | None:
        """The last request whose head has come; uvicorn says that there always is one."""
        return self.cycle

    def _can_be_told(self) -> bool:
        """Whether what is written now answers the request that is late."""
        newest = self._newest()
        if not newest:
            return bool(self.scope)  # else nothing was asked
        if newest.scope is self.scope:  # its head has come
            return not newest.response_started
        return newest.response_complete


def _files() -> int:
    """How many files and connections the system lets this process have."""
    if sys.platform == "win32":
        return 2 * MOST
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 2 * MOST if limit == resource.RLIM_INFINITY else limit
