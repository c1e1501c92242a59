"""What the archive holds of somebody, type by type, without opening a chunk."""

from __future__ import annotations

from typing import NamedTuple

from .._api.catalog import TYPES
from .._api.windows import from_ms
from .storage.database import Database


class TypeOverview(NamedTuple):
    """One data type of one user."""

    name: str
    rows: int
    first_day: str | None
    last_day: str | None
    revisions: int
    """Earlier bodies kept."""
    bytes: int
    """What its bodies take in the file, without index and revisions."""
    last_seen_at: int
    """When the newest request that brought something was sent, milliseconds UTC."""


_HELD = """
SELECT type, count(*), min(day), max(day), NULL, NULL, sum(length(body)), max(seen_at) FROM documents
WHERE user_id = ? AND deleted_at IS NULL GROUP BY type
UNION ALL
SELECT type, CAST(sum(n) AS BIGINT), NULL, NULL, min(t0), max(t1), sum(length(body)), max(seen_at) FROM chunks
WHERE user_id = ? GROUP BY type
"""


def overview(database: Database, user: int) -> list[TypeOverview]:
    """Every data type of which something is held, in the table's order."""
    revised: dict[str, int] = dict(
        database.all("SELECT type, count(*) FROM revisions WHERE user_id = ? GROUP BY type", (user,))
    )
    held = [
        TypeOverview(name, rows, first or _day(t0), last or _day(t1), revised.get(name, 0), size, seen_at)
        for name, rows, first, last, t0, t1, size, seen_at in database.all(_HELD, (user, user))
    ]
    order = list(TYPES)
    return sorted(held, key=lambda one: order.index(one.name) if one.name in TYPES else len(order))


def _day(instant: int | None) -> str | None:
    """The UTC day of an instant."""
    return None if instant is None else from_ms(instant).date().isoformat()
