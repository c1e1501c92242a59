"""Fetches the documents that webhook events name.

Rules of this file:
* An event only says which document to fetch. The archive stores what the fetch returns.
* A document is fetched once for all events that name it, and again if more events arrived during the fetch.
* One transaction stores a document and finishes its fetch job. If the process is killed before the commit,
  the document is fetched again.
* Oura's API may lag behind its events: after a `create` event the document may be missing, after a `delete`
  event the document may still be served. A response that disagrees with its event is checked by up to three
  more fetches, and then accepted.
* A document that the token may not read is left out, and the outcome has the reason. A document that cannot
  be fetched now is retried later; the queue stores the time, so that a restart does not change it. A revoked
  token ends the run.
* Only the documents of the signed-in user are fetched. The fetch jobs of other users stay in the queue.
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
from .failures import TEMPORARY, back_off, single_error
from .server_time import ServerTime

Outcome: TypeAlias = Literal["added", "changed", "unchanged", "deleted", "absent", "later", "left out"]

PERMANENT: tuple[type[RingletError], ...] = (
    InsufficientScope,
    MembershipEnded,
    RouteNotFound,
    BadRequest,
    UsageError,
)
"""Errors that a retry of the same request would raise again."""

AFFECTS_ALL: tuple[type[RingletError], ...] = (ConnectionFailed, RateLimited, ArchiveError)
"""Errors that the fetch of any other document would raise, too.

A status of 5xx is not among them, because the server may fail for one document and serve the next.
"""
RECHECK_DELAYS_MS = (5_000, 60_000, 600_000)
"""How long to wait before each repeated fetch, if a response disagrees with its event (see the rules)."""
JOB_LEASE_MS = 30_000
"""How long a claimed fetch job cannot be claimed by another process.

If a fetch takes longer, the document may be fetched twice, which does no harm.
"""
MAX_PAUSE_S = 1.0
"""The longest pause between two reads of the queue, in seconds.

The pause is short, because a receiver in another process adds jobs without calling `wake`.
"""
MIN_PAUSE_S = 0.001
"""The shortest pause between two reads of the queue, in seconds.

