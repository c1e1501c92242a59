"""Suggests what an unknown word may have meant."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches


def nearest(word: str, known: Sequence[str]) -> str:
    """A cure: the known word that is most like the unknown one, else all known words."""
    near = get_close_matches(word.lower().replace("-", "_"), known, 1)
    return f"did you mean {near[0]}?" if near else f"choose from {', '.join(known)}"
