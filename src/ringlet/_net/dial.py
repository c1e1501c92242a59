"""Sends HTTP requests to untrusted servers, at callback URLs that applications chose.

Rules of this file:
* A name is resolved once for each connection. All its addresses are checked (`addresses`), and one of them is
  connected to. If the name were resolved again, the name server could give another address (DNS rebinding).
* Redirects are not followed, and proxies of the environment are not used: both lead to unchecked addresses.
* One deadline covers look-up, connection, response and body. At most `MAX_RESPONSE_BYTES` of a response are
  read and `MAX_BODY_BYTES` of its body returned, and nothing is decompressed.
* Every byte that is read counts, also of headers and framing, because a server could send interim responses
  (RFC 9110 section 15.2), chunk extensions or chunks of one byte without end. A response is read in small
  pieces, so that other tasks can run in between.
* `send` returns an Exchange whatever the server does. Its `reason` quotes only the host of the URL, because
  the path or query may be a secret.
* The address of a reused connection was checked when it was made. If a reused connection is closed before any
  byte of a response, the request is sent once more on a new one, because servers may close idle connections
  at any time (RFC 9112 section 9.5).
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
from .addresses import AddressPolicy
from .resolver import Resolve, Resolver

MAX_RESPONSE_BYTES: Final = 64 * 1024
"""The most bytes of a response that are read, framing included; then the connection is closed."""
READ_SIZE: Final = 1024
"""The most bytes that are read at once, before other tasks can run."""
MIN_READ_COST: Final = 64
"""A read of fewer bytes counts as this many towards `MAX_RESPONSE_BYTES`, because each read costs CPU."""
MAX_BODY_BYTES: Final = 20_000
"""The most bytes of a response body that an Exchange contains, from its beginning."""
IDLE_TIMEOUT_S: Final = 15.0
"""Seconds after which an unused connection is closed."""
CONNECT_TIMEOUT_S: Final = 4.0
"""Seconds to wait for a connection to one address of a host, before the next address is tried."""
USER_AGENT: Final = "ringlet-webhooks"


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """The result of a request: the `status` of the response, or the `reason` why no response arrived."""

    status: int | None = None
    reason: str = ""
    body: bytes = b""
    """The first `MAX_BODY_BYTES` of the response body, not decompressed."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """The headers of the response, with names in lower case."""
    took: float = 0.0
    """Seconds from the start of the request to its result."""


class Dialer:
    """Sends requests to untrusted servers, and reuses connections. To be used in one event loop."""

    def __init__(
        self,
        policy: AddressPolicy | None = None,
        *,
        deadline: float = 10.0,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Make a dialer.

        Args:
            policy: which addresses may be connected to (default: public ones only).
            deadline: seconds after which a request is given up, including look-up and response.
            resolve: looks up the addresses of a host (default: the system's resolver).
            tls: which certificates to trust (default: the system's).
        """
        self.policy: AddressPolicy = policy or AddressPolicy()
        self.deadline = deadline
        self._network = _CheckedNetwork(self.policy, resolve or Resolver())
        self._given_tls = tls
        self._idle: dict[str, list[httpcore2.AsyncHTTPConnection]] = {}
        """Idle connections by origin (scheme, host, port). The one used last is reused first, so that the
        others can expire."""
        self._swept = time.monotonic()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._given_tls or httpcore2.default_ssl_context()

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Exchange:
        """Send one request. Never raises: any failure becomes the `reason` of the Exchange."""
        began = time.monotonic()
        try:
            self.policy.check_url(url)
            async with asyncio.timeout(self.deadline):
                await self._sweep()
                sent = {"host": urlsplit(url).netloc, "user-agent": USER_AGENT, "accept": "*/*", **headers}
                status, named, said = await self._exchange(method, _parsed(url), [*sent.items()], body)
        except UsageError as refused:
            return Exchange(reason=f"{refused.message}: {refused.cure}", took=time.monotonic() - began)
        except Exception as error:  # httpcore2 raises more classes of errors than it documents.
            return Exchange(reason=_describe(error, self.deadline), took=time.monotonic() - began)
        return Exchange(status=status, headers=named, body=said, took=time.monotonic() - began)

    async def close(self) -> None:
        """Close all connections."""
        for connections in self._idle.values():
            for connection in connections:
                await connection.aclose()
        self._idle.clear()

    async def _exchange(
        self, method: str, url: httpcore2.URL, headers: list[tuple[bytes | str, bytes | str]], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        origin = str(url.origin)
        for fresh in (False, True):
            connection = self._new(url.origin) if fresh else await self._reusable(origin)
            if connection is None:
                continue
            answered = False
            try:
                async with connection.stream(method, url, headers=headers, content=body or None) as answer:
                    answered = True
                    named = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in answer.headers}
                    return answer.status, named, await _beginning(answer)
            except _CLOSED:
                if answered or fresh:
                    raise
            finally:
                if connection.is_available():
                    self._idle.setdefault(origin, []).append(connection)
                else:
                    await connection.aclose()
        raise AssertionError("a new connection answers or fails")

    async def _reusable(self, origin: str) -> httpcore2.AsyncHTTPConnection | None:
        """An idle connection that is not known to be closed, or None."""
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
            keepalive_expiry=IDLE_TIMEOUT_S,
            network_backend=self._network,
        )

    async def _sweep(self) -> None:
        """Close connections that have been idle for too long."""
        if time.monotonic() - self._swept < IDLE_TIMEOUT_S:
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
    # httpcore2.URL(url) would drop the part of the path after a `;`.
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return httpcore2.URL(scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target=target)


