"""Output of a sync while it runs: plain lines, and JSON lines for programs. `sync_bars` has the bars.

Rules of this file:
* Each data type is reported once when it has ended; what could not be read, with the reason.
* Numbers are about this run: rows read, added, changed. A second run visibly adds nothing.
* The last line of a run is its result and goes to stdout; progress goes to stderr.
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
"""Between two plain lines about types that go on."""


class Watcher(AbstractContextManager["Watcher"]):
    """Receives the progress of a run. This base class reports only how it ended."""

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

    def progress(self, one: TypeProgress) -> None:
        """A window of a type has ended."""
        name = one.kind.name
        self.seen[name] = one
        if name in self.ended:
            return
        if has_ended(one):
            self.ended.add(name)
            self.type_ended(one)
        else:
            self.type_moved(one)

    def end(self, report: BackfillReport) -> None:
        """The run has ended by itself."""
        for one in report.types.values():
            if one.windows == 0 or report.stopped_by is None:
                self.progress(one)
        self.stop()
        self.run_ended(report)

    def interrupted(self) -> None:
        """The run was ended by ^C; what it saved is whole."""
        self.stop()
        screen.remark(f"Stopped. Saved {self.saved()}.")
        screen.next_step(command("sync"))

    def saved(self) -> str:
        """What an interrupted run leaves in the archive, in a few words."""
        rows = sum(one.added + one.changed for one in self.seen.values())
        under_way = [
            f"{name} back to {day(one)}" for name, one in self.seen.items() if name not in self.ended
        ]
        whole = f"{len(self.ended)} of {len(self.names)} types complete"
        return ", ".join([f"{screen.count(rows)} rows", whole, *under_way[:3]])

    def waiting(self, why: str, seconds: float) -> None:
        """The server makes us wait for some seconds."""

    def type_moved(self, one: TypeProgress) -> None:
        """A window of a type has ended, and others are left."""

    def type_ended(self, one: TypeProgress) -> None:
        """All windows of a type have ended."""

    def run_ended(self, report: BackfillReport) -> None:
        """The run has ended: report how."""
        types = report.types.values()
        added, changed = sum(one.added for one in types), sum(one.changed for one in types)
        deleted = sum(one.deleted for one in types)
        whole = sum(one.complete for one in types)
        took = time.monotonic() - self.began
        click.echo(
            f"{whole} of {len(types)} types complete, {screen.count(added)} added, "
            f"{screen.count(changed)} changed, "
            f"{f'{screen.count(deleted)} deleted, ' if deleted else ''}{took:.1f} s   {self.path}"
        )
        if report.stopped_by is None:
            self.report_gaps(report)

    def report_gaps(self, report: BackfillReport) -> None:
        """Report what could not be read and why, and what to do about it."""
        types = report.types.values()
        for one in types:
            for reason in [one.skipped] if one.skipped else one.failures[:3]:
                screen.remark(f"! {one.kind.name}: {reason}")
        if any(one.failures for one in types):
            screen.next_step(f"{command('sync')}   (fetches only what is missing)")
        elif any(one.skipped for one in types):
            readable = ",".join(one.kind.name for one in types if one.complete)
            without = f", or leave it out: {command('sync', '--types', readable)}" if readable else ""
            screen.next_step(f"{command('login')}, and allow what is missing{without}")
        else:
            screen.next_step(command("show night"))

    def stop(self) -> None:
        """Stop drawing."""


class Lines(Watcher):
    """A line for each type that has ended, and one every few seconds meanwhile."""

    def __enter__(self) -> Lines:
        screen.remark(f"Archive  {self.path}")
        self._line_at = time.monotonic()
        self._wait_until = 0.0
        return self

    def waiting(self, why: str, seconds: float) -> None:
        now = time.monotonic()
        if now >= self._wait_until:  # all connections wait at the same time, and one line is enough
            self._wait_until = now + min(seconds, LINE_INTERVAL_S)
            screen.remark(f"{why}; continuing in {seconds:.0f} s   {SAFE}")

    def type_moved(self, one: TypeProgress) -> None:
        if time.monotonic() - self._line_at >= LINE_INTERVAL_S:
            self._line_at = time.monotonic()
            rows = screen.count(sum(rows_of(each) for each in self.seen.values()))
            screen.remark(
                f"{len(self.ended)} of {len(self.names)} types, {rows} rows; {one.kind.name} at {day(one)}"
            )

    def type_ended(self, one: TypeProgress) -> None:
        self._line_at = time.monotonic()
        mark = "✓" if one.complete else "!"
        screen.remark(f"{mark} {one.kind.name:<24} {screen.count(rows_of(one)):>10}  {note(one)}".rstrip())


class JsonLines(Watcher):
    """One JSON object per type that has ended, and one for the run."""

    def type_ended(self, one: TypeProgress) -> None:
        print_json(
            event="collection",
            name=one.kind.name,
            added=one.added,
            changed=one.changed,
            unchanged=one.unchanged,
            deleted=one.deleted,
            pages=one.pages,
            **{"from": day(one) or None},
            complete=one.complete,
            skipped=one.skipped or None,
            failures=one.failures,
        )

    def run_ended(self, report: BackfillReport) -> None:
        types = report.types.values()
        skipped = sum(bool(one.skipped) for one in types)
        ok = sum(one.complete for one in types)
        print_json(
            event="done",
            user=report.user_name,
            resumed=report.resumed,
            added=sum(one.added for one in types),
            changed=sum(one.changed for one in types),
            deleted=sum(one.deleted for one in types),
            collections={"ok": ok, "skipped": skipped, "failed": len(types) - ok - skipped},
            exit=report.exit_code,
        )


def print_json(**fields: Any) -> None:
    """One JSON object on a line of stdout."""
    click.echo(json.dumps({"v": 1} | fields))


def has_ended(one: TypeProgress) -> bool:
    """Whether nothing more will come of a type in this run."""
    return bool(one.skipped) or one.done + len(one.failures) >= one.windows


def rows_of(one: TypeProgress) -> int:
    """What a type's answers held."""
    return one.added + one.changed + one.unchanged


def day(one: TypeProgress) -> str:
    """How far back a type has been read; empty before its first window, and where it has no days."""
    from ..._api.windows import DAY_MS, from_ms

    return f"{from_ms(one.oldest):%Y-%m-%d}" if one.oldest and one.oldest > DAY_MS else ""


def note(one: TypeProgress) -> str:
    """What to say about a type in a few words."""
    if one.skipped:
        return one.skipped
    if one.failures:
        return f"{len(one.failures)} of {one.windows} windows failed: {one.failures[0]}"
    if not has_ended(one):
        return f"back to {day(one)}" if day(one) else ""
    if one.windows == 0:
        return "up to date"
    changed = [f"{screen.count(one.changed)} changed"] if one.changed else []
    deleted = [f"{screen.count(one.deleted)} deleted"] if one.deleted else []
    return ", ".join([f"+{screen.count(one.added)}", *changed, *deleted])
