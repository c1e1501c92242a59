"""The timeline of a simulated wearer: their documents in an archive, advancing with the cloud's clock.

`Person` computes what the cloud gets to know and when. This file writes it, day by day: each version of a
document, each deletion and all samples, with the instant at which the cloud got to know them. Changes are
published as events with that instant, due `SYNC_LATENCY` after it.

Rules of this file:
* The documents and samples of a piece, at most a day, are written in one transaction with the note of how far
  the timeline has got. Killed in between, the next start goes on without doubling or losing anything.
* The past is populated from the newest day back, as it was at one instant, which is stored with the first
  piece. Catching up begins at that instant: what was deleted since then is deleted again on the way.
* Populating the past publishes no events.
* Between two pieces other requests are answered: a year takes some seconds to write.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple, TypeAlias

import msgspec

from ..._api.catalog import TYPES
from ..._api.windows import from_ms, to_ms
from ..._archive.archive import Archive
from ..._archive.storage.locks import Lock
from ..._archive.storage.settings import Setting
from ..._person.person import Person
from ...errors import ArchiveError
from ...models import PersonalInfo
from ..core.clock import Clock
from ..core.shutdown import Shutdown
from ..webhooks.publisher import Published, Publisher

ONE_DAY = timedelta(days=1)
ONE_DAY_MS = ONE_DAY // timedelta(milliseconds=1)
POPULATE_BLOCK = timedelta(days=30)
"""How much of the past is written in one transaction."""
Progress: TypeAlias = Callable[[str, int, int], None]
"""Called after each piece: what the wearer does (`POPULATES`, `CATCHES_UP`), days done, days in all."""
POPULATES, CATCHES_UP = "writes the past", "catches up"
CLOCK_POLL_S = 60.0
"""Seconds between two looks at the clock, if nobody moves it."""
YIELD_S = 0.002
"""Seconds for other requests between two days: a request takes several turns of the event loop, not one."""
BUSY_RETRIES = 50
BUSY_RETRY_S = 0.1
"""How often, and after how many seconds, writing is retried while another program writes to the archive."""


@dataclass(frozen=True)
class Changes:
    """How many documents a stretch of the timeline changed."""

    created: int = 0
    updated: int = 0
    deleted: int = 0

    def __add__(self, other: Changes) -> Changes:
        return Changes(
            self.created + other.created, self.updated + other.updated, self.deleted + other.deleted
        )

    @property
    def events(self) -> int:
        """How many events were published: one for each change."""
        return self.created + self.updated + self.deleted


class _Populated(NamedTuple):
    """A piece of the past that was written."""

    days: int
    left: int
    """How many are still missing."""


class _Extent(msgspec.Struct, frozen=True):
    """How much of the timeline the archive holds."""

    dialect: str
    first: date
    until: int
    """Everything up to and including this instant, epoch milliseconds on the cloud's clock."""


