"""The made-up wearer of a cloud, who lives on with its clock.

What the person has lived up to an instant is in the archive; what happens after it is written as it happens:
each version of a document, each deletion and all samples, with the instant at which the cloud came to know.
Their events are logged with that instant, and are due `LATENCY` after it.

Rules of this file:
* Documents, samples and the note of how far they reach are one transaction, a day of life at most: killed in
  between, the next start goes on without doubling or losing anything.
* The past is put in from the newest day back, as it was at one instant, which is noted with the first of it.
  Whoever goes on later begins with that instant: what was deleted since is deleted again as life goes on.
* Nobody is told of what was there from the beginning.
* Between two pieces other requests are answered: a year of life takes some seconds.
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

DAY = timedelta(days=1)
_DAY = DAY // timedelta(milliseconds=1)
BLOCK = timedelta(days=30)
"""How much of the past settles in at once."""
Progress: TypeAlias = Callable[[str, int, int], None]
SETTLES, LIVES_ON = "settles in", "lives on"
"""What a wearer does who is not there yet."""
REST = 60.0
"""Seconds between two looks at the clock, where nobody moves it."""
TURN = 0.002
"""Seconds for others between two days: a request takes several turns of the loop, not one."""
TRIES = 50
PAUSE = 0.1
"""How often, and after how many seconds, an archive is asked again that somebody else is writing to."""


@dataclass(frozen=True)
class Lived:
    """What happened in a stretch of life, in documents."""

    created: int = 0
    updated: int = 0
    deleted: int = 0

    def __add__(self, other: Lived) -> Lived:
        return Lived(self.created + other.created, self.updated + other.updated, self.deleted + other.deleted)

    @property
    def events(self) -> int:
        """How many of them webhooks tell of: all."""
        return self.created + self.updated + self.deleted


class _Settled(NamedTuple):
    """A piece of the past that was put in."""

    days: int
    left: int
    """How many are still missing."""


class _Held(msgspec.Struct, frozen=True):
    """How much of a life an archive holds."""

    dialect: str
    first: date
    until: int
    """Everything up to and including this instant, epoch milliseconds on the cloud's clock."""


