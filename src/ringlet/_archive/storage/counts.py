"""The result of a write to the archive: how much it has added, changed and left unchanged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """How many documents or samples a write has added, changed or left unchanged."""

    added: int = 0
    changed: int = 0
    """Documents or samples that have another body than before, and deleted documents stored again."""
    unchanged: int = 0
    """Documents or samples that were stored already, or for which those of a later request are stored."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.added + other.added, self.changed + other.changed, self.unchanged + other.unchanged
        )
