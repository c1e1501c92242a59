"""Draws the table of `ringlet status`: every data type, in the order of the catalog, synced or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from ..._api.catalog import TYPES
from ..shared import screen

if TYPE_CHECKING:
    from rich.console import JustifyMethod

    from ..._archive.archive import Archive
    from ..._archive.overview import TypeOverview
    from ..._archive.users import User

STALE_AFTER_S = 36 * 3600
"""A sync is suggested if the last sync was more than this many seconds ago: a day and a half."""
COLUMNS: tuple[tuple[str, JustifyMethod, int], ...] = (
    ("type", "left", 0),
    ("rows", "right", 0),
    ("days", "left", 72),
    ("age", "right", 0),
    ("size", "right", 52),
    ("revised", "right", 88),
)
"""Each column's name, its alignment, and the screen width below which the column is left out."""


def table(archive: Archive, user: User, now: float, width: int) -> Table:
    """Draw the table of one user's data, at most `width` columns wide. `now` is in epoch seconds."""
    held = {one.name: one for one in archive.overview(user.id)}
    drawn = Table(title=user.name, title_justify="left", title_style="bold", box=None, pad_edge=False)
    shown = [place for place, (_, _, least) in enumerate(COLUMNS) if width >= least]
    for place in shown:
        name, justify, _ = COLUMNS[place]
        drawn.add_column(name, justify=justify, no_wrap=True)
    rows = [
        _row(held[name], now) if name in held else _absent(name, archive.done(user.id, name))
        for name in TYPES
    ]
    for row in rows:
        drawn.add_row(*(row[place] for place in shown))
    drawn.add_row(*(_total(list(held.values()))[place] for place in shown), style="bold")
    return drawn


def footer(archive: Archive, users: list[User], remark: str = "") -> Text:
    """Write the line below the tables: the path of the archive, its size and a remark."""
    words = [f"archive  {archive.path}", screen.size(archive.size)]
    words += [remark or ("" if users else "empty so far")]
    return Text("   ".join(filter(None, words)), style="dim")


def stale(archive: Archive, users: list[User], now: float) -> bool:
    """Whether the newest sync of any user is older than `STALE_AFTER_S`."""
    return any(
        now - max((one.last_seen_at / 1000 for one in archive.overview(user.id)), default=0.0) > STALE_AFTER_S
        for user in users
    )


def _row(one: TypeOverview, now: float) -> tuple[str | Text, ...]:
    return (
        one.name,
        screen.count(one.rows),
        _days(one.first_day, one.last_day),
        screen.age(now - one.last_seen_at / 1000),
        screen.size(one.bytes),
        screen.count(one.revisions) if one.revisions else "",
    )


def _absent(name: str, covered: Sequence[object]) -> tuple[str | Text, ...]:
    """Write the row of a data type without documents: `none there` if it was synced, else `not synced`."""
    words = ("0", "none there") if covered else ("-", "not synced")
    return tuple(Text(word, style="dim") for word in (name, *words, "", "", ""))


def _total(held: list[TypeOverview]) -> tuple[str | Text, ...]:
    firsts = [one.first_day for one in held if one.first_day]
    lasts = [one.last_day for one in held if one.last_day]
    return (
        f"{len(held)} of {len(TYPES)} types",
        screen.count(sum(one.rows for one in held)),
        _days(min(firsts, default=None), max(lasts, default=None)),
        "",
        screen.size(sum(one.bytes for one in held)),
        screen.count(sum(one.revisions for one in held)),
    )


def _days(first: str | None, last: str | None) -> str:
    return f"{first} .. {last}" if first and last else ""
