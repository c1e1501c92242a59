"""Leases: a row that one process claimed is not given to another until an instant, its `leased_until`.

Rules of this file:
* A clock may be set back. A lease that ends more than `MAX_LEASE_MS` from now was given before the clock was
  set back, and counts as expired.
"""

from __future__ import annotations

MAX_LEASE_MS = 2 * 60_000
"""The longest lease that is given. It exceeds what a request takes, so that a small correction of the clock
ends no lease that is in use."""


def active(now: int) -> tuple[int, int]:
    """The least and the greatest `leased_until` (epoch milliseconds) that mean: leased at `now`."""
    return now + 1, now + MAX_LEASE_MS
