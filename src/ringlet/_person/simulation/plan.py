"""Plans what the wearer does on each day, and when.

There are three functions of a day. Each uses only the functions above it, so that a day does not depend on
all earlier days:

* `state(day)`: the wearer's state on that day (illness, alcohol, stress, how late the bedtime is);
* `night(day)`: the bedtimes of the night that ends on this day, from the states of this and the previous day;
* `plan(day)`: the waking hours after that night, with workouts, naps, sessions and the time on the charger.
  There is some time between any two of these; those that do not fit are dropped.

A plan lasts from one bedtime to the next (`plan(day).begin` to `.end`), and the next plan begins at its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from .episodes import EPISODES_DAYS, Episodes, Trip, plan_episodes
from .local_time import DAY_S, HOUR_S, day_of, midnight
from .traits import USUAL_EFFICIENCY, WALKING, Sport, draw_traits

if TYPE_CHECKING:
    from collections.abc import Callable

    from .random_streams import RandomStream, RandomStreams

_FRIDAY: Final = 4
CHARGE_S_PER_PERCENT: Final = 47


@dataclass(frozen=True, slots=True)
class DailyState:
    """The state of the wearer on one day: illness, alcohol, stress, activity and sleep."""

    illness: float
    """How ill the wearer is, from 0 (well) to 1."""
    alcohol: float
    """How much alcohol the wearer drinks in the evening: 0 (none) to 1."""
    caffeine: bool
    late_meal: bool
    stress: float
    """How stressed the wearer is, from about -2 (calm) to 2."""
    activity_level: float
    """A factor of everyday movement, about 0.6 to 1.5."""
    lateness: float
    """Minutes by which the bedtime is later than usual."""
    extra_sleep: float
    """Minutes of sleep beyond the usual need."""
    worn: bool
    worn_at_night: bool
    """Whether the ring is worn in the night that ends on this day."""


@dataclass(frozen=True, slots=True)
class Span:
    """The time between two instants. In a plan, a plain Span is a time in which the ring is not worn."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Workout(Span):
    """A workout or a walk."""

    sport: Sport
    met: float
    source: str


@dataclass(frozen=True, slots=True)
class Nap(Span):
    """A nap, or a rest in bed by day."""

    kind: str
    """The `type` of its document: sleep, late_nap or rest."""
    day: int
    """The day that the nap belongs to, which is the next day if the nap ends after 18:00 local time."""


@dataclass(frozen=True, slots=True)
class Session(Span):
    """A guided or unguided session in the app, such as breathing."""

    kind: str
    mood: str


@dataclass(frozen=True, slots=True)
class Charge(Span):
    """The time in which the ring is on the charger."""

    level: int
    """The battery level (percent) when the ring is put on the charger."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A night and the waking hours after it."""

    begin: int
    """The instant at which the wearer goes to bed for the night that ends on this day."""
    awake: int
    """The instant at which the wearer gets up."""
    end: int
    """The instant at which the wearer goes to bed in the evening of this day."""
    workouts: tuple[Workout, ...]
    naps: tuple[Nap, ...]
    sessions: tuple[Session, ...]
    charge: Charge | None
    off: tuple[Span, ...]
    """The times in which the ring is not worn, including the time on the charger."""
    load: float
    """The training load of the workouts: 1 is that of one hour at 8 MET."""


