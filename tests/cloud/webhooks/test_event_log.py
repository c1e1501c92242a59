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

from ..webhook_service import WebhookService, outcome
from .test_subscriptions import rows

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "https://one.example/"
SLEEP = TYPES["daily_sleep"]


@pytest.fixture
def service(place: str) -> Iterator[WebhookService]:
    with Archive.open(place) as archive:
        service = WebhookService(archive, Clock(NOW))
        archive.observer = service.publisher.observe
        yield service


def night(id: str, score: int = 80) -> bytes:
    return json.dumps({"id": id, "day": "2026-01-01", "score": score}).encode()


def told(service: WebhookService) -> list[tuple[str, str]]:
    return [(one.event_type, json.loads(one.body)["object_id"]) for one in service.event_log.after(0)]


def test_each_change_of_a_document_is_an_event_for_its_subscribers(service: WebhookService) -> None:
    subscribed = service.subscribe(URL, "daily_sleep", "update")
    for body in (night("a"), night("a"), night("a", 81)):
        service.archive.put(service.user, SLEEP, body)
    service.archive.delete(service.user, SLEEP, "a")
    assert told(service) == [("create", "a"), ("update", "a"), ("delete", "a")]
    [delivery] = service.delivery_list.page()
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


def test_a_change_that_is_rolled_back_publishes_no_event(service: WebhookService) -> None:
    service.subscribe(URL, "daily_sleep", "create")

    def change_and_fail() -> None:
        with service.archive.transaction():
            service.archive.put(service.user, SLEEP, night("a"))
            assert told(service)
            raise UsageError("no")

    with pytest.raises(UsageError):
        change_and_fail()
    assert told(service) == []
    assert rows(service)["deliveries"] == 0


def test_data_types_without_webhooks_publish_no_events(service: WebhookService) -> None:
    service.archive.put(service.user, TYPES["personal_info"], b'{"id": "me", "age": 40}')
    assert told(service) == []


def test_only_active_subscriptions_of_connected_applications_are_notified(service: WebhookService) -> None:
    notified = service.subscribe(URL)
    service.subscribe(URL, "tag")
    service.subscribe(URL, "sleep", "delete")
    ended = service.subscribe(URL)
    service.deliveries.unsubscribe(ended.client_id, ended.id)
    unconnected, _ = service.apps.register("Unconnected", [])
    service.subscribe(URL, client_id=unconnected)
    left = service.subscribe(URL)
    service.grants.disconnect(service.user, left.client_id)
    deleted = service.subscribe(URL)
    service.apps.delete(deleted.client_id)
    other = service.archive.user("somebody else")
    assert service.publisher.publish(service.user, "update", "sleep", "a").deliveries == 1
    assert service.publisher.publish(other, "update", "sleep", "b").deliveries == 0
    assert [one.subscription_id for one in service.delivery_list.page()] == [notified.id]
    service.clock.advance(SUBSCRIPTION_LIFETIME)
    assert service.publisher.publish(service.user, "update", "sleep", "c").deliveries == 0


