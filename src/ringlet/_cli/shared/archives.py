"""Opens the archive that a command uses, and finds the user that the command is about.

Rules of this file:
* Commands that only read open the archive read-only, so that they never wait for a running sync.
* The simulated wearer of a demo and real users never share an archive. A demo writes the setting `DEMO` into
  its new archive, and refuses an archive that has users but lacks this setting.
* A sync into the archive that a demo cloud serves is refused: it would fetch documents from the archive into
  the same archive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._archive.storage.settings import Setting
from ...errors import UsageError

if TYPE_CHECKING:
    from ..._archive.archive import Archive
    from ..._archive.users import User


def for_writing(db: str | None, *, durable: bool = True) -> Archive:
    """Open the archive at `db`, and create it if it does not exist. Raises ArchiveError.

    With `durable`, every commit is on the disk before it returns.
    """
    from ..._archive.archive import Archive
    from ..._archive.storage.opening import default_place

    return Archive.open(db or default_place(), durable=durable)


def for_sync(db: str | None) -> Archive:
    """Open the archive that a sync fills, and create it if it does not exist.

    Raises ArchiveError if it cannot be opened, UsageError if a demo cloud serves from it.
    """

    archive = for_writing(db, durable=False)
    # Only the archive of a demo cloud has the setting TIMELINE. The archive of `ringlet demo --db` has only
    # the setting DEMO, and a sync may fetch more documents into it.
    has_timeline = any(archive.setting(Setting.TIMELINE.of(user.id)) is not None for user in archive.users())
    if has_timeline and archive.setting(Setting.DEMO) is not None:
        archive.close()
        raise UsageError(
            f"{archive.path} is the archive that a demo cloud serves from, and a sync into it adds nothing",
            cure="name another with --db, or as RINGLET_DB",
        )
    return archive


def for_reading(db: str | None) -> Archive:
    """Open an existing archive read-only. Raises ArchiveError if it does not exist or cannot be opened."""
    from ..._archive.archive import Archive
    from ..._archive.storage.opening import default_place

    return Archive.open(db or default_place(), create=False, read_only=True)


def for_demo(db: str | None) -> Archive:
    """Open an archive for the simulated wearer: a new one or that of an earlier demo at `db`, or in memory.

    Raises ArchiveError if it cannot be opened, UsageError if the archive at `db` has data of real users.
    """
    from ..._archive.archive import Archive

    archive = Archive.open(db or ":memory:")
    if archive.users() and archive.setting(Setting.DEMO) is None:
        archive.close()
        raise UsageError(
            f"{archive.path} holds real data, and the demo would mix a simulated wearer into it",
            cure="name a new place with --db, or leave --db out",
        )
    archive.set_setting(Setting.DEMO, "yes")
    return archive


def find_user(archive: Archive, name: str | None) -> User | None:
    """Find the user called `name`, or the only user if `name` is None. Returns None for an empty archive.

    Raises UsageError if the archive has no user of that name, or has several users and `name` is None.
    """
    from ..._archive.users import choose

    users = archive.users()
    user = choose(users, name)
    if user or not users:
        return user
    names = ", ".join(one.name for one in users)
    if name is None:
        raise UsageError(f"the archive holds {len(users)} users: {names}", cure=f"add --user {users[0].name}")
    raise UsageError(
        f"{name!r} is not a user of this archive, which holds {names}", cure=f"use --user {users[0].name}"
    )
