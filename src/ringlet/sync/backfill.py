"""Fetching what the plan says into the archive, over several connections at once.

Rules of this file:
* A window's documents and the note that it is covered are one transaction. Killed at any point, the archive
  holds whole windows and the next run goes on from there.
* A run that did not end is resumed by the next one within the hour, so that even the days that every run
  asks for again are asked for once.
* A day is asked for again until a run finds it settled, however long ago the last run was.
* A type that may not be read is skipped with its reason, and one that the server does not have is no failure.
  A window that fails is told and the others go on. A dead token ends the run, and so does a network that is
  gone: each of the windows left would wait for it in vain.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import cast

from ..archive import Archive, Counts
from ..catalog import TYPES, AnyKind
from ..client import AsyncClient
from ..errors import (
    ArchiveError,
    MembershipLapsed,
    NotOffered,
    OuraBroken,
    RequestWrong,
    RingletError,
    ScopeMissing,
)
from ..kinds import Samples, decode
from ..models import PersonalInfo
from ..windows import from_ms, to_ms
from .plan import FIRST_RINGS, Agenda, Window, horizon, plan, settled

RESUME = timedelta(hours=1)
NEAR = 0.03
"""A first answer within so many seconds comes from next door: more connections only wait for each other."""
AFAR = 8
"""Connections to a server that is further away."""
ME = TYPES["personal_info"]


@dataclass
class Progress:
    """How one type is doing."""

    kind: AnyKind
    windows: int = 0
    done: int = 0
    pages: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    oldest: int | None = None
    skipped: str = ""
    """Why this type is not read at all; empty while it is."""
    offered: bool = True
    """Whether the server has this type; some come and go with versions of the API."""
    failures: list[str] = field(default_factory=list[str])

    @property
    def complete(self) -> bool:
        """All windows are in the archive."""
        return not self.offered or (not self.skipped and not self.failures and self.done == self.windows)


@dataclass
class Report:
    """How a run went."""

    user_name: str
    types: dict[str, Progress]
    resumed: bool
    stopped_by: RingletError | None = None

    @property
    def exit_code(self) -> int:
        """0 all complete, 3 some types skipped or failed, else what stopped the run."""
        if self.stopped_by is not None:
            return self.stopped_by.exit_code
        return 0 if all(one.complete for one in self.types.values()) else 3


class Backfill:
    """One run of `ringlet sync`.

    `connections` is how many windows are fetched at once, and so how many are begun again after a `kill -9`;
    None decides by how long the first answer takes.
    """

    def __init__(
        self,
        client: AsyncClient,
        archive: Archive,
        *,
        types: Iterable[str] = TYPES,
        since: date = FIRST_RINGS,
        connections: int | None = None,
        now: datetime | None = None,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self.client = client
        self.archive = archive
        self.kinds = [TYPES[name] for name in types]
        self.since = since
        self.connections = connections
        self.now = now or datetime.now(UTC)
        self.on_progress = on_progress
        self._me: tuple[int, list[bytes]] = 0, []

    async def run(self) -> Report:
        """Fetch all that is missing. Raises what stops it before the first window."""
        began = time.perf_counter()
        self._me = to_ms(datetime.now(UTC)), await self.client.run(ME.raw(bytes))
        connections = self.connections or (1 if time.perf_counter() - began < NEAR else AFAR)
        me = decode(self._me[1][0], PersonalInfo)
        user = self.archive.user(me.id)
        resumed = self._begin(user)
        report = Report(me.id, {kind.name: Progress(kind) for kind in self.kinds}, resumed)
        agenda = self._agenda(user, report)
        workers = [self._work(user, agenda, report) for _ in range(min(connections, len(agenda)))]
        try:
            async with asyncio.TaskGroup() as group:
                for worker in workers:
                    group.create_task(worker)
        except* RingletError as stopped:
            # An archive that cannot be written says more than the requests that it cut short.
            causes = sorted(stopped.exceptions, key=lambda one: not isinstance(one, ArchiveError))
            report.stopped_by = cast("RingletError", causes[0])
        if report.stopped_by is None:
            self.archive.set_setting(f"sync.{user}.unfinished", None)
        return report

    def _begin(self, user: int) -> bool:
        """Take up an interrupted run, or begin a new one that reads the last days again."""
        last = self.archive.setting(f"sync.{user}.begun")
        begun = datetime.fromisoformat(last) if last else self.now
        if self.archive.setting(f"sync.{user}.unfinished") and self.now - begun < RESUME:
            self.now = begun
            return True
        with self.archive.transaction():
            # What the last run brought of days that were not settled by then is not the last word on them.
            self.archive.reopen(user, settled(min(begun, self.now)))
            self.archive.set_setting(f"sync.{user}.begun", self.now.isoformat())
            self.archive.set_setting(f"sync.{user}.unfinished", "yes")
        return False

    def _agenda(self, user: int, report: Report) -> Agenda:
        windows = {
            kind.name: plan(kind, self.since, horizon(kind, self.now), self.archive.done(user, kind.name))
            for kind in self.kinds
        }
        for name, some in windows.items():
            report.types[name].windows = len(some)
        return Agenda(windows)

    async def _work(self, user: int, agenda: Agenda, report: Report) -> None:
        def pages(name: str) -> float:
            progress = report.types[name]
            if progress.done:
                return progress.pages / progress.done
            return math.inf if isinstance(progress.kind, Samples) else 1

        while window := agenda.next(pages):
            progress = report.types[window.kind.name]
            try:
                await self._fetch(user, window, progress)
            except (ScopeMissing, NotOffered, MembershipLapsed) as refused:
                progress.skipped = refused.message
                progress.offered = not isinstance(refused, NotOffered)
                agenda.drop(window.kind.name)
            except (OuraBroken, RequestWrong) as failed:
                progress.failures.append(f"{from_ms(window.start):%Y-%m-%d}: {failed.message}")
            self.on_progress(progress)

    async def _fetch(self, user: int, window: Window, progress: Progress) -> None:
        kind, asked_at = window.kind, to_ms(datetime.now(UTC))
        if isinstance(kind, Samples):
            # Each page is packed while the others are on their way: packed all at the end, they would hold up
            # everybody else's next request.
            rows = await self.client.run(kind.raw(partial(self.archive.pack, kind), **window.params))
            count = len(rows)
            with self.archive.transaction():
                counts = self.archive.put_samples(user, kind, rows, seen_at=asked_at)
                self.archive.finish(user, kind.name, window.start, window.end, counts, count, asked_at)
        else:
            if kind is ME:
                asked_at, pages = self._me
            else:
                pages = await self.client.run(kind.raw(bytes, **window.params))
            count, counts = len(pages), Counts()
            with self.archive.transaction():
                for page in pages:
                    counts += self.archive.put(user, kind, page, seen_at=asked_at)
                self.archive.finish(user, kind.name, window.start, window.end, counts, count, asked_at)
        progress.done += 1
        progress.pages += count
        progress.added += counts.added
        progress.changed += counts.changed
        progress.unchanged += counts.unchanged
        progress.oldest = min(window.start, progress.oldest or window.start)
