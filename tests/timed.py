"""Limits on measured times. A busy machine exceeds any, so they hold only where `RINGLET_TIMED=1` asks."""

import os

TIMED = os.environ.get("RINGLET_TIMED") == "1"
"""Read at the start: tests of commands remove our variables."""


def below(seconds: float, limit: float) -> bool:
    """Whether so many seconds are few enough, where that is asked."""
    return not TIMED or seconds < limit
