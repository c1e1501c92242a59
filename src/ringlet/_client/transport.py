"""Transports: they send a `Request` with an HTTP library and return a `Response`, blocking or awaited.

Only this file uses the types and exceptions of an HTTP library. The default library is httpcore2, on which
httpx2 is built; a request costs a third less CPU than with httpx2, whose cookies and redirects ringlet does
not need. With aiohttp (`AiohttpTransport`, extra `fast`) a request costs half the CPU of httpcore2, which
only matters if the server answers many requests within milliseconds.

Rules of this file:
* Access tokens are sent to the base URL only: redirects are not followed, and a request with a token must
  have a path and not a URL.
* Connections to loopback addresses are direct; others use the proxy that the environment names.
* If no response arrives, `send` raises ConnectionFailed. The message quotes the library, but not the URL's
  query, which can contain secrets.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import ssl
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, unquote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore2

from .._api.wire import Request, Response
from .._net.loopback import is_loopback
from .._version import __version__
from ..errors import ConnectionFailed, UsageError

if TYPE_CHECKING:
    import aiohttp

USER_AGENT = f"ringlet/{__version__}"
REQUEST_TIMEOUT_S = 60.0
IDLE_CONNECTION_S = 5.0
"""Seconds after which an unused connection is closed, because some servers close it after five seconds."""


class Transport(Protocol):
    """The interface through which `Client` sends requests."""

    def send(self, request: Request) -> Response:
        """Sends a request and reads the whole answer. Raises ConnectionFailed, UsageError."""
        ...

    def close(self) -> None:
        """Closes the connections."""
        ...


class AsyncTransport(Protocol):
    """The interface through which `AsyncClient` sends requests."""

    async def send(self, request: Request) -> Response:
        """Sends a request and reads the whole answer. Raises ConnectionFailed, UsageError."""
        ...

    async def close(self) -> None:
        """Closes the connections."""
        ...


class HttpcoreTransport:
    """A blocking transport that uses httpcore2; `timeout` is in seconds, `connections` the most at a time."""

    def __init__(self, base_url: str, *, timeout: float = REQUEST_TIMEOUT_S, connections: int = 64) -> None:
        self.base_url = base_url
        self._extensions = _timeouts(timeout)
        self._connections = connections
        self._pools: dict[_Origin, httpcore2.ConnectionPool] = {}

    def send(self, request: Request) -> Response:
        url = _url(self.base_url, request)
        with _network_errors(url):
            target = httpcore2.URL(url)
            origin = target.scheme, target.host, target.port
            if origin not in self._pools:
                self._pools[origin] = httpcore2.ConnectionPool(**_pool(url, self._connections))
            headers = _headers(request)
            answer = self._pools[origin].request(
                request.method, target, headers=headers, content=request.body, extensions=self._extensions
            )
            return _response(answer)

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()


class AsyncHttpcoreTransport:
    """An awaited transport that uses httpcore2. Arguments: see `HttpcoreTransport`."""

    def __init__(self, base_url: str, *, timeout: float = REQUEST_TIMEOUT_S, connections: int = 64) -> None:
        self.base_url = base_url
        self._extensions = _timeouts(timeout)
        self._free = asyncio.Semaphore(connections)
        # A pool goes through all its connections at every request, which with 64 connections takes a fifth of
        # the CPU of a backfill. So each connection has a pool of its own; the one used last is reused first.
        self._idle: dict[_Origin, list[httpcore2.AsyncConnectionPool]] = {}

    async def send(self, request: Request) -> Response:
        url = _url(self.base_url, request)
        with _network_errors(url):
            target = httpcore2.URL(url)
            idle = self._idle.setdefault((target.scheme, target.host, target.port), [])
            headers = _headers(request)
            async with self._free:
                pool = idle.pop() if idle else httpcore2.AsyncConnectionPool(**_pool(url, 1))
                try:
                    answer = await pool.request(
                        request.method,
                        target,
                        headers=headers,
                        content=request.body,
                        extensions=self._extensions,
                    )
                finally:
                    idle.append(pool)
            return _response(answer)

    async def close(self) -> None:
        for idle in self._idle.values():
            for pool in idle:
                await pool.aclose()


class AiohttpTransport:
    """An awaited transport that uses aiohttp (extra `fast`). Arguments: see `HttpcoreTransport`."""

    def __init__(self, base_url: str, *, timeout: float = REQUEST_TIMEOUT_S, connections: int = 64) -> None:
        self.base_url = base_url
        self._timeout = timeout
        self._connections = connections
        self._http: aiohttp.ClientSession | None = None
        self._proxies: dict[tuple[str, str], str | None] = {}

    def _session(self) -> aiohttp.ClientSession:
        # Made at the first request, because aiohttp needs a running event loop. aiohttp is an optional
        # dependency, so it is not imported at the top.
        import aiohttp

        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=IDLE_CONNECTION_S),
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                headers={"user-agent": USER_AGENT},
                skip_auto_headers=["content-type"],  # A POST without a body must have no content type.
            )
        return self._http

    async def send(self, request: Request) -> Response:
        import aiohttp

        url = _url(self.base_url, request)
        with _network_errors(url, aiohttp.ClientError, not_sent=(aiohttp.ClientConnectorError,)):
            target = urlsplit(url)
            origin = target.scheme, target.netloc
            if origin not in self._proxies:
                self._proxies[origin] = _proxy(url)
            async with self._session().request(
                request.method,
                url,
                headers=request.headers,
                data=request.body or None,
                allow_redirects=False,
                proxy=self._proxies[origin],
            ) as answer:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status, await answer.read(), headers)

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()


_Origin = tuple[bytes, bytes, int | None]


def _url(base_url: str, request: Request) -> str:
    """The URL of a request, with its query. Raises UsageError."""
    path = request.path
    if request.bearer and not path.startswith("/"):
        raise UsageError(
            "a request with an access token has a path that begins with a slash, not a URL",
            cure="pass the path alone, or send the request without the token (bearer=False)",
        )
    url = path if path.startswith("http") else base_url + path
    if request.params:
        url += ("&" if "?" in url else "?") + urlencode(request.params, quote_via=quote)
    return _NOT_IN_URL.sub(lambda found: quote(found[0]), url)


_NOT_IN_URL = re.compile(r"[^!-~]")


def _timeouts(seconds: float) -> dict[str, dict[str, float]]:
    return {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), seconds)}


def _headers(request: Request) -> list[tuple[bytes, bytes]]:
    given = {"user-agent": USER_AGENT, "accept": "*/*", "accept-encoding": "gzip", **request.headers}
    return [(name.encode(), value.encode()) for name, value in given.items()]


def _response(answer: httpcore2.Response) -> Response:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    body = answer.content
    if body and headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    return Response(answer.status, body, headers)


def _pool(url: str, connections: int) -> dict[str, Any]:
    """The arguments of a connection pool for the host of a URL."""
    proxy = None
    if address := _proxy(url):
        through = urlsplit(address)
        auth = (unquote(through.username), unquote(through.password or "")) if through.username else None
        proxy = httpcore2.Proxy(f"{through.scheme}://{through.netloc.rpartition('@')[2]}", auth=auth)
    return {
        "ssl_context": _trust() if url.startswith("https") else None,
        "proxy": proxy,
        "max_connections": connections,
        "max_keepalive_connections": connections,
        "keepalive_expiry": IDLE_CONNECTION_S,
    }


@cache
def _trust() -> ssl.SSLContext:
    """The certificates of the system. They are read once, because reading them takes as long as a request."""
    return httpcore2.default_ssl_context()


def _proxy(url: str) -> str | None:
    """The URL of the proxy that the environment (HTTP_PROXY, NO_PROXY, ...) names for a URL, or None."""
    target = urlsplit(url)
    if _is_loopback_url(url) or proxy_bypass(target.hostname or ""):
        return None
    proxies = getproxies()
    address = proxies.get(target.scheme) or proxies.get("all")
    return address if not address or "://" in address else f"http://{address}"


def _is_loopback_url(base_url: str) -> bool:
    """Whether a URL names this machine by a loopback address."""
    try:
        return is_loopback(urlsplit(base_url).hostname or "")
    except ValueError:  # The text is not a valid URL, e.g. `http://[::1`.
        return False


_ERRORS = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
    TimeoutError,
    ValueError,  # The base URL is not a valid URL.
    OSError,  # The body is not valid gzip, or a socket error that the library does not wrap.
    EOFError,
    zlib.error,
)


@contextmanager
def _network_errors(
    url: str, *kinds: type[Exception], not_sent: tuple[type[Exception], ...] = ()
) -> Generator[None]:
    """Turns the exceptions of an HTTP library into ConnectionFailed.

    `kinds` are exceptions to turn in addition to `_ERRORS`, `not_sent` those which mean that nothing was
    sent. The difference matters for a request with a refresh token, which works once.
    """
    try:
        yield
    except _ERRORS + kinds as broken:
        # The library's message may quote a header that cannot be sent, or the query: both may be secrets.
        words = "" if isinstance(broken, (httpcore2.LocalProtocolError, ValueError)) else str(broken)
        where, words = url.partition("?")[0], words.partition("?")[0]
        said = f"no answer from {where}: {type(broken).__name__} {words}".rstrip()
        raise ConnectionFailed(said, sent=not isinstance(broken, (*_NOT_SENT, *not_sent))) from broken


_NOT_SENT = (
    httpcore2.ConnectError,
    httpcore2.ConnectTimeout,
    httpcore2.PoolTimeout,
    httpcore2.ProxyError,
)
"""The exceptions which mean that no connection could be made, so nothing was sent."""
