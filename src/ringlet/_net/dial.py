"""One HTTP exchange with a stranger: a callback that somebody named, and that may do anything.

Rules of this file:
* A name is resolved once, when a connection is made; all its addresses are judged (`guard`), and one of the
  judged is dialled. Asking twice would let a name server answer twice (DNS rebinding).
* Nothing leads elsewhere: no redirect is followed, no proxy of the environment is asked.
* One deadline holds for names, connection, answer and body together; little of what comes is read and less
  is kept, and nothing is unpacked. What is read counts with all that frames it: interim answers (RFC 9110
  section 15.2) and chunks have no end of their own. It is read in pieces, so that others get their turn.
* Whatever a stranger does is an Exchange, in words that quote nothing of the URL but its host.
* A connection that is kept was judged when it was made. One that turns out to be closed before anything of an
  answer came is made anew, once: servers close idle connections whenever they like (RFC 9112 section 9.5).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpcore2

from ..errors import UsageError
from .addresses import Callbacks
from .resolver import Names, Resolve

READ: Final = 64 * 1024
"""Bytes of an answer that are read; what says more is hung up on, and its status counts if it came."""
PIECE: Final = 1024
"""Bytes that are read, and then worked through, before others get their turn."""
LEAST: Final = 64
"""Bytes that whatever is read counts for, however short it is: it costs work, too."""
KEPT: Final = 20_000
"""Bytes of a body that are kept."""
IDLE: Final = 15.0
"""Seconds that an unused connection is kept."""
CONNECT: Final = 4.0
"""Seconds for one of several addresses to take the connection."""
USER_AGENT: Final = "ringlet-webhooks"


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What came of a request. `status` is None where no whole answer came, and `reason` says why."""

    status: int | None = None
    reason: str = ""
    body: bytes = b""
    """Its beginning, as it came."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Names in lower case."""
    took: float = 0.0
    """Seconds."""


