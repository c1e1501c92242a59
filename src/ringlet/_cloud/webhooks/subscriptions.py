"""Owns the table of subscriptions: which application is notified of which changes, at which callback URL.

Rules of this file:
* An application has one active subscription for each pair of data type and event type.
* A subscription expires after 90 days; renewing it sets the expiry to 90 days from then.
* An ended subscription stays in the table, with the reason of its end, so that the application's owner can
  see why no more events arrive. `Deliveries.end` ends a subscription and deletes its waiting deliveries.
* SQL of other files does not name this table, but joins the subqueries `ACTIVE_SUBSCRIPTIONS` and
  `SUBSCRIPTIONS`.
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
from ..._webhooks.subscriptions import SUBSCRIPTION_LIFETIME
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
ENDED_LISTED: Final = 50
"""How many ended subscriptions of an application are listed: those that ended last."""
COLUMNS = "id, client_id, callback_url, event_type, data_type, created_at, expires_at, ended_at, ended_by"
SUBSCRIPTIONS: Final = "SELECT id, client_id, callback_url FROM webhook_subscriptions"
"""A subquery of all subscriptions, ended or not, which statements of other files join."""
ACTIVE_SUBSCRIPTIONS: Final = (
    "SELECT id, client_id, callback_url, data_type, event_type FROM webhook_subscriptions"
    " WHERE ended_at IS NULL AND expires_at > ?"
)
"""A subquery of the subscriptions that have neither ended nor expired, which statements of other files join.

Its placeholder gets the time of the cloud's clock in epoch milliseconds.
"""

End: TypeAlias = Literal["deleted", "gone", "expired"]
"""What ended a subscription: its application deleted it, its callback answered 410, its 90 days were over."""


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
        """Convert the subscription to the form in which the API shows it.

        In the dialect `live` its expiration time has no time zone, as Oura's service sends it. In `docs` it
        has one, as Oura's documentation says.
        """
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
    def locked(self, client_id: str) -> Generator[None]:
        """Begin a transaction in which nothing else can change the application's subscriptions."""
        with self.archive.transaction():
            self.db.lock(Lock.SUBSCRIPTIONS, client_id)
            yield

    def check_free(self, client_id: str, event_type: str, data_type: str) -> None:
        """Raise BadRequest 409 if the application has an active subscription for this pair of types."""
        if self.db.one(
            "SELECT 1 FROM webhook_subscriptions WHERE client_id = ? AND event_type = ? AND data_type = ?"
            " AND ended_at IS NULL AND expires_at > ?",
            (client_id, event_type, data_type, self.clock.ms()),
        ):
            raise BadRequest(f"A subscription for {data_type} {event_type} exists already.", status=409)

    def create(self, client_id: str, callback_url: str, event_type: EventType, data_type: str) -> Subscribed:
        """Create a subscription of an application for a pair of event type and data type.

        Raises BadRequest 409 if the application has an active subscription for the same pair.
        """
        with self.locked(client_id):
            self._end_expired(client_id)
            self.check_free(client_id, event_type, data_type)
            now = self.clock.ms()
            id = str(uuid.uuid4())
            self.db.execute(
                f"INSERT INTO webhook_subscriptions ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
                (
                    id,
                    client_id,
                    callback_url,
                    event_type,
                    data_type,
                    now,
                    now + SUBSCRIPTION_LIFETIME // MILLISECOND,
                ),
            )
            return self.get(client_id, id)

    def get(self, client_id: str, id: str) -> Subscribed:
        """An active subscription of an application. Raises DocumentNotFound if it does not exist."""
        row = None
        if "\0" not in id:  # PostgreSQL refuses a text with NUL, which no id contains
            row = self.db.one(
                f"SELECT {COLUMNS} FROM webhook_subscriptions"
                " WHERE id = ? AND client_id = ? AND ended_at IS NULL AND expires_at > ?",
                (id, client_id, self.clock.ms()),
            )
        if row is None:
            raise DocumentNotFound("Webhook with specified id does not exist.", status=403)
        return _subscribed(row)

    def of(self, client_id: str, *, ended: bool = False) -> list[Subscribed]:
        """The active subscriptions of an application, oldest first. `ended` adds those that ended last."""
        of_client = f"SELECT {COLUMNS} FROM webhook_subscriptions WHERE client_id = ?"
        rows = self.db.all(f"{of_client} AND ended_at IS NULL", (client_id,))
        if ended:
            last_ended = f"{of_client} AND ended_at IS NOT NULL ORDER BY ended_at DESC, id LIMIT ?"
            rows += self.db.all(last_ended, (client_id, ENDED_LISTED))
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
        """Change those fields of a subscription whose new values are not None.

        Raises DocumentNotFound if the subscription is not active, and BadRequest 409 if the application has
        another active subscription for the new pair of event type and data type.
        """
        with self.locked(client_id):
            self._end_expired(client_id)
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
        """Let a subscription expire 90 days from now. Raises DocumentNotFound if it is not active."""
        with self.locked(client_id):
            self.get(client_id, id)
            until = self.clock.ms() + SUBSCRIPTION_LIFETIME // MILLISECOND
            self.db.execute("UPDATE webhook_subscriptions SET expires_at = ? WHERE id = ?", (until, id))
            return self.get(client_id, id)

    def calls(self, id: str, callback_url: str) -> bool:
        """Whether a subscription, ended or not, has this callback URL now."""
        found = self.db.one(
            f"SELECT 1 FROM ({SUBSCRIPTIONS}) AS s WHERE id = ? AND callback_url = ?", (id, callback_url)
        )
        return found is not None

    def mark_ended(self, id: str, by: End) -> None:
        """Store that a subscription ended and why. Only `Deliveries.end` calls this."""
        self.db.execute(
            "UPDATE webhook_subscriptions SET ended_at = ?, ended_by = ? WHERE id = ? AND ended_at IS NULL",
            (self.clock.ms(), by, id),
        )

    def delete_all_of(self, client_id: str) -> None:
        """Delete all subscriptions of an application. Only `Deliveries.delete_all_of` calls this."""
        self.db.execute("DELETE FROM webhook_subscriptions WHERE client_id = ?", (client_id,))

    def delete_ended(self, before: int, unless: str) -> None:
        """Delete subscriptions that ended before an instant (epoch ms).

        Subscriptions whose ids are found by the SELECT statement `unless` are kept.
        """
        self.db.execute(
            f"DELETE FROM webhook_subscriptions WHERE ended_at < ? AND id NOT IN ({unless})", (before,)
        )

    def _end_expired(self, client_id: str) -> None:
        """Mark the expired subscriptions of an application as ended.

        Otherwise the unique index would not allow new subscriptions for the same pair of types. The waiting
        deliveries of an expired subscription are never sent; the next `Deliveries.prune` deletes them.
        """
        self.db.execute(
            "UPDATE webhook_subscriptions SET ended_at = ?, ended_by = 'expired'"
            " WHERE client_id = ? AND ended_at IS NULL AND expires_at <= ?",
            (self.clock.ms(), client_id, self.clock.ms()),
        )


def _subscribed(row: Row) -> Subscribed:
    names = COLUMNS.split(", ")
    return Subscribed(**dict(zip(names, row, strict=True)))
