"""The cloud as one ASGI application: the data plane first, everything else through Starlette.

`Cloud` puts the rooms together around one archive. It holds no rules of its own: `usercollection` answers
data routes, `authorize` and `tokens` OAuth2, `control` the hand on the tiller.

What a cloud does by itself (delivering events, letting the demo wearer live on) it does while it is
`running`: between an ASGI server's startup and shutdown, or inside `async with cloud.running()`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from .._archive.archive import Archive
from .._net.addresses import AddressPolicy
from .._net.dial import Dialer
from .._net.loopback import HOST_HEADERS
from .._person.person import Person
from ..errors import ArchiveError
from .browser.pages import static_files
from .browser.sessions import Sessions
from .browser.sign_in import SignInPages
from .browser.visitor import Visitors
from .control.admin import Admin
from .control.clock import Timekeeper
from .control.faults import Faults
from .control.state import Control, Seen
from .control.trigger import Hand
from .control.triggers import Triggers
from .control.webhooks import Happenings
from .core.answers import Answer, problem, trace_id, unavailable
from .core.clock import Clock
from .core.rate_limit import RateLimit
from .core.throttle import Throttle
from .data.openapi import document
from .data.routes import CloudSettings, DataRoutes
from .data.sandbox import Sandbox
from .oauth.authorize_endpoint import AuthorizeEndpoint
from .oauth.grants import Grants, OAuthRules
from .oauth.metadata import Metadata
from .oauth.token_endpoint import TokenEndpoint
from .portal.applications import PortalApplications
from .portal.home import PortalHome
from .portal.webhooks import PortalWebhooks
from .wearer.life import Life
from .webhooks.deliveries import Deliveries
from .webhooks.event_log import EventLog
from .webhooks.publisher import Publisher
from .webhooks.routes import Subscribing
from .webhooks.sender import Sender
from .webhooks.subscriptions import Subscriptions

AGAIN = 1.0
"""Seconds before a worker that failed is begun again."""

SUNSET = "Oura API v1 is sunset; use /v2/usercollection."


class Cloud:
    """An Oura Cloud over one archive. An ASGI application.

    `secret` is the passphrase that people type to sign in; without one everybody who reaches the cloud is let
    in, so it belongs on loopback. `callbacks` says which addresses its events may be sent to: public ones,
    unless more are allowed.
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
        self.hosts = hosts
        """The names it answers to outside the data routes, which ask for a token anyway; None: any."""
        self.settings = settings or CloudSettings()
        self.clock = clock or Clock()
        self.rate_limit = RateLimit()
        self.throttle = Throttle()
        self.grants = Grants(archive, self.clock, self.rate_limit, self.settings.dialect, rules)
        self.subscriptions = Subscriptions(archive, self.clock)
        self.deliveries = Deliveries(archive, self.clock, self.subscriptions)
        self.events = EventLog(archive, self.clock)
        self.publisher = Publisher(archive, self.clock, self.events, self.deliveries)
        archive.observer = self.publisher.observe
        self.workers: list[Callable[[], Coroutine[Any, Any, None]]] = []
        """What it does by itself while it runs; each goes on until it is cancelled."""
        self.dialer = Dialer(callbacks)
        self.sender = Sender(self.deliveries, self.publisher, self.grants.apps, self.dialer)
        self.workers.append(self.sender.run)
        person = Person(seed, "sandbox", dialect=self.settings.dialect, ids="sandbox")
        sandbox = Sandbox(person, self.clock)
        self.data = DataRoutes(archive, self.grants, sandbox, self.clock, self.rate_limit, self.settings)
        self.journal: deque[Seen] = deque(maxlen=10_000)
        self.admin_token = admin_token or secrets.token_urlsafe(24)
        self.faults = Faults(seed)
        admin = Admin(self.admin_token)
        control = Control(admin, self.grants, archive, self.faults, self.journal)
        self.time = Timekeeper(admin, archive, self.clock, self.deliveries)
        self.workers.append(self.time.run)
        triggers = Triggers(archive, self.clock, self.publisher, self.settings.dialect)
        self.hand = Hand(admin, archive, triggers)
        self.happenings = Happenings(admin, self.events, self.deliveries)
        sessions = Sessions(archive, self.clock, secret)
        visitors = Visitors(archive, sessions, needs_passphrase=bool(secret))
        webhook_pages = PortalWebhooks(self.grants.apps, self.subscriptions, self.deliveries, visitors)
        subscribing = Subscribing(
            self.grants.apps,
            self.deliveries,
            self.dialer,
            self.settings.dialect,
            self.throttle,
            self.rate_limit,
        )
        self._rest = Starlette(
            routes=[
                *AuthorizeEndpoint(archive, self.grants, sessions, visitors, self.throttle).routes(),
                *SignInPages(archive, sessions, visitors, self.throttle, secret).routes(),
                *PortalHome(self.grants, self.subscriptions, visitors).routes(),
                *PortalApplications(self.grants, self.deliveries, visitors).routes(),
                *webhook_pages.routes(),
                *static_files.routes(),
                *TokenEndpoint(self.grants, self.throttle).routes(),
                *subscribing.routes(),
                *Metadata(self.grants.rules).routes(),
                *control.routes(),
                *self.time.routes(),
                *self.hand.routes(),
                *self.happenings.routes(),
                Route("/openapi.json", _openapi),
                Route("/v1/{rest:path}", _sunset, methods=["GET", "POST"]),
            ],
            exception_handlers={404: self._nowhere, 405: self._nowhere, ArchiveError: self._unavailable},
        )
        self._rest.router.redirect_slashes = False  # it would redirect to whatever Host says
        # Requests wait for each other here: better to say "busy" than to make everybody wait.
        archive.wait_at_most(0.25)

    def adopt(self, life: Life) -> None:
        """Let a made-up wearer live on with the clock."""
        self.time.life = life
        self.workers.append(life.run)

    def leave(self) -> None:
        """Let nobody wait any longer for something to happen: the server is about to stop."""
        self.hand.leaving = self.happenings.leaving = True
        self.time.leave()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """While this lasts, the cloud does what it does by itself."""
        tasks = [asyncio.create_task(_lasting(worker)) for worker in self.workers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.dialer.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        """The lifespan protocol of ASGI."""
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
            # Never the controls of the faults: one on every path could not be ended.
            struck = self.faults.rules and not path.startswith("/_ringlet/faults")
            if struck and (fault := self.faults.strikes(path)):
                left = await self.faults.inflict(fault, send)
                if left is None:
                    return
                send = left
            if path.startswith("/v2/webhook/"):
                await self._rest(scope, receive, self._noting(scope, send))
            elif path.startswith("/v2/"):
                await self._data(scope, path, send)
            elif self.hosts is not None and _host(scope) not in self.hosts | {""}:
                # A page of another site whose name was pointed at this machine (DNS rebinding).
                await Response("This cloud does not go by that name.", 421)(scope, receive, send)
            else:
                await self._rest(scope, receive, send)

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
                # Making up documents takes a while; other requests go on meanwhile.
                answer = await asyncio.to_thread(self.data.answer, path, query, authorization)
            else:
                answer = self.data.answer(path, query, authorization)
        else:
            answer = self._not_allowed()
        if self.settings.latency_s:
            await asyncio.sleep(self.settings.latency_s)
        status, body, headers = answer
        self.journal.append((time.time(), method, path[:512], query[:2048], status))
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, (b"x-trace-id", trace_id())],
            }
        )
        await send({"type": "http.response.body", "body": body})

    def _noting(self, scope: Scope, send: Send) -> Send:
        """The same, and the request is in the journal; without its query, which means nothing here."""

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen = time.time(), scope["method"], scope["path"][:512], b"", message["status"]
                self.journal.append(seen)
            await send(message)

        return noted

    def _not_allowed(self) -> Answer:
        return problem(self.settings.dialect, 405, "Method Not Allowed", [(b"allow", b"GET")])

    async def _unavailable(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, ArchiveError)
        answer = unavailable(self.settings.dialect, error)
        headers = {name.decode(): value.decode() for name, value in answer.headers}
        return Response(answer.body, answer.status, headers)

    async def _nowhere(self, request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 404)
        answer = problem(
            self.settings.dialect, status, "Not Found" if status == 404 else "Method Not Allowed"
        )
        headers = {name.decode(): value.decode() for name, value in answer.headers}
        return Response(answer.body, status, headers | (getattr(error, "headers", None) or {}))


async def _lasting(worker: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """A worker that is begun again when it fails: a slip must not end all deliveries without a word."""
    while True:
        try:
            return await worker()
        except Exception:
            logging.getLogger("ringlet").exception("%s failed, and is begun again", worker.__qualname__)
            await asyncio.sleep(AGAIN)


def _host(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"host":
            host: str = value.decode("latin-1").lower()
            return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.split(":")[0]
    return ""


async def _sunset(request: Request) -> Response:
    return JSONResponse({"detail": SUNSET}, status_code=410)


async def _openapi(request: Request) -> Response:
    return Response(msgspec.json.encode(document()), media_type="application/json")
