"""Webhook subscriptions: the six requests of the API as flows, and as methods of both clients. No I/O.

Subscriptions belong to an application, which authenticates with its id and secret and not with a user's
token. It has at most one subscription for each pair of data type and event type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from .._api.kinds import decode
from .._api.runners import AsyncRunner, Runner
from .._api.wire import Flow, Request, Response, refusal
from .._oauth.grant import App
from ..errors import BadRequest, DocumentNotFound, ServerError, UsageError
from .events import EventType

SUBSCRIPTION_PATH = "/v2/webhook/subscription"
SUBSCRIPTION_LIFETIME = timedelta(days=90)
"""How long a subscription lasts after it was created or renewed."""


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription of an application: a callback is sent the events of one type about one data type."""

    id: str
    callback_url: str
    event_type: EventType | str
    data_type: str
    expiration_time: str | None = None
    """ISO 8601 without a zone, meaning UTC. It is text, so that a list with one malformed date decodes."""

    @property
    def expires_at(self) -> datetime:
        """When the subscription ends unless it is renewed, with a zone. Raises ServerError for a bad date."""
        text = self.expiration_time or ""
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise ServerError(
                f"expiration_time is {text[:40]!r}, not a date", status=502, cure="renew the subscription"
            ) from None
        return at if at.tzinfo else at.replace(tzinfo=UTC)


S = TypeVar("S")


def _ask(
    app: App, shape: type[S], method: str, path: str, payload: Mapping[str, str] | None = None
) -> Flow[S]:
    response = yield from _send(app, method, path, payload)
    return decode(response.body, shape)


CALLBACK_FIELD = "callback_url"
_CALLBACK_CURE = "mend the callback: it must answer the challenge with the same verification token"


def _send(app: App, method: str, path: str, payload: Mapping[str, str] | None = None) -> Flow[Response]:
    if not app.client_secret:
        raise UsageError(
            "subscriptions need the client id and secret of the application",
            cure="pass client_id and client_secret, or set OURA_CLIENT_ID and OURA_CLIENT_SECRET",
        )
    credentials = {"x-client-id": app.client_id, "x-client-secret": app.client_secret}
    request = Request(
        path=f"{SUBSCRIPTION_PATH}{path}",
        method=method,
        headers=credentials | ({"content-type": "application/json"} if payload is not None else {}),
        body=msgspec.json.encode(payload) if payload is not None else b"",
        bearer=False,
    )
    response = yield request
    if response.status < 400:
        return response
    refused = refusal(request, response)
    if response.status == 403:  # For an unknown id Oura answers 403, unlike its other routes.
        raise DocumentNotFound(refused.detail, status=403, cure="list the subscriptions to see what is there")
    if response.status == 409:
        raise BadRequest(refused.detail, status=409, cure="update or renew the existing subscription")
    if isinstance(refused, BadRequest) and refused.field == CALLBACK_FIELD:
        refused.cure = _CALLBACK_CURE
    raise refused


def _path_of(id: str) -> str:
    if not re.fullmatch(r"[\w-]+", id, re.ASCII):
        raise UsageError(f"{id!r} cannot be the id of a subscription", cure="pass the `id` of a subscription")
    return f"/{id}"


def subscriptions(app: App) -> Flow[list[Subscription]]:
    """List all subscriptions of an application."""
    return _ask(app, list[Subscription], "GET", "")


def subscription(app: App, id: str) -> Flow[Subscription]:
    """Get one subscription. Raises DocumentNotFound."""
    return _ask(app, Subscription, "GET", _path_of(id))


def subscribe(
    app: App, callback_url: str, verification_token: str, event_type: EventType, data_type: str
) -> Flow[Subscription]:
    """Create a subscription; before it returns, Oura sends the callback a challenge. Raises BadRequest."""
    payload = {
        "callback_url": callback_url,
        "verification_token": verification_token,
        "event_type": event_type,
        "data_type": data_type,
    }
    return _ask(app, Subscription, "POST", "", payload)


def update(
    app: App,
    id: str,
    verification_token: str,
    *,
    callback_url: str | None = None,
    event_type: EventType | None = None,
    data_type: str | None = None,
) -> Flow[Subscription]:
    """Change the callback, event type or data type of a subscription. Raises DocumentNotFound, BadRequest."""
    given = {"callback_url": callback_url, "event_type": event_type, "data_type": data_type}
    payload = {"verification_token": verification_token} | {k: v for k, v in given.items() if v is not None}
    return _ask(app, Subscription, "PUT", _path_of(id), payload)


def renew(app: App, id: str) -> Flow[Subscription]:
    """Let a subscription last another 90 days from now. Raises DocumentNotFound."""
    return _ask(app, Subscription, "PUT", f"/renew{_path_of(id)}")


def unsubscribe(app: App, id: str) -> Flow[None]:
    """Delete a subscription. Raises DocumentNotFound."""
    yield from _send(app, "DELETE", _path_of(id))


