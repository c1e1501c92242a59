"""Defines which failures a continuous sync retries, and how long it waits before a retry."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from ..errors import ArchiveError, ConnectionFailed, RateLimited, RingletError, ServerError

TEMPORARY: tuple[type[RingletError], ...] = (ConnectionFailed, ServerError, RateLimited, ArchiveError)
"""Failures of the network, the server or the disk, which may be over at the next attempt."""

MAX_BACK_OFF_S = 600.0
"""The longest wait between two attempts, in seconds."""


def back_off(failures: int) -> float:
    """Seconds to wait after a number of failures in a row: 1, 2, 4 and so on, at most ten minutes."""
    return float(min(MAX_BACK_OFF_S, 2 ** min(failures - 1, 20)))


@contextmanager
def single_error() -> Generator[None]:
    """Raise the first RingletError of a task group in the `with` block, instead of an exception group.

    A group that also contains exceptions of other types is raised unchanged: those are bugs, and their
    tracebacks must stay visible.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        known, unknown = group.split(RingletError)
        if known is None or unknown is not None:
            raise
        raise _first(known) from None


def _first(group: BaseExceptionGroup[RingletError]) -> RingletError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
