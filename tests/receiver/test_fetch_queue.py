"""Fetch jobs, on both databases: every change is fetched, whoever claims a job, dies or is late."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ringlet._receiver.fetch_queue import EVENTS_PER_CLAIM, JOB_DELAY_MS, FetchJob, FetchQueue
from ringlet.archive import Archive

from .test_inbox import LEASE, NOON, event, keys

LATER = NOON + JOB_DELAY_MS


@pytest.fixture
def queue(archive: Archive) -> FetchQueue:
    return FetchQueue(archive)


def test_more_events_than_one_statement_takes_are_stored_and_claimed(queue: FetchQueue) -> None:
    queue.accept([event(str(number)) for number in range(EVENTS_PER_CLAIM + 100)], NOON)
    assert queue.pending() == EVENTS_PER_CLAIM + 100
    found: set[str] = set()
    for now in (NOON, LATER, LATER + JOB_DELAY_MS):
        found |= {job.object_id for job in queue.claim(now, 5000, LEASE)}
    assert len(found) == EVENTS_PER_CLAIM + 100


def test_an_empty_list_of_events_is_accepted(queue: FetchQueue) -> None:
    queue.accept([], NOON)
    assert queue.claim(NOON, 10, LEASE) == []


def due(queue: FetchQueue, now: int = LATER, limit: int = 10) -> list[FetchJob]:
    """What is claimed; events that came before are sorted first, and wait their pause."""
    queue.claim(now - JOB_DELAY_MS, 0, LEASE)
    return queue.claim(now, limit, LEASE)


def test_many_events_of_one_object_are_one_job(queue: FetchQueue) -> None:
    queue.accept([event(type="create"), event(time=1), event(time=2)], NOON)
    assert queue.claim(NOON, 10, LEASE) == []
    queue.accept([event(time=3)], NOON + 500)
    queue.claim(NOON + 500, 10, LEASE)
    [job] = queue.claim(LATER, 10, LEASE)
    assert (job.user_id, job.data_type, job.object_id, job.event_type) == (
        "wearer",
        "sleep",
        "a",
        "update",
    )
    assert (job.event_count, job.attempts) == (4, 1)
    assert queue.finish(job)
    assert queue.pending() == 0


def test_further_events_do_not_delay_a_job(queue: FetchQueue) -> None:
    for step in range(10):
        queue.accept([event(time=step)], NOON + 200 * step)
        claimed = queue.claim(NOON + 200 * step, 10, LEASE)
        assert bool(claimed) == (200 * step == JOB_DELAY_MS)


def test_of_events_that_came_together_the_newest_is_the_latest(queue: FetchQueue) -> None:
    queue.accept([event(time=2, type="delete"), event(time=1, type="create")], NOON)
    [job] = due(queue)
    assert job.event_type == "delete"


def test_each_object_of_each_user_is_a_job(queue: FetchQueue) -> None:
    queue.accept([event("a"), event("b"), event("a", user="other")], NOON)
    assert {(one.user_id, one.object_id) for one in due(queue)} == {
        ("wearer", "a"),
        ("wearer", "b"),
        ("other", "a"),
    }


def test_a_claim_for_one_user_leaves_the_jobs_of_others(queue: FetchQueue) -> None:
    queue.accept([event("a"), event("b", user="other")], NOON)
    queue.claim(NOON, 0, LEASE)
    [mine] = queue.claim(LATER, 10, LEASE, user_id="wearer")
    assert (mine.user_id, mine.object_id) == ("wearer", "a")
    [theirs] = queue.claim(LATER, 10, LEASE)
    assert (theirs.user_id, theirs.attempts) == ("other", 1)


def test_the_job_that_is_due_longest_is_claimed_first(queue: FetchQueue) -> None:
    for step, object in enumerate("cab"):
        queue.accept([event(object)], NOON + step)
        queue.claim(NOON + step, 0, LEASE)
    assert [one.object_id for one in queue.claim(LATER + 10, 2, LEASE)] == ["c", "a"]
    assert [one.object_id for one in queue.claim(LATER + 10, 2, LEASE)] == ["b"]


def test_a_claimed_job_is_not_claimed_again_until_its_lease_ends(queue: FetchQueue) -> None:
    queue.accept([event()], NOON)
    [first] = due(queue)
    assert queue.claim(LATER + LEASE - 1, 10, LEASE) == []
    [second] = queue.claim(LATER + LEASE, 10, LEASE)
    assert second.attempts == 2
    assert not queue.finish(first), "it came back too late"
    assert not queue.retry(first, LATER)
    assert queue.pending() == 1
    assert queue.finish(second)
    assert not queue.finish(second)


def test_finishing_an_expired_claim_does_not_finish_later_events(queue: FetchQueue) -> None:
    """The job was done by another, gone, and is there again with the same `gen`."""
    queue.accept([event()], NOON)
    [late] = due(queue)
    [other] = queue.claim(LATER + LEASE, 10, LEASE)
    assert queue.finish(other)
    queue.accept([event(time=1)], LATER + LEASE)
    [again] = due(queue, LATER + LEASE + JOB_DELAY_MS)
    assert again.event_count == late.event_count
    assert not queue.finish(late)
    assert queue.finish(again)


@pytest.mark.parametrize("looked", [False, True], ids=["event not read yet", "event already a job"])
@pytest.mark.parametrize("time", [0, 1], ids=["in the same bytes", "a second later"])
def test_an_object_with_an_event_during_its_fetch_is_fetched_again(
    queue: FetchQueue, looked: bool, time: int
) -> None:
    queue.accept([event()], NOON)
    [job] = due(queue)
    queue.accept([event(time=time)], LATER)
    if looked:
        assert queue.claim(LATER, 10, LEASE) == []
    assert queue.finish(job)
    assert queue.pending() == 1
    [again] = due(queue, LATER + JOB_DELAY_MS)
    assert again.attempts == 1
    assert queue.finish(again)
    assert queue.pending() == 0


def test_an_event_with_the_same_bytes_after_a_fetch_causes_another(queue: FetchQueue) -> None:
    queue.accept([event()], NOON)
    [job] = due(queue)
    assert queue.finish(job)
    queue.accept([event()], LATER)
    assert len(keys(queue)) == 1
    [again] = due(queue, LATER + JOB_DELAY_MS)
    assert again.object_id == "a"


def test_a_failed_job_is_claimed_again_when_it_is_due(queue: FetchQueue) -> None:
    queue.accept([event()], NOON)
    [job] = due(queue)
    assert queue.retry(job, LATER + 5000)
    assert queue.claim(LATER + 4999, 10, LEASE) == []
    [again] = queue.claim(LATER + 5000, 10, LEASE)
    assert again.attempts == 2


def test_a_further_event_resets_the_wait_for_an_answer_that_agrees(queue: FetchQueue) -> None:
    queue.accept([event()], NOON)
    [job] = due(queue)
    assert queue.retry(job, LATER + 60_000, disagreed=True)
    assert queue.claim(LATER + 59_000, 10, LEASE) == []
    [again] = queue.claim(LATER + 60_000, 10, LEASE)
    assert (again.attempts, again.disagreements) == (2, 1)
    queue.accept([event(time=1), event("other")], LATER + 60_000)
    assert queue.claim(LATER + 60_000, 10, LEASE) == []  # but now the event is part of what is under way
    assert queue.retry(again, LATER + 600_000, disagreed=True)
    fresh = {one.object_id: one for one in queue.claim(LATER + 62_000, 10, LEASE)}["a"]
    assert (fresh.attempts, fresh.disagreements) == (1, 0)


def test_finishing_is_rolled_back_with_its_transaction(queue: FetchQueue) -> None:
    queue.accept([event()], NOON)
    [job] = due(queue)
    with pytest.raises(ZeroDivisionError):
        finish_and_fail(queue, job)
    assert queue.pending() == 1
    assert queue.finish(job)


def finish_and_fail(queue: FetchQueue, job: FetchJob) -> None:
    with queue.archive.transaction():
        queue.finish(job)
        raise ZeroDivisionError


def test_a_claim_without_due_jobs_takes_no_lock(queue: FetchQueue, place: str) -> None:
    queue.accept([event()], NOON)
    [job] = due(queue)
    with Archive.open(place, timeout=0.1) as mine:
        theirs = FetchQueue(mine)
        with queue.archive.transaction():
            assert queue.finish(job)
            assert theirs.claim(LATER, 10, LEASE) == []


def test_jobs_of_other_users_do_not_make_a_claim_take_the_lock(queue: FetchQueue, place: str) -> None:
    queue.accept([event(user="other")], NOON)
    queue.claim(NOON, 0, LEASE)
    assert queue.next_job_due(LATER, user_id="wearer") is None
    with Archive.open(place, timeout=0.1) as mine:
        theirs = FetchQueue(mine)
        with queue.archive.transaction():
            queue.accept([event("new", user="other")], LATER + 1)
            assert theirs.claim(LATER, 10, LEASE, user_id="wearer") == []


def test_next_job_due_is_when_a_claim_gives_something(queue: FetchQueue) -> None:
    assert queue.next_job_due(NOON) is None
    queue.accept([event()], NOON)
    assert queue.next_job_due(NOON) == NOON
    queue.claim(NOON, 10, LEASE)
    assert queue.next_job_due(NOON) == queue.next_job_due(NOON, user_id="wearer") == LATER
    [job] = queue.claim(LATER, 10, LEASE)
    assert queue.next_job_due(LATER, user_id="wearer") is None
    queue.retry(job, LATER + 5)
    assert queue.next_job_due(LATER, user_id="wearer") == LATER + 5


def test_concurrent_claims_share_the_jobs(queue: FetchQueue, place: str) -> None:
    queue.accept([event(str(number)) for number in range(200)], NOON)
    queue.claim(NOON, 0, LEASE)

    def somebody(_: int) -> list[str]:
        with Archive.open(place) as mine:
            theirs = FetchQueue(mine)
            done: list[str] = []
            while claimed := theirs.claim(LATER, 7, LEASE):
                for job in claimed:
                    assert theirs.finish(job)
                    done.append(job.object_id)
            return done

    with ThreadPoolExecutor(4) as pool:
        done = [object for one in pool.map(somebody, range(4)) for object in one]
    assert sorted(done) == sorted(map(str, range(200)))
    assert queue.pending() == 0


def test_only_old_events_that_were_dealt_with_are_pruned(queue: FetchQueue) -> None:
    queue.accept([event("old")], NOON)
    queue.claim(NOON, 10, LEASE)
    queue.accept([event("waiting")], NOON)
    queue.accept([event("new")], NOON + 10)
    queue.prune(NOON + 10)
    assert keys(queue) == sorted([event("waiting").key, event("new").key])
    assert queue.pending() == 3, "a job is not pruned with its events"


def test_old_jobs_of_users_whom_nobody_follows_are_pruned(queue: FetchQueue) -> None:
    queue.accept([event("mine"), event("old", user="other"), event("in hand", user="third")], NOON)
    queue.claim(NOON, 0, LEASE)
    queue.claim(LATER, 1, LEASE, user_id="third")
    queue.accept([event("new", user="other")], LATER)
    queue.claim(LATER, 0, LEASE)
    queue.prune(LATER + 1, user_id="wearer")
    left = queue.claim(LATER + LEASE, 10, LEASE)
    assert {one.object_id for one in left} == {"mine", "in hand", "new"}


def test_a_lease_from_before_the_clock_was_set_back_has_ended(queue: FetchQueue) -> None:
    queue.accept([event()], NOON)
    [job] = due(queue)
    queue.retry(job, NOON)
    [lost] = queue.claim(LATER + 5 * LEASE, 10, LEASE)
    assert queue.next_job_due(LATER) == NOON
    [again] = queue.claim(LATER, 10, LEASE)
    assert not queue.finish(lost)
    assert queue.claim(LATER, 10, LEASE) == []
    assert queue.claim(NOON, 10, LEASE) == [], "a small correction ends no lease"
    assert queue.finish(again)


class Days(RuleBasedStateMachine):
    """Changes are told; whoever fetches may die or come late. In the end all that changed was fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.archive = Archive.open(":memory:")
        self.queue = FetchQueue(self.archive)
        self.now = NOON
        self.state: dict[str, int] = {}
        """What stands at Oura."""
        self.fetched: dict[str, int] = {}
        self.under_way: list[tuple[FetchJob, int]] = []

    @rule(object=st.sampled_from("abc"), second=st.integers(0, 1))
    def change(self, object: str, second: int) -> None:
        self.state[object] = self.state.get(object, 0) + 1
        self.queue.accept([event(object, time=second)], self.now)

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        for job in self.queue.claim(self.now, limit, LEASE):
            self.under_way.append((job, self.state[job.object_id]))

    @rule(seconds=st.sampled_from([1, 61]))
    def wait(self, seconds: int) -> None:
        self.now += seconds * 1000

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), ending=st.sampled_from(["finish", "retry", "die"]))
    def end(self, data: st.DataObject, ending: str) -> None:
        job, seen = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        if ending == "finish" and self.queue.finish(job):
            self.fetched[job.object_id] = max(seen, self.fetched.get(job.object_id, 0))
        elif ending == "retry":
            self.queue.retry(job, self.now)

    @invariant()
    def one_at_a_time(self) -> None:
        rows = self.queue.db.all("SELECT key FROM webhook_inbox ORDER BY key")
        assert all(one != other for one, other in pairwise(rows))

    def teardown(self) -> None:
        for _ in range(3):
            self.now += LEASE + JOB_DELAY_MS
            for job in self.queue.claim(self.now, 10, LEASE):
                assert self.queue.finish(job)
                self.fetched[job.object_id] = self.state[job.object_id]
        assert self.fetched == self.state
        assert self.queue.pending() == 0
        self.archive.close()


TestDays = Days.TestCase
TestDays.settings = settings(stateful_step_count=30)
