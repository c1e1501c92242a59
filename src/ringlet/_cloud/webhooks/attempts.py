"""An attempt to deliver an event: the request, what came of it, and how both are kept.

Rules of this file:
* What a receiver answered is kept as it came, its beginning. Whoever shows it takes care of what it may hold.
* Of its headers those are kept that fit, whole: half a value would be another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..._archive.storage.database import Row

MOST = 4096
"""Bytes of an answer's headers that are kept, as JSON."""

COLUMNS = (
    "delivery_id, number, callback_url, timestamp, signature, began_at, took, status, reason, response,"
    " response_headers"
)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One request, and what came of it. `began_at` is real epoch milliseconds, `took` milliseconds."""

    delivery_id: int
    number: int = 0
    """Counted by the archive, from 1; it goes on when a delivery is replayed."""
    callback_url: str
    timestamp: str
    signature: str
    """What its headers said."""
    began_at: int
    took: int
    status: int | None
    """None where no whole answer came; `reason` says why."""
    reason: str
    response: bytes
    """The beginning of the answer's body."""
    response_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Names in lower case; those that fit, see `fitting`."""

    @property
    def good(self) -> bool:
        """Oura's documents: a status in the ranges 2xx and 3xx, within ten seconds."""
        return self.status is not None and 200 <= self.status < 400


def fitting(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that are kept: in their order, but for those that are too long for what is left."""
    left, kept = MOST, dict[str, str]()
    for name, value in headers.items():
        size = len(msgspec.json.encode({name: value}))  # its braces count for its comma
        if size <= left:
            left -= size
            kept[name] = value
    return kept


def columns_of(attempt: Attempt) -> tuple[Any, ...]:
    """What is written of an attempt: `COLUMNS`, but for the first two."""
    one = attempt
    said = one.callback_url, one.timestamp, one.signature, one.began_at, one.took, one.status, one.reason
    return *said, one.response, msgspec.json.encode(one.response_headers).decode()


def attempt_of(row: Row) -> Attempt:
    """An attempt as it was kept: a row of `COLUMNS`."""
    told = dict(zip(COLUMNS.split(", "), row, strict=True))
    headers = msgspec.json.decode(told.pop("response_headers"), type=dict[str, str])
    return Attempt(**told, response_headers=headers)
