"""Output: results on stdout, remarks on stderr, and how numbers are written in both.

Rules of this file:
* Colours and lines that are drawn over appear on a terminal only; NO_COLOR, TERM=dumb and CI are honoured.
* Text is printed as it is. Rich's markup and its colouring of numbers are off: ids and tags come from others
  and may look like markup.
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
"""Columns of output that goes into a pipe or a file, unless COLUMNS says otherwise."""


@cache
def results() -> Console:
    """stdout."""
    return _console(stderr=False)


@cache
def remarks() -> Console:
    """stderr."""
    return _console(stderr=True)


def _console(stderr: bool) -> Console:
    # Importing rich takes as long as importing the rest of the program.
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704  # rich calls this inside its `except BrokenPipeError`, and would exit with 1

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_COLUMNS
    return Screen(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


def can_redraw() -> bool:
    """Whether lines on stderr may be drawn over: on a terminal that can, and not in the log of a CI job."""
    return sys.stderr.isatty() and "CI" not in os.environ and os.environ.get("TERM") != "dumb"


def can_ask() -> bool:
    """Whether a user can answer a question: at a terminal, and not in a CI job."""
    return sys.stdin.isatty() and sys.stderr.isatty() and "CI" not in os.environ


def remark(text: str) -> None:
    """One line on stderr."""
    click.echo(text, err=True)


def next_step(text: str) -> None:
    """What to do next, in one line on stderr. Commands in it come from `next_steps.command`."""
    remark(f"next: {text}")


def raw(body: bytes) -> None:
    """Write bytes to stdout unchanged; on a terminal, end the line if they do not."""
    click.echo(body, nl=False)
    if sys.stdout.isatty() and not body.endswith(b"\n"):
        click.echo()


def printable(text: str) -> str:
    """Text from others on one line: what would control a terminal is replaced by U+FFFD."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)


def count(number: int) -> str:
    """1204 as `1 204`."""
    return f"{number:,}".replace(",", " ")


def size(number: float) -> str:
    """Bytes with a unit: 1204 as `1.2 kB`."""
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def age(seconds: float) -> str:
    """How long ago, in the largest unit of which there are at least two: 47 hours as `47 h`, 48 as `2 d`."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return "now"


def duration(seconds: float) -> str:
    """7 h 35 m."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} m" if minutes >= 60 else f"{minutes} m"
