"""`ringlet status`: what the archive holds, and how fresh it is."""

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
    """What the archive holds, type by type.

    Ends in a hint when nothing was asked for in a day and a half.
    """
    from ..shared import archives as places
    from . import status_table as holdings

    with places.for_reading(db) as archive:
        someone = places.person(archive, user) if user else None
        users = [someone] if someone else archive.users()
        if as_json:
            click.echo(json.dumps(_document(archive, users)))
            return
        for one in users:
            screen.results().print(holdings.table(archive, one, time.time(), screen.results().width))
        screen.results().print(holdings.footer(archive, users), soft_wrap=True)
        if not users or holdings.stale(archive, users, time.time()):
            screen.next_step(command("sync"))


def _document(archive: Archive, users: list[User]) -> dict[str, Any]:
    people = [
        {"name": one.name, "types": [held._asdict() for held in archive.overview(one.id)]} for one in users
    ]
    return {"v": 1, "archive": archive.path, "bytes": archive.size, "users": people}
