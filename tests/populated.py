"""Archives with days of the demo's wearer, each made once for all workers: tests use copies."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

from ringlet._api.windows import Dialect
from ringlet._cloud.wearer.demo import populate
from ringlet.archive import Archive
from ringlet.cloud import Clock

from .shared import once

SEED = 7


def copy_to(place: Path, *, now: datetime, days: int, dialect: Dialect = "live") -> Path:
    """The file of an archive below a directory, with so many days up to a time."""

    def make(directory: Path) -> None:
        with Archive.open(directory / "cloud.db") as archive:
            populate(archive, Clock(now), days=days, seed=SEED, dialect=dialect)

    made = once(f"{days} days to {now:%Y-%m-%d} {dialect}", make)
    return Path(shutil.copy(made / "cloud.db", place / f"{dialect}.db"))
