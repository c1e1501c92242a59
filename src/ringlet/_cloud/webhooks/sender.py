"""Delivers events to callbacks: claims due deliveries, signs and posts them, and stores the outcomes.

The sender works in turns. One transaction in each turn stores the outcomes of the requests that have ended
since the last turn, and claims the next deliveries. So the number of disk writes does not grow with the
number of receivers.

Rules of this file:
* Events are delivered at least once: the sender remembers an outcome until it is stored. While the archive
  cannot be written, nothing new is claimed, and the next turn tries to store the outcome again.
* A receiver that hangs or fails slows down no other receiver, not even one on the same host. The sender has a
  few requests to each receiver under way. After several failures in a row it sends that receiver one request
  at a time, with pauses, until a request succeeds.
* An application may have at most as many requests under way as are left for all other applications (Choudhury
  and Hahne, "Dynamic queue length thresholds"). So one slow application cannot use up all requests.
* Each attempt is signed anew, with the real time and the application's current key.
* When the sender is cancelled, it lets the requests under way finish and releases its other claims.
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
"""Identifies a receiver: the application's client_id, and the callback URL without its query."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The limits and intervals of a sender. Durations are real time."""

    max_requests: int = 256
    """The most requests under way to all receivers together."""
    max_requests_per_receiver: int = 16
    """The most requests under way to one receiver."""
    failures_until_slow: int = 5
    """After this many failures in a row, a receiver has one request under way at a time."""
    slow_pause_s: float = 0.2
    """Seconds between two requests to a receiver that keeps failing."""
    lease: timedelta = timedelta(seconds=60)
    """How long a claim is valid. It must exceed the longest request, but not `leases.MAX_LEASE_MS`."""
    poll_s: float = 0.25
    """Seconds between two lookups of deliveries that another process or a moved clock has made due."""
    max_backoff_s: float = 5.0
    """The longest pause, in seconds, between two attempts to write to an archive that cannot be written."""
    stop_grace_s: float = 5.0
    """How many seconds a cancelled sender lets the requests under way continue."""
    prune_every_s: float = 3600.0
    """Seconds between two deletions of old events and deliveries."""


@dataclass
class Receiver:
    """What a sender remembers of one receiver."""

    under_way: int = 0
    """How many requests are under way to this receiver."""
    failures: int = 0
    """How many requests to this receiver have failed in a row."""
    not_before: float = 0.0
    """The earliest time of the next request to a receiver that keeps failing, by `time.monotonic`."""


class Sender:
    """Delivers the events of one archive. Several processes may each run a sender over the same archive."""

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
        """Receivers that have requests under way or whose last request failed."""
        self._under_way_of: Counter[str] = Counter()
        """How many requests are under way for each application, by client_id."""
        self._under_way: dict[asyncio.Task[None], Claimed] = {}
        self._ended: list[Outcome] = []
        """Outcomes of requests that have ended, until they are stored."""
        self._pruned_at = 0.0

    async def run(self) -> None:
        """Deliver events until the task is cancelled."""
        wakeup = self.deliveries.wakeup
        failed_turns = 0
        try:
            while True:
                wakeup.clear()
                try:
                    self._turn()
                    failed_turns = 0
                except ArchiveError:
                    # The archive is busy, full or unreachable. Nothing is lost: outcomes stay in `_ended`.
                    failed_turns += 1
                    pause = self.policy.poll_s * 2 ** min(failed_turns, 10)
                    await asyncio.sleep(min(pause, self.policy.max_backoff_s))
                    continue
                await wakeup.wait(self.policy.poll_s)
        finally:
            await self._stop()

    def _turn(self) -> None:
        """Store the outcomes of ended requests, claim the next deliveries, and begin to send these."""
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
        if time.monotonic() - self._pruned_at > self.policy.prune_every_s:
            self._pruned_at = time.monotonic()
            self.publisher.prune()
            self._forget_receivers()

    def _shares(self, ready: list[Ready]) -> Iterator[tuple[Ready, int]]:
        """How many deliveries of each subscription may be claimed and sent in this turn."""
        free = self.policy.max_requests - len(self._under_way)
        under_way_of = Counter(self._under_way_of)
        random.shuffle(ready)  # without this, the same receiver would always be served last
        for place, subscriptions in _by_receiver(ready).items():
            client_id = place[0]
            # An application may have as many requests under way as are free (see the rules above). Each new
            # request is one more under way and one less free, so half of the difference may be added.
            left = max(0, min(self._capacity(place), (free - under_way_of[client_id] + 1) // 2))
            free -= left
            under_way_of[client_id] += left
            for remaining, subscription in zip(range(len(subscriptions), 0, -1), subscriptions, strict=True):
                share = -(-left // remaining)
                left -= share
                if share > 0:
                    yield subscription, share

    def _capacity(self, place: Place) -> int:
        """How many more requests a receiver may have under way now."""
        receiver = self._receivers.get(place)
        if receiver is None:
            return self.policy.max_requests_per_receiver
        if receiver.failures < self.policy.failures_until_slow:
            return self.policy.max_requests_per_receiver - receiver.under_way
        return int(not receiver.under_way and time.monotonic() >= receiver.not_before)

    def _begin(self, claimed: Claimed, key: bytes | None) -> None:
        self._receivers.setdefault(place_of(claimed.to), Receiver()).under_way += 1
        self._under_way_of[claimed.to.client_id] += 1
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
        """Count a request as no longer under way."""
        del self._under_way[task]
        self._receivers[place_of(to)].under_way -= 1
        self._under_way_of[to.client_id] -= 1
        if not self._under_way_of[to.client_id]:
            del self._under_way_of[to.client_id]

    def _note(self, place: Place, *, good: bool) -> None:
        """Remember whether a request to a receiver succeeded, and wake the sender for the next turn."""
        receiver = self._receivers[place]
        receiver.failures = 0 if good else receiver.failures + 1
        if good and not receiver.under_way:
            del self._receivers[place]
        receiver.not_before = time.monotonic()
        if receiver.failures < self.policy.failures_until_slow:
            self.deliveries.wakeup.notify()
        else:
            # The sender is woken when the receiver's next delivery may be claimed. The same commit then
            # stores this outcome and claims that delivery.
            receiver.not_before += self.policy.slow_pause_s
            asyncio.get_running_loop().call_later(self.policy.slow_pause_s, self.deliveries.wakeup.notify)

    def _forget_receivers(self) -> None:
        """Forget receivers that failed long ago and had no request since: their subscriptions have ended."""
        before = time.monotonic() - self.policy.prune_every_s
        for place, receiver in list(self._receivers.items()):
            if not receiver.under_way and receiver.not_before < before:
                del self._receivers[place]

    async def _stop(self) -> None:
        """Let the requests under way finish within `stop_grace_s`, and cancel the others.

        The outcomes of finished requests are stored, and the claims of cancelled ones are released.
        """
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self.policy.stop_grace_s)
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
            except ArchiveError:  # if all attempts fail, the leases expire, and events are sent again
                await asyncio.sleep(0.1)


def place_of(to: Ready) -> Place:
    """Identify the receiver to which a subscription's events are sent."""
    return to.client_id, to.callback_url.partition("?")[0]


def _by_receiver(ready: list[Ready]) -> dict[Place, list[Ready]]:
    grouped: dict[Place, list[Ready]] = {}
    for subscription in ready:
        grouped.setdefault(place_of(subscription), []).append(subscription)
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
    retry_after = None
    if exchange.status in (429, 503):
        retry_after = seconds_until_retry(Response(exchange.status, headers=exchange.headers))
    return Outcome(claimed, attempt, retry_after or 0.0)
