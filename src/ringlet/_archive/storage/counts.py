"""What a write did, counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """What a write did, in documents or rows of samples."""

    added: int = 0
    changed: int = 0
    """Replaced by another body, or revived after a deletion."""
    unchanged: int = 0
    """The same as what is stored, or older."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.added + other.added, self.changed + other.changed, self.unchanged + other.unchanged
        )
