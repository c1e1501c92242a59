"""Delivers events: claims what is due, signs it, posts it, and writes down what came of it.

It does so in turns. A turn commits, in one transaction, everything that has come to an end since the last one
and the claims of what is tried next: however many receivers there are, the disk is waited for once.

Rules of this file:
* At least once: an outcome is written before anything forgets it. Where the archive cannot take it, the next
  turn tries again, and nothing new is claimed meanwhile.
* A receiver that hangs or fails slows nobody else, not even another on its host. Each has a few requests at
  a time, and after some failures in a row one at a time with pauses between, until one goes well.
* No application takes all: it may have as many requests under way as are free for others (Choudhury and
  Hahne, "Dynamic queue length thresholds"). So there is room for one more, however slow all others are.
* A signature is made for its attempt, with the real time and the key of that moment.
* When it is told to stop it finishes what is under way, and gives back the rest.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias

from ..._api.windows import seconds_to_ms
from ..._api.wire import Response, seconds_until_retry
from ..._net.dial import Dialer, Exchange
from ..._webhooks import events
from ...errors import ArchiveError
from ..oauth.applications import Applications
from .attempts import Attempt, fitting
from .deliveries import Deliveries
from .delivery_records import Claimed, Outcome, Ready
from .publisher import Publisher

NO_SECRET: Final = Exchange(reason="the application has no client secret to sign with")
DISCONNECTED: Final = Exchange(reason="the wearer has disconnected from the application")

Place: TypeAlias = tuple[str, str]
"""What tells a receiver: an application, and its callback URL without its query."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How hard it tries. Seconds of real time."""

    at_once: int = 256
    """Requests under way, to whomever."""
    each: int = 16
    """Requests under way to one receiver."""
    failures: int = 5
    """Failures of a receiver in a row, from which on it is tried one request at a time."""
    pause: float = 0.2
    """Between two requests to such a receiver."""
    lease: timedelta = timedelta(seconds=60)
    """How long a claim holds: longer than any request takes; no longer than `leases.MAX_LEASE_MS`."""
    look: float = 0.25
    """How often to look whether others have written, or the clock was moved."""
    backoff: float = 5.0
    """The longest pause while the archive cannot be written."""
    grace: float = 5.0
    """For what is under way when it is told to stop."""
    tidy: float = 3600.0
    """How often to prune what is too old to be stored."""


@dataclass
class Receiver:
    """What a sender remembers of a callback of an application."""

    under_way: int = 0
    failures: int = 0
    """In a row."""
    not_before: float = 0.0
    """Set by a failure."""


