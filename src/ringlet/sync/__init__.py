"""Keeping up: what to fetch (`plan`), fetching it into the archive (`backfill`), and being told what changes.

Events come in through a `receiver`, wait in an `inbox`, and are worked off by `follow`. A `subscriber` sees
that they are sent, and `keeping_up` puts it all together.
"""

from .backfill import Backfill, Progress, Report

__all__ = ["Backfill", "Progress", "Report"]
