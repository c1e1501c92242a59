"""Oura's six operations with which applications manage their webhook subscriptions.

    GET     /v2/webhook/subscription              lists the application's subscriptions, as a JSON array
    POST    /v2/webhook/subscription              creates one, after challenging its callback; answers 201
    GET     /v2/webhook/subscription/{id}         shows one
    PUT     /v2/webhook/subscription/{id}         changes callback, event type or data type, after a challenge
    DELETE  /v2/webhook/subscription/{id}         ends one; answers 204
    PUT     /v2/webhook/subscription/renew/{id}   lets one expire 90 days from now

Rules of this file:
* An application authenticates with `x-client-id` and `x-client-secret`. Failures are throttled, as at the
  token endpoint. The subscription of another application is answered like an unknown id: with 403, as Oura
  does.
* Creating and updating a subscription challenges its callback: the callback must repeat a random text within
  ten seconds. The challenge is sent by the same code as events (`dial`). If the callback does not answer it,
  nothing is stored.
* No lock is held while a callback is challenged. Afterwards the application and its subscriptions are checked
  again. Each application may have a few challenges under way, so its slow callbacks delay no other one.
* A callback that fails its challenge is refused with 422 at the field `callback_url`, because Oura's
  specification has no other error for it.
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
from ...errors import ApiError, OAuthError, UsageError
from ..core.answers import Answer, Refused, flawed, ok, problem, refuse, trace_id
from ..core.bodies import read_body
from ..core.rate_limit import RateLimit
from ..core.throttle import Throttle, throttle_key
from ..oauth.applications import Applications
from .deliveries import Deliveries
from .request_bodies import Flawed, bare, read_create, read_update, unproved
from .subscriptions import Subscribed

MAX_CHALLENGES_PER_APPLICATION: Final = 4
"""The most callbacks of one application that are challenged at the same time."""
SUBSCRIPTION_ID_PATH: Final = f"{SUBSCRIPTION_PATH}/{{id}}"
RENEWAL_PATH: Final = f"{SUBSCRIPTION_PATH}/renew/{{id}}"


@dataclass(frozen=True)
class Caller:
    """An application that was authenticated by its client id and secret."""

    client_id: str
    secret: str = field(repr=False)


Handler = Callable[[Request, Caller], Awaitable[Answer]]


class SubscriptionRoutes:
    """The routes under `/v2/webhook/subscription`."""

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
        self._challenges: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        """The semaphore of each application that has challenges under way, by client_id."""

    def routes(self) -> list[BaseRoute]:
        """The routes of the six operations. Each authenticates the application before it does anything."""
        return [
            Route(path, self._for_applications(handler), methods=[method])
            for path, method, handler in (
                (SUBSCRIPTION_PATH, "GET", self.list_all),
                (SUBSCRIPTION_PATH, "POST", self.create),
                (RENEWAL_PATH, "PUT", self.renew),
                (SUBSCRIPTION_ID_PATH, "GET", self.get),
                (SUBSCRIPTION_ID_PATH, "PUT", self.update),
                (SUBSCRIPTION_ID_PATH, "DELETE", self.delete),
            )
        ]

    async def list_all(self, request: Request, caller: Caller) -> Answer:
        """List the active subscriptions of the application."""
        found = self.subscriptions.of(caller.client_id)
        return ok(msgspec.json.encode([subscribed.shown(self.dialect) for subscribed in found]))

    async def get(self, request: Request, caller: Caller) -> Answer:
        """Show one subscription. Raises DocumentNotFound if it is not an active one of this application."""
        return self._shown(self.subscriptions.get(caller.client_id, request.path_params["id"]))

    async def create(self, request: Request, caller: Caller) -> Answer:
        """Create a subscription after its callback has answered a challenge.

        Raises Flawed for an invalid body or a failed challenge, BadRequest 409 if the application has a
        subscription for this event type and data type already, and Refused if the body is too long, the
        client secret is too short or the application was deleted meanwhile.
        """
        wanted = read_create(await read_body(request))
        self._check_form(wanted.callback_url)  # before the state: 422 takes precedence over 409
        _check_secret(caller)
        self.subscriptions.check_free(caller.client_id, wanted.event_type, wanted.data_type)
        await self._challenge(caller, wanted.callback_url, wanted.verification_token)
        with self._locked(caller):
            made = self.subscriptions.create(
                caller.client_id, wanted.callback_url, wanted.event_type, wanted.data_type
            )
        return self._shown(made)._replace(status=201)

    async def update(self, request: Request, caller: Caller) -> Answer:
        """Change callback, event type or data type, after the callback has answered a challenge.

        Raises DocumentNotFound if the subscription is not active, otherwise the errors of `create`.
        """
        id: str = request.path_params["id"]
        was = self.subscriptions.get(caller.client_id, id)
        change = read_update(await read_body(request))
        _check_secret(caller)
        callback_url = was.callback_url if change.callback_url is None else change.callback_url
        await self._challenge(caller, callback_url, change.verification_token)
        with self._locked(caller):
            changed = self.subscriptions.change(
                caller.client_id,
                id,
                callback_url=callback_url,
                event_type=change.event_type,
                data_type=change.data_type,
            )
        return self._shown(changed)

    async def renew(self, request: Request, caller: Caller) -> Answer:
        """Let a subscription expire 90 days from now. Raises DocumentNotFound if it is not active."""
        return self._shown(self.subscriptions.renew(caller.client_id, request.path_params["id"]))

    async def delete(self, request: Request, caller: Caller) -> Answer:
        """End a subscription. Raises DocumentNotFound if it is not active."""
        self.deliveries.unsubscribe(caller.client_id, request.path_params["id"])
        return Answer(204, b"", [])

    def _shown(self, subscribed: Subscribed) -> Answer:
        return ok(msgspec.json.encode(subscribed.shown(self.dialect)))

    # Authentication of the application

    def _for_applications(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answered(request: Request) -> Response:
            try:
                answer = await handler(request, self._authenticated(request))
            except Refused as refused:
                wait = refused.retry_after
                retry_after = [(b"retry-after", b"%d" % wait)] if wait else []
                answer = problem(self.dialect, refused.status, refused.detail, retry_after)
            except Flawed as wrong:
                answer = flawed(wrong.flaws)
            except ApiError as refused:
                answer = refuse(self.dialect, refused)
            headers = {name.decode(): value.decode() for name, value in answer.headers}
            return Response(answer.body, answer.status, headers | {"x-trace-id": trace_id().decode()})

        return answered

    def _authenticated(self, request: Request) -> Caller:
        """Authenticate the application that sent a request.

        Raises Refused 401 if its credentials are missing or wrong, 429 after too many failures or requests.
        """
        caller = Caller(request.headers.get("x-client-id", ""), request.headers.get("x-client-secret", ""))
        if not caller.client_id or not caller.secret:
            raise Refused("Unauthorized", "x-client-id and x-client-secret are missing.", status=401)
        key = throttle_key(request, caller.client_id)
        if seconds := self.throttle.check(key):
            raise Refused(
                "Too many attempts",
                "Too many attempts failed; wait a little.",
                status=429,
                retry_after=seconds,
            )
        try:
            self._authenticate(caller)
        except Refused:
            self.throttle.failed(key)
            raise
        self.throttle.passed(key)
        if used_up := self.rate_limit.take(
            self.rate_limit.log(("application", caller.client_id)), time.monotonic()
        ):
            raise Refused(
                "Too many requests",
                "Request Rate Limit Exceeded.",
                status=429,
                retry_after=used_up.retry_after_s,
            )
        return caller

    def _authenticate(self, caller: Caller) -> None:
        """Check client id and secret. Raises Refused 401 if they are wrong."""
        try:
            self.apps.authenticate(caller.client_id, caller.secret)
        except OAuthError:
            raise Refused("Unauthorized", "Client authentication failed.", status=401) from None

    @contextmanager
    def _locked(self, caller: Caller) -> Generator[None]:
        """Begin a transaction that locks the application's subscriptions, and authenticate it again.

        The application may have been deleted or have got another secret while its callback was challenged.
        Then this raises Refused 401.
        """
        with self.subscriptions.locked(caller.client_id):
            self._authenticate(caller)
            yield

    # The challenge of a callback

    def _check_form(self, callback_url: str) -> None:
        """Check the form of a callback URL as the challenge does. Raises Flawed."""
        try:
            self.dialer.policy.check_url(callback_url)
        except UsageError as wrong:
            raise unproved(callback_url, f"{wrong.message}: {wrong.cure}.") from None

    async def _challenge(self, caller: Caller, callback_url: str, verification_token: str) -> None:
        """Send a random text to a callback. Raises Flawed unless the callback's response repeats the text."""
        challenge = secrets.token_urlsafe(24)
        url = events.challenge_url(callback_url, verification_token, challenge)
        semaphore = self._challenges.setdefault(
            caller.client_id, asyncio.Semaphore(MAX_CHALLENGES_PER_APPLICATION)
        )
        async with semaphore:
            exchange = await self.dialer.send("GET", url, {"accept": "application/json"})
        if exchange.status is None or not events.is_proof(exchange.status, exchange.body, challenge):
            raise unproved(callback_url, _challenge_failure(exchange))


def _challenge_failure(exchange: Exchange) -> str:
    """Say why a callback failed its challenge, in a sentence about the callback ("it answered ...")."""
    if exchange.status is None:
        return f"{exchange.reason}."
    if exchange.status == 200:
        return 'it answered 200, but its body is not {"challenge": …} with the challenge it was sent.'
    if 300 <= exchange.status < 400:
        # A common mistake: the callback URL lacks its trailing slash, and the web framework redirects to the
        # URL with the slash.
        target = bare(exchange.headers.get("location", "another address"))
        return (
            f"it answered {exchange.status}, a redirect to {target[:200]}. Redirects are not followed: pass"
            " the final URL as callback_url."
        )
    return f"it answered {exchange.status}; expected 200."


def _check_secret(caller: Caller) -> None:
    # The cloud stores only the hash of a secret. It can sign events with the hash only if the secret is
    # longer than HMAC's block: see `events.MIN_HASHED_SECRET_LENGTH`.
    if len(caller.secret) < events.MIN_HASHED_SECRET_LENGTH:
        raise Refused(
            "Client secret too short",
            "This client secret is too short to sign events with; make a new one in the portal.",
        )
