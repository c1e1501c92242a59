"""The inbox by hand, on both databases: nothing told is lost, whoever claims, dies or is late."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ringlet._receiver.handler_worker import LONGEST
from ringlet._receiver.inbox import PAUSE, SORTED, Inbox, Work
from ringlet.archive import Archive
from ringlet.webhooks import Event

NOON = 1_770_000_000_000
LEASE = 60_000
LATER = NOON + PAUSE


def told(object: str = "a", *, time: int = 0, type: str = "update", user: str = "wearer") -> Event:
    return Event(
        event_type=type,
        data_type="sleep",
        object_id=object,
        event_time=f"2026-02-02T02:40:{time:02}+00:00",
        user_id=user,
    )


@pytest.fixture
def inbox(archive: Archive) -> Inbox:
    return Inbox(archive)


def keys(inbox: Inbox) -> list[str]:
    return [row[0] for row in inbox.db.all("SELECT key FROM webhook_inbox ORDER BY key")]


# --- Accepting ---


def test_an_event_stands_in_the_inbox_once_however_often_it_is_told(inbox: Inbox) -> None:
    inbox.accept([told(), told(), told("b")], NOON)
    inbox.accept([told()], NOON)
    assert keys(inbox) == sorted([told().key, told("b").key])


def test_events_are_kept_all_or_none(inbox: Inbox) -> None:
    with pytest.raises(ZeroDivisionError):
        accept_and_fail(inbox)
    assert keys(inbox) == []
    assert inbox.waiting() == 0


def accept_and_fail(inbox: Inbox) -> None:
    with inbox.archive.transaction():
        inbox.accept([told("a"), told("b")], NOON)
        raise ZeroDivisionError


def test_more_events_than_one_statement_takes_are_kept_and_claimed(inbox: Inbox) -> None:
    inbox.accept([told(str(number)) for number in range(SORTED + 100)], NOON)
    assert inbox.waiting() == SORTED + 100
    found: set[str] = set()
    for now in (NOON, LATER, LATER + PAUSE):
        found |= {work.object_id for work in inbox.claim(now, 5000, LEASE)}
    assert len(found) == SORTED + 100


def test_no_events_are_no_trouble(inbox: Inbox) -> None:
    inbox.accept([], NOON)
    assert inbox.claim(NOON, 10, LEASE) == []


def test_two_inboxes_on_one_archive_are_one(inbox: Inbox, place: str) -> None:
    inbox.accept([told()], NOON)
    with Archive.open(place) as other:
        assert Inbox(other).waiting() == 1


# --- Work ---


def due(inbox: Inbox, now: int = LATER, limit: int = 10) -> list[Work]:
    """What is claimed; events that came before are sorted first, and wait their pause."""
    inbox.claim(now - PAUSE, 0, LEASE)
    return inbox.claim(now, limit, LEASE)


def test_a_burst_about_one_object_is_one_piece_of_work(inbox: Inbox) -> None:
    inbox.accept([told(type="create"), told(time=1), told(time=2)], NOON)
    assert inbox.claim(NOON, 10, LEASE) == []
    inbox.accept([told(time=3)], NOON + 500)
    inbox.claim(NOON + 500, 10, LEASE)
    [work] = inbox.claim(LATER, 10, LEASE)
    assert (work.user_id, work.data_type, work.object_id, work.event_type) == (
        "wearer",
        "sleep",
        "a",
        "update",
    )
    assert (work.gen, work.attempts) == (4, 1)
    assert inbox.finish(work)
    assert inbox.waiting() == 0


def test_a_stream_of_events_does_not_put_work_off(inbox: Inbox) -> None:
    for step in range(10):
        inbox.accept([told(time=step)], NOON + 200 * step)
        claimed = inbox.claim(NOON + 200 * step, 10, LEASE)
        assert bool(claimed) == (200 * step == PAUSE)


def test_of_events_that_came_together_the_newest_counts_as_told_last(inbox: Inbox) -> None:
    inbox.accept([told(time=2, type="delete"), told(time=1, type="create")], NOON)
    [work] = due(inbox)
    assert work.event_type == "delete"


def test_each_object_of_each_wearer_is_work_of_its_own(inbox: Inbox) -> None:
    inbox.accept([told("a"), told("b"), told("a", user="other")], NOON)
    assert {(one.user_id, one.object_id) for one in due(inbox)} == {
        ("wearer", "a"),
        ("wearer", "b"),
        ("other", "a"),
    }


def test_whoever_fetches_for_one_wearer_leaves_the_others_alone(inbox: Inbox) -> None:
    inbox.accept([told("a"), told("b", user="other")], NOON)
    inbox.claim(NOON, 0, LEASE)
    [mine] = inbox.claim(LATER, 10, LEASE, user_id="wearer")
    assert (mine.user_id, mine.object_id) == ("wearer", "a")
    [theirs] = inbox.claim(LATER, 10, LEASE)
    assert (theirs.user_id, theirs.attempts) == ("other", 1)


def test_what_is_due_longest_comes_first(inbox: Inbox) -> None:
    for step, object in enumerate("cab"):
        inbox.accept([told(object)], NOON + step)
        inbox.claim(NOON + step, 0, LEASE)
    assert [one.object_id for one in inbox.claim(LATER + 10, 2, LEASE)] == ["c", "a"]
    assert [one.object_id for one in inbox.claim(LATER + 10, 2, LEASE)] == ["b"]


def test_claimed_work_is_nobody_elses_until_its_lease_ends(inbox: Inbox) -> None:
    inbox.accept([told()], NOON)
    [first] = due(inbox)
    assert inbox.claim(LATER + LEASE - 1, 10, LEASE) == []
    [second] = inbox.claim(LATER + LEASE, 10, LEASE)
    assert second.attempts == 2
    assert not inbox.finish(first), "it came back too late"
    assert not inbox.retry(first, LATER)
    assert inbox.waiting() == 1
    assert inbox.finish(second)
    assert not inbox.finish(second)


def test_who_comes_back_too_late_does_not_finish_what_was_told_since(inbox: Inbox) -> None:
    """The work was done by another, gone, and is there again with the same `gen`."""
    inbox.accept([told()], NOON)
    [late] = due(inbox)
    [other] = inbox.claim(LATER + LEASE, 10, LEASE)
    assert inbox.finish(other)
    inbox.accept([told(time=1)], LATER + LEASE)
    [again] = due(inbox, LATER + LEASE + PAUSE)
    assert again.gen == late.gen
    assert not inbox.finish(late)
    assert inbox.finish(again)


@pytest.mark.parametrize("looked", [False, True], ids=["seen by nobody yet", "sorted meanwhile"])
@pytest.mark.parametrize("time", [0, 1], ids=["in the same bytes", "a second later"])
def test_what_is_told_during_a_fetch_is_fetched_again(inbox: Inbox, looked: bool, time: int) -> None:
    inbox.accept([told()], NOON)
    [work] = due(inbox)
    inbox.accept([told(time=time)], LATER)
    if looked:
        assert inbox.claim(LATER, 10, LEASE) == []
    assert inbox.finish(work)
    assert inbox.waiting() == 1
    [again] = due(inbox, LATER + PAUSE)
    assert again.attempts == 1
    assert inbox.finish(again)
    assert inbox.waiting() == 0


def test_what_is_told_after_a_fetch_in_the_same_bytes_is_fetched_again(inbox: Inbox) -> None:
    inbox.accept([told()], NOON)
    [work] = due(inbox)
    assert inbox.finish(work)
    inbox.accept([told()], LATER)
    assert len(keys(inbox)) == 1
    [again] = due(inbox, LATER + PAUSE)
    assert again.object_id == "a"


def test_work_that_failed_comes_again_when_it_is_due(inbox: Inbox) -> None:
    inbox.accept([told()], NOON)
    [work] = due(inbox)
    assert inbox.retry(work, LATER + 5000)
    assert inbox.claim(LATER + 4999, 10, LEASE) == []
    [again] = inbox.claim(LATER + 5000, 10, LEASE)
    assert again.attempts == 2


def test_what_was_told_of_meanwhile_waits_for_no_second_look(inbox: Inbox) -> None:
    inbox.accept([told()], NOON)
    [work] = due(inbox)
    assert inbox.retry(work, LATER + 60_000, disagreed=True)
    assert inbox.claim(LATER + 59_000, 10, LEASE) == []
    [again] = inbox.claim(LATER + 60_000, 10, LEASE)
    assert (again.attempts, again.looks) == (2, 1)
    inbox.accept([told(time=1), told("other")], LATER + 60_000)
    assert inbox.claim(LATER + 60_000, 10, LEASE) == []  # but now the event is part of what is under way
    assert inbox.retry(again, LATER + 600_000, disagreed=True)
    fresh = {one.object_id: one for one in inbox.claim(LATER + 62_000, 10, LEASE)}["a"]
    assert (fresh.attempts, fresh.looks) == (1, 0)


def test_an_end_is_undone_with_what_it_was_fetched_for(inbox: Inbox) -> None:
    inbox.accept([told()], NOON)
    [work] = due(inbox)
    with pytest.raises(ZeroDivisionError):
        finish_and_fail(inbox, work)
    assert inbox.waiting() == 1
    assert inbox.finish(work)


def finish_and_fail(inbox: Inbox, work: Work) -> None:
    with inbox.archive.transaction():
        inbox.finish(work)
        raise ZeroDivisionError


def test_whoever_looks_in_vain_waits_for_nobody(inbox: Inbox, place: str) -> None:
    inbox.accept([told()], NOON)
    [work] = due(inbox)
    with Archive.open(place, timeout=0.1) as mine:
        theirs = Inbox(mine)
        with inbox.archive.transaction():
            assert inbox.finish(work)
            assert theirs.claim(LATER, 10, LEASE) == []


def test_others_work_is_nothing_to_look_for(inbox: Inbox, place: str) -> None:
    inbox.accept([told(user="other")], NOON)
    inbox.claim(NOON, 0, LEASE)
    assert inbox.work_due(LATER, user_id="wearer") is None
    with Archive.open(place, timeout=0.1) as mine:
        theirs = Inbox(mine)
        with inbox.archive.transaction():
            inbox.accept([told("new", user="other")], LATER + 1)
            assert theirs.claim(LATER, 10, LEASE, user_id="wearer") == []


def test_it_says_when_there_is_something_to_claim(inbox: Inbox) -> None:
    assert inbox.work_due(NOON) is None
    inbox.accept([told()], NOON)
    assert inbox.work_due(NOON) == NOON
    inbox.claim(NOON, 10, LEASE)
    assert inbox.work_due(NOON) == inbox.work_due(NOON, user_id="wearer") == LATER
    [work] = inbox.claim(LATER, 10, LEASE)
    assert inbox.work_due(LATER, user_id="wearer") is None
    inbox.retry(work, LATER + 5)
    assert inbox.work_due(LATER, user_id="wearer") == LATER + 5


def test_many_who_claim_at_once_share_the_work(inbox: Inbox, place: str) -> None:
    inbox.accept([told(str(number)) for number in range(200)], NOON)
    inbox.claim(NOON, 0, LEASE)

    def somebody(_: int) -> list[str]:
        with Archive.open(place) as mine:
            theirs = Inbox(mine)
            done: list[str] = []
            while claimed := theirs.claim(LATER, 7, LEASE):
                for work in claimed:
                    assert theirs.finish(work)
                    done.append(work.object_id)
            return done

    with ThreadPoolExecutor(4) as pool:
        done = [object for one in pool.map(somebody, range(4)) for object in one]
    assert sorted(done) == sorted(map(str, range(200)))
    assert inbox.waiting() == 0


def test_many_who_accept_the_same_at_once_lose_nothing(inbox: Inbox, place: str) -> None:
    events = [told(str(number)) for number in range(50)]

    def somebody(turn: int) -> None:
        with Archive.open(place) as mine:
            theirs = Inbox(mine)
            for _ in range(5):
                theirs.accept(events[::-1] if turn % 2 else events, NOON)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(somebody, range(4)))
    assert len(keys(inbox)) == 50


def test_what_was_dealt_with_is_forgotten_in_time_and_nothing_else(inbox: Inbox) -> None:
    inbox.accept([told("old")], NOON)
    inbox.claim(NOON, 10, LEASE)
    inbox.accept([told("waiting")], NOON)
    inbox.accept([told("new")], NOON + 10)
    inbox.forget(NOON + 10)
    assert keys(inbox) == sorted([told("waiting").key, told("new").key])
    assert inbox.waiting() == 3, "work is not forgotten with its events"


def test_old_work_for_wearers_whom_nobody_follows_is_forgotten(inbox: Inbox) -> None:
    inbox.accept([told("mine"), told("old", user="other"), told("in hand", user="third")], NOON)
    inbox.claim(NOON, 0, LEASE)
    inbox.claim(LATER, 1, LEASE, user_id="third")
    inbox.accept([told("new", user="other")], LATER)
    inbox.claim(LATER, 0, LEASE)
    inbox.forget(LATER + 1, follower="wearer")
    left = inbox.claim(LATER + LEASE, 10, LEASE)
    assert {one.object_id for one in left} == {"mine", "in hand", "new"}


def test_what_was_held_by_a_clock_that_was_set_back_since_is_free(inbox: Inbox) -> None:
    inbox.accept([told()], NOON)
    [work] = due(inbox)
    inbox.retry(work, NOON)
    [lost] = inbox.claim(LATER + 5 * LEASE, 10, LEASE)
    assert inbox.work_due(LATER) == NOON
    [again] = inbox.claim(LATER, 10, LEASE)
    assert not inbox.finish(lost)
    assert inbox.claim(LATER, 10, LEASE) == []
    assert inbox.claim(NOON, 10, LEASE) == [], "a small correction ends no lease"
    assert inbox.finish(again)


# --- For a handler ---


def test_events_are_handed_out_in_the_order_they_came(inbox: Inbox) -> None:
    events = [told(name, time=time) for name, time in (("c", 3), ("a", 1), ("b", 2))]
    for step, event in enumerate(events):
        inbox.accept([event], NOON + step)
    assert inbox.due() == NOON
    taken = inbox.take(NOON + 5, 10, LEASE)
    assert [one.event for one in taken] == events
    assert inbox.take(NOON + 5, 10, LEASE) == []
    assert inbox.due() == NOON + 5 + LEASE


def test_what_was_handled_is_not_handed_out_again(inbox: Inbox) -> None:
    inbox.accept([told()], NOON)
    [one] = inbox.take(NOON, 10, LEASE)
    inbox.accept([told()], NOON, again=False)
    assert inbox.take(NOON, 10, LEASE) == []
    inbox.handled(one)
    inbox.accept([told()], NOON, again=False)
    assert inbox.due() is None


def test_what_was_put_off_comes_again_and_counts(inbox: Inbox) -> None:
    inbox.accept([told()], NOON)
    [one] = inbox.take(NOON, 10, LEASE)
    inbox.postpone(one, NOON + 7)
    assert inbox.due() == NOON + 7
    [again] = inbox.take(NOON + 7, 10, LEASE)
    assert (one.attempts, again.attempts) == (1, 2)
    inbox.handled(again)
    inbox.postpone(one, NOON)  # who comes too late changes nothing
    assert inbox.due() is None


@pytest.mark.parametrize("put_off", [False, True], ids=["taken", "put off"])
def test_what_waits_by_a_clock_that_was_set_back_since_is_handed_out(inbox: Inbox, *, put_off: bool) -> None:
    hours = 3 * 3_600_000
    inbox.accept([told()], NOON + hours)
    [one] = inbox.take(NOON + hours, 10, LEASE)
    if put_off:
        inbox.postpone(one, NOON + hours + LONGEST)
    assert inbox.take(NOON + hours + 1, 10, LEASE) == []
    [again] = inbox.take(NOON, 10, LEASE)
    assert again.key == one.key
    inbox.postpone(again, NOON + LONGEST)
    assert inbox.take(NOON, 10, LEASE) == [], "what is put off by the new time waits"


# --- Whatever happens, in whatever order ---


class Days(RuleBasedStateMachine):
    """Changes are told; whoever fetches may die or come late. In the end all that changed was fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.archive = Archive.open(":memory:")
        self.inbox = Inbox(self.archive)
        self.now = NOON
        self.state: dict[str, int] = {}
        """What stands at Oura."""
        self.fetched: dict[str, int] = {}
        self.under_way: list[tuple[Work, int]] = []

    @rule(object=st.sampled_from("abc"), second=st.integers(0, 1))
    def change(self, object: str, second: int) -> None:
        self.state[object] = self.state.get(object, 0) + 1
        self.inbox.accept([told(object, time=second)], self.now)

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        for work in self.inbox.claim(self.now, limit, LEASE):
            self.under_way.append((work, self.state[work.object_id]))

    @rule(seconds=st.sampled_from([1, 61]))
    def wait(self, seconds: int) -> None:
        self.now += seconds * 1000

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), ending=st.sampled_from(["finish", "retry", "die"]))
    def end(self, data: st.DataObject, ending: str) -> None:
        work, seen = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        if ending == "finish" and self.inbox.finish(work):
            self.fetched[work.object_id] = max(seen, self.fetched.get(work.object_id, 0))
        elif ending == "retry":
            self.inbox.retry(work, self.now)

    @invariant()
    def one_at_a_time(self) -> None:
        rows = self.inbox.db.all("SELECT key FROM webhook_inbox ORDER BY key")
        assert all(one != other for one, other in pairwise(rows))

    def teardown(self) -> None:
        for _ in range(3):
            self.now += LEASE + PAUSE
            for work in self.inbox.claim(self.now, 10, LEASE):
                assert self.inbox.finish(work)
                self.fetched[work.object_id] = self.state[work.object_id]
        assert self.fetched == self.state
        assert self.inbox.waiting() == 0
        self.archive.close()


TestDays = Days.TestCase
TestDays.settings = settings(stateful_step_count=30)
