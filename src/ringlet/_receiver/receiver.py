"""Receiving webhooks: answers Oura's challenge, believes what is signed, keeps it, and only then says so.

    from ringlet import webhooks

    hook = webhooks.receiver(client_secret, verification_token, handler=print)

Starlette, FastAPI       app.mount("/oura", hook)
by itself                uvicorn module:hook
Flask                    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/oura": hook.wsgi})

or, where a framework hands out requests (Flask here; Django has `request.GET`, `request.body`):

    @app.route("/oura", methods=["GET", "POST"])
    def oura():
        reply = hook.handle(request.method, request.args, request.headers, request.get_data())
        return reply.body, reply.status, reply.headers

Rules of this file:
* Nothing is acknowledged before it is committed. Where it cannot be, the answer is 503: Oura sends it again.
* Whoever is refused learns why in one sentence, and nothing else.
* A body is read no further than an event can be long, and for no longer than Oura would wait.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl

from .._archive.archive import Archive
from .._archive.storage.opening import default_place
from .._webhooks.events import MOST, TOLERANCE, Event, answer, check_secrets, check_token, verify
from ..errors import ArchiveError, EventRejected, RingletError
from .answers import (
    ACKNOWLEDGED,
    NO_LENGTH,
    NOT_ALLOWED,
    PATIENCE,
    TOO_LARGE,
    TOO_SLOW,
    UNAVAILABLE,
    Reply,
    problem,
    reply,
)
from .group_commit import Intake
from .handler_worker import Handler, Handling
from .inbox import Inbox

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

log = logging.getLogger(__name__)


class Receiver:
    """A callback for Oura's webhooks. An ASGI application; `handle` and `wsgi` are for the others.

    `client_secret` signs the events (several, while it is being changed), `verification_token` is what the
    subscriptions were made with. `inbox` is where events are kept: an archive's path or URL, or an open
    Archive, which nobody else uses meanwhile; the archive that `ringlet sync` fills, if none is named.
    `tolerance` is how old a signature may be by `clock`, which gives seconds since 1970.

    With a `handler`, each event is handed to it after its commit: one by one, from a thread of the receiver
    (a handler that awaits: in the loop that serves), again when it raises, and again after a restart. What it
    took well is not handed out again, however often it is sent. Without one, events wait for a sync to fetch
    what they tell of. An inbox has the one or the other: while a sync works it off, events are kept for it,
    none is handed out, and the log says why. `kept` is called after each commit, from a thread.

    Nothing runs before the first request, so a receiver may be made before a server forks. As an application
    of its own it starts and stops with the server. Mounted in another, or under WSGI, what an earlier process
    left waits for the first request, unless `start` is called; `close` ends it in order. `with hook:` does
    both, and `async with hook:` in the lifespan of an application.

    Raises UsageError.
    """

    def __init__(
        self,
        client_secret: str | Sequence[str],
        verification_token: str,
        *,
        inbox: str | Path | Archive | None = None,
        handler: Handler | None = None,
        kept: Callable[[], None] | None = None,
        tolerance: timedelta = TOLERANCE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secrets = check_secrets(client_secret)
        check_token(verification_token)
        self._verification_token = verification_token
        self._tolerance = tolerance
        self._clock = clock
        self._intake = Intake(inbox or default_place(), clock, again=handler is None)
        self._handling = Handling(handler, self._intake, clock) if handler else None
        self._kept = kept
        self._intake.kept = self._news

    # --- its life ---

    def start(self) -> None:
        """Open the inbox, and hand out what is left there. Raises ArchiveError."""
        self._intake.call(Inbox.due)
        if self._handling:
            self._handling.begin()

    def close(self) -> None:
        """Let the handler finish the event it has, keep what has come, and let go of the inbox."""
        if self._handling:
            self._handling.end()
        self._intake.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        """The same in a loop, e.g. in the lifespan of the application that it is mounted in."""
        if self._handling:
            self._handling.loop = asyncio.get_running_loop()
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)  # for the handler may be waiting for this loop

    def _news(self) -> None:
        if self._handling:
            self._handling.wake()
        if self._kept:
            self._kept()

    # --- without ASGI ---

    def handle(self, method: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Reply:
        """What to answer a request with; waits for the commit. Threads that call it together share one."""
        judged = self._judge(method, query, headers, body)
        if isinstance(judged, Reply):
            return judged
        if self._handling:
            self._handling.begin()
        try:
            self._intake.keep_blocking(judged)
        except ArchiveError as failed:
            return _unavailable(failed)
        return ACKNOWLEDGED

    def wsgi(
        self, environ: Mapping[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]
    ) -> Iterable[bytes]:
        """A WSGI application (PEP 3333)."""
        body = _read_wsgi(environ) if environ["REQUEST_METHOD"] == "POST" else b""
        if isinstance(body, Reply):
            answered = body
        else:
            query = _query(environ.get("QUERY_STRING", ""))
            headers = {
                name[5:].replace("_", "-"): value
                for name, value in environ.items()
                if name.startswith("HTTP_")
            }
            answered = self.handle(environ["REQUEST_METHOD"], query, headers, body)
        status = f"{answered.status} {HTTPStatus(answered.status).phrase}"
        start_response(status, list(answered.headers.items()))
        return [answered.body]

    # --- ASGI ---

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            answered = await self._answer(scope, receive)
            headers = [(name.encode(), value.encode()) for name, value in answered.headers.items()]
            await send({"type": "http.response.start", "status": answered.status, "headers": headers})
            await send({"type": "http.response.body", "body": answered.body})
        else:
            await send({"type": "websocket.close"})

    async def _answer(self, scope: Scope, receive: Receive) -> Reply:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = await _read(receive) if scope["method"] == "POST" else b""
        if isinstance(body, Reply):
            return body
        query = _query(scope["query_string"].decode("latin-1"))
        judged = self._judge(scope["method"], query, headers, body)
        if isinstance(judged, Reply):
            return judged
        if self._handling:
            self._handling.loop = asyncio.get_running_loop()
            self._handling.begin()
        try:
            await self._intake.keep(judged)
        except ArchiveError as failed:
            return _unavailable(failed)
        return ACKNOWLEDGED

    async def _live(self, receive: Receive, send: Send) -> None:
        """The lifespan protocol."""
        await receive()
        try:
            async with self:
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except RingletError as failed:
            await send({"type": "lifespan.startup.failed", "message": f"{failed}: {failed.cure}"})
        else:
            await send({"type": "lifespan.shutdown.complete"})

    # --- for both ---

    def _judge(
        self, method: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Event | Reply:
        """The event that is to be kept, or what to answer instead."""
        try:
            if method == "GET":
                return reply(200, answer(self._verification_token, query))
            if method == "POST":
                return verify(self._secrets, headers, body, now=self._clock(), tolerance=self._tolerance)
        except EventRejected as refused:
            log.info("refused: %s", refused)
            return problem(refused.status, str(refused))
        return NOT_ALLOWED


receiver = Receiver
"""As it is written where it is mounted: `webhooks.receiver(...)`."""


def _query(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True))


def _unavailable(failed: ArchiveError) -> Reply:
    log.warning("an event could not be kept: %s", failed)
    return UNAVAILABLE


def _read_wsgi(environ: Mapping[str, Any]) -> bytes | Reply:
    """The same of WSGI, where reading beyond the end blocks unless the server says that there is one."""
    length = environ.get("CONTENT_LENGTH", "")
    if length.isdecimal():
        return bytes(environ["wsgi.input"].read(min(int(length[:9]), MOST + 1)))
    if environ.get("wsgi.input_terminated"):  # the extension of Gunicorn, Werkzeug, ... for bodies in chunks
        return bytes(environ["wsgi.input"].read(MOST + 1))
    return NO_LENGTH


async def _read(receive: Receive) -> bytes | Reply:
    """The body of a request, or why it is not read."""
    body, more = b"", True
    try:
        async with asyncio.timeout(PATIENCE):
            while more:
                message = await receive()
                body += message.get("body", b"")
                # No more comes from a sender who has gone either; nobody reads what that is answered with.
                more = message.get("more_body", False)
                if len(body) > MOST:
                    return _hung_up(TOO_LARGE)
    except TimeoutError:
        return _hung_up(TOO_SLOW)
    return body


def _hung_up(refused: Reply) -> Reply:
    """With the rest of the body unread, the connection is of no more use. WSGI leaves this to the server."""
    return refused._replace(headers=refused.headers | {"connection": "close"})
