"""SQLite views for people with another SQL program: one for each document type, a column for each field.

    SELECT day, score FROM daily_sleep

Nothing of ringlet reads them. They are made anew whenever they differ from what this ringlet would make,
because the fields of a document grow from release to release.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import msgspec

from ..._api.catalog import TYPES
from .database import Database


def refresh(database: Database) -> None:
    """Make the views, unless they are as they should be."""
    wanted = _statements()
    found: dict[str, str] = dict(database.all("SELECT name, sql FROM sqlite_master WHERE type = 'view'"))
    if all(found.get(name) == sql for name, sql in wanted.items()):
        return
    with database.transaction():
        drop(database)
        for sql in wanted.values():
            database.execute(sql)


def drop(database: Database) -> None:
    """Drop the views, so that what they show may be changed."""
    for name in _statements():
        database.execute(f'DROP VIEW IF EXISTS "{name}"')


@cache
def _statements() -> dict[str, str]:
    """The statement that makes each view. Reading the models' fields takes longer than opening an archive."""
    return {name: _statement(name) for name, kind in TYPES.items() if not kind.is_series}


def _statement(name: str) -> str:
    kind = TYPES[name]
    order = "user_id, day, instant" if kind.has_days else "user_id, instant"
    columns = "".join(
        f""",\n  json_extract(CAST(body AS TEXT), '$."{field}"') AS "{field}\""""
        for field in _fields(kind.model)
    )
    return (
        f'CREATE VIEW "{name}" AS SELECT user_id{columns}\nFROM documents'
        f" WHERE type = '{name}' AND deleted_at IS NULL ORDER BY {order}"
    )


def _fields(model: type[msgspec.Struct]) -> Iterator[str]:
    """The fields that fit a table cell: not the curves of a night, nor one letter per five minutes."""
    for field in msgspec.structs.fields(model):
        curve = "Sample" in str(field.type) or "list[" in str(field.type)
        if not curve and not field.encode_name.endswith(("_sec", "_min")):
            yield field.encode_name
