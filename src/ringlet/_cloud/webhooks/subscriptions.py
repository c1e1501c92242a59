"""Who wants to hear of what: the subscriptions of all applications. No HTTP here.

Rules of this file:
* An application has one living subscription for each pair of data type and event type.
* A subscription lives 90 days, and another 90 when it is renewed.
* One that ended stays, with what ended it, so that its owner can see why nothing comes any more. What was
  still to be delivered to it goes in the same transaction: nothing is sent after its end.
"""

from __future__ import annotations

import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import Final, Literal, TypeAlias

from ..._api.windows import MILLISECOND, Dialect, from_ms
from ..._archive.storage.database import Row
from ..._archive.storage.locks import Lock
from ..._archive.storage.migrations import Migrations
from ..._webhooks.events import EventType
from ..._webhooks.subscriptions import LIFE
from ..._webhooks.subscriptions import Subscription as Shown
from ...errors import BadRequest, DocumentNotFound
from ..core.tables import Tables

MIGRATIONS = Migrations(
    "subscriptions",
    """
CREATE TABLE IF NOT EXISTS webhook_subscriptions (
    id            TEXT PRIMARY KEY,
    client_id     TEXT NOT NULL,
    callback_url  TEXT NOT NULL,
    event_type    TEXT NOT NULL,
    data_type     TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    ended_at      INTEGER,
    ended_by      TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS webhook_subscriptions_living
    ON webhook_subscriptions (client_id, data_type, event_type) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS webhook_subscriptions_of_type
    ON webhook_subscriptions (data_type, event_type) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS webhook_subscriptions_ended
    ON webhook_subscriptions (client_id, ended_at) WHERE ended_at IS NOT NULL
""",
)
ENDED: Final = 50
"""How many of those that live no more are listed."""
COLUMNS = "id, client_id, callback_url, event_type, data_type, created_at, expires_at, ended_at, ended_by"

End: TypeAlias = Literal["deleted", "gone", "expired"]
"""What ended a subscription: its application, a callback that answered 410, its 90 days."""


@dataclass(frozen=True, kw_only=True)
class Subscribed:
    """One subscription. Instants are epoch milliseconds on the cloud's clock."""

    id: str
    client_id: str
    callback_url: str
    event_type: EventType
    data_type: str
    created_at: int
    expires_at: int
    ended_at: int | None
    ended_by: End | None

    def shown(self, dialect: Dialect) -> Shown:
        """As the API shows it: the service leaves the zone out, which a `date-time` of its documents has."""
        expires = from_ms(self.expires_at).replace(tzinfo=None if dialect == "live" else UTC)
        return Shown(
            id=self.id,
            callback_url=self.callback_url,
            event_type=self.event_type,
            data_type=self.data_type,
            expiration_time=expires.isoformat(timespec="microseconds"),
        )


