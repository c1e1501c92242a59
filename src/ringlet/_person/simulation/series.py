"""Simulates the time series, as JSON rows: heart rate, battery level, interbeat intervals.

Rules of this file:

* In bed there is a heart rate every 5 minutes, which is that of the sleep period. By day there is one every 5
  to 10 minutes, depending on the movement at the time, and in workouts one every 5 to 15 seconds.
* There is no heart rate while the ring is not worn. A source has at most one row at an instant. At the start
  of a workout there is sometimes a row with the source `awake`, too, as in recorded answers.
* The battery level falls linearly from one charge to the next.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from .local_time import DAY_S, day_of, midnight, wall_clock
from .movement import SLOT_S, SLOTS
from .plan import CHARGE_S_PER_PERCENT, Charge, Session, Span, Workout
from .random_streams import NORMAL_DEVIATES, interpolate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .movement import Days
    from .sleep_periods import SleepPeriod

Row = tuple[int, bytes]
"""An instant in milliseconds since 1970, and a JSON object."""

Beat = tuple[int, str, int]
"""A heart rate: instant in seconds, source, beats per minute."""
BATTERY_STEP_S: Final = 1800
_EXTRA: Final = {"0": 8, "1": 7, "2": 17, "3": 27, "4": 44, "5": 60}
"""Beats per minute to add to the lowest heart rate of a night, by activity class."""


class Series:
    """The time series of one person. With `unix`, rows have `timestamp_unix`, as in the dialect `docs`."""

    def __init__(self, days: Days, *, unix: bool) -> None:
        self.days, self.nights, self.calendar = days, days.nights, days.calendar
        self.unix = unix
        self.pulse: Callable[[int], list[Beat]] = lru_cache(maxsize=16)(self._pulse)
        # Rows are cached, because clients request several pages of a day, and a simulation that advances with
        # the clock asks for the rows of the present day again and again.
        self.rows: Callable[[str, int], list[Row]] = lru_cache(maxsize=16)(self._rows)
        """A function that returns the rows of a series (its name) on a UTC day, in order of time."""

    def _rows(self, name: str, day: int) -> list[Row]:
        if name == "heartrate":
            return list(self.heartrate(day))
        if name == "interbeat_interval":
            return list(self.interbeat_interval(day))
        return list(self.ring_battery_level(day))

    # Heart rate

    def heartrate(self, day: int) -> Iterator[Row]:
        """The heart rate rows of a UTC day, gathered from all plans that can reach into it."""
        first, last = midnight(day), midnight(day) + DAY_S
        for near in range(day - 1, day + 3):
            beats = self.pulse(near)
            for at, source, bpm in beats[bisect_left(beats, (first,)) : bisect_left(beats, (last,))]:
                yield at * 1000, self._row(at * 1000, f'"bpm":{bpm}', f',"source":"{source}"')

    def _row(self, at: int, first: str, last: str = "") -> bytes:
        """A row as JSON, with `timestamp_unix` in the dialect `docs`, `producer_timestamp` in `live`."""
        stamp = f'{{"timestamp":"{wall_clock(at // 1000)}.{at % 1000:03d}Z"'
        if self.unix:
            return f'{stamp},"timestamp_unix":{at},{first}{last}}}'.encode()
        return f'{stamp},{first},"producer_timestamp":{self._producer(at // 1000)}{last}}}'.encode()

    def _producer(self, at: int) -> str:
        """The `producer_timestamp` of a row, in the dialect `live`. Oura does not document what it means.

        One recorded value is the wearer's local time taken for UTC, plus some seconds; others are null.
        """
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
        noise = self.calendar.streams.random_bytes("awake", day, 640)
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
        return round(self.calendar.traits.lowest + 6 * self.calendar.state(day).illness)

    def _awake(self, day: int, gaps: list[Span], noise: bytes) -> Iterator[Beat]:
        movement = self.days.movement(day)
        resting, begin, classes = self._resting(day), movement.begin, movement.classes
        at, draw, live = 0, 2, noise[2] < 20
        for gap in gaps:
            at = gap.begin + 40 + noise[draw % 640]
            while at < gap.end:
                one, two = noise[draw % 640], noise[(draw + 1) % 640]
                draw += 2
                slot = max(0, min(SLOTS - 1, (at - begin) // SLOT_S))
                bpm = resting + _EXTRA[classes[slot]] + round(4.5 * NORMAL_DEVIATES[two])
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
        share = interpolate(
            workout.met / (7 + 7 * traits.fitness), (0.2, 0.34), (0.5, 0.58), (0.9, 0.87), (1.2, 0.94)
        )
        goal, start = traits.lowest + (top - traits.lowest) * share, traits.lowest + 28
        noise = self.calendar.streams.random_bytes("workout", workout.begin // 60, seconds // step)
        wander = 0.0
        for index, byte in enumerate(noise):
            wander = 0.92 * wander + 1.6 * NORMAL_DEVIATES[byte]
            ramp = min(1.0, index * step / 240)
            bpm = start + (goal - start) * ramp * (2 - ramp) + wander
            yield workout.begin + index * step, "workout", min(round(top), round(bpm))

    # Battery

    def _charge(self, day: int, step: int) -> Charge:
        """The next charge on or after the day (`step` 1), or the last on or before it (`step` -1)."""
        while (charge := self.calendar.plan(day).charge) is None:
            day += step
        return charge

    def battery(self, at: int) -> tuple[int, bool, bool]:
        """The battery at an instant: its level (percent), whether it charges, and is in the charger."""
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
            level = before.level + (at - before.begin) // CHARGE_S_PER_PERCENT
            return min(100, level), level < 100, True
        lost = (100 - after.level) * (at - before.end) // max(1, after.begin - before.end)
        return 100 - lost, False, False

    def ring_battery_level(self, day: int) -> Iterator[Row]:
        noise = self.calendar.streams.random_bytes("battery", day, DAY_S // BATTERY_STEP_S)
        for index, byte in enumerate(noise):
            at = midnight(day) + index * BATTERY_STEP_S + byte
            level, charging, inside = self.battery(at)
            flags = f'"charging":{str(charging).lower()},"in_charger":{str(inside).lower()}'
            yield at * 1000, self._row(at * 1000, f'"level":{level},{flags}')

    # Interbeat intervals

    def interbeat_interval(self, day: int) -> Iterator[Row]:
        first, last = midnight(day) * 1000, (midnight(day) + DAY_S) * 1000
        for near in range(day - 1, day + 3):
            for begin, end, bpm, spread in self._stretches(near):
                if end * 1000 < first or begin * 1000 >= last:
                    continue
                for at, text in self._beats(begin, end, bpm, spread):
                    if first <= at < last:
                        yield at, text

    def _stretches(self, day: int) -> list[tuple[int, int, float, float]]:
        """The times for which there are interbeat intervals, as (begin, end, mean bpm, HRV in ms).

        These are 5 minutes at the lowest heart rate of the night, and 3 minutes of each session.
        """
        plan, found = self.calendar.plan(day), list[tuple[int, int, float, float]]()
        night = self.nights.long_sleep(day)
        if night is not None and night.bpm is not None:
            begin = night.begin + SLOT_S * night.lowest_at
            found.append((begin, begin + SLOT_S, float(night.lowest), float(night.average_hrv or 30)))
        for session in plan.sessions:
            rates = session_pulse(self, session)[:36]
            mean = sum(rates) / len(rates)
            found.append(
                (session.begin, session.begin + 5 * len(rates), mean, 0.6 * self.calendar.traits.hrv)
            )
        return found

    def _beats(self, begin: int, end: int, bpm: float, spread: float) -> Iterator[Row]:
        noise = self.calendar.streams.random_bytes("beats", begin, (end - begin) * 3)
        at = begin * 1000 + noise[0]
        for byte in noise:
            interval = round(60_000 / bpm + 0.6 * spread * NORMAL_DEVIATES[byte])
            at += interval
            if at >= end * 1000:
                return
            validity = -1 if byte == 3 else 2 if byte in {0, 255} else 3 if byte % 41 == 7 else 1
            yield at, self._row(at, f'"ibi":{interval}', f',"validity":{validity}')


def _in_bed(period: SleepPeriod) -> Iterator[Beat]:
    for slot, bpm in enumerate(period.bpm or ()):
        if bpm is not None:
            yield period.begin + SLOT_S * slot, "rest", bpm


def session_pulse(series: Series, session: Session) -> list[float]:
    """The heart rate during a session, every 5 seconds; it falls slowly."""
    noise = series.calendar.streams.random_bytes("session", session.begin, (session.end - session.begin) // 5)
    start, rates, wander = series.calendar.traits.lowest + 16, list[float](), 0.0
    for index, byte in enumerate(noise):
        wander = 0.97 * wander + 0.12 * NORMAL_DEVIATES[byte]
        rates.append(round(start - 5 * index / len(noise) + wander, 1))
    return rates


SERIES: Final = ("heartrate", "ring_battery_level", "interbeat_interval")
