"""Days, instants and local time of the simulation, and their format in documents.

Rules of this file:

* A day is a number (`date.toordinal()`), an instant is a whole number of seconds since 1970 UTC. Dates and
  datetimes are used only to write documents.
* Summer time is computed from its rule (last Sunday of March, ...) and not from the system's time zone
  database, because a simulated wearer must be the same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final, Literal

DAY_S: Final = 86_400
HOUR_S: Final = 3_600
EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_CLOCK: Final = tuple(f"{second // 3600:02d}:{second // 60 % 60:02d}:" for second in range(0, DAY_S, 60))
_SECONDS: Final = tuple(f"{second:02d}" for second in range(60))


def midnight(day: int) -> int:
    """The instant at which the day begins in UTC."""
    return (day - EPOCH_DAY) * DAY_S


def day_of(instant: int) -> int:
    """The UTC day of an instant, or the local day if the local offset was added to the instant."""
    return instant // DAY_S + EPOCH_DAY


@lru_cache(maxsize=512)
def iso_day(day: int) -> str:
    return date.fromordinal(day).isoformat()


def wall_clock(instant: int) -> str:
    """Format an instant in UTC without a zone: `2026-03-05T07:08:09`."""
    second = instant % DAY_S
    return f"{iso_day(instant // DAY_S + EPOCH_DAY)}T{_CLOCK[second // 60]}{_SECONDS[second % 60]}"


def local_timestamp(instant: int, offset: int) -> str:
    """Format an instant in local time, given its offset in seconds: `2026-03-05T08:08:09.000+01:00`."""
    sign = "-" if offset < 0 else "+"
    minutes = abs(offset) // 60
    return f"{wall_clock(instant + offset)}.000{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def _sunday(year: int, month: int, nth: int) -> int:
    """The ordinal of the nth Sunday of a month. With `nth` 0: of its last Sunday, if it has 31 days."""
    if nth:
        first = date(year, month, 1).toordinal()
        return first + -first % 7 + 7 * (nth - 1)
    last = date(year, month, 31).toordinal()
    return last - last % 7


@lru_cache(maxsize=256)
def _summer(rule: str, standard: int, year: int) -> tuple[int, int]:
    """The instants of a year at which summer time begins and ends."""
    if rule == "eu":
        return midnight(_sunday(year, 3, 0)) + HOUR_S, midnight(_sunday(year, 10, 0)) + HOUR_S
    return (
        midnight(_sunday(year, 3, 2)) + 2 * HOUR_S - standard,
        midnight(_sunday(year, 11, 1)) + HOUR_S - standard,
    )


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone: its standard offset from UTC in seconds, and the rule of its summer time."""

    standard: int
    rule: Literal["eu", "us", "none"] = "none"

    def at(self, instant: int) -> int:
        """The offset from UTC at an instant, in seconds; positive east of Greenwich."""
        if self.rule == "none":
            return self.standard
        begin, end = _summer(self.rule, self.standard, date.fromordinal(day_of(instant)).year)
        return self.standard + HOUR_S if begin <= instant < end else self.standard
