"""Owns the table of deliveries: a row for each event and each subscription that is notified of it. No HTTP.

    waiting -> claimed by a sender -> an attempt -> delivered
                                                 -> waiting again, until the last retry has failed -> failed
                                                 -> the callback is gone (410): its subscription ends

Rules of this file:
* A claim is a lease that expires, so that another sender sends the deliveries of a killed sender. Each claim
  increments the row's `fence`. An outcome is stored only if the row still has the fence of its claim.
* An outcome, the delivery's new state and the end of a subscription are stored in one transaction.
* Due deliveries are looked up in an index, one subscription after the other, so the lookup takes no longer
  when many deliveries wait.
* A claim checks the subscription again, which may have ended or have another callback since `ready`. A
  delivery about a user who has disconnected from the application is claimed only to be marked as failed.
* `due_at` is on the cloud's clock, and NULL when no attempt is to follow. Leases and attempts are in real
  time, because connections take real time even while the cloud's clock is moved.
* Methods that add, claim or delete rows lock `Lock.EVENTS` first, as publishing an event does.
* SQL of other files does not name this table, but joins the subquery `DELIVERIES`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from ..._api.windows import MILLISECOND
from ..._archive import leases
from ..._archive.archive import Archive
from ..._archive.storage.locks import Lock
from ..._archive.storage.migrations import migrate
from ..._webhooks.events import EventType
from ..core.clock import Clock
from ..core.tables import Tables
from ..oauth import applications, connections
from .attempts import MAX_ATTEMPTS_STORED, Attempts
from .delivery_records import STATES, Claimed, Outcome, Ready, State
from .delivery_schema import MIGRATIONS
from .event_log import EVENTS
from .retries import RETRIES, retry_delay
from .subscriptions import ACTIVE_SUBSCRIPTIONS, SUBSCRIPTIONS, End, Subscriptions
from .wakeup import Wakeup

_FREE: Final = "due_at <= ? AND leased_until NOT BETWEEN ? AND ?"
"""An SQL condition: the delivery is due and not leased. Its values are the cloud's time (epoch milliseconds)
and the two values of `leases.active`."""
DELIVERIES: Final = "SELECT id, event_seq, subscription_id, state, attempts, due_at FROM webhook_deliveries"
"""A subquery of all deliveries, which statements of other files join."""


class Deliveries(Tables):
    """All deliveries and their attempts, in the archive's database."""

    MIGRATIONS = MIGRATIONS

    def __init__(
        self,
        archive: Archive,
        clock: Clock,
        subscriptions: Subscriptions,
        retries: Sequence[timedelta] = RETRIES,
    ) -> None:
        super().__init__(archive, clock)
        for joined in (applications.MIGRATIONS, connections.MIGRATIONS):
            migrate(self.db, joined)
        self.subscriptions = subscriptions
        self.retries = retries
        self.wakeup: Wakeup = Wakeup()
        """Wakes the sender of this process when a delivery has become due."""
        self._attempts = Attempts(self.db)

    def create(self, event_seq: int, user: int, data_type: str, event_type: EventType, due_at: int) -> int:
        """Create a delivery of an event for each active subscription to it. Returns how many were created.

        An application is notified of events of the users that are connected with it now, whatever scopes they
        granted. So does Oura: integrations in production, such as Tidepool's, skip events of data that they
        may not read.
        """
        now = self.clock.ms()
        self.db.lock(Lock.EVENTS)  # otherwise a subscription could end now and its new delivery would stay
        created = self.db.execute(
            "INSERT INTO webhook_deliveries"
            " (event_seq, subscription_id, due_at, state, attempts, fence, leased_until)"
            f" SELECT ?, s.id, ?, 'waiting', 0, 0, 0 FROM ({ACTIVE_SUBSCRIPTIONS}) AS s"
            " WHERE s.data_type = ? AND s.event_type = ?"
            f" AND s.client_id IN ({applications.REGISTERED_CLIENT_IDS})"
            f" AND s.client_id IN ({connections.CONNECTED_CLIENT_IDS})",
            (event_seq, due_at, now, data_type, event_type, user, now),
        )
        if created:
            self.wakeup.notify()
        return created

    # For senders

    def ready(self) -> list[Ready]:
        """The active subscriptions that have a delivery which is due and not claimed."""
        now = self.clock.ms()
        # This is a scalar subquery, because query planners turn EXISTS into a join, which would read all
        # waiting deliveries.
        rows = self.db.all(
            f"SELECT s.id, s.client_id, s.callback_url FROM ({ACTIVE_SUBSCRIPTIONS}) AS s WHERE (SELECT d.id"
            f" FROM webhook_deliveries d WHERE d.subscription_id = s.id AND {_FREE}"
            " ORDER BY d.due_at, d.id LIMIT 1) IS NOT NULL",
            (now, now, *leases.active(time.time_ns() // 1_000_000)),
        )
        return [Ready(*row) for row in rows]

    def claim(self, wants: Iterable[tuple[Ready, int]], lease: timedelta) -> list[Claimed]:
        """Claim due deliveries, the longest due first, for the time `lease`.

        `wants` pairs each subscription with the most deliveries to claim for it.
        """
        claimed: list[Claimed] = []
        user = f"(SELECT user_id FROM ({EVENTS}) AS e WHERE e.seq = event_seq)"
        statement = (
            "UPDATE webhook_deliveries SET fence = fence + 1, leased_until = ? WHERE id IN"
            f" (SELECT id FROM webhook_deliveries WHERE subscription_id = ? AND {_FREE}"
            " ORDER BY due_at, id LIMIT ?)"
            f" AND EXISTS (SELECT 1 FROM ({ACTIVE_SUBSCRIPTIONS}) AS s WHERE s.id = ? AND s.callback_url = ?)"
            f" RETURNING id, fence, attempts, (SELECT body FROM ({EVENTS}) AS e WHERE e.seq = event_seq),"
            f" {user} IN ({connections.CONNECTED_USERS})"
        )
        with self.archive.transaction():
            self.db.lock(Lock.EVENTS)  # otherwise two senders could claim the same delivery
            for ready, most in wants:
                now, due = time.time_ns() // 1_000_000, self.clock.ms()
                values = (
                    now + min(lease // MILLISECOND, leases.MAX_LEASE_MS),
                    *(ready.subscription_id, due, *leases.active(now), most),
                    *(due, ready.subscription_id, ready.callback_url),
                    *(ready.client_id, due),
                )
                claimed += [
                    Claimed(id, fence, before, ready, body, bool(connected))
                    for id, fence, before, body, connected in sorted(self.db.all(statement, values))
                ]
        return claimed

    def finish(self, outcomes: Sequence[Outcome]) -> None:
        """Store outcomes, the new states of their deliveries, and the end of subscriptions that answered 410.

        An outcome is ignored if its delivery was claimed again since. Storing an outcome twice changes
        nothing, so a sender that does not know whether its commit succeeded may store it again.
        """
        if not outcomes:
            return
        with self.archive.transaction():
            self.db.lock(Lock.EVENTS)
            current = [
                (outcome, attempts)
                for outcome in outcomes
                if (attempts := self._attempts_before(outcome)) is not None
            ]
            self._attempts.add([outcome.attempt for outcome, _ in current])
            for outcome, _ in current:
                # Each claim increments the fence, so a delivery has at most as many attempts as its fence.
                if outcome.claimed.fence > MAX_ATTEMPTS_STORED:
                    self._attempts.trim(outcome.claimed.id)
            gone = {outcome.claimed.to for outcome, _ in current if self._is_gone(outcome)}
            self.db.many(
                "UPDATE webhook_deliveries SET state = ?, due_at = ?, attempts = attempts + 1,"
                " leased_until = 0, fence = fence + 1 WHERE id = ? AND fence = ?",
                [
                    (*self._next(outcome, attempts, gone), outcome.claimed.id, outcome.claimed.fence)
                    for outcome, attempts in current
                ],
            )
            for to in gone:
                self.end(to.subscription_id, "gone")

    def _attempts_before(self, outcome: Outcome) -> int | None:
        """How many attempts came before this one since the last replay; None if the claim is outdated."""
        row = self.db.one(
            "SELECT attempts FROM webhook_deliveries WHERE id = ? AND fence = ?",
            (outcome.claimed.id, outcome.claimed.fence),
        )
        return row[0] if row else None

    def _is_gone(self, outcome: Outcome) -> bool:
        """Whether an outcome ends its subscription: a 410 from the subscription's current callback."""
        to = outcome.claimed.to
        return outcome.attempt.status == 410 and self.subscriptions.calls(to.subscription_id, to.callback_url)

    def _next(self, outcome: Outcome, before: int, gone: set[Ready]) -> tuple[State, int | None]:
        """The state of a delivery after an outcome, and when its next attempt is due (None for no more)."""
        claimed = outcome.claimed
        if outcome.attempt.good:
            return "delivered", None
        delay = retry_delay(before, outcome.retry_after, self.retries)
        if delay is None or not claimed.connected or (outcome.attempt.status == 410 and claimed.to in gone):
            return "failed", None
        return "waiting", self.clock.ms() + delay // MILLISECOND

    def release(self, claims: Iterable[Claimed]) -> None:
        """Release claimed deliveries that were not attempted: another sender can claim them at once."""
        self.db.many(
            "UPDATE webhook_deliveries SET leased_until = 0, fence = fence + 1 WHERE id = ? AND fence = ?",
            [(claimed.id, claimed.fence) for claimed in claims],
        )

    def next_due(self) -> int | None:
        """When the next attempt is due, in epoch milliseconds on the cloud's clock; None for no more."""
        row = self.db.one(
            "SELECT min((SELECT d.due_at FROM webhook_deliveries d WHERE d.subscription_id = s.id"
            f" AND d.due_at IS NOT NULL ORDER BY d.due_at LIMIT 1)) FROM ({ACTIVE_SUBSCRIPTIONS}) AS s",
            (self.clock.ms(),),
        )
        return row[0] if row else None

    def due(self) -> bool:
        """Whether any delivery is due now, claimed or not."""
        soonest = self.next_due()
        return soonest is not None and soonest <= self.clock.ms()

    # Replays: a replayed delivery is due now, and its retries are counted anew. If it is being sent now, it
    # keeps its lease, so it is never sent twice at the same time.

    def replay_one(self, id: int) -> bool:
        """Send a delivery again; False if it does not exist or its subscription has ended."""
        return bool(self._replay(None, "id = ?", id))

    def replay_range(self, client_id: str | None, first_ms: int, last_ms: int) -> int:
        """Send the events from `first_ms` to `last_ms` again, to one application or to all (None).

        The arguments are epoch milliseconds on the cloud's clock. Returns how many deliveries are sent again.
        """
        events = f"event_seq IN (SELECT seq FROM ({EVENTS}) AS e WHERE at BETWEEN ? AND ?)"
        return self._replay(client_id, events, first_ms, last_ms)

    def replay_failed(self, client_id: str | None) -> int:
        """Send all failed deliveries again, to one application or to all (None); returns how many."""
        return self._replay(client_id, "state = 'failed'")

    def _replay(self, client_id: str | None, which: str, *values: object) -> int:
        now = self.clock.ms()
        of_client, client = ("", ()) if client_id is None else (" WHERE client_id = ?", (client_id,))
        with self.archive.transaction():
            self.db.lock(Lock.EVENTS)
            replayed = self.db.execute(
                "UPDATE webhook_deliveries SET state = 'waiting', due_at = ?, attempts = 0"
                f" WHERE {which} AND subscription_id IN"
                f" (SELECT id FROM ({ACTIVE_SUBSCRIPTIONS}) AS s{of_client})",
                (now, *values, now, *client),
            )
        self.wakeup.notify()
        return replayed

    def counts(self) -> dict[State, int]:
        """How many deliveries are in each state. This reads the whole table."""
        found = self.db.all("SELECT state, count(*) FROM webhook_deliveries GROUP BY state")
        return dict.fromkeys(STATES, 0) | dict(found)

    # The end of subscriptions and of deliveries

    def unsubscribe(self, client_id: str, id: str) -> None:
        """End a subscription as its application requests. Raises DocumentNotFound if it is not active."""
        with self.subscriptions.locked(client_id):
            self.subscriptions.get(client_id, id)
            self.end(id, "deleted")

    def end(self, subscription_id: str, by: End) -> None:
        """End a subscription and delete its waiting deliveries, in the caller's transaction."""
        self.db.lock(Lock.EVENTS)
        self.subscriptions.mark_ended(subscription_id, by)
        self._delete("subscription_id = ? AND due_at IS NOT NULL", subscription_id)

    def delete_all_of(self, client_id: str) -> None:
        """Delete an application's subscriptions and deliveries; call it inside `Subscriptions.locked`."""
        self.db.lock(Lock.EVENTS)
        self._delete(
            f"subscription_id IN (SELECT id FROM ({SUBSCRIPTIONS}) AS s WHERE client_id = ?)", client_id
        )
        self.subscriptions.delete_all_of(client_id)

    def prune(self, before: int, newest_event: int) -> int | None:
        """Delete old deliveries, and waiting ones whose subscription has ended, in the caller's transaction.

        `before` is an instant (epoch ms), `newest_event` the number of the newest event. The first event that
        happened after `before`, is still to be delivered or is the newest is kept, with all later events and
        their deliveries. Returns the number of that event; None if there are no events.
        """
        self.db.lock(Lock.EVENTS)
        active = f"SELECT id FROM ({ACTIVE_SUBSCRIPTIONS}) AS s"
        self._delete(f"due_at IS NOT NULL AND subscription_id NOT IN ({active})", self.clock.ms())
        first = self.db.one(
            f"SELECT seq FROM ({EVENTS}) AS e WHERE at >= ? OR seq = ? OR EXISTS (SELECT 1"
            " FROM webhook_deliveries WHERE event_seq = seq AND due_at IS NOT NULL) ORDER BY seq LIMIT 1",
            (before, newest_event),
        )
        if first:
            self._delete("event_seq < ?", *first)
        self.subscriptions.delete_ended(before, "SELECT subscription_id FROM webhook_deliveries")
        return first[0] if first else None

    def _delete(self, which: str, value: object) -> None:
        self._attempts.delete(f"SELECT id FROM webhook_deliveries WHERE {which}", (value,))
        self.db.execute(f"DELETE FROM webhook_deliveries WHERE {which}", (value,))
