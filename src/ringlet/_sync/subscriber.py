"""Creates, renews, moves and deletes the webhook subscriptions of an application, as a sync needs them.

An application has one subscription for each pair of data type and event type, so several programs of one
application share them. Ours are those that we made (the archive remembers their ids) and those that have our
callback URL.

Rules of this file:
* A subscription that is not ours is left alone, unless the user asks to take it over.
* What was made is recorded at once: killed at any point, the next check knows which subscriptions are ours.
* A refusal does not stop the others. It is reported with Oura's own words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product
from typing import Literal, NamedTuple, TypeAlias, cast

import msgspec

from .._api.catalog import TYPES
from .._api.wire import Flow
from .._archive.archive import Archive
from .._archive.storage.settings import Setting
from .._client.client import AsyncClient
from .._oauth.grant import App
from .._webhooks.events import EVENT_TYPES, EventType
from .._webhooks.subscriptions import Subscription, renew, subscribe, subscriptions, unsubscribe, update
from ..errors import BadRequest, DocumentNotFound, InvalidToken, ServerError, UsageError
from .server_time import ServerTime

RENEW_BEFORE = timedelta(days=7)
"""How long before its end a subscription is renewed."""

Pair: TypeAlias = tuple[str, EventType]
"""A data type as webhooks call it, and an event type."""
Verb: TypeAlias = Literal["make", "move", "renew", "keep", "leave", "end"]


class SubscriptionStep(NamedTuple):
    """What to do about one pair."""

    verb: Verb
    pair: Pair
    id: str = ""
    """Of the subscription; empty where one is to be made."""


@dataclass
class SubscriptionReport:
    """The result of a check."""

    steps: list[SubscriptionStep] = field(default_factory=list[SubscriptionStep])
    """What was done, and which subscriptions were left alone."""
    refused: dict[Pair, str] = field(default_factory=dict[Pair, str])
    """What was refused, and why."""

    def pairs(self, *verbs: Verb) -> list[Pair]:
        """The pairs that one of these was done about."""
        return [step.pair for step in self.steps if step.verb in verbs]

    @property
    def names(self) -> set[str]:
        """The data types whose events all come to our callback."""
        subscribed = set(self.pairs("make", "move", "renew", "keep"))
        types = [name for name, kind in TYPES.items() if kind.webhook]
        return {name for name in types if subscribed.issuperset(wanted([name]))}


def wanted(names: Iterable[str]) -> list[Pair]:
    """The pairs to subscribe to: every event type of the data types that have webhooks."""
    return list(product([TYPES[name].webhook for name in names if TYPES[name].webhook], EVENT_TYPES))


def steps(
    listed: Iterable[Subscription],
    pairs: Sequence[Pair],
    *,
    callback_url: str,
    made: set[str],
    take_over: bool,
    now: datetime,
) -> Iterator[SubscriptionStep]:
    """What to do, given the subscriptions that are listed and the pairs that are wanted. Pure."""
    existing = {(one.data_type, one.event_type): one for one in listed}
    for pair in pairs:
        one = existing.pop(pair, None)
        if one is None:
            yield SubscriptionStep("make", pair)
        elif one.callback_url != callback_url:
            yield SubscriptionStep("move" if one.id in made or take_over else "leave", pair, one.id)
        else:
            yield SubscriptionStep("renew" if _ends_soon(one, now) else "keep", pair, one.id)
    for (data_type, event_type), one in existing.items():
        if one.id in made:
            yield SubscriptionStep("end", (data_type, cast("EventType", event_type)), one.id)


def _ends_soon(one: Subscription, now: datetime) -> bool:
    try:
        return one.expires_at - now < RENEW_BEFORE
    except ServerError:  # its end cannot be read: after a renewal it can
        return True


class Subscriber:
    """Maintains the subscriptions of one application, for one callback URL.

    `verification_token` is what the callback checks in challenges. Oura sends one while a subscription is
    made or moved, and never again: so each run makes up a new token, and none is stored.
    """

    def __init__(
        self,
        client: AsyncClient,
        app: App,
        archive: Archive,
        callback_url: str,
        verification_token: str,
        *,
        names: Iterable[str],
        take_over: bool = False,
        server_time: ServerTime | None = None,
    ) -> None:
        self.client = client
        self.app = app
        self.archive = archive
        self.callback_url = callback_url
        self.take_over = take_over
        self.pairs = wanted(names)
        self.server_time = server_time or ServerTime()
        self._verification_token = verification_token
        self._setting = Setting.SUBSCRIPTION_IDS.of(app.client_id)

    async def check(self) -> SubscriptionReport:
        """Do what is needed. Raises InvalidToken, ConnectionFailed, RateLimited, ServerError."""
        try:
            listed = await self.client.run(self.server_time.observe(subscriptions(self.app)))
        except InvalidToken as refused:
            raise InvalidToken(
                refused.detail, cure="check that OURA_CLIENT_ID and OURA_CLIENT_SECRET are the application's"
            ) from refused
        self._made &= {one.id for one in listed}
        report = SubscriptionReport()
        todo = steps(
            listed,
            self.pairs,
            callback_url=self.callback_url,
            made=self._made,
            take_over=self.take_over,
            now=self.server_time.now(),
        )
        for step in list(todo):
            try:
                report.steps.append(await self._take(step))
            except (BadRequest, UsageError) as refused:  # UsageError: an id that cannot be part of a path
                report.refused[step.pair] = refused.message
            except DocumentNotFound:  # another program deleted it: the next check makes it again
                continue
        return report

    async def _take(self, step: SubscriptionStep) -> SubscriptionStep:
        flow = self._flow(step)
        if flow is not None:
            one = await self.client.run(flow)
            step = step._replace(id=one.id if one else step.id)
        if step.verb == "end":
            self._made -= {step.id}
        elif step.verb != "leave":
            self._made |= {step.id}
        return step

    def _flow(self, step: SubscriptionStep) -> Flow[Subscription] | Flow[None] | None:
        data_type, event_type = step.pair
        match step.verb:
            case "make":
                return subscribe(self.app, self.callback_url, self._verification_token, event_type, data_type)
            case "move":
                return update(self.app, step.id, self._verification_token, callback_url=self.callback_url)
            case "renew":
                return renew(self.app, step.id)
            case "end":
                return unsubscribe(self.app, step.id)
            case "keep" | "leave":
                return None

    @property
    def _made(self) -> set[str]:
        """The ids of the subscriptions that we made."""
        return set(msgspec.json.decode(self.archive.setting(self._setting) or "[]", type=list[str]))

    @_made.setter
    def _made(self, ids: set[str]) -> None:
        if ids != self._made:
            self.archive.set_setting(self._setting, msgspec.json.encode(sorted(ids)).decode())
