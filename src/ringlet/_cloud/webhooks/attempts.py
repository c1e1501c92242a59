"""The table of attempts: each request that was sent to deliver an event, and what came of it.

Rules of this file:
* A receiver's answer is stored as it came, its beginning. Whoever shows it must escape what it may contain.
* Of its headers those are stored that fit, whole: half a value would be another value.
* `Deliveries` creates this table with its own, and calls these verbs inside its transactions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from ..._archive.storage.database import Database, Row

ATTEMPTS_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS webhook_attempts (
    delivery_id      INTEGER NOT NULL,
    number           INTEGER NOT NULL,
    callback_url     TEXT NOT NULL,
    timestamp        TEXT NOT NULL,
    signature        TEXT NOT NULL,
    began_at         INTEGER NOT NULL,
    took             INTEGER NOT NULL,
    status           INTEGER,
    reason           TEXT NOT NULL,
    response         BLOB NOT NULL,
    PRIMARY KEY (delivery_id, number)
)
"""
ADD_RESPONSE_HEADERS: Final = (
    "ALTER TABLE webhook_attempts ADD COLUMN response_headers TEXT NOT NULL DEFAULT '{}'"
)

MAX_HEADERS_BYTES: Final = 4096
"""Bytes of an answer's headers that are stored, as JSON."""
MAX_ATTEMPTS_STORED: Final = 50
"""The last attempts of a delivery are stored: it may be replayed any number of times."""

_COLUMNS = (
    "delivery_id, number, callback_url, timestamp, signature, began_at, took, status, reason, response,"
    " response_headers"
)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One request, and what came of it. `began_at` is real epoch milliseconds, `took` milliseconds."""

    delivery_id: int
    number: int = 0
    """Counted by the table, from 1; a replay of the delivery counts on."""
    callback_url: str
    timestamp: str
    signature: str
    """The request's headers `x-oura-timestamp` and `x-oura-signature`."""
    began_at: int
    took: int
    status: int | None
    """None if no complete response came; `reason` says why."""
    reason: str
    response: bytes
    """The beginning of the response's body."""
    response_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Names in lower case; those that fit, see `fitting`."""

    @property
    def good(self) -> bool:
        """Oura's documents: a status in the ranges 2xx and 3xx, within ten seconds."""
        return self.status is not None and 200 <= self.status < 400


class Attempts:
    """All attempts, in the archive's database."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def add(self, attempts: Iterable[Attempt]) -> None:
        """Store attempts, each with the next number of its delivery."""
        self.db.many(
            f"INSERT INTO webhook_attempts ({_COLUMNS}) VALUES (?, (SELECT coalesce(max(number), 0) + 1"
            " FROM webhook_attempts WHERE delivery_id = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(one.delivery_id, one.delivery_id, *_values(one)) for one in attempts],
        )

    def of(self, delivery_id: int) -> list[Attempt]:
        """The attempts of a delivery, at most the last 50, oldest first."""
        rows = self.db.all(
            f"SELECT {_COLUMNS} FROM webhook_attempts WHERE delivery_id = ? ORDER BY number", (delivery_id,)
        )
        return [_attempt(row) for row in rows]

    def trim(self, delivery_id: int) -> None:
        """Delete the first attempts of a delivery if there are too many."""
        self.db.execute(
            "DELETE FROM webhook_attempts WHERE delivery_id = ? AND number <="
            " (SELECT max(number) FROM webhook_attempts WHERE delivery_id = ?) - ?",
            (delivery_id, delivery_id, MAX_ATTEMPTS_STORED),
        )

    def delete(self, delivery_ids: str, values: tuple[object, ...]) -> None:
        """Delete the attempts of the deliveries whose ids a SELECT (SQL, and its values) finds."""
        self.db.execute(f"DELETE FROM webhook_attempts WHERE delivery_id IN ({delivery_ids})", values)


def fitting(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that are stored: in their order, without those too long for the room that is left."""
    left, kept = MAX_HEADERS_BYTES, dict[str, str]()
    for name, value in headers.items():
        size = len(msgspec.json.encode({name: value}))  # its braces count for its comma
        if size <= left:
            left -= size
            kept[name] = value
    return kept


def _values(one: Attempt) -> tuple[Any, ...]:
    """The values of `_COLUMNS`, without the first two."""
    sent = one.callback_url, one.timestamp, one.signature, one.began_at, one.took
    answered = one.status, one.reason, one.response, msgspec.json.encode(one.response_headers).decode()
    return *sent, *answered


def _attempt(row: Row) -> Attempt:
    stored = dict(zip(_COLUMNS.split(", "), row, strict=True))
    headers = msgspec.json.decode(stored.pop("response_headers"), type=dict[str, str])
    return Attempt(**stored, response_headers=headers)
