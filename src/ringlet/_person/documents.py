"""The table of document types: who writes each, whether its documented model carries `meta`, what can go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
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
    deletable: str = ""
    """What the app calls it, where it lets the wearer delete it: one note is a document of two types."""
    late: int = 4
    """Days after its own within which a document has all its versions, and its end."""

    def drafts(self, pen: Pen, day: int) -> list[Draft]:
        """Its documents of a day, with the end that some of them find."""
        drafts = self.write(pen, day)
        if not self.deletable:
            return drafts
        return [
            replace(draft, deleted=pen.deleted(self.deletable, draft.versions[-1][0])) for draft in drafts
        ]


DOCUMENTS: Final[dict[str, Kind]] = {
    "tag": Kind(notes.tag, meta=False, deletable="tag"),
    "enhanced_tag": Kind(notes.enhanced_tag, meta=False, deletable="tag"),
    "workout": Kind(daily.workout, deletable="workout"),
    "session": Kind(daily.session, deletable="session"),
    "sleep": Kind(nightly.sleep),
    "daily_sleep": Kind(nightly.daily_sleep),
    "daily_activity": Kind(daily.daily_activity),
    "daily_readiness": Kind(nightly.daily_readiness),
    "daily_resilience": Kind(nightly.daily_resilience, meta=False),
    "daily_stress": Kind(daily.daily_stress),
    "daily_spo2": Kind(nightly.daily_spo2),
    "daily_cardiovascular_age": Kind(nightly.daily_cardiovascular_age),
    "sleep_time": Kind(nightly.sleep_time),
    "rest_mode_period": Kind(notes.rest_mode_period, late=10),
    "ring_configuration": Kind(_rings),
    "vO2_max": Kind(nightly.vo2_max),
}
