"""Which kind of program owns an inbox: a handler or a sync. If both worked it off, each event would reach
only one.

Rules of this file:
* A program that works an inbox off writes down that it owns it, and renews that every few minutes. Until the
  entry is `OWNER_EXPIRES_S` old, the other kind of program is refused; several of the same kind may share.
* The inbox changes owners when the owner has released it, or has not renewed its entry: it may have been
  killed.
* This protects against a mistake; it is not a lock. The first of several handlers that stops releases the
  inbox for all of them, and so does a clock that jumps. An event that another kind of program takes then is
  not lost: that program deals with it.
* Times are real time, whatever clock the events go by: this is about processes.
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
"""Seconds after which an owner renews its entry."""
OWNER_EXPIRES_S = 15 * 60
"""Seconds for which an entry counts. A handler without events looks into the inbox every ten minutes."""

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
    """Own the inbox of an archive from now on. Raises UsageError while the other kind owns it."""
    owner, age = _owner(archive)
    if owner == kind and age < RENEW_OWNER_S:  # no transaction: it would delay the receiver's commits
        return
    with archive.transaction():
        archive.database.lock(Lock.INBOX)
        owner, age = _owner(archive)
        if owner not in (None, kind) and age < OWNER_EXPIRES_S:
            what, cure = _REFUSALS[owner]
            raise UsageError(what.format(path=archive.path), cure=cure)
        archive.set_setting(Setting.INBOX_OWNER, f"{kind} {int(time.time())}")


def release(archive: Archive, kind: InboxOwner) -> None:
    """Stop owning the inbox."""
    with archive.transaction():
        archive.database.lock(Lock.INBOX)
        if _owner(archive)[0] == kind:
            archive.set_setting(Setting.INBOX_OWNER, None)


@contextmanager
def owning(archive: Archive, kind: InboxOwner) -> Generator[None]:
    """Own the inbox while this lasts. Raises UsageError while the other kind owns it."""
    acquire(archive, kind)
    try:
        yield
    finally:
        with suppress(ArchiveError):  # then the entry expires
            release(archive, kind)


def _owner(archive: Archive) -> tuple[str | None, float]:
    """Which kind owns it, and how many seconds ago it said so."""
    entry = archive.setting(Setting.INBOX_OWNER)
    if entry is None:
        return None, 0.0
    kind, _, since = entry.partition(" ")
    return kind, abs(time.time() - int(since))
