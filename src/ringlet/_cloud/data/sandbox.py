"""The sandbox: the simulated person as a source of documents, read directly, nothing stored.

Oura's own sandbox generates documents too, and returns one too few for any window, so windows cannot be
tested with it. This one filters as the production routes do. Ids have the shape of Oura's sandbox,
`sleep-0-2026-6-29`: the day in it is how a single document is found.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

import msgspec

from ..._api.catalog import AnyKind
from ..._api.windows import Dialect, Span, day_ms, from_ms, parse_instant, to_ms
from ..._person.person import Person
from ...errors import DocumentNotFound
from ..core.clock import Clock

FIRST_DAY = date(2016, 1, 1)
"""The simulated person's first day with a ring."""

_ID = re.compile(r"[A-Za-z0-9_]+-\d+-(\d{4})-(\d{1,2})-(\d{1,2})")
PAGE_DAYS = 120
"""Days on a page: few enough to generate in a fraction of a second."""


class Sandbox:
    """A `Source` that generates documents on request; the same request gives the same documents."""

    def __init__(self, person: Person, clock: Clock) -> None:
        self.person = person
        self.clock = clock

    def texts(
        self, user: int, kind: AnyKind, span: Span, dialect: Dialect, *, after: str | None, limit: int | None
    ) -> tuple[list[bytes], str | None]:
        """A page of a window; `after` is where it begins: a day, or an instant and a number of rows."""
        if kind.is_series:
            return self._samples(kind, span, after, limit or 1000)
        if kind.has_days:
            return self._documents(kind, span, dialect, after)
        today = self.clock.now().date()
        items = self.person.documents(kind.name, FIRST_DAY, today, now=self.clock.now())
        return [item.body for item in items], None

    def document(self, user: int, kind: AnyKind, id: str) -> bytes | None:
        """One document by its id."""
        if not kind.has_days:
            everything = self.person.documents(
                kind.name, FIRST_DAY, self.clock.now().date(), now=self.clock.now()
            )
        else:
            day = _day_of(id)
            everything = self.person.documents(kind.name, day, day, now=self.clock.now())
        return next((item.body for item in everything if item.id == id), None)

    def latest(self, user: int, kind: AnyKind) -> bytes | None:
        """The newest row before now."""
        now = self.clock.now()
        rows = list(self.person.samples(kind.name, now.date() - timedelta(days=3), now.date(), now=now))
        return rows[-1][1] if rows else None

    def _documents(
        self, kind: AnyKind, span: Span, dialect: Dialect, after: str | None
    ) -> tuple[list[bytes], str | None]:
        first = _day(span.start) - timedelta(days=2)
        last = min(_day(span.end), self.clock.now().date()) + timedelta(days=2)
        start = max(date.fromisoformat(after) if after else first, FIRST_DAY)
        stop = min(last, start + timedelta(days=PAGE_DAYS - 1))
        found: list[tuple[int, int, bytes]] = []
        if start <= stop:
            earliest, latest = span.days()
            for item in self.person.documents(kind.name, start, stop, now=self.clock.now()):
                key = instant_of(kind, item.body)
                inside = (
                    earliest <= item.day.isoformat() <= latest
                    if dialect == "docs"
                    else span.start <= key <= span.end
                )
                if inside:
                    found.append((key, len(found), item.body))
        more = (stop + timedelta(days=1)).isoformat() if stop < last else None
        return [body for _, _, body in sorted(found)], more

    def _samples(
        self, kind: AnyKind, span: Span, after: str | None, limit: int
    ) -> tuple[list[bytes], str | None]:
        begin, skip = (int(part) for part in after.split(":")) if after else (span.start, 0)
        now = self.clock.now()
        first = max(_day(begin), FIRST_DAY)
        last = min(_day(span.end), now.date())
        rows: list[bytes] = []
        at, same = 0, 0
        day = first
        while day <= last:
            for instant, row in self.person.samples(kind.name, day, day, now=now):
                ms = to_ms(instant)
                if ms < begin or ms > span.end:
                    continue
                if ms == begin and skip:
                    skip -= 1
                    at, same = ms, same + 1
                    continue
                if len(rows) == limit:
                    return rows, f"{at}:{same}"
                same = same + 1 if ms == at else 1
                at = ms
                rows.append(row)
            day += timedelta(days=1)
            if not rows and (day - first).days > PAGE_DAYS and day <= last:
                return [], f"{day_ms(day)}:0"
        return rows, None


def instant_of(kind: AnyKind, body: bytes) -> int:
    """The instant that the live dialect compares with a window."""
    text = msgspec.json.decode(body, type=dict[str, msgspec.Raw])[kind.instant]
    return parse_instant(msgspec.json.decode(text, type=str))


def _day(ms: int) -> date:
    """The day of an instant, clamped: windows reach from year 1 to 9999, the simulation does not."""
    low, high = day_ms(FIRST_DAY), day_ms(date(9000, 1, 1))
    return from_ms(max(low, min(high, ms))).date()


def _day_of(id: str) -> date:
    match = _ID.fullmatch(id)
    try:
        if match is None:
            raise ValueError(id)
        return date(*(int(part) for part in match.groups()))
    except ValueError:
        raise DocumentNotFound("Document not found.") from None