class Life:
    """The life of one simulated person, in an archive.

    `person` must be the same at every start, or it is another life.
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
        self._alone = asyncio.Lock()
        self.shutdown = shutdown or Shutdown()
        """Ends `live_on` early: the rest is written when the cloud starts again."""

    @classmethod
    def of(
        cls,
        archive: Archive,
        clock: Clock,
        publisher: Publisher,
        person: Person,
        shutdown: Shutdown | None = None,
    ) -> Life:
        """The life of a person, who is made a user of the archive by the name that the API has for them."""
        me = msgspec.json.decode(person.personal_info(), type=PersonalInfo)
        return cls(archive, clock, publisher, person, archive.user(me.id), shutdown)

    # The past

    def settle_in(self, days: int, progress: Progress | None = None) -> Lived:
        """Let the archive hold the last `days` days, and what happened since it was last looked after.

        The past is told to nobody; what happened while the cloud was away is told as if it had been there.
        `progress` is told of each piece: what is done, how many days of it, of how many.
        """
        first = self.clock.now().date() - timedelta(days=days - 1)
        done = 0
        with self._quietly():
            while settled := self._settle(first):
                done += settled.days
                if progress:
                    progress(SETTLES, done, done + settled.left)
        return self.catch_up(progress)

    def _settle(self, first: date) -> _Settled | None:
        """Put in the latest days that are missing, as they were when the newest were put in."""
        with self.archive.transaction():
            self._hold_life()
            held = self._held()
            new = held is None or held.dialect != self.person.dialect
            if held is None or new:
                known = to_ms(self.clock.now())
                last = from_ms(known).date() + DAY  # tomorrow is already today somewhere east of Greenwich
            else:
                known, last = held.until, held.first - DAY
            if last < first:
                return None
            start = max(first, last - BLOCK + DAY)
            self._put(start, last, known, lasting=new)
            self._hold(_Held(self.person.dialect, start, known))
        return _Settled((last - start).days + 1, (start - first).days)

    def _put(self, start: date, last: date, known: int, *, lasting: bool) -> None:
        """The days start..last as the cloud shows them at `known`, and with them what belongs to no day."""
        now = from_ms(known)
        for kind in TYPES.values():
            if kind.has_ids and (kind.has_days or lasting):
                items = self.person.documents(kind.name, start, last, now=now)
                data = b"[%s]" % b",".join(item.body for item in items)
                self.archive.put(self.user, kind, data, seen_at=known)
            elif kind.is_series:
                rows = self.person.samples(kind.name, start, last, now=now)
                page = b"[%s]" % b",".join(row for _, row in rows)
                self.archive.put_samples(self.user, kind, [page], seen_at=known)
        if lasting:
            info = self.person.personal_info()
            self.archive.put(self.user, TYPES["personal_info"], info, seen_at=known)

    @contextlib.contextmanager
    def _quietly(self) -> Generator[None]:
        observer, self.archive.observer = self.archive.observer, None
        try:
            yield
        finally:
            self.archive.observer = observer

    # The present

    def catch_up(self, progress: Progress | None = None) -> Lived:
        """Live on up to the clock's time; what happened on the way. Raises ArchiveError."""
        lived, days, now = Lived(), 0, to_ms(self.clock.now())
        for piece in self._pieces(now):
            lived, days = lived + piece, days + 1
            if progress and (held := self._held()):
                progress(LIVES_ON, days, days + -(-(now - held.until) // _DAY))
        return lived

    async def live_on(self) -> Lived:
        """The same, letting others have a turn between two days, and waiting for others who write.

        Ends early where the cloud is leaving.
        Raises ArchiveError where they do not come to an end.
        """
        async with self._alone:
            lived, refused = Lived(), 0
            now = to_ms(self.clock.now())  # a clock that runs on is never caught up with
            while not self.shutdown.begun:
                try:
                    piece = next(self._pieces(now), None)
                except ArchiveError:
                    refused += 1
                    if refused > TRIES:
                        raise
                    await asyncio.sleep(PAUSE)
                    continue
                if piece is None:
                    break
                lived += piece
                await asyncio.sleep(TURN)
            return lived

    async def run(self) -> None:
        """Live on with the clock, until cancelled."""
        while True:
            with contextlib.suppress(ArchiveError):  # somebody else goes on writing: later, then
                await self.live_on()
            await asyncio.sleep(REST)

    def _pieces(self, now: int | None = None) -> Iterator[Lived]:
        """Day by day from where the archive has got to, each kept when it is yielded."""
        now = to_ms(self.clock.now()) if now is None else now
        while (held := self._held()) is not None and held.until < now:
            until = min(now, held.until + _DAY)
            yield self._live(held, until)

    def _live(self, held: _Held, until: int) -> Lived:
        since, now = from_ms(held.until), from_ms(until)
        with self.archive.transaction():
            self._hold_life()
            if self._held() != held:
                return Lived()  # another process over this archive has lived it meanwhile
            lived = self._write_documents(since, now)
            self._write_samples(since, now)
            self._hold(_Held(held.dialect, held.first, until))
        return lived

    def _write_documents(self, since: datetime, now: datetime) -> Lived:
        events: list[Published] = []
        for one in self.person.changes(since, now):
            kind, at = TYPES[one.name], to_ms(one.at)
            if one.body is None:
                events += self.publisher.delete(self.user, kind, one.id, at=at, synced_at=at)
            else:
                events += self.publisher.put(self.user, kind, one.body, seen_at=at, synced_at=at)
        counted = Counter(one.event.event_type for one in events)
        return Lived(counted["create"], counted["update"], counted["delete"])

    def _write_samples(self, since: datetime, now: datetime) -> None:
        for kind in TYPES.values():
            if kind.is_series:
                rows = self.person.samples(kind.name, since.date(), now.date(), now=now)
                new = b",".join(row for at, row in rows if at > since)
                self.archive.put_samples(self.user, kind, [b"[%s]" % new], seen_at=to_ms(now))

    def _hold_life(self) -> None:
        self.archive.database.lock(Lock.TIMELINE, self.user)

    def _held(self) -> _Held | None:
        text = self.archive.setting(self._setting)
        return None if text is None else msgspec.json.decode(text, type=_Held)

    def _hold(self, held: _Held) -> None:
        self.archive.set_setting(self._setting, msgspec.json.encode(held).decode())
