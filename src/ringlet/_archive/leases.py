"""Leases: who has claimed a row keeps it until an instant, in milliseconds, and then it is anybody's.

Rules of this file:
* A clock may be set back. A lease that ends further away than any lease does was given by another time: it
  has ended.
"""

from __future__ import annotations

LONGEST = 2 * 60_000
"""Milliseconds that are given at most. More than a lease takes, so that a small correction of the clock ends
none."""


def held(now: int) -> tuple[int, int]:
    """When a lease ends that holds now: at the soonest, and at the latest."""
    return now + 1, now + LONGEST
