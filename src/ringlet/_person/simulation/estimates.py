"""Simulates Oura's estimates: stress, resilience, vascular age, VO2 max, oxygen saturation.

Resilience is computed from two weeks of stress and sleep, the others from one day and night. No estimate is
computed from an earlier estimate of its kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from .random_streams import interpolate
from .scores import LOOK_BACK_DAYS, mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from .scores import Scores

QUARTER_HOUR_S: Final = 900
_LEVELS: Final = ((36.0, "limited"), (48.0, "adequate"), (56.5, "solid"), (64.0, "strong"))


@dataclass(frozen=True, slots=True)
class Stress:
    """Seconds of high stress and of recovery on a day; multiples of 900, as in recorded answers."""

    high: int
    recovery: int
    summary: str | None


@dataclass(frozen=True, slots=True)
class Resilience:
    """The resilience of a day: three contributors (0 to 100), and the level computed from them."""

    sleep_recovery: float
    daytime_recovery: float
    stress: float
    level: str


class Estimates:
    """The estimates of one person, by day."""

    def __init__(self, scores: Scores) -> None:
        self.scores, self.nights, self.calendar = scores, scores.nights, scores.calendar
        self.stress: Callable[[int], Stress | None] = lru_cache(maxsize=512)(self._stress)

    def _stress(self, day: int) -> Stress | None:
        state, rng = self.calendar.state(day), self.calendar.streams.stream("stress", day)
        if not state.worn:
            return None
        sleep = self.scores.sleep(day)
        felt = state.stress + (0.02 * (72 - sleep.score) if sleep else 0.3)
        calm = -0.6 * felt + 0.75 * rng.normal()
        high = QUARTER_HOUR_S * round(interpolate(felt, (-1.1, 0), (0, 4), (1.05, 16), (2.6, 35)))
        recovery = QUARTER_HOUR_S * round(interpolate(calm, (-1, 0), (0, 4), (1.1, 16), (2.9, 45)))
        summary: str | None = "normal"
        if rng.chance(0.04) or high == recovery == 0:
            summary = None
        elif high > recovery + 5400:
            summary = "stressful"
        elif recovery > high + 8100:
            summary = "restored"
        return Stress(high, recovery, summary)

    def resilience(self, day: int) -> Resilience | None:
        """The resilience on a day, computed from the two weeks up to it.

        None if the ring was worn in fewer than 8 of their nights, or not in the last night.
        """
        span = range(day, day - LOOK_BACK_DAYS, -1)
        stresses = [stress for stress in map(self.stress, span) if stress]
        sleeps = [sleep.score for sleep in map(self.scores.sleep, span) if sleep]
        if len(sleeps) < 8 or self.nights.long_sleep(day) is None:
            return None
        drift = self.calendar.streams.drift
        by_night = interpolate(mean(sleeps), (50, 15), (66, 32), (75, 43), (82, 52), (92, 68))
        by_day = interpolate(
            mean([s.recovery for s in stresses]), (0, 16), (3000, 36), (6000, 46), (10000, 56), (20000, 72)
        )
        pressed = interpolate(
            mean([s.high for s in stresses]), (0, 74), (3000, 56), (6000, 45), (10000, 31), (20000, 16)
        )
        night = round(by_night + 3 * drift("by night", day, 21), 1)
        daytime = round(by_day + 4 * drift("by day", day, 21), 1)
        stress = round(pressed + 4 * drift("pressed", day, 21), 1)
        overall = (night + daytime + stress) / 3
        level = next((name for upto, name in _LEVELS if overall < upto), "exceptional")
        return Resilience(night, daytime, stress, level)

    def vascular(self, day: int) -> tuple[int, float] | None:
        """The vascular age (years) and pulse wave velocity (m/s); None if not measured at night."""
        rng = self.calendar.streams.stream("vascular", day)
        if self.nights.long_sleep(day) is None or rng.chance(0.12):
            return None
        traits = self.calendar.traits
        drift = self.calendar.streams.drift("vascular", day, 60)
        age = max(18, round(traits.age + 5 - 11 * traits.fitness + 2 * drift + 1.2 * rng.normal()))
        return age, round(5.05 + 0.058 * age + 0.06 * rng.normal(), 2)

    def vo2_max(self, day: int) -> int | None:
        """The VO2 max in ml/kg/min on 60 % of the days with training; None on other days."""
        streams, traits = self.calendar.streams, self.calendar.traits
        if not (streams.stream("vo2 max", day).chance(0.6) and self.calendar.plan(day).load > 0.1):
            return None
        peak = (46 if traits.sex == "male" else 40) - 0.22 * (traits.age - 30) + 12 * (traits.fitness - 0.4)
        return round(peak + 1.5 * streams.drift("vo2 max", day, 60))

    def oxygen(self, day: int) -> tuple[float, int] | None:
        """The average SpO2 (percent) and breathing disturbance index; None if the ring was not worn at night.

        The average is sometimes 0.0, as in recorded answers.
        """
        if self.nights.long_sleep(day) is None:
            return None
        rng, evening = self.calendar.streams.stream("oxygen", day), self.calendar.state(day - 1)
        average = self.calendar.traits.spo2 + 0.6 * rng.normal() - 0.4 * evening.alcohol
        disturbed = 9 - 1.8 * (self.calendar.traits.spo2 - 96.5) + 3 * rng.normal() + 3 * evening.alcohol
        lost = rng.chance(0.004)
        return 0.0 if lost else round(max(90.0, min(99.5, average)), 3), max(0, round(disturbed))
