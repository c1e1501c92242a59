"""Limits on measured times, checked only with `RINGLET_TIMED=1`: a busy machine exceeds any limit."""

import os

TIMED = os.environ.get("RINGLET_TIMED") == "1"
"""Read on import, because tests of commands remove the variables of ringlet."""


def below(seconds: float, limit: float) -> bool:
    """Whether a measured time is below a limit, both in seconds; always true unless `TIMED`."""
    return not TIMED or seconds < limit
