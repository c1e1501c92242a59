"""Writes results to stdout and remarks to stderr, and formats numbers, sizes and durations.

Rules of this file:
* Colours and redrawn lines appear on a terminal only; NO_COLOR, TERM=dumb and CI are honoured.
* Rich's markup and its colouring of numbers are switched off, so that text is printed unchanged: ids and tags
  from a server may look like markup.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

PIPE_COLUMNS = 100
"""The width, in columns, of output into a pipe or a file. The environment variable COLUMNS overrides it."""


@cache
def results() -> Console:
    """The rich console that writes to stdout."""
    return _console(stderr=False)


@cache
def remarks() -> Console:
    """The rich console that writes to stderr."""
    return _console(stderr=True)


def _console(stderr: bool) -> Console:
    # rich is imported only when it is needed: the import takes as long as that of all other modules.
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            # rich calls this method inside its `except BrokenPipeError`. rich's own method exits with code 1.
            raise  # noqa: PLE0704

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_COLUMNS
    return Screen(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


def can_redraw() -> bool:
    """Whether lines on stderr may be redrawn: stderr is a terminal that can do it, and this is no CI job."""
    return sys.stderr.isatty() and "CI" not in os.environ and os.environ.get("TERM") != "dumb"


def can_ask() -> bool:
    """Whether a user can answer a question: stdin and stderr are a terminal, and this is not a CI job."""
    return sys.stdin.isatty() and sys.stderr.isatty() and "CI" not in os.environ


def remark(text: str) -> None:
    """Write one line to stderr."""
    click.echo(text, err=True)


def next_step(text: str) -> None:
    """Write a line `next: ...` to stderr. `next_steps.command` builds the commands in its text."""
    remark(f"next: {text}")


def raw(body: bytes) -> None:
    """Write bytes to stdout unchanged. On a terminal, add a newline if the bytes do not end with one."""
    click.echo(body, nl=False)
    if sys.stdout.isatty() and not body.endswith(b"\n"):
        click.echo()


def printable(text: str) -> str:
    """Make untrusted text safe to print: U+FFFD replaces characters that could control a terminal."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)


def count(number: int) -> str:
    """Format a count with a space between thousands: 1204 as `1 204`."""
    return f"{number:,}".replace(",", " ")


def size(number: float) -> str:
    """Format a number of bytes with a unit: 1204 as `1.2 kB`."""
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def age(seconds: float) -> str:
    """Format an age in the largest unit that gives at least 2: 47 hours as `47 h`, 48 hours as `2 d`."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return "now"


def duration(seconds: float) -> str:
    """Format a duration, given in seconds, in hours and minutes: `7 h 35 m`, or `35 m`."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} m" if minutes >= 60 else f"{minutes} m"
