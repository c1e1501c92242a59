"""The encoding `planes`: rows with one flat layout are stored as planes of characters.

The rows of a series are nearly alike: `{"timestamp":"2026-01-01T00:05:00.000Z","bpm":61,...}`, then the same
with other digits. So the values of each column are padded to one width with NUL, which no JSON text contains.
The rows then have equal lengths, and a *plane* is the characters that all rows have at one position. A
position at which all rows have the same character is stored once, in a template row. The planes of the other
positions compress to a few bytes a row. Unpacking needs no parsing: it repeats the template, writes each
plane to its position in all rows, and removes the padding.

Rules of this file:
* Values are not decoded, and digits are characters like others. So every row is unpacked byte for byte.
* `Planes.of` unpacks what it has packed and compares it with its input, so an error in it can lose no data.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from functools import cached_property

import msgspec

from .layout import Layout
from .zstd import compress, decompress

MAX_ROW_BYTES = 2048
"""The longest row (with padding) that is stored as planes. For longer rows, planes take more than text."""

_AFTER_TIMESTAMP = b'"} \t\r\n\0'
_LENGTH = struct.Struct("<I")


class Template(msgspec.Struct, array_like=True, frozen=True):
    """The beginning of a `planes` blob: what all rows have in common, and the positions that differ."""

    row: bytes
    """The padded text of one row, with the comma after it."""
    varying: list[int]
    """The positions in `row` at which the rows have different characters, ascending. Each has a plane."""
    padded: bool
    """Whether the rows contain padding, which unpacking removes."""
    timestamp: tuple[int, int]
    """The start of the timestamp in `row`, and its end (exclusive); equal if rows have no timestamp."""


class Planes:
    """Rows in the encoding `planes`."""

    encoding = "planes"

    def __init__(
        self, template: Template, data: bytes, n: int, offset: int = 0, *, is_sorted: bool = False
    ) -> None:
        self.n = n
        self.is_sorted = is_sorted
        self._template = template
        self._data = data  # From `offset` on: a plane of n bytes for each varying position.
        self._offset = offset

    @classmethod
    def of(cls, text: bytes) -> Planes | None:
        """Encode rows, given as JSON joined by commas; None if they do not have the same flat layout."""
        layout = Layout.of(text)
        columns = layout.cells(text) if layout else None
        if layout is None or columns is None:
            return None
        # The first try assumes that all cells of a column have the width of the first if the sum of their
        # widths fits: measuring each takes a fifth of the time. `_of` notices if the assumption is wrong.
        return cls._of(text, layout, columns, assume_even=True) or cls._of(
            text, layout, columns, assume_even=False
        )

    @classmethod
    def _of(
        cls, text: bytes, layout: Layout, columns: list[list[bytes]], *, assume_even: bool
    ) -> Planes | None:
        n = len(columns[0])
        row = bytearray()
        varying: list[int] = []
        planes: list[bytes] = []
        timestamp = (0, 0)
        padded = is_sorted = False
        for c, (literal, cells) in enumerate(zip(layout.literals, columns, strict=True)):
            start, width = len(row), len(cells[0])
            grid = b"".join(cells)
            even = assume_even and len(grid) == n * width
            if not even:
                width = max(map(len, cells))
                # `pack` pads with NUL, in a seventh of the time of `ljust`.
                grid = struct.pack(f"{width}s" * n, *cells)
                padded = padded or b"\0" in grid
            if start + width > MAX_ROW_BYTES or width <= len(literal):
                return None
            row += grid[:width] + b","
            for at in range(len(literal), width):
                plane = grid[at::width]
                if plane.count(plane[:1]) < n:
                    varying.append(start + at)
                    planes.append(plane)
            if c == layout.timestamp:
                timestamp = start + len(literal) + 1, start + width - 1
                digits = (plane for place, plane in zip(varying, planes, strict=True) if place >= start)
                is_sorted = even and _is_sorted(bytes(row[slice(*timestamp)]), digits, cells)
        run = cls(Template(bytes(row), varying, padded, timestamp), b"".join(planes), n, is_sorted=is_sorted)
        return run if run.text(0, n) == text else None

    @classmethod
    def unpack(cls, blob: bytes, n: int) -> Planes:
        """Decode the `n` rows in a blob."""
        data = decompress(blob)
        (length,) = _LENGTH.unpack_from(data)
        offset = _LENGTH.size + length
        return cls(_TEMPLATE.decode(data[_LENGTH.size : offset]), data, n, offset)

    def pack(self) -> bytes:
        """Encode the rows as a blob, for the column `body` of a chunk."""
        head = msgspec.msgpack.encode(self._template)
        return compress(_LENGTH.pack(len(head)) + head + self._data[self._offset :])

    def cut(self, start: int, stop: int) -> Planes:
        """The rows from number `start` up to but not including `stop`.

        A position at which these rows have the same character becomes part of the template, or is removed if
        the character is padding.
        """
        row = bytearray(self._template.row)
        begin, end = self._template.timestamp
        varying: list[int] = []
        planes: list[bytes] = []
        at = self._offset
        gone = 0
        for place in self._template.varying:
            place -= gone
            plane = self._data[at + start : at + stop]
            at += self.n
            if plane.count(plane[:1]) < stop - start:
                varying.append(place)
                planes.append(plane)
            elif plane[0]:
                row[place] = plane[0]
            else:
                del row[place]
                gone += 1
                begin -= place < begin
                end -= place < end
        padded = any(b"\0" in plane for plane in planes)
        template = Template(bytes(row), varying, padded, (begin, end))
        return Planes(template, b"".join(planes), stop - start, is_sorted=self.is_sorted)

    def text(self, start: int, stop: int) -> bytes | bytearray:
        template = self._template
        row, data, count = template.row, self._data, stop - start
        width = len(row)
        rows = bytearray(row * count)
        for place, at in zip(template.varying, range(self._offset + start, len(data), self.n), strict=False):
            rows[place::width] = data[at : at + count]
        del rows[-1]
        return rows.replace(b"\0", b"") if template.padded else rows

    @cached_property
    def _timestamp_planes(self) -> list[tuple[int, int]]:
        """The planes of the timestamp: for each its position in the timestamp, and its start in the data."""
        begin, end = self._template.timestamp
        return [
            (place - begin, self._offset + index * self.n)
            for index, place in enumerate(self._template.varying)
            if begin <= place < end
        ]

    def timestamp(self, at: int) -> bytes:
        begin, end = self._template.timestamp
        if begin >= end:
            raise ValueError("a row without a timestamp")
        cell = bytearray(self._template.row[begin:end])
        for place, plane in self._timestamp_planes:
            cell[place] = self._data[plane + at]
        return bytes(cell).rstrip(_AFTER_TIMESTAMP)

    def timestamps(self) -> list[bytes]:
        begin, end = self._template.timestamp
        width = end - begin
        if width <= 0:
            raise ValueError("a row without a timestamp")
        cells = bytearray(self._template.row[begin:end] * self.n)
        for place, plane in self._timestamp_planes:
            cells[place::width] = self._data[plane : plane + self.n]
        column = bytes(cells)
        timestamps = [column[at : at + width] for at in range(0, len(column), width)]
        if column[width - 1 :: width].count(b"Z") == self.n:
            return timestamps
        # After a timestamp the cell may have its closing quote, the brace that ends the row, blanks, padding.
        return [timestamp.rstrip(_AFTER_TIMESTAMP) for timestamp in timestamps]


def _is_sorted(timestamp: bytes, varying: Iterable[bytes], cells: list[bytes]) -> bool:
    """Whether the texts show that the timestamps ascend; False if the timestamps must be parsed to know.

    If all timestamps are UTC with the same number of decimals, only digits vary between them, and the order
    of the texts is the order of the instants.
    """
    return bool(_UTC.fullmatch(timestamp)) and all(map(bytes.isdigit, varying)) and sorted(cells) == cells


_UTC = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_TEMPLATE = msgspec.msgpack.Decoder(Template)
