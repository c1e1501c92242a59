"""Owns the table of attempts: each request that was sent to deliver an event, and its response.

Rules of this file:
* The beginning of a receiver's response is stored unchanged. Code that displays it must escape it.
* A response header is stored whole or not at all, because a truncated value would be misleading.
* `Deliveries` creates this table together with its own table. It calls `Attempts` inside its transactions.
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
"""The most bytes of a response's headers that are stored, as JSON."""
MAX_ATTEMPTS_STORED: Final = 50
"""The last attempts of a delivery that are stored. A delivery that is sent again and again has more."""

_COLUMNS = (
    "delivery_id, number, callback_url, timestamp, signature, began_at, took, status, reason, response,"
    " response_headers"
)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One request that delivers an event, and its response.

    `began_at` is real time in epoch milliseconds, `took` is a duration in milliseconds.
    """

    delivery_id: int
    number: int = 0
    """The attempt's number within its delivery, from 1. `Attempts.add` sets it. Replays do not reset it."""
    callback_url: str
    timestamp: str
    signature: str
    """The request's headers `x-oura-timestamp` and `x-oura-signature`."""
    began_at: int
    took: int
    status: int | None
    """The status of the response. None if no complete response came; then `reason` says why."""
    reason: str
    response: bytes
    """The beginning of the response's body."""
    response_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """The stored headers of the response (`fitting` selects them), with names in lower case."""

    @property
    def good(self) -> bool:
        """Whether the receiver accepted the event: status 200 to 399 in ten seconds, as Oura documents."""
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
            [(attempt.delivery_id, attempt.delivery_id, *_values(attempt)) for attempt in attempts],
        )

    def of(self, delivery_id: int) -> list[Attempt]:
        """The attempts of a delivery, at most the last 50, oldest first."""
        rows = self.db.all(
            f"SELECT {_COLUMNS} FROM webhook_attempts WHERE delivery_id = ? ORDER BY number", (delivery_id,)
        )
        return [_attempt(row) for row in rows]

    def trim(self, delivery_id: int) -> None:
        """Delete the first attempts of a delivery beyond `MAX_ATTEMPTS_STORED`."""
        self.db.execute(
            "DELETE FROM webhook_attempts WHERE delivery_id = ? AND number <="
            " (SELECT max(number) FROM webhook_attempts WHERE delivery_id = ?) - ?",
            (delivery_id, delivery_id, MAX_ATTEMPTS_STORED),
        )

    def delete(self, delivery_ids: str, values: tuple[object, ...]) -> None:
        """Delete the attempts of some deliveries. `delivery_ids` is a SELECT that finds the deliveries' ids.

        `values` are the values of its placeholders.
        """
        self.db.execute(f"DELETE FROM webhook_attempts WHERE delivery_id IN ({delivery_ids})", values)


def fitting(headers: Mapping[str, str]) -> dict[str, str]:
    """Select the headers that fit into `MAX_HEADERS_BYTES` when they are added one after the other."""
    left, stored = MAX_HEADERS_BYTES, dict[str, str]()
    for name, value in headers.items():
        size = len(
            msgspec.json.encode({name: value})
        )  # the braces count for the comma and the space that follow the header in the stored JSON
        if size <= left:
            left -= size
            stored[name] = value
    return stored


def _values(attempt: Attempt) -> tuple[Any, ...]:
    """The values of an attempt for `_COLUMNS`, without the first two columns."""
    headers = msgspec.json.encode(attempt.response_headers).decode()
    return (
        attempt.callback_url,
        attempt.timestamp,
        attempt.signature,
        attempt.began_at,
        attempt.took,
        attempt.status,
        attempt.reason,
        attempt.response,
        headers,
    )


def _attempt(row: Row) -> Attempt:
    stored = dict(zip(_COLUMNS.split(", "), row, strict=True))
    headers = msgspec.json.decode(stored.pop("response_headers"), type=dict[str, str])
    return Attempt(**stored, response_headers=headers)
