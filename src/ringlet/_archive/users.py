"""The table `users`: whose data the archive holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .storage.database import Database


class User(NamedTuple):
    """A user whose data the archive holds."""

    id: int
    """The number by which every other table refers to the user."""
    name: str
    """Oura's id of the user, or a local name."""


def number(database: Database, name: str) -> int:
    """The number of a user, who is added if the name is new."""
    found = database.one("SELECT id FROM users WHERE name = ?", (name,))
    if found is None:
        # Another process may have added the name since: DO UPDATE returns the number in that case, too.
        found = database.one(
            "INSERT INTO users (name) VALUES (?)"
            " ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id",
            (name,),
        )
    assert found is not None
    return int(found[0])


def name(database: Database, number: int) -> str | None:
    """The name of a user by number; None if there is no such user."""
    row = database.one("SELECT name FROM users WHERE id = ?", (number,))
    return row[0] if row else None


def users(database: Database) -> list[User]:
    """All users, in the order in which they were added."""
    return [User(*row) for row in database.all("SELECT id, name FROM users ORDER BY id")]


def choose(users: Sequence[User], name: str | None) -> User | None:
    """The user of that name or, without a name, the only one. None if that is not one user."""
    meant = [user for user in users if name in (None, user.name)]
    return meant[0] if len(meant) == 1 else None