class Subscriptions(Tables):
    """All subscriptions, in the archive's database."""

    MIGRATIONS = MIGRATIONS

    @contextmanager
    def held(self, client_id: str) -> Generator[None]:
        """A transaction in which nobody else changes what an application has subscribed to."""
        with self.archive.transaction():
            self.db.lock(Lock.SUBSCRIPTIONS, client_id)
            yield

    def check_free(self, client_id: str, event_type: str, data_type: str) -> None:
        """See that there is no living subscription for a pair. Raises BadRequest 409."""
        if self.db.one(
            "SELECT 1 FROM webhook_subscriptions WHERE client_id = ? AND event_type = ? AND data_type = ?"
            " AND ended_at IS NULL AND expires_at > ?",
            (client_id, event_type, data_type, self.clock.ms()),
        ):
            raise BadRequest(f"A subscription for {data_type} {event_type} exists already.", status=409)

    def create(self, client_id: str, callback_url: str, event_type: EventType, data_type: str) -> Subscribed:
        """A new subscription. Raises BadRequest 409 where there is one for the pair."""
        with self.held(client_id):
            self._expire(client_id)
            self.check_free(client_id, event_type, data_type)
            now = self.clock.ms()
            id = str(uuid.uuid4())
            self.db.execute(
                f"INSERT INTO webhook_subscriptions ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
                (id, client_id, callback_url, event_type, data_type, now, now + LIFE // MILLISECOND),
            )
            return self.get(client_id, id)

    def get(self, client_id: str, id: str) -> Subscribed:
        """A living subscription of an application. Raises DocumentNotFound."""
        row = None
        if "\0" not in id:  # not every database takes it, and no id of ours holds it
            row = self.db.one(
                f"SELECT {COLUMNS} FROM webhook_subscriptions"
                " WHERE id = ? AND client_id = ? AND ended_at IS NULL AND expires_at > ?",
                (id, client_id, self.clock.ms()),
            )
        if row is None:
            raise DocumentNotFound("Webhook with specified id does not exist.", status=403)
        return _subscribed(row)

    def of(self, client_id: str, *, ended: bool = False) -> list[Subscribed]:
        """An application's subscriptions, oldest first; with `ended`, the last that live no more as well."""
        mine = f"SELECT {COLUMNS} FROM webhook_subscriptions WHERE client_id = ?"
        rows = self.db.all(f"{mine} AND ended_at IS NULL", (client_id,))
        if ended:
            last = f"{mine} AND ended_at IS NOT NULL ORDER BY ended_at DESC, id LIMIT ?"
            rows += self.db.all(last, (client_id, ENDED))
        now = self.clock.ms()
        found = sorted(map(_subscribed, rows), key=lambda one: (one.created_at, one.id))
        return [one for one in found if ended or one.expires_at > now]

    def change(
        self,
        client_id: str,
        id: str,
        *,
        callback_url: str | None = None,
        event_type: EventType | None = None,
        data_type: str | None = None,
    ) -> Subscribed:
        """Another callback, or another wish. Raises DocumentNotFound, BadRequest 409."""
        with self.held(client_id):
            self._expire(client_id)
            was = self.get(client_id, id)
            pair = event_type or was.event_type, data_type or was.data_type
            if pair != (was.event_type, was.data_type):
                self.check_free(client_id, *pair)
            self.db.execute(
                "UPDATE webhook_subscriptions SET callback_url = ?, event_type = ?, data_type = ?"
                " WHERE id = ?",
                (callback_url or was.callback_url, *pair, id),
            )
            return self.get(client_id, id)

    def renew(self, client_id: str, id: str) -> Subscribed:
        """Another 90 days from now. Raises DocumentNotFound."""
        with self.held(client_id):
            self.get(client_id, id)
            until = self.clock.ms() + LIFE // MILLISECOND
            self.db.execute("UPDATE webhook_subscriptions SET expires_at = ? WHERE id = ?", (until, id))
            return self.get(client_id, id)

    def delete(self, client_id: str, id: str) -> None:
        """End it for its application. Raises DocumentNotFound."""
        with self.held(client_id):
            self.get(client_id, id)
            self.end(id, "deleted")

    def forget(self, client_id: str) -> None:
        """Let go of all that an application subscribed to, and of what became of it. In `held`."""
        self.db.lock(Lock.EVENTS)
        theirs = "SELECT id FROM webhook_subscriptions WHERE client_id = ?"
        deliveries = f"SELECT id FROM webhook_deliveries WHERE subscription_id IN ({theirs})"
        for what in (
            f"webhook_attempts WHERE delivery_id IN ({deliveries})",
            f"webhook_deliveries WHERE subscription_id IN ({theirs})",
            "webhook_subscriptions WHERE client_id = ?",
        ):
            self.db.execute(f"DELETE FROM {what}", (client_id,))

    def end(self, id: str, by: End) -> None:
        """End it, and with it what was still to be delivered. In a transaction."""
        self.db.lock(Lock.EVENTS)  # as senders do, so that they and we wait for each other in turn
        self.db.execute(
            "UPDATE webhook_subscriptions SET ended_at = ?, ended_by = ? WHERE id = ? AND ended_at IS NULL",
            (self.clock.ms(), by, id),
        )
        waiting = "webhook_deliveries WHERE subscription_id = ? AND due_at IS NOT NULL"
        self.db.execute(
            f"DELETE FROM webhook_attempts WHERE delivery_id IN (SELECT id FROM {waiting})", (id,)
        )
        self.db.execute(f"DELETE FROM {waiting}", (id,))

    def _expire(self, client_id: str) -> None:
        """End those of an application whose days are over, so that their pairs are free again."""
        for (id,) in self.db.all(
            "SELECT id FROM webhook_subscriptions"
            " WHERE client_id = ? AND ended_at IS NULL AND expires_at <= ?",
            (client_id, self.clock.ms()),
        ):
            self.end(id, "expired")


def _subscribed(row: Row) -> Subscribed:
    names = COLUMNS.split(", ")
    return Subscribed(**dict(zip(names, row, strict=True)))
