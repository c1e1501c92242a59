"""The table of document types: who writes each, and whether its documented model carries `meta`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from . import daily, nightly, notes
from .pen import Draft, Pen
from .rings import Fields
from .zones import day_of


def _as_it_is(fields: Fields) -> Fields:
    return fields


def _rings(pen: Pen, day: int) -> list[Draft]:
    return [Draft(day, [(at, partial(_as_it_is, fields))]) for at, fields in pen.rings if day_of(at) == day]


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table."""

    write: Callable[[Pen, int], list[Draft]]
    meta: bool = True
    """Whether the documented model asks for `meta` (updated_at, version)."""


DOCUMENTS: Final[dict[str, Kind]] = {
    "tag": Kind(notes.tag, meta=False),
    "enhanced_tag": Kind(notes.enhanced_tag, meta=False),
    "workout": Kind(daily.workout),
    "session": Kind(daily.session),
    "sleep": Kind(nightly.sleep),
    "daily_sleep": Kind(nightly.daily_sleep),
    "daily_activity": Kind(daily.daily_activity),
    "daily_readiness": Kind(nightly.daily_readiness),
    "daily_resilience": Kind(nightly.daily_resilience, meta=False),
    "daily_stress": Kind(daily.daily_stress),
    "daily_spo2": Kind(nightly.daily_spo2),
    "daily_cardiovascular_age": Kind(nightly.daily_cardiovascular_age),
    "sleep_time": Kind(nightly.sleep_time),
    "rest_mode_period": Kind(notes.rest_mode_period),
    "ring_configuration": Kind(_rings),
    "vO2_max": Kind(nightly.vo2_max),
}
