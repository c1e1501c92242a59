"""Simulates the scores of sleep, readiness and activity, and their contributors.

Rules of this file:

* A contributor (1 to 100) is a piecewise linear function of a value, and a score is a weighted mean of
  contributors. Oura publishes neither, so the numbers are chosen to give contributors with the same
  distributions as recorded ones.
* A score is computed from at most 14 days of nights and movement, and never from an earlier score.
* A sleep score counts the night and the naps before it. Later naps of the day add points in later versions of
  the document.
* The field `readiness` of the long sleep has the values of the day's `daily_readiness`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from .local_time import HOUR_S
from .random_streams import interpolate
from .sleep_periods import SHORT_PERIOD_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .movement import Days, Movement
    from .sleep_periods import SleepPeriod

LOOK_BACK_DAYS: Final = 14

_SLEEP_WEIGHTS: Final = (10, 10, 10, 10, 15, 10, 35)
_READINESS_WEIGHTS: Final = (10, 12, 14, 8, 18, 12, 16, 10)
_ACTIVITY_WEIGHTS: Final = (25, 10, 15, 20, 15, 15)

Contributors = dict[str, int | None]


@dataclass(frozen=True, slots=True)
class Scored:
    """A score and its contributors."""

    score: int
    contributors: Contributors


@dataclass(frozen=True, slots=True)
class Readiness(Scored):
    """The readiness of a day or a nap."""

    deviation: float | None
    """`temperature_deviation`, in degrees Celsius."""
    trend: float | None
    """`temperature_trend_deviation`, in degrees Celsius."""


def _grade(x: float, *steps: tuple[float, float]) -> int:
    return max(1, min(100, round(interpolate(x, *steps))))


def _weigh(values: Sequence[int | None], weights: Sequence[int]) -> float:
    pairs = [(value, weight) for value, weight in zip(values, weights, strict=False) if value is not None]
    return sum(value * weight for value, weight in pairs) / sum(weight for _, weight in pairs)


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


class Scores:
    """All scores of one person."""

    def __init__(self, days: Days) -> None:
        self.days, self.nights, self.calendar = days, days.nights, days.calendar
        self.sleep: Callable[[int], Scored | None] = lru_cache(maxsize=512)(self._sleep)
        self.readiness: Callable[[int], Readiness | None] = lru_cache(maxsize=512)(self._readiness)
        self.effort: Callable[[int], tuple[int, int]] = lru_cache(maxsize=512)(self._effort)

    def back(self, day: int, count: int = LOOK_BACK_DAYS) -> list[SleepPeriod]:
        """The long sleeps of the days before, the latest first."""
        found = (self.nights.long_sleep(day - ago) for ago in range(1, count + 1))
        return [night for night in found if night is not None]

    def _sleep(self, day: int) -> Scored | None:
        night = self.nights.long_sleep(day)
        if night is None:
            return None
        rem, deep = night.seconds("3") / 60, night.seconds("1") / 60
        middle = (night.begin + night.end) / 2
        late = abs((middle - self.calendar.instant(day, 0)) / 60 - 190)
        asleep = sum(period.asleep for period in self.nights.periods(day) if period.index <= night.index)
        contributors: Contributors = {
            "deep_sleep": _grade(deep, (8, 4), (25, 24), (50, 58), (70, 78), (95, 95), (120, 100)),
            "efficiency": _grade(night.efficiency, (60, 15), (76, 52), (84, 75), (90, 91), (97, 100)),
            "latency": _grade(night.latency / 60, (0, 62), (5, 76), (13, 97), (20, 90), (32, 66), (60, 20)),
            "rem_sleep": _grade(rem, (15, 5), (45, 42), (75, 72), (100, 91), (130, 100)),
            "restfulness": _grade(
                night.restless / len(night.movement), (0.1, 95), (0.25, 67), (0.36, 50), (0.6, 25)
            ),
            "timing": _grade(late, (10, 100), (40, 80), (80, 45), (140, 10), (200, 1)),
            "total_sleep": _grade(asleep / HOUR_S, (3, 10), (5, 44), (6, 62), (7, 79), (8, 92), (9, 99)),
        }
        return Scored(round(_weigh(list(contributors.values()), _SLEEP_WEIGHTS)), contributors)

    def trend(self, day: int) -> float | None:
        """The skin temperature averaged over four days; None if the ring was not worn in the night before."""
        if self.nights.long_sleep(day - 1) is None:
            return None
        near = [self.nights.temperature(day - ago) for ago in range(4)]
        return round(mean(near) + 0.06, 2)

    def _readiness(self, day: int) -> Readiness | None:
        night, sleep = self.nights.long_sleep(day), self.sleep(day)
        if night is None or sleep is None:
            return None
        back = self.back(day)
        lowest = mean([past.lowest for past in back]) if back else night.lowest
        deviation = self.nights.temperature(day)
        activity = self._activity_contributors(day, back or [night])
        contributors: Contributors = {
            "activity_balance": activity["activity_balance"],
            "body_temperature": _grade(
                abs(deviation), (0.08, 100), (0.3, 84), (0.6, 55), (1.0, 22), (1.6, 1)
            ),
            "hrv_balance": self._hrv_balance(day, night, back),
            "previous_day_activity": activity["previous_day_activity"],
            "previous_night": _grade(sleep.score, (45, 8), (60, 34), (70, 55), (78, 78), (86, 96), (90, 100)),
            "recovery_index": _grade(
                night.recovery_hours, (0.2, 1), (1, 22), (2, 50), (3.2, 78), (5, 98), (6, 100)
            ),
            "resting_heart_rate": _grade(
                night.lowest - lowest, (-2, 98), (0, 90), (2, 74), (4, 44), (8, 10), (11, 1)
            ),
            "sleep_balance": self._sleep_balance(night, back),
            "sleep_regularity": self._regularity(night, back),
        }
        values = list(contributors.values())
        worst = min(value for value in values if value is not None)
        score = _weigh(values[:8], _READINESS_WEIGHTS) - 5 + 0.08 * (worst - 50)
        illness = self.calendar.state(day).illness
        return Readiness(
            max(1, min(100, round(score - 22 * illness))), contributors, deviation, self.trend(day)
        )

    def nap_readiness(self, period: SleepPeriod) -> Readiness:
        """The readiness of a nap; some contributors have fixed values, as in recorded naps."""
        rng = self.calendar.streams.stream("nap readiness", period.begin // 60)
        back = self.back(period.day)
        short = period.in_bed < SHORT_PERIOD_S
        activity = self._activity_contributors(period.day, back)
        contributors: Contributors = {
            "activity_balance": activity["activity_balance"],
            "body_temperature": 0,
            "hrv_balance": self._hrv_balance(period.day, back[0], back) if back else None,
            "previous_day_activity": activity["previous_day_activity"],
            "previous_night": 1,
            "recovery_index": 0 if short else _grade(period.recovery_hours, (0, 1), (2, 23)),
            "resting_heart_rate": 0 if short else rng.integer(1, 34),
            "sleep_balance": rng.integer(35, 57),
            "sleep_regularity": None,
        }
        return Readiness(rng.integer(43, 81), contributors, None, self.trend(period.day))

    def _activity_contributors(self, day: int, back: Sequence[SleepPeriod]) -> dict[str, int]:
        """The contributors to readiness that follow from the activity of the week before."""
        efforts = [self.effort(day - ago)[0] for ago in range(1, 8)]
        usual = max(1.0, mean(efforts))
        balance = efforts[0] / usual
        trained = sum(self.effort(day - ago)[1] for ago in range(1, 8)) / 7
        worn = min(1.0, len(back) / 7)
        return {
            "activity_balance": _grade(trained, (4, 62), (18, 78), (45, 95), (80, 84), (140, 60))
            - round(6 * (1 - worn)),
            "previous_day_activity": _grade(
                balance, (0.2, 12), (0.55, 52), (0.85, 88), (1.1, 99), (1.5, 82), (2.4, 40)
            ),
        }

    def _hrv_balance(self, day: int, night: SleepPeriod, back: Sequence[SleepPeriod]) -> int | None:
        # None if the last two weeks have too few nights, and on 4 % of the other days, because recorded
        # answers have null on 23 % of all days.
        if len(back) < 12 or self.calendar.streams.stream("hrv balance", day).chance(0.04):
            return None
        recent = [float(past.average_hrv or 0) for past in (night, *back[:3])]
        usual = mean([float(past.average_hrv or 0) for past in back])
        return _grade(
            mean(recent) / max(1.0, usual), (0.6, 5), (0.8, 35), (0.92, 62), (1, 78), (1.1, 93), (1.2, 99)
        )

    def _sleep_balance(self, night: SleepPeriod, back: Sequence[SleepPeriod]) -> int:
        need = self.calendar.traits.need * 60
        asleep = mean([past.asleep for past in (night, *back)])
        return _grade(asleep / need, (0.6, 30), (0.8, 62), (0.92, 80), (1, 91), (1.1, 99))

    def _regularity(self, night: SleepPeriod, back: Sequence[SleepPeriod]) -> int | None:
        if len(back) < 5:
            return None
        clocks = [(past.begin - self.calendar.instant(past.day, 0)) / 60 for past in (night, *back)]
        usual = mean(clocks)
        return _grade(
            mean([abs(clock - usual) for clock in clocks]), (8, 99), (25, 90), (50, 70), (90, 35), (150, 5)
        )

    def _effort(self, day: int) -> tuple[int, int]:
        """The active calories of a day, and its minutes of medium and high activity."""
        movement = self.days.movement(day)
        return movement.active_calories, (movement.seconds("4") + movement.seconds("5")) // 60

    def activity(self, day: int, movement: Movement) -> Scored | None:
        """The activity score of a day's movement; None if the ring was off for more than 16 hours."""
        if movement.seconds("0") > 16 * HOUR_S:
            return None
        week = [self.effort(day - ago) for ago in range(1, 7)]
        calories, minutes = movement.active_calories, (movement.seconds("4") + movement.seconds("5")) // 60
        hard = movement.seconds("5") // 60 + movement.seconds("4") // 120
        trained = [minutes, *(past for _, past in week)]
        hours = max(1, len(movement.classes) // 12)
        sitting = movement.seconds("2") / HOUR_S
        target = self.target(day)[0]
        met = sum(past >= 0.8 * target for past, _ in week)
        contributors: Contributors = {
            "meet_daily_targets": _grade(
                met + min(1.0, calories / target), (0, 20), (2, 55), (4, 80), (6, 98), (7, 100)
            ),
            "move_every_hour": _grade(
                movement.lively_hours / hours, (0.2, 20), (0.45, 75), (0.62, 98), (0.7, 100)
            ),
            "recovery_time": _grade(max(0, hard - 40) + trained[1] / 4, (20, 100), (60, 82), (140, 40)),
            "stay_active": _grade(sitting, (5, 100), (8, 85), (10.5, 66), (14, 30)),
            "training_frequency": _grade(
                sum(past >= 45 for past in trained), (0, 25), (2, 68), (4, 96), (5, 100)
            ),
            "training_volume": _grade(sum(trained), (60, 25), (220, 72), (420, 96), (520, 100)),
        }
        return Scored(round(_weigh(list(contributors.values()), _ACTIVITY_WEIGHTS)), contributors)

    def target(self, day: int) -> tuple[int, int]:
        """The activity target of the day, in active kilocalories and in metres; lower in illness."""
        traits = self.calendar.traits
        illness = self.calendar.state(day).illness
        calories = 50 * round(traits.weight * (4.2 + 3 * traits.fitness) * (1 - 0.4 * illness) / 50)
        return calories, 500 * round(calories * 1265 / traits.weight / 500)
