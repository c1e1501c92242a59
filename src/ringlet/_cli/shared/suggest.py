"""Suggests the known word that is most similar to a word that the user mistyped."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches


def nearest(word: str, known: Sequence[str]) -> str:
    """Return the cure for an unknown word: the most similar known word, or else a list of all known words."""
    near = get_close_matches(word.lower().replace("-", "_"), known, 1)
    return f"did you mean {near[0]}?" if near else f"choose from {', '.join(known)}"
