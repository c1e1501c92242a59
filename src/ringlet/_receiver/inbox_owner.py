"""Records which kind of program owns an inbox: a handler or a sync.

If a handler and a sync took events from the same inbox, each event would reach only one of them.

Rules of this file:
* A program that takes events stores in the archive that its kind owns the inbox, and renews the entry every
  few minutes. Until the entry is `OWNER_EXPIRES_S` old, programs of the other kind are refused. Several
  programs of the same kind may share an inbox.
* The other kind can own the inbox after the owner has released it, or has not renewed its entry for
  `OWNER_EXPIRES_S`, perhaps because it was killed.
* Ownership protects against a mistake of the user, but it is not a lock. When the first of several handlers
  stops, it releases the inbox for all of them; a jump of the clock ends the ownership, too. An event that a
  program of the other kind takes then is not lost, because that program handles the event.
* Times are by this machine's clock, not by the clock of the events, because ownership is about processes.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Literal, TypeAlias

from .._archive.archive import Archive
from .._archive.storage.locks import Lock
from .._archive.storage.settings import Setting
from ..errors import ArchiveError, UsageError

InboxOwner: TypeAlias = Literal["handler", "sync"]

RENEW_OWNER_S = 2 * 60
"""The seconds after which an owner renews its entry."""
OWNER_EXPIRES_S = 15 * 60
"""The seconds for which an entry is valid. A handler without events renews its entry every ten minutes."""

_KILLED = f"if it was killed, wait {OWNER_EXPIRES_S // 60} minutes"
_REFUSALS = {
    "sync": (
        "a sync is following the events of {path}",
        f"give the handler an inbox of its own (inbox='inbox.db'), or stop that sync; {_KILLED}",
    ),
    "handler": (
        "the handler of another program takes the events of {path}",
        f"sync into another archive, or stop that program; {_KILLED}",
    ),
}


def acquire(archive: Archive, kind: InboxOwner) -> None:
    """Store that `kind` owns the inbox of an archive. Raises UsageError while the other kind owns it."""
    owner, age = _owner(archive)
    if owner == kind and age < RENEW_OWNER_S:
        return  # The entry need not be renewed yet, and a write transaction would delay the receiver.
    with archive.transaction():
        archive.database.lock(Lock.INBOX)
        owner, age = _owner(archive)
        if owner not in (None, kind) and age < OWNER_EXPIRES_S:
            what, cure = _REFUSALS[owner]
            raise UsageError(what.format(path=archive.path), cure=cure)
        archive.set_setting(Setting.INBOX_OWNER, f"{kind} {int(time.time())}")


def release(archive: Archive, kind: InboxOwner) -> None:
    """Delete the entry that `kind` owns the inbox. Does nothing if `kind` does not own it."""
    with archive.transaction():
        archive.database.lock(Lock.INBOX)
        if _owner(archive)[0] == kind:
            archive.set_setting(Setting.INBOX_OWNER, None)


@contextmanager
def owning(archive: Archive, kind: InboxOwner) -> Generator[None]:
    """Own the inbox until the `with` block ends. Raises UsageError while the other kind owns the inbox."""
    acquire(archive, kind)
    try:
        yield
    finally:
        with suppress(ArchiveError):  # If the entry cannot be deleted, it expires by itself.
            release(archive, kind)


def _owner(archive: Archive) -> tuple[str | None, float]:
    """The kind of program that owns the inbox, and how many seconds ago its entry was written."""
    entry = archive.setting(Setting.INBOX_OWNER)
    if entry is None:
        return None, 0.0
    kind, _, since = entry.partition(" ")
    return kind, abs(time.time() - int(since))
