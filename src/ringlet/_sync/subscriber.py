"""An application's subscriptions, kept right: the missing made, the ending renewed, the strays ended.

An application has one subscription for each pair of data type and operation, so several programs of one
application can be in each other's way. Ours are those that we made, which the archive remembers, and those
that call our callback.

Rules of this file:
* What is not ours is left alone, unless the wearer says to take it over.
* What was made is noted at once: killed at any point, the next check knows what is ours.
* One refusal spoils nothing else; what is refused is told with Oura's own words.
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

SOON = timedelta(days=7)
"""A subscription that ends within so long is renewed."""

Pair: TypeAlias = tuple[str, EventType]
"""A data type as webhooks call it, and an operation."""
Verb: TypeAlias = Literal["make", "move", "renew", "keep", "leave", "end"]


class Step(NamedTuple):
    """What to do about one pair."""

    verb: Verb
    pair: Pair
    id: str = ""
    """The subscription that it is done to; empty where one is made."""


@dataclass
class Standing:
    """How the subscriptions stand after a check."""

    steps: list[Step] = field(default_factory=list[Step])
    """What was done, or left."""
    refused: dict[Pair, str] = field(default_factory=dict[Pair, str])
    """What could not be done, and why."""

    def pairs(self, *verbs: Verb) -> list[Pair]:
        """What that was done about."""
        return [step.pair for step in self.steps if step.verb in verbs]

    @property
    def names(self) -> set[str]:
        """The data types that our callback hears everything of."""
        heard = set(self.pairs("make", "move", "renew", "keep"))
        types = [name for name, kind in TYPES.items() if kind.webhook]
        return {name for name in types if heard.issuperset(wanted([name]))}


def wanted(names: Iterable[str]) -> list[Pair]:
    """What to hear of: every operation of the types that have webhooks."""
    return list(product([TYPES[name].webhook for name in names if TYPES[name].webhook], EVENT_TYPES))


def steps(
    listed: Iterable[Subscription],
    pairs: Sequence[Pair],
    *,
    callback_url: str,
    made: set[str],
    take_over: bool,
    now: datetime,
) -> Iterator[Step]:
    """What is to be done about the subscriptions there are, for those that are wanted. Pure."""
    there = {(one.data_type, one.event_type): one for one in listed}
    for pair in pairs:
        one = there.pop(pair, None)
        if one is None:
            yield Step("make", pair)
        elif one.callback_url != callback_url:
            yield Step("move" if one.id in made or take_over else "leave", pair, one.id)
        else:
            yield Step("renew" if _ends_soon(one, now) else "keep", pair, one.id)
    for (data_type, event_type), one in there.items():
        if one.id in made:
            yield Step("end", (data_type, cast("EventType", event_type)), one.id)


def _ends_soon(one: Subscription, now: datetime) -> bool:
    try:
        return one.expires_at - now < SOON
    except ServerError:  # nobody knows when: renewed, it has an end that can be read
        return True


class Subscriber:
    """Keeps the subscriptions of one application, for one callback.

    `verification_token` is what the callback answers challenges to. Oura asks while a subscription is made or
    moved and never again, so each run may have a new one, and none is kept.
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

    async def check(self) -> Standing:
        """Put right what is not. Raises InvalidToken, ConnectionFailed, RateLimited, ServerError."""
        try:
            listed = await self.client.run(self.server_time.heard(subscriptions(self.app)))
        except InvalidToken as refused:
            raise InvalidToken(
                refused.detail, cure="see that OURA_CLIENT_ID and OURA_CLIENT_SECRET are the application's"
            ) from refused
        self._made &= {one.id for one in listed}
        standing = Standing()
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
                standing.steps.append(await self._take(step))
            except (BadRequest, UsageError) as refused:  # the latter where an id cannot be one
                standing.refused[step.pair] = refused.message
            except DocumentNotFound:  # somebody else ended it: the next check sees to it
                continue
        return standing

    async def _take(self, step: Step) -> Step:
        flow = self._flow(step)
        if flow is not None:
            one = await self.client.run(flow)
            step = step._replace(id=one.id if one else step.id)
        if step.verb == "end":
            self._made -= {step.id}
        elif step.verb != "leave":
            self._made |= {step.id}
        return step

    def _flow(self, step: Step) -> Flow[Subscription] | Flow[None] | None:
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
        """The ids of what is ours."""
        return set(msgspec.json.decode(self.archive.setting(self._setting) or "[]", type=list[str]))

    @_made.setter
    def _made(self, ids: set[str]) -> None:
        if ids != self._made:
            self.archive.set_setting(self._setting, msgspec.json.encode(sorted(ids)).decode())
