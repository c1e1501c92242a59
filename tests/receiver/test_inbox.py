"""The inbox by hand, on both databases: nothing told is lost, whoever claims, dies or is late."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ringlet._receiver.fetch_queue import EVENTS_PER_CLAIM, JOB_DELAY_MS, FetchJob, FetchQueue
from ringlet._receiver.handler_worker import HANDLER_RETRY_MAX_MS
from ringlet.archive import Archive
from ringlet.webhooks import Event

NOON = 1_770_000_000_000
LEASE = 60_000
LATER = NOON + JOB_DELAY_MS


def event(object: str = "a", *, time: int = 0, type: str = "update", user: str = "wearer") -> Event:
    return Event(
        event_type=type,
        data_type="sleep",
        object_id=object,
        event_time=f"2026-02-02T02:40:{time:02}+00:00",
        user_id=user,
    )


@pytest.fixture
def inbox(archive: Archive) -> FetchQueue:
    return FetchQueue(archive)


def keys(inbox: FetchQueue) -> list[str]:
    return [row[0] for row in inbox.db.all("SELECT key FROM webhook_inbox ORDER BY key")]


# --- Accepting ---


def test_an_event_stands_in_the_inbox_once_however_often_it_is_told(inbox: FetchQueue) -> None:
    inbox.accept([event(), event(), event("b")], NOON)
    inbox.accept([event()], NOON)
    assert keys(inbox) == sorted([event().key, event("b").key])


def test_events_are_kept_all_or_none(inbox: FetchQueue) -> None:
    with pytest.raises(ZeroDivisionError):
        accept_and_fail(inbox)
    assert keys(inbox) == []
    assert inbox.pending() == 0


def accept_and_fail(inbox: FetchQueue) -> None:
    with inbox.archive.transaction():
        inbox.accept([event("a"), event("b")], NOON)
        raise ZeroDivisionError


def test_more_events_than_one_statement_takes_are_kept_and_claimed(inbox: FetchQueue) -> None:
    inbox.accept([event(str(number)) for number in range(EVENTS_PER_CLAIM + 100)], NOON)
    assert inbox.pending() == EVENTS_PER_CLAIM + 100
    found: set[str] = set()
    for now in (NOON, LATER, LATER + JOB_DELAY_MS):
        found |= {job.object_id for job in inbox.claim(now, 5000, LEASE)}
    assert len(found) == EVENTS_PER_CLAIM + 100


def test_no_events_are_no_trouble(inbox: FetchQueue) -> None:
    inbox.accept([], NOON)
    assert inbox.claim(NOON, 10, LEASE) == []


def test_two_inboxes_on_one_archive_are_one(inbox: FetchQueue, place: str) -> None:
    inbox.accept([event()], NOON)
    with Archive.open(place) as other:
        assert FetchQueue(other).pending() == 1


# --- Jobs, for a sync ---


def due(inbox: FetchQueue, now: int = LATER, limit: int = 10) -> list[FetchJob]:
    """What is claimed; events that came before are sorted first, and wait their pause."""
    inbox.claim(now - JOB_DELAY_MS, 0, LEASE)
    return inbox.claim(now, limit, LEASE)


def test_a_burst_about_one_object_is_one_piece_of_work(inbox: FetchQueue) -> None:
    inbox.accept([event(type="create"), event(time=1), event(time=2)], NOON)
    assert inbox.claim(NOON, 10, LEASE) == []
    inbox.accept([event(time=3)], NOON + 500)
    inbox.claim(NOON + 500, 10, LEASE)
    [job] = inbox.claim(LATER, 10, LEASE)
    assert (job.user_id, job.data_type, job.object_id, job.event_type) == (
        "wearer",
        "sleep",
        "a",
        "update",
    )
    assert (job.event_count, job.attempts) == (4, 1)
    assert inbox.finish(job)
    assert inbox.pending() == 0


def test_a_stream_of_events_does_not_put_work_off(inbox: FetchQueue) -> None:
    for step in range(10):
        inbox.accept([event(time=step)], NOON + 200 * step)
        claimed = inbox.claim(NOON + 200 * step, 10, LEASE)
        assert bool(claimed) == (200 * step == JOB_DELAY_MS)


def test_of_events_that_came_together_the_newest_counts_as_told_last(inbox: FetchQueue) -> None:
    inbox.accept([event(time=2, type="delete"), event(time=1, type="create")], NOON)
    [job] = due(inbox)
    assert job.event_type == "delete"


def test_each_object_of_each_wearer_is_work_of_its_own(inbox: FetchQueue) -> None:
    inbox.accept([event("a"), event("b"), event("a", user="other")], NOON)
    assert {(one.user_id, one.object_id) for one in due(inbox)} == {
        ("wearer", "a"),
        ("wearer", "b"),
        ("other", "a"),
    }


def test_whoever_fetches_for_one_wearer_leaves_the_others_alone(inbox: FetchQueue) -> None:
    inbox.accept([event("a"), event("b", user="other")], NOON)
    inbox.claim(NOON, 0, LEASE)
    [mine] = inbox.claim(LATER, 10, LEASE, user_id="wearer")
    assert (mine.user_id, mine.object_id) == ("wearer", "a")
    [theirs] = inbox.claim(LATER, 10, LEASE)
    assert (theirs.user_id, theirs.attempts) == ("other", 1)


def test_what_is_due_longest_comes_first(inbox: FetchQueue) -> None:
    for step, object in enumerate("cab"):
        inbox.accept([event(object)], NOON + step)
        inbox.claim(NOON + step, 0, LEASE)
    assert [one.object_id for one in inbox.claim(LATER + 10, 2, LEASE)] == ["c", "a"]
    assert [one.object_id for one in inbox.claim(LATER + 10, 2, LEASE)] == ["b"]


def test_claimed_work_is_nobody_elses_until_its_lease_ends(inbox: FetchQueue) -> None:
    inbox.accept([event()], NOON)
    [first] = due(inbox)
    assert inbox.claim(LATER + LEASE - 1, 10, LEASE) == []
    [second] = inbox.claim(LATER + LEASE, 10, LEASE)
    assert second.attempts == 2
    assert not inbox.finish(first), "it came back too late"
    assert not inbox.retry(first, LATER)
    assert inbox.pending() == 1
    assert inbox.finish(second)
    assert not inbox.finish(second)


def test_who_comes_back_too_late_does_not_finish_what_was_told_since(inbox: FetchQueue) -> None:
    """The job was done by another, gone, and is there again with the same `gen`."""
    inbox.accept([event()], NOON)
    [late] = due(inbox)
    [other] = inbox.claim(LATER + LEASE, 10, LEASE)
    assert inbox.finish(other)
    inbox.accept([event(time=1)], LATER + LEASE)
    [again] = due(inbox, LATER + LEASE + JOB_DELAY_MS)
    assert again.event_count == late.event_count
    assert not inbox.finish(late)
    assert inbox.finish(again)


@pytest.mark.parametrize("looked", [False, True], ids=["seen by nobody yet", "sorted meanwhile"])
@pytest.mark.parametrize("time", [0, 1], ids=["in the same bytes", "a second later"])
def test_what_is_told_during_a_fetch_is_fetched_again(inbox: FetchQueue, looked: bool, time: int) -> None:
    inbox.accept([event()], NOON)
    [job] = due(inbox)
    inbox.accept([event(time=time)], LATER)
    if looked:
        assert inbox.claim(LATER, 10, LEASE) == []
    assert inbox.finish(job)
    assert inbox.pending() == 1
    [again] = due(inbox, LATER + JOB_DELAY_MS)
    assert again.attempts == 1
    assert inbox.finish(again)
    assert inbox.pending() == 0


def test_what_is_told_after_a_fetch_in_the_same_bytes_is_fetched_again(inbox: FetchQueue) -> None:
    inbox.accept([event()], NOON)
    [job] = due(inbox)
    assert inbox.finish(job)
    inbox.accept([event()], LATER)
    assert len(keys(inbox)) == 1
    [again] = due(inbox, LATER + JOB_DELAY_MS)
    assert again.object_id == "a"


def test_work_that_failed_comes_again_when_it_is_due(inbox: FetchQueue) -> None:
    inbox.accept([event()], NOON)
    [job] = due(inbox)
    assert inbox.retry(job, LATER + 5000)
    assert inbox.claim(LATER + 4999, 10, LEASE) == []
    [again] = inbox.claim(LATER + 5000, 10, LEASE)
    assert again.attempts == 2


def test_what_was_told_of_meanwhile_waits_for_no_second_look(inbox: FetchQueue) -> None:
    inbox.accept([event()], NOON)
    [job] = due(inbox)
    assert inbox.retry(job, LATER + 60_000, disagreed=True)
    assert inbox.claim(LATER + 59_000, 10, LEASE) == []
    [again] = inbox.claim(LATER + 60_000, 10, LEASE)
    assert (again.attempts, again.disagreements) == (2, 1)
    inbox.accept([event(time=1), event("other")], LATER + 60_000)
    assert inbox.claim(LATER + 60_000, 10, LEASE) == []  # but now the event is part of what is under way
    assert inbox.retry(again, LATER + 600_000, disagreed=True)
    fresh = {one.object_id: one for one in inbox.claim(LATER + 62_000, 10, LEASE)}["a"]
    assert (fresh.attempts, fresh.disagreements) == (1, 0)


def test_an_end_is_undone_with_what_it_was_fetched_for(inbox: FetchQueue) -> None:
    inbox.accept([event()], NOON)
    [job] = due(inbox)
    with pytest.raises(ZeroDivisionError):
        finish_and_fail(inbox, job)
    assert inbox.pending() == 1
    assert inbox.finish(job)


def finish_and_fail(inbox: FetchQueue, job: FetchJob) -> None:
    with inbox.archive.transaction():
        inbox.finish(job)
        raise ZeroDivisionError


def test_whoever_looks_in_vain_waits_for_nobody(inbox: FetchQueue, place: str) -> None:
    inbox.accept([event()], NOON)
    [job] = due(inbox)
    with Archive.open(place, timeout=0.1) as mine:
        theirs = FetchQueue(mine)
        with inbox.archive.transaction():
            assert inbox.finish(job)
            assert theirs.claim(LATER, 10, LEASE) == []


def test_others_work_is_nothing_to_look_for(inbox: FetchQueue, place: str) -> None:
    inbox.accept([event(user="other")], NOON)
    inbox.claim(NOON, 0, LEASE)
    assert inbox.next_job_due(LATER, user_id="wearer") is None
    with Archive.open(place, timeout=0.1) as mine:
        theirs = FetchQueue(mine)
        with inbox.archive.transaction():
            inbox.accept([event("new", user="other")], LATER + 1)
            assert theirs.claim(LATER, 10, LEASE, user_id="wearer") == []


def test_it_says_when_there_is_something_to_claim(inbox: FetchQueue) -> None:
    assert inbox.next_job_due(NOON) is None
    inbox.accept([event()], NOON)
    assert inbox.next_job_due(NOON) == NOON
    inbox.claim(NOON, 10, LEASE)
    assert inbox.next_job_due(NOON) == inbox.next_job_due(NOON, user_id="wearer") == LATER
    [job] = inbox.claim(LATER, 10, LEASE)
    assert inbox.next_job_due(LATER, user_id="wearer") is None
    inbox.retry(job, LATER + 5)
    assert inbox.next_job_due(LATER, user_id="wearer") == LATER + 5


def test_many_who_claim_at_once_share_the_work(inbox: FetchQueue, place: str) -> None:
    inbox.accept([event(str(number)) for number in range(200)], NOON)
    inbox.claim(NOON, 0, LEASE)

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
    assert inbox.pending() == 0


def test_many_who_accept_the_same_at_once_lose_nothing(inbox: FetchQueue, place: str) -> None:
    events = [event(str(number)) for number in range(50)]

    def somebody(turn: int) -> None:
        with Archive.open(place) as mine:
            theirs = FetchQueue(mine)
            for _ in range(5):
                theirs.accept(events[::-1] if turn % 2 else events, NOON)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(somebody, range(4)))
    assert len(keys(inbox)) == 50


def test_what_was_dealt_with_is_forgotten_in_time_and_nothing_else(inbox: FetchQueue) -> None:
    inbox.accept([event("old")], NOON)
    inbox.claim(NOON, 10, LEASE)
    inbox.accept([event("waiting")], NOON)
    inbox.accept([event("new")], NOON + 10)
    inbox.prune(NOON + 10)
    assert keys(inbox) == sorted([event("waiting").key, event("new").key])
    assert inbox.pending() == 3, "a job is not pruned with its events"


def test_old_work_for_wearers_whom_nobody_follows_is_forgotten(inbox: FetchQueue) -> None:
    inbox.accept([event("mine"), event("old", user="other"), event("in hand", user="third")], NOON)
    inbox.claim(NOON, 0, LEASE)
    inbox.claim(LATER, 1, LEASE, user_id="third")
    inbox.accept([event("new", user="other")], LATER)
    inbox.claim(LATER, 0, LEASE)
    inbox.prune(LATER + 1, user_id="wearer")
    left = inbox.claim(LATER + LEASE, 10, LEASE)
    assert {one.object_id for one in left} == {"mine", "in hand", "new"}


def test_what_was_held_by_a_clock_that_was_set_back_since_is_free(inbox: FetchQueue) -> None:
    inbox.accept([event()], NOON)
    [job] = due(inbox)
    inbox.retry(job, NOON)
    [lost] = inbox.claim(LATER + 5 * LEASE, 10, LEASE)
    assert inbox.next_job_due(LATER) == NOON
    [again] = inbox.claim(LATER, 10, LEASE)
    assert not inbox.finish(lost)
    assert inbox.claim(LATER, 10, LEASE) == []
    assert inbox.claim(NOON, 10, LEASE) == [], "a small correction ends no lease"
    assert inbox.finish(again)


# --- For a handler ---


def test_events_are_handed_out_in_the_order_they_came(inbox: FetchQueue) -> None:
    events = [event(name, time=time) for name, time in (("c", 3), ("a", 1), ("b", 2))]
    for step, one in enumerate(events):
        inbox.accept([one], NOON + step)
    assert inbox.next_due() == NOON
    taken = inbox.take(NOON + 5, 10, LEASE)
    assert [one.event for one in taken] == events
    assert inbox.take(NOON + 5, 10, LEASE) == []
    assert inbox.next_due() == NOON + 5 + LEASE


def test_what_was_handled_is_not_handed_out_again(inbox: FetchQueue) -> None:
    inbox.accept([event()], NOON)
    [one] = inbox.take(NOON, 10, LEASE)
    inbox.accept([event()], NOON, reopen=False)
    assert inbox.take(NOON, 10, LEASE) == []
    inbox.mark_handled(one)
    inbox.accept([event()], NOON, reopen=False)
    assert inbox.next_due() is None


def test_what_was_put_off_comes_again_and_counts(inbox: FetchQueue) -> None:
    inbox.accept([event()], NOON)
    [one] = inbox.take(NOON, 10, LEASE)
    inbox.postpone(one, NOON + 7)
    assert inbox.next_due() == NOON + 7
    [again] = inbox.take(NOON + 7, 10, LEASE)
    assert (one.attempts, again.attempts) == (1, 2)
    inbox.mark_handled(again)
    inbox.postpone(one, NOON)  # who comes too late changes nothing
    assert inbox.next_due() is None


@pytest.mark.parametrize("put_off", [False, True], ids=["taken", "put off"])
def test_what_waits_by_a_clock_that_was_set_back_since_is_handed_out(
    inbox: FetchQueue, *, put_off: bool
) -> None:
    hours = 3 * 3_600_000
    inbox.accept([event()], NOON + hours)
    [one] = inbox.take(NOON + hours, 10, LEASE)
    if put_off:
        inbox.postpone(one, NOON + hours + HANDLER_RETRY_MAX_MS)
    assert inbox.take(NOON + hours + 1, 10, LEASE) == []
    [again] = inbox.take(NOON, 10, LEASE)
    assert again.key == one.key
    inbox.postpone(again, NOON + HANDLER_RETRY_MAX_MS)
    assert inbox.take(NOON, 10, LEASE) == [], "what is put off by the new time waits"


# --- Whatever happens, in whatever order ---


class Days(RuleBasedStateMachine):
    """Changes are told; whoever fetches may die or come late. In the end all that changed was fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.archive = Archive.open(":memory:")
        self.inbox = FetchQueue(self.archive)
        self.now = NOON
        self.state: dict[str, int] = {}
        """What stands at Oura."""
        self.fetched: dict[str, int] = {}
        self.under_way: list[tuple[FetchJob, int]] = []

    @rule(object=st.sampled_from("abc"), second=st.integers(0, 1))
    def change(self, object: str, second: int) -> None:
        self.state[object] = self.state.get(object, 0) + 1
        self.inbox.accept([event(object, time=second)], self.now)

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        for job in self.inbox.claim(self.now, limit, LEASE):
            self.under_way.append((job, self.state[job.object_id]))

    @rule(seconds=st.sampled_from([1, 61]))
    def wait(self, seconds: int) -> None:
        self.now += seconds * 1000

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), ending=st.sampled_from(["finish", "retry", "die"]))
    def end(self, data: st.DataObject, ending: str) -> None:
        job, seen = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        if ending == "finish" and self.inbox.finish(job):
            self.fetched[job.object_id] = max(seen, self.fetched.get(job.object_id, 0))
        elif ending == "retry":
            self.inbox.retry(job, self.now)

    @invariant()
    def one_at_a_time(self) -> None:
        rows = self.inbox.db.all("SELECT key FROM webhook_inbox ORDER BY key")
        assert all(one != other for one, other in pairwise(rows))

    def teardown(self) -> None:
        for _ in range(3):
            self.now += LEASE + JOB_DELAY_MS
            for job in self.inbox.claim(self.now, 10, LEASE):
                assert self.inbox.finish(job)
                self.fetched[job.object_id] = self.state[job.object_id]
        assert self.fetched == self.state
        assert self.inbox.pending() == 0
        self.archive.close()


TestDays = Days.TestCase
TestDays.settings = settings(stateful_step_count=30)
