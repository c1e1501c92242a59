"""The schedule of retries: when the next attempt of a delivery that failed is due."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

RETRIES: tuple[timedelta, ...] = tuple(
    timedelta(seconds=seconds) for seconds in (10, 30, 60, 120, 240, 360, 480, 600, 720, 900)
)
"""The delay of each retry after the failure before it. Oura documents ten retries over about an hour, but not
how they are spread. These delays add up to 58 minutes and 40 seconds."""
RETRY_JITTER = 0.2
"""Delays vary at random by this fraction, so that deliveries that failed together are not all retried at the
same moment."""
MAX_RETRY_AFTER_S = 3600.0
"""The longest `Retry-After` of a receiver that is respected, in seconds."""


def retry_delay(
    attempts_before: int, retry_after: float, retries: Sequence[timedelta] = RETRIES
) -> timedelta | None:
    """How long after a failed attempt the next is due; None if that was the last one.

    `attempts_before` counts the attempts before the failed one, `retry_after` is the number of seconds that
    the receiver asked for (0 if it did not).
    """
    if attempts_before >= len(retries):
        return None
    jitter = random.uniform(1 - RETRY_JITTER, 1 + RETRY_JITTER)  # noqa: S311 - not for secrets
    return max(retries[attempts_before] * jitter, timedelta(seconds=min(retry_after, MAX_RETRY_AFTER_S)))
