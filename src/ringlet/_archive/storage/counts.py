"""Counts of what a write to the archive has added, changed and left unchanged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """How many documents or rows of samples a write has added, changed or left unchanged."""

    added: int = 0
    changed: int = 0
    """How many got another body, or were stored again after a deletion."""
    unchanged: int = 0
    """How many were the same as the stored ones, or came from an older request."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.added + other.added, self.changed + other.changed, self.unchanged + other.unchanged
        )
