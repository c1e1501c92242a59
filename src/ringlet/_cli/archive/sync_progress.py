"""Shows a running sync as plain lines, or as JSON lines for programs. `sync_bars` draws the progress bars.

Rules of this file:
* Each data type is reported once, when all its windows have ended. If it could not be read, the report says
  why.
* The numbers of rows are those of this run, so a second run shows that it added nothing.
* The last line is the result of the run and goes to stdout. Progress goes to stderr.
"""

from __future__ import annotations

import json
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import click

from ..shared import screen
from ..shared.next_steps import command

if TYPE_CHECKING:
    from types import TracebackType

    from ..._sync.backfill import BackfillReport, TypeProgress

SAFE = "^C is safe: the next sync starts where this one stopped"
LINE_INTERVAL_S = 5.0
"""The seconds between two lines about data types that are not complete yet."""


class Watcher(AbstractContextManager["Watcher"]):
    """Receives the progress of a sync. This base class reports only how the sync ended."""

    def __init__(self, path: str, names: list[str]) -> None:
        self.path = path
        self.names = names
        self.seen: dict[str, TypeProgress] = {}
        self.ended: set[str] = set()
        self.began = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def progress(self, progress: TypeProgress) -> None:
        """Show that a window of a data type has ended, and whether it was the last window of the type."""
        name = progress.kind.name
        self.seen[name] = progress
        if name in self.ended:
            return
        if has_ended(progress):
            self.ended.add(name)
            self.type_ended(progress)
        else:
            self.type_moved(progress)

    def end(self, report: BackfillReport) -> None:
        """Show the result of a sync that has ended by itself, not by ^C."""
        for progress in report.types.values():
            if progress.windows == 0 or report.stopped_by is None:
                self.progress(progress)
        self.stop()
        self.run_ended(report)

    def interrupted(self) -> None:
        """Show what a sync has stored that the user has stopped with ^C."""
        self.stop()
        screen.remark(f"Stopped. Saved {self.saved()}.")
        screen.next_step(command("sync"))

    def saved(self) -> str:
        """Say in a few words what an interrupted sync has stored in the archive."""
        rows = sum(progress.added + progress.changed for progress in self.seen.values())
        under_way = [
            f"{name} back to {day(progress)}"
            for name, progress in self.seen.items()
            if name not in self.ended
        ]
        whole = f"{len(self.ended)} of {len(self.names)} types complete"
        return ", ".join([f"{screen.count(rows)} rows", whole, *under_way[:3]])

    def waiting(self, why: str, seconds: float) -> None:
        """Show that the sync waits for some seconds, because of a rate limit or no answer."""

    def type_moved(self, progress: TypeProgress) -> None:
        """Show that a window of a data type has ended, and more windows are to come."""

    def type_ended(self, progress: TypeProgress) -> None:
        """Show that all windows of a data type have ended."""

    def run_ended(self, report: BackfillReport) -> None:
        """Print the result of a sync that has ended."""
        types = report.types.values()
        added, changed = (
            sum(progress.added for progress in types),
            sum(progress.changed for progress in types),
        )
        deleted = sum(progress.deleted for progress in types)
        whole = sum(progress.complete for progress in types)
        took = time.monotonic() - self.began
        click.echo(
            f"{whole} of {len(types)} types complete, {screen.count(added)} added, "
            f"{screen.count(changed)} changed, "
            f"{f'{screen.count(deleted)} deleted, ' if deleted else ''}{took:.1f} s   {self.path}"
        )
        if report.stopped_by is None:
            self.report_gaps(report)

    def report_gaps(self, report: BackfillReport) -> None:
        """Print which data types could not be read and why, and what to do about it."""
        types = report.types.values()
        for progress in types:
            for reason in [progress.skipped] if progress.skipped else progress.failures[:3]:
                screen.remark(f"! {progress.kind.name}: {reason}")
        if any(progress.failures for progress in types):
            screen.next_step(f"{command('sync')}   (fetches only what is missing)")
        elif any(progress.skipped for progress in types):
            readable = ",".join(progress.kind.name for progress in types if progress.complete)
            without = f", or leave it out: {command('sync', '--types', readable)}" if readable else ""
            screen.next_step(f"{command('login')}, and allow what is missing{without}")
        else:
            screen.next_step(command("show night"))

    def stop(self) -> None:
        """Stop drawing the progress."""


