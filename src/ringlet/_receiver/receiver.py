"""A receiver of Oura's webhooks: answers the challenge, verifies events, stores them, then acknowledges them.

    from ringlet import webhooks

    hook = webhooks.receiver(client_secret, verification_token, handler=print)

Starlette, FastAPI       app.mount("/oura", hook)
alone                    uvicorn module:hook
Flask                    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/oura": hook.wsgi})

or in a request handler of a framework (this is Flask's; Django has `request.GET` and `request.body`):

    @app.route("/oura", methods=["GET", "POST"])
    def oura():
        reply = hook.handle(request.method, request.args, request.headers, request.get_data())
        return reply.body, reply.status, reply.headers

Rules of this file:
* An event is acknowledged after it is committed. If the commit fails, the response is 503, and Oura sends the
  event again.
* The body of a refusal has the reason in one sentence, and nothing else.
* A request body is read up to the length that an event can have, and no longer than Oura waits for a
  response.
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
from .._webhooks.events import (
    SIGNATURE_TOLERANCE,
    Event,
    answer_challenge,
    check_secrets,
    check_verification_token,
    verify,
)
from ..errors import ArchiveError, EventRejected, RingletError
from .answers import (
    ACKNOWLEDGED,
    NOT_ALLOWED,
    UNAVAILABLE,
    Reply,
    problem,
    reply,
)
from .bodies import read_asgi_body, read_wsgi_body
from .group_commit import GroupCommit
from .handler_worker import Handler, HandlerWorker
from .inbox import Inbox

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

log = logging.getLogger(__name__)


class Receiver:
    """An ASGI application that receives Oura's webhooks. `wsgi` and `handle` are for other frameworks.

    The `handler` is called with each event after the event's commit, one event at a time. It runs in a thread
    of the receiver; an async handler runs in the event loop that serves the requests. If the handler raises
    or the process ends, the handler is called with the same event again. After it has returned, it is not
    called with this event again, even if Oura sends the event again. Without a handler, events wait for a
    sync, which fetches the documents that they name. While a sync owns the inbox, events are stored for the
    sync, the handler is not called, and the log says why.

    No thread starts before the first request, so a receiver may be created before a server forks. If the
    receiver is the whole application, it starts and stops with the ASGI server. If it is mounted in another
    application or runs under WSGI, events of an earlier process wait for the first request or for `start`,
    and `close` stops the receiver gracefully. `with hook:` calls `start` and `close`, and so does
    `async with hook:` in the lifespan of an application.

    Args:
        client_secret: the application's secret, with which Oura signs events. While the secret is being
            replaced, a sequence of the old and the new secret.
        verification_token: the text with which the subscriptions were created. Oura's challenge must repeat
            it.
        inbox: where events are stored: an archive's path or URL, or an open Archive, which no other code may
            use meanwhile. Default: the archive of `ringlet sync`. It is opened by `start` or the first
            request.
        handler: a function or an async function that is called with each `Event`. Its result is ignored.
        on_commit: a function without arguments that a thread of the receiver calls after each commit, for
            example to wake a program that reads the inbox.
        tolerance: how far the time of a signature may differ from now, in either direction.
        clock: a function that returns the time in seconds since 1970.

    Raises:
        UsageError: a secret or the verification token is empty. (If the inbox cannot be opened, `start`
            raises ArchiveError, and requests are answered with 503.)
    """

    def __init__(
        self,
        client_secret: str | Sequence[str],
        verification_token: str,
        *,
        inbox: str | Path | Archive | None = None,
        handler: Handler | None = None,
        on_commit: Callable[[], None] | None = None,
        tolerance: timedelta = SIGNATURE_TOLERANCE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secrets = check_secrets(client_secret)
        check_verification_token(verification_token)
        self._verification_token = verification_token
        self._tolerance = tolerance
        self._clock = clock
        self._group_commit = GroupCommit(inbox or default_place(), clock, reopen=handler is None)
        self._worker = HandlerWorker(handler, self._group_commit, clock) if handler else None
        self._on_commit = on_commit
        self._group_commit.on_commit = self._committed

    # --- starting and stopping ---

    def start(self) -> None:
        """Open the inbox, and start to call the handler with its events.

        Raises ArchiveError if the inbox cannot be opened.
        """
        self._group_commit.call(Inbox.next_due)
        if self._worker:
            self._worker.start()

    def close(self) -> None:
        """Let the handler finish its event, store the events that have arrived, and release the inbox."""
        if self._worker:
            self._worker.stop()
        self._group_commit.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        """Start the receiver in an event loop, as in the lifespan of the application that mounts it."""
        if self._worker:
            self._worker.loop = asyncio.get_running_loop()
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # `close` waits for the handler in a thread, because an async handler needs this event loop to finish.
        await asyncio.to_thread(self.close)

    def _committed(self) -> None:
        if self._worker:
            self._worker.wake()
        if self._on_commit:
            self._on_commit()

    # --- requests without ASGI ---

    def handle(self, method: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Reply:
        """Return the response to a request. Blocks until its event is committed.

        Several threads may call this at the same time; one commit stores the events of all of them.
        """
        checked = self._check(method, query, headers, body)
        if isinstance(checked, Reply):
            return checked
        if self._worker:
            self._worker.start()
        try:
            self._group_commit.commit_blocking(checked)
        except ArchiveError as failed:
            return _unavailable(failed)
        return ACKNOWLEDGED

    def wsgi(
        self, environ: Mapping[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]
    ) -> Iterable[bytes]:
        """Answer a request as a WSGI application (PEP 3333)."""
        body = read_wsgi_body(environ) if environ["REQUEST_METHOD"] == "POST" else b""
        if isinstance(body, Reply):
            response = body
        else:
            query = _query(environ.get("QUERY_STRING", ""))
            headers = {
                name[5:].replace("_", "-"): value
                for name, value in environ.items()
                if name.startswith("HTTP_")
            }
            response = self.handle(environ["REQUEST_METHOD"], query, headers, body)
        status = f"{response.status} {HTTPStatus(response.status).phrase}"
        start_response(status, list(response.headers.items()))
        return [response.body]

    # --- requests under ASGI ---

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            response = await self._respond(scope, receive)
            headers = [(name.encode(), value.encode()) for name, value in response.headers.items()]
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            await send({"type": "http.response.body", "body": response.body})
        else:
            await send({"type": "websocket.close"})

    async def _respond(self, scope: Scope, receive: Receive) -> Reply:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = await read_asgi_body(receive) if scope["method"] == "POST" else b""
        if isinstance(body, Reply):
            return body
        query = _query(scope["query_string"].decode("latin-1"))
        checked = self._check(scope["method"], query, headers, body)
        if isinstance(checked, Reply):
            return checked
        if self._worker:
            self._worker.loop = asyncio.get_running_loop()
            self._worker.start()
        try:
            await self._group_commit.commit(checked)
        except ArchiveError as failed:
            return _unavailable(failed)
        return ACKNOWLEDGED

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """Start and stop the receiver with the server, by ASGI's lifespan protocol."""
        await receive()
        try:
            async with self:
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except RingletError as failed:
            await send({"type": "lifespan.startup.failed", "message": f"{failed}: {failed.cure}"})
        else:
            await send({"type": "lifespan.shutdown.complete"})

    # --- the check of a request, for ASGI, WSGI and `handle` ---

    def _check(
        self, method: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Event | Reply:
        """Check a request. Returns the event to store, or the response if there is no event to store."""
        try:
            if method == "GET":
                return reply(200, answer_challenge(self._verification_token, query))
            if method == "POST":
                return verify(self._secrets, headers, body, now=self._clock(), tolerance=self._tolerance)
        except EventRejected as refused:
            log.info("refused: %s", refused)
            return problem(refused.status, str(refused))
        return NOT_ALLOWED


receiver = Receiver
"""Another name for `Receiver`, for use as `webhooks.receiver(...)`."""


def _query(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True))


def _unavailable(failed: ArchiveError) -> Reply:
    log.warning("an event could not be stored: %s", failed)
    return UNAVAILABLE
