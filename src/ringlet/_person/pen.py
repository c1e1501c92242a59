"""What every writer of documents holds in hand: the person, the dialect, and when the cloud comes to know.

Rules:

* A document is a `Draft`: the day it belongs to and its versions. A version is the instant from which the
  cloud shows it and a function that writes it, called only for the versions asked for.
* Sleep and what follows from it appear when the app is opened in the morning, now and then in the evening or
  the next day; some are worked out again hours later. The last version is the true one.
* What a person can delete in the app, they sometimes do, hours later: a walk that was none, a slip of the
  finger.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Literal

from .night import SHORT
from .rings import Dialect, Fields, rings
from .zones import HOUR, day_of, iso_day, local

if TYPE_CHECKING:
    from .estimates import Estimates
    from .night import Period
    from .series import Series

Ids = Literal["uuid", "sandbox"]
Version = tuple[int, Callable[[], Fields]]


@dataclass(frozen=True, slots=True)
class Draft:
    """A document before it is written."""

    day: int
    versions: Sequence[Version]
    deleted: int | None = None
    """When its wearer deletes it, after the last version; None: never."""


def sample(interval: float, items: Sequence[float | None], stamp: str) -> Fields:
    return {"interval": interval, "items": items, "timestamp": stamp}


def midnight_utc(day: int) -> str:
    """The `timestamp` of daily scores, wherever the wearer was."""
    return f"{iso_day(day)}T00:00:00.000+00:00"


class Pen:
    """Everything a writer may read."""

    def __init__(self, estimates: Estimates, series: Series, dialect: Dialect, ids: Ids) -> None:
        self.estimates, self.scores, self.series, self.dialect = estimates, estimates.scores, series, dialect
        self.days, self.nights, self.calendar = series.days, series.nights, series.calendar
        self.cup = self.calendar.cup
        self.ids: Ids = ids
        self.rings = rings(self.cup, dialect)

    def id(self, name: str, day: int, index: int) -> str:
        """Of the document that is number `index` of its type and day."""
        if self.ids == "uuid":
            return self.cup.uuid(name, day * 32 + index)
        own = date.fromordinal(day)
        return f"{name}-{index}-{own.year}-{own.month}-{own.day}"

    def local(self, instant: int) -> str:
        return local(instant, self.calendar.offset(instant))

    def ring(self, instant: int) -> str:
        """The id of the ring worn at an instant."""
        return self.id("ring_configuration", max(day_of(at) for at, _ in self.rings if at <= instant), 0)

    def opened(self, day: int) -> int:
        """When the app was first opened after the night."""
        dice, plan = self.cup.dice("opened", day), self.calendar.plan(day)
        mood = dice.unit()
        if mood < 0.055:
            return max(plan.awake + HOUR, self.calendar.instant(day, dice.whole(18 * HOUR, 21 * HOUR)))
        if mood < 0.07:
            return self.calendar.plan(day + 1).awake + dice.whole(300, 2400)
        return plan.awake + dice.whole(180, 2700)

    def revised(self, day: int) -> int | None:
        """When the night was worked out again, if it was."""
        dice = self.cup.dice("revised", day)
        return self.opened(day) + dice.whole(2 * HOUR, 9 * HOUR) if dice.chance(0.12) else None

    def deleted(self, purpose: str, at: int) -> int | None:
        """When something that came to the cloud at an instant is deleted again, if it is."""
        dice = self.cup.dice(f"deleted {purpose}", at)
        return at + dice.whole(HOUR, 20 * HOUR) if dice.chance(0.03) else None

    def synced(self, nap: Period) -> int:
        """When a nap reached the cloud."""
        return nap.end + self.cup.dice("nap synced", nap.begin // 60).whole(600, 5400)

    def helped(self, period: Period) -> int | None:
        """Points a nap adds to the day's scores; null where it was too short or too restless to count."""
        if period.kind == "long_sleep":
            return 0
        if period.in_bed < SHORT or period.kind == "rest":
            return None
        night = self.nights.main(period.day)
        return 0 if night is None or period.begin < night.begin else min(6, period.asleep // 700)

    def nightly(self, day: int, write: Callable[[int], Fields]) -> list[Draft]:
        """A document of the night.

        `write` is told by how many points the version differs from the night's own score: fewer before the
        night was worked out again, more once a nap has helped.
        """
        opened, revised = self.opened(day), self.revised(day)
        naps = [
            (self.synced(nap), points) for nap in self.nights.periods(day) if (points := self.helped(nap))
        ]
        instants = {opened, *([revised] if revised else []), *(at for at, _ in naps if at > opened)}
        versions: list[Version] = []
        for at in sorted(instants):
            early = -1 - day % 3 if revised and at < revised else 0
            versions.append(
                (at, partial(write, early + sum(points for synced, points in naps if synced <= at)))
            )
        return [Draft(day, versions)]

    def once(self, day: int, fields: Fields) -> list[Draft]:
        """A document that comes with the morning and stays as it is."""
        return [Draft(day, [(self.opened(day), lambda: fields)])]
