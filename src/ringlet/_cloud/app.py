"""The cloud as one ASGI application: routes each request to the data routes or to Starlette.

`wiring` puts the parts together. The data routes are answered here without a framework, because they are
requested thousands of times a second; everything else goes through Starlette.

The cloud's workers (they deliver events and write the days of the simulated wearer) run between the startup
and shutdown of an ASGI server, or inside `async with cloud.running()`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from .._archive.archive import Archive
from .._net.addresses import AddressPolicy
from .._net.dial import Dialer
from .._net.loopback import HOST_HEADERS
from ..errors import ArchiveError
from .control.state import LoggedRequest
from .core.answers import Answer, problem, trace_id, unavailable
from .core.clock import Clock
from .core.rate_limit import RateLimit
from .core.shutdown import Shutdown
from .data.routes import CloudSettings, DataRoutes
from .oauth.grants import Grants, OAuthRules
from .wearer.timeline import Timeline
from .webhooks.deliveries import Deliveries
from .webhooks.event_log import EventLog
from .webhooks.publisher import Publisher
from .webhooks.subscriptions import Subscriptions
from .wiring import Worker, assemble

WORKER_RESTART_S = 1.0
"""Seconds until a worker that failed is started again."""
ARCHIVE_TIMEOUT_S = 0.25
"""How many seconds a request waits while another program writes to the archive. All requests are answered in
one thread and would wait, too; so after this time the request is answered with 503."""


class Cloud:
    """An ASGI application that answers like Oura's cloud, with the users and documents of one archive.

    Serve it from one event loop. Nothing else may use the archive object meanwhile, except in that loop.

    Args:
        archive: the open archive whose users and documents it serves. The cloud keeps its own tables
            (applications, tokens, subscriptions, events) in the same database, and takes over two of the
            archive's settings: its `observer`, to publish events, and how long it waits for a lock (0.25 s).
            The caller closes it, after the cloud has stopped.
        settings: how the data routes answer: dialect, documents and rows per page, bytes of cache, seconds of
            added latency. Default: `CloudSettings()`, which answers as the live service does.
        clock: the clock by which tokens expire, requests without dates get the latest days, and the simulated
            wearer's documents appear. Default: the real time.
        seed: decides the documents of the sandbox and which requests a fault with a probability hits.
            The same seed gives the same documents and hits the same requests.
        admin_token: the bearer token of the control API under `/_ringlet/`. Default (None or empty): a random
            one, found in the attribute `admin_token`.
        secret: the passphrase that people type to sign in. Without one, everybody who reaches the cloud is
            signed in, so such a cloud belongs on loopback.
        rules: what the OAuth2 server allows: how refresh tokens rotate, and whether the implicit grant is
            offered. Default: `OAuthRules()`, as RFC 9700 advises.
        hosts: the `Host` headers that are accepted: lower case, without a port, IPv6 addresses in brackets.
            Other requests are answered with 421, except those of data and webhook routes, which need a
            token or a secret anyway. It stops pages of other sites from reaching a cloud on loopback by DNS
            rebinding. Default: loopback. None accepts any.
        callbacks: the addresses that events may be sent to. Default: public ones only.

    Raises:
        ArchiveError: the archive's database is locked, read-only, full, damaged, or was written by a newer
            ringlet; `cure` says what to do.
    """

    def __init__(
        self,
        archive: Archive,
        *,
        settings: CloudSettings | None = None,
        clock: Clock | None = None,
        seed: int = 7,
        admin_token: str | None = None,
        secret: str | None = None,
        rules: OAuthRules | None = None,
        hosts: frozenset[str] | None = HOST_HEADERS,
        callbacks: AddressPolicy | None = None,
    ) -> None:
        self.archive = archive
        self._hosts = hosts
        self.admin_token: str = admin_token or secrets.token_urlsafe(24)
        self.settings: CloudSettings = settings or CloudSettings()
        self.clock: Clock = clock or Clock()
        parts = assemble(
            archive,
            settings=self.settings,
            clock=self.clock,
            seed=seed,
            admin_token=self.admin_token,
            secret=secret,
            rules=rules,
            callbacks=callbacks,
        )
        self.rate_limit: RateLimit = parts.rate_limit
        self.grants: Grants = parts.grants
        self.subscriptions: Subscriptions = parts.subscriptions
        self.deliveries: Deliveries = parts.deliveries
        self.events: EventLog = parts.events
        self.publisher: Publisher = parts.publisher
        self.dialer: Dialer = parts.dialer
        self.data: DataRoutes = parts.data
        self._faults = parts.faults
        self.requests: deque[LoggedRequest] = parts.requests
        """The last requests, which the control API lists."""
        self.shutdown: Shutdown = parts.shutdown
        self.workers: list[Worker] = list(parts.workers)
        """The background tasks that `running` starts. Each runs until it is cancelled."""
        self._control_clock = parts.control_clock
        self._starlette = Starlette(
            routes=parts.routes,
            exception_handlers={
                404: self._not_found,
                405: self._not_found,
                ArchiveError: self._archive_unavailable,
            },
        )
        # Starlette would redirect `/path/` to the host in the `Host` header, which the client chooses.
        self._starlette.router.redirect_slashes = False
        archive.wait_at_most(ARCHIVE_TIMEOUT_S)

    def add_timeline(self, timeline: Timeline) -> None:
        """Let the timeline of a simulated wearer advance with the clock, while this cloud runs."""
        self._control_clock.timeline = timeline
        self.workers.append(timeline.run)

    def shut_down(self) -> None:
        """End the requests and tasks that wait for an event, because the server is about to stop.

        May be called in a signal handler.
        """
        self.shutdown.begin()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run the workers during an `async with` block.

        They deliver events and let the simulated wearer's timeline advance.
        """
        tasks = [asyncio.create_task(_restarting(worker)) for worker in self.workers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.dialer.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        """Run the workers between the startup and the shutdown of the server (ASGI's lifespan protocol)."""
        await receive()
        async with self.running():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        if scope["type"] == "http":
            path: str = scope["path"]
            # Faults that were set on purpose do not affect the routes that manage faults: otherwise a fault
            # on every path could not be removed.
            faulty = self._faults.rules and not path.startswith("/_ringlet/faults")
            if faulty and (fault := self._faults.select(path)):
                remaining = await self._faults.apply(fault, send)
                if remaining is None:
                    return
                send = remaining
            if path.startswith("/v2/webhook/"):
                await self._starlette(scope, receive, self._recording(scope, send))
            elif path.startswith("/v2/"):
                await self._data(scope, path, send)
            elif self._hosts is not None and _host(scope) not in self._hosts | {""}:
                # This protects from DNS rebinding: another site makes its own host name resolve to this
                # machine, so that its pages can send requests to this cloud.
                await Response("This cloud does not accept this Host header.", 421)(scope, receive, send)
            else:
                await self._starlette(scope, receive, send)

    async def _data(self, scope: Scope, path: str, send: Send) -> None:
        query: bytes = scope["query_string"]
        method: str = scope["method"]
        if method == "GET":
            authorization = b""
            for name, value in scope["headers"]:
                if name == b"authorization":
                    authorization = value
                    break
            if path.startswith("/v2/sandbox/"):
                # Simulating documents is slow. In a thread it does not delay the answers to other requests.
                answer = await asyncio.to_thread(self.data.answer, path, query, authorization)
            else:
                answer = self.data.answer(path, query, authorization)
        else:
            answer = self._not_allowed()
        if self.settings.latency_s:
            await asyncio.sleep(self.settings.latency_s)
        status, body, headers = answer
        self.requests.append((time.time(), method, path[:512], query[:2048], status))
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, (b"x-trace-id", trace_id())],
            }
        )
        await send({"type": "http.response.body", "body": body})

    def _recording(self, scope: Scope, send: Send) -> Send:
        """Wrap `send` so that it also logs the request, without its query, which webhook routes ignore."""

        async def recording(message: Message) -> None:
            if message["type"] == "http.response.start":
                line = time.time(), scope["method"], scope["path"][:512], b"", message["status"]
                self.requests.append(line)
            await send(message)

        return recording

    def _not_allowed(self) -> Answer:
        return problem(self.settings.dialect, 405, "Method Not Allowed", [(b"allow", b"GET")])

    async def _archive_unavailable(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, ArchiveError)
        answer = unavailable(self.settings.dialect, error)
        headers = {name.decode(): value.decode() for name, value in answer.headers}
        return Response(answer.body, answer.status, headers)

    async def _not_found(self, request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 404)
        answer = problem(
            self.settings.dialect, status, "Not Found" if status == 404 else "Method Not Allowed"
        )
        headers = {name.decode(): value.decode() for name, value in answer.headers}
        return Response(answer.body, status, headers | (getattr(error, "headers", None) or {}))


async def _restarting(worker: Worker) -> None:
    """Run a worker, and start it again when it fails: a bug must not end all deliveries silently."""
    while True:
        try:
            return await worker()
        except Exception:
            log = logging.getLogger("ringlet")
            log.exception("%s failed, and is started again", worker.__qualname__)
            await asyncio.sleep(WORKER_RESTART_S)


def _host(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"host":
            host: str = value.decode("latin-1").lower()
            return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.split(":")[0]
    return ""
