"""The table `settings`: small texts by key, and every key there is.

Rules of this file:
* A key that archives hold is never renamed: the text in quotation marks is what is stored.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

from .database import Database

Key = NewType("Key", str)
"""The key of a setting of one user, application or package: see `Setting.of`."""


class Setting(StrEnum):
    """The settings of an archive.

    A setting with `{}` exists once per user, application or package: see `of`.
    """

    SCHEMA_STEP = "room {}"
    """For a package with tables of its own: how many of its migrations have been applied."""
    DEMO = "demo"
    """Set in an archive that holds the demo's simulated wearer and nobody else."""
    DEMO_APPLICATION = "demo application of {}"
    """For a user: client id and salt of the application that the demo registered for its wearer."""
    TIMELINE = "life of {}"
    """For a user, a simulated wearer: which days are written, as JSON."""
    CLOCK_AHEAD = "clock ahead"
    """Seconds by which the cloud's clock is ahead of real time."""
    EVENT_LOG_ID = "webhook log"
    """A random id that tells the event log of this archive from all others."""
    INBOX_OWNER = "inbox held by"
    """Who works off the inbox, `handler` or `sync`, and the Unix time at which it last said so."""
    SYNC_BEGUN = "sync.{}.begun"
    """For a user: when the last sync began, by the server's clock, ISO 8601."""
    SYNC_UNFINISHED = "sync.{}.unfinished"
    """For a user: set while a sync is running, and so after one that was cut off."""
    SUBSCRIPTION_IDS = "webhooks.{}.made"
    """For a client id: the subscriptions that syncs into this archive made, a JSON array of ids."""

    def of(self, owner: int | str) -> Key:
        """The key for one user, application or package."""
        assert "{}" in self, f"{self.name} is one setting for the whole archive"
        return Key(self.format(owner))


def get(database: Database, key: Setting | Key) -> str | None:
    """The text of a setting; None if it is not set."""
    row = database.one("SELECT value FROM settings WHERE name = ?", (_stored(key),))
    return row[0] if row else None


def put(database: Database, key: Setting | Key, value: str | None) -> None:
    """Set it; None removes it."""
    if value is None:
        database.execute("DELETE FROM settings WHERE name = ?", (_stored(key),))
    else:
        database.execute(
            "INSERT INTO settings (name, value) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (_stored(key), value),
        )


def _stored(key: Setting | Key) -> str:
    assert not (isinstance(key, Setting) and "{}" in key), f"{key.name} is set for each owner: use `of`"
    return str(key)
