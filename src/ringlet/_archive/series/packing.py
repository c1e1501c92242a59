"""JSON rows packed into one blob, and unpacked to the same bytes. Pure.

    planes   rows that share one flat layout (see `planes`): a few bytes a row
    text     any other rows, compressed as they are, after a table of their lengths

Any slice of the rows can be rendered without the others.
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
        """How many rows."""
        ...

    @property
    def encoding(self) -> str:
        """The name of the encoding: a key of `ENCODINGS`."""
        ...

    @property
    def is_sorted(self) -> bool:
        """Whether the timestamps are known to ascend; False if that was not looked at."""
        ...

    def pack(self) -> bytes:
        """The blob."""
        ...

    def cut(self, start: int, stop: int) -> Rows:
        """Rows [start, stop) alone; at least one."""
        ...

    def text(self, start: int, stop: int) -> bytes | bytearray:
        """The JSON of rows [start, stop), joined by commas; at least one."""
        ...

    def timestamp(self, at: int) -> bytes:
        """The timestamp of one row, as written. Raises ValueError if it has none."""
        ...

    def timestamps(self) -> list[bytes]:
        """The timestamps of all rows. Raises ValueError if one has none."""
        ...


class Text:
    """The encoding `text`: rows as the JSON text that Oura sent."""

    encoding = "text"
    is_sorted = False  # The order of the rows was not checked.

    def __init__(self, lengths: Sequence[int], data: bytes, offset: int = 0) -> None:
        self.n = len(lengths)
        self._data = data
        # Where each row starts, and where one after the last would: each row is followed by a comma.
        self._starts = list(accumulate((length + 1 for length in lengths), initial=offset))

    @classmethod
    def unpack(cls, blob: bytes, n: int) -> Text:
        """The `n` rows that a blob holds."""
        data = decompress(blob)
        offset = n * struct.calcsize("<I")
        return cls(struct.unpack_from(f"<{n}I", data), data, offset)

    @classmethod
    def of(cls, rows: Sequence[bytes]) -> Text:
        """Encode rows of JSON text."""
        return cls([len(row) for row in rows], b",".join(rows))

    def pack(self) -> bytes:
        """The blob."""
        starts = self._starts
        lengths = [after - start - 1 for start, after in pairwise(starts)]
        return compress(struct.pack(f"<{self.n}I", *lengths) + self._data[starts[0] :])

    def cut(self, start: int, stop: int) -> Text:
        """Rows [start, stop) alone."""
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
"""For each encoding, the function that unpacks a blob.

Archives store these names, so they must not change.
"""


def rows_of(text: bytes) -> Rows:
    """Rows joined by commas, in the smallest encoding that fits them. Raises msgspec.MsgspecError."""
    if planes := Planes.of(text):
        return planes
    rows = split(b"[" + text + b"]")  # `split` drops the blanks between rows.
    return Planes.of(b",".join(rows)) or Text.of(rows)


def unpack(encoding: str, blob: bytes, n: int) -> Rows:
    """The `n` rows in a blob."""
    return ENCODINGS[encoding](blob, n)
