"""Who works an inbox off: a program's own handler, or a sync. With both, whoever is first would get an event.

Rules of this file:
* Whoever looks into an inbox writes down that it is theirs, and does so again every few minutes. While that
  is fresh, the other kind is refused; any number of the same kind may share.
* It changes hands when who had it has left in order, or has not looked for a while. It may have been killed.
* It is a guard against a mistake, and no lock: the first of several handlers that leaves frees it for all,
  and so does a clock that jumps. What others take then is dealt with, by them.
* Times are real: this is about processes, whatever clock their events go by.
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

Who: TypeAlias = Literal["handler", "sync"]

AGAIN = 2 * 60
"""Seconds after which whoever has an inbox says so again."""
FRESH = 15 * 60
"""Seconds for which that counts: a handler that has nothing to do looks every ten minutes."""

KILLED = f"if it was killed, wait {FRESH // 60} minutes"
REFUSALS = {
    "sync": (
        "a sync works off the events of {path}",
        f"give the handler an inbox of its own (inbox='inbox.db'), or end that sync; {KILLED}",
    ),
    "handler": (
        "a handler of another program takes the events of {path}",
        f"sync into another archive, or end that program; {KILLED}",
    ),
}


def hold(archive: Archive, who: Who) -> None:
    """Have the inbox of an archive, from now on. Raises UsageError where the other kind has it."""
    holder, age = _holder(archive)
    if holder == who and age < AGAIN:  # whoever looks often, and in vain, keeps no receiver waiting
        return
    with archive.transaction():
        archive.database.lock(Lock.INBOX)
        holder, age = _holder(archive)
        if holder not in (None, who) and age < FRESH:
            what, cure = REFUSALS[holder]
            raise UsageError(what.format(path=archive.path), cure=cure)
        archive.set_setting(Setting.INBOX_OWNER, f"{who} {int(time.time())}")


def let_go(archive: Archive, who: Who) -> None:
    """Leave it to whoever comes next."""
    with archive.transaction():
        archive.database.lock(Lock.INBOX)
        if _holder(archive)[0] == who:
            archive.set_setting(Setting.INBOX_OWNER, None)


@contextmanager
def holding(archive: Archive, who: Who) -> Generator[None]:
    """Have it while this lasts. Raises UsageError where the other kind has it."""
    hold(archive, who)
    try:
        yield
    finally:
        with suppress(ArchiveError):  # it is free after a while
            let_go(archive, who)


def _holder(archive: Archive) -> tuple[str | None, float]:
    """Who has it, and how many seconds ago they said so."""
    kept = archive.setting(Setting.INBOX_OWNER)
    if kept is None:
        return None, 0.0
    who, _, since = kept.partition(" ")
    return who, abs(time.time() - int(since))
