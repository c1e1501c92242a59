"""`/v2/webhook/subscription`: applications manage their subscriptions. Oura's six operations.

    GET     /v2/webhook/subscription              all of them, as a bare array
    POST    /v2/webhook/subscription              201; its callback is asked to prove itself meanwhile
    GET     /v2/webhook/subscription/{id}
    PUT     /v2/webhook/subscription/{id}         another callback or pair; the same proof
    DELETE  /v2/webhook/subscription/{id}         204
    PUT     /v2/webhook/subscription/renew/{id}   another 90 days

Rules of this file:
* An application proves itself with `x-client-id` and `x-client-secret`; who guesses waits, as at the token
  endpoint. The subscriptions of others do not exist for it: Oura answers 403 for an unknown id.
* A callback proves itself at every create and every update: an update always names the verification token
  anew. It is dialled as events are (`dial`), and has ten seconds. Without a proof nothing is stored.
* While a callback is asked, nothing is held; what was true before is looked at again when it has answered.
  An application has a few callbacks asked at a time: slow ones keep nobody else waiting.
* What refuses a callback is 422 at the field `callback_url`: the specification knows no other refusal there.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakValueDictionary

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..._api.windows import Dialect
from ..._net.dial import Dialer, Exchange
from ..._webhooks import events
from ..._webhooks.subscriptions import SUBSCRIPTION_PATH
from ...errors import ApiError, OAuthError
from ..core.answers import Answer, Refused, flawed, ok, problem, refuse, trace_id
from ..core.bodies import read_body
from ..core.rate_limit import RateLimit
from ..core.throttle import Throttle, throttle_key
from ..oauth.applications import Applications
from .deliveries import Deliveries
from .request_bodies import Flawed, bare, read_create, read_update, unproved
from .subscriptions import Subscribed

CHALLENGES: Final = 4
"""Callbacks of one application that are asked to prove themselves at a time."""
ONE = f"{SUBSCRIPTION_PATH}/{{id}}"
RENEW = f"{SUBSCRIPTION_PATH}/renew/{{id}}"


@dataclass(frozen=True)
class Asking:
    """An application that was authenticated by its client id and secret."""

    client_id: str
    secret: str = field(repr=False)


class _Refused(Exception):
    def __init__(self, status: int, detail: str, retry_after: int = 0) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = [(b"retry-after", b"%d" % retry_after)] if retry_after else []


Handler = Callable[[Request, Asking], Awaitable[Answer]]


class SubscriptionRoutes:
    """The routes of subscriptions."""

    def __init__(
        self,
        apps: Applications,
        deliveries: Deliveries,
        dialer: Dialer,
        dialect: Dialect,
        throttle: Throttle,
        rate_limit: RateLimit,
    ) -> None:
        self.apps = apps
        self.subscriptions = deliveries.subscriptions
        self.deliveries = deliveries
        self.dialer = dialer
        self.dialect: Dialect = dialect
        self.throttle = throttle
        self.rate_limit = rate_limit
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        """By application, as long as anybody there has or awaits one."""

    def routes(self) -> list[BaseRoute]:
        """Every one asks for an application."""
        return [
            Route(path, self._for_applications(handler), methods=[method])
            for path, method, handler in (
                (SUBSCRIPTION_PATH, "GET", self.list_all),
                (SUBSCRIPTION_PATH, "POST", self.create),
                (RENEW, "PUT", self.renew),
                (ONE, "GET", self.get),
                (ONE, "PUT", self.update),
                (ONE, "DELETE", self.delete),
            )
        ]

    async def list_all(self, request: Request, asking: Asking) -> Answer:
        """The active subscriptions of the application."""
        found = self.subscriptions.of(asking.client_id)
        return ok(msgspec.json.encode([one.shown(self.dialect) for one in found]))

    async def get(self, request: Request, asking: Asking) -> Answer:
        """One of them. Raises DocumentNotFound."""
        return self._shown(self.subscriptions.get(asking.client_id, request.path_params["id"]))

    async def create(self, request: Request, asking: Asking) -> Answer:
        """A new one. Raises Flawed, BadRequest 409."""
        wanted = read_create(await read_body(request))
        _check_secret(asking)
        self.subscriptions.check_free(asking.client_id, wanted.event_type, wanted.data_type)
        await self._prove(asking, wanted.callback_url, wanted.verification_token)
        with self._held(asking):
            made = self.subscriptions.create(
                asking.client_id, wanted.callback_url, wanted.event_type, wanted.data_type
            )
        return self._shown(made)._replace(status=201)

    async def update(self, request: Request, asking: Asking) -> Answer:
        """Change callback, event type or data type. Raises Flawed, DocumentNotFound, BadRequest 409."""
        id: str = request.path_params["id"]
        was = self.subscriptions.get(asking.client_id, id)
        change = read_update(await read_body(request))
        _check_secret(asking)
        callback_url = was.callback_url if change.callback_url is None else change.callback_url
        await self._prove(asking, callback_url, change.verification_token)
        with self._held(asking):
            changed = self.subscriptions.change(
                asking.client_id,
                id,
                callback_url=callback_url,
                event_type=change.event_type,
                data_type=change.data_type,
            )
        return self._shown(changed)

    async def renew(self, request: Request, asking: Asking) -> Answer:
        """Another 90 days. Raises DocumentNotFound."""
        return self._shown(self.subscriptions.renew(asking.client_id, request.path_params["id"]))

    async def delete(self, request: Request, asking: Asking) -> Answer:
        """End it. Raises DocumentNotFound."""
        self.deliveries.unsubscribe(asking.client_id, request.path_params["id"])
        return Answer(204, b"", [])

    def _shown(self, one: Subscribed) -> Answer:
        return ok(msgspec.json.encode(one.shown(self.dialect)))

    # Who asks

    def _for_applications(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answered(request: Request) -> Response:
            try:
                answer = await handler(request, self._who(request))
            except _Refused as refused:
                answer = problem(self.dialect, refused.status, refused.detail, refused.headers)
            except Refused as refused:
                answer = problem(self.dialect, refused.status, refused.detail)
            except Flawed as wrong:
                answer = flawed(wrong.flaws)
            except ApiError as refused:
                answer = refuse(self.dialect, refused)
            headers = {name.decode(): value.decode() for name, value in answer.headers}
            return Response(answer.body, answer.status, headers | {"x-trace-id": trace_id().decode()})

        return answered

    def _who(self, request: Request) -> Asking:
        """The application, having proved itself."""
        asking = Asking(request.headers.get("x-client-id", ""), request.headers.get("x-client-secret", ""))
        if not asking.client_id or not asking.secret:
            raise _Refused(401, "x-client-id and x-client-secret are missing.")
        key = throttle_key(request, asking.client_id)
        if seconds := self.throttle.check(key):
            raise _Refused(429, "Too many attempts failed; wait a little.", seconds)
        try:
            self._prove_again(asking)
        except _Refused:
            self.throttle.failed(key)
            raise
        self.throttle.passed(key)
        if used_up := self.rate_limit.take(
            self.rate_limit.log(("application", asking.client_id)), time.monotonic()
        ):
            raise _Refused(429, "Request Rate Limit Exceeded.", used_up.retry_after_s)
        return asking

    def _prove_again(self, asking: Asking) -> None:
        try:
            self.apps.authenticate(asking.client_id, asking.secret)
        except OAuthError:
            raise _Refused(401, "Client authentication failed.") from None

    @contextmanager
    def _held(self, asking: Asking) -> Generator[None]:
        """A transaction in which the application is still what it was: none is deleted meanwhile."""
        with self.subscriptions.locked(asking.client_id):
            self._prove_again(asking)
            yield

    # The challenge

    async def _prove(self, asking: Asking, callback_url: str, verification_token: str) -> None:
        """Let a callback prove itself. Raises Flawed."""
        challenge = secrets.token_urlsafe(24)
        url = events.challenge_url(callback_url, verification_token, challenge)
        turn = self._turns.setdefault(asking.client_id, asyncio.Semaphore(CHALLENGES))
        async with turn:
            exchange = await self.dialer.send("GET", url, {"accept": "application/json"})
        if exchange.status is None or not events.is_proof(exchange.status, exchange.body, challenge):
            raise unproved(callback_url, _why(exchange))


def _why(exchange: Exchange) -> str:
    """Why that was no proof."""
    if exchange.status is None:
        return f"{exchange.reason}."
    if exchange.status == 200:
        return 'it answered 200, but not {"challenge": …} with the challenge it was sent.'
    if 300 <= exchange.status < 400:
        # What a framework does to a path without its last slash.
        there = bare(exchange.headers.get("location", "elsewhere"))
        return (
            f"it answered {exchange.status}, leading to {there[:200]}: name that, redirects are not followed."
        )
    return f"it answered {exchange.status}, where 200 proves it."


def _check_secret(asking: Asking) -> None:
    # What is kept of a secret signs as it does only if it is long: see `events.MIN_HASHED_SECRET_LENGTH`.
    if len(asking.secret) < events.MIN_HASHED_SECRET_LENGTH:
        raise _Refused(
            400, "This client secret is too short to sign events with; make a new one in the portal."
        )
