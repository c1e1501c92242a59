"""The calendar of a life: what a person does, and when.

Three layers, each reading only the one before, so that nothing ever runs back to the beginning of time:

* `mood(day)`: the rolls of one day (drinks, stress, vigour, how late it gets);
* `bed(day)`: when the night that ends on this day begins and ends, from the moods of the evening and the day;
* `plan(day)`: the waking hours between two nights, filled with workouts, naps, sessions and the charger.
  Events keep their distance from each other; what does not fit is dropped.

A day of life runs from one bedtime to the next (`plan(day).begin` to `.end`), so the days tile time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from .blocks import SPAN, Block, block_of
from .traits import WALKING, Sport, draw
from .zones import DAY, HOUR, day_of, midnight

if TYPE_CHECKING:
    from collections.abc import Callable

    from .dice import Cup, Dice

_FRIDAY: Final = 4


@dataclass(frozen=True, slots=True)
class Mood:
    illness: float
    alcohol: float
    caffeine: bool
    late_meal: bool
    stress: float
    """About -2..2."""
    vigour: float
    """Multiplies everyday movement; about 0.6..1.5."""
    lateness: float
    """Minutes by which the evening is longer than usual."""
    wish: float
    """Minutes of sleep wished for beyond the usual need."""
    worn: bool
    night_worn: bool


@dataclass(frozen=True, slots=True)
class Span:
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Workout(Span):
    sport: Sport
    met: float
    source: str


@dataclass(frozen=True, slots=True)
class Nap(Span):
    kind: str
    day: int
    """A nap that ends after 18:00 local counts for the next day."""


@dataclass(frozen=True, slots=True)
class Session(Span):
    kind: str
    mood: str


@dataclass(frozen=True, slots=True)
class Charge(Span):
    level: int


@dataclass(frozen=True, slots=True)
class Plan:
    begin: int
    """Going to bed for the night that ends on this day."""
    awake: int
    end: int
    """Going to bed again."""
    workouts: tuple[Workout, ...]
    naps: tuple[Nap, ...]
    sessions: tuple[Session, ...]
    charge: Charge | None
    off: tuple[Span, ...]
    """When the ring is not on the finger, the charger included."""
    load: float
    """Training load; 1 is an ordinary hard workout."""


class Calendar:
    """The plans of one person, remembered for a few weeks."""

    def __init__(self, cup: Cup) -> None:
        self.cup = cup
        self.traits = draw(cup)
        self.block: Callable[[int], Block] = lru_cache(maxsize=8)(self._block)
        self.mood: Callable[[int], Mood] = lru_cache(maxsize=512)(self._mood)
        self.bed: Callable[[int], Span] = lru_cache(maxsize=512)(self._bed)
        self.plan: Callable[[int], Plan] = lru_cache(maxsize=512)(self._plan)

    def offset(self, instant: int) -> int:
        """The wearer's offset from UTC at an instant, in seconds."""
        trip = self.block(day_of(instant) // SPAN).trip
        if trip and trip.begin <= instant < trip.end:
            return trip.offset
        return self.traits.home.at(instant)

    def instant(self, day: int, seconds: int) -> int:
        """When the wearer's clock shows so many seconds after midnight of the day."""
        wall = midnight(day) + seconds
        return wall - self.offset(wall - self.offset(wall - self.traits.home.standard))

    def local_day(self, instant: int) -> int:
        return day_of(instant + self.offset(instant))

    def _block(self, number: int) -> Block:
        return block_of(self.cup, self.traits.home, number)

    def _mood(self, day: int) -> Mood:
        traits, dice = self.traits, self.cup.dice("mood", day)
        block = self.block(day // SPAN)
        illness = block.illness.on(day) if block.illness else 0.0
        party = (day - 1) % 7 in (_FRIDAY, _FRIDAY + 1)
        drinks = dice.chance(traits.social * (0.6 if party else 0.14))
        amount = dice.between(0.35, 1.0)
        caffeine, late_meal = dice.chance(0.11), dice.chance(0.06 + 0.12 * traits.social)
        away = block.unworn is not None and block.unworn[0] <= day <= block.unworn[1]
        return Mood(
            illness=illness,
            alcohol=amount if drinks and illness < 0.2 else 0.0,
            caffeine=caffeine,
            late_meal=late_meal,
            stress=0.75 * dice.normal() + traits.strain + 0.6 * illness - (0.35 if party else 0),
            vigour=(1 + 0.2 * dice.normal() + 0.1 * self.cup.drift("vigour", day, 40)) * (1 - 0.55 * illness),
            lateness=22 * traits.unsteadiness * dice.normal()
            + (35 if party else 0)
            + (80 if dice.chance(0.06) else 0),
            wish=20 * traits.unsteadiness * dice.normal(),
            worn=not away,
            night_worn=not away and not dice.chance(0.022),
        )

    def _bed(self, day: int) -> Span:
        evening, morning = self.mood(day - 1), self.mood(day)
        traits, dice = self.traits, self.cup.dice("bed", day)
        bedtime = traits.bedtime + evening.lateness + 40 * evening.alcohol + (12 if evening.caffeine else 0)
        wish = (traits.need + evening.wish + 50 * morning.illness) / 0.885
        if (day - 1) % 7 < _FRIDAY + 1 and morning.illness < 0.5:
            alarm = traits.alarm + 14 * dice.normal()
            wish += 0.55 * min(0.0, alarm - bedtime - wish)
        begin = self.instant(day, round(bedtime * 60) + dice.whole(0, 59))
        return Span(begin, begin + 30 * round(2 * max(250.0, min(630.0, wish))))

    def _plan(self, day: int) -> Plan:
        night, tomorrow = self.bed(day), self.bed(day + 1)
        mood, dice = self.mood(day), self.cup.dice("plan", day)
        awake, end = night.end, tomorrow.begin
        level = self.block(day // SPAN).charges.get(day)
        charge = None
        if level is not None:
            begin = awake + dice.whole(900, 2100)
            charge = Charge(begin, begin + (100 - level) * 47 + dice.whole(120, 900), level)
        wanted = self._naps(dice, day, awake, end) + self._sessions(dice, awake, end)
        wanted += self._workouts(dice, mood, awake, end)
        if dice.chance(0.16):
            begin = awake + round((end - awake) * dice.between(0.25, 0.9))
            wanted.append(Span(begin, begin + dice.whole(10, 40) * 60))
        kept: list[Span] = []
        free = charge.end if charge else awake + 1200
        for event in sorted(wanted, key=lambda event: event.begin):
            if mood.worn and event.begin >= free + 600 and event.end < end - 2400:
                kept.append(event)
                free = event.end
        off = [event for event in kept if type(event) is Span]
        if charge:
            off.append(charge)
        if not mood.worn:
            off = [Span(night.begin, end)]
        elif not mood.night_worn:
            off.append(Span(night.begin, awake + 2400))
        workouts = tuple(event for event in kept if isinstance(event, Workout))
        return Plan(
            begin=night.begin,
            awake=awake,
            end=end,
            workouts=workouts,
            naps=tuple(event for event in kept if isinstance(event, Nap)),
            sessions=tuple(event for event in kept if isinstance(event, Session)),
            charge=charge,
            off=tuple(off),
            load=sum(max(0.0, w.met - 3) * (w.end - w.begin) for w in workouts) / 18_000,
        )

    def _naps(self, dice: Dice, day: int, awake: int, end: int) -> list[Span]:
        naps: list[Span] = []
        if dice.chance(self.traits.naps):
            begin = awake + round((end - awake) * dice.pick((0.4, 0.43, 0.46, 0.5, 0.67)))
            finish = begin + 30 * dice.whole(36, 190)
            late = self._evening(finish)
            kind = "late_nap" if late else dice.pick(("sleep", "sleep", "sleep", "rest"))
            naps.append(Nap(begin, finish, kind, day + late))
        if dice.chance(0.06):
            begin = end - dice.whole(80, 150) * 60
            finish = begin + 30 * dice.whole(32, 68)
            naps.append(Nap(begin, finish, "sleep", day + self._evening(finish)))
        # On the day of a flight an afternoon can fall on the date before or after; such a nap has no home.
        return [nap for nap in naps if self.local_day(nap.end) == day]

    def _evening(self, instant: int) -> bool:
        return (instant + self.offset(instant)) % DAY >= 18 * HOUR

    def _sessions(self, dice: Dice, awake: int, end: int) -> list[Span]:
        if not dice.chance(0.22):
            return []
        begin = awake + round((end - awake) * dice.pick((0.08, 0.55, 0.9)))
        kind = dice.pick(
            ("breathing", "breathing", "meditation", "meditation", "relaxation", "rest", "body_status")
        )
        mood = dice.pick(("same", "same", "good", "good", "great", "worse", "bad"))
        return [Session(begin, begin + dice.whole(150, 900), kind, mood)]

    def _workouts(self, dice: Dice, mood: Mood, awake: int, end: int) -> list[Span]:
        traits, found = self.traits, list[Span]()
        if dice.chance(traits.trainings / 7) and mood.illness < 0.25:
            sport = dice.pick(traits.sports)
            met = round(sport.met * (0.82 + 0.26 * traits.fitness + 0.05 * dice.normal()), 1)
            source = dice.pick(("confirmed", "confirmed", "autodetected", "workout_heart_rate", "manual"))
            fraction = dice.pick((0.12, 0.62, 0.66))
            found.append(_workout(awake, end, fraction, dice.whole(24, 68), sport, met, source))
        for fraction in (0.24, 0.36, 0.8):
            if dice.chance(traits.walks / 3 * (1 - 0.8 * mood.illness)):
                met = round(3.4 + 0.4 * dice.normal(), 1)
                source = "confirmed" if dice.chance(0.85) else "autodetected"
                found.append(_workout(awake, end, fraction, dice.whole(10, 34), WALKING, met, source))
        return found


def _workout(
    awake: int, end: int, fraction: float, minutes: int, sport: Sport, met: float, source: str
) -> Span:
    # Oura's workouts begin and end on whole minutes.
    begin = (awake + round((end - awake) * fraction)) // 60 * 60
    return Workout(begin, begin + minutes * 60, sport, met, source)
