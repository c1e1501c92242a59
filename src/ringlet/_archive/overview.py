"""Counts what the archive has of a user, for each data type, without decompressing samples."""

from __future__ import annotations

from typing import NamedTuple

from .._api.catalog import TYPES
from .._api.windows import from_ms
from . import document_table, revisions
from .series import chunks
from .storage.database import Database


class TypeOverview(NamedTuple):
    """What is stored of one data type of one user."""

    name: str
    rows: int
    """How many documents (without deleted ones) or samples are stored."""
    first_day: str | None
    """The day of the first document, or the UTC day of the first sample, as in `2026-01-01`.

    None if documents of this data type do not belong to days.
    """
    last_day: str | None
    revisions: int
    """How many earlier bodies of documents are stored."""
    bytes: int
    """The size of the stored bodies, without indexes and revisions."""
    last_seen_at: int
    """When the last request was sent whose response had documents or samples, in milliseconds UTC."""


def overview(database: Database, user: int) -> list[TypeOverview]:
    """The overview of each data type with documents or samples, in the order of `TYPES`."""
    revised = revisions.counts(database, user)
    found = [
        TypeOverview(
            one.type,
            one.rows,
            one.first_day,
            one.last_day,
            revised.get(one.type, 0),
            one.bytes,
            one.last_seen_at,
        )
        for one in document_table.totals(database, user)
    ]
    found += [
        TypeOverview(one.type, one.rows, _day(one.first), _day(one.last), 0, one.bytes, one.last_seen_at)
        for one in chunks.totals(database, user)
    ]
    order = list(TYPES)
    return sorted(found, key=lambda one: order.index(one.name) if one.name in TYPES else len(order))


def _day(instant: int) -> str:
    """The UTC day of an instant."""
    return from_ms(instant).date().isoformat()
