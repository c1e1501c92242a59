"""Packs JSON rows into a compressed blob, and unpacks the same bytes. There are two encodings:

    planes   for rows with one flat layout (see `planes`); takes a few bytes a row
    text     for any other rows: a table of their lengths, and their text

The text of some rows can be made without that of the others.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Protocol

import msgspec

from .layout import split
from .planes import Planes
from .zstd import compress, decompress


class Rows(Protocol):
    """Rows of samples in one of the encodings of `ENCODINGS`."""

    @property
    def n(self) -> int:
        """The number of rows."""
        ...

    @property
    def encoding(self) -> str:
        """The name of the encoding: a key of `ENCODINGS`."""
        ...

    @property
    def is_sorted(self) -> bool:
        """Whether the timestamps are known to ascend; False if that was not tested."""
        ...

    def pack(self) -> bytes:
        """Encode the rows as a blob, for the column `body` of a chunk."""
        ...

    def cut(self, start: int, stop: int) -> Rows:
        """The rows from number `start` up to but not including `stop`; at least one."""
        ...

    def text(self, start: int, stop: int) -> bytes | bytearray:
        """The JSON of rows [start, stop), joined by commas; at least one."""
        ...

    def timestamp(self, at: int) -> bytes:
        """The timestamp of row number `at`, as in the JSON. Raises ValueError if the row has none."""
        ...

    def timestamps(self) -> list[bytes]:
        """The timestamps of all rows, as in the JSON. Raises ValueError if a row has none."""
        ...


class Text:
    """Rows in the encoding `text`: the JSON text that Oura sent."""

    encoding = "text"
    is_sorted = False  # The order of the rows was not checked.

    def __init__(self, lengths: Sequence[int], data: bytes, offset: int = 0) -> None:
        self.n = len(lengths)
        self._data = data
        # The offsets of the rows, and the offset behind the last. A comma follows each row, hence + 1.
        self._starts = list(accumulate((length + 1 for length in lengths), initial=offset))

    @classmethod
    def unpack(cls, blob: bytes, n: int) -> Text:
        """Decode the `n` rows in a blob."""
        data = decompress(blob)
        offset = n * struct.calcsize("<I")
        return cls(struct.unpack_from(f"<{n}I", data), data, offset)

    @classmethod
    def of(cls, rows: Sequence[bytes]) -> Text:
        """Encode rows of JSON text."""
        return cls([len(row) for row in rows], b",".join(rows))

    def pack(self) -> bytes:
        """Encode the rows as a blob, for the column `body` of a chunk."""
        starts = self._starts
        lengths = [after - start - 1 for start, after in pairwise(starts)]
        return compress(struct.pack(f"<{self.n}I", *lengths) + self._data[starts[0] :])

    def cut(self, start: int, stop: int) -> Text:
        """The rows from number `start` up to but not including `stop`."""
        return Text.of([bytes(self.text(i, i + 1)) for i in range(start, stop)])

    def text(self, start: int, stop: int) -> bytes | bytearray:
        return self._data[self._starts[start] : self._starts[stop] - 1]

    def timestamp(self, at: int) -> bytes:
        try:
            return _ROW.decode(self.text(at, at + 1)).timestamp.encode()
        except msgspec.MsgspecError as error:
            raise ValueError(f"a row without a timestamp: {error}") from error

    def timestamps(self) -> list[bytes]:
        return [self.timestamp(at) for at in range(self.n)]


class _Row(msgspec.Struct):
    timestamp: str


_ROW = msgspec.json.Decoder(_Row)

ENCODINGS: Mapping[str, Callable[[bytes, int], Rows]] = {"planes": Planes.unpack, "text": Text.unpack}
"""For each encoding, the function that unpacks a blob. Archives store the names, so they must not change."""


def rows_of(text: bytes) -> Rows:
    """Encode rows, given as JSON joined by commas, in the smallest encoding. Raises msgspec.MsgspecError."""
    if planes := Planes.of(text):
        return planes
    rows = split(b"[" + text + b"]")  # `split` drops the blanks between rows.
    return Planes.of(b",".join(rows)) or Text.of(rows)


def unpack(encoding: str, blob: bytes, n: int) -> Rows:
    """Decode the `n` rows in a blob."""
    return ENCODINGS[encoding](blob, n)
