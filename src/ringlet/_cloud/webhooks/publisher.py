"""Publishes events: logs the changes of documents, and creates a delivery for each subscription to a change.

An event is published in the transaction that changes its document, so the change, the event and its
deliveries are stored together or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ..._api.catalog import AnyKind
from ..._api.windows import MILLISECOND, from_ms
from ..._archive.archive import Archive, Observer
from ..._archive.documents import Change
from ..._webhooks.events import Event, EventType
from ..core.clock import Clock
from .deliveries import Deliveries
from .event_log import EventLog

SYNC_LATENCY: Final = timedelta(seconds=30)
"""How long after a sync of the ring its events are sent: about 30 seconds, by Oura's documentation."""
RETENTION: Final = timedelta(days=30)
"""How long events, deliveries and ended subscriptions are stored, on the cloud's clock."""


@dataclass(frozen=True)
class Published:
    """A published event, with its number in the log."""

    event: Event
    seq: int
    """The event's number in the log."""
    deliveries: int
    """How many deliveries the event has, one for each subscription to it."""


class Publisher:
    """Publishes the events of one archive."""

    def __init__(self, archive: Archive, clock: Clock, events: EventLog, deliveries: Deliveries) -> None:
        self.archive = archive
        self.clock = clock
        self.events = events
        self.deliveries = deliveries

    def observe(
        self, user: int, kind: AnyKind, changes: Sequence[Change], synced_at: int | None = None
    ) -> list[Published]:
        """Publish an event for each change of a user's documents. This method can be an archive's `observer`.

        Without `synced_at` the events happened now and are due now. With `synced_at` (epoch milliseconds on
        the cloud's clock) they happened when the ring was synced then, and are due `SYNC_LATENCY` later.
        """
        if not kind.webhook:
            return []
        due = None if synced_at is None else synced_at + SYNC_LATENCY // MILLISECOND
        return [
            self.publish(user, event_type, kind.webhook, id, at=synced_at, due=due)
            for event_type, id in changes
        ]

    def put(
        self, user: int, kind: AnyKind, data: bytes, *, seen_at: int, synced_at: int | None = None
    ) -> list[Published]:
        """Store documents as `Archive.put` does. Publishes and returns an event for each change."""
        published: list[Published] = []
        self.archive.put(user, kind, data, seen_at=seen_at, observer=self._observer(published, synced_at))
        return published

    def delete(
        self, user: int, kind: AnyKind, id: str, *, at: int, synced_at: int | None = None
    ) -> list[Published]:
        """Delete a document as `Archive.delete` does. If it existed, publishes and returns the event."""
        published: list[Published] = []
        self.archive.delete(user, kind, id, at, observer=self._observer(published, synced_at))
        return published

    def _observer(self, published: list[Published], synced_at: int | None) -> Observer:
        return lambda user, kind, changes: published.extend(self.observe(user, kind, changes, synced_at))

    def publish(
        self,
        user: int,
        event_type: EventType,
        data_type: str,
        object_id: str,
        *,
        at: int | None = None,
        due: int | None = None,
    ) -> Published:
        """Log one event and create its deliveries.

        `at` is when the event happened, `due` when it is to be sent: epoch milliseconds on the cloud's clock,
        default now.
        """
        now = self.clock.ms()
        at = now if at is None else at
        name = self.archive.user_name(user)
        assert name, "events are about users of the archive"
        event = Event(
            event_type=event_type,
            data_type=data_type,
            object_id=object_id,
            event_time=from_ms(at).isoformat(timespec="microseconds"),
            user_id=name,
        )
        with self.archive.transaction():
            self.archive.lock_changes()  # held until the commit: events are numbered in the order of commits
            seq = self.events.append(user, event_type, data_type, at, event.body)
            deliveries = self.deliveries.create(seq, user, data_type, event_type, now if due is None else due)
        return Published(event, seq, deliveries)

    def prune(self) -> None:
        """Delete events and deliveries older than `RETENTION`, and deliveries to ended subscriptions.

        If an event is still to be delivered, later events are kept, too, so that numbers have no gaps.
        """
        before = self.clock.ms() - RETENTION // MILLISECOND
        with self.archive.transaction():
            first = self.deliveries.prune(before, self.events.newest)
            if first is not None:
                self.events.delete_before(first)
