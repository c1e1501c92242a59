"""Failures of a run that goes on for ever: which pass by themselves, and how long to wait for that."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from ..errors import ArchiveError, ConnectionFailed, RateLimited, RingletError, ServerError

PASSING: tuple[type[RingletError], ...] = (ConnectionFailed, ServerError, RateLimited, ArchiveError)
"""A network, a server or a disk that is not well today."""

LONGEST = 600.0
"""Seconds between two tries, at most."""


def back_off(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling, up to ten minutes."""
    return float(min(LONGEST, 2 ** min(failures - 1, 20)))


@contextmanager
def as_one() -> Generator[None]:
    """Tasks that run at once end together: raises what the first of them met, not all of it."""
    try:
        yield
    except BaseExceptionGroup as several:
        known, unknown = several.split(RingletError)
        if known is None or unknown is not None:
            raise
        raise _first(known) from None


def _first(several: BaseExceptionGroup[RingletError]) -> RingletError:
    one = several.exceptions[0]
    return _first(one) if isinstance(one, BaseExceptionGroup) else one
