"""Dates and instants: what a window holds, on the client and in the cloud. The clock is an argument.

The cloud has two readings of `start_date` and `end_date`:

* `live`: what the service was seen to do. A bound is an instant (a bare date is 00:00 UTC) and a document is
  inside when *its own instant* lies between the two, both included. Which instant that is differs per data
  type and is a column of the table: `day` at 00:00 UTC for most daily summaries, `bedtime_start` for sleep,
  `start_datetime` for workouts, and so on. Hence the known surprises: `daily_activity` (keyed at 04:00 local)
  and `sleep` seem to lose their last day.
* `docs`: what the documents say. A bound is a day and both days are included.

A client that wants the days that people mean asks for more (`widen`) and keeps the documents whose `day` lies
between the two. Two days more on each side, because an excluded end and 14 hours of offset can add up.

Instants are integers, milliseconds since 1970-01-01 UTC, so that SQLite and PostgreSQL compare them alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, TypeAlias

from ..errors import WindowError

Dialect: TypeAlias = Literal["live", "docs"]
"""How the cloud behaves: as the live service was observed to, or as Oura's documents say."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
DAY_MS = 86_400_000
WIDEN_BY = timedelta(days=2)


def to_ms(instant: datetime) -> int:
    """Milliseconds since the epoch; an instant without a zone is read as UTC, as Oura does."""
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return (instant - EPOCH) // MILLISECOND


def seconds_to_ms(seconds: float) -> int:
    """Milliseconds of seconds since the epoch, rounded down."""
    return int(seconds * 1000)


def now_ms() -> int:
    """Now, by this machine's clock; everything else here is given the time."""
    return to_ms(datetime.now(UTC))


def from_ms(ms: int) -> datetime:
    """The aware UTC datetime of an instant."""
    return EPOCH + timedelta(milliseconds=ms)


def day_ms(day: date) -> int:
    """00:00 UTC of a day."""
    return (day - EPOCH.date()).days * DAY_MS


FIRST_MS = day_ms(date.min)
LAST_MS = day_ms(date.max) + DAY_MS - 1
"""The first and the last instant that a datetime can express."""


def parse_instant(text: str) -> int:
    """An ISO 8601 date or date-time as an instant. Raises ValueError."""
    if len(text) == 10:
        return day_ms(date.fromisoformat(text))
    return to_ms(datetime.fromisoformat(text))


def parse_bound(text: str) -> int:
    """A window bound as the live service reads it: ISO 8601, or a number of seconds since the epoch.

    `start_date=1` was answered with 200 and an empty list: the service's validator takes numbers as epoch
    seconds, and above 2e10 as milliseconds. Raises ValueError.
    """
    if len(text) == 10 and text[4] == "-":
        return day_ms(date.fromisoformat(text))
    text = text.strip()
    if re.fullmatch(r"[+-]?\d{1,15}", text):
        number = int(text)
        ms = number if abs(number) > 20_000_000_000 else number * 1000
    else:
        # An unescaped "+02:00" arrives as " 02:00"; the service is lenient and so are we.
        ms = parse_instant(text.replace(" ", "+") if "T" in text else text)
    if not FIRST_MS <= ms <= LAST_MS:
        raise ValueError(f"{text} lies outside the years 1 to 9999")
    return ms


@dataclass(frozen=True, slots=True)
class Span:
    """The window of a request: two instants in epoch milliseconds, both included."""

    start: int
    end: int

    def days(self) -> tuple[str, str]:
        """The days of the two bounds in UTC, ISO: what the `docs` reading compares with `day`."""
        return from_ms(self.start).date().isoformat(), from_ms(self.end).date().isoformat()


def default_days(now: datetime) -> Span:
    """What document routes read when both dates are left out: yesterday to today."""
    today = now.astimezone(UTC).date()
    return Span(day_ms(today - timedelta(days=1)), day_ms(today))


def default_instants(now: datetime) -> Span:
    """What series read when both bounds are left out: the last 24 hours."""
    return Span(to_ms(now - timedelta(days=1)), to_ms(now))


def widen(start: date, end: date) -> tuple[date, date]:
    """The days to ask for so that every document of `start`..`end` is among the answers."""
    return _shift(start, -WIDEN_BY), _shift(end, WIDEN_BY)


def _shift(day: date, by: timedelta) -> date:
    try:
        return day + by
    except OverflowError:
        return date.min if by < timedelta(0) else date.max


def check_days(start: date, end: date) -> None:
    """Refuse a window that is not two days in order. Raises WindowError."""
    for bound in (start, end):
        if not isinstance(bound, date):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
            raise WindowError(
                f"this window takes dates, but {bound!r} is a {type(bound).__name__}",
                cure="pass dates, e.g. date(2026, 1, 1)",
            )
        if isinstance(bound, datetime):
            raise WindowError(
                f"this window takes dates, but {bound.isoformat()} is a datetime",
                cure="pass dates, or exact=True to send the bounds as they are",
            )
    _in_order(start, end)


def check_instants(start: datetime, end: datetime) -> None:
    """Refuse a window that is not two aware instants in order. Raises WindowError."""
    for bound in (start, end):
        if not isinstance(bound, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
            raise WindowError(
                f"this window takes datetimes, but {bound!r} is a {type(bound).__name__}",
                cure="pass datetimes with a zone, e.g. datetime(2026, 1, 1, tzinfo=UTC)",
            )
        if bound.tzinfo is None:
            raise WindowError(
                f"{bound.isoformat()} is ambiguous without a zone",
                cure="give it one, e.g. bound.astimezone() for this machine's zone",
            )
    _in_order(start, end)


def _in_order(start: date, end: date) -> None:
    if start > end:
        said = f"start {start.isoformat()} is after end {end.isoformat()}"
        raise WindowError(said, cure="swap the two bounds")


def pieces(start: datetime, end: datetime, stride: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """`start`..`end` cut into half-open pieces no longer than `stride`, oldest first, in UTC."""
    # Python adds to and compares the wall clock of a zone, which runs backwards once a year.
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if stride <= timedelta(0):
        raise WindowError(
            f"a stride is longer than zero, this one is {stride}", cure="pass a positive timedelta"
        )
    while start < end:
        stop = end if end - start <= stride else start + stride
        yield start, stop
        start = stop