class Dialer:
    """Sends requests to strangers; keeps connections to those that answer. For one event loop."""

    def __init__(
        self,
        callbacks: Callbacks | None = None,
        *,
        deadline: float = 10.0,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`deadline` is for a whole exchange, in seconds; `tls` is whom to trust (default: as the system)."""
        self.callbacks = callbacks or Callbacks()
        self.deadline = deadline
        self._network = _Network(self.callbacks, resolve or Names())
        self._given_tls = tls
        self._idle: dict[str, list[httpcore2.AsyncHTTPConnection]] = {}
        """By origin; the one used last is used next."""
        self._swept = time.monotonic()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._given_tls or httpcore2.default_ssl_context()

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Exchange:
        """One request. Never raises for what a stranger does, nor for a URL that may not be dialled."""
        began = time.monotonic()
        try:
            self.callbacks.check_url(url)
            async with asyncio.timeout(self.deadline):
                await self._sweep()
                sent = {"host": urlsplit(url).netloc, "user-agent": USER_AGENT, "accept": "*/*", **headers}
                status, named, said = await self._exchange(method, _parsed(url), [*sent.items()], body)
        except UsageError as refused:
            return Exchange(reason=f"{refused.message}: {refused.cure}", took=time.monotonic() - began)
        except Exception as broken:  # libraries let more through than they say
            return Exchange(reason=_words(broken, self.deadline), took=time.monotonic() - began)
        return Exchange(status=status, headers=named, body=said, took=time.monotonic() - began)

    async def close(self) -> None:
        """Hang up on everybody."""
        for connections in self._idle.values():
            for connection in connections:
                await connection.aclose()
        self._idle.clear()

    async def _exchange(
        self, method: str, url: httpcore2.URL, headers: list[tuple[bytes | str, bytes | str]], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        origin = str(url.origin)
        for fresh in (False, True):
            connection = self._new(url.origin) if fresh else await self._kept(origin)
            if connection is None:
                continue
            answered = False
            try:
                async with connection.stream(method, url, headers=headers, content=body or None) as answer:
                    answered = True
                    named = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in answer.headers}
                    return answer.status, named, await _beginning(answer)
            except _HUNG_UP:
                if answered or fresh:
                    raise
            finally:
                if connection.is_available():
                    self._idle.setdefault(origin, []).append(connection)
                else:
                    await connection.aclose()
        raise AssertionError("a new connection answers or fails")

    async def _kept(self, origin: str) -> httpcore2.AsyncHTTPConnection | None:
        """One that was used before and that the other end has not closed, as far as one can see; or none."""
        idle = self._idle.get(origin, [])
        while idle:
            connection = idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return None

    def _new(self, origin: httpcore2.Origin) -> httpcore2.AsyncHTTPConnection:
        return httpcore2.AsyncHTTPConnection(
            origin=origin,
            ssl_context=self._tls if origin.scheme == b"https" else None,
            keepalive_expiry=IDLE,
            network_backend=self._network,
        )

    async def _sweep(self) -> None:
        """Close what nobody has used for a while."""
        if time.monotonic() - self._swept < IDLE:
            return
        self._swept = time.monotonic()
        expired: list[httpcore2.AsyncHTTPConnection] = []
        for origin, connections in list(self._idle.items()):
            expired += [one for one in connections if one.has_expired()]
            connections[:] = [one for one in connections if one not in expired]
            if not connections:
                del self._idle[origin]
        for connection in expired:
            await connection.aclose()


def _parsed(url: str) -> httpcore2.URL:
    # By hand: given a text, the library drops what stands behind a `;` in the path.
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return httpcore2.URL(scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target=target)


async def _beginning(answer: httpcore2.Response) -> bytes:
    said = bytearray()
    left = READ
    with suppress(_TooMuch):
        async with aclosing(answer.aiter_stream()) as parts:
            async for part in parts:
                said += part[: KEPT - len(said)]
                left -= max(len(part), LEAST)
                if left <= 0:
                    break
    return bytes(said)


class _TooMuch(Exception):
    """A stranger says more than is read."""


class _Metered(httpcore2.AsyncNetworkStream):
    """A stream of which little is read, piece by piece. What is written to it begins an exchange."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream
        self._left = READ

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if self._left <= 0:
            raise _TooMuch
        await asyncio.sleep(0)
        piece = await self._stream.read(min(max_bytes, PIECE), timeout)
        self._left -= max(len(piece), LEAST)
        return piece

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self._left = READ
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore2.AsyncNetworkStream:
        return _Metered(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Network(httpcore2.AsyncNetworkBackend):
    """Connections to judged addresses."""

    def __init__(self, callbacks: Callbacks, resolve: Resolve) -> None:
        self._callbacks = callbacks
        self._resolve = resolve
        # Where anyio is missing, the library has a class by this name that only says so.
        self._sockets = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        addresses = await self._resolve(host)
        for address in addresses:
            self._callbacks.check_address(address, host)
        lost: Exception = OSError("it has no address")
        for address in addresses:
            try:
                return _Metered(await self._sockets.connect_tcp(address, port, timeout=CONNECT))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as failed:
                lost = failed
        raise lost


_HUNG_UP = (httpcore2.RemoteProtocolError, httpcore2.ReadError, httpcore2.WriteError)
"""What may be no more than an idle connection that was closed."""


def _words(broken: Exception, deadline: float) -> str:
    """What broke, without what a stranger chose to write: it is shown to people."""
    causes: list[BaseException] = [broken]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    for kinds, words in _REASONS:
        for one in causes:
            if isinstance(one, kinds):
                return words.format(deadline=deadline, said=getattr(one, "verify_message", ""))
    return f"the connection broke ({type(broken).__name__})"


_REASONS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((_TooMuch,), f"it said more than {READ // 1024} KB, and no answer was among it"),
    ((ssl.SSLCertVerificationError,), "its certificate is not good: {said}"),
    ((ssl.SSLError,), "it does not speak TLS as we do"),
    ((socket.gaierror, UnicodeError), "its name cannot be resolved"),
    ((ConnectionRefusedError,), "the connection was refused"),
    ((ConnectionResetError, BrokenPipeError), "the connection was reset"),
    ((httpcore2.ConnectTimeout, httpcore2.ConnectError), "it cannot be reached"),
    ((TimeoutError, httpcore2.TimeoutException), "no complete answer within {deadline:g} s"),
    ((httpcore2.ReadError, httpcore2.WriteError), "the connection was reset"),
    ((httpcore2.LocalProtocolError,), "the request cannot be written as HTTP"),
    ((httpcore2.RemoteProtocolError,), "the connection was closed, or what came is not HTTP"),
)
"""The first that fits what broke, or what broke it."""
