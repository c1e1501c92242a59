"""Reads the key of a document from its JSON text: the id, day and instant by which the archive finds it."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol, TypeAlias, cast

import msgspec

from .._api.catalog import AnyKind
from .._api.windows import parse_instant

SINGLE_ID = ""
"""The id under which the only document of `personal_info` is stored."""


# A plain tuple is faster than a class; a backfill makes one for each of thousands of documents.
Key: TypeAlias = tuple[str, str | None, int | None]
"""The key of a document among the documents of one user and data type: (id, day, instant).

If a document has no id (as Oura's cardiovascular age in 2024), its day is used as its id. The day is written
as in `2026-01-01`; the instant is in milliseconds UTC. Day and instant are None for a document without them.
"""


def key_of(kind: AnyKind, body: bytes) -> Key:
    """Read the key of a document. Raises ValueError or msgspec.MsgspecError if the document has no key."""
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
    """A JSON decoder that reads only the id, the day and the instant of a document."""
    names = {"id": "id", "day": day, "instant": instant}
    fields = [(name, str | None, None) for name in names if name != "instant" or instant != day]
    struct = msgspec.defstruct(
        "Fields", fields, rename=names, namespace={"instant": None} if instant == day else {}
    )
    return cast("msgspec.json.Decoder[_Fields]", msgspec.json.Decoder(struct))
