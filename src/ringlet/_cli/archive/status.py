"""`ringlet status`: shows what the archive holds, and when it was last synced."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from ..shared import options, screen
from ..shared.next_steps import command

if TYPE_CHECKING:
    from ..._archive.archive import Archive
    from ..._archive.users import User


@click.command()
@options.db
@options.user
@options.as_json
def status(db: str | None, user: str | None, as_json: bool) -> None:
    """Show what the archive holds, type by type.

    Suggests a sync if the last one was more than a day and a half ago.
    """
    from ..shared import archives
    from . import status_table

    with archives.for_reading(db) as archive:
        found_user = archives.find_user(archive, user) if user else None
        users = [found_user] if found_user else archive.users()
        if as_json:
            click.echo(json.dumps(_document(archive, users)))
            return
        for one in users:
            screen.results().print(status_table.table(archive, one, time.time(), screen.results().width))
        screen.results().print(status_table.footer(archive, users), soft_wrap=True)
        if not users or status_table.stale(archive, users, time.time()):
            screen.next_step(command("sync"))


def _document(archive: Archive, users: list[User]) -> dict[str, Any]:
    people = [
        {"name": one.name, "types": [held._asdict() for held in archive.overview(one.id)]} for one in users
    ]
    return {"v": 1, "archive": archive.path, "bytes": archive.size, "users": people}
