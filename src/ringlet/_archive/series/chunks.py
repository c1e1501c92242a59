"""The table `chunks`, which has the samples of series: about a thousand samples in each row of the table.

In this package, *rows* are JSON objects of samples as Oura sent them, and a *chunk* is a row of the table.

Rules of this file:
* Every row is stored byte for byte. Rows with the same instant stay in the order in which Oura sent them.
* All rows of an instant are in one chunk, so the chunks of a data type do not overlap.
* New rows replace the stored rows of the same instants, and no others. So nothing is lost if Oura sends a
  list that is empty or too short by mistake. Rows of an older request do not replace those of a newer one.
* All rows of an instant are replaced together, but Oura may begin a new page between them. So all pages of a
  list are stored by one call of `put`. `pack` can prepare a page while the next is being requested.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from typing import NamedTuple

import msgspec

from ..._api.windows import Span
from ...errors import ServerError
from ..storage.counts import Counts
from ..storage.database import Database
from ..storage.locks import Lock
from .packing import Rows, unpack
from .page_tokens import first_from, instant_at, parse_token, token_at
from .sorted_rows import SortedRows

SMALL_CHUNK_ROWS = 512
"""If there are fewer new rows than this, they are merged with a neighbouring chunk that also has fewer."""


class Chunk(NamedTuple):
    """A row of the table, without the columns for the user and the data type."""

    t0: int
    t1: int
    """The instants of the first row (`t0`) and the last row (`t1`) of the chunk."""
    n: int
    """How many samples the chunk has."""
    seen_at: int
    encoding: str
    body: bytes

    def unpack(self) -> Rows:
        """Decompress the samples of the chunk."""
        return unpack(self.encoding, self.body, self.n)


_SELECT = "SELECT t0, t1, n, seen_at, encoding, body FROM chunks WHERE user_id = ? AND type = ?"


def pack(name: str, page: bytes) -> SortedRows | None:
    """Do the part of `put` that needs no database, for the `data` array of one page; None if it is empty.

    Raises ServerError if the page is not an array of samples.
    """
    try:
        # An array without its brackets is rows joined by commas. `rows_of` removes blanks between the rows.
        text = _without_brackets(page)
        return SortedRows.of(text) if text else None
    except (msgspec.MsgspecError, ValueError) as error:
        raise ServerError(
            f"{name}: these are not samples: {error}", status=502, cure="nothing of them was saved"
        ) from error


def put(
    database: Database, user: int, name: str, pages: Sequence[bytes | SortedRows | None], seen_at: int
) -> Counts:
    """Store the samples of one list: the `data` array of each of its pages, or what `pack` made of it."""
    runs = [run for page in pages if (run := pack(name, page) if isinstance(page, bytes) else page)]
    if not runs:
        return Counts()
    count = sum(len(run.times) for run in runs)
    parted = all(before.times[-1] < after.times[0] for before, after in pairwise(runs))
    if not parted or count < SMALL_CHUNK_ROWS * len(runs):
        runs = [_joined(runs)]
    with database.transaction():
        database.lock(Lock.DOCUMENTS, user, name)
        chunks = _overlapping_chunks(
            database, user, name, runs[0].times[0], runs[-1].times[-1], few=count < SMALL_CHUNK_ROWS
        )
        if chunks:
            return _merge_and_write(database, user, name, chunks, _joined(runs), seen_at)
        for run in runs:
            _write(database, user, name, run, seen_at)
    return Counts(added=count)


def _joined(runs: Sequence[SortedRows]) -> SortedRows:
    return runs[0] if len(runs) == 1 else SortedRows.of(b",".join([run.text() for run in runs]))


def _without_brackets(page: bytes) -> bytes:
    page = page.strip()
    if page[:1] != b"[" or page[-1:] != b"]":
        raise ValueError("a page is an array")
    return page[1:-1].strip()


def _merge_and_write(
    database: Database, user: int, name: str, chunks: list[Chunk], new: SortedRows, seen_at: int
) -> Counts:
    packed = [chunk.unpack() for chunk in chunks]
    old_text, new_text = b",".join([one.text(0, one.n) for one in packed]), new.text()
    if old_text == new_text:
        _confirm(database, user, name, chunks, seen_at)
        return Counts(unchanged=len(new.times))
    if chunks[-1].t1 < new.times[0]:
        merged, counts = old_text + b"," + new_text, Counts(added=len(new.times))
    else:
        merged, counts = _merge(
            SortedRows.of(old_text), new, [chunk for chunk in chunks if chunk.seen_at > seen_at]
        )
    if counts.added or counts.changed:
        database.execute(
            "DELETE FROM chunks WHERE user_id = ? AND type = ? AND t0 BETWEEN ? AND ?",
            (user, name, chunks[0].t0, chunks[-1].t0),
        )
        _write(
            database, user, name, SortedRows.of(merged), max(seen_at, *(chunk.seen_at for chunk in chunks))
        )
    else:
        _confirm(database, user, name, chunks, seen_at)
    return counts


def _confirm(database: Database, user: int, name: str, chunks: Sequence[Chunk], seen_at: int) -> None:
    """Record that a request sent at `seen_at` returned the rows that are stored already."""
    database.execute(
        "UPDATE chunks SET seen_at = ? WHERE user_id = ? AND type = ? AND t0 BETWEEN ? AND ? AND seen_at < ?",
        (seen_at, user, name, chunks[0].t0, chunks[-1].t0, seen_at),
    )


def _overlapping_chunks(
    database: Database, user: int, name: str, first: int, last: int, *, few: bool
) -> list[Chunk]:
    """The stored chunks to which rows from `first` to `last` belong; with `few`, small neighbours, too."""
    whose = (user, name)
    stored = database.all(
        "SELECT t0, t1, n FROM chunks WHERE user_id = ? AND type = ?"
        f" AND t0 >= coalesce(({_BEFORE}), ?) AND t0 <= coalesce(({_AFTER}), ?) ORDER BY t0",
        (*whose, *whose, first, first, *whose, last, last),
    )
    start = bisect_left(stored, first, key=lambda chunk: chunk[1])
    stop = bisect_right(stored, last, key=lambda chunk: chunk[0])
    if few and start > 0 and stored[start - 1][2] < SMALL_CHUNK_ROWS:
        start -= 1
    if few and stop < len(stored) and stored[stop][2] < SMALL_CHUNK_ROWS:
        stop += 1
    if start >= stop:
        return []
    return [
        Chunk(*row)
        for row in database.all(
            f"{_SELECT} AND t0 BETWEEN ? AND ? ORDER BY t0", (*whose, stored[start][0], stored[stop - 1][0])
        )
    ]


_BEFORE = "SELECT max(t0) FROM chunks WHERE user_id = ? AND type = ? AND t0 <= ?"
_AFTER = "SELECT min(t0) FROM chunks WHERE user_id = ? AND type = ? AND t0 > ?"


def _merge(old: SortedRows, new: SortedRows, newer: list[Chunk]) -> tuple[bytes, Counts]:
    """Put new rows in place of old ones at the same instants, except at the instants of `newer` chunks."""
    rows = old.by_instant()
    added = changed = unchanged = 0
    for time, fresh in new.by_instant().items():
        stored = rows.get(time)
        if stored == fresh or (stored and any(chunk.t0 <= time <= chunk.t1 for chunk in newer)):
            unchanged += len(fresh)
            continue
        if stored:
            changed += len(fresh)
        else:
            added += len(fresh)
        rows[time] = fresh
    merged = b",".join([row for _, group in sorted(rows.items()) for row in group])
    return merged, Counts(added, changed, unchanged)


def _write(database: Database, user: int, name: str, rows: SortedRows, seen_at: int) -> None:
    database.many(
        "INSERT INTO chunks (user_id, type, t0, t1, n, seen_at, encoding, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                user,
                name,
                one.times[0],
                one.times[-1],
                one.rows.n,
                seen_at,
                one.rows.encoding,
                one.rows.pack(),
            )
            for one in rows.pieces()
        ),
    )


def page(
    database: Database, user: int, name: str, span: Span, after: str | None, limit: int | None
) -> tuple[list[bytes | bytearray], str | None]:
    """The rows of a window, in texts of many rows joined by commas; and the token of the next page or None.

    `after` is the token that came with the page before; see `page_tokens`.
    """
    start, given = parse_token(after) if after else (span.start, 0)
    if start < span.start:
        start, given = span.start, 0
    parts: list[bytes | bytearray] = []
    left = limit
    token: str | None = None
    chunks = database.each(
        # As chunks do not overlap, the first one with rows from `start` on is the last that begins at or
        # before `start`.
        f"{_SELECT} AND t0 >= coalesce(({_BEFORE}), ?) AND t0 <= ? AND t1 >= ? ORDER BY t0",
        (user, name, user, name, start, start, span.end, start),
    )
    with closing(chunks):
        for row in chunks:
            if left == 0:
                return parts, token
            chunk = Chunk(*row)
            rows = chunk.unpack()
            first, last = 0, rows.n
            if chunk.t0 < start or given:
                first = first_from(rows, start)
                while given and first < last and instant_at(rows, first) == start:
                    first, given = first + 1, given - 1
                given = 0
            if chunk.t1 > span.end:
                last = first_from(rows, span.end + 1)
            if first >= last:
                continue
            if left is not None:
                if last - first >= left:
                    stop = first + left
                    token = token_at(rows, stop)
                    if stop < last:
                        return [*parts, rows.text(first, stop)], token
                left -= last - first
            parts.append(rows.text(first, last))
    return parts, None


def latest(database: Database, user: int, name: str) -> bytes | None:
    """The JSON text of the newest row, the last of several with one instant; None if none is stored."""
    row = database.one(f"{_SELECT} ORDER BY t0 DESC LIMIT 1", (user, name))
    if row is None:
        return None
    rows = Chunk(*row).unpack()
    return bytes(rows.text(rows.n - 1, rows.n))


class Totals(NamedTuple):
    """The number, times and bytes of a user's samples of one data type."""

    type: str
    rows: int
    first: int
    last: int
    """The instants of the first and the last row, milliseconds UTC."""
    bytes: int
    last_seen_at: int


def totals(database: Database, user: int) -> list[Totals]:
    """The totals of each data type of which a user has samples."""
    rows = database.all(
        "SELECT type, CAST(sum(n) AS BIGINT), min(t0), max(t1), sum(length(body)), max(seen_at) FROM chunks"
        " WHERE user_id = ? GROUP BY type",
        (user,),
    )
    return [Totals(*row) for row in rows]