class Sender:
    """One sender. Any number of them may work on one archive, each in a process of its own."""

    def __init__(
        self,
        deliveries: Deliveries,
        publisher: Publisher,
        apps: Applications,
        dialer: Dialer,
        policy: Policy | None = None,
    ) -> None:
        self.deliveries = deliveries
        self.publisher = publisher
        self.apps = apps
        self.dialer = dialer
        self.policy = policy or Policy()
        self._receivers: dict[Place, Receiver] = {}
        """Those with something under way, and those whose last request failed."""
        self._of: Counter[str] = Counter()
        """Requests under way, by application."""
        self._under_way: dict[asyncio.Task[None], Claimed] = {}
        self._ended: list[Outcome] = []
        """What came to an end and is not written down yet."""
        self._tidied = 0.0

    async def run(self) -> None:
        """Deliver until cancelled."""
        wakeup = self.deliveries.wakeup
        troubled = 0
        try:
            while True:
                wakeup.clear()
                try:
                    self._turn()
                    troubled = 0
                except ArchiveError:  # busy, full or gone for now: nothing is lost by waiting
                    troubled += 1
                    await asyncio.sleep(min(self.policy.look * 2 ** min(troubled, 10), self.policy.backoff))
                    continue
                await wakeup.wait(self.policy.look)
        finally:
            await self._leave()

    def _turn(self) -> None:
        """Write down what has ended, claim what is next, and set it going."""
        wants = list(self._shares(self.deliveries.ready()))
        if self._ended or wants:
            written = len(self._ended)
            with self.deliveries.archive.transaction():
                self.deliveries.finish(self._ended)
                keys = {client: self.apps.signing_key(client) for client in {to.client_id for to, _ in wants}}
                claims = self.deliveries.claim(wants, self.policy.lease)
            del self._ended[:written]
            for claimed in claims:
                if claimed.connected:
                    self._begin(claimed, keys[claimed.to.client_id])
                else:
                    self._ended.append(_outcome(claimed, {}, time.time(), DISCONNECTED))
                    self.deliveries.wakeup.notify()
        if time.monotonic() - self._tidied > self.policy.tidy:
            self._tidied = time.monotonic()
            self.publisher.prune()
            self._forget_receivers()

    def _shares(self, ready: list[Ready]) -> Iterator[tuple[Ready, int]]:
        """How many more requests each of these subscriptions gets now."""
        free = self.policy.at_once - len(self._under_way)
        of = Counter(self._of)
        random.shuffle(ready)  # nobody is always the last
        for place, subscriptions in _by_receiver(ready).items():
            client = place[0]
            # When it has got them there are as many free as it has, or one fewer.
            left = max(0, min(self._room(place), (free - of[client] + 1) // 2))
            free -= left
            of[client] += left
            for others, one in zip(range(len(subscriptions), 0, -1), subscriptions, strict=True):
                share = -(-left // others)
                left -= share
                if share > 0:
                    yield one, share

    def _room(self, place: Place) -> int:
        receiver = self._receivers.get(place)
        if receiver is None:
            return self.policy.each
        if receiver.failures < self.policy.failures:
            return self.policy.each - receiver.under_way
        return int(not receiver.under_way and time.monotonic() >= receiver.not_before)

    def _begin(self, claimed: Claimed, key: bytes | None) -> None:
        self._receivers.setdefault(place_of(claimed.to), Receiver()).under_way += 1
        self._of[claimed.to.client_id] += 1
        self._under_way[asyncio.create_task(self._deliver(claimed, key))] = claimed

    async def _deliver(self, claimed: Claimed, key: bytes | None) -> None:
        began = time.time()
        signed: Mapping[str, str] = {}
        exchange: Exchange | None = None
        try:
            if key is None:
                exchange = NO_SECRET
            else:
                signed = events.signed_headers(key, claimed.body, now=began)
                exchange = await self.dialer.send("POST", claimed.to.callback_url, signed, claimed.body)
        finally:
            task = asyncio.current_task()
            assert task
            self._end(task, claimed.to)
        outcome = _outcome(claimed, signed, began, exchange)
        self._ended.append(outcome)
        self._note(place_of(claimed.to), good=outcome.attempt.good)

    def _end(self, task: asyncio.Task[None], to: Ready) -> None:
        """A request is not under way any more."""
        del self._under_way[task]
        self._receivers[place_of(to)].under_way -= 1
        self._of[to.client_id] -= 1
        if not self._of[to.client_id]:
            del self._of[to.client_id]

    def _note(self, place: Place, *, good: bool) -> None:
        """Remember how a request went, and look for the next."""
        receiver = self._receivers[place]
        receiver.failures = 0 if good else receiver.failures + 1
        if good and not receiver.under_way:
            del self._receivers[place]
        receiver.not_before = time.monotonic()
        if receiver.failures < self.policy.failures:
            self.deliveries.wakeup.notify()
        else:  # what came of it can wait for its next request: one commit for both
            receiver.not_before += self.policy.pause
            asyncio.get_running_loop().call_later(self.policy.pause, self.deliveries.wakeup.notify)

    def _forget_receivers(self) -> None:
        """Let go of those that failed and were not tried again: their subscriptions have ended."""
        before = time.monotonic() - self.policy.tidy
        for place, receiver in list(self._receivers.items()):
            if not receiver.under_way and receiver.not_before < before:
                del self._receivers[place]

    async def _leave(self) -> None:
        """Let what is under way come to its end, for a while; write it down, and give back the rest."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self.policy.grace)
        cut_off = dict(self._under_way)
        for task in cut_off:
            task.cancel()
        await asyncio.gather(*cut_off, return_exceptions=True)
        for _ in range(20):
            try:
                with self.deliveries.archive.transaction():
                    self.deliveries.finish(self._ended)
                    self.deliveries.release(cut_off.values())
                return
            except ArchiveError:  # the leases end in any case
                await asyncio.sleep(0.1)


def place_of(to: Ready) -> Place:
    """The receiver of a subscription."""
    return to.client_id, to.callback_url.partition("?")[0]


def _by_receiver(ready: list[Ready]) -> dict[Place, list[Ready]]:
    grouped: dict[Place, list[Ready]] = {}
    for one in ready:
        grouped.setdefault(place_of(one), []).append(one)
    return grouped


def _outcome(claimed: Claimed, signed: Mapping[str, str], began: float, exchange: Exchange) -> Outcome:
    attempt = Attempt(
        delivery_id=claimed.id,
        callback_url=claimed.to.callback_url,
        timestamp=signed.get("x-oura-timestamp", ""),
        signature=signed.get("x-oura-signature", ""),
        began_at=seconds_to_ms(began),
        took=round(exchange.took * 1000),
        status=exchange.status,
        reason=exchange.reason,
        response=exchange.body,
        response_headers=fitting(exchange.headers),
    )
    asked = None
    if exchange.status in (429, 503):
        asked = seconds_until_retry(Response(exchange.status, headers=exchange.headers))
    return Outcome(claimed, attempt, asked or 0.0)
