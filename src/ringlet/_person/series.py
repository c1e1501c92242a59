"""Time series: heart rate, battery level, beats.

Rules:

* Heart rate in bed is the period's own five-minute samples, at the instants they stand for; awake rows come
  every five to ten minutes and follow the movement of the moment; workouts every 5 to 15 seconds.
* No row while the ring is off the finger. (timestamp, source) is unique; a workout's first instant sometimes
  has an awake row too, as recorded answers do.
* The battery falls in a straight line from one charge to the next.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from .day import SLOT, SLOTS
from .dice import GAUSS, ladder
from .plan import Charge, Session, Span, Workout
from .zones import DAY, clock, day_of, midnight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .day import Days
    from .night import Period

Row = tuple[int, bytes]
"""Milliseconds since 1970 and a JSON object."""

Beat = tuple[int, str, int]
"""Instant, source, beats per minute."""
BATTERY_STEP: Final = 1800
_CHARGE_PACE: Final = 47
_EXTRA: Final = {"0": 8, "1": 7, "2": 17, "3": 27, "4": 44, "5": 60}
"""Beats per minute above the lowest of the night, by class of movement."""


class Series:
    """The time series of one person."""

    def __init__(self, days: Days, *, unix: bool) -> None:
        self.days, self.nights, self.calendar = days, days.nights, days.calendar
        self.unix = unix
        self.pulse: Callable[[int], list[Beat]] = lru_cache(maxsize=16)(self._pulse)

    # Heart rate

    def heartrate(self, day: int) -> Iterator[Row]:
        """The rows of a UTC day. A day of life can begin on the UTC day before or after its name."""
        first, last = midnight(day), midnight(day) + DAY
        for near in range(day - 1, day + 3):
            for at, source, bpm in self.pulse(near):
                if first <= at < last:
                    yield at * 1000, self._row(at * 1000, f'"bpm":{bpm}', f',"source":"{source}"')

    def _row(self, at: int, first: str, last: str = "") -> bytes:
        """A row in its dialect: the live service names the producer's clock, the documents a unix time."""
        stamp = f'{{"timestamp":"{clock(at // 1000)}.{at % 1000:03d}Z"'
        if self.unix:
            return f'{stamp},"timestamp_unix":{at},{first}{last}}}'.encode()
        return f'{stamp},{first},"producer_timestamp":{self._producer(at // 1000)}{last}}}'.encode()

    def _producer(self, at: int) -> str:
        # What the live service means by it is not documented; one live row reads as the wearer's wall clock
        # taken for UTC, some seconds later, and others are null.
        mixed = at * 2654435761 >> 5
        if mixed & 7 == 0:
            return "null"
        return str((at + self.calendar.offset(at)) * 1000 + (mixed & 0x1FFFF))

    def _pulse(self, day: int) -> list[Beat]:
        plan = self.calendar.plan(day)
        if any(span.begin <= plan.begin and span.end >= plan.end for span in plan.off):
            return []
        rows: list[Beat] = []
        busy: list[Span] = list(plan.off)
        for near in (day, day + 1):
            for period in self.nights.periods(near):
                if plan.begin <= period.begin < plan.end and period.bpm is not None:
                    rows += _in_bed(period)
                    busy.append(Span(period.begin, period.end))
        noise = self.calendar.cup.stream("awake", day, 640)
        for workout in plan.workouts:
            rows += self._in_workout(workout)
            busy.append(workout)
            if noise[0] < 80:
                rows.append((workout.begin, "awake", self._resting(day) + noise[1] % 30))
        for session in plan.sessions:
            rows += [
                (session.begin + 5 * at, "session", round(rate))
                for at, rate in enumerate(session_pulse(self, session))
                if at % 6 == 0
            ]
            busy.append(session)
        busy.sort(key=lambda span: span.begin)
        edges = [Span(plan.begin, plan.begin), *busy, Span(plan.end, plan.end)]
        rows += self._awake(day, [Span(a.end, b.begin) for a, b in pairwise(edges)], noise)
        rows.sort()
        return rows

    def _resting(self, day: int) -> int:
        return round(self.calendar.traits.lowest + 6 * self.calendar.mood(day).illness)

    def _awake(self, day: int, gaps: list[Span], noise: bytes) -> Iterator[Beat]:
        movement = self.days.movement(day)
        resting, begin, classes = self._resting(day), movement.begin, movement.classes
        at, draw, live = 0, 2, noise[2] < 20
        for gap in gaps:
            at = gap.begin + 40 + noise[draw % 640]
            while at < gap.end:
                one, two = noise[draw % 640], noise[(draw + 1) % 640]
                draw += 2
                slot = max(0, min(SLOTS - 1, (at - begin) // SLOT))
                bpm = resting + _EXTRA[classes[slot]] + round(4.5 * GAUSS[two])
                yield at, "awake", bpm
                if two % 7 == 0 and at + 20 < gap.end:
                    yield at + 7 + one % 9, "awake", bpm + one % 5 - 2
                if live and draw > 60 and at + 60 < gap.end:
                    live = False
                    yield from ((at + 21 + 5 * step, "live", bpm + step % 3 - 1) for step in range(6))
                at += 300 + one + (two >> 3)

    def _in_workout(self, workout: Workout) -> Iterator[Beat]:
        traits, seconds = self.calendar.traits, workout.end - workout.begin
        step = 5 if seconds <= 600 else 10 if seconds <= 1500 else 15
        top = 208 - 0.7 * traits.age
        share = ladder(
            workout.met / (7 + 7 * traits.fitness), (0.2, 0.34), (0.5, 0.58), (0.9, 0.87), (1.2, 0.94)
        )
        goal, start = traits.lowest + (top - traits.lowest) * share, traits.lowest + 28
        noise = self.calendar.cup.stream("workout", workout.begin // 60, seconds // step)
        wander = 0.0
        for index, byte in enumerate(noise):
            wander = 0.92 * wander + 1.6 * GAUSS[byte]
            ramp = min(1.0, index * step / 240)
            bpm = start + (goal - start) * ramp * (2 - ramp) + wander
            yield workout.begin + index * step, "workout", min(round(top), round(bpm))

    # Battery

    def _charge(self, day: int, step: int) -> Charge:
        """The nearest charge on or after the day (step 1), or on or before it (step -1)."""
        while (charge := self.calendar.plan(day).charge) is None:
            day += step
        return charge

    def battery(self, at: int) -> tuple[int, bool, bool]:
        """Level, charging, in the charger."""
        day = day_of(at)
        after = self._charge(day, 1)
        while after.begin <= at:
            day += 1
            after = self._charge(day, 1)
        day -= 1
        before = self._charge(day, -1)
        while before.begin > at:
            day -= 1
            before = self._charge(day, -1)
        if at < before.end:
            level = before.level + (at - before.begin) // _CHARGE_PACE
            return min(100, level), level < 100, True
        lost = (100 - after.level) * (at - before.end) // max(1, after.begin - before.end)
        return 100 - lost, False, False

    def ring_battery_level(self, day: int) -> Iterator[Row]:
        noise = self.calendar.cup.stream("battery", day, DAY // BATTERY_STEP)
        for index, byte in enumerate(noise):
            at = midnight(day) + index * BATTERY_STEP + byte
            level, charging, inside = self.battery(at)
            flags = f'"charging":{str(charging).lower()},"in_charger":{str(inside).lower()}'
            yield at * 1000, self._row(at * 1000, f'"level":{level},{flags}')

    # Beats

    def interbeat_interval(self, day: int) -> Iterator[Row]:
        first, last = midnight(day) * 1000, (midnight(day) + DAY) * 1000
        for near in range(day - 1, day + 3):
            for begin, end, bpm, spread in self._stretches(near):
                if end * 1000 < first or begin * 1000 >= last:
                    continue
                for at, text in self._beats(begin, end, bpm, spread):
                    if first <= at < last:
                        yield at, text

    def _stretches(self, day: int) -> list[tuple[int, int, float, float]]:
        """Where beats are kept: five minutes at the lowest of the night, and three of each session."""
        plan, found = self.calendar.plan(day), list[tuple[int, int, float, float]]()
        night = self.nights.main(day)
        if night is not None and night.bpm is not None:
            begin = night.begin + SLOT * night.lowest_at
            found.append((begin, begin + SLOT, float(night.lowest), float(night.average_hrv or 30)))
        for session in plan.sessions:
            rates = session_pulse(self, session)[:36]
            mean = sum(rates) / len(rates)
            found.append(
                (session.begin, session.begin + 5 * len(rates), mean, 0.6 * self.calendar.traits.hrv)
            )
        return found

    def _beats(self, begin: int, end: int, bpm: float, spread: float) -> Iterator[Row]:
        noise = self.calendar.cup.stream("beats", begin, (end - begin) * 3)
        at = begin * 1000 + noise[0]
        for byte in noise:
            interval = round(60_000 / bpm + 0.6 * spread * GAUSS[byte])
            at += interval
            if at >= end * 1000:
                return
            validity = -1 if byte == 3 else 2 if byte in {0, 255} else 3 if byte % 41 == 7 else 1
            yield at, self._row(at, f'"ibi":{interval}', f',"validity":{validity}')


def _in_bed(period: Period) -> Iterator[Beat]:
    for slot, bpm in enumerate(period.bpm or ()):
        if bpm is not None:
            yield period.begin + SLOT * slot, "rest", bpm


def session_pulse(series: Series, session: Session) -> list[float]:
    """Heart rate during a session, every five seconds, calming down."""
    noise = series.calendar.cup.stream("session", session.begin, (session.end - session.begin) // 5)
    start, rates, wander = series.calendar.traits.lowest + 16, list[float](), 0.0
    for index, byte in enumerate(noise):
        wander = 0.97 * wander + 0.12 * GAUSS[byte]
        rates.append(round(start - 5 * index / len(noise) + wander, 1))
    return rates


SERIES: Final = ("heartrate", "ring_battery_level", "interbeat_interval")
