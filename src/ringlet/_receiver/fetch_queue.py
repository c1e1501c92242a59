"""The queue of fetch jobs: the documents that a sync must fetch (or delete), because events named them.

    for job in queue.claim(now, 20, 60_000):
        ...
        queue.finish(job)

All events that name one object make one job.

Rules of this file:
* Events are turned into jobs in bulk when a sync claims jobs, not when the receiver stores the events: the
  receiver must acknowledge events quickly.
* A job counts the events that named its object. `finish` removes a job only if the count is the same as at
  its claim. If more events arrived during the fetch, the job stays, and the object is fetched again.
* A claim is a lease with a random number, the fence. If the lease has expired and another process has claimed
  the job, the job has a new fence, and `finish` and `retry` of the first process change nothing.
* A lease that ends too far in the future was given before the clock was set back, and counts as expired: see
  `_archive/leases.py`.
"""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass

from .._archive import leases
from .inbox import Inbox
from .inbox_owner import acquire

JOB_DELAY_MS = 1_000
"""How long after its first event a job is due. A sync of a ring causes several events for one object, and
waiting saves fetches."""
EVENTS_PER_CLAIM = 1_000
"""The most events that one claim turns into jobs."""

_CLAIMED = "user_id = ? AND data_type = ? AND object_id = ? AND fence = ?"


@dataclass(frozen=True)
class FetchJob:
    """A claimed job: an object to fetch.

    The fields are columns of `webhook_work`, in the order of RETURNING.
    """

    user_id: str
    """Oura's id of the user."""
    data_type: str
    """The data type by its webhook name: a key of `events.WEBHOOK_KINDS`, or a type that no route serves."""
    object_id: str
    event_type: str
    """The event type of the latest event.

    Oura may send events out of order. So the response to the fetch decides whether the object exists.
    """
    event_count: int
    """How many events had named the object when it was claimed."""
    fence: int
    """The random number of this claim."""
    attempts: int
    """The number of this attempt, from 1. Attempts that got no response are counted, too."""
    disagreements: int
    """How many responses disagreed with the latest event (deleted but still served, created but missing)."""


class FetchQueue(Inbox):
    """An inbox whose events become fetch jobs of a sync. Every method raises ArchiveError."""

    def pending(self) -> int:
        """How many events and jobs are not finished yet."""
        row = self.db.one("SELECT count(*) FROM webhook_work")
        return super().pending() + (int(row[0]) if row else 0)

    def prune(self, before: int, *, user_id: str | None = None) -> None:
        """Delete finished events that were received before a time (epoch milliseconds).

        With `user_id`, also delete the jobs of other users that have been due since before that time: no sync
        fetches their documents.
        """
        super().prune(before)
        if user_id is not None:
            others = "DELETE FROM webhook_work WHERE user_id <> ? AND due_at < ? AND leased_until < ?"
            self.db.execute(others, (user_id, before, before))

    def claim(self, now: int, limit: int, lease: int, *, user_id: str | None = None) -> list[FetchJob]:
        """Claim due jobs, oldest due time first. No other process can claim them for `lease` milliseconds.

        With `user_id`, only that user's jobs are claimed: a token can fetch no other user's documents. Raises
        UsageError while a handler owns the inbox.
        """
        acquire(self.archive, "sync")
        due = self.next_job_due(now, user_id=user_id)
        if due is None or due > now:
            # A write transaction of an idle sync would delay the receiver's commits.
            return []
        condition, values = _of(user_id)
        with self.db.transaction():
            self._lock()
            self._turn_events_into_jobs(now)
            rows = self.db.all(
                "UPDATE webhook_work SET fence = ?, leased_until = ?, attempts = attempts + 1"
                " WHERE (user_id, data_type, object_id) IN (SELECT user_id, data_type, object_id"
                f" FROM webhook_work WHERE {condition}due_at <= ? AND leased_until NOT BETWEEN ? AND ?"
                " ORDER BY due_at LIMIT ?)"
                " RETURNING due_at, user_id, data_type, object_id, event_type, gen, fence, attempts, looks",
                (
                    secrets.randbits(62),
                    now + min(lease, leases.MAX_LEASE_MS),
                    *values,
                    now,
                    *leases.active(now),
                    limit,
                ),
            )
        return [FetchJob(*row[1:]) for row in sorted(rows)]

    def next_job_due(self, now: int, *, user_id: str | None = None) -> int | None:
        """When the next event or unclaimed job is due (epoch milliseconds); None if all are finished."""
        condition, values = _of(user_id)
        row = self.db.one(
            f"SELECT min(due_at) FROM webhook_work WHERE {condition}leased_until NOT BETWEEN ? AND ?",
            (*values, *leases.active(now)),
        )
        return min(
            (due for due in (self.next_due(), row[0] if row else None) if due is not None), default=None
        )

    def finish(self, job: FetchJob) -> bool:
        """Remove a job, or make it due at once if more events have named its object since the claim.

        Call this in the transaction that stores the fetched document. Returns whether the claim was valid.
        """
        with self.db.transaction():
            done = self.db.execute(
                f"DELETE FROM webhook_work WHERE {_CLAIMED} AND gen = ?", (*_claim(job), job.event_count)
            )
            release = "UPDATE webhook_work SET leased_until = 0, fence = 0, attempts = 0, looks = 0"
            return bool(done or self.db.execute(f"{release} WHERE {_CLAIMED}", _claim(job)))

    def retry(self, job: FetchJob, due: int, *, disagreed: bool = False) -> bool:
        """Make a job due at `due`, or at once if more events have named its object since the claim.

        `disagreed` says that a response disagreed with the latest event. Returns whether the claim was valid.
        """
        release = (
            "UPDATE webhook_work SET leased_until = 0, fence = 0,"
            " due_at = CASE WHEN gen = ? THEN ? ELSE due_at END,"
            " attempts = CASE WHEN gen = ? THEN attempts ELSE 0 END,"
            " looks = CASE WHEN gen = ? THEN looks + ? ELSE 0 END"
        )
        values = job.event_count, due, job.event_count, job.event_count, int(disagreed)
        return bool(self.db.execute(f"{release} WHERE {_CLAIMED}", (*values, *_claim(job))))

    def _turn_events_into_jobs(self, now: int) -> None:
        rows = self._due(now, EVENTS_PER_CLAIM)
        objects = [(event.user_id, event.data_type, event.object_id) for _, event, _ in rows]
        latest = dict(zip(objects, (event.event_type for _, event, _ in rows), strict=True))
        self._insert(
            "INSERT INTO webhook_work AS work"
            " (user_id, data_type, object_id, event_type, gen, due_at, fence, leased_until, attempts, looks)"
            " VALUES {rows} ON CONFLICT (user_id, data_type, object_id) DO UPDATE SET"
            " event_type = excluded.event_type, gen = work.gen + excluded.gen,"
            " due_at = CASE WHEN work.due_at < excluded.due_at THEN work.due_at ELSE excluded.due_at END",
            [
                (*named, latest[named], count, now + JOB_DELAY_MS, 0, 0, 0, 0)
                for named, count in sorted(Counter(objects).items())
            ],
        )
        self._mark_handled([key for key, _, _ in rows])


def _of(user_id: str | None) -> tuple[str, tuple[str, ...]]:
    """Return the SQL condition for the jobs of one user, and its values. Both are empty for None."""
    return ("", ()) if user_id is None else ("user_id = ? AND ", (user_id,))


def _claim(job: FetchJob) -> tuple[object, ...]:
    return job.user_id, job.data_type, job.object_id, job.fence
