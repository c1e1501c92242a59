"""Working deliveries off: what is due is claimed, tried, and tried again. No HTTP here.

    waiting -> claimed by a sender -> an attempt -> delivered
                                                 -> waiting again, until it has had its retries -> failed
                                                 -> its subscription is gone (410), and all that waited for it

`delivery_log` is for whoever looks at them, `replays` sends them again.

Rules of this file:
* A claim is a lease: it ends by itself, so that what a killed sender held is delivered by another. Every
  claim has a number of its own, the fence; only who claimed last may say what came of it.
* What came of an attempt and what follows from it are one transaction.
* What is due is found subscription by subscription, each by one look into an index: a backlog costs nothing.
* What is claimed is looked at again: others may have ended its subscription, or written for one that had
  ended. What is about a wearer who has disconnected since is claimed to be written off, and not sent.
* Due times are on the cloud's clock; leases and attempts are in real time, see `outbox`. Where that is set
  back, a lease that ends further away than any lease does holds nobody up.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ..._api.windows import MILLISECOND
from ..._archive import leases
from ..._archive.archive import Archive
from ..._archive.storage.locks import Lock
from ..core.clock import Clock
from .attempts import COLUMNS, Attempt, columns_of
from .delivery_log import DeliveryLog, State
from .replays import Replays
from .subscriptions import Subscriptions

RETRIES: tuple[timedelta, ...] = tuple(
    timedelta(seconds=seconds) for seconds in (10, 30, 60, 120, 240, 360, 480, 600, 720, 900)
)
"""How long after each failure the next attempt is due. Oura documents ten retries over about an hour; how it
spreads them is not published. These make 58 minutes and 40 seconds."""
JITTER = 0.2
"""What part of a delay chance adds or takes, so that those who failed together do not come back together."""
LONGEST_RETRY_AFTER = 3600.0
"""Seconds; who asks to be left alone for longer is asked again after these."""
KEPT = 50
"""Attempts of a delivery that are kept, the last ones: it may be replayed without end."""


@dataclass(frozen=True)
class Ready:
    """A living subscription with something to deliver now."""

    subscription_id: str
    client_id: str
    callback_url: str


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A delivery that is this sender's until its lease ends."""

    id: int
    fence: int
    attempts: int
    """Those before, since it was first due or replayed."""
    to: Ready
    body: bytes
    connected: bool
    """Whether its wearer is still connected with the application; if not, it is not to be sent."""


@dataclass(frozen=True)
class Outcome:
    """What a sender has to say about what it claimed."""

    claimed: Claimed
    attempt: Attempt
    retry_after: float = 0.0
    """Seconds that the receiver asked to be left alone (429, 503)."""


_CLAIM = (
    "UPDATE webhook_deliveries SET fence = fence + 1, leased_until = ? WHERE id IN"
    " (SELECT id FROM webhook_deliveries WHERE subscription_id = ? AND due_at <= ?"
    " AND leased_until NOT BETWEEN ? AND ? ORDER BY due_at, id LIMIT ?)"
    " AND EXISTS (SELECT 1 FROM webhook_subscriptions WHERE id = ? AND callback_url = ?"
    " AND ended_at IS NULL AND expires_at > ?)"
)
_CONNECTED = (
    "SELECT g.id FROM webhook_events e JOIN oauth_grants g ON g.user_id = e.user_id"
    " WHERE e.seq = event_seq AND g.client_id = ? AND g.ended_at IS NULL AND g.expires_at > ? LIMIT 1"
)


