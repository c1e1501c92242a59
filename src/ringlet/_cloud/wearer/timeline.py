"""The timeline of a simulated wearer: their documents in an archive, advancing with the cloud's clock.

`Person` computes which documents the ring syncs to the cloud, and at which instants. This file writes them to
the archive day by day: every version of a document, every deletion and all samples, each with the instant of
its sync. Every change is also published as an event that is due `SYNC_LATENCY` after the sync.

Rules of this file:
* The timeline advances in steps of at most a day. Each step is one transaction, which also stores how far the
  timeline has got (`_Extent`). So a process that is killed loses nothing and writes nothing twice.
* Past days are written from the newest to the oldest, all as they were at one instant. That instant is stored
  with the first block, and catching up begins there, so later changes and deletions happen in their order.
* Past days are written without publishing events.
* Other requests are answered between two steps, because a year takes some seconds to write.
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
"""How many days of the past are written in one transaction."""
Progress: TypeAlias = Callable[[str, int, int], None]
"""A function that is called after each step with the activity (`POPULATES` or `CATCHES_UP`), the number of
days written, and the number of all days to write."""
POPULATES, CATCHES_UP = "writes the past", "catches up"
CLOCK_POLL_S = 60.0
"""Seconds after which `Timeline.run` advances again while the clock runs by itself."""
YIELD_S = 0.002
"""Seconds that are left to other requests between two steps. One turn of the event loop would be too short,
because a request takes several."""
BUSY_RETRIES = 50
BUSY_RETRY_S = 0.1
"""While another program writes to the archive, a step is retried at most `BUSY_RETRIES` times, with a pause
of `BUSY_RETRY_S` seconds before each retry."""


@dataclass(frozen=True)
class Changes:
    """How many documents were created, updated and deleted while the timeline advanced."""

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
    """The result of writing one block of past days."""

    days: int
    """How many days were written."""
    left: int
    """How many earlier days are still to be written."""


class _Extent(msgspec.Struct, frozen=True):
    """Which part of the timeline the archive contains."""

    dialect: str
    first: date
    """The first day in the archive."""
    until: int
    """The last instant in the archive: epoch milliseconds on the cloud's clock."""


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
        """When it begins, `advance` stops early; the next start of the cloud writes the remaining days."""

    @classmethod
    def of(
        cls,
        archive: Archive,
        clock: Clock,
        publisher: Publisher,
        person: Person,
        shutdown: Shutdown | None = None,
    ) -> Timeline:
        """The timeline of a person, after creating the person's user in the archive unless it exists."""
        me = msgspec.json.decode(person.personal_info(), type=PersonalInfo)
        return cls(archive, clock, publisher, person, archive.user(me.id), shutdown)

    # Past days

    def populate(self, days: int, progress: Progress | None = None) -> Changes:
        """Write those of the last `days` days that are missing, then catch up with the clock.

        Past days are written without events. Catching up publishes the events since the cloud last ran, as if
        it had been running. Raises ArchiveError.
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
        """Write the newest missing block of past days; None if no day since `first` is missing."""
        with self.archive.transaction():
            self._lock()
            stored = self._stored_extent()
            new = stored is None or stored.dialect != self.person.dialect
            if stored is None or new:
                known = to_ms(self.clock.now())
                last = from_ms(known).date() + ONE_DAY  # east of UTC, the next day may have begun already
            else:
                known, last = stored.until, stored.first - ONE_DAY
            if last < first:
                return None
            start = max(first, last - POPULATE_BLOCK + ONE_DAY)
            self._write(start, last, known, undated=new)
            self._store_extent(_Extent(self.person.dialect, start, known))
        return _Populated((last - start).days + 1, (start - first).days)

    def _write(self, start: date, last: date, known: int, *, undated: bool) -> None:
        """Write the days `start` to `last` as the cloud shows them at `known` (epoch ms).

        With `undated`, documents that belong to no day (personal info, the ring) are written, too.
        """
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
        """In a `with` block, changes of documents publish no events."""
        observer, self.archive.observer = self.archive.observer, None
        try:
            yield
        finally:
            self.archive.observer = observer

    # Advancing with the clock

    def catch_up(self, progress: Progress | None = None) -> Changes:
        """Write everything up to the clock's time; returns what changed. Raises ArchiveError."""
        changes, days, now = Changes(), 0, to_ms(self.clock.now())
        for step in self._steps(now):
            changes, days = changes + step, days + 1
            if progress and (stored := self._stored_extent()):
                progress(CATCHES_UP, days, days + -(-(now - stored.until) // ONE_DAY_MS))
        return changes

    async def advance(self) -> Changes:
        """Write everything up to the clock's time, day by day; returns what changed.

        Other requests are answered between two days. Stops early when the cloud shuts down. Raises
        ArchiveError if another program keeps writing to the archive.
        """
        async with self._one_at_a_time:
            changes, refused = Changes(), 0
            now = to_ms(self.clock.now())  # read only once, because a running clock goes on during the loop
            while not self.shutdown.begun:
                try:
                    step = next(self._steps(now), None)
                except ArchiveError:
                    refused += 1
                    if refused > BUSY_RETRIES:
                        raise
                    await asyncio.sleep(BUSY_RETRY_S)
                    continue
                if step is None:
                    break
                changes += step
                await asyncio.sleep(YIELD_S)
            return changes

    async def run(self) -> None:
        """Keep the timeline up to date with the clock until the task is cancelled."""
        while True:
            with contextlib.suppress(ArchiveError):  # another program is writing; the next turn tries again
                await self.advance()
            await asyncio.sleep(CLOCK_POLL_S)

    def _steps(self, now: int) -> Iterator[Changes]:
        """Write the timeline from its stored end to `now` (epoch ms); each step is a committed day."""
        while (stored := self._stored_extent()) is not None and stored.until < now:
            until = min(now, stored.until + ONE_DAY_MS)
            yield self._write_step(stored, until)

    def _write_step(self, stored: _Extent, until: int) -> Changes:
        since, now = from_ms(stored.until), from_ms(until)
        with self.archive.transaction():
            self._lock()
            if self._stored_extent() != stored:
                return Changes()  # another process over this archive has written this step meanwhile
            changes = self._write_documents(since, now)
            self._write_samples(since, now)
            self._store_extent(_Extent(stored.dialect, stored.first, until))
        return changes

    def _write_documents(self, since: datetime, now: datetime) -> Changes:
        events: list[Published] = []
        for change in self.person.changes(since, now):
            kind, at = TYPES[change.name], to_ms(change.at)
            if change.body is None:
                events += self.publisher.delete(self.user, kind, change.id, at=at, synced_at=at)
            else:
                events += self.publisher.put(self.user, kind, change.body, seen_at=at, synced_at=at)
        counted = Counter(published.event.event_type for published in events)
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
