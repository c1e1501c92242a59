"""What does not change from day to day: the body, the habits and the home of one simulated person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from .zones import HOUR, Zone

if TYPE_CHECKING:
    from .dice import Cup

_HOMES: Final = (
    Zone(HOUR, "eu"),
    Zone(2 * HOUR, "eu"),
    Zone(0, "eu"),
    Zone(-5 * HOUR, "us"),
    Zone(-6 * HOUR, "us"),
    Zone(-8 * HOUR, "us"),
    Zone(9 * HOUR),
    Zone(5 * HOUR + HOUR // 2),
    Zone(-3 * HOUR),
    Zone(HOUR, "eu"),
)


@dataclass(frozen=True, slots=True)
class Sport:
    """A training: its name in Oura's words, MET, metres per second (0: no distance), steps per minute."""

    activity: str
    met: float
    speed: float
    cadence: int


WALKING: Final = Sport("walking", 3.6, 1.3, 104)
SPORTS: Final = (
    Sport("running", 10.4, 2.9, 162),
    Sport("cycling", 7.6, 6.4, 8),
    Sport("strength_training", 4.8, 0, 22),
    Sport("swimming", 7.2, 0.6, 0),
    Sport("yoga", 2.8, 0, 6),
    Sport("hiking", 5.6, 1.2, 98),
    Sport("rowing", 7.0, 3.1, 4),
    Sport("hiit", 8.8, 0, 64),
)


@dataclass(frozen=True, slots=True)
class Traits:
    """One person. Clock times are minutes from midnight, negative before it."""

    sex: Literal["male", "female"]
    age: int
    weight: float
    height: float
    home: Zone
    fitness: float
    lowest: float
    """Heart rate at the bottom of an ordinary night."""
    hrv: float
    """RMSSD of an ordinary night, in milliseconds."""
    breath: float
    bedtime: int
    alarm: int
    need: float
    """Minutes of sleep that leave nothing to wish for."""
    unsteadiness: float
    social: float
    """How far drinks and late meals are part of the week, 0..1."""
    trainings: float
    """Workouts a week, walks not counted."""
    sports: tuple[Sport, ...]
    walks: float
    """Walks a day long enough to be detected."""
    naps: float
    """Probability of a nap."""
    cycle: int
    """Days of the menstrual cycle; 0 where it does not show in the temperature."""
    spo2: float
    strain: float
    """Tendency to stressful days, -1..1."""


def draw(cup: Cup) -> Traits:
    """Roll a person. What belongs together hangs together: the fitter, the slower the heart."""
    dice = cup.dice("traits")
    female = dice.chance(0.5)
    age = dice.whole(24, 61)
    fitness = round(dice.between(0.1, 1.0), 3)
    height = round((1.66 if female else 1.79) + 0.065 * dice.normal(), 2)
    weight = round((21.2 + 3.4 * (1 - fitness) + 1.3 * dice.normal()) * height * height, 1)
    bedtime = round(-35 + 42 * dice.normal())
    need = round(dice.between(438, 486), 1)
    alarm = round(bedtime + need / 0.885 - dice.between(-10, 40))
    runner = dice.whole(0, len(SPORTS) - 1)
    return Traits(
        sex="female" if female else "male",
        age=age,
        weight=weight,
        height=height,
        home=dice.pick(_HOMES),
        fitness=fitness,
        lowest=round(61 - 14 * fitness + (2 if female else 0) + 2.5 * dice.normal(), 2),
        hrv=round(max(18.0, 92 - age + 28 * fitness + 9 * dice.normal()), 2),
        breath=round(14.9 + 0.9 * dice.normal(), 3),
        bedtime=max(-120, min(60, bedtime)),
        alarm=max(345, alarm),
        need=need,
        unsteadiness=round(dice.between(0.6, 1.3), 3),
        social=round(dice.unit(), 3),
        trainings=round(0.6 + 4.2 * fitness * dice.between(0.7, 1.1), 2),
        sports=tuple(SPORTS[(runner + step) % len(SPORTS)] for step in (0, 2, 5)),
        walks=round(dice.between(0.5, 1.5), 2),
        naps=round(0.04 + 0.22 * dice.unit() * dice.unit(), 3),
        cycle=dice.whole(26, 31) if female and age < 50 else 0,
        spo2=round(96.6 + 0.45 * dice.normal(), 2),
        strain=round(0.5 * dice.normal(), 3),
    )
