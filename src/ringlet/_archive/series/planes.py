"""Rows that share one flat layout, turned on their side. Pure.

The rows of a series are nearly alike, `{"timestamp":"2026-01-01T00:05:00.000Z","bpm":61,...}` again and
again. So the values of each column are padded to one width with NUL, which no JSON text contains, and the
resulting grid is stored column of characters by column of characters: first every row's first character, then
every row's second. Characters that never move are stored once, in a template row. What moves compresses to a
few bytes a row, and comes back at the speed of memory: repeat the template, lay each plane over it with a
stride, drop the padding.

Rules of this file:
* No value is understood: digits are characters. So every row comes back byte for byte, whatever is in it.
* `Planes.of` renders what it made and compares before it is trusted.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from functools import cached_property

import msgspec

from .layout import Layout
from .zstd import compress, decompress

WIDEST = 2048
"""Rows padded beyond this would cost more than they save."""

_AFTER_STAMP = b'"} \t\r\n\0'
_LENGTH = struct.Struct("<I")


class Template(msgspec.Struct, array_like=True, frozen=True):
    """The head of a blob."""

    row: bytes
    """One row, padded, with the comma after it."""
    moving: list[int]
    """The characters of it that differ between rows, ascending: one plane each."""
    ragged: bool
    """Whether there is padding to drop."""
    stamp: tuple[int, int]
    """Where the timestamp stands in it; an empty range where it has none."""


class Planes:
    """A run of rows that share one flat layout."""

    encoding = "planes"

    def __init__(
        self, template: Template, data: bytes, n: int, offset: int = 0, *, in_order: bool = False
    ) -> None:
        self.n = n
        self.in_order = in_order
        self._template = template
        self._data = data  # from `offset` on, a plane of n bytes for each moving character
        self._offset = offset

    @classmethod
    def of(cls, text: bytes) -> Planes | None:
        """Rows joined by commas; None if they do not share a flat layout."""
        layout = Layout.of(text)
        columns = layout.cells(text) if layout else None
        if layout is None or columns is None:
            return None
        # First on the guess that a column is even if its total width says so: looking costs a fifth of it.
        return cls._of(text, layout, columns, guess=True) or cls._of(text, layout, columns, guess=False)

    @classmethod
    def _of(cls, text: bytes, layout: Layout, columns: list[list[bytes]], *, guess: bool) -> Planes | None:
        n = len(columns[0])
        row = bytearray()
        moving: list[int] = []
        planes: list[bytes] = []
        stamp = (0, 0)
        ragged = in_order = False
        for c, (literal, cells) in enumerate(zip(layout.literals, columns, strict=True)):
            start, width = len(row), len(cells[0])
            grid = b"".join(cells)
            even = guess and len(grid) == n * width
            if not even:
                width = max(map(len, cells))
                grid = struct.pack(f"{width}s" * n, *cells)  # pads with NUL, seven times as quick as ljust
                ragged = ragged or b"\0" in grid
            if start + width > WIDEST or width <= len(literal):
                return None
            row += grid[:width] + b","
            for at in range(len(literal), width):
                plane = grid[at::width]
                if plane.count(plane[:1]) < n:
                    moving.append(start + at)
                    planes.append(plane)
            if c == layout.stamp:
                stamp = start + len(literal) + 1, start + width - 1
                digits = (plane for place, plane in zip(moving, planes, strict=True) if place >= start)
                in_order = even and _ascend(bytes(row[slice(*stamp)]), digits, cells)
        run = cls(Template(bytes(row), moving, ragged, stamp), b"".join(planes), n, in_order=in_order)
        return run if run.text(0, n) == text else None

    @classmethod
    def unpack(cls, blob: bytes, n: int) -> Planes:
        """The run of `n` rows that `blob` holds."""
        data = decompress(blob)
        (length,) = _LENGTH.unpack_from(data)
        offset = _LENGTH.size + length
        return cls(_TEMPLATE.decode(data[_LENGTH.size : offset]), data, n, offset)

    def pack(self) -> bytes:
        """The blob."""
        head = msgspec.msgpack.encode(self._template)
        return compress(_LENGTH.pack(len(head)) + head + self._data[self._offset :])

    def cut(self, start: int, stop: int) -> Planes:
        """Rows `start`..`stop` alone; what does not move in them goes to the template, what is empty goes."""
        row = bytearray(self._template.row)
        begin, end = self._template.stamp
        moving: list[int] = []
        planes: list[bytes] = []
        at = self._offset
        gone = 0
        for place in self._template.moving:
            place -= gone
            plane = self._data[at + start : at + stop]
            at += self.n
            if plane.count(plane[:1]) < stop - start:
                moving.append(place)
                planes.append(plane)
            elif plane[0]:
                row[place] = plane[0]
            else:
                del row[place]
                gone += 1
                begin -= place < begin
                end -= place < end
        ragged = any(b"\0" in plane for plane in planes)
        template = Template(bytes(row), moving, ragged, (begin, end))
        return Planes(template, b"".join(planes), stop - start, in_order=self.in_order)

    def text(self, start: int, stop: int) -> bytes | bytearray:
        template = self._template
        row, data, count = template.row, self._data, stop - start
        width = len(row)
        rows = bytearray(row * count)
        for place, at in zip(template.moving, range(self._offset + start, len(data), self.n), strict=False):
            rows[place::width] = data[at : at + count]
        del rows[-1]
        return rows.replace(b"\0", b"") if template.ragged else rows

    @cached_property
    def _moving_stamp(self) -> list[tuple[int, int]]:
        """The planes of the timestamp: which of its characters, and where the plane begins."""
        begin, end = self._template.stamp
        return [
            (place - begin, self._offset + index * self.n)
            for index, place in enumerate(self._template.moving)
            if begin <= place < end
        ]

    def stamp(self, at: int) -> bytes:
        begin, end = self._template.stamp
        if begin >= end:
            raise ValueError("a row without a timestamp")
        cell = bytearray(self._template.row[begin:end])
        for place, plane in self._moving_stamp:
            cell[place] = self._data[plane + at]
        return bytes(cell).rstrip(_AFTER_STAMP)

    def stamps(self) -> list[bytes]:
        begin, end = self._template.stamp
        width = end - begin
        if width <= 0:
            raise ValueError("a row without a timestamp")
        cells = bytearray(self._template.row[begin:end] * self.n)
        for place, plane in self._moving_stamp:
            cells[place::width] = self._data[plane : plane + self.n]
        column = bytes(cells)
        stamps = [column[at : at + width] for at in range(0, len(column), width)]
        if column[width - 1 :: width].count(b"Z") == self.n:
            return stamps
        # What may follow a timestamp: its closing quote, the brace of a row that it ends, blanks, padding.
        return [stamp.rstrip(_AFTER_STAMP) for stamp in stamps]


def _ascend(stamp: bytes, moving: Iterable[bytes], cells: list[bytes]) -> bool:
    """Whether timestamps are in order, seen without reading them: all UTC, with as many decimals.

    Then only digits move, and the order of the texts is the order of the instants.
    """
    return bool(_UTC.fullmatch(stamp)) and all(map(bytes.isdigit, moving)) and sorted(cells) == cells


_UTC = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_TEMPLATE = msgspec.msgpack.Decoder(Template)
