"""The seam to the network: two methods, `send` and `close`, blocking and awaited.

Everything above deals in `Request` and `Response`; an HTTP library's types and exceptions stop here. The
default is httpx2. `AiohttpTransport` (extra `fast`) spends a sixth of its CPU per request, which shows only
in bulk work without latency.

Rules of this file:
* Redirects are not followed, and a signed request names no host of its own: a token goes where it was meant.
* This machine is reached directly, whatever proxy the environment names.
* Whatever breaks below HTTP is `ConnectionLost`, with the library's words but never the URL's query.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import httpx2

from .. import __version__
from ..errors import ConnectionLost, UsageError
from ..wire import Request, Response

if TYPE_CHECKING:
    import aiohttp

USER_AGENT = f"ringlet/{__version__}"
TIMEOUT = 60.0


class Transport(Protocol):
    """What `Client` needs of an HTTP library."""

    def send(self, request: Request) -> Response:
        """Send and read the whole answer. Raises ConnectionLost, UsageError."""
        ...

    def close(self) -> None:
        """Give the connections back."""
        ...


class AsyncTransport(Protocol):
    """What `AsyncClient` needs of an HTTP library."""

    async def send(self, request: Request) -> Response:
        """Send and read the whole answer. Raises ConnectionLost, UsageError."""
        ...

    async def close(self) -> None:
        """Give the connections back."""
        ...


class HttpxTransport:
    """Blocking, over httpx2."""

    def __init__(self, base_url: str, *, timeout: float = TIMEOUT) -> None:
        self.base_url = base_url
        self._http = httpx2.Client(
            timeout=timeout, headers={"user-agent": USER_AGENT}, trust_env=not _is_here(base_url)
        )

    def send(self, request: Request) -> Response:
        try:
            answer = self._http.request(**_arguments(self.base_url, request))
        except (httpx2.HTTPError, httpx2.InvalidURL) as broken:
            raise _lost(self.base_url, request, broken) from broken
        return Response(answer.status_code, answer.content, answer.headers)

    def close(self) -> None:
        self._http.close()


class AsyncHttpxTransport:
    """Awaited, over httpx2."""

    def __init__(self, base_url: str, *, timeout: float = TIMEOUT, connections: int = 64) -> None:
        self.base_url = base_url
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._http = httpx2.AsyncClient(
            timeout=timeout,
            limits=limits,
            headers={"user-agent": USER_AGENT},
            trust_env=not _is_here(base_url),
        )

    async def send(self, request: Request) -> Response:
        try:
            answer = await self._http.request(**_arguments(self.base_url, request))
        except (httpx2.HTTPError, httpx2.InvalidURL) as broken:
            raise _lost(self.base_url, request, broken) from broken
        return Response(answer.status_code, answer.content, answer.headers)

    async def close(self) -> None:
        await self._http.aclose()


class AiohttpTransport:
    """Awaited, over aiohttp (extra `fast`)."""

    def __init__(self, base_url: str, *, timeout: float = TIMEOUT, connections: int = 64) -> None:
        self.base_url = base_url
        self._timeout = timeout
        self._connections = connections
        self._http: aiohttp.ClientSession | None = None

    def _session(self) -> aiohttp.ClientSession:
        # aiohttp wants to be made inside a running loop, and imported only where asked for.
        import aiohttp

        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections),
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                headers={"user-agent": USER_AGENT},
                skip_auto_headers=["content-type"],  # a POST without a body has none to describe
            )
        return self._http

    async def send(self, request: Request) -> Response:
        import aiohttp

        target = _arguments(self.base_url, request)
        target["data"] = target.pop("content")
        try:
            async with self._session().request(**target, allow_redirects=False) as answer:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status, await answer.read(), headers)
        except (aiohttp.ClientError, TimeoutError) as broken:
            raise _lost(self.base_url, request, broken) from broken

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()


def _is_here(base_url: str) -> bool:
    """Whether a URL names this machine by a loopback address."""
    try:
        host = urlsplit(base_url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name, or no URL at all
        return False


def _arguments(base_url: str, request: Request) -> dict[str, Any]:
    if request.bearer and not request.path.startswith("/"):
        raise UsageError(
            "a signed request must not choose its own host",
            cure="begin its path with a slash, or send it unsigned (bearer=False)",
        )
    url = request.path if request.path.startswith("http") else base_url + request.path
    return {
        "method": request.method,
        "url": url,
        "params": request.params or None,
        "headers": request.headers,
        "content": request.body or None,
    }


def _lost(base_url: str, request: Request, broken: Exception) -> ConnectionLost:
    where = request.path if request.path.startswith("http") else base_url + request.path
    # A header that cannot be sent is quoted in full, and headers carry secrets.
    words = "" if isinstance(broken, httpx2.LocalProtocolError) else str(broken)
    return ConnectionLost(f"no answer from {where}: {type(broken).__name__} {words}".rstrip())