class Timeline:
    """The timeline of one simulated person, in an archive.

    `person` must be the same at every start, because a person's documents follow from its seed.
    """

    def __init__(
        self,
        archive: Archive,
        clock: Clock,
        publisher: Publisher,
        person: Person,
        user: int,
        shutdown: Shutdown | None = None,
    ) -> None:
        self.archive = archive
        self.clock = clock
        self.publisher = publisher
        self.person = person
        self.user = user
        self._setting = Setting.TIMELINE.of(user)
        self._one_at_a_time = asyncio.Lock()
        self.shutdown: Shutdown = shutdown or Shutdown()
        """Ends `advance` early: the rest is written when the cloud starts again."""

    @classmethod
    def of(
        cls,
        archive: Archive,
        clock: Clock,
        publisher: Publisher,
        person: Person,
        shutdown: Shutdown | None = None,
    ) -> Timeline:
        """The timeline of a person, who becomes a user of the archive, named by their id in the API."""
        me = msgspec.json.decode(person.personal_info(), type=PersonalInfo)
        return cls(archive, clock, publisher, person, archive.user(me.id), shutdown)

    # The past

    def populate(self, days: int, progress: Progress | None = None) -> Changes:
        """Write the last `days` days, as far as they are missing, and then catch up with the clock.

        The past publishes no events; what happened since the cloud last ran does, as if it had been running.
        """
        first = self.clock.now().date() - timedelta(days=days - 1)
        done = 0
        with self._unobserved():
            while populated := self._populate(first):
                done += populated.days
                if progress:
                    progress(POPULATES, done, done + populated.left)
        return self.catch_up(progress)

    def _populate(self, first: date) -> _Populated | None:
        """Write the latest days that are missing, as they were when the newest were written."""
        with self.archive.transaction():
            self._lock()
            held = self._stored_extent()
            new = held is None or held.dialect != self.person.dialect
            if held is None or new:
                known = to_ms(self.clock.now())
                last = from_ms(known).date() + ONE_DAY  # east of UTC the next day has begun
            else:
                known, last = held.until, held.first - ONE_DAY
            if last < first:
                return None
            start = max(first, last - POPULATE_BLOCK + ONE_DAY)
            self._write(start, last, known, undated=new)
            self._store_extent(_Extent(self.person.dialect, start, known))
        return _Populated((last - start).days + 1, (start - first).days)

    def _write(self, start: date, last: date, known: int, *, undated: bool) -> None:
        """Write the days start..last as the cloud shows them at `known`; `undated`: also what has no day."""
        now = from_ms(known)
        for kind in TYPES.values():
            if kind.has_ids and (kind.has_days or undated):
                items = self.person.documents(kind.name, start, last, now=now)
                data = b"[%s]" % b",".join(item.body for item in items)
                self.archive.put(self.user, kind, data, seen_at=known)
            elif kind.is_series:
                rows = self.person.samples(kind.name, start, last, now=now)
                page = b"[%s]" % b",".join(row for _, row in rows)
                self.archive.put_samples(self.user, kind, [page], seen_at=known)
        if undated:
            info = self.person.personal_info()
            self.archive.put(self.user, TYPES["personal_info"], info, seen_at=known)

    @contextlib.contextmanager
    def _unobserved(self) -> Generator[None]:
        observer, self.archive.observer = self.archive.observer, None
        try:
            yield
        finally:
            self.archive.observer = observer

    # The present

    def catch_up(self, progress: Progress | None = None) -> Changes:
        """Advance to the clock's time; what changed on the way. Raises ArchiveError."""
        changes, days, now = Changes(), 0, to_ms(self.clock.now())
        for piece in self._pieces(now):
            changes, days = changes + piece, days + 1
            if progress and (held := self._stored_extent()):
                progress(CATCHES_UP, days, days + -(-(now - held.until) // ONE_DAY_MS))
        return changes

    async def advance(self) -> Changes:
        """As `catch_up`; other requests are answered between two days. Ends early if the cloud shuts down.

        Raises ArchiveError if another program keeps writing to the archive.
        """
        async with self._one_at_a_time:
            changes, refused = Changes(), 0
            now = to_ms(self.clock.now())  # once: a clock that runs on is never caught up with
            while not self.shutdown.begun:
                try:
                    piece = next(self._pieces(now), None)
                except ArchiveError:
                    refused += 1
                    if refused > BUSY_RETRIES:
                        raise
                    await asyncio.sleep(BUSY_RETRY_S)
                    continue
                if piece is None:
                    break
                changes += piece
                await asyncio.sleep(YIELD_S)
            return changes

    async def run(self) -> None:
        """Advance with the clock, until cancelled."""
        while True:
            with contextlib.suppress(ArchiveError):  # another program keeps writing: try again later
                await self.advance()
            await asyncio.sleep(CLOCK_POLL_S)

    def _pieces(self, now: int | None = None) -> Iterator[Changes]:
        """Write day by day from where the archive has got to; each is committed when it is yielded."""
        now = to_ms(self.clock.now()) if now is None else now
        while (held := self._stored_extent()) is not None and held.until < now:
            until = min(now, held.until + ONE_DAY_MS)
            yield self._write_piece(held, until)

    def _write_piece(self, held: _Extent, until: int) -> Changes:
        since, now = from_ms(held.until), from_ms(until)
        with self.archive.transaction():
            self._lock()
            if self._stored_extent() != held:
                return Changes()  # another process over this archive has written it meanwhile
            changes = self._write_documents(since, now)
            self._write_samples(since, now)
            self._store_extent(_Extent(held.dialect, held.first, until))
        return changes

    def _write_documents(self, since: datetime, now: datetime) -> Changes:
        events: list[Published] = []
        for one in self.person.changes(since, now):
            kind, at = TYPES[one.name], to_ms(one.at)
            if one.body is None:
                events += self.publisher.delete(self.user, kind, one.id, at=at, synced_at=at)
            else:
                events += self.publisher.put(self.user, kind, one.body, seen_at=at, synced_at=at)
        counted = Counter(one.event.event_type for one in events)
        return Changes(counted["create"], counted["update"], counted["delete"])

    def _write_samples(self, since: datetime, now: datetime) -> None:
        for kind in TYPES.values():
            if kind.is_series:
                rows = self.person.samples(kind.name, since.date(), now.date(), now=now)
                new = b",".join(row for at, row in rows if at > since)
                self.archive.put_samples(self.user, kind, [b"[%s]" % new], seen_at=to_ms(now))

    def _lock(self) -> None:
        self.archive.database.lock(Lock.TIMELINE, self.user)

    def _stored_extent(self) -> _Extent | None:
        text = self.archive.setting(self._setting)
        return None if text is None else msgspec.json.decode(text, type=_Extent)

    def _store_extent(self, extent: _Extent) -> None:
        self.archive.set_setting(self._setting, msgspec.json.encode(extent).decode())
