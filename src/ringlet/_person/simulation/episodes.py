"""What lasts for days: trips, illness, days without the ring, charging. Planned 91 days at a time.

The 91 days of an `Episodes` are drawn from one random stream, and no episode reaches beyond them. So a day is
known from its own 91 days alone, and a battery level from those and the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .local_time import HOUR_S, midnight
from .random_streams import partition

if TYPE_CHECKING:
    from .local_time import Zone
    from .random_streams import RandomStream, RandomStreams

EPISODES_DAYS: Final = 91
_TRIP_HOURS: Final = tuple(round(hours * HOUR_S) for hours in (-7, -6, -5, -3, -2, -1, 1, 2, 3, 4.5, 6, 7))
_ILLNESS_COURSE: Final = (0.55, 1.0, 0.85, 0.6, 0.4, 0.3, 0.2)
"""How ill the wearer is on each day, as a share of the severity; the last figure lasts until the end."""


@dataclass(frozen=True, slots=True)
class Trip:
    """A stay in another time zone, between two instants."""

    begin: int
    end: int
    offset: int


@dataclass(frozen=True, slots=True)
class Illness:
    """An illness of the days first..last."""

    first: int
    last: int
    severity: float
    """0..1."""
    rest_mode: bool
    """Whether the wearer switches rest mode on."""

    def on(self, day: int) -> float:
        """How ill the wearer is on a day: 0 (well) to 1."""
        if not self.first <= day <= self.last:
            return 0.0
        return self.severity * _ILLNESS_COURSE[min(day - self.first, len(_ILLNESS_COURSE) - 1)]


@dataclass(frozen=True, slots=True)
class Episodes:
    """The episodes of 91 days."""

    first: int
    """The first of the 91 days."""
    trip: Trip | None
    illness: Illness | None
    unworn: tuple[int, int] | None
    """The first and last day on which the ring is not worn."""
    charges: dict[int, int]
    """The battery level (percent) at which the ring is put on the charger, by day."""


def plan_episodes(streams: RandomStreams, home: Zone, number: int) -> Episodes:
    """The episodes of the days number * 91 up to but not including (number + 1) * 91."""
    rng = streams.stream("block", number)
    first = number * EPISODES_DAYS
    trip = _trip(rng, home, first + rng.integer(4, 70)) if rng.chance(0.55) else None
    illness = _illness(rng, first + rng.integer(3, 80)) if rng.chance(0.5) else None
    away = first + rng.integer(3, 80)
    unworn = (away, away + rng.integer(1, 3)) if rng.chance(0.25) else None
    # A charge lasts three to six days. The ring is always charged on the first of the 91 days, so that the
    # last charge of the 91 days before does not matter.
    gaps = partition(EPISODES_DAYS, [rng.between(3.4, 6.4) for _ in range(19)])
    charges: dict[int, int] = {}
    day = first
    for gap in gaps:
        charges[day] = rng.integer(9, 41)
        day += gap
    return Episodes(first, trip, illness, unworn, charges)


def _trip(rng: RandomStream, home: Zone, day: int) -> Trip:
    # The offset changes at 13:00 of the old local time. A change of at most seven hours at that time always
    # leaves some waking hours before the next bedtime.
    begin = midnight(day) + 13 * HOUR_S - home.standard
    offset = home.at(begin) + rng.choice(_TRIP_HOURS)
    offset = max(-11 * HOUR_S, min(12 * HOUR_S, offset))
    end = midnight(day + rng.integer(3, 15)) + 13 * HOUR_S - offset
    return Trip(begin, end, offset)


def _illness(rng: RandomStream, first: int) -> Illness:
    severity = round(rng.between(0.3, 1.0), 2)
    return Illness(first, first + rng.integer(2, 3 + round(4 * severity)), severity, severity > 0.6)
