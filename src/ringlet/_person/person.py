"""The simulated person: one life, computed.

(seed, user, day) decides everything. Asking for one day or for ten years, in whatever order, in whichever
process, gives the same bytes. The rooms, each reading only those before it:

    dice       chance as a hash: who, what for, which day
    zones      clocks and summer time
    traits     the body and its habits
    blocks     trips, illness, charging: what outlasts a day
    plan       bedtimes and what happens between them
    night      sleep periods: stages, heart rate, HRV
    day        movement: classes, MET, steps
    scores     sleep, readiness, activity
    estimates  stress, resilience, vascular age, VO2 max, oxygen
    series     heart rate, battery, beats
    rings      every ring ever set up
    pen        when the cloud comes to know what
    nightly, daily, notes   the documents
    documents  the table of their types

Nobody wore a ring before `EARLIEST` nor will after `LATEST`: a request for all of history stays finite.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from msgspec import json

from .day import Days
from .dice import Cup
from .documents import DOCUMENTS
from .estimates import Estimates
from .night import Nights, Period
from .pen import Draft, Ids, Pen
from .plan import Calendar
from .rings import Dialect, Fields
from .scores import Scores
from .series import SERIES, Series
from .zones import EPOCH, HOUR, day_of, midnight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "DOCUMENTS",
    "EARLIEST",
    "LATEST",
    "RINGS",
    "SERIES",
    "Dialect",
    "Happening",
    "Ids",
    "Item",
    "Period",
    "Person",
]

EARLIEST: Final = date(2010, 1, 1)
LATEST: Final = date(2099, 12, 31)
RINGS: Final = "ring_configuration"


@dataclass(frozen=True, slots=True)
class Item:
    """One version of one document."""

    name: str
    id: str
    day: date
    at: datetime
    """The instant (UTC) from which the cloud shows this version."""
    version: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Happening:
    """The cloud comes to know a version of a document, or that its wearer has deleted it."""

    at: datetime
    name: str
    id: str
    body: bytes | None
    """None: deleted."""


class Person:
    """One simulated wearer of a ring.

    >>> nights = list(Person(7, "demo").documents("daily_sleep", date(2026, 3, 1), date(2026, 3, 7)))
    """

    def __init__(
        self,
        seed: int = 7,
        user: str = "demo",
        *,
        dialect: Dialect = "live",
        ids: Ids = "uuid",
    ) -> None:
        self.seed, self.user, self.dialect, self.ids = seed, user, dialect, ids
        self._cup = Cup(seed, user)
        self._calendar = Calendar(self._cup)
        self.traits = self._calendar.traits
        self._nights = Nights(self._calendar)
        self._days = Days(self._nights)
        self._scores = Scores(self._days)
        self._series = Series(self._days, unix=dialect == "docs")
        self._pen = Pen(Estimates(self._scores), self._series, dialect, ids)

    def documents(self, name: str, first: date, last: date, *, now: datetime | None = None) -> Iterator[Item]:
        """The documents of the days first..last, each as the cloud shows it at `now` (None: in the end).

        What was deleted by then is left out. Rings are listed from the oldest on, whenever they were set up,
        up to `last`.
        """
        until = None if now is None else now.timestamp()
        for index, draft in self._drafts(name, first, last):
            if draft.deleted is not None and (until is None or draft.deleted <= until):
                continue
            known = [n for n, (at, _) in enumerate(draft.versions) if until is None or at <= until]
            if known:
                yield self._item(name, draft, index, known[-1])

    def revisions(self, name: str, first: date, last: date) -> Iterator[Item]:
        """Every version of every document, those deleted later among them, by day, document, version."""
        for index, draft in self._drafts(name, first, last):
            for number in range(len(draft.versions)):
                yield self._item(name, draft, index, number)

    def happenings(self, since: datetime, until: datetime) -> Iterator[Happening]:
        """What the cloud comes to know in (since, until], in order of time: new, changed, deleted documents.

        Played upon `documents(now=since)` it makes `documents(now=until)`. What it costs grows with the days
        between the two.
        """
        begin, end = since.timestamp(), until.timestamp()
        found: list[tuple[int, Callable[[], Happening]]] = []
        for name, kind in DOCUMENTS.items():
            first, last = since.date() - timedelta(days=kind.late), until.date() + timedelta(days=1)
            for index, draft in self._drafts(name, first, last):
                for number, (at, _) in enumerate(draft.versions):
                    if begin < at <= end:
                        found.append((at, partial(self._known, name, draft, index, number)))
                if draft.deleted is not None and begin < draft.deleted <= end:
                    found.append((draft.deleted, partial(self._gone, name, draft, index)))
        for _, tell in sorted(found, key=itemgetter(0)):
            yield tell()

    def samples(
        self, name: str, first: date, last: date, *, now: datetime | None = None
    ) -> Iterator[tuple[datetime, bytes]]:
        """The rows of the UTC days first..last up to `now`, each with its instant."""
        if name not in SERIES:
            raise KeyError(name)
        until = None if now is None else round(now.timestamp() * 1000)
        for day in _span(first, last):
            if until is not None and midnight(day) * 1000 > until:
                return
            for at, row in self._rows(name, day):
                if until is not None and at > until:
                    return
                yield _instant(at // 1000, at % 1000), row

    def personal_info(self) -> bytes:
        traits = self.traits
        return json.encode(
            {
                "id": self._cup.stream("user", 0, 20).hex(),
                "age": traits.age,
                "weight": traits.weight,
                "height": traits.height,
                "biological_sex": traits.sex,
                "email": f"{self.user}@example.com",
            }
        )

    def zone(self, day: date) -> timedelta:
        """The wearer's offset from UTC at noon of the day."""
        number = day.toordinal()
        return timedelta(seconds=self._calendar.offset(self._calendar.instant(number, 12 * HOUR)))

    def night(self, day: date) -> Period | None:
        """The long sleep that ended on the day, as it was slept."""
        return self._nights.main(day.toordinal())

    def drinks(self, day: date) -> float:
        """How much alcohol the evening of the day held, 0..1."""
        return self._calendar.mood(day.toordinal()).alcohol

    def illness(self, day: date) -> float:
        """How ill the person was, 0..1."""
        return self._calendar.mood(day.toordinal()).illness

    def _rows(self, name: str, day: int) -> Iterator[tuple[int, bytes]]:
        if name == "heartrate":
            return self._series.heartrate(day)
        if name == "interbeat_interval":
            return self._series.interbeat_interval(day)
        return self._series.ring_battery_level(day)

    def _drafts(self, name: str, first: date, last: date) -> Iterator[tuple[int, Draft]]:
        if name == RINGS:
            for at, _ in self._pen.rings:
                if day_of(at) <= last.toordinal():
                    yield from enumerate(DOCUMENTS[name].drafts(self._pen, day_of(at)))
            return
        drafts = DOCUMENTS[name].drafts
        for day in _span(first, last):
            yield from enumerate(drafts(self._pen, day))

    def _known(self, name: str, draft: Draft, index: int, number: int) -> Happening:
        item = self._item(name, draft, index, number)
        return Happening(item.at, name, item.id, item.body)

    def _gone(self, name: str, draft: Draft, index: int) -> Happening:
        assert draft.deleted is not None
        return Happening(_instant(draft.deleted), name, self._pen.id(name, draft.day, index), None)

    def _item(self, name: str, draft: Draft, index: int, number: int) -> Item:
        at, write = draft.versions[number]
        day = date.fromordinal(draft.day)
        id = self._pen.id(name, draft.day, index)
        fields: Fields = {"id": id}
        instant = _instant(at)
        if self.dialect == "docs" and DOCUMENTS[name].meta:
            stamp = f"{instant.replace(tzinfo=None).isoformat()}.000Z"
            fields["meta"] = {"updated_at": stamp, "version": number + 1}
        return Item(name, id, day, instant, number + 1, json.encode(fields | write()))


def _span(first: date, last: date) -> range:
    return range(max(first, EARLIEST).toordinal(), min(last, LATEST).toordinal() + 1)


def _instant(second: int, millisecond: int = 0) -> datetime:
    # Not fromtimestamp, which asks the platform's C library for dates before 1970.
    return datetime.combine(date.fromordinal(second // 86_400 + EPOCH), datetime.min.time(), UTC) + timedelta(
        seconds=second % 86_400, milliseconds=millisecond
    )
