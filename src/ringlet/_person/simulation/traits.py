"""The traits of a simulated person that do not change from day to day: body, habits and home."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from .local_time import HOUR_S, Zone

if TYPE_CHECKING:
    from .random_streams import RandomStreams

USUAL_EFFICIENCY: Final = 0.885
"""The share of the time in bed in which the wearer sleeps, in an ordinary night."""

_HOMES: Final = (
    Zone(HOUR_S, "eu"),
    Zone(2 * HOUR_S, "eu"),
    Zone(0, "eu"),
    Zone(-5 * HOUR_S, "us"),
    Zone(-6 * HOUR_S, "us"),
    Zone(-8 * HOUR_S, "us"),
    Zone(9 * HOUR_S),
    Zone(5 * HOUR_S + HOUR_S // 2),
    Zone(-3 * HOUR_S),
    Zone(HOUR_S, "eu"),
)


@dataclass(frozen=True, slots=True)
class Sport:
    """A kind of workout."""

    activity: str
    """Oura's name for the activity."""
    met: float
    speed: float
    """Metres per second; 0 if Oura measures no distance for the activity."""
    cadence: int
    """Steps per minute."""


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
    """The traits of one person. Times of day are in minutes from midnight, negative before midnight."""

    sex: Literal["male", "female"]
    age: int
    weight: float
    """Kilograms."""
    height: float
    """Metres."""
    home: Zone
    fitness: float
    """How fit the person is, from 0.1 to 1."""
    lowest: float
    """Lowest heart rate of an ordinary night, in beats per minute."""
    hrv: float
    """HRV (RMSSD) of an ordinary night, in milliseconds."""
    breath: float
    """Breaths per minute of an ordinary night."""
    bedtime: int
    alarm: int
    """When the wearer gets up on working days."""
    need: float
    """Minutes of sleep that the wearer needs."""
    unsteadiness: float
    """How much bedtime and sleep vary from day to day; 1 is ordinary."""
    social: float
    """How often the wearer has alcohol and late meals, from 0 (seldom) to 1."""
    trainings: float
    """Workouts a week, without walks."""
    sports: tuple[Sport, ...]
    walks: float
    """The mean number of walks a day that are long enough to be detected."""
    naps: float
    """The probability of a nap on a day."""
    cycle: int
    """Days of the menstrual cycle; 0 if the skin temperature has no cycle."""
    spo2: float
    """Average oxygen saturation of an ordinary night, in percent."""
    strain: float
    """How stressful the wearer's days tend to be, from -1 to 1."""


def draw_traits(streams: RandomStreams) -> Traits:
    """Draw random traits of a person. Some depend on others: a fitter person has a slower heart rate."""
    rng = streams.stream("traits")
    female = rng.chance(0.5)
    age = rng.integer(24, 61)
    fitness = round(rng.between(0.1, 1.0), 3)
    height = round((1.66 if female else 1.79) + 0.065 * rng.normal(), 2)
    weight = round((21.2 + 3.4 * (1 - fitness) + 1.3 * rng.normal()) * height * height, 1)
    bedtime = round(-35 + 42 * rng.normal())
    need = round(rng.between(438, 486), 1)
    alarm = round(bedtime + need / USUAL_EFFICIENCY - rng.between(-10, 40))
    runner = rng.integer(0, len(SPORTS) - 1)
    return Traits(
        sex="female" if female else "male",
        age=age,
        weight=weight,
        height=height,
        home=rng.choice(_HOMES),
        fitness=fitness,
        lowest=round(61 - 14 * fitness + (2 if female else 0) + 2.5 * rng.normal(), 2),
        hrv=round(max(18.0, 92 - age + 28 * fitness + 9 * rng.normal()), 2),
        breath=round(14.9 + 0.9 * rng.normal(), 3),
        bedtime=max(-120, min(60, bedtime)),
        alarm=max(345, alarm),
        need=need,
        unsteadiness=round(rng.between(0.6, 1.3), 3),
        social=round(rng.uniform(), 3),
        trainings=round(0.6 + 4.2 * fitness * rng.between(0.7, 1.1), 2),
        sports=tuple(SPORTS[(runner + step) % len(SPORTS)] for step in (0, 2, 5)),
        walks=round(rng.between(0.5, 1.5), 2),
        naps=round(0.04 + 0.22 * rng.uniform() * rng.uniform(), 3),
        cycle=rng.integer(26, 31) if female and age < 50 else 0,
        spo2=round(96.6 + 0.45 * rng.normal(), 2),
        strain=round(0.5 * rng.normal(), 3),
    )
