"""Subscriptions to webhooks, pure: the six calls as flows, and their faces on both clients.

They belong to an application, which proves itself by its secret (`x-client-id`, `x-client-secret`); no
wearer's token is asked for. There is one subscription for each pair of data type and event type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from .._api.faces import AsyncRunner, Runner
from .._api.kinds import decode
from .._api.wire import Flow, Request, Response, refusal
from .._oauth.grant import App
from ..errors import BadRequest, DocumentNotFound, ServerError, UsageError
from .events import EventType

SUBSCRIPTION = "/v2/webhook/subscription"
LIFE = timedelta(days=90)
"""How long a subscription lives, and lives on when it is renewed."""


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """One application's wish to hear of one kind of change."""

    id: str
    callback_url: str
    event_type: EventType | str
    data_type: str
    expiration_time: str | None = None
    """As Oura writes it: without a zone, which means UTC. What is no date hides no other subscription."""

    @property
    def expires_at(self) -> datetime:
        """When it ends unless renewed; aware. Raises ServerError where it is no date."""
        text = self.expiration_time or ""
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise ServerError(
                f"{text[:40]!r} is no expiration_time", status=502, cure="renew the subscription"
            ) from None
        return at if at.tzinfo else at.replace(tzinfo=UTC)


S = TypeVar("S")


def _ask(app: App, shape: type[S], method: str, path: str, wish: Mapping[str, str] | None = None) -> Flow[S]:
    response = yield from _send(app, method, path, wish)
    return decode(response.body, shape)


CALLBACK = "callback_url"
PROVE = "do what it says of the callback; it must answer its challenge, with the same verification token"


def _send(app: App, method: str, path: str, wish: Mapping[str, str] | None = None) -> Flow[Response]:
    if not app.client_secret:
        raise UsageError(
            "subscriptions belong to an application, which proves itself by its secret",
            cure="pass client_id and client_secret, or set OURA_CLIENT_ID and OURA_CLIENT_SECRET",
        )
    said = {"x-client-id": app.client_id, "x-client-secret": app.client_secret}
    request = Request(
        path=f"{SUBSCRIPTION}{path}",
        method=method,
        headers=said | ({"content-type": "application/json"} if wish is not None else {}),
        body=msgspec.json.encode(wish) if wish is not None else b"",
        bearer=False,
    )
    response = yield request
    if response.status < 400:
        return response
    refused = refusal(request, response)
    if response.status == 403:  # where elsewhere it is 404
        raise DocumentNotFound(refused.detail, status=403, cure="list the subscriptions to see what is there")
    if response.status == 409:
        raise BadRequest(refused.detail, status=409, cure="update or renew the subscription there is")
    if isinstance(refused, BadRequest) and refused.field == CALLBACK:
        refused.cure = PROVE
    raise refused


def _one(id: str) -> str:
    if not re.fullmatch(r"[\w-]+", id, re.ASCII):
        raise UsageError(f"{id!r} cannot be a subscription", cure="pass the `id` of a subscription")
    return f"/{id}"


def subscriptions(app: App) -> Flow[list[Subscription]]:
    """All subscriptions of an application."""
    return _ask(app, list[Subscription], "GET", "")


def subscription(app: App, id: str) -> Flow[Subscription]:
    """One subscription. Raises DocumentNotFound."""
    return _ask(app, Subscription, "GET", _one(id))


def subscribe(
    app: App, callback_url: str, verification_token: str, event_type: EventType, data_type: str
) -> Flow[Subscription]:
    """A new subscription; the callback is asked to prove itself before this returns. Raises BadRequest."""
    wish = {
        "callback_url": callback_url,
        "verification_token": verification_token,
        "event_type": event_type,
        "data_type": data_type,
    }
    return _ask(app, Subscription, "POST", "", wish)


def update(
    app: App,
    id: str,
    verification_token: str,
    *,
    callback_url: str | None = None,
    event_type: EventType | None = None,
    data_type: str | None = None,
) -> Flow[Subscription]:
    """Another callback, or another wish. Raises DocumentNotFound, BadRequest."""
    given = {"callback_url": callback_url, "event_type": event_type, "data_type": data_type}
    wish = {"verification_token": verification_token} | {k: v for k, v in given.items() if v is not None}
    return _ask(app, Subscription, "PUT", _one(id), wish)


def renew(app: App, id: str) -> Flow[Subscription]:
    """Another 90 days. Raises DocumentNotFound."""
    return _ask(app, Subscription, "PUT", f"/renew{_one(id)}")


def unsubscribe(app: App, id: str) -> Flow[None]:
    """End a subscription. Raises DocumentNotFound."""
    yield from _send(app, "DELETE", _one(id))


@dataclass(frozen=True)
class Webhooks:
    """An application's subscriptions. What each method raises stands at the function of its flow."""

    app: App
    runner: Runner

    def create(
        self, callback_url: str, verification_token: str, event_type: EventType, data_type: str
    ) -> Subscription:
        """A new subscription; the callback must answer a challenge meanwhile."""
        return self.runner.run(subscribe(self.app, callback_url, verification_token, event_type, data_type))

    def get(self, id: str) -> Subscription:
        """One subscription."""
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
        """Another callback, or another wish."""
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
        """Another 90 days."""
        return self.runner.run(renew(self.app, id))

    def delete(self, id: str) -> None:
        """End a subscription."""
        self.runner.run(unsubscribe(self.app, id))

    def list(self) -> list[Subscription]:
        """All of them."""
        return self.runner.run(subscriptions(self.app))


@dataclass(frozen=True)
class AsyncWebhooks:
    """An application's subscriptions, awaited. See `Webhooks`."""

    app: App
    runner: AsyncRunner

    async def create(
        self, callback_url: str, verification_token: str, event_type: EventType, data_type: str
    ) -> Subscription:
        """A new subscription; the callback must answer a challenge meanwhile."""
        flow = subscribe(self.app, callback_url, verification_token, event_type, data_type)
        return await self.runner.run(flow)

    async def get(self, id: str) -> Subscription:
        """One subscription."""
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
        """Another callback, or another wish."""
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
        """Another 90 days."""
        return await self.runner.run(renew(self.app, id))

    async def delete(self, id: str) -> None:
        """End a subscription."""
        await self.runner.run(unsubscribe(self.app, id))

    async def list(self) -> list[Subscription]:
        """All of them."""
        return await self.runner.run(subscriptions(self.app))
