"""Simulates sleep periods: stages, movement, heart rate and HRV of nights and naps.

Rules of this file:

* The stage of each 30 seconds is simulated first (`phases`: 1 deep, 2 light, 3 REM, 4 awake). All durations,
  the 5-minute stages, latency and efficiency are computed from it, so they agree to the second.
* A period of less than 38 minutes has no heart rate and HRV, and a lowest heart rate of 255, as in recorded
  answers.
* Sleep is worse after alcohol (less deep sleep, lower HRV, a higher heart rate that falls late), late meals,
  caffeine (longer latency) and hard training, and in illness. These are read from the states of the day and
  the day before, and from the plans of the two days before.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from .sleep_curves import heart_rate_and_hrv, hypnogram

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .plan import Calendar, Nap

SHORT_PERIOD_S: Final = 38 * 60
NO_LOWEST_HEART_RATE: Final = 255
"""The lowest heart rate that recorded answers have if no heart rate was measured."""
_MOVEMENT_BY_STAGE: Final = {
    stage: bytes(
        ord("4") if byte < four else ord("3") if byte < three else ord("2") if byte < two else ord("1")
        for byte in range(256)
    )
    for stage, (four, three, two) in {
        "1": (0, 0, 10),
        "2": (1, 6, 62),
        "3": (1, 5, 48),
        "4": (40, 96, 190),
    }.items()
}
"""For each stage, a table from random bytes to digits of `movement_30_sec`, 1 (still) to 4 (restless)."""


@lru_cache(maxsize=1024)
def _most_frequent(phases: str) -> str:
    return max("2314", key=phases.count)


@dataclass(frozen=True, slots=True)
class SleepPeriod:
    """One night or nap."""

    day: int
    index: int
    """The number of the period within its day, in order of time, from 0."""
    kind: str
    """The `type` of its document, such as `long_sleep`."""
    begin: int
    end: int
    phases: str
    movement: str
    bpm: tuple[int | None, ...] | None
    """The heart rate of each full 5 minutes; None if not measured, as in a tenth of recorded values."""
    hrv: tuple[int | None, ...] | None
    average_bpm: float
    lowest: int
    lowest_at: int
    """The index of the lowest heart rate in `bpm`."""
    average_hrv: int | None
    breath: float
    """Breaths per minute."""

    @property
    def in_bed(self) -> int:
        return self.end - self.begin

    def seconds(self, stage: str) -> int:
        """The total seconds of a sleep stage (1 deep, 2 light, 3 REM, 4 awake)."""
        return 30 * self.phases.count(stage)

    @property
    def asleep(self) -> int:
        return self.in_bed - self.seconds("4")

    @property
    def efficiency(self) -> int:
        return max(1, min(100, round(100 * self.asleep / self.in_bed)))

    @property
    def latency(self) -> int:
        return 30 * (len(self.phases) - len(self.phases.lstrip("4")))

    @property
    def restless(self) -> int:
        return len(self.movement) - self.movement.count("1")

    @property
    def recovery_hours(self) -> float:
        """Hours from the lowest heart rate to the end of the period."""
        return 0.0 if self.bpm is None else (len(self.bpm) - self.lowest_at) / 12

    def five_minutes(self, phases: str = "") -> str:
        """The most frequent stage of each 5 minutes; the last may be of less than 5 minutes."""
        phases = phases or self.phases
        return "".join([_most_frequent(phases[at : at + 10]) for at in range(0, len(phases), 10)])


class Nights:
    """The nights and naps of one person."""

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar
        self.periods: Callable[[int], tuple[SleepPeriod, ...]] = lru_cache(maxsize=512)(self._periods)
        self.temperature: Callable[[int], float] = lru_cache(maxsize=512)(self._temperature)

    def long_sleep(self, day: int) -> SleepPeriod | None:
        """The long sleep that ended on the day; None if the ring was not worn at night."""
        for period in self.periods(day):
            if period.kind == "long_sleep":
                return period
        return None

    def _periods(self, day: int) -> tuple[SleepPeriod, ...]:
        calendar = self.calendar
        naps = [nap for eve in (day - 1, day) for nap in calendar.plan(eve).naps if nap.day == day]
        before = [nap for nap in naps if nap.begin < calendar.night(day).begin]
        found = [self._nap(nap, index) for index, nap in enumerate(before)]
        if calendar.state(day).worn_at_night:
            found.append(self._night(day, len(found)))
        found += [self._nap(nap, len(found) + index) for index, nap in enumerate(naps[len(before) :])]
        return tuple(found)

    def _temperature(self, day: int) -> float:
        """The difference of the night's skin temperature from the usual one, in degrees Celsius."""
        calendar, rng = self.calendar, self.calendar.streams.stream("temperature", day)
        evening, state = calendar.state(day - 1), calendar.state(day)
        warmth = 0.16 * rng.normal() + 0.1 * calendar.streams.drift("temperature", day, 17) - 0.02
        warmth += 0.95 * state.illness + 0.12 * evening.alcohol + (0.05 if evening.late_meal else 0)
        if length := calendar.traits.cycle:
            phase = (day + length * calendar.traits.age // 7) % length
            warmth += 0.16 if 2 * phase >= length else -0.16
        return round(warmth, 2)

    def _night(self, day: int, index: int) -> SleepPeriod:
        calendar, bed = self.calendar, self.calendar.night(day)
        traits, streams = calendar.traits, calendar.streams
        rng = streams.stream("night", day)
        evening, state = calendar.state(day - 1), calendar.state(day)
        load = calendar.plan(day - 1).load + 0.4 * calendar.plan(day - 2).load
        drink, ill = evening.alcohol, state.illness
        form = streams.drift("form", day, 45)
        epochs = (bed.end - bed.begin) // 30
        awake = max(0.04, 0.098 + 0.028 * rng.normal() + 0.05 * drink + 0.05 * ill + 0.012 * evening.stress)
        latency = (
            4 + rng.between(0, 18) + 26 * rng.uniform() * rng.uniform() + (14 if evening.caffeine else 0)
        )
        deep = max(
            0.03, 0.185 - 0.0011 * traits.age + 0.042 * rng.normal() + 0.015 * min(load, 1.5) - 0.055 * drink
        )
        rem = max(0.05, 0.205 + 0.03 * rng.normal() - 0.045 * drink - 0.05 * ill)
        segments = hypnogram(rng, epochs, round(latency), awake, deep, rem)
        low = traits.lowest + 1.3 * rng.normal() - 1.6 * form + 0.9 * min(load, 2.0) + 6.5 * drink + 8 * ill
        low += (1.6 if evening.late_meal else 0) + 0.5 * evening.stress
        rise = 7 + 2 * rng.normal() + 7 * drink + (3 if evening.late_meal else 0)
        bottom = min(
            0.97, max(0.2, 0.6 + 0.14 * rng.normal() + 0.25 * drink + (0.12 if evening.late_meal else 0))
        )
        vary = traits.hrv * max(
            0.3, 1 + 0.11 * rng.normal() + 0.12 * form - 0.07 * load - 0.3 * drink - 0.35 * ill
        )
        breath = traits.breath + 0.25 * rng.normal() + 1.3 * ill
        return self._period(day, index, "long_sleep", bed.begin, segments, (low, rise, bottom, vary, breath))

    def _nap(self, nap: Nap, index: int) -> SleepPeriod:
        traits, rng = self.calendar.traits, self.calendar.streams.stream("nap", nap.begin // 60)
        epochs = (nap.end - nap.begin) // 30
        short = nap.end - nap.begin < SHORT_PERIOD_S
        awake = rng.between(0.35, 0.8) if short or nap.kind == "rest" else rng.between(0.05, 0.25)
        latency = rng.integer(0, 4) if short else rng.integer(4, 14)
        segments = hypnogram(rng, epochs, latency, awake, 0.0 if short else 0.12, 0.0 if short else 0.05)
        low = traits.lowest + 9 + 2.5 * rng.normal()
        body = (low, 5.0, 0.8, traits.hrv * rng.between(0.5, 0.8), traits.breath + 1.2 + 0.5 * rng.normal())
        return self._period(nap.day, index, nap.kind, nap.begin, segments, body)

    def _period(
        self,
        day: int,
        index: int,
        kind: str,
        begin: int,
        segments: Sequence[tuple[str, int]],
        body: tuple[float, float, float, float, float],
    ) -> SleepPeriod:
        low, rise, bottom, vary, breath = body
        phases = "".join([stage * count for stage, count in segments])
        noise = self.calendar.streams.random_bytes("pulse", begin // 30, len(phases) + len(phases) // 5)
        moves: list[bytes] = []
        at = 0
        for stage, count in segments:
            moves.append(noise[at : at + count].translate(_MOVEMENT_BY_STAGE[stage]))
            at += count
        bpm: tuple[int | None, ...] | None = None
        hrv: tuple[int | None, ...] | None = None
        average, lowest, lowest_at, average_hrv = low + 4.0, NO_LOWEST_HEART_RATE, 0, None
        if 30 * at >= SHORT_PERIOD_S:
            bpm, hrv = heart_rate_and_hrv(phases, noise[at:], low, rise, bottom, vary)
            seen = [rate for rate in bpm if rate is not None]
            average, lowest = sum(seen) / len(seen), min(seen)
            lowest_at = bpm.index(lowest)
            felt = [rate for rate in hrv if rate is not None]
            average_hrv = round(sum(felt) / len(felt))
        return SleepPeriod(
            day=day,
            index=index,
            kind=kind,
            begin=begin,
            end=begin + 30 * at,
            phases=phases,
            movement=b"".join(moves).decode(),
            bpm=bpm,
            hrv=hrv,
            average_bpm=round(average * 8) / 8,
            lowest=lowest,
            lowest_at=lowest_at,
            average_hrv=average_hrv,
            breath=round(breath * 8) / 8,
        )