def test_events_of_a_ring_sync_are_due_half_a_minute_later(service: WebhookService) -> None:
    service.subscribe(URL, "daily_sleep", "create")
    when = to_ms(NOW - timedelta(hours=1))
    [published] = service.publisher.put(
        service.user, SLEEP, night("a"), seen_at=service.clock.ms(), synced_at=when
    )
    service.archive.put(service.user, SLEEP, night("b"))
    now, then = service.delivery_list.page()
    assert (then.at, then.due_at) == (when, when + SYNC_LATENCY // MILLISECOND)
    assert (now.at, now.due_at) == (service.clock.ms(), service.clock.ms())
    assert (published.seq, published.deliveries, published.event.body) == (1, 1, then.body)


def test_a_reader_of_the_log_never_misses_an_event_with_a_lower_number(
    place: str, service: WebhookService
) -> None:
    """Four writers, and a reader beside them: numbers come in the order of commits."""
    del service
    writers, each = 4, 25

    def write() -> None:
        with Archive.open(place) as archive:
            publisher = WebhookService(archive, Clock(NOW)).publisher
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


def test_a_log_has_a_permanent_unique_id(place: str, service: WebhookService) -> None:
    name = service.event_log.id
    with Archive.open(place) as again, Archive.open(":memory:") as another:
        assert EventLog(again, Clock(NOW)).id == name
        assert EventLog(another, Clock(NOW)).id != name


# --- Several at once ---


@pytest.fixture
def other_service(place: str, service: WebhookService) -> Iterator[WebhookService]:
    """Another process: its own connection, which waits long for a lock and publishes changes."""
    with Archive.open(place, timeout=20) as archive:
        one = WebhookService(archive, service.clock)
        archive.observer = one.publisher.observe
        yield one


def start_thread(work: Callable[[], object]) -> tuple[Thread, list[Exception]]:
    """Start `work` in a thread; return the thread and the list of errors it will have raised."""
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
def test_no_delivery_is_left_for_a_subscription_that_ends_while_its_event_is_logged(
    service: WebhookService, other_service: WebhookService, end: str
) -> None:
    subscribed = service.subscribe(URL)

    def end_it() -> None:
        if end == "deleted":
            other_service.deliveries.unsubscribe(subscribed.client_id, subscribed.id)
        else:
            with other_service.subscriptions.locked(subscribed.client_id):
                other_service.deliveries.delete_all_of(subscribed.client_id)

    with service.archive.transaction():
        service.publish()
        thread, failed = start_thread(end_it)
        thread.join(0.3)
    thread.join()
    assert not failed
    assert rows(service)["deliveries"] == 0


def test_two_transactions_that_change_the_same_types_in_opposite_order_do_not_deadlock(
    service: WebhookService, other_service: WebhookService
) -> None:
    """The timeline of the wearer and a triggered event do so."""
    begun = Event()

    def trigger() -> None:
        assert begun.wait(10)
        other_service.archive.put(
            other_service.user, TYPES["daily_activity"], b'{"id": "c", "day": "2026-01-01"}'
        )

    thread, failed = start_thread(trigger)
    with service.archive.transaction():
        service.archive.put(service.user, SLEEP, night("a"))
        begun.set()
        time.sleep(0.3)
        service.archive.put(service.user, TYPES["daily_activity"], b'{"id": "b", "day": "2026-01-01"}')
    thread.join()
    assert not failed
    assert told(service) == [("create", "a"), ("create", "b"), ("create", "c")]


def test_a_rollback_leaves_no_gap_in_the_event_numbers(service: WebhookService) -> None:
    service.publish()

    def fail() -> None:
        with service.archive.transaction():
            service.publish()
            raise UsageError("no")

    with pytest.raises(UsageError):
        fail()
    service.publish()
    assert [one.seq for one in service.event_log.after(0)] == [1, 2]


# --- How long ---


def test_the_log_is_pruned_from_its_beginning_up_to_the_first_waiting_delivery(
    service: WebhookService,
) -> None:
    assert (service.event_log.oldest, service.event_log.newest) == (1, 0)
    subscribed = service.subscribe(URL)
    service.publish(2, "tag")
    [waits] = service.publish()
    after = service.publish(2, "tag")
    service.clock.advance(RETENTION + timedelta(seconds=1))
    [fresh] = service.publish(1, "tag")
    service.publisher.prune()
    assert [id for _, id in told(service)] == [waits, *after, fresh]
    assert service.event_log.oldest == 3
    service.deliveries.unsubscribe(subscribed.client_id, subscribed.id)
    service.publisher.prune()
    assert [id for _, id in told(service)] == [fresh]
    assert service.event_log.oldest == service.event_log.newest == 6


def test_only_old_events_whose_deliveries_have_ended_are_pruned(service: WebhookService) -> None:
    service.subscribe(URL)
    done, waits = service.publish(), service.publish()
    first, _ = service.claim()
    service.deliveries.finish([outcome(first, 200)])
    service.clock.advance(RETENTION + timedelta(seconds=1))
    fresh = service.publish()
    service.publisher.prune()
    assert [id for _, id in told(service)] == [*waits, *fresh]
    assert rows(service) == {"subscriptions": 1, "deliveries": 2, "attempts": 0}
    assert done[0] not in str(told(service))


def test_the_newest_event_is_never_pruned_so_that_no_number_is_given_twice(service: WebhookService) -> None:
    service.publish(3)
    newest = service.event_log.newest
    service.clock.advance(2 * RETENTION)
    service.publisher.prune()
    assert service.event_log.newest == newest
    assert len(told(service)) == 1
    service.publish()
    assert service.event_log.newest == newest + 1


def test_deliveries_that_can_never_be_sent_and_old_ended_subscriptions_are_pruned(
    service: WebhookService,
) -> None:
    service.subscribe(URL)
    service.publish()
    service.clock.advance(SUBSCRIPTION_LIFETIME)
    assert not service.deliveries.ready()
    service.publisher.prune()
    assert rows(service)["deliveries"] == 0
    ended = service.subscribe("https://two.example/")
    service.deliveries.unsubscribe(ended.client_id, ended.id)
    service.publisher.prune()
    assert len(service.subscriptions.of(ended.client_id, ended=True)) == 1
    service.clock.advance(RETENTION + timedelta(seconds=1))
    service.publisher.prune()
    assert service.subscriptions.of(ended.client_id, ended=True) == []


def test_populating_a_wearer_publishes_no_events(place: str) -> None:
    with Archive.open(place) as archive:
        populate(archive, Clock(NOW), days=2, seed=7)
        assert EventLog(archive, Clock(NOW)).newest == 0
