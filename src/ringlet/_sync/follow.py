"""Following events: an event says where to look, and what is there is the truth.

Rules of this file:
* One object is fetched once for all that was told of it, and again if it was told of meanwhile.
* What was fetched and the note that it is done are one transaction. Killed in between, it is fetched again.
* An answer may be behind the event (a document that was told of and is not there yet, one that was deleted
  and still is): where the two disagree it is looked at again, a few times, before it is believed.
* What may not be read is left out with its reason. What cannot be read now is read later: waiting is the
  inbox's, so that a restart changes nothing about it. A dead token ends it all.
* One sign-in follows its own wearer's events; those of others stay where they are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias

from .._api.catalog import AnyKind
from .._api.windows import seconds_to_ms, to_ms
from .._archive.archive import Archive
from .._archive.storage.counts import Counts
from .._client.client import AsyncClient
from .._receiver.fetch_queue import FetchJob, FetchQueue
from .._webhooks.events import WEBHOOK_KINDS
from ..errors import (
    ArchiveError,
    BadRequest,
    ConnectionFailed,
    DocumentNotFound,
    InsufficientScope,
    MembershipEnded,
    RateLimited,
    RingletError,
    RouteNotFound,
    UsageError,
)
from .failures import PASSING, as_one, back_off
from .server_time import ServerTime

Result: TypeAlias = Literal["added", "changed", "unchanged", "deleted", "absent", "later", "left out"]

REFUSED: tuple[type[RingletError], ...] = (
    InsufficientScope,
    MembershipEnded,
    RouteNotFound,
    BadRequest,
    UsageError,
)
"""What asking again would not change."""

SHARED: tuple[type[RingletError], ...] = (ConnectionFailed, RateLimited, ArchiveError)
"""What others would meet, too. A server that fails at one document may well have the next."""
AGAIN = (5_000, 60_000, 600_000)
"""Milliseconds after which an answer that disagrees with its event is asked for again."""
LEASE = 30_000
"""Milliseconds for which work is this process's alone. A longer fetch may be made twice, which is no harm."""
REST = 1.0
"""Seconds between two looks into the inbox, at most: another process may fill it."""
LEAST = 0.001
"""So that what is due, and nevertheless not claimed, is looked at again without a hurry."""


@dataclass(frozen=True)
class Followed:
    """What became of one piece of job."""

    job: FetchJob
    result: Result
    note: str = ""
    """Why, where it was not simply fetched."""
    body: bytes | None = None
    """The document, where there is one."""
    took: float = 0.0
    """Seconds."""


