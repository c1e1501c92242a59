"""The inbox, on both databases: every event is stored once, and stays until it has been dealt with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from ringlet._receiver.handler_worker import HANDLER_RETRY_MAX_MS
from ringlet._receiver.inbox import Inbox
from ringlet.archive import Archive
from ringlet.webhooks import Event

NOON = 1_770_000_000_000
LEASE = 60_000


def event(object: str = "a", *, time: int = 0, type: str = "update", user: str = "wearer") -> Event:
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


def test_an_event_is_stored_once_however_often_it_comes(inbox: Inbox) -> None:
    inbox.accept([event(), event(), event("b")], NOON)
    inbox.accept([event()], NOON)
    assert keys(inbox) == sorted([event().key, event("b").key])


def test_events_are_stored_all_or_none(inbox: Inbox) -> None:
    with pytest.raises(ZeroDivisionError):
        accept_and_fail(inbox)
    assert keys(inbox) == []
    assert inbox.pending() == 0


def accept_and_fail(inbox: Inbox) -> None:
    with inbox.archive.transaction():
        inbox.accept([event("a"), event("b")], NOON)
        raise ZeroDivisionError


def test_two_inboxes_on_one_archive_are_one(inbox: Inbox, place: str) -> None:
    inbox.accept([event()], NOON)
    with Archive.open(place) as other:
        assert Inbox(other).pending() == 1


def test_concurrent_receivers_of_the_same_events_lose_nothing(inbox: Inbox, place: str) -> None:
    events = [event(str(number)) for number in range(50)]

    def somebody(turn: int) -> None:
        with Archive.open(place) as mine:
            theirs = Inbox(mine)
            for _ in range(5):
                theirs.accept(events[::-1] if turn % 2 else events, NOON)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(somebody, range(4)))
    assert len(keys(inbox)) == 50


def test_events_are_taken_in_the_order_they_came(inbox: Inbox) -> None:
    events = [event(name, time=time) for name, time in (("c", 3), ("a", 1), ("b", 2))]
    for step, one in enumerate(events):
        inbox.accept([one], NOON + step)
    assert inbox.next_due() == NOON
    taken = inbox.take(NOON + 5, 10, LEASE)
    assert [one.event for one in taken] == events
    assert inbox.take(NOON + 5, 10, LEASE) == []
    assert inbox.next_due() == NOON + 5 + LEASE


def test_a_handled_event_is_not_taken_again(inbox: Inbox) -> None:
    inbox.accept([event()], NOON)
    [one] = inbox.take(NOON, 10, LEASE)
    inbox.accept([event()], NOON, reopen=False)
    assert inbox.take(NOON, 10, LEASE) == []
    inbox.mark_handled(one)
    inbox.accept([event()], NOON, reopen=False)
    assert inbox.next_due() is None


def test_a_postponed_event_is_taken_again_and_its_attempts_are_counted(inbox: Inbox) -> None:
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
def test_an_event_that_was_put_off_before_the_clock_was_set_back_is_due(
    inbox: Inbox, *, put_off: bool
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
