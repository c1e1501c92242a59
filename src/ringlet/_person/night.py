"""Sleep periods: stages, movement, heart rate and HRV of nights and naps, second by second consistent.

Rules:

* Thirty-second stages come first (`phases`: 1 deep, 2 light, 3 REM, 4 awake); every duration, the five-minute
  stages, latency and efficiency are counted from them.
* A period of less than 38 minutes has no heart rate and HRV series: recorded answers show null there, and
  255 for the lowest heart rate.
* What costs sleep: alcohol (deep sleep, HRV, heart rate high and late to fall), late meals, caffeine
  (latency), illness, hard training. They come from the plans of the two days before.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from .curves import hypnogram, pulse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .plan import Calendar, Nap

SHORT: Final = 38 * 60
NO_LOWEST: Final = 255
_MOVES: Final = {
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


@dataclass(frozen=True, slots=True)
class Period:
    """One stay in bed."""

    day: int
    index: int
    kind: str
    begin: int
    end: int
    phases: str
    movement: str
    bpm: tuple[int | None, ...] | None
    """One per whole five minutes; null where the ring saw no steady pulse."""
    hrv: tuple[int | None, ...] | None
    average_bpm: float
    lowest: int
    lowest_at: int
    """The slot of the lowest heart rate."""
    average_hrv: int | None
    breath: float

    @property
    def in_bed(self) -> int:
        return self.end - self.begin

    def seconds(self, stage: str) -> int:
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
        """Time left to sleep after the heart rate was lowest."""
        return 0.0 if self.bpm is None else (len(self.bpm) - self.lowest_at) / 12

    def five_minutes(self, phases: str = "") -> str:
        """The stage seen most often in each five minutes begun."""
        phases = phases or self.phases
        chunks = (phases[at : at + 10] for at in range(0, len(phases), 10))
        return "".join([max("2314", key=chunk.count) for chunk in chunks])


class Nights:
    """All sleep of one person."""

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar
        self.periods: Callable[[int], tuple[Period, ...]] = lru_cache(maxsize=512)(self._periods)
        self.temperature: Callable[[int], float] = lru_cache(maxsize=512)(self._temperature)

    def main(self, day: int) -> Period | None:
        """The long sleep that ended on the day."""
        for period in self.periods(day):
            if period.kind == "long_sleep":
                return period
        return None

    def _periods(self, day: int) -> tuple[Period, ...]:
        calendar = self.calendar
        naps = [nap for eve in (day - 1, day) for nap in calendar.plan(eve).naps if nap.day == day]
        before = [nap for nap in naps if nap.begin < calendar.bed(day).begin]
        found = [self._nap(nap, index) for index, nap in enumerate(before)]
        if calendar.mood(day).night_worn:
            found.append(self._night(day, len(found)))
        found += [self._nap(nap, len(found) + index) for index, nap in enumerate(naps[len(before) :])]
        return tuple(found)

    def _temperature(self, day: int) -> float:
        """Deviation from the usual skin temperature, in degrees Celsius."""
        calendar, dice = self.calendar, self.calendar.cup.dice("temperature", day)
        evening, mood = calendar.mood(day - 1), calendar.mood(day)
        warmth = 0.16 * dice.normal() + 0.1 * calendar.cup.drift("temperature", day, 17) - 0.02
        warmth += 0.95 * mood.illness + 0.12 * evening.alcohol + (0.05 if evening.late_meal else 0)
        if length := calendar.traits.cycle:
            phase = (day + length * calendar.traits.age // 7) % length
            warmth += 0.16 if 2 * phase >= length else -0.16
        return round(warmth, 2)

    def _night(self, day: int, index: int) -> Period:
        calendar, bed = self.calendar, self.calendar.bed(day)
        traits, cup = calendar.traits, calendar.cup
        dice = cup.dice("night", day)
        evening, mood = calendar.mood(day - 1), calendar.mood(day)
        load = calendar.plan(day - 1).load + 0.4 * calendar.plan(day - 2).load
        drink, ill = evening.alcohol, mood.illness
        form = cup.drift("form", day, 45)
        epochs = (bed.end - bed.begin) // 30
        awake = max(0.04, 0.098 + 0.028 * dice.normal() + 0.05 * drink + 0.05 * ill + 0.012 * evening.stress)
        latency = 4 + dice.between(0, 18) + 26 * dice.unit() * dice.unit() + (14 if evening.caffeine else 0)
        deep = max(
            0.03, 0.185 - 0.0011 * traits.age + 0.042 * dice.normal() + 0.015 * min(load, 1.5) - 0.055 * drink
        )
        rem = max(0.05, 0.205 + 0.03 * dice.normal() - 0.045 * drink - 0.05 * ill)
        segments = hypnogram(dice, epochs, round(latency), awake, deep, rem)
        low = traits.lowest + 1.3 * dice.normal() - 1.6 * form + 0.9 * min(load, 2.0) + 6.5 * drink + 8 * ill
        low += (1.6 if evening.late_meal else 0) + 0.5 * evening.stress
        rise = 7 + 2 * dice.normal() + 7 * drink + (3 if evening.late_meal else 0)
        bottom = min(
            0.97, max(0.2, 0.6 + 0.14 * dice.normal() + 0.25 * drink + (0.12 if evening.late_meal else 0))
        )
        vary = traits.hrv * max(
            0.3, 1 + 0.11 * dice.normal() + 0.12 * form - 0.07 * load - 0.3 * drink - 0.35 * ill
        )
        breath = traits.breath + 0.25 * dice.normal() + 1.3 * ill
        return self._period(day, index, "long_sleep", bed.begin, segments, (low, rise, bottom, vary, breath))

    def _nap(self, nap: Nap, index: int) -> Period:
        traits, dice = self.calendar.traits, self.calendar.cup.dice("nap", nap.begin // 60)
        epochs = (nap.end - nap.begin) // 30
        short = nap.end - nap.begin < SHORT
        awake = dice.between(0.35, 0.8) if short or nap.kind == "rest" else dice.between(0.05, 0.25)
        latency = dice.whole(0, 4) if short else dice.whole(4, 14)
        segments = hypnogram(dice, epochs, latency, awake, 0.0 if short else 0.12, 0.0 if short else 0.05)
        low = traits.lowest + 9 + 2.5 * dice.normal()
        body = (low, 5.0, 0.8, traits.hrv * dice.between(0.5, 0.8), traits.breath + 1.2 + 0.5 * dice.normal())
        return self._period(nap.day, index, nap.kind, nap.begin, segments, body)

    def _period(
        self,
        day: int,
        index: int,
        kind: str,
        begin: int,
        segments: Sequence[tuple[str, int]],
        body: tuple[float, float, float, float, float],
    ) -> Period:
        low, rise, bottom, vary, breath = body
        phases = "".join([stage * count for stage, count in segments])
        noise = self.calendar.cup.stream("pulse", begin // 30, len(phases) + len(phases) // 5)
        moves: list[bytes] = []
        at = 0
        for stage, count in segments:
            moves.append(noise[at : at + count].translate(_MOVES[stage]))
            at += count
        bpm: tuple[int | None, ...] | None = None
        hrv: tuple[int | None, ...] | None = None
        average, lowest, lowest_at, average_hrv = low + 4.0, NO_LOWEST, 0, None
        if 30 * at >= SHORT:
            bpm, hrv = pulse(phases, noise[at:], low, rise, bottom, vary)
            seen = [rate for rate in bpm if rate is not None]
            average, lowest = sum(seen) / len(seen), min(seen)
            lowest_at = bpm.index(lowest)
            felt = [rate for rate in hrv if rate is not None]
            average_hrv = round(sum(felt) / len(felt))
        return Period(
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
