"""What outlasts a day: trips, illness, days without the ring, charging. Planned 91 days at a time.

One roll per block decides all of it, and nothing crosses a block's edge; so any day is known from its own
block, and a battery level from its own and the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .dice import partition
from .zones import HOUR, midnight

if TYPE_CHECKING:
    from .dice import Cup, Dice
    from .zones import Zone

SPAN: Final = 91
_LEAPS: Final = tuple(round(hours * HOUR) for hours in (-7, -6, -5, -3, -2, -1, 1, 2, 3, 4.5, 6, 7))
_COURSE: Final = (0.55, 1.0, 0.85, 0.6, 0.4, 0.3, 0.2)


@dataclass(frozen=True, slots=True)
class Trip:
    """Another offset from one instant to another."""

    begin: int
    end: int
    offset: int


@dataclass(frozen=True, slots=True)
class Illness:
    """From `first` to `last`; rest mode is switched on for the bad ones."""

    first: int
    last: int
    severity: float
    rest_mode: bool

    def on(self, day: int) -> float:
        """0 (well) to 1."""
        if not self.first <= day <= self.last:
            return 0.0
        return self.severity * _COURSE[min(day - self.first, len(_COURSE) - 1)]


@dataclass(frozen=True, slots=True)
class Block:
    first: int
    trip: Trip | None
    illness: Illness | None
    unworn: tuple[int, int] | None
    """First and last day of a stretch without the ring."""
    charges: dict[int, int]
    """Battery level at which the ring goes into the charger, by day."""


def block_of(cup: Cup, home: Zone, number: int) -> Block:
    dice = cup.dice("block", number)
    first = number * SPAN
    trip = _trip(dice, home, first + dice.whole(4, 70)) if dice.chance(0.55) else None
    illness = _illness(dice, first + dice.whole(3, 80)) if dice.chance(0.5) else None
    away = first + dice.whole(3, 80)
    unworn = (away, away + dice.whole(1, 3)) if dice.chance(0.25) else None
    # Three to six days of battery. The first day of a block always charges, so that blocks need not know
    # each other's last charge.
    gaps = partition(SPAN, [dice.between(3.4, 6.4) for _ in range(19)])
    charges: dict[int, int] = {}
    day = first
    for gap in gaps:
        charges[day] = dice.whole(9, 41)
        day += gap
    return Block(first, trip, illness, unworn, charges)


def _trip(dice: Dice, home: Zone, day: int) -> Trip:
    # The clock changes on the way, in the early afternoon at home: leaps of up to seven hours then always
    # leave a few waking hours before the next bedtime.
    begin = midnight(day) + 13 * HOUR - home.standard
    offset = home.at(begin) + dice.pick(_LEAPS)
    offset = max(-11 * HOUR, min(12 * HOUR, offset))
    end = midnight(day + dice.whole(3, 15)) + 13 * HOUR - offset
    return Trip(begin, end, offset)


def _illness(dice: Dice, first: int) -> Illness:
    severity = round(dice.between(0.3, 1.0), 2)
    return Illness(first, first + dice.whole(2, 3 + round(4 * severity)), severity, severity > 0.6)
