"""`ringlet show night`: one night, drawn in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..shared import options, screen
from ..shared.next_steps import command

if TYPE_CHECKING:
    from datetime import date

    from ..._archive.archive import Archive


@click.group()
def show() -> None:
    """Look at a night in the archive."""


@show.command()
@click.option("--date", "when", metavar="DATE", help="today, yesterday or 2026-11-19.  [default: the newest]")
@options.db
@options.user
@options.as_json
def night(when: str | None, db: str | None, user: str | None, as_json: bool) -> None:
    """One night: sleep phases, heart rate, variability, and what the score is made of.

    A night belongs to the day of waking. --json prints its document as Oura sent it.
    """
    from ..shared import archives, dates
    from . import nights
    from .night_chart import picture

    asked = dates.one_day(when, dates.today_here()) if when else None
    with archives.for_reading(db) as archive:
        found_user = archives.find_user(archive, user)
        day = asked or (nights.newest(archive, found_user.id) if found_user else None)
        if found_user is None or day is None:
            nothing_at_all()
            return
        found, document = nights.night_of(archive, found_user.id, day)
        if found is None:
            no_night(archive, found_user.id, day)
        elif as_json:
            screen.raw(document)
        else:
            screen.results().print(picture(found, screen.results().width), soft_wrap=True)


def nothing_at_all() -> None:
    """The archive has no night."""
    screen.remark("there is no night in the archive yet")
    screen.next_step(command("sync"))


def no_night(archive: Archive, user: int, day: date) -> None:
    """Say so, and name the nearest ones."""
    from . import nights

    near = nights.nearest(archive, user, day)
    if not near:
        nothing_at_all()
        return
    screen.remark(f"there is no night of {day:%a} {day}; the nearest: {' and '.join(map(str, near))}")
    screen.next_step(command("show night", "--date", str(near[-1])))