async def _beginning(answer: httpcore2.Response) -> bytes:
    said = bytearray()
    left = MAX_RESPONSE_BYTES
    with suppress(_ResponseTooLarge):
        async with aclosing(answer.aiter_stream()) as parts:
            async for part in parts:
                said += part[: MAX_BODY_BYTES - len(said)]
                left -= max(len(part), MIN_READ_COST)
                if left <= 0:
                    break
    return bytes(said)


class _ResponseTooLarge(Exception):
    """The server sent more than `MAX_RESPONSE_BYTES`."""


class _BoundedStream(httpcore2.AsyncNetworkStream):
    """A stream that reads at most `MAX_RESPONSE_BYTES` for each request; each write begins a new count."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream
        self._left = MAX_RESPONSE_BYTES

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if self._left <= 0:
            raise _ResponseTooLarge
        await asyncio.sleep(0)
        piece = await self._stream.read(min(max_bytes, READ_SIZE), timeout)
        self._left -= max(len(piece), MIN_READ_COST)
        return piece

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self._left = MAX_RESPONSE_BYTES
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore2.AsyncNetworkStream:
        return _BoundedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """A network backend that connects only to addresses that the policy allows."""

    def __init__(self, policy: AddressPolicy, resolve: Resolve) -> None:
        self._policy = policy
        self._resolve = resolve
        # The cast is needed because httpcore2 has another class of this name, for systems without anyio.
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
            self._policy.check_address(address, host)
        failure: Exception = OSError("the host has no address")
        for address in addresses:
            try:
                return _BoundedStream(
                    await self._sockets.connect_tcp(address, port, timeout=CONNECT_TIMEOUT_S)
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as failed:
                failure = failed
        raise failure


_CLOSED = (httpcore2.RemoteProtocolError, httpcore2.ReadError, httpcore2.WriteError)
"""The errors that a reused connection raises if the server has closed it while it was idle."""


def _describe(error: Exception, deadline: float) -> str:
    """Describe an error for `Exchange.reason`, not in the words of the library, which may quote the URL."""
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    for kinds, words in _REASONS:
        for cause in causes:
            if isinstance(cause, kinds):
                return words.format(deadline=deadline, why=getattr(cause, "verify_message", ""))
    return f"the connection broke ({type(error).__name__})"


_REASONS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((_ResponseTooLarge,), f"it sent more than {MAX_RESPONSE_BYTES // 1024} KB without a complete response"),
    ((ssl.SSLCertVerificationError,), "its certificate is not valid: {why}"),
    ((ssl.SSLError,), "the TLS handshake failed"),
    ((socket.gaierror, UnicodeError), "its name cannot be resolved"),
    ((ConnectionRefusedError,), "the connection was refused"),
    ((ConnectionResetError, BrokenPipeError), "the connection was reset"),
    ((httpcore2.ConnectTimeout, httpcore2.ConnectError), "it cannot be reached"),
    ((TimeoutError, httpcore2.TimeoutException), "no complete answer within {deadline:g} s"),
    ((httpcore2.ReadError, httpcore2.WriteError), "the connection was reset"),
    ((httpcore2.LocalProtocolError,), "the request cannot be written as HTTP"),
    ((httpcore2.RemoteProtocolError,), "the connection was closed, or the response is not HTTP"),
)
"""Classes of errors with their description. The first entry counts that has the class of the error, or of an
error that caused it."""
