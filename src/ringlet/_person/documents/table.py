"""The document types that the simulated wearer writes, and what is particular to each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from . import day, entered, night
from .writer import DocumentHistory, DocumentWriter


@dataclass(frozen=True, slots=True)
class DocumentType:
    """How the documents of one data type are written: one row of the table."""

    write: Callable[[DocumentWriter, int], list[DocumentHistory]]
    """The documents of a day, the day being an ordinal."""
    meta: bool = True
    """Whether the documented model requires `meta` (`updated_at`, `version`)."""
    deletable: str = ""
    """What the app lets the wearer delete; empty for types that only Oura writes.

    One tag is both a `tag` and an `enhanced_tag` document: they name the same thing, so both are deleted.
    """
    final_after_days: int = 4
    """All versions of a document, and its deletion, come at most this many days after its own day."""

    def histories(self, writer: DocumentWriter, day: int) -> list[DocumentHistory]:
        """The documents of a day, with the deletion of those that the wearer deletes."""
        histories = self.write(writer, day)
        if not self.deletable:
            return histories
        return [
            replace(one, deleted=writer.deleted_at(self.deletable, one.versions[-1][0])) for one in histories
        ]


DOCUMENTS: Final[dict[str, DocumentType]] = {
    "tag": DocumentType(entered.tag, meta=False, deletable="tag"),
    "enhanced_tag": DocumentType(entered.enhanced_tag, meta=False, deletable="tag"),
    "workout": DocumentType(day.workout, deletable="workout"),
    "session": DocumentType(day.session, deletable="session"),
    "sleep": DocumentType(night.sleep),
    "daily_sleep": DocumentType(night.daily_sleep),
    "daily_activity": DocumentType(day.daily_activity),
    "daily_readiness": DocumentType(night.daily_readiness),
    "daily_resilience": DocumentType(night.daily_resilience, meta=False),
    "daily_stress": DocumentType(day.daily_stress),
    "daily_spo2": DocumentType(night.daily_spo2),
    "daily_cardiovascular_age": DocumentType(night.daily_cardiovascular_age),
    "sleep_time": DocumentType(night.sleep_time),
    "rest_mode_period": DocumentType(entered.rest_mode_period, final_after_days=10),
    "ring_configuration": DocumentType(entered.ring_configuration),
    "vO2_max": DocumentType(night.vo2_max),
}
"""By name. Changes of one instant are listed in this order (`Person.changes`)."""