class Lines(Watcher):
    """A watcher that prints a line for each data type that has ended, and the progress in between."""

    def __enter__(self) -> Lines:
        screen.remark(f"Archive  {self.path}")
        self._line_at = time.monotonic()
        self._wait_until = 0.0
        return self

    def waiting(self, why: str, seconds: float) -> None:
        now = time.monotonic()
        if now >= self._wait_until:  # Several connections wait at the same time. One line for all is enough.
            self._wait_until = now + min(seconds, LINE_INTERVAL_S)
            screen.remark(f"{why}; continuing in {seconds:.0f} s   {SAFE}")

    def type_moved(self, progress: TypeProgress) -> None:
        if time.monotonic() - self._line_at >= LINE_INTERVAL_S:
            self._line_at = time.monotonic()
            rows = screen.count(sum(rows_of(each) for each in self.seen.values()))
            at = f"{progress.kind.name} at {day(progress)}"
            screen.remark(f"{len(self.ended)} of {len(self.names)} types, {rows} rows; {at}")

    def type_ended(self, progress: TypeProgress) -> None:
        self._line_at = time.monotonic()
        mark = "✓" if progress.complete else "!"
        rows = screen.count(rows_of(progress))
        screen.remark(f"{mark} {progress.kind.name:<24} {rows:>10}  {note(progress)}".rstrip())


class JsonLines(Watcher):
    """A watcher that prints one JSON object for each data type that has ended, and one for the result."""

    def type_ended(self, progress: TypeProgress) -> None:
        print_json(
            event="collection",
            name=progress.kind.name,
            added=progress.added,
            changed=progress.changed,
            unchanged=progress.unchanged,
            deleted=progress.deleted,
            pages=progress.pages,
            **{"from": day(progress) or None},
            complete=progress.complete,
            skipped=progress.skipped or None,
            failures=progress.failures,
        )

    def run_ended(self, report: BackfillReport) -> None:
        types = report.types.values()
        skipped = sum(bool(progress.skipped) for progress in types)
        ok = sum(progress.complete for progress in types)
        print_json(
            event="done",
            user=report.user_name,
            resumed=report.resumed,
            added=sum(progress.added for progress in types),
            changed=sum(progress.changed for progress in types),
            deleted=sum(progress.deleted for progress in types),
            collections={"ok": ok, "skipped": skipped, "failed": len(types) - ok - skipped},
            exit=report.exit_code,
        )


def print_json(**fields: Any) -> None:
    """Print one JSON object on a line of stdout."""
    click.echo(json.dumps({"v": 1} | fields))


def has_ended(progress: TypeProgress) -> bool:
    """Whether a data type was skipped or all its windows have ended. Then this run adds no more rows."""
    return bool(progress.skipped) or progress.done + len(progress.failures) >= progress.windows


def rows_of(progress: TypeProgress) -> int:
    """How many rows the responses of a data type had: added, changed and unchanged ones."""
    return progress.added + progress.changed + progress.unchanged


def day(progress: TypeProgress) -> str:
    """The oldest day that was fetched of a data type; empty before its first window or without days."""
    from ..._api.windows import DAY_MS, from_ms

    return f"{from_ms(progress.oldest):%Y-%m-%d}" if progress.oldest and progress.oldest > DAY_MS else ""


def note(progress: TypeProgress) -> str:
    """The remark beside a data type: why it was skipped or failed, how far it was fetched, or its changes."""
    if progress.skipped:
        return progress.skipped
    if progress.failures:
        return f"{len(progress.failures)} of {progress.windows} windows failed: {progress.failures[0]}"
    if not has_ended(progress):
        return f"back to {day(progress)}" if day(progress) else ""
    if progress.windows == 0:
        return "up to date"
    changed = [f"{screen.count(progress.changed)} changed"] if progress.changed else []
    deleted = [f"{screen.count(progress.deleted)} deleted"] if progress.deleted else []
    return ", ".join([f"+{screen.count(progress.added)}", *changed, *deleted])
