"""Leases: a row that a process has claimed is not given to another process until the time `leased_until`.

Rules of this file:
* A clock may be set back. A lease that ends more than `MAX_LEASE_MS` from now was given before the clock was
  set back, and counts as expired.
"""

from __future__ import annotations

MAX_LEASE_MS = 2 * 60_000
"""The longest lease that is given, in milliseconds. It is longer than a request takes, so that a small
correction of the clock does not end the lease of a process that is at work."""


def active(now: int) -> tuple[int, int]:
    """The least and the greatest `leased_until` of a row that is leased at `now` (milliseconds UTC)."""
    return now + 1, now + MAX_LEASE_MS
