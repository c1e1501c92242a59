"""The table `users`: the users whose data the archive has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .storage.database import Database


class User(NamedTuple):
    """A user whose data the archive has."""

    id: int
    """The number of the user, which other tables have as `user_id`."""
    name: str
    """Oura's id of the user, or a local name."""


def number(database: Database, name: str) -> int:
    """The number of the user with a name. A new name is added."""
    found = database.one("SELECT id FROM users WHERE name = ?", (name,))
    if found is None:
        # If another process has added the name since, DO UPDATE returns the number of that row.
        found = database.one(
            "INSERT INTO users (name) VALUES (?)"
            " ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id",
            (name,),
        )
    assert found is not None
    return int(found[0])


def name(database: Database, number: int) -> str | None:
    """Return the name of the user with an id, or None if the id does not exist."""
    row = database.one("SELECT name FROM users WHERE id = ?", (number,))
    return row[0] if row else None


def users(database: Database) -> list[User]:
    """All users, in the order in which they were added."""
    return [User(*row) for row in database.all("SELECT id, name FROM users ORDER BY id")]


def choose(users: Sequence[User], name: str | None) -> User | None:
    """Return the user with a name; without a name, the only user. None if not exactly one user matches."""
    meant = [user for user in users if name in (None, user.name)]
    return meant[0] if len(meant) == 1 else None