class Deliveries(Replays, DeliveryLog):
    """All deliveries, in the archive's database."""

    def __init__(
        self,
        archive: Archive,
        clock: Clock,
        subscriptions: Subscriptions,
        retries: Sequence[timedelta] = RETRIES,
    ) -> None:
        super().__init__(archive, clock)
        self.subscriptions = subscriptions
        self.retries = retries

    def ready(self) -> list[Ready]:
        """The living subscriptions with something that is due and that nobody has claimed."""
        now = self.clock.ms()
        # A scalar subquery, because planners make of EXISTS a join, and of a join a walk through the backlog.
        rows = self.db.all(
            "SELECT s.id, s.client_id, s.callback_url FROM webhook_subscriptions s"
            " WHERE s.ended_at IS NULL AND s.expires_at > ? AND (SELECT d.id FROM webhook_deliveries d"
            " WHERE d.subscription_id = s.id AND d.due_at <= ? AND d.leased_until NOT BETWEEN ? AND ?"
            " ORDER BY d.due_at, d.id LIMIT 1) IS NOT NULL",
            (now, now, *leases.active(_real_ms())),
        )
        return [Ready(*row) for row in rows]

    def claim(self, wants: Iterable[tuple[Ready, int]], lease: timedelta) -> list[Claimed]:
        """Up to a number of deliveries of each of these subscriptions, those due first before others."""
        claimed: list[Claimed] = []
        with self.archive.transaction():
            self.db.lock(Lock.EVENTS)  # two senders would want the same ones
            for ready, most in wants:
                now, due = _real_ms(), self.clock.ms()
                rows = self.db.all(
                    f"{_CLAIM} RETURNING id, fence, attempts,"
                    f" (SELECT body FROM webhook_events WHERE seq = event_seq), ({_CONNECTED}) IS NOT NULL",
                    (
                        now + min(lease // MILLISECOND, leases.MAX_LEASE_MS),
                        *(ready.subscription_id, due, *leases.active(now), most),
                        *(ready.subscription_id, ready.callback_url, due),
                        *(ready.client_id, due),
                    ),
                )
                claimed += [
                    Claimed(
                        id=id, fence=fence, attempts=tried, to=ready, body=body, connected=bool(connected)
                    )
                    for id, fence, tried, body, connected in sorted(rows)
                ]
        return claimed

    def finish(self, outcomes: Sequence[Outcome]) -> None:
        """Write down what came of attempts, and what follows; nothing about what others have claimed since.

        Doing it again changes nothing: whoever lost the answer to a commit may.
        """
        if not outcomes:
            return
        with self.archive.transaction():
            self.db.lock(Lock.EVENTS)
            self.db.many(
                f"INSERT INTO webhook_attempts ({COLUMNS}) SELECT d.id, (SELECT coalesce(max(number), 0) + 1"
                " FROM webhook_attempts WHERE delivery_id = d.id), ?, ?, ?, ?, ?, ?, ?, ?, ?"
                " FROM webhook_deliveries d WHERE d.id = ? AND d.fence = ?",
                [(*columns_of(one.attempt), one.claimed.id, one.claimed.fence) for one in outcomes],
            )
            self._forget_first(outcomes)
            stands = [(one, *self._standing(one)) for one in outcomes]
            self.db.many(
                "UPDATE webhook_deliveries SET state = ?, due_at = ?, attempts = attempts + 1,"
                " leased_until = 0, fence = fence + 1 WHERE id = ? AND fence = ?",
                [
                    (*self._follows(one, before, gone), one.claimed.id, one.claimed.fence)
                    for one, before, gone in stands
                    if before is not None
                ],
            )
            for id in {one.claimed.to.subscription_id for one, _, gone in stands if gone}:
                self.subscriptions.end(id, "gone")

    def _forget_first(self, outcomes: Sequence[Outcome]) -> None:
        """Let go of the first attempts of a delivery where there are too many."""
        newest = "SELECT max(number) FROM webhook_attempts WHERE delivery_id = ?"
        # Each claim has a number of its own: one that was claimed less often cannot have as many.
        for id in {one.claimed.id for one in outcomes if one.claimed.fence > KEPT}:
            row = self.db.one(newest, (id,))
            if row and row[0] and row[0] > KEPT:
                self.db.execute(
                    "DELETE FROM webhook_attempts WHERE delivery_id = ? AND number <= ?", (id, row[0] - KEPT)
                )

    def _standing(self, outcome: Outcome) -> tuple[int | None, bool]:
        """The attempts before this one (it may have been replayed meanwhile), and whether it ends all.

        None where the claim does not stand any more. A callback that answers 410 ends its subscription; one
        that was left for another meanwhile does not.
        """
        row = self.db.one(
            "SELECT d.attempts, s.callback_url FROM webhook_deliveries d"
            " JOIN webhook_subscriptions s ON s.id = d.subscription_id WHERE d.id = ? AND d.fence = ?",
            (outcome.claimed.id, outcome.claimed.fence),
        )
        if row is None:
            return None, False
        return row[0], outcome.attempt.status == 410 and row[1] == outcome.claimed.to.callback_url

    def release(self, claims: Iterable[Claimed]) -> None:
        """Give back what was claimed and not tried, for others to claim at once."""
        self.db.many(
            "UPDATE webhook_deliveries SET leased_until = 0, fence = fence + 1 WHERE id = ? AND fence = ?",
            [(one.id, one.fence) for one in claims],
        )

    def next_due(self) -> int | None:
        """When the next attempt is due, claimed or not: epoch milliseconds on the cloud's clock."""
        row = self.db.one(
            "SELECT min((SELECT d.due_at FROM webhook_deliveries d WHERE d.subscription_id = s.id"
            " AND d.due_at IS NOT NULL ORDER BY d.due_at LIMIT 1)) FROM webhook_subscriptions s"
            " WHERE s.ended_at IS NULL AND s.expires_at > ?",
            (self.clock.ms(),),
        )
        return row[0] if row else None

    def due(self, now: int | None = None) -> bool:
        """Whether anything is due by an instant (default: by now) and not through yet, claimed or not."""
        soonest = self.next_due()
        return soonest is not None and soonest <= (self.clock.ms() if now is None else now)

    def _follows(self, outcome: Outcome, before: int, gone: bool) -> tuple[State, int | None]:
        """What a delivery is after an attempt, and when the next is due."""
        if outcome.attempt.good:
            return "delivered", None
        if gone or not outcome.claimed.connected or before >= len(self.retries):
            return "failed", None
        delay = self.retries[before] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
        asked = timedelta(seconds=min(outcome.retry_after, LONGEST_RETRY_AFTER))
        return "waiting", self.clock.ms() + max(delay, asked) // MILLISECOND


def _real_ms() -> int:
    return time.time_ns() // 1_000_000