class Follow:
    """Works an inbox off for one wearer, until cancelled.

    `names` are the data types meant, `at_once` is how many documents are fetched side by side. `clock` gives
    seconds since 1970, and is the one that the inbox is filled by.
    """

    def __init__(
        self,
        client: AsyncClient,
        archive: Archive,
        user_name: str,
        *,
        names: Collection[str],
        server_time: ServerTime | None = None,
        at_once: int = 8,
        clock: Callable[[], float] = time.time,
        on_followed: Callable[[Followed], None] = lambda _: None,
    ) -> None:
        self.client = client
        self.archive = archive
        self.user_name = user_name
        self.names = names
        self.server_time = server_time or ServerTime()
        self.at_once = at_once
        self.clock = clock
        self.on_followed = on_followed
        self._queue = FetchQueue(archive)
        self._user = archive.user(user_name)
        self._news = asyncio.Event()
        self._busy = 0
        self._troubles = 0
        self._idle_until = 0.0

    async def run(self) -> NoReturn:
        """Follow what comes. Raises what asking again would not change, e.g. InvalidToken."""
        with as_one():
            async with asyncio.TaskGroup() as group:
                while True:
                    for job in self._claim():
                        self._busy += 1
                        group.create_task(self._follow(job))
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._rest()):
                            await self._news.wait()
                    self._news.clear()

    def wake(self) -> None:
        """Something has come: look at once. Call it in the loop of `run`."""
        self._news.set()

    def _claim(self) -> list[FetchJob]:
        if not self._free:
            return []
        try:
            return self._queue.claim(self._now(), self._free, LEASE, user_id=self.user_name)
        except ArchiveError:
            self._hold_back()
            return []

    @property
    def _free(self) -> int:
        """How many documents may be fetched besides those that are."""
        return 0 if self.clock() < self._idle_until else self.at_once - self._busy

    def _rest(self) -> float:
        """Seconds until the next look: work that waits for its burst to end is fetched when it is due."""
        if not self._free:
            return REST
        now = self._now()
        try:
            due = self._queue.next_job_due(now, user_id=self.user_name)
        except ArchiveError:
            return REST
        return REST if due is None else min(REST, max(LEAST, (due - now) / 1000))

    async def _follow(self, job: FetchJob) -> None:
        began = time.perf_counter()
        try:
            result, note, body = await self._look(job)
            self._troubles = 0
        except PASSING as failed:
            if isinstance(failed, SHARED):
                self._hold_back()
            result, note, body = self._later(job, failed), failed.message, None
        except asyncio.CancelledError:
            with suppress(ArchiveError):  # or its lease runs out
                self._queue.retry(job, self._now())
            raise
        finally:
            self._busy -= 1
            self._news.set()
        self.on_followed(Followed(job, result, note, body, time.perf_counter() - began))

    def _now(self) -> int:
        return seconds_to_ms(self.clock())

    def _hold_back(self) -> None:
        """When one fails the others would, too: let some time pass, for all of them."""
        self._troubles += 1
        self._idle_until = self.clock() + back_off(self._troubles)

    def _later(self, job: FetchJob, failed: RingletError) -> Result:
        due = self._now() + seconds_to_ms(back_off(job.attempts))
        if isinstance(failed, RateLimited) and failed.until:
            due = max(due, to_ms(failed.until))
        with suppress(ArchiveError):  # or its lease runs out
            self._queue.retry(job, due)
        return "later"

    async def _look(self, job: FetchJob) -> tuple[Result, str, bytes | None]:
        kind = WEBHOOK_KINDS.get(job.data_type)
        if kind is None or not kind.has_ids:
            return self._leave_out(job, "no route serves documents of this type")
        if kind.name not in self.names:
            return self._leave_out(job, "not among the types of this sync")
        asked_at = self._now()
        try:
            flow = self.server_time.heard(kind.raw_document(job.object_id))
            body = await self.client.run(flow)
        except DocumentNotFound:
            body = None
        except REFUSED as refused:
            return self._leave_out(job, refused.message)
        return self._keep(job, kind, body, asked_at)

    def _leave_out(self, job: FetchJob, reason: str) -> tuple[Result, str, None]:
        self._queue.finish(job)
        return "left out", reason, None

    def _keep(
        self, job: FetchJob, kind: AnyKind, body: bytes | None, asked_at: int
    ) -> tuple[Result, str, bytes | None]:
        disagrees = (body is None) != (job.event_type == "delete")
        wait = AGAIN[job.disagreements] if disagrees and job.disagreements < len(AGAIN) else None
        with self.archive.transaction():
            if body is not None:
                counts = self.archive.put(self._user, kind, body, seen_at=asked_at)
                result = _word(counts)
            elif wait is None:
                result = self._delete(job, kind, asked_at)
            else:
                result = "later"
            if wait is None:
                self._queue.finish(job)
            else:
                self._queue.retry(job, self._now() + wait, disagreed=True)
        if wait is None:
            return result, "", body
        seen = "not there" if body is None else "still there"
        return result, f"{seen}; asked for again in {wait // 1000} s", body

    def _delete(self, job: FetchJob, kind: AnyKind, asked_at: int) -> Result:
        held = self.archive.document(self._user, kind, job.object_id) is not None
        if held or job.event_type == "delete":  # one that comes late must not revive it
            self.archive.delete(self._user, kind, job.object_id, asked_at)
        return "deleted" if held else "absent"


def _word(counts: Counts) -> Result:
    return "added" if counts.added else "changed" if counts.changed else "unchanged"
