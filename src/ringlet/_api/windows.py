"""Dates and instants, and the windows of requests: the time between `start_date` and `end_date`.

The cloud has two ways to decide which documents are in a window, one for each dialect:

* `live`, as Oura's service was seen to do it: a bound is an instant (a date means 00:00 UTC), and a document
  is in the window if a certain time of the document lies between the bounds, both included. The column
  `instant` of the table names its field: `day` at 00:00 UTC for most daily summaries, `bedtime_start` for
  sleep, `start_datetime` for workouts, and so on. Therefore lists of `sleep`, and of `daily_activity` (whose
  time is 04:00 local), often lack the last day.
* `docs`, as Oura's documentation says: a bound is a day, and both days are included.

The client returns the documents of the days that the caller asked for, whichever way the server decides: it
requests two more days on each side (`widen`) and drops the documents of other days. One more day would not be
enough, because the server may exclude the end, and its days differ from local days by up to 14 hours.

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
"""How the cloud behaves: `live`, as Oura's service was observed to, or `docs`, as its documentation says."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
DAY_MS = 86_400_000
WIDEN_BY = timedelta(days=2)


def to_ms(instant: datetime) -> int:
    """Convert to milliseconds since 1970; a datetime without a zone is taken for UTC, as Oura does."""
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return (instant - EPOCH) // MILLISECOND


def seconds_to_ms(seconds: float) -> int:
    """Convert seconds since 1970 to milliseconds, rounded down."""
    return int(seconds * 1000)


def now_ms() -> int:
    """The present time by this machine's clock, in milliseconds since 1970."""
    return to_ms(datetime.now(UTC))


def from_ms(ms: int) -> datetime:
    """Convert milliseconds since 1970 to a datetime in UTC."""
    return EPOCH + timedelta(milliseconds=ms)


def day_ms(day: date) -> int:
    """00:00 UTC of a day, in milliseconds since 1970."""
    return (day - EPOCH.date()).days * DAY_MS


FIRST_MS = day_ms(date.min)
LAST_MS = day_ms(date.max) + DAY_MS - 1
"""The first and the last instant that a datetime can express."""


def parse_instant(text: str) -> int:
    """Parse an ISO 8601 date (meaning 00:00 UTC) or date-time. Raises ValueError."""
    if len(text) == 10:
        return day_ms(date.fromisoformat(text))
    return to_ms(datetime.fromisoformat(text))


def parse_bound(text: str) -> int:
    """Parse the start or end of a window as the live service does. Raises ValueError.

    Oura's service takes ISO 8601, and numbers as seconds since 1970, above 2e10 as milliseconds: it has
    answered `start_date=1` with 200 and an empty list.
    """
    if len(text) == 10 and text[4] == "-":
        return day_ms(date.fromisoformat(text))
    text = text.strip()
    if re.fullmatch(r"[+-]?\d{1,15}", text):
        number = int(text)
        ms = number if abs(number) > 20_000_000_000 else number * 1000
    else:
        # A "+" that a client did not escape arrives as a space; Oura accepts " 02:00" for "+02:00".
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
        """The UTC days of the two bounds, in ISO format, for comparison with `day` in the dialect `docs`."""
        return from_ms(self.start).date().isoformat(), from_ms(self.end).date().isoformat()


def default_days(now: datetime) -> Span:
    """The window of a request for documents without start and end: yesterday to today, in UTC."""
    today = now.astimezone(UTC).date()
    return Span(day_ms(today - timedelta(days=1)), day_ms(today))


def default_instants(now: datetime) -> Span:
    """The window of a request for samples without start and end: the last 24 hours."""
    return Span(to_ms(now - timedelta(days=1)), to_ms(now))


def widen(start: date, end: date) -> tuple[date, date]:
    """The first and last day to request, so that the answer has every document of days `start` to `end`."""
    return _shift(start, -WIDEN_BY), _shift(end, WIDEN_BY)


def _shift(day: date, by: timedelta) -> date:
    try:
        return day + by
    except OverflowError:
        return date.min if by < timedelta(0) else date.max


def check_days(start: date, end: date) -> None:
    """Raise WindowError unless both bounds are dates, and `start` is not after `end`."""
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
    """Raise WindowError unless both bounds are datetimes with a zone, and `start` is not after `end`."""
    for bound in (start, end):
        if not isinstance(bound, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
            raise WindowError(
                f"this window takes datetimes, but {bound!r} is a {type(bound).__name__}",
                cure="pass datetimes with a zone, e.g. datetime(2026, 1, 1, tzinfo=UTC)",
            )
        if bound.tzinfo is None:
            raise WindowError(
                f"{bound.isoformat()} is ambiguous without a zone",
                cure="add a zone, e.g. by bound.astimezone() this machine's zone",
            )
    _in_order(start, end)


def _in_order(start: date, end: date) -> None:
    if start > end:
        said = f"start {start.isoformat()} is after end {end.isoformat()}"
        raise WindowError(said, cure="swap the two bounds")


def pieces(start: datetime, end: datetime, stride: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """Cut the time from `start` to `end` into pieces of `stride`, oldest first; the last may be shorter.

    Each piece is its first instant and the first one after it, in UTC. Raises WindowError for a `stride` that
    is not longer than zero.
    """
    # In UTC, because Python ignores changes of the offset when it adds to or compares times of one zone.
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if stride <= timedelta(0):
        raise WindowError(
            f"a stride is longer than zero, this one is {stride}", cure="pass a positive timedelta"
        )
    while start < end:
        stop = end if end - start <= stride else start + stride
        yield start, stop
        start = stop
