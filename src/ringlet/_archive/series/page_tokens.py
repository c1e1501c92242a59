"""Where rows stand in a chunk, by their instants; and the token with which a page of them is continued. Pure.

A page may end between rows of one instant. So the token is `INSTANT:COUNT`: the instant of the last row in
milliseconds UTC, and how many rows of that instant were given.
"""

from __future__ import annotations

from bisect import bisect_left

from ..._api.windows import parse_instant
from ...errors import UsageError
from .packing import Rows


def instant_at(rows: Rows, at: int) -> int:
    """The instant of one row, milliseconds UTC."""
    return parse_instant(rows.timestamp(at).decode())


def first_from(rows: Rows, instant: int) -> int:
    """The first row at or after an instant."""
    return bisect_left(range(rows.n), instant, key=lambda at: instant_at(rows, at))


def token_at(rows: Rows, stop: int) -> str:
    """The token of the page that begins with the row `stop`."""
    instant = instant_at(rows, stop - 1)
    first = stop - 1
    while first > 0 and instant_at(rows, first - 1) == instant:
        first -= 1
    return f"{instant}:{stop - first}"


def parse_token(token: str) -> tuple[int, int]:
    """Instant and count. Raises UsageError."""
    instant, _, count = token.partition(":")
    try:
        return int(instant), int(count)
    except ValueError:
        raise UsageError(
            f"{token!r} does not continue a page", cure="pass the token that came with the page before"
        ) from None
