"""Creates, renews, moves and deletes the webhook subscriptions of an application, as a sync needs them.

An application has one subscription for each pair of data type and event type, so programs that use the same
application share its subscriptions. A subscription is ours if this sync made it (then the archive stores its
id) or if it has the callback URL of this sync.

Rules of this file:
* A subscription that is not ours is left alone, unless the user asks to take it over.
* The id of a new subscription is stored at once, so that after a kill the next check knows that it is ours.
* When Oura refuses one subscription, the others are still made. The report contains Oura's message.
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
"""How long before its expiration a subscription is renewed."""

Pair: TypeAlias = tuple[str, EventType]
"""A data type (by its name in webhooks) and an event type: what one subscription is about."""
SubscriptionAction: TypeAlias = Literal["make", "move", "renew", "keep", "leave", "end"]


class SubscriptionStep(NamedTuple):
    """What to do about the subscription for one pair of data type and event type."""

    action: SubscriptionAction
    pair: Pair
    id: str = ""
    """The id of the subscription; empty while the subscription is still to be made."""


@dataclass
class SubscriptionReport:
    """The result of one check of the subscriptions."""

    steps: list[SubscriptionStep] = field(default_factory=list[SubscriptionStep])
    """The steps that were carried out, including subscriptions that were left alone."""
    refused: dict[Pair, str] = field(default_factory=dict[Pair, str])
    """The pairs whose subscription Oura refused, each with Oura's reason."""

    def pairs(self, *actions: SubscriptionAction) -> list[Pair]:
        """The pairs for which one of these actions was carried out."""
        return [step.pair for step in self.steps if step.action in actions]

    @property
    def names(self) -> set[str]:
        """The data types that have, for every event type, a subscription with this sync's callback URL."""
        subscribed = set(self.pairs("make", "move", "renew", "keep"))
        types = [name for name, kind in TYPES.items() if kind.webhook]
        return {name for name in types if subscribed.issuperset(wanted([name]))}


def wanted(names: Iterable[str]) -> list[Pair]:
    """The pairs to subscribe to: every event type, for each of the named data types that has webhooks."""
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
    """Yield the steps that turn the listed subscriptions into the wanted ones: one for each of `pairs`.

    `made` are the ids of the subscriptions that this sync made. They end if their pair is no longer wanted.
    """
    existing = {(each.data_type, each.event_type): each for each in listed}
    for pair in pairs:
        subscription = existing.pop(pair, None)
        if subscription is None:
            yield SubscriptionStep("make", pair)
        elif subscription.callback_url != callback_url:
            yield SubscriptionStep(
                "move" if subscription.id in made or take_over else "leave", pair, subscription.id
            )
        else:
            yield SubscriptionStep(
                "renew" if _ends_soon(subscription, now) else "keep", pair, subscription.id
            )
    for (data_type, event_type), subscription in existing.items():
        if subscription.id in made:
            yield SubscriptionStep("end", (data_type, cast("EventType", event_type)), subscription.id)


def _ends_soon(subscription: Subscription, now: datetime) -> bool:
    try:
        return subscription.expires_at - now < RENEW_BEFORE
    except ServerError:  # The expiration time is not valid. A renewal sets a valid one.
        return True


class Subscriber:
    """Maintains the subscriptions of one application, for one callback URL.

    `verification_token` is the token that the receiver expects in a challenge. Oura sends a challenge only
    while a subscription is made or moved, so each run creates a new token, and no token is stored.
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
        """Make, move, renew and delete subscriptions as needed.

        Raises InvalidToken if Oura refuses the application's id or secret, and ConnectionFailed, RateLimited
        or ServerError if a request fails. Oura's refusals of single subscriptions are in the report.
        """
        try:
            listed = await self.client.run(self.server_time.observe(subscriptions(self.app)))
        except InvalidToken as refused:
            raise InvalidToken(
                refused.detail, cure="check that OURA_CLIENT_ID and OURA_CLIENT_SECRET are the application's"
            ) from refused
        self._made &= {subscription.id for subscription in listed}
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
            except (BadRequest, UsageError) as refused:  # UsageError if the id cannot be part of a path
                report.refused[step.pair] = refused.message
            except DocumentNotFound:
                # Another program deleted the subscription. The next check makes it again.
                continue
        return report

    async def _take(self, step: SubscriptionStep) -> SubscriptionStep:
        flow = self._flow(step)
        if flow is not None:
            subscription = await self.client.run(flow)
            step = step._replace(id=subscription.id if subscription else step.id)
        if step.action == "end":
            self._made -= {step.id}
        elif step.action != "leave":
            self._made |= {step.id}
        return step

    def _flow(self, step: SubscriptionStep) -> Flow[Subscription] | Flow[None] | None:
        data_type, event_type = step.pair
        match step.action:
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
        """The ids of the subscriptions that this sync made."""
        return set(msgspec.json.decode(self.archive.setting(self._setting) or "[]", type=list[str]))

    @_made.setter
    def _made(self, ids: set[str]) -> None:
        if ids != self._made:
            self.archive.set_setting(self._setting, msgspec.json.encode(sorted(ids)).decode())
