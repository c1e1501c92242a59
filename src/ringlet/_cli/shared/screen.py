"""The two screens, stdout for results and stderr for remarks, and how numbers look on them.

Rules of this file:
* Colours and moving lines only on a terminal; NO_COLOR, TERM=dumb and CI are honoured.
* Text is printed as it is: rich's own colouring of numbers and its markup stay off, since ids and tags are
  other people's words.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

NARROWEST = 100
"""Columns where nobody says how wide the screen is: a pipe has no edge to respect."""


@cache
def results() -> Console:
    """stdout."""
    return _console(stderr=False)


@cache
def remarks() -> Console:
    """stderr."""
    return _console(stderr=True)


def _console(stderr: bool) -> Console:
    # rich costs as much to import as the rest of the program.
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704  # rich calls this inside its `except BrokenPipeError`, and would exit with 1

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else NARROWEST
    return Screen(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


def moving() -> bool:
    """Whether lines on stderr may be drawn over: a terminal that can, and nobody's log."""
    return sys.stderr.isatty() and "CI" not in os.environ and os.environ.get("TERM") != "dumb"


def asking() -> bool:
    """Whether somebody is there to answer a question: a terminal at both ends, and no machine's log."""
    return sys.stdin.isatty() and sys.stderr.isatty() and "CI" not in os.environ


def remark(text: str) -> None:
    """One line on stderr."""
    click.echo(text, err=True)


def next_step(text: str) -> None:
    """What to do next, in one line on stderr. Commands in it come from `next_steps.command`."""
    remark(f"next: {text}")


def raw(body: bytes) -> None:
    """Bytes to stdout as they are; a terminal gets the end of line it needs."""
    click.echo(body, nl=False)
    if sys.stdout.isatty() and not body.endswith(b"\n"):
        click.echo()


def printable(text: str) -> str:
    """Other people's words on one line, without what would move a terminal's cursor."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)


def count(number: int) -> str:
    """1204 as `1 204`."""
    return f"{number:,}".replace(",", " ")


def size(number: float) -> str:
    """Bytes as people say them."""
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def age(seconds: float) -> str:
    """How long ago, in two words at most."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return "now"


def duration(seconds: float) -> str:
    """7 h 35 m."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} m" if minutes >= 60 else f"{minutes} m"
