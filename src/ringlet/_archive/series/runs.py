"""Rows in order of time, cut where chunks are cut. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from operator import le
from typing import overload

from ..._api.windows import parse_instant
from .layout import instants, split
from .packing import Packed, run

MOST = 1024
"""Rows in a chunk, unless more share one instant: large enough to cost little each, small enough that a page
of 1,000 rows unpacks little more than itself."""


class Instants(Sequence[int]):
    """The instants of rows in order, each read when it is looked at.

    Of ten thousand rows only those at the cuts need to be understood.
    """

    def __init__(self, rows: Packed) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return self._rows.n

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> list[int]: ...
    def __getitem__(self, at: int | slice) -> int | list[int]:
        if isinstance(at, slice):
            return instants(self._rows.stamps()[at])
        return parse_instant(self._rows.stamp(range(len(self))[at]).decode())

    def __iter__(self) -> Iterator[int]:
        return iter(instants(self._rows.stamps()))


class Run:
    """Rows in order of time."""

    def __init__(self, packed: Packed, times: Sequence[int]) -> None:
        self.packed = packed
        self.times = times

    @classmethod
    def of(cls, text: bytes) -> Run:
        """Rows as they came, joined by commas; sorted if need be, keeping the order of equal instants.

        Raises ValueError, msgspec.MsgspecError.
        """
        packed = run(text)
        if packed.in_order:
            return cls(packed, Instants(packed))
        times = instants(packed.stamps())
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
        packed = self.packed.cut(start, stop)
        return Run(packed, Instants(packed) if packed.in_order else self.times[start:stop])

    def by_instant(self) -> dict[int, list[bytes]]:
        """The rows of each instant."""
        rows: dict[int, list[bytes]] = {}
        for time, row in zip(self.times, split(b"[" + self.text() + b"]"), strict=True):
            rows.setdefault(time, []).append(row)
        return rows

    def pieces(self) -> Iterator[Run]:
        """The same in chunks of about equal size, but never cut between equal instants."""
        n = len(self.times)
        size = -(-n // -(-n // MOST))
        start = 0
        while n - start > size:
            turn = self.times[start + size]
            stop = bisect_left(self.times, turn, start)
            if stop == start:
                stop = bisect_right(self.times, turn, start)
            yield self.cut(start, stop)
            start = stop
        if start < n:
            yield self.cut(start, n)
