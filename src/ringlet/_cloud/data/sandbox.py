"""Generates the documents of the sandbox routes on request, from a simulated person, and stores nothing.

Oura's sandbox also generates documents, but leaves one out of every window, so clients cannot test their
windows with it. This sandbox filters by window as the production routes do. Document ids have the form of
Oura's sandbox, such as `sleep-0-2026-6-29`. A request for one document generates it again from the day in
its id.
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
"""The first day for which the sandbox has documents."""

_ID = re.compile(r"[A-Za-z0-9_]+-\d+-(\d{4})-(\d{1,2})-(\d{1,2})")
PAGE_DAYS = 120
"""The most days on one page. Generating the documents of so many days takes a fraction of a second."""


class Sandbox:
    """A `Source` that generates documents on request; the same request gives the same documents."""

    def __init__(self, person: Person, clock: Clock) -> None:
        self.person = person
        self.clock = clock

    def texts(
        self, user: int, kind: AnyKind, span: Span, dialect: Dialect, *, after: str | None, limit: int | None
    ) -> tuple[list[bytes], str | None]:
        """Generate a page of documents or rows; the arguments and results are those of `Source.texts`.

        `after` is the first day of the page, for documents. For samples it is `MS:N`: the page begins after
        the N-th row at the instant MS (epoch ms), because several rows may have the same instant.
        """
        if kind.is_series:
            return self._samples(kind, span, after, limit or 1000)
        if kind.has_days:
            return self._documents(kind, span, dialect, after)
        today = self.clock.now().date()
        items = self.person.documents(kind.name, FIRST_DAY, today, now=self.clock.now())
        return [item.body for item in items], None

    def document(self, user: int, kind: AnyKind, id: str) -> bytes | None:
        """Generate a document from its id; None if it does not exist. DocumentNotFound for a malformed id."""
        if not kind.has_days:
            candidates = self.person.documents(
                kind.name, FIRST_DAY, self.clock.now().date(), now=self.clock.now()
            )
        else:
            day = _day_of(id)
            candidates = self.person.documents(kind.name, day, day, now=self.clock.now())
        return next((item.body for item in candidates if item.id == id), None)

    def latest(self, user: int, kind: AnyKind) -> bytes | None:
        """The newest row of a series up to the clock's time; None if the last three days have no rows."""
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
    """The instant of a document (epoch ms). In the dialect `live` it must be inside a request's window."""
    text = msgspec.json.decode(body, type=dict[str, msgspec.Raw])[kind.instant]
    return parse_instant(msgspec.json.decode(text, type=str))


def _day(ms: int) -> date:
    """The day of an instant (epoch ms), moved to the nearest day that can be simulated.

    The move is needed because the window of a request may reach from year 1 to year 9999.
    """
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
