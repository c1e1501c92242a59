"""Creates SQLite views for other SQL programs: one view for each document type, one column for each field.

    SELECT day, score FROM daily_sleep

ringlet itself does not read them. They are created again if they differ from those that this version of
ringlet creates, because a new version may have more fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import msgspec

from ..._api.catalog import TYPES
from .database import Database


def refresh(database: Database) -> None:
    """Create the views, unless they exist already as this version of ringlet creates them."""
    wanted = _statements()
    found: dict[str, str] = dict(database.all("SELECT name, sql FROM sqlite_master WHERE type = 'view'"))
    if all(found.get(name) == sql for name, sql in wanted.items()):
        return
    with database.transaction():
        drop(database)
        for sql in wanted.values():
            database.execute(sql)


def drop(database: Database) -> None:
    """Drop the views, so that a migration can change the table that they read."""
    for name in _statements():
        database.execute(f'DROP VIEW IF EXISTS "{name}"')


@cache
def _statements() -> dict[str, str]:
    """The statement that creates each view; cached, as reading the models' fields takes a long time."""
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
    """The fields with short values: no samples, no lists, no text with a character for each 5 minutes."""
    for field in msgspec.structs.fields(model):
        curve = "Sample" in str(field.type) or "list[" in str(field.type)
        if not curve and not field.encode_name.endswith(("_sec", "_min")):
            yield field.encode_name
