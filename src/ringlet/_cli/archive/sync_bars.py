"""Shows a sync on a terminal, with one progress bar for each data type:

✓ daily_sleep  ━━━━━━━━━━━━━━━━━━━━   1 204  +1
⠹ heartrate    ━━━━━━━━━━──────────  88 112  back to 2025-08-14
· workout      ────────────────────       -  waiting
! daily_spo2   ━━━━━━━━━━━━━━━━━━━━       0  the scope 'spo2' was not granted
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.progress import Progress as Live
from rich.progress import ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.progress_bar import ProgressBar
from rich.text import Text

from ..shared import screen
from .sync_progress import SAFE, Watcher, note, rows_of

if TYPE_CHECKING:
    from ..._sync.backfill import TypeProgress

MARKS = {"waiting": ("·", "dim"), "done": ("✓", "green"), "partial": ("!", "yellow")}
BARS = {"waiting": "dim", "running": "cyan", "done": "green", "partial": "yellow"}


class _Mark(SpinnerColumn):
    """The column that shows in one character whether a data type waits, is being fetched, or has ended."""

    def render(self, task: Task) -> RenderableType:
        state = task.fields["state"]
        return Text(*MARKS[state]) if state in MARKS else super().render(task)


class _Bar(ProgressColumn):
    """The progress bar of a data type: how many of its time windows have been fetched or have failed."""

    def render(self, task: Task) -> ProgressBar:
        style = BARS[task.fields["state"]]
        return ProgressBar(
            total=task.total or 1,
            completed=task.completed,
            width=28,
            style="grey23",
            complete_style=style,
            finished_style=style,
        )


class _Screen(Live):
    """The progress bars, and below them a line that says why the sync waits, and for how long."""

    why = ""
    until = 0.0

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        left = self.until - time.monotonic()
        if left > 0:
            yield Text(f"{self.why}; continuing in {left:.0f} s   {SAFE}", style="dim")


class Bars(Watcher):
    """A watcher that draws one progress bar for each data type."""

    def __enter__(self) -> Bars:
        console = screen.remarks()
        console.print(Text("Archive  ", style="dim") + Text(self.path), soft_wrap=True)
        self._live = _Screen(
            _Mark(style="cyan"),
            TextColumn("{task.description}", markup=False),
            _Bar(),
            TextColumn("{task.fields[rows]}", justify="right", markup=False),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
            console=console,
        )
        self._tasks = {
            name: self._live.add_task(name, total=1, state="waiting", rows="-", note="waiting")
            for name in self.names
        }
        self._live.start()
        return self

    def stop(self) -> None:
        self._live.stop()

    def waiting(self, why: str, seconds: float) -> None:
        self._live.why = why
        self._live.until = max(self._live.until, time.monotonic() + seconds)

    def type_moved(self, progress: TypeProgress) -> None:
        self._draw(progress, "running")

    def type_ended(self, progress: TypeProgress) -> None:
        self._draw(progress, "done" if progress.complete else "partial")

    def _draw(self, progress: TypeProgress, state: str) -> None:
        total = max(progress.windows, 1)
        completed = total if state in ("done", "partial") else progress.done
        self._live.update(
            self._tasks[progress.kind.name],
            total=total,
            completed=completed,
            state=state,
            rows=screen.count(rows_of(progress)),
            note=note(progress),
        )
