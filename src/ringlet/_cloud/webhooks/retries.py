"""The schedule of retries: when the next attempt of a delivery that failed is due."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

RETRIES: tuple[timedelta, ...] = tuple(
    timedelta(seconds=seconds) for seconds in (10, 30, 60, 120, 240, 360, 480, 600, 720, 900)
)
"""How long after a failed attempt each retry follows: the first retry, the second, and so on.

Oura documents ten retries over about an hour, but not their delays. These add up to 58 minutes, 40 seconds.
"""
RETRY_JITTER = 0.2
"""The fraction by which delays vary at random. So deliveries that failed together are not all retried at the
same moment."""
MAX_RETRY_AFTER_S = 3600.0
"""The longest delay in seconds that a receiver may ask for with `Retry-After`."""


def retry_delay(
    attempts_before: int, retry_after: float, retries: Sequence[timedelta] = RETRIES
) -> timedelta | None:
    """How long after a failed attempt the next attempt is due; None if no more attempts follow.

    `attempts_before` counts the attempts before the failed one, `retry_after` is the number of seconds that
    the receiver asked for (0 if it did not).
    """
    if attempts_before >= len(retries):
        return None
    jitter = random.uniform(1 - RETRY_JITTER, 1 + RETRY_JITTER)  # noqa: S311 - not for secrets
    return max(retries[attempts_before] * jitter, timedelta(seconds=min(retry_after, MAX_RETRY_AFTER_S)))
