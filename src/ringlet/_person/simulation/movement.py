"""Simulates the movement of a day from 04:00 to 04:00 local time: activity classes, MET, steps, calories.

Rules of this file:

* `classes` has one digit per 5 minutes: 0 not worn, 1 rest, 2 inactive, 3 low, 4 medium, 5 high activity. A
  time without the ring is always 0; then workouts come first, then sleep (rest), then everyday movement.
* All other values are computed from the classes and from the MET of each minute, so the seconds of all
  classes add up to the time covered.
* The movement of a day that is not over is the first part of that of the whole day (`Movement.until`), so the
  values of past minutes do not change later.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Final

from .local_time import DAY_S, HOUR_S
from .random_streams import NORMAL_DEVIATES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .plan import Workout
    from .sleep_periods import Nights

SLOT_S: Final = 300
SLOTS: Final = DAY_S // SLOT_S
_STARTS: Final = 4 * HOUR_S


def _tenths(low: float, middle: float, spread: float, byte: int) -> int:
    return max(round(10 * low), round(10 * (middle + spread * NORMAL_DEVIATES[byte])))


_MET: Final = {
    "0": bytes(1 for _ in range(256)),
    "1": bytes(9 if byte < 226 else 9 + (byte - 226) // 8 for byte in range(256)),
    "2": bytes(_tenths(0.9, 1.27, 0.19, byte) for byte in range(256)),
    "3": bytes(_tenths(1.1, 1.95, 0.5, byte) for byte in range(256)),
    "4": bytes(_tenths(1.3, 3.9, 1.0, byte) for byte in range(256)),
    "5": bytes(_tenths(4.0, 7.5, 1.2, byte) for byte in range(256)),
}
"""For each activity class, a table from random bytes to the MET of a minute, in tenths."""
_ABOVE_REST: Final = bytes(max(0, met - 15) for met in range(256))
"""For each MET in tenths, the part above 1.5 MET, in tenths."""
_STRIDE: Final = {"0": 0, "1": 0, "2": 4, "3": 62, "4": 380, "5": 400}
"""The mean number of steps in 5 minutes of everyday movement, by class."""
_HOURLY: Final = (10, 6, 4, 4, 8, 20, 34, 46, 52, 50, 50, 54, 56, 52, 50, 50, 54, 58, 56, 50, 42, 34, 24, 16)
"""How much everyday movement there is in each hour of the local day, from 0 to 100."""


@dataclass(frozen=True, slots=True)
class Movement:
    """The movement of a day, or of the part of it that is over."""

    begin: int
    classes: str
    met: bytes
    """The MET of each minute, in tenths."""
    strides: tuple[int, ...]
    """The steps of each 5 minutes."""
    weight: float
    basal: float
    """Kilocalories of a whole day at rest."""

    def until(self, instant: int) -> Movement:
        """The movement of the part of the day that was over at an instant."""
        slots = max(0, min(len(self.classes), (instant - self.begin) // SLOT_S))
        return Movement(
            self.begin,
            self.classes[:slots],
            self.met[: 5 * slots],
            self.strides[:slots],
            self.weight,
            self.basal,
        )

    def seconds(self, kind: str) -> int:
        """The seconds of the day in an activity class."""
        return SLOT_S * self.classes.count(kind)

    def met_minutes(self, kind: str) -> int:
        """The MET minutes of an activity class, counted as recorded days show it.

        For medium and high activity the whole MET counts; for rest, inactive time and low activity only the
        part above 1.5 MET.
        """
        minutes = b"".join(
            [self.met[5 * slot : 5 * slot + 5] for slot, digit in enumerate(self.classes) if digit == kind]
        )
        return round(sum(minutes.translate(_ABOVE_REST) if kind in "123" else minutes) / 10)

    @property
    def average_met(self) -> float:
        return round(3.2 * sum(self.met) / max(1, len(self.met))) / 32

    @property
    def steps(self) -> int:
        return sum(self.strides)

    @property
    def active_calories(self) -> int:
        return round(self.weight * 0.00147 * sum(self.met.translate(_ABOVE_REST)))

    @property
    def total_calories(self) -> int:
        return self.active_calories + round(self.basal * len(self.classes) / SLOTS)

    @property
    def alerts(self) -> int:
        """The number of inactivity alerts: one for each 50 inactive minutes in a row."""
        return sum(len(list(run)) // 10 for digit, run in groupby(self.classes) if digit == "2")

    @property
    def lively_hours(self) -> int:
        """The number of hours with low, medium or high activity."""
        hours = [self.classes[at : at + 12] for at in range(0, len(self.classes), 12)]
        return sum(not {"3", "4", "5"}.isdisjoint(hour) for hour in hours)


class Days:
    """The movement of one person, day by day."""

    def __init__(self, nights: Nights) -> None:
        self.nights = nights
        self.calendar = nights.calendar
        self.movement: Callable[[int], Movement] = lru_cache(maxsize=512)(self._movement)
        traits = self.calendar.traits
        # The resting energy by the formula of Mifflin and St Jeor, and 22 % for energy that is not measured.
        constant = 5 if traits.sex == "male" else -161
        self._basal = 1.22 * (10 * traits.weight + 625 * traits.height - 5 * traits.age + constant)

    def begin(self, day: int) -> int:
        """The instant at which Oura's activity day begins: 04:00 local time."""
        return self.calendar.instant(day, _STARTS)

    def _movement(self, day: int) -> Movement:
        calendar = self.calendar
        begin = self.begin(day)
        noise = calendar.streams.random_bytes("movement", day, 1440 + SLOTS)
        digits = _background(noise[1440:], calendar.state(day).activity_level)
        plans = [calendar.plan(near) for near in (day - 1, day, day + 1)]
        for near in (day, day + 1):
            for period in self.nights.periods(near):
                _paint(digits, begin, period.begin, period.end, "1")
        for plan in plans:
            for workout in plan.workouts:
                _paint(digits, begin, workout.begin, workout.end, _digit(workout))
        for plan in plans:
            for span in plan.off:
                _paint(digits, begin, span.begin, span.end, "0")
        classes = "".join(digits)
        met = bytearray().join(
            [noise[5 * slot : 5 * slot + 5].translate(_MET[digit]) for slot, digit in enumerate(classes)]
        )
        strides = [
            _STRIDE[digit] * (64 + byte // 2) // 128
            for digit, byte in zip(classes, noise[1440:], strict=True)
        ]
        for plan in plans:
            for workout in plan.workouts:
                _exert(begin, workout, noise, classes, met, strides)
        return Movement(begin, classes, bytes(met), tuple(strides), calendar.traits.weight, self._basal)


def _digit(workout: Workout) -> str:
    return "5" if workout.met >= 6 else "4" if workout.met >= 3 else "3"


def _background(noise: bytes, activity_level: float) -> list[str]:
    """The classes of everyday movement; on average every other slot has the class of the slot before."""
    digits: list[str] = []
    digit = "2"
    for slot, byte in enumerate(noise):
        if byte & 1:
            lively = _HOURLY[(slot // 12 + 4) % 24] * activity_level * 2.56
            digit = "4" if byte < 0.075 * lively else "3" if byte < 0.82 * lively else "2"
        digits.append(digit)
    return digits


def _slots(begin: int, start: int, end: int) -> range:
    first, last = (start - begin + SLOT_S // 2) // SLOT_S, (end - begin + SLOT_S // 2) // SLOT_S
    return range(max(0, first), min(SLOTS, last))


def _paint(digits: list[str], begin: int, start: int, end: int, digit: str) -> None:
    slots = _slots(begin, start, end)
    if slots:
        digits[slots.start : slots.stop] = digit * len(slots)


def _exert(
    begin: int, workout: Workout, noise: Sequence[int], classes: str, met: bytearray, strides: list[int]
) -> None:
    """Replaces the MET and steps of everyday movement, during a workout, by those of the workout."""
    digit, cadence = _digit(workout), 5 * workout.sport.cadence
    for slot in _slots(begin, workout.begin, workout.end):
        if classes[slot] == digit:
            strides[slot] = cadence + noise[slot] % 16
            for minute in range(5 * slot, 5 * slot + 5):
                met[minute] = max(20, round(workout.met * (10 + 0.9 * NORMAL_DEVIATES[noise[minute]])))
