"""Which windows a sync still has to fetch, given what the archive covers. Pure.

A window is half-open, [start, end) in epoch milliseconds. It is the unit of work and of commit: it is fetched
completely and stored together with the record that it is covered, or not at all.

Rules of this file:
* What is covered is not fetched again, except the last `TRAILING` days in every run: Oura revises them.
* In the user's zone it may be tomorrow already: documents are requested up to `AHEAD` beyond now.
* A type whose requests take no dates has one window, from the beginning to the horizon, in every run.
* The newest windows are first, because people look at them first. After the newest window of each type, the
  types whose windows have the most pages are next: a page can be requested only after the one before it, so a
  long chain that begins last would keep one connection busy and the others idle.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from .._api.catalog import AnyKind
from .._api.windows import DAY_MS, MILLISECOND, day_ms, from_ms, to_ms, widen

TRAILING = timedelta(days=7)
AHEAD = timedelta(days=2)
FIRST_RINGS = date(2015, 1, 1)
"""The year of the first Oura ring."""

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Window:
    """One unit of work."""

    kind: AnyKind
    start: int
    end: int

    @property
    def params(self) -> dict[str, str]:
        """The request's bounds. Oura includes the instant of the end, hence one millisecond less."""
        if not self.kind.has_window:
            return {}
        first, last = self.kind.bounds
        return {first: _text(self.start), last: _text(self.end - 1)}


def _text(ms: int) -> str:
    instant = from_ms(ms)
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def horizon(kind: AnyKind, now: datetime) -> int:
    """How far ahead a window of this type reaches."""
    if kind.is_series:
        return to_ms(now)
    return day_ms((now + AHEAD).date())


def settled(now: datetime) -> int:
    """Before this instant what is covered stays covered; after it Oura may still revise."""
    return day_ms((now - TRAILING).date())


def plan(kind: AnyKind, since: date, until: int, covered: Iterable[Interval]) -> list[Window]:
    """The windows of one type that are missing between `since` and `until`, newest first."""
    if not kind.has_window:
        return [Window(kind, 0, until)] if any(missing((0, until), covered)) else []
    stride = kind.stride // MILLISECOND
    gaps = missing((opening(kind, since), until), covered)
    return [Window(kind, start, end) for gap in reversed(list(gaps)) for start, end in _cut(gap, stride)]


def opening(kind: AnyKind, since: date) -> int:
    """The instant to begin at so that nothing filed under `since` is left out.

    Documents are compared by an instant of their own (see `windows`): a night filed under a day began on its
    eve, and 14 hours of offset come on top.
    """
    may_begin_earlier = kind.has_days and kind.instant != "day"
    return day_ms(widen(since, since)[0] if may_begin_earlier else since)


def missing(whole: Interval, covered: Iterable[Interval]) -> Iterator[Interval]:
    """The parts of `whole` that no interval covers, oldest first."""
    at, end = whole
    for start, stop in sorted(covered):
        if at >= end:
            return
        if start > at:
            yield at, min(start, end)
        at = max(at, stop)
    if at < end:
        yield at, end


def _cut(gap: Interval, stride: int) -> Iterator[Interval]:
    """A gap in pieces of at most `stride`, cut at midnight UTC, newest first."""
    start, end = gap
    while end > start:
        cut = max(start, -(-(end - stride) // DAY_MS) * DAY_MS)
        cut = cut if cut < end else max(start, end - stride)
        yield cut, end
        end = cut


class Agenda:
    """Which window to fetch next."""

    def __init__(self, windows: Mapping[str, Sequence[Window]]) -> None:
        self._left = {name: deque(some) for name, some in windows.items() if some}
        self._newest = deque(self._left)

    def __len__(self) -> int:
        return sum(map(len, self._left.values()))

    def next(self, pages: Callable[[str], float]) -> Window | None:
        """The next window, given how many pages a window of each type takes; None when all are taken."""
        while self._newest:
            name = self._newest.popleft()
            if name in self._left:
                return self._take(name)
        return self._take(max(self._left, key=pages)) if self._left else None

    def drop(self, name: str) -> None:
        """Leave out what is left of a type."""
        self._left.pop(name, None)

    def _take(self, name: str) -> Window:
        window = self._left[name].popleft()
        if not self._left[name]:
            del self._left[name]
        return window