It prevents a busy loop while a job is due and cannot be claimed.
"""


@dataclass(frozen=True)
class FollowedJob:
    """The outcome of one fetch job."""

    job: FetchJob
    result: Outcome
    note: str = ""
    """Why the job has this result; empty when the document was fetched without difficulty."""
    body: bytes | None = None
    """The fetched document, or None if no document was fetched."""
    took: float = 0.0
    """How long the job took, in seconds."""


class EventFollower:
    """Claims and carries out the fetch jobs of one user, until cancelled.

    `names` are the data types to fetch, `at_once` is how many documents are fetched concurrently. `clock`
    returns seconds since 1970; the follower and the receiver must use the same clock.
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
        on_followed: Callable[[FollowedJob], None] = lambda _: None,
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
        self._wake_up = asyncio.Event()
        self._busy = 0
        self._failures = 0
        self._paused_until = 0.0

    async def run(self) -> NoReturn:
        """Run until cancelled. Raises errors that do not pass by themselves, e.g. InvalidToken."""
        with single_error():
            async with asyncio.TaskGroup() as group:
                while True:
                    for job in self._claim():
                        self._busy += 1
                        group.create_task(self._follow(job))
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._pause()):
                            await self._wake_up.wait()
                    self._wake_up.clear()

    def wake(self) -> None:
        """Read the queue now, because events have been committed.

        Call this method in the event loop of `run`.
        """
        self._wake_up.set()

    def _claim(self) -> list[FetchJob]:
        if not self._free:
            return []
        try:
            return self._queue.claim(self._now(), self._free, JOB_LEASE_MS, user_id=self.user_name)
        except ArchiveError:
            self._pause_all()
            return []

    @property
    def _free(self) -> int:
        """How many more fetches may begin now."""
        return 0 if self.clock() < self._paused_until else self.at_once - self._busy

    def _pause(self) -> float:
        """Seconds until the queue is read again: until the next job is due, and at most `MAX_PAUSE_S`."""
        if not self._free:
            return MAX_PAUSE_S
        now = self._now()
        try:
            due = self._queue.next_job_due(now, user_id=self.user_name)
        except ArchiveError:
            return MAX_PAUSE_S
        return MAX_PAUSE_S if due is None else min(MAX_PAUSE_S, max(MIN_PAUSE_S, (due - now) / 1000))

    async def _follow(self, job: FetchJob) -> None:
        began = time.perf_counter()
        try:
            result, note, body = await self._fetch(job)
            self._failures = 0
        except TEMPORARY as failed:
            if isinstance(failed, AFFECTS_ALL):
                self._pause_all()
            result, note, body = self._later(job, failed), failed.message, None
        except asyncio.CancelledError:
            with suppress(ArchiveError):  # on an error the job is claimed again when its lease expires
                self._queue.retry(job, self._now())
            raise
        finally:
            self._busy -= 1
            self._wake_up.set()
        self.on_followed(FollowedJob(job, result, note, body, time.perf_counter() - began))

    def _now(self) -> int:
        return seconds_to_ms(self.clock())

    def _pause_all(self) -> None:
        """Begin no fetch for a while, after an error that would make other fetches fail, too."""
        self._failures += 1
        self._paused_until = self.clock() + back_off(self._failures)

    def _later(self, job: FetchJob, failed: RingletError) -> Outcome:
        due = self._now() + seconds_to_ms(back_off(job.attempts))
        if isinstance(failed, RateLimited) and failed.until:
            due = max(due, to_ms(failed.until))
        with suppress(ArchiveError):  # on an error the job is claimed again when its lease expires
            self._queue.retry(job, due)
        return "later"

    async def _fetch(self, job: FetchJob) -> tuple[Outcome, str, bytes | None]:
        kind = WEBHOOK_KINDS.get(job.data_type)
        if kind is None or not kind.has_ids:
            return self._leave_out(job, "no route serves documents of this type")
        if kind.name not in self.names:
            return self._leave_out(job, "not among the types of this sync")
        asked_at = self._now()
        try:
            flow = self.server_time.observe(kind.raw_document(job.object_id))
            body = await self.client.run(flow)
        except DocumentNotFound:
            body = None
        except PERMANENT as refused:
            return self._leave_out(job, refused.message)
        return self._store(job, kind, body, asked_at)

    def _leave_out(self, job: FetchJob, reason: str) -> tuple[Outcome, str, None]:
        self._queue.finish(job)
        return "left out", reason, None

    def _store(
        self, job: FetchJob, kind: AnyKind, body: bytes | None, asked_at: int
    ) -> tuple[Outcome, str, bytes | None]:
        disagrees = (body is None) != (job.event_type == "delete")
        checks = job.disagreements
        wait = RECHECK_DELAYS_MS[checks] if disagrees and checks < len(RECHECK_DELAYS_MS) else None
        with self.archive.transaction():
            if body is not None:
                counts = self.archive.put(self._user, kind, body, seen_at=asked_at)
                result = _outcome(counts)
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
        found = "not there yet" if body is None else "still there"
        return result, f"{found}; fetched again in {wait // 1000} s", body

    def _delete(self, job: FetchJob, kind: AnyKind, asked_at: int) -> Outcome:
        stored = self.archive.document(self._user, kind, job.object_id) is not None
        # The deletion of an unknown document is recorded, too: an older response that arrives late must not
        # store the deleted document.
        if stored or job.event_type == "delete":
            self.archive.delete(self._user, kind, job.object_id, asked_at)
        return "deleted" if stored else "absent"


def _outcome(counts: Counts) -> Outcome:
    return "added" if counts.added else "changed" if counts.changed else "unchanged"