class Calendar:
    """The states, nights and plans of one person. Those of the last few hundred days are cached."""

    def __init__(self, streams: RandomStreams) -> None:
        self.streams = streams
        self.traits = draw_traits(streams)
        self.episodes: Callable[[int], Episodes] = lru_cache(maxsize=8)(self._episodes)
        self.state: Callable[[int], DailyState] = lru_cache(maxsize=512)(self._state)
        self.night: Callable[[int], Span] = lru_cache(maxsize=512)(self._night)
        self.plan: Callable[[int], Plan] = lru_cache(maxsize=512)(self._plan)
        self._steady_offset: Callable[[int], int | None] = lru_cache(maxsize=512)(self._find_steady_offset)

    def offset(self, instant: int) -> int:
        """The wearer's offset from UTC at an instant, in seconds."""
        steady = self._steady_offset(day_of(instant))
        return self._offset(instant) if steady is None else steady

    def _find_steady_offset(self, day: int) -> int | None:
        """The wearer's offset from UTC on a UTC day, in seconds; None if it changes on that day."""
        first, last, home = midnight(day), midnight(day) + DAY_S - 1, self.traits.home
        # Trips and summer time last for several days, so none begins and ends on the same day: the offset is
        # steady if it is the same at the first and the last second of the day.
        steady = self._trip(first) == self._trip(last) and home.at(first) == home.at(last)
        return self._offset(first) if steady else None

    def _offset(self, instant: int) -> int:
        trip = self._trip(instant)
        return trip.offset if trip else self.traits.home.at(instant)

    def _trip(self, instant: int) -> Trip | None:
        """The trip that the wearer is on at an instant."""
        trip = self.episodes_around(day_of(instant)).trip
        return trip if trip and trip.begin <= instant < trip.end else None

    def instant(self, day: int, seconds: int) -> int:
        """The instant at which the wearer's local time is `seconds` after midnight of the day."""
        wall = midnight(day) + seconds
        return wall - self.offset(wall - self.offset(wall - self.traits.home.standard))

    def local_day(self, instant: int) -> int:
        """The wearer's local date at an instant, as an ordinal."""
        return day_of(instant + self.offset(instant))

    def episodes_around(self, day: int) -> Episodes:
        """The episodes of the 91 days to which a day belongs."""
        return self.episodes(day // EPISODES_DAYS)

    def _episodes(self, number: int) -> Episodes:
        return plan_episodes(self.streams, self.traits.home, number)

    def _state(self, day: int) -> DailyState:
        traits, rng = self.traits, self.streams.stream("mood", day)
        episodes = self.episodes_around(day)
        illness = episodes.illness.on(day) if episodes.illness else 0.0
        party = (day - 1) % 7 in (_FRIDAY, _FRIDAY + 1)  # Friday or Saturday evening
        drinks = rng.chance(traits.social * (0.6 if party else 0.14))
        amount = rng.between(0.35, 1.0)
        caffeine, late_meal = rng.chance(0.11), rng.chance(0.06 + 0.12 * traits.social)
        away = episodes.unworn is not None and episodes.unworn[0] <= day <= episodes.unworn[1]
        return DailyState(
            illness=illness,
            alcohol=amount if drinks and illness < 0.2 else 0.0,
            caffeine=caffeine,
            late_meal=late_meal,
            stress=0.75 * rng.normal() + traits.strain + 0.6 * illness - (0.35 if party else 0),
            activity_level=(1 + 0.2 * rng.normal() + 0.1 * self.streams.drift("vigour", day, 40))
            * (1 - 0.55 * illness),
            lateness=22 * traits.unsteadiness * rng.normal()
            + (35 if party else 0)
            + (80 if rng.chance(0.06) else 0),
            extra_sleep=20 * traits.unsteadiness * rng.normal(),
            worn=not away,
            worn_at_night=not away and not rng.chance(0.022),
        )

    def _night(self, day: int) -> Span:
        evening, morning = self.state(day - 1), self.state(day)
        traits, rng = self.traits, self.streams.stream("bed", day)
        bedtime = traits.bedtime + evening.lateness + 40 * evening.alcohol + (12 if evening.caffeine else 0)
        in_bed = (traits.need + evening.extra_sleep + 50 * morning.illness) / USUAL_EFFICIENCY
        if (day - 1) % 7 <= _FRIDAY and morning.illness < 0.5:
            alarm = traits.alarm + 14 * rng.normal()
            # The alarm shortens the night by 55 % of the time by which the wearer would sleep past it.
            in_bed += 0.55 * min(0.0, alarm - bedtime - in_bed)
        begin = self.instant(day, round(bedtime * 60) + rng.integer(0, 59))
        return Span(begin, begin + 30 * round(2 * max(250.0, min(630.0, in_bed))))

    def _plan(self, day: int) -> Plan:
        night, tomorrow = self.night(day), self.night(day + 1)
        state, rng = self.state(day), self.streams.stream("plan", day)
        awake, end = night.end, tomorrow.begin
        level = self.episodes_around(day).charges.get(day)
        charge = None
        if level is not None:
            begin = awake + rng.integer(900, 2100)
            charge = Charge(
                begin, begin + (100 - level) * CHARGE_S_PER_PERCENT + rng.integer(120, 900), level
            )
        wanted = self._naps(rng, day, awake, end) + self._sessions(rng, awake, end)
        wanted += self._workouts(rng, state, awake, end)
        if rng.chance(0.16):
            begin = awake + round((end - awake) * rng.between(0.25, 0.9))
            wanted.append(Span(begin, begin + rng.integer(10, 40) * 60))
        kept: list[Span] = []
        free = charge.end if charge else awake + 1200
        for event in sorted(wanted, key=lambda event: event.begin):
            if state.worn and event.begin >= free + 600 and event.end < end - 2400:
                kept.append(event)
                free = event.end
        off = [event for event in kept if type(event) is Span]
        if charge:
            off.append(charge)
        if not state.worn:
            off = [Span(night.begin, end)]
        elif not state.worn_at_night:
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

    def _naps(self, rng: RandomStream, day: int, awake: int, end: int) -> list[Span]:
        naps: list[Span] = []
        if rng.chance(self.traits.naps):
            begin = awake + round((end - awake) * rng.choice((0.4, 0.43, 0.46, 0.5, 0.67)))
            finish = begin + 30 * rng.integer(36, 190)
            late = self._evening(finish)
            kind = "late_nap" if late else rng.choice(("sleep", "sleep", "sleep", "rest"))
            naps.append(Nap(begin, finish, kind, day + late))
        if rng.chance(0.06):
            begin = end - rng.integer(80, 150) * 60
            finish = begin + 30 * rng.integer(32, 68)
            naps.append(Nap(begin, finish, "sleep", day + self._evening(finish)))
        # After a flight the local date can be the day before or after; a nap on such a date is dropped.
        return [nap for nap in naps if self.local_day(nap.end) == day]

    def _evening(self, instant: int) -> bool:
        return (instant + self.offset(instant)) % DAY_S >= 18 * HOUR_S

    def _sessions(self, rng: RandomStream, awake: int, end: int) -> list[Span]:
        if not rng.chance(0.22):
            return []
        begin = awake + round((end - awake) * rng.choice((0.08, 0.55, 0.9)))
        kind = rng.choice(
            ("breathing", "breathing", "meditation", "meditation", "relaxation", "rest", "body_status")
        )
        mood = rng.choice(("same", "same", "good", "good", "great", "worse", "bad"))
        return [Session(begin, begin + rng.integer(150, 900), kind, mood)]

    def _workouts(self, rng: RandomStream, state: DailyState, awake: int, end: int) -> list[Span]:
        traits, found = self.traits, list[Span]()
        if rng.chance(traits.trainings / 7) and state.illness < 0.25:
            sport = rng.choice(traits.sports)
            met = round(sport.met * (0.82 + 0.26 * traits.fitness + 0.05 * rng.normal()), 1)
            source = rng.choice(("confirmed", "confirmed", "autodetected", "workout_heart_rate", "manual"))
            fraction = rng.choice((0.12, 0.62, 0.66))
            found.append(_workout(awake, end, fraction, rng.integer(24, 68), sport, met, source))
        for fraction in (0.24, 0.36, 0.8):
            if rng.chance(traits.walks / 3 * (1 - 0.8 * state.illness)):
                met = round(3.4 + 0.4 * rng.normal(), 1)
                source = "confirmed" if rng.chance(0.85) else "autodetected"
                found.append(_workout(awake, end, fraction, rng.integer(10, 34), WALKING, met, source))
        return found


def _workout(
    awake: int, end: int, fraction: float, minutes: int, sport: Sport, met: float, source: str
) -> Span:
    # Workouts begin and end on whole minutes, as Oura's do.
    begin = (awake + round((end - awake) * fraction)) // 60 * 60
    return Workout(begin, begin + minutes * 60, sport, met, source)
