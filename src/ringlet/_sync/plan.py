"""Plans which windows a sync has to fetch, given the time that the archive covers already. No I/O here.

A window is a time interval of one data type, half-open: [start, end) in epoch milliseconds. A window is
fetched completely, and its documents are stored in one transaction with the record that the window is
covered.

Rules of this file:
* Covered time is not fetched again, except the last `TRAILING` days, which Oura may still revise.
* Documents are requested up to `AHEAD` beyond now, because in the user's time zone it may already be
  tomorrow.
* A data type whose requests take no dates has one window, from the beginning to the horizon, in every run.
* The newest window of each data type is fetched first, because users look at the newest days first. Then the
  data type with the most pages per window is next: pages are requested one after the other, so a window of
  many pages that begins last would keep one connection busy and leave the others idle.
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
"""The day from which data are requested by default. The first Oura ring was sold in 2015."""

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Window:
    """A time interval of one data type that is fetched and committed as a whole."""

    kind: AnyKind
    start: int
    end: int

    @property
    def params(self) -> dict[str, str]:
        """The query parameters of the window. Empty for a data type whose requests take no dates.

        Oura includes the end of a request, and a window does not, so one millisecond is subtracted.
        """
        if not self.kind.has_window:
            return {}
        first, last = self.kind.bounds
        return {first: _text(self.start), last: _text(self.end - 1)}


def _text(ms: int) -> str:
    instant = from_ms(ms)
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def horizon(kind: AnyKind, now: datetime) -> int:
    """The end of the newest window of a data type (epoch ms): now, or for documents `AHEAD` later."""
    if kind.is_series:
        return to_ms(now)
    return day_ms((now + AHEAD).date())


def settled(now: datetime) -> int:
    """The instant (epoch ms) before which Oura does not revise data any more: `TRAILING` before now."""
    return day_ms((now - TRAILING).date())


def plan(kind: AnyKind, since: date, until: int, covered: Iterable[Interval]) -> list[Window]:
    """The windows of a data type between `since` and `until` that the archive lacks, newest first."""
    if not kind.has_window:
        return [Window(kind, 0, until)] if any(missing((0, until), covered)) else []
    stride = kind.stride // MILLISECOND
    gaps = missing((opening(kind, since), until), covered)
    return [Window(kind, start, end) for gap in reversed(list(gaps)) for start, end in _cut(gap, stride)]


def opening(kind: AnyKind, since: date) -> int:
    """The instant (epoch milliseconds) at which the documents of the day `since` begin, at the earliest.

    Oura selects documents by their own instant (see `windows`), which may be before their day: a night's
    sleep belongs to the day of waking and began the evening before, and UTC offsets add up to 14 hours.
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
    """Cut a gap at midnight UTC into intervals of at most `stride` milliseconds, newest first."""
    start, end = gap
    while end > start:
        cut = max(start, -(-(end - stride) // DAY_MS) * DAY_MS)
        cut = cut if cut < end else max(start, end - stride)
        yield cut, end
        end = cut


class Agenda:
    """The windows that are still to be fetched, and the order in which workers take them."""

    def __init__(self, windows: Mapping[str, Sequence[Window]]) -> None:
        self._left = {name: deque(some) for name, some in windows.items() if some}
        self._newest = deque(self._left)

    def __len__(self) -> int:
        return sum(map(len, self._left.values()))

    def next(self, pages: Callable[[str], float]) -> Window | None:
        """Take the next window to fetch. None when all windows have been taken.

        `pages` is a function that returns the number of pages per window of a data type.
        """
        while self._newest:
            name = self._newest.popleft()
            if name in self._left:
                return self._take(name)
        return self._take(max(self._left, key=pages)) if self._left else None

    def drop(self, name: str) -> None:
        """Remove the windows of one data type that have not been taken yet."""
        self._left.pop(name, None)

    def _take(self, name: str) -> Window:
        window = self._left[name].popleft()
        if not self._left[name]:
            del self._left[name]
        return window
