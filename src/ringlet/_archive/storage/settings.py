"""The table `settings`, which stores short texts by key, and the list of all keys.

Rules of this file:
* The text of a key (in quotation marks) is stored in archives, so it must not change.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

from .database import Database

Key = NewType("Key", str)
"""The key of a setting that belongs to one user, application or package: see `Setting.of`."""


class Setting(StrEnum):
    """The settings of an archive.

    A setting with `{}` exists once per user, application or package: see `of`.
    """

    SCHEMA_STEP = "room {}"
    """Of a package with tables of its own: how many of its migration steps have been applied."""
    DEMO = "demo"
    """Set if the archive has the demo's simulated wearer and no other users."""
    DEMO_APPLICATION = "demo application of {}"
    """Of a user: client id and salt of the application that the demo registered for its wearer."""
    TIMELINE = "life of {}"
    """Of a user who is a simulated wearer: which days are written, as JSON."""
    CLOCK_AHEAD = "clock ahead"
    """Seconds by which the cloud's clock is ahead of real time."""
    EVENT_LOG_ID = "webhook log"
    """A random id of the event log of this archive."""
    INBOX_OWNER = "inbox held by"
    """What processes the events of the inbox, `handler` or `sync`, and when it last said so (Unix time)."""
    SYNC_BEGUN = "sync.{}.begun"
    """Of a user: when the last sync began, by the server's clock, ISO 8601."""
    SYNC_UNFINISHED = "sync.{}.unfinished"
    """Of a user: set while a sync runs. If a sync is cut off, it stays set."""
    SUBSCRIPTION_IDS = "webhooks.{}.made"
    """Of a client id: the ids of the subscriptions that syncs into this archive created, a JSON array."""

    def of(self, owner: int | str) -> Key:
        """The key for one user, application or package."""
        assert "{}" in self, f"{self.name} is one setting for the whole archive"
        return Key(self.format(owner))


def get(database: Database, key: Setting | Key) -> str | None:
    """The text of a setting; None if it is not set."""
    row = database.one("SELECT value FROM settings WHERE name = ?", (_stored(key),))
    return row[0] if row else None


def put(database: Database, key: Setting | Key, value: str | None) -> None:
    """Store the text of a setting; None removes the setting."""
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
