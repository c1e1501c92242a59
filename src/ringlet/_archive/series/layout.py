"""Splits JSON arrays into rows, and rows into the columns of their keys, without decoding the values.

Rules of this file:
* A value is the text in the JSON: `61`, `"awake"` with its quotes, `null`.
* Rows have the same layout if all are flat objects with the same keys in the same order, and with the same
  text around the values. `Layout.of` reads only the first row, so its caller checks that the others fit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import msgspec

from ..._api.windows import EPOCH, MILLISECOND, parse_instant

TIMESTAMP_KEY = b'"timestamp"'
"""The key of a row's timestamp as in the JSON text, with its quotes."""

_KEY = re.compile(rb'[{,]\s*("(?:[^"\\]|\\.)*")\s*:\s*')
_VALUE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[-+.\w]+')
_TAIL = re.compile(rb"\s*}")
_ROWS = msgspec.json.Decoder(list[msgspec.Raw])
_TIMESTAMPS = msgspec.json.Decoder(list[datetime])


def split(array: bytes) -> list[bytes]:
    """Split a JSON array into the JSON texts of its elements. Raises msgspec.MsgspecError."""
    return [bytes(element) for element in _ROWS.decode(array)]


def instants(texts: Sequence[bytes]) -> list[int]:
    """Parse ISO 8601 texts to instants in milliseconds UTC. Raises ValueError."""
    # Decoding all texts in one call takes a third of the time that parsing each takes. If msgspec refuses one
    # of them, each is parsed.
    try:
        times = [(at - EPOCH) // MILLISECOND for at in _TIMESTAMPS.decode(b'["' + b'","'.join(texts) + b'"]')]
    except (msgspec.MsgspecError, TypeError):
        times = []
    return times if len(times) == len(texts) else [parse_instant(timestamp.decode()) for timestamp in texts]


class Layout(msgspec.Struct, frozen=True):
    """What all rows of a list have in common: the texts around the values, and the place of the timestamp."""

    literals: list[bytes]
    """The text before each value: the key and its colon, without the comma before the key."""
    tail: bytes
    """The text after the last value."""
    timestamp: int | None
    """The number of the value that is the timestamp; None if no value is."""

    @classmethod
    def of(cls, text: bytes) -> Layout | None:
        """The layout of the first row in `text`; None if it is not a flat object, or a key occurs twice."""
        literals: list[bytes] = []
        keys: list[bytes] = []
        timestamp: int | None = None
        at = 0
        while key := _KEY.match(text, at):
            if not key[0].startswith(b"," if keys else b"{"):
                return None
            value = _VALUE.match(text, key.end())
            if value is None:
                return None
            if key[1] == TIMESTAMP_KEY and value[0].startswith(b'"'):
                timestamp = len(keys)
            literals.append(key[0].removeprefix(b","))
            keys.append(key[1])
            at = value.end()
        tail = _TAIL.match(text, at)
        if tail is None or not keys or len(set(keys)) < len(keys):
            return None
        return cls(literals, tail[0], timestamp)

    def cells(self, text: bytes) -> list[list[bytes]] | None:
        """Split rows joined by commas at every comma, into the cells of each column; None if they cannot fit.

        A cell is the literal and the value. The caller checks that each cell begins with its literal. Then no
        value contains a comma, and cells of the first column are the beginnings of rows: in a text without
        `[`, only a row can begin with `{"` after a comma.
        """
        width = len(self.literals)
        cells = text.split(b",")
        n, odd = divmod(len(cells), width)
        if odd or not n or b"[" in text or b"\0" in text:
            return None
        return [cells[c::width] for c in range(width)]
