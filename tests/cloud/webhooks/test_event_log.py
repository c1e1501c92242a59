"""The log of events: one for each change, in the order of their commits, for whom they are, and how long."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

import pytest

from ringlet._api.catalog import TYPES
from ringlet._api.windows import MILLISECOND, to_ms
from ringlet._cloud.core.clock import Clock
from ringlet._cloud.wearer.demo import populate
from ringlet._cloud.webhooks.event_log import EventLog
from ringlet._cloud.webhooks.publisher import RETENTION, SYNC_LATENCY
from ringlet._webhooks.events import MAX_EVENT_BYTES
from ringlet._webhooks.subscriptions import SUBSCRIPTION_LIFETIME
from ringlet.archive import Archive
from ringlet.errors import UsageError

from ..office import Office, outcome
from .test_subscriptions import rows

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "https://one.example/"
SLEEP = TYPES["daily_sleep"]


@pytest.fixture
def office(place: str) -> Iterator[Office]:
    with Archive.open(place) as archive:
        office = Office(archive, Clock(NOW))
        archive.observer = office.publisher.observe
        yield office


def night(id: str, score: int = 80) -> bytes:
    return json.dumps({"id": id, "day": "2026-01-01", "score": score}).encode()


def told(office: Office) -> list[tuple[str, str]]:
    return [(one.event_type, json.loads(one.body)["object_id"]) for one in office.log.after(0)]


def test_each_change_of_a_document_is_an_event_for_who_wants_to_hear_of_it(office: Office) -> None:
    subscribed = office.subscribe(URL, "daily_sleep", "update")
    for body in (night("a"), night("a"), night("a", 81)):
        office.archive.put(office.user, SLEEP, body)
    office.archive.delete(office.user, SLEEP, "a")
    assert told(office) == [("create", "a"), ("update", "a"), ("delete", "a")]
    [delivery] = office.listed.page()
    assert delivery.subscription_id == subscribed.id
    assert json.loads(delivery.body) == {
        "event_type": "update",
        "data_type": "daily_sleep",
        "object_id": "a",
        "event_time": "2026-03-01T12:00:00.000000+00:00",
        "user_id": "wearer",
    }
    assert json.dumps(json.loads(delivery.body), separators=(",", ":")).encode() == delivery.body
    assert len(delivery.body) < MAX_EVENT_BYTES


def test_what_is_undone_was_never_an_event(office: Office) -> None:
    office.subscribe(URL, "daily_sleep", "create")

    def change_and_fail() -> None:
        with office.archive.transaction():
            office.archive.put(office.user, SLEEP, night("a"))
            assert told(office)
            raise UsageError("no")

    with pytest.raises(UsageError):
        change_and_fail()
    assert told(office) == []
    assert rows(office)["deliveries"] == 0


def test_types_without_webhooks_are_no_events(office: Office) -> None:
    office.archive.put(office.user, TYPES["personal_info"], b'{"id": "me", "age": 40}')
    assert told(office) == []


def test_only_the_connected_living_and_interested_hear_of_a_wearer(office: Office) -> None:
    hears = office.subscribe(URL)
    office.subscribe(URL, "tag")
    office.subscribe(URL, "sleep", "delete")
    ended = office.subscribe(URL)
    office.deliveries.unsubscribe(ended.client_id, ended.id)
    stranger, _ = office.apps.register("Stranger", [])
    office.subscribe(URL, client_id=stranger)
    left = office.subscribe(URL)
    office.grants.disconnect(office.user, left.client_id)
    deleted = office.subscribe(URL)
    office.apps.delete(deleted.client_id)
    other = office.archive.user("somebody else")
    assert office.publisher.publish(office.user, "update", "sleep", "a").deliveries == 1
    assert office.publisher.publish(other, "update", "sleep", "b").deliveries == 0
    assert [one.subscription_id for one in office.listed.page()] == [hears.id]
    office.clock.advance(SUBSCRIPTION_LIFETIME)
    assert office.publisher.publish(office.user, "update", "sleep", "c").deliveries == 0


def test_what_comes_with_a_sync_of_the_ring_is_due_half_a_minute_later(office: Office) -> None:
    office.subscribe(URL, "daily_sleep", "create")
    when = to_ms(NOW - timedelta(hours=1))
    [published] = office.publisher.put(
        office.user, SLEEP, night("a"), seen_at=office.clock.ms(), synced_at=when
    )
    office.archive.put(office.user, SLEEP, night("b"))
    now, then = office.listed.page()
    assert (then.at, then.due_at) == (when, when + SYNC_LATENCY // MILLISECOND)
    assert (now.at, now.due_at) == (office.clock.ms(), office.clock.ms())
    assert (published.seq, published.deliveries, published.event.body) == (1, 1, then.body)


def test_whoever_reads_up_to_a_number_has_missed_nothing_before_it(place: str, office: Office) -> None:
    """Four writers, and a reader beside them: numbers come in the order of commits."""
    del office
    writers, each = 4, 25

    def write() -> None:
        with Archive.open(place) as archive:
            publisher = Office(archive, Clock(NOW)).publisher
            for number in range(each):
                with archive.transaction():
                    publisher.publish(1, "update", "sleep", f"first {number}")
                    publisher.publish(1, "update", "sleep", f"second {number}")

    threads = [Thread(target=write) for _ in range(writers)]
    for one in threads:
        one.start()
    with Archive.open(place) as archive:
        log = EventLog(archive, Clock(NOW))
        read: list[int] = []
        while len(read) < writers * each * 2:
            found = log.after(read[-1] if read else 0, limit=7)
            read += [one.seq for one in found]
        assert read == [one.seq for one in log.after(0, limit=1000)]
    for one in threads:
        one.join()


def test_a_log_has_a_name_that_stays_and_that_no_other_has(place: str, office: Office) -> None:
    name = office.log.id
    with Archive.open(place) as again, Archive.open(":memory:") as another:
        assert EventLog(again, Clock(NOW)).id == name
        assert EventLog(another, Clock(NOW)).id != name


# --- Several at once ---


@pytest.fixture
def other(place: str, office: Office) -> Iterator[Office]:
    """Another process, as it were."""
    with Archive.open(place, timeout=20) as archive:
        one = Office(archive, office.clock)
        archive.observer = one.publisher.observe
        yield one


def beside(work: Callable[[], object]) -> tuple[Thread, list[Exception]]:
    """A thread that does it, and what went wrong there."""
    failed: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            failed.append(error)

    thread = Thread(target=run)
    thread.start()
    return thread, failed


@pytest.mark.parametrize("end", ["deleted", "forgotten"])
def test_nothing_waits_for_a_subscription_that_ends_while_its_event_is_logged(
    office: Office, other: Office, end: str
) -> None:
    subscribed = office.subscribe(URL)

    def end_it() -> None:
        if end == "deleted":
            other.deliveries.unsubscribe(subscribed.client_id, subscribed.id)
        else:
            with other.subscriptions.locked(subscribed.client_id):
                other.deliveries.delete_all_of(subscribed.client_id)

    with office.archive.transaction():
        office.happen()
        thread, failed = beside(end_it)
        thread.join(0.3)
    thread.join()
    assert not failed
    assert rows(office)["deliveries"] == 0


def test_two_who_change_the_same_kinds_in_another_order_do_not_wait_for_each_other_forever(
    office: Office, other: Office
) -> None:
    """As the life of the wearer and an event by hand do."""
    begun = Event()

    def trigger() -> None:
        assert begun.wait(10)
        other.archive.put(other.user, TYPES["daily_activity"], b'{"id": "c", "day": "2026-01-01"}')

    thread, failed = beside(trigger)
    with office.archive.transaction():
        office.archive.put(office.user, SLEEP, night("a"))
        begun.set()
        time.sleep(0.3)
        office.archive.put(office.user, TYPES["daily_activity"], b'{"id": "b", "day": "2026-01-01"}')
    thread.join()
    assert not failed
    assert told(office) == [("create", "a"), ("create", "b"), ("create", "c")]


def test_what_is_undone_leaves_no_gap_in_the_numbers(office: Office) -> None:
    office.happen()

    def fail() -> None:
        with office.archive.transaction():
            office.happen()
            raise UsageError("no")

    with pytest.raises(UsageError):
        fail()
    office.happen()
    assert [one.seq for one in office.log.after(0)] == [1, 2]


# --- How long ---


def test_the_log_is_forgotten_from_its_beginning_as_far_as_nobody_is_still_to_hear_of_it(
    office: Office,
) -> None:
    assert (office.log.oldest, office.log.newest) == (1, 0)
    subscribed = office.subscribe(URL)
    office.happen(2, "tag")
    [waits] = office.happen()
    after = office.happen(2, "tag")
    office.clock.advance(RETENTION + timedelta(seconds=1))
    [fresh] = office.happen(1, "tag")
    office.publisher.prune()
    assert [id for _, id in told(office)] == [waits, *after, fresh]
    assert office.log.oldest == 3
    office.deliveries.unsubscribe(subscribed.client_id, subscribed.id)
    office.publisher.prune()
    assert [id for _, id in told(office)] == [fresh]
    assert office.log.oldest == office.log.newest == 6


def test_what_is_old_and_done_is_forgotten_and_nothing_else(office: Office) -> None:
    office.subscribe(URL)
    done, waits = office.happen(), office.happen()
    first, _ = office.claim()
    office.deliveries.finish([outcome(first, 200)])
    office.clock.advance(RETENTION + timedelta(seconds=1))
    fresh = office.happen()
    office.publisher.prune()
    assert [id for _, id in told(office)] == [*waits, *fresh]
    assert rows(office) == {"subscriptions": 1, "deliveries": 2, "attempts": 0}
    assert done[0] not in str(told(office))


def test_the_newest_event_stays_so_that_no_number_is_given_twice(office: Office) -> None:
    office.happen(3)
    newest = office.log.newest
    office.clock.advance(2 * RETENTION)
    office.publisher.prune()
    assert office.log.newest == newest
    assert len(told(office)) == 1
    office.happen()
    assert office.log.newest == newest + 1


def test_what_waits_in_vain_is_forgotten_and_what_ended_long_ago(office: Office) -> None:
    office.subscribe(URL)
    office.happen()
    office.clock.advance(SUBSCRIPTION_LIFETIME)
    assert not office.deliveries.ready()
    office.publisher.prune()
    assert rows(office)["deliveries"] == 0
    ended = office.subscribe("https://two.example/")
    office.deliveries.unsubscribe(ended.client_id, ended.id)
    office.publisher.prune()
    assert len(office.subscriptions.of(ended.client_id, ended=True)) == 1
    office.clock.advance(RETENTION + timedelta(seconds=1))
    office.publisher.prune()
    assert office.subscriptions.of(ended.client_id, ended=True) == []


def test_a_wearer_who_settles_in_makes_no_noise(place: str) -> None:
    with Archive.open(place) as archive:
        populate(archive, Clock(NOW), days=2, seed=7)
        assert EventLog(archive, Clock(NOW)).newest == 0
