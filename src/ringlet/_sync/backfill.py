"""Fetches the windows that the plan names into the archive, several at once.

Rules of this file:
* One transaction stores the documents of a window and records that the window is covered. So a killed run
  leaves only whole windows in the archive, and the next run continues from there.
* A run resumes an interrupted run that began less than an hour ago. A resumed run does not fetch again what
  the interrupted run fetched, not even the latest days, which every other run fetches again.
* Every run fetches again the days that Oura could still revise when the previous run began, even if that was
  long ago.
* When a list lacks a document that the archive has, the document is requested by its id, and deleted from the
  archive if the server answers 404 (`deletions`).
* A run fetches up to the present time of the server's clock, not of this machine's clock.
* A data type without a granted scope is skipped, and the report has the reason. A data type that the server
  does not offer is not a failure. A window that fails is reported, and the other windows are still fetched.
* A revoked token or a network that is down ends the run, because every other window would fail, too.
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
from .deletions import missing_ids, request_documents
from .plan import FIRST_RINGS, Agenda, Window, horizon, plan, settled
from .server_time import ServerTime

RESUME_WITHIN = timedelta(hours=1)
LOCAL_LATENCY_S = 0.03
"""If the first response of a server takes fewer seconds, the server is assumed to run on this machine.

One connection is enough to keep such a server busy.
"""
REMOTE_CONNECTIONS = 8
"""How many windows (time intervals) are fetched at once from a server that is not on this machine."""
PERSONAL_INFO = TYPES["personal_info"]


@dataclass
class TypeProgress:
    """The progress of one data type."""

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
    """Why this data type is skipped; empty when it is not skipped."""
    offered: bool = True
    """Whether the server has a route for this data type; versions of the API differ in their routes."""
    failures: list[str] = field(default_factory=list[str])

    @property
    def complete(self) -> bool:
        """Whether all planned windows of this data type are in the archive."""
        return not self.offered or (not self.skipped and not self.failures and self.done == self.windows)


@dataclass
class BackfillReport:
    """The result of one backfill."""

    user_name: str
    types: dict[str, TypeProgress]
    resumed: bool
    stopped_by: RingletError | None = None

    @property
    def exit_code(self) -> int:
        """0 if all data types are complete, 3 if some are not, else the exit code of `stopped_by`."""
        if self.stopped_by is not None:
            return self.stopped_by.exit_code
        return 0 if all(one.complete for one in self.types.values()) else 3


class Backfill:
    """One run of `ringlet sync`.

    `connections` is how many windows are fetched at once; None chooses 1 or 8 by how long the first response
    takes. A `kill -9` loses at most that many windows, which the next run fetches. `now` is the server's
    time; by default `server_time` reads it from the first response. Without `resume` an interrupted run is
    not resumed: the latest days are fetched again, because they may have changed. `on_progress` is called
    after each window.
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
        server_time: ServerTime | None = None,
        resume: bool = True,
        on_progress: Callable[[TypeProgress], None] = lambda _: None,
    ) -> None:
        self.client = client
        self.archive = archive
        self.kinds = [TYPES[name] for name in types]
        self.since = since
        self.connections = connections
        self.server_time = server_time or ServerTime()
        self.resume = resume
        self._given = now
        self.now = now or self.server_time.now()
        self.on_progress = on_progress
        self._me: tuple[int, list[bytes]] = 0, []

    async def run(self) -> BackfillReport:
        """Fetch the windows that the archive does not cover.

        Raises the RingletError of a failure before the first window. Later failures are in the report.
        """
        began = perf_counter()
        self._me = now_ms(), await self.client.run(self.server_time.observe(PERSONAL_INFO.raw_pages(bytes)))
        self.now = self._given or self.server_time.now()
        connections = self.connections or (
            1 if perf_counter() - began < LOCAL_LATENCY_S else REMOTE_CONNECTIONS
        )
        me = decode(self._me[1][0], PersonalInfo)
        user = self.archive.user(me.id)
        resumed = self._begin(user)
        report = BackfillReport(me.id, {kind.name: TypeProgress(kind) for kind in self.kinds}, resumed)
        agenda = self._agenda(user, report)
        workers = [self._work(user, agenda, report) for _ in range(min(connections, len(agenda)))]
        try:
            async with asyncio.TaskGroup() as group:
                for worker in workers:
                    group.create_task(worker)
        except* RingletError as stopped:
            # An ArchiveError is reported before other errors, because it cancels requests, which then fail.
            causes = sorted(stopped.exceptions, key=lambda error: not isinstance(error, ArchiveError))
            report.stopped_by = cast("RingletError", causes[0])
        if report.stopped_by is None:
            self.archive.set_setting(Setting.SYNC_UNFINISHED.of(user), None)
        return report

    def _begin(self, user: int) -> bool:
        """Resume an interrupted run, or begin a new run that fetches the latest days again.

        Returns whether an interrupted run is resumed.
        """
        last = self.archive.setting(Setting.SYNC_BEGUN.of(user))
        begun = datetime.fromisoformat(last) if last else self.now
        unfinished = self.archive.setting(Setting.SYNC_UNFINISHED.of(user)) is not None
        if self.resume and unfinished and self.now - begun < RESUME_WITHIN:
            self.now = begun
            return True
        with self.archive.transaction():
            # Oura may have revised days that were not settled when the last run began.
            self.archive.reopen(user, settled(min(begun, self.now)))
            self.archive.set_setting(Setting.SYNC_BEGUN.of(user), self.now.isoformat())
            self.archive.set_setting(Setting.SYNC_UNFINISHED.of(user), "yes")
        return False

    def _agenda(self, user: int, report: BackfillReport) -> Agenda:
        windows = {
            kind.name: plan(kind, self.since, horizon(kind, self.now), self.archive.done(user, kind.name))
            for kind in self.kinds
        }
        for name, some in windows.items():
            report.types[name].windows = len(some)
        return Agenda(windows)

    async def _work(self, user: int, agenda: Agenda, report: BackfillReport) -> None:
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

    async def _fetch(self, user: int, window: Window, progress: TypeProgress) -> None:
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
        # Each page is packed as it arrives. Packing all pages at the end would block the event loop for so
        # long that the requests of the other windows stand still.
        rows = await self.client.run(kind.raw_pages(partial(self.archive.pack, kind), **window.params))
        with self.archive.transaction():
            counts = self.archive.put_samples(user, kind, rows, seen_at=asked_at)
            self._finish(user, window, counts, len(rows), asked_at)
        return _Fetched(len(rows), counts)

    async def _fetch_documents(self, user: int, window: Window) -> _Fetched:
        kind, asked_at, pages = window.kind, *self._me
        if kind is not PERSONAL_INFO:
            asked_at, pages = now_ms(), await self.client.run(kind.raw_pages(bytes, **window.params))
        looked_at, missing = now_ms(), dict[str, bytes | None]()
        if kind.has_ids:
            ids = missing_ids(self.archive, user, kind, window, pages)
            missing = await request_documents(self.client, kind, ids)
        counts, deleted = Counts(), 0
        with self.archive.transaction():
            for page in pages:
                counts += self.archive.put(user, kind, page, seen_at=asked_at)
            for id, body in missing.items():
                if body is None:
                    deleted += self.archive.delete(user, kind, id, looked_at)
                else:
                    counts += self.archive.put(user, kind, body, seen_at=looked_at)
            self._finish(user, window, counts, len(pages), asked_at)
        return _Fetched(len(pages), counts, deleted)

    def _finish(self, user: int, window: Window, counts: Counts, pages: int, at: int) -> None:
        self.archive.finish(user, window.kind.name, window.start, window.end, counts, pages, at)


class _Fetched(NamedTuple):
    """The result of fetching one window: pages, changes to the archive, deleted documents."""

    pages: int
    counts: Counts
    deleted: int = 0
