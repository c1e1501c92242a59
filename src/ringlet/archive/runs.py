"""Rows in order of time, cut where chunks are cut. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from operator import le

from ..windows import DAY_MS
from .layout import instants, split
from .packing import Packed, run

MOST = 4096
"""Rows in a chunk, unless more share one instant."""


def midnight_before(instant: int) -> int:
    """00:00 UTC of the day of an instant."""
    return instant - instant % DAY_MS


class Run:
    """Rows in order of time."""

    def __init__(self, packed: Packed, times: list[int]) -> None:
        self.packed = packed
        self.times = times

    @classmethod
    def of(cls, text: bytes) -> Run:
        """Rows as they came, joined by commas; sorted if need be, keeping the order of equal instants.

        Raises ValueError, msgspec.MsgspecError.
        """
        packed = run(text)
        times = instants(packed.stamps(0, packed.n))
        if all(map(le, times, times[1:])):
            return cls(packed, times)
        rows = split(b"[" + text + b"]")
        order = sorted(range(len(times)), key=times.__getitem__)
        return cls(run(b",".join([rows[i] for i in order])), [times[i] for i in order])

    def text(self) -> bytes:
        """The rows, joined by commas."""
        return bytes(self.packed.text(0, self.packed.n))

    def cut(self, start: int, stop: int) -> Run:
        """Rows `start`..`stop` alone."""
        if start == 0 and stop == self.packed.n:
            return self
        return Run(self.packed.cut(start, stop), self.times[start:stop])

    def by_instant(self) -> dict[int, list[bytes]]:
        """The rows of each instant."""
        rows: dict[int, list[bytes]] = {}
        for time, row in zip(self.times, split(b"[" + self.text() + b"]"), strict=True):
            rows.setdefault(time, []).append(row)
        return rows

    def days(self) -> Iterator[Run]:
        """The same, cut at midnight UTC."""
        start = 0
        while start < len(self.times):
            stop = bisect_left(self.times, midnight_before(self.times[start]) + DAY_MS, start)
            yield self.cut(start, stop)
            start = stop

    def pieces(self) -> Iterator[Run]:
        """The same, cut to the size of a chunk, but never between equal instants."""
        start = 0
        while len(self.times) - start > MOST:
            turn = self.times[start + MOST]
            stop = bisect_left(self.times, turn, start)
            if stop == start:
                stop = bisect_right(self.times, turn, start)
            yield self.cut(start, stop)
            start = stop
        if start < len(self.times):
            yield self.cut(start, len(self.times))
