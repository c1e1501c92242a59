"""Sorts rows of samples by time, and cuts them into pieces, one for each chunk."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from operator import le
from typing import overload

from ..._api.windows import parse_instant
from .layout import instants, split
from .packing import Rows, rows_of

MAX_CHUNK_ROWS = 1024
"""The most samples in a chunk, unless more have the same instant. With smaller chunks the table would have
too many rows; with larger ones, reading a page of 1,000 samples would decompress many others."""


class Instants(Sequence[int]):
    """The instants of sorted rows in milliseconds UTC, each parsed when it is needed.

    Cutting ten thousand rows into chunks needs only the instants near the cuts.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return self._rows.n

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> list[int]: ...
    def __getitem__(self, at: int | slice) -> int | list[int]:
        if isinstance(at, slice):
            return instants(self._rows.timestamps()[at])
        return parse_instant(self._rows.timestamp(range(len(self))[at]).decode())

    def __iter__(self) -> Iterator[int]:
        return iter(instants(self._rows.timestamps()))


class SortedRows:
    """Rows of samples in order of time, with their instants."""

    def __init__(self, rows: Rows, times: Sequence[int]) -> None:
        self.rows = rows
        self.times = times

    @classmethod
    def of(cls, text: bytes) -> SortedRows:
        """Sort rows, given as JSON joined by commas. Rows with the same instant stay in their order.

        Raises ValueError, msgspec.MsgspecError.
        """
        rows = rows_of(text)
        if rows.is_sorted:
            return cls(rows, Instants(rows))
        times = instants(rows.timestamps())
        if all(map(le, times, times[1:])):
            return cls(rows, times)
        texts = split(b"[" + text + b"]")
        order = sorted(range(len(times)), key=times.__getitem__)
        return cls(rows_of(b",".join([texts[i] for i in order])), [times[i] for i in order])

    def text(self) -> bytes:
        """The JSON of the rows, joined by commas."""
        return bytes(self.rows.text(0, self.rows.n))

    def cut(self, start: int, stop: int) -> SortedRows:
        """The rows from number `start` up to but not including `stop`."""
        if start == 0 and stop == self.rows.n:
            return self
        rows = self.rows.cut(start, stop)
        return SortedRows(rows, Instants(rows) if rows.is_sorted else self.times[start:stop])

    def by_instant(self) -> dict[int, list[bytes]]:
        """The JSON texts of the rows of each instant."""
        found: dict[int, list[bytes]] = {}
        for time, text in zip(self.times, split(b"[" + self.text() + b"]"), strict=True):
            found.setdefault(time, []).append(text)
        return found

    def pieces(self) -> Iterator[SortedRows]:
        """Cut the rows into pieces of about equal size, one for each chunk, never between equal instants."""
        n = len(self.times)
        size = -(-n // -(-n // MAX_CHUNK_ROWS))
        start = 0
        while n - start > size:
            # Cut before the first row with that instant; if that is row `start`, after the last such row.
            instant = self.times[start + size]
            stop = bisect_left(self.times, instant, start)
            if stop == start:
                stop = bisect_right(self.times, instant, start)
            yield self.cut(start, stop)
            start = stop
        if start < n:
            yield self.cut(start, n)
