"""Finds rows of a chunk by their instants, and makes the token by which the next page of rows is requested.

The token is `INSTANT:COUNT`: the instant of the last row of the page in milliseconds UTC, and how many rows
with that instant have been given, because a page may end between rows with the same instant.
"""

from __future__ import annotations

from bisect import bisect_left

from ..._api.windows import parse_instant
from ...errors import UsageError
from .packing import Rows


def instant_at(rows: Rows, at: int) -> int:
    """The instant of row number `at`, in milliseconds UTC."""
    return parse_instant(rows.timestamp(at).decode())


def first_from(rows: Rows, instant: int) -> int:
    """The number of the first row at or after an instant."""
    return bisect_left(range(rows.n), instant, key=lambda at: instant_at(rows, at))


def token_at(rows: Rows, stop: int) -> str:
    """The token of the page that begins with row number `stop`."""
    instant = instant_at(rows, stop - 1)
    first = stop - 1
    while first > 0 and instant_at(rows, first - 1) == instant:
        first -= 1
    return f"{instant}:{stop - first}"


def parse_token(token: str) -> tuple[int, int]:
    """The instant and the count in a token. Raises UsageError."""
    instant, _, count = token.partition(":")
    try:
        return int(instant), int(count)
    except ValueError:
        raise UsageError(
            f"{token!r} is not a page token", cure="pass the token that was returned with the page before"
        ) from None
