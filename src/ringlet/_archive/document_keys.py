"""What places a document: its id, its day and its instant, read from its JSON text. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol, TypeAlias, cast

import msgspec

from .._api.catalog import AnyKind
from .._api.windows import parse_instant

SINGLE_ID = ""
"""The id under which the one document of a Single (`personal_info`) is stored."""


# A plain tuple: a backfill makes one for each of thousands of documents.
Key: TypeAlias = tuple[str, str | None, int | None]
"""What places a document among those of its user and type.

The id, or for a document without one (Oura's cardiovascular age had none in 2024) its day; the day, as in
`2026-01-01`; the instant, milliseconds UTC. Day and instant are None for a kind without days, and for a
document without them.
"""


def key_of(kind: AnyKind, body: bytes) -> Key:
    """The key of a document. Raises ValueError, msgspec.MsgspecError where it has none."""
    if kind.is_single:
        return SINGLE_ID, None, None
    if not kind.has_days:
        return _named(_decoder("day", "day").decode(body).id), None, None
    fields = _decoder(kind.day, kind.instant).decode(body)
    when = fields.instant or fields.day
    return _named(fields.id or fields.day), fields.day, parse_instant(when) if when else None


def _named(id: str | None) -> str:
    if not id:
        raise ValueError("it has neither an id nor a day")
    return id


class _Fields(Protocol):
    id: str | None
    day: str | None
    instant: str | None


@lru_cache(maxsize=64)
def _decoder(day: str, instant: str) -> msgspec.json.Decoder[_Fields]:
    """Reads these fields of a document and skips the others."""
    names = {"id": "id", "day": day, "instant": instant}
    fields = [(name, str | None, None) for name in names if name != "instant" or instant != day]
    struct = msgspec.defstruct(
        "Fields", fields, rename=names, namespace={"instant": None} if instant == day else {}
    )
    return cast("msgspec.json.Decoder[_Fields]", msgspec.json.Decoder(struct))