@dataclass(frozen=True)
class Webhooks:
    """The methods of `client.webhooks`, for the webhook subscriptions of the client's application."""

    app: App
    runner: Runner

    def create(
        self, callback_url: str, verification_token: str, event_type: EventType, data_type: str
    ) -> Subscription:
        """Create a subscription. Before it returns, Oura sends the callback a challenge.

        Args:
            callback_url: the URL Oura sends events to; Oura must be able to reach it.
            verification_token: a long random text, by which the callback recognises its own challenges.
            event_type: "create", "update" or "delete".
            data_type: one of `webhooks.DATA_TYPES`.

        Returns:
            The subscription, which lasts 90 days unless it is renewed.

        Raises:
            BadRequest: the callback did not answer the challenge, or the subscription exists already (409).
            UsageError: the client has no client secret; nothing was sent.
            InvalidToken: Oura refuses the client id and secret.
            RateLimited, ServerError, ConnectionFailed: no usable answer; it may exist: list before you retry.
        """
        return self.runner.run(subscribe(self.app, callback_url, verification_token, event_type, data_type))

    def get(self, id: str) -> Subscription:
        """One subscription by its `id`.

        Raises:
            DocumentNotFound: this application has no subscription with this id.
            UsageError: the client has no client secret, or the id cannot be one; nothing was sent.
            InvalidToken, BadRequest: Oura refuses the client id and secret, or the request itself.
            RateLimited, ServerError, ConnectionFailed: no usable answer came, after all retries.
        """
        return self.runner.run(subscription(self.app, id))

    def update(
        self,
        id: str,
        verification_token: str,
        *,
        callback_url: str | None = None,
        event_type: EventType | None = None,
        data_type: str | None = None,
    ) -> Subscription:
        """Change a subscription. Before it returns, Oura sends the callback a challenge.

        Args:
            id: the `id` of the subscription.
            verification_token: see `create`.
            callback_url, event_type, data_type: the new values; None leaves a value as it is.

        Raises:
            DocumentNotFound: this application has no subscription with this id.
            UsageError: the client has no client secret, or the id cannot be one; nothing was sent.
            InvalidToken, BadRequest: Oura refuses the client id and secret, or the request itself.
            RateLimited, ServerError, ConnectionFailed: no usable answer came, after all retries.
        """
        flow = update(
            self.app,
            id,
            verification_token,
            callback_url=callback_url,
            event_type=event_type,
            data_type=data_type,
        )
        return self.runner.run(flow)

    def renew(self, id: str) -> Subscription:
        """Let a subscription last another 90 days from now.

        Raises:
            DocumentNotFound: this application has no subscription with this id.
            UsageError: the client has no client secret, or the id cannot be one; nothing was sent.
            InvalidToken, BadRequest: Oura refuses the client id and secret, or the request itself.
            RateLimited, ServerError, ConnectionFailed: no usable answer came, after all retries.
        """
        return self.runner.run(renew(self.app, id))

    def delete(self, id: str) -> None:
        """Delete a subscription.

        Raises:
            DocumentNotFound: this application has no subscription with this id.
            UsageError: the client has no client secret, or the id cannot be one; nothing was sent.
            InvalidToken, BadRequest: Oura refuses the client id and secret, or the request itself.
            RateLimited, ServerError, ConnectionFailed: no usable answer came, after all retries.
        """
        self.runner.run(unsubscribe(self.app, id))

    def list(self) -> list[Subscription]:
        """All subscriptions of the application.

        Raises:
            UsageError: the client has no client secret; nothing was sent.
            InvalidToken, BadRequest: Oura refuses the client id and secret, or the request itself.
            RateLimited, ServerError, ConnectionFailed: no usable answer came, after all retries.
        """
        return self.runner.run(subscriptions(self.app))


@dataclass(frozen=True)
class AsyncWebhooks:
    """The methods of `async_client.webhooks`, for the webhook subscriptions of the client's application."""

    app: App
    runner: AsyncRunner

    async def create(
        self, callback_url: str, verification_token: str, event_type: EventType, data_type: str
    ) -> Subscription:
        """Create a subscription. Arguments and errors: see `Webhooks.create`."""
        flow = subscribe(self.app, callback_url, verification_token, event_type, data_type)
        return await self.runner.run(flow)

    async def get(self, id: str) -> Subscription:
        """One subscription by its `id`. Errors: see `Webhooks.get`."""
        return await self.runner.run(subscription(self.app, id))

    async def update(
        self,
        id: str,
        verification_token: str,
        *,
        callback_url: str | None = None,
        event_type: EventType | None = None,
        data_type: str | None = None,
    ) -> Subscription:
        """Change a subscription. Arguments and errors: see `Webhooks.update`."""
        flow = update(
            self.app,
            id,
            verification_token,
            callback_url=callback_url,
            event_type=event_type,
            data_type=data_type,
        )
        return await self.runner.run(flow)

    async def renew(self, id: str) -> Subscription:
        """Let a subscription last another 90 days from now. Errors: see `Webhooks.renew`."""
        return await self.runner.run(renew(self.app, id))

    async def delete(self, id: str) -> None:
        """Delete a subscription. Errors: see `Webhooks.delete`."""
        await self.runner.run(unsubscribe(self.app, id))

    async def list(self) -> list[Subscription]:
        """All subscriptions of the application. Errors: see `Webhooks.list`."""
        return await self.runner.run(subscriptions(self.app))
