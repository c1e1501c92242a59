"""How a run of JSON rows is kept as one blob, and unpacked to the very same bytes. Pure.

    planes   rows that share one flat layout (see `planes`): a few bytes a row
    text     any other rows, compressed as they are after a table of their lengths

A run gives any slice of its rows without rendering the others.
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


class Packed(Protocol):
    """A run of rows."""

    @property
    def n(self) -> int:
        """How many."""
        ...

    @property
    def encoding(self) -> str:
        """The name of its encoding."""
        ...

    @property
    def in_order(self) -> bool:
        """Whether its timestamps are known to ascend."""
        ...

    def pack(self) -> bytes:
        """The blob."""
        ...

    def cut(self, start: int, stop: int) -> Packed:
        """Rows `start`..`stop` alone; at least one."""
        ...

    def text(self, start: int, stop: int) -> bytes | bytearray:
        """Rows `start`..`stop` joined by commas; at least one."""
        ...

    def stamp(self, at: int) -> bytes:
        """The timestamp of one row, as written. Raises ValueError for a row that has none."""
        ...

    def stamps(self) -> list[bytes]:
        """The timestamps of all."""
        ...


class Text:
    """A run of rows as they are."""

    encoding = "text"
    in_order = False  # nothing is known of them

    def __init__(self, lengths: Sequence[int], data: bytes, offset: int = 0) -> None:
        self.n = len(lengths)
        self._data = data
        # Where each row starts; each is followed by a comma, and one is counted after the last.
        self._starts = list(accumulate((length + 1 for length in lengths), initial=offset))

    @classmethod
    def unpack(cls, blob: bytes, n: int) -> Text:
        """The run of `n` rows that `blob` holds."""
        data = decompress(blob)
        offset = n * struct.calcsize("<I")
        return cls(struct.unpack_from(f"<{n}I", data), data, offset)

    @classmethod
    def of(cls, rows: Sequence[bytes]) -> Text:
        """The run of these rows."""
        return cls([len(row) for row in rows], b",".join(rows))

    def pack(self) -> bytes:
        """The blob."""
        starts = self._starts
        lengths = [after - start - 1 for start, after in pairwise(starts)]
        return compress(struct.pack(f"<{self.n}I", *lengths) + self._data[starts[0] :])

    def cut(self, start: int, stop: int) -> Text:
        """Rows `start`..`stop` alone."""
        return Text.of([bytes(self.text(i, i + 1)) for i in range(start, stop)])

    def text(self, start: int, stop: int) -> bytes | bytearray:
        return self._data[self._starts[start] : self._starts[stop] - 1]

    def stamp(self, at: int) -> bytes:
        try:
            return _ROW.decode(self.text(at, at + 1)).timestamp.encode()
        except msgspec.MsgspecError as error:
            raise ValueError(f"a row without a timestamp: {error}") from error

    def stamps(self) -> list[bytes]:
        return [self.stamp(at) for at in range(self.n)]


class _Row(msgspec.Struct):
    timestamp: str


_ROW = msgspec.json.Decoder(_Row)

ENCODINGS: Mapping[str, Callable[[bytes, int], Packed]] = {"planes": Planes.unpack, "text": Text.unpack}
"""How a blob of each encoding, holding so many rows, is unpacked."""


def run(text: bytes) -> Packed:
    """Rows joined by commas, as a run of the tightest encoding that fits. Raises msgspec.MsgspecError."""
    if planes := Planes.of(text):
        return planes
    rows = split(b"[" + text + b"]")  # without the blanks between them
    return Planes.of(b",".join(rows)) or Text.of(rows)


def unpack(encoding: str, blob: bytes, n: int) -> Packed:
    """The run of `n` rows in a blob."""
    return ENCODINGS[encoding](blob, n)
