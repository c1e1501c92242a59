"""Plans what lasts for days: trips, illness, days without the ring, and times between two charges.

Episodes are planned for 91 days at a time, from one random stream, and no episode extends beyond its 91 days.
So a day depends only on its own 91 days, and a battery level on those and the next 91.
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
"""How ill the wearer is on each day of an illness, as a share of its severity. The last value is that of all
later days."""


@dataclass(frozen=True, slots=True)
class Trip:
    """A stay in another time zone, between two instants; `offset` is that zone's, in seconds."""

    begin: int
    end: int
    offset: int


@dataclass(frozen=True, slots=True)
class Illness:
    """An illness from the day `first` to the day `last`."""

    first: int
    last: int
    severity: float
    """How severe the illness is, from 0 to 1."""
    rest_mode: bool
    """Whether the wearer turns on rest mode."""

    def on(self, day: int) -> float:
        """How ill the wearer is on a day, from 0 (well) to 1."""
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
    """For each day on which the ring is put on the charger: its battery level (percent) at that time."""


def plan_episodes(streams: RandomStreams, home: Zone, number: int) -> Episodes:
    """The episodes of the 91 days from day `number * 91` on."""
    rng = streams.stream("block", number)
    first = number * EPISODES_DAYS
    trip = _trip(rng, home, first + rng.integer(4, 70)) if rng.chance(0.55) else None
    illness = _illness(rng, first + rng.integer(3, 80)) if rng.chance(0.5) else None
    away = first + rng.integer(3, 80)
    unworn = (away, away + rng.integer(1, 3)) if rng.chance(0.25) else None
    # The ring is charged every three to six days, and always on the first of the 91 days, so that these do
    # not depend on the 91 days before.
    gaps = partition(EPISODES_DAYS, [rng.between(3.4, 6.4) for _ in range(19)])
    charges: dict[int, int] = {}
    day = first
    for gap in gaps:
        charges[day] = rng.integer(9, 41)
        day += gap
    return Episodes(first, trip, illness, unworn, charges)


def _trip(rng: RandomStream, home: Zone, day: int) -> Trip:
    # The offset changes at 13:00 local time before the flight. It changes by seven hours at most, so there
    # are always some waking hours left before the next bedtime.
    begin = midnight(day) + 13 * HOUR_S - home.standard
    offset = home.at(begin) + rng.choice(_TRIP_HOURS)
    offset = max(-11 * HOUR_S, min(12 * HOUR_S, offset))
    end = midnight(day + rng.integer(3, 15)) + 13 * HOUR_S - offset
    return Trip(begin, end, offset)


def _illness(rng: RandomStream, first: int) -> Illness:
    severity = round(rng.between(0.3, 1.0), 2)
    return Illness(first, first + rng.integer(2, 3 + round(4 * severity)), severity, severity > 0.6)
