"""Which archive, and whose data in it.

Rules of this file:
* Verbs that only look open the archive for reading, so that looking never waits for a sync.
* The made-up person never moves in with a real one: an archive is the demo's from its first day, or not.
* No sync goes into the archive that a demo cloud serves from: it would fetch from there what is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import UsageError

if TYPE_CHECKING:
    from ..._archive.archive import Archive
    from ..._archive.users import User


def for_writing(db: str | None, *, durable: bool = True) -> Archive:
    """The archive, made if it is not there. Raises ArchiveError."""
    from ..._archive.archive import Archive
    from ..._archive.storage.opening import default_place

    return Archive.open(db or default_place(), durable=durable)


def for_sync(db: str | None) -> Archive:
    """The archive that a sync fills, made if it is not there. Raises ArchiveError, UsageError."""
    from ..._archive.storage.settings import Setting

    archive = for_writing(db, durable=False)
    # What the cloud notes of its wearer's life; `ringlet demo` keeps an archive without.
    lives = any(archive.setting(Setting.TIMELINE.of(user.id)) is not None for user in archive.users())
    if lives and archive.setting(Setting.DEMO) is not None:
        archive.close()
        raise UsageError(
            f"{archive.path} is the archive that a demo cloud serves from, and a sync into it adds nothing",
            cure="name another with --db, or as RINGLET_DB",
        )
    return archive


def for_reading(db: str | None) -> Archive:
    """The archive, which must be there. Raises ArchiveError."""
    from ..._archive.archive import Archive
    from ..._archive.storage.opening import default_place

    return Archive.open(db or default_place(), create=False, read_only=True)


def for_demo(db: str | None) -> Archive:
    """An archive for the made-up person: new, from an earlier demo, or memory. Raises UsageError."""
    from ..._archive.archive import Archive
    from ..._archive.storage.settings import Setting

    archive = Archive.open(db or ":memory:")
    if archive.users() and archive.setting(Setting.DEMO) is None:
        archive.close()
        raise UsageError(
            f"{archive.path} holds somebody's own data, and the demo would mix a made-up person into it",
            cure="name a new place with --db, or leave --db out",
        )
    archive.set_setting(Setting.DEMO, "yes")
    return archive


def person(archive: Archive, name: str | None) -> User | None:
    """Who is meant: the one of that name, or the only one; None in an empty archive. Raises UsageError."""
    users = archive.users()
    if not users:
        return None
    named = [user for user in users if name in (None, user.name)]
    if len(named) == 1:
        return named[0]
    names = ", ".join(user.name for user in users)
    if named:
        raise UsageError(
            f"the archive holds {len(users)} people: {names}", cure=f"add --user {users[0].name}"
        )
    raise UsageError(f"the archive holds no {name!r}, only {names}", cure=f"use --user {users[0].name}")
