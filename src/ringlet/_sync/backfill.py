"""Fetching what the plan says into the archive, over several connections at once.

Rules of this file:
* A window's documents and the note that it is covered are one transaction. Killed at any point, the archive
  holds whole windows and the next run goes on from there.
* A run that did not end is resumed by the next one within the hour, so that even the days that every run
  asks for again are asked for once.
* A day is asked for again until a run finds it settled, however long ago the last run was.
* What the archive holds of such a day and the answer leaves out is looked up, and if it is gone, deleted.
* How far to read is up to the server's clock, not to this machine's.
* A type that may not be read is skipped with its reason, and one that the server does not have is no failure.
  A window that fails is told and the others go on. A dead token ends the run, and so does a network that is
  gone: each of the windows left would wait for it in vain.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from time import perf_counter
from typing import NamedTuple, cast

from .._api.catalog import TYPES, AnyKind
from .._api.kinds import decode
from .._api.windows import from_ms, now_ms
from .._archive.archive import Archive
from .._archive.storage.counts import Counts
from .._archive.storage.settings import Setting
from .._client.client import AsyncClient
from ..errors import (
    ArchiveError,
    BadRequest,
    InsufficientScope,
    MembershipEnded,
    RingletError,
    RouteNotFound,
    ServerError,
)
from ..models import PersonalInfo
from .deletions import left_out, look_up
from .plan import FIRST_RINGS, Agenda, Window, horizon, plan, settled
from .server_time import ServerTime

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
    deleted: int = 0
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
    None decides by how long the first answer takes. `now` is the server's time, and told by its first answer
    unless it is given; `time` is who keeps it. Without `resume` a run that did not end is not gone on with:
    the last days are read again, with what has changed since.
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
        time: ServerTime | None = None,
        resume: bool = True,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self.client = client
        self.archive = archive
        self.kinds = [TYPES[name] for name in types]
        self.since = since
        self.connections = connections
        self.time = time or ServerTime()
        self.resume = resume
        self._given = now
        self.now = now or self.time.now()
        self.on_progress = on_progress
        self._me: tuple[int, list[bytes]] = 0, []

    async def run(self) -> Report:
        """Fetch all that is missing. Raises what stops it before the first window."""
        began = perf_counter()
        self._me = now_ms(), await self.client.run(self.time.heard(ME.raw_pages(bytes)))
        self.now = self._given or self.time.now()
        connections = self.connections or (1 if perf_counter() - began < NEAR else AFAR)
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
            self.archive.set_setting(Setting.SYNC_UNFINISHED.of(user), None)
        return report

    def _begin(self, user: int) -> bool:
        """Take up an interrupted run, or begin a new one that reads the last days again."""
        last = self.archive.setting(Setting.SYNC_BEGUN.of(user))
        begun = datetime.fromisoformat(last) if last else self.now
        unfinished = self.archive.setting(Setting.SYNC_UNFINISHED.of(user)) is not None
        if self.resume and unfinished and self.now - begun < RESUME:
            self.now = begun
            return True
        with self.archive.transaction():
            # What the last run brought of days that were not settled by then is not the last word on them.
            self.archive.reopen(user, settled(min(begun, self.now)))
            self.archive.set_setting(Setting.SYNC_BEGUN.of(user), self.now.isoformat())
            self.archive.set_setting(Setting.SYNC_UNFINISHED.of(user), "yes")
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
            return math.inf if progress.kind.is_series else 1

        while window := agenda.next(pages):
            progress = report.types[window.kind.name]
            try:
                await self._fetch(user, window, progress)
            except (InsufficientScope, RouteNotFound, MembershipEnded) as refused:
                progress.skipped = refused.message
                progress.offered = not isinstance(refused, RouteNotFound)
                agenda.drop(window.kind.name)
            except (ServerError, BadRequest) as failed:
                progress.failures.append(f"{from_ms(window.start):%Y-%m-%d}: {failed.message}")
            self.on_progress(progress)

    async def _fetch(self, user: int, window: Window, progress: Progress) -> None:
        fetch = self._fetch_samples if window.kind.is_series else self._fetch_documents
        fetched = await fetch(user, window)
        progress.done += 1
        progress.pages += fetched.pages
        progress.added += fetched.counts.added
        progress.changed += fetched.counts.changed
        progress.unchanged += fetched.counts.unchanged
        progress.deleted += fetched.deleted
        progress.oldest = min(window.start, progress.oldest or window.start)

    async def _fetch_samples(self, user: int, window: Window) -> _Fetched:
        kind, asked_at = window.kind, now_ms()
        # Each page is packed while the others are on their way: packed all at the end, they would hold up
        # everybody else's next request.
        rows = await self.client.run(kind.raw_pages(partial(self.archive.pack, kind), **window.params))
        with self.archive.transaction():
            counts = self.archive.put_samples(user, kind, rows, seen_at=asked_at)
            self._finish(user, window, counts, len(rows), asked_at)
        return _Fetched(len(rows), counts)

    async def _fetch_documents(self, user: int, window: Window) -> _Fetched:
        kind, asked_at, pages = window.kind, *self._me
        if kind is not ME:
            asked_at, pages = now_ms(), await self.client.run(kind.raw_pages(bytes, **window.params))
        looked_at, vanished = now_ms(), dict[str, bytes | None]()
        if kind.has_ids:
            missed = left_out(self.archive, user, kind, window, pages)
            vanished = await look_up(self.client, kind, missed)
        counts, deleted = Counts(), 0
        with self.archive.transaction():
            for page in pages:
                counts += self.archive.put(user, kind, page, seen_at=asked_at)
            for id, body in vanished.items():
                if body is None:
                    deleted += self.archive.delete(user, kind, id, looked_at)
                else:
                    counts += self.archive.put(user, kind, body, seen_at=looked_at)
            self._finish(user, window, counts, len(pages), asked_at)
        return _Fetched(len(pages), counts, deleted)

    def _finish(self, user: int, window: Window, counts: Counts, pages: int, at: int) -> None:
        self.archive.finish(user, window.kind.name, window.start, window.end, counts, pages, at)


class _Fetched(NamedTuple):
    """What a window brought."""

    pages: int
    counts: Counts
    deleted: int = 0
