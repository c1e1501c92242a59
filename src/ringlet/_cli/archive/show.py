"""`ringlet show night`: draws one night in the terminal."""

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
    """Draw one night.

    Shows the sleep phases, heart rate and its variability, and the parts of the sleep score.

    A night belongs to the day of waking. --json prints its sleep document as Oura sent it.
    """
    from ..shared import archives, dates
    from . import nights
    from .night_chart import picture

    wanted_day = dates.one_day(when, dates.today_here()) if when else None
    with archives.for_reading(db) as archive:
        found_user = archives.find_user(archive, user)
        day = wanted_day or (nights.newest(archive, found_user.id) if found_user else None)
        if found_user is None or day is None:
            report_empty()
            return
        found, document = nights.night_of(archive, found_user.id, day)
        if found is None:
            report_missing(archive, found_user.id, day)
        elif as_json:
            screen.raw(document)
        else:
            screen.results().print(picture(found, screen.results().width), soft_wrap=True)


def report_empty() -> None:
    """Print that the archive has no nights, and suggest a sync."""
    screen.remark("the archive has no nights yet")
    screen.next_step(command("sync"))


def report_missing(archive: Archive, user: int, day: date) -> None:
    """Print that the archive has no night for a day, and suggest the nearest days that have one."""
    from . import nights

    near = nights.nearest(archive, user, day)
    if not near:
        report_empty()
        return
    nearest = " and ".join(map(str, near))
    screen.remark(f"the archive has no night for {day:%a} {day}; the nearest: {nearest}")
    screen.next_step(command("show night", "--date", str(near[-1])))
