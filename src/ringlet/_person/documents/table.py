"""The table of document types that the simulated wearer has, and the properties of each."""

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
    """A function that returns the documents of a day, which is given as an ordinal (`date.toordinal()`)."""
    meta: bool = True
    """Whether documents have `meta` (`updated_at`, `version`) in the dialect `docs`."""
    deletable: str = ""
    """The kind of thing that the wearer deletes in the app; "" if the wearer cannot delete these documents.

    `tag` and `enhanced_tag` have the same value, because a tag has a document of each type, and both are
    deleted with it.
    """
    final_after_days: int = 4
    """Days after the day of a document by which the cloud has all its versions, and its deletion."""

    def histories(self, writer: DocumentWriter, day: int) -> list[DocumentHistory]:
        """The documents of a day, including those that the wearer deletes later."""
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
"""The document types by name. `Person.changes` lists changes of the same instant in this order."""
