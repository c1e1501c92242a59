"""A word that means nothing, and what may have been meant."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches


def nearest(word: str, known: Sequence[str]) -> str:
    """A cure: the known one that is nearest to a word, else all there are."""
    near = get_close_matches(word.lower().replace("-", "_"), known, 1)
    return f"did you mean {near[0]}?" if near else f"choose from {', '.join(known)}"
