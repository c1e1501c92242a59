"""JSON rows taken apart without being understood: into elements, into columns. Pure.

Rules of this file:
* A value is its text as written: `61`, `"awake"` with its quotes, `null`.
* Rows share a layout if they all are flat objects with the same keys in the same order and the same text
  around the values. That is learned from the first row; who uses it sees that it holds for all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import msgspec

from ..._api.windows import EPOCH, MILLISECOND, parse_instant

STAMP = b'"timestamp"'
"""The key whose value places a row in time."""

_KEY = re.compile(rb'[{,]\s*("(?:[^"\\]|\\.)*")\s*:\s*')
_VALUE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[-+.\w]+')
_TAIL = re.compile(rb"\s*}")
_ROWS = msgspec.json.Decoder(list[msgspec.Raw])
_STAMPS = msgspec.json.Decoder(list[datetime])


def split(array: bytes) -> list[bytes]:
    """The elements of a JSON array, each as written. Raises msgspec.MsgspecError."""
    return [bytes(element) for element in _ROWS.decode(array)]


def instants(stamps: Sequence[bytes]) -> list[int]:
    """The instants of ISO 8601 texts, milliseconds UTC. Raises ValueError."""
    try:  # all at once is three times as quick; what it does not take goes the long way
        times = [(at - EPOCH) // MILLISECOND for at in _STAMPS.decode(b'["' + b'","'.join(stamps) + b'"]')]
    except (msgspec.MsgspecError, TypeError):
        times = []
    return times if len(times) == len(stamps) else [parse_instant(stamp.decode()) for stamp in stamps]


class Layout(msgspec.Struct, frozen=True):
    """What the rows of a run share: the texts before the values, and which value is the timestamp."""

    literals: list[bytes]
    """One before each value, without the comma that parts it from the value before."""
    tail: bytes
    stamp: int | None

    @classmethod
    def of(cls, text: bytes) -> Layout | None:
        """The layout of the first of some rows, if it is a flat object."""
        literals: list[bytes] = []
        keys: list[bytes] = []
        stamp: int | None = None
        at = 0
        while key := _KEY.match(text, at):
            if not key[0].startswith(b"," if keys else b"{"):
                return None
            value = _VALUE.match(text, key.end())
            if value is None:
                return None
            if key[1] == STAMP and value[0].startswith(b'"'):
                stamp = len(keys)
            literals.append(key[0].removeprefix(b","))
            keys.append(key[1])
            at = value.end()
        tail = _TAIL.match(text, at)
        if tail is None or not keys or len(set(keys)) < len(keys):
            return None
        return cls(literals, tail[0], stamp)

    def cells(self, text: bytes) -> list[list[bytes]] | None:
        """The rows cut at their commas, column by column, literals included; None if they cannot fit.

        That every cell begins with its literal is left to see. If so, the rows are rightly parted: without
        `[`, a `{"` after a comma opens a row and nothing else.
        """
        width = len(self.literals)
        cells = text.split(b",")
        n, odd = divmod(len(cells), width)
        if odd or not n or b"[" in text or b"\0" in text:
            return None
        return [cells[c::width] for c in range(width)]
