"""The sender, against callbacks that behave and callbacks that do not."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ringlet._api.catalog import TYPES
from ringlet._cloud.app import Cloud
from ringlet._cloud.core.clock import Clock
from ringlet._cloud.webhooks.deliveries import Outcome
from ringlet._cloud.webhooks.sender import Policy
from ringlet._net.addresses import AddressPolicy
from ringlet._oauth.scopes import SCOPES
from ringlet._webhooks.subscriptions import SUBSCRIPTION_LIFETIME
from ringlet.archive import Archive
from ringlet.errors import ArchiveError, EventRejected
from ringlet.webhooks import DATA_TYPES, verify

from ...timed import below
from ..untrusted_server import UntrustedServer, untrusted_server
from ..webhook_service import WebhookService, running, wait_until

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RETRY_DELAYS = [timedelta(milliseconds=20)] * 10


@pytest.fixture
def service(place: str) -> Iterator[WebhookService]:
    with Archive.open(place) as archive:
        yield WebhookService(archive)


@pytest.fixture
def sqlite_service(tmp_path: Path) -> Iterator[WebhookService]:
    """The webhook service on SQLite only, for tests in which the database makes no difference."""
    with Archive.open(tmp_path / "cloud.db") as archive:
        yield WebhookService(archive, retries=RETRY_DELAYS)


def with_untrusted_server(work: Callable[[UntrustedServer], Awaitable[None]]) -> None:
    async def main() -> None:
        async with untrusted_server() as server:
            await work(server)

    asyncio.run(main())


def received_object_ids(server: UntrustedServer) -> list[str]:
    return [json.loads(request.body)["object_id"] for request in server.requests]


def test_every_event_is_delivered_once_with_ouras_signature(service: WebhookService) -> None:
    client_id, secret = service.register_app()

    async def work(server: UntrustedServer) -> None:
        service.subscribe(server.url("ok?mine=1"), client_id=client_id)
        async with running(service.sender()):
            ids = service.publish(50)
            await wait_until(lambda: not service.deliveries.due())
        assert sorted(received_object_ids(server)) == sorted(ids)
        for request in server.requests:
            event = verify(secret, request.headers, request.body, now=time.time())
            assert (event.event_type, event.data_type, event.user_id) == ("update", "sleep", "wearer")
            assert request.headers["content-type"] == "application/json"
            assert request.target == "/ok?mine=1"
        assert service.deliveries.counts()["delivered"] == 50

    with_untrusted_server(work)


def test_two_senders_on_one_archive_deliver_everything_once_between_them(service: WebhookService) -> None:
    async def work(server: UntrustedServer) -> None:
        service.subscribe(server.url("ok"))
        ids = service.publish(300)
        with Archive.open(service.archive.path) as archive:
            other = WebhookService(archive)
            # An attempt that a busy machine lets time out would be due much later.
            async with running(service.sender(deadline=30), other.sender(deadline=30)):
                await wait_until(lambda: not service.deliveries.due())
        assert Counter(received_object_ids(server)) == Counter(ids)

    with_untrusted_server(work)


def test_a_stored_document_sends_its_event_without_delay(tmp_path: Path) -> None:
    async def work(server: UntrustedServer) -> None:
        with Archive.open(tmp_path / "cloud.db") as archive:
            cloud = Cloud(archive, callbacks=AddressPolicy("dev"))
            user = archive.user("wearer")
            client_id, _ = cloud.grants.apps.register("Subscriber", [])
            cloud.grants.issue(client_id, user, SCOPES)
            cloud.subscriptions.create(client_id, server.url("ok"), "create", "daily_sleep")
            async with cloud.running():
                archive.put(user, TYPES["daily_sleep"], b'[{"id":"n1","day":"2026-03-01","timestamp":"x"}]')
                await wait_until(lambda: received_object_ids(server) == ["n1"])
                await wait_until(lambda: not cloud.deliveries.due())

    with_untrusted_server(work)


@pytest.mark.parametrize("behaviour", ["500", "404", "429", "reset", "hang", "garbage", "slow-body"])
def test_a_failed_attempt_is_retried_until_one_succeeds(
    sqlite_service: WebhookService, behaviour: str
) -> None:
    async def work(server: UntrustedServer) -> None:
        behaviours = iter([behaviour, behaviour])
        server.choose_behaviour = lambda _: next(behaviours, "ok")
        sqlite_service.subscribe(server.url("any"))
        [id] = sqlite_service.publish()
        # On a busy machine a short deadline would end other attempts as well.
        deadline = 0.2 if behaviour in ("hang", "slow-body") else 10
        async with running(sqlite_service.sender(deadline=deadline)):
            await wait_until(lambda: sqlite_service.deliveries.counts()["delivered"] == 1)
        assert received_object_ids(server) == [id] * 3
        [delivery] = sqlite_service.delivery_list.page()
        tried = sqlite_service.delivery_list.attempts(delivery.id)
        assert [one.good for one in tried] == [False, False, True]
        assert [bool(one.reason) for one in tried] == [one.status is None for one in tried]
        assert [one.signature for one in tried] == [
            request.headers["x-oura-signature"] for request in server.requests
        ]

    with_untrusted_server(work)


def test_retries_are_due_on_the_clouds_clock(tmp_path: Path) -> None:
    async def work(server: UntrustedServer) -> None:
        with Archive.open(tmp_path / "cloud.db") as archive:
            service = WebhookService(archive, Clock(NOW))
            service.subscribe(server.url("500"))
            service.publish()
            sender = service.sender(Policy(poll_s=0.02, slow_pause_s=0.0))
            async with running(sender):
                for tries in range(1, 12):
                    await wait_until(lambda: len(server.requests) == tries and not service.deliveries.due())  # noqa: B023
                    assert len(server.requests) == tries
                    service.clock.advance(timedelta(minutes=20))
                    service.deliveries.wakeup.notify()
            assert service.deliveries.counts()["failed"] == 1

    with_untrusted_server(work)


def test_signatures_carry_the_real_time_whatever_the_clouds_clock_shows(tmp_path: Path) -> None:
    """A receiver compares the time with its own clock."""

    async def work(server: UntrustedServer) -> None:
        with Archive.open(tmp_path / "cloud.db") as archive:
            service = WebhookService(archive, Clock(NOW))
            client_id, secret = service.register_app()
            service.subscribe(server.url("ok"), client_id=client_id)
            service.publish()
            async with running(service.sender()):
                await wait_until(lambda: len(server.requests) == 1)
        [request] = server.requests
        assert verify(secret, request.headers, request.body, now=time.time(), tolerance=timedelta(minutes=1))

    with_untrusted_server(work)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(sqlite_service: WebhookService, status: int) -> None:
    async def work(server: UntrustedServer) -> None:
        sqlite_service.subscribe(server.url(f"{status}?retry=100"))
        sqlite_service.publish()
        async with running(sqlite_service.sender()):
            await wait_until(lambda: sqlite_service.delivery_list.page()[0].attempts == 1)
        due = sqlite_service.deliveries.next_due()
        assert due is not None
        assert 90_000 < due - sqlite_service.clock.ms() <= 100_000

    with_untrusted_server(work)


def test_the_headers_and_body_of_a_response_are_stored(sqlite_service: WebhookService) -> None:
    async def work(server: UntrustedServer) -> None:
        sqlite_service.subscribe(server.url("429?retry=7"))
        async with running(sqlite_service.sender()):
            sqlite_service.publish()
            await wait_until(lambda: bool(sqlite_service.delivery_list.page(limit=1)[0].attempts))
        [tried] = sqlite_service.delivery_list.attempts(sqlite_service.delivery_list.page()[0].id)
        assert (tried.status, tried.response) == (429, b"so be it")
        assert tried.response_headers == {"content-length": "8", "retry-after": "7"}

    with_untrusted_server(work)


def test_nothing_is_sent_after_a_410(sqlite_service: WebhookService) -> None:
    async def work(server: UntrustedServer) -> None:
        sqlite_service.subscribe(server.url("410"))
        sqlite_service.publish(200)
        async with running(sqlite_service.sender(Policy(max_requests_per_receiver=4))):
            await wait_until(lambda: not sqlite_service.deliveries.due())
            count = len(server.requests)
            assert count <= 4
            sqlite_service.publish(10)
            await asyncio.sleep(0.1)
        assert len(server.requests) == count
        assert sqlite_service.deliveries.counts()["waiting"] == 0

    with_untrusted_server(work)


def test_nothing_is_sent_for_a_subscription_that_expired_or_was_deleted(
    sqlite_service: WebhookService,
) -> None:
    async def work(server: UntrustedServer) -> None:
        deleted = sqlite_service.subscribe(server.url("ok?1"))
        sqlite_service.subscribe(server.url("ok?2"))
        sqlite_service.publish()
        sqlite_service.deliveries.unsubscribe(deleted.client_id, deleted.id)
        sqlite_service.clock.advance(SUBSCRIPTION_LIFETIME)
        async with running(sqlite_service.sender()):
            await asyncio.sleep(0.1)
        assert not server.requests

    with_untrusted_server(work)


def test_each_attempt_is_signed_with_the_applications_current_secret(sqlite_service: WebhookService) -> None:
    client_id, old = sqlite_service.register_app()
    new: list[str] = []

    def choose(_: object) -> str:
        if not new:
            new.append(sqlite_service.apps.rotate_secret(client_id))
            return "500"
        return "ok"

    async def work(server: UntrustedServer) -> None:
        server.choose_behaviour = choose
        sqlite_service.subscribe(server.url("any"), client_id=client_id)
        sqlite_service.publish()
        async with running(sqlite_service.sender()):
            await wait_until(lambda: len(server.requests) == 2)
        first, second = server.requests
        assert verify(old, first.headers, first.body, now=time.time())
        assert verify(new[0], second.headers, second.body, now=time.time())
        with pytest.raises(EventRejected):
            verify(old, second.headers, second.body, now=time.time())

    with_untrusted_server(work)


def test_a_private_callback_address_fails_and_the_attempt_says_what_would_allow_it(
    sqlite_service: WebhookService,
) -> None:
    async def work(server: UntrustedServer) -> None:
        sqlite_service.subscribe(server.url("ok", "192.168.0.1"))
        sqlite_service.publish()
        async with running(sqlite_service.sender()):
            await wait_until(lambda: sqlite_service.delivery_list.page()[0].attempts == 1)
        [attempt] = sqlite_service.delivery_list.attempts(sqlite_service.delivery_list.page()[0].id)
        assert attempt.status is None
        assert "callbacks lan:" in attempt.reason

    with_untrusted_server(work)


def test_an_event_that_cannot_be_signed_is_not_sent(sqlite_service: WebhookService) -> None:
    async def work(server: UntrustedServer) -> None:
        client_id, _ = sqlite_service.apps.register("Public", [], public=True)
        sqlite_service.grants.issue(client_id, sqlite_service.user, SCOPES)
        sqlite_service.subscribe(server.url("ok"), client_id=client_id)
        sqlite_service.publish()
        async with running(sqlite_service.sender()):
            await wait_until(lambda: sqlite_service.delivery_list.page()[0].attempts == 1)
        [attempt] = sqlite_service.delivery_list.attempts(sqlite_service.delivery_list.page()[0].id)
        assert "no client secret" in attempt.reason
        assert not server.requests

    with_untrusted_server(work)


def test_a_receiver_gets_few_requests_at_a_time_however_many_subscriptions_it_has(
    sqlite_service: WebhookService,
) -> None:
    async def work(server: UntrustedServer) -> None:
        client_id, _ = sqlite_service.register_app()
        for data_type in ("sleep", "workout", "session"):
            sqlite_service.subscribe(server.url("hang"), data_type, client_id=client_id)
            sqlite_service.publish(20, data_type)
        async with running(
            sqlite_service.sender(Policy(max_requests_per_receiver=6, stop_grace_s=0), deadline=0.5)
        ):
            await wait_until(lambda: len(server.requests) == 6)
            await asyncio.sleep(0.2)
            assert len(server.requests) == 6
            assert len({json.loads(request.body)["data_type"] for request in server.requests}) == 3, (
                "each subscription gets its share"
            )

    with_untrusted_server(work)


def test_a_hanging_receiver_does_not_delay_another(sqlite_service: WebhookService) -> None:
    async def work(server: UntrustedServer) -> None:
        async with untrusted_server() as hanging:
            sqlite_service.subscribe(hanging.url("hang"))
            sqlite_service.subscribe(server.url("ok"))
            ids = sqlite_service.publish(100)
            async with running(
                sqlite_service.sender(
                    Policy(max_requests=20, max_requests_per_receiver=16, stop_grace_s=0), deadline=5
                )
            ):
                await wait_until(lambda: len(server.requests) == 100, 3)
            assert sorted(received_object_ids(server)) == sorted(ids)

    with_untrusted_server(work)


def test_an_unresponsive_receiver_does_not_delay_another_even_on_its_host(
    sqlite_service: WebhookService,
) -> None:
    async def work(server: UntrustedServer) -> None:
        for behaviour in ("hang", "500", "reset", "interim"):
            sqlite_service.subscribe(server.url(behaviour))
        sqlite_service.subscribe(server.url("ok"), "workout")
        sqlite_service.publish(100)
        published_at: dict[str, float] = {}
        async with running(sqlite_service.sender(Policy(stop_grace_s=0), deadline=0.5)):
            for _ in range(150):
                [id] = sqlite_service.publish(1, "workout")
                published_at[id] = time.time()
                await asyncio.sleep(0.02)

            def received_at() -> dict[str, float]:
                return {
                    json.loads(one.body)["object_id"]: one.at
                    for one in server.requests
                    if one.behaviour == "ok"
                }

            await wait_until(lambda: received_at().keys() == published_at.keys(), 3)
        delays = sorted(at - published_at[id] for id, at in received_at().items())
        assert below(delays[len(delays) * 95 // 100], 0.3)

    with_untrusted_server(work)


def test_one_application_with_many_slow_receivers_does_not_take_all_requests(
    sqlite_service: WebhookService,
) -> None:
    async def main() -> None:
        async with untrusted_server(host="0.0.0.0") as server:
            greedy, _ = sqlite_service.register_app()
            for number, data_type in enumerate(DATA_TYPES[:9], 1):
                sqlite_service.subscribe(server.url("late", f"127.0.0.{number}"), data_type, client_id=greedy)
                sqlite_service.publish(40, data_type)
            sqlite_service.subscribe(server.url("ok", "127.0.0.99"), DATA_TYPES[9])
            async with running(
                sqlite_service.sender(Policy(max_requests=20, max_requests_per_receiver=8, stop_grace_s=0))
            ):
                await wait_until(lambda: len(server.requests) == 10)
                await asyncio.sleep(0.1)
                assert len(server.requests) == 10, "as many as the limits allow"
                began = time.monotonic()
                sqlite_service.publish(20, DATA_TYPES[9])
                await wait_until(lambda: sum(one.behaviour == "ok" for one in server.requests) == 20)
                assert below(time.monotonic() - began, 0.5)

    asyncio.run(main())


def test_events_about_a_disconnected_wearer_are_not_sent_and_their_attempts_say_so(
    sqlite_service: WebhookService,
) -> None:
    async def work(server: UntrustedServer) -> None:
        one = sqlite_service.subscribe(server.url("ok"))
        sqlite_service.publish(3)
        sqlite_service.grants.disconnect(sqlite_service.user, one.client_id)
        async with running(sqlite_service.sender()):
            await wait_until(lambda: sqlite_service.deliveries.counts()["failed"] == 3)
        assert not server.requests
        for delivery in sqlite_service.delivery_list.page():
            [attempt] = sqlite_service.delivery_list.attempts(delivery.id)
            assert "disconnected" in attempt.reason

    with_untrusted_server(work)


def test_the_state_of_a_receiver_is_dropped_when_it_succeeds_or_gets_no_more_events(
    sqlite_service: WebhookService,
) -> None:
    async def work(server: UntrustedServer) -> None:
        sender = sqlite_service.sender(Policy(poll_s=0.01, prune_every_s=0.05))
        sqlite_service.subscribe(server.url("ok"))
        bad = sqlite_service.subscribe(server.url("500"), "workout")
        sqlite_service.publish(20)
        sqlite_service.publish(1, "workout")
        async with running(sender):
            await wait_until(lambda: sqlite_service.deliveries.counts()["delivered"] == 20)
            sqlite_service.deliveries.unsubscribe(bad.client_id, bad.id)
            await wait_until(lambda: not sender._receivers)
            assert not sender._under_way_of

    with_untrusted_server(work)


def test_a_failing_receiver_is_slowed_down_until_an_attempt_succeeds(sqlite_service: WebhookService) -> None:
    async def work(server: UntrustedServer) -> None:
        server.choose_behaviour = lambda _: "500" if len(server.requests) <= 40 else "ok"
        sqlite_service.subscribe(server.url("any"))
        sqlite_service.publish(200)
        policy = Policy(max_requests_per_receiver=8, failures_until_slow=3, slow_pause_s=0.02)
        began = time.monotonic()
        async with running(sqlite_service.sender(policy)):
            await wait_until(lambda: sqlite_service.deliveries.counts()["delivered"] == 200)
        assert time.monotonic() - began > (40 - 16) * 0.02

    with_untrusted_server(work)


def test_a_receiver_that_fails_now_and_then_is_not_slowed_down(sqlite_service: WebhookService) -> None:
    async def work(server: UntrustedServer) -> None:
        # One hangs all the time, so that the receiver is remembered after each success, too.
        server.choose_behaviour = lambda _: (
            "hang" if len(server.requests) == 1 else "500" if len(server.requests) % 3 else "ok"
        )
        sqlite_service.subscribe(server.url("any"))
        sqlite_service.publish(11)
        async with running(
            sqlite_service.sender(
                Policy(max_requests_per_receiver=2, failures_until_slow=3, slow_pause_s=60.0, stop_grace_s=0),
                deadline=30,
            )
        ):
            await wait_until(lambda: sqlite_service.deliveries.counts()["delivered"] == 10)

    with_untrusted_server(work)


def test_an_outcome_that_could_not_be_stored_is_stored_later(
    sqlite_service: WebhookService, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, lost_outcomes = sqlite_service.deliveries.finish, list[int]()

    def fails_once(outcomes: list[Outcome]) -> None:
        finish(outcomes)
        if outcomes and not lost_outcomes:
            lost_outcomes.append(len(outcomes))
            raise ArchiveError("no space is left")

    monkeypatch.setattr(sqlite_service.deliveries, "finish", fails_once)

    async def work(server: UntrustedServer) -> None:
        sqlite_service.subscribe(server.url("ok"))
        ids = sqlite_service.publish(5)
        async with running(sqlite_service.sender(Policy(poll_s=0.01))):
            await wait_until(lambda: sqlite_service.deliveries.counts()["delivered"] == 5)
        assert lost_outcomes
        assert Counter(received_object_ids(server)) == Counter(ids)

    with_untrusted_server(work)


def test_a_locked_archive_delays_the_sender_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cloud.db"

    async def work(server: UntrustedServer) -> None:
        with Archive.open(path) as archive:
            archive.wait_at_most(0.01)
            service = WebhookService(archive)
            service.subscribe(server.url("ok"))
            ids = service.publish(20)
            async with running(service.sender(Policy(poll_s=0.01, max_backoff_s=0.05))):
                await wait_until(lambda: len(server.requests) > 0)
                lock = sqlite3.connect(path, isolation_level=None)
                lock.execute("BEGIN IMMEDIATE")
                await asyncio.sleep(0.3)
                lock.execute("ROLLBACK")
                lock.close()
                await wait_until(lambda: service.deliveries.counts()["delivered"] == 20)
            assert Counter(received_object_ids(server)) == Counter(ids), (
                "an event that was answered is not sent twice"
            )

    with_untrusted_server(work)


def test_lost_database_connections_delay_the_sender_and_lose_nothing(postgres: str) -> None:
    async def work(server: UntrustedServer) -> None:
        with Archive.open(postgres) as archive, Archive.open(postgres) as another:
            service = WebhookService(archive)
            service.subscribe(server.url("ok"))
            async with running(service.sender(Policy(poll_s=0.01, max_backoff_s=0.05))):
                for _ in range(3):
                    service.publish(5)
                    await asyncio.sleep(0.02)
                    another.database.all(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                    await asyncio.sleep(0.2)
                await wait_until(lambda: WebhookService(another).deliveries.counts()["delivered"] == 15)

    with_untrusted_server(work)


def test_a_stopping_sender_finishes_its_requests_and_releases_the_other_claims(
    sqlite_service: WebhookService,
) -> None:
    async def work(server: UntrustedServer) -> None:
        async with untrusted_server() as hanging:
            sqlite_service.subscribe(server.url("ok"))
            sqlite_service.subscribe(hanging.url("hang"))
            sqlite_service.publish(3)
            async with running(sqlite_service.sender(Policy(stop_grace_s=0.1), deadline=30)):
                await wait_until(lambda: len(hanging.requests) == 3)
            assert sqlite_service.deliveries.counts() == {"waiting": 3, "delivered": 3, "failed": 0}
            assert len(sqlite_service.claim()) == 3, "no lease is left behind"

    with_untrusted_server(work)


def test_a_sender_finds_events_that_another_process_published(sqlite_service: WebhookService) -> None:
    async def work(server: UntrustedServer) -> None:
        sqlite_service.subscribe(server.url("ok"))
        async with running(sqlite_service.sender(Policy(poll_s=0.05))):
            await asyncio.sleep(0.1)
            with Archive.open(sqlite_service.archive.path) as archive:
                WebhookService(archive).publish(3)
            await wait_until(lambda: len(server.requests) == 3, 2)

    with_untrusted_server(work)


def test_no_secret_of_a_callback_url_is_stored_or_logged(sqlite_service: WebhookService) -> None:
    async def work(server: UntrustedServer) -> None:
        for behaviour in ("reset", "garbage", "hang"):
            sqlite_service.subscribe(server.url(f"{behaviour}?key=canary"))
        sqlite_service.publish()
        async with running(sqlite_service.sender(deadline=0.1)):
            await wait_until(lambda: all(one.attempts for one in sqlite_service.delivery_list.page()))
        for delivery in sqlite_service.delivery_list.page():
            for attempt in sqlite_service.delivery_list.attempts(delivery.id):
                assert "canary" not in attempt.reason

    with_untrusted_server(work)
