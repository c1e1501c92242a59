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
from ..office import Office, running, until
from ..untrusted_server import UntrustedServer, untrusted_server

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOON = [timedelta(milliseconds=20)] * 10


@pytest.fixture
def office(place: str) -> Iterator[Office]:
    with Archive.open(place) as archive:
        yield Office(archive)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Office]:
    """On SQLite only: for what has nothing to do with the database."""
    with Archive.open(tmp_path / "cloud.db") as archive:
        yield Office(archive, retries=SOON)


def with_untrusted_server(work: Callable[[UntrustedServer], Awaitable[None]]) -> None:
    async def main() -> None:
        async with untrusted_server() as there:
            await work(there)

    asyncio.run(main())


def objects(there: UntrustedServer) -> list[str]:
    return [json.loads(seen.body)["object_id"] for seen in there.seen]


def test_every_event_is_delivered_once_signed_as_oura_signs(office: Office) -> None:
    client_id, secret = office.app()

    async def work(there: UntrustedServer) -> None:
        office.subscribe(there.url("ok?mine=1"), client_id=client_id)
        async with running(office.sender()):
            ids = office.happen(50)
            await until(lambda: not office.deliveries.due())
        assert sorted(objects(there)) == sorted(ids)
        for seen in there.seen:
            event = verify(secret, seen.headers, seen.body, now=time.time())
            assert (event.event_type, event.data_type, event.user_id) == ("update", "sleep", "wearer")
            assert seen.headers["content-type"] == "application/json"
            assert seen.target == "/ok?mine=1"
        assert office.deliveries.counts()["delivered"] == 50

    with_untrusted_server(work)


def test_two_senders_on_one_archive_deliver_everything_once_between_them(office: Office) -> None:
    async def work(there: UntrustedServer) -> None:
        office.subscribe(there.url("ok"))
        ids = office.happen(300)
        with Archive.open(office.archive.path) as archive:
            other = Office(archive)
            async with running(office.sender(), other.sender()):
                await until(lambda: not office.deliveries.due())
        assert Counter(objects(there)) == Counter(ids)

    with_untrusted_server(work)


def test_a_document_that_is_saved_is_told_of_at_once(tmp_path: Path) -> None:
    async def work(there: UntrustedServer) -> None:
        with Archive.open(tmp_path / "cloud.db") as archive:
            cloud = Cloud(archive, callbacks=AddressPolicy("dev"))
            user = archive.user("wearer")
            client_id, _ = cloud.grants.apps.register("Told", [])
            cloud.grants.issue(client_id, user, SCOPES)
            cloud.subscriptions.create(client_id, there.url("ok"), "create", "daily_sleep")
            async with cloud.running():
                archive.put(user, TYPES["daily_sleep"], b'[{"id":"n1","day":"2026-03-01","timestamp":"x"}]')
                await until(lambda: objects(there) == ["n1"])
                await until(lambda: not cloud.deliveries.due())

    with_untrusted_server(work)


@pytest.mark.parametrize("act", ["500", "404", "429", "reset", "hang", "garbage", "dribble"])
def test_what_fails_is_tried_again_until_it_goes_well(here: Office, act: str) -> None:
    async def work(there: UntrustedServer) -> None:
        acts = iter([act, act])
        there._choose = lambda _: next(acts, "ok")
        here.subscribe(there.url("any"))
        [id] = here.happen()
        async with running(here.sender(deadline=0.2)):
            await until(lambda: here.deliveries.counts()["delivered"] == 1)
        assert objects(there) == [id] * 3
        [delivery] = here.listed.page()
        tried = here.listed.attempts(delivery.id)
        assert [one.good for one in tried] == [False, False, True]
        assert [bool(one.reason) for one in tried] == [one.status is None for one in tried]
        assert [one.signature for one in tried] == [seen.headers["x-oura-signature"] for seen in there.seen]

    with_untrusted_server(work)


def test_retries_are_due_on_the_clouds_clock(tmp_path: Path) -> None:
    async def work(there: UntrustedServer) -> None:
        with Archive.open(tmp_path / "cloud.db") as archive:
            office = Office(archive, Clock(NOW))
            office.subscribe(there.url("500"))
            office.happen()
            sender = office.sender(Policy(look=0.02, pause=0.0))
            async with running(sender):
                for tries in range(1, 12):
                    await until(lambda: len(there.seen) == tries and not office.deliveries.due())  # noqa: B023
                    assert len(there.seen) == tries
                    office.clock.advance(timedelta(minutes=20))
                    office.deliveries.wakeup.notify()
            assert office.deliveries.counts()["failed"] == 1

    with_untrusted_server(work)


def test_signatures_carry_the_real_time_whatever_the_clouds_clock_shows(tmp_path: Path) -> None:
    """A receiver compares them with its own."""

    async def work(there: UntrustedServer) -> None:
        with Archive.open(tmp_path / "cloud.db") as archive:
            office = Office(archive, Clock(NOW))
            client_id, secret = office.app()
            office.subscribe(there.url("ok"), client_id=client_id)
            office.happen()
            async with running(office.sender()):
                await until(lambda: len(there.seen) == 1)
        [seen] = there.seen
        assert verify(secret, seen.headers, seen.body, now=time.time(), tolerance=timedelta(minutes=1))

    with_untrusted_server(work)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(here: Office, status: int) -> None:
    async def work(there: UntrustedServer) -> None:
        here.subscribe(there.url(f"{status}?retry=100"))
        here.happen()
        async with running(here.sender()):
            await until(lambda: here.listed.page()[0].attempts == 1)
        due = here.deliveries.next_due()
        assert due is not None
        assert 90_000 < due - here.clock.ms() <= 100_000

    with_untrusted_server(work)


def test_what_an_answer_said_is_kept_headers_and_all(here: Office) -> None:
    async def work(there: UntrustedServer) -> None:
        here.subscribe(there.url("429?retry=7"))
        async with running(here.sender()):
            here.happen()
            await until(lambda: bool(here.listed.page(limit=1)[0].attempts))
        [tried] = here.listed.attempts(here.listed.page()[0].id)
        assert (tried.status, tried.response) == (429, b"so be it")
        assert tried.response_headers == {"content-length": "8", "retry-after": "7"}

    with_untrusted_server(work)


def test_nothing_comes_after_a_410(here: Office) -> None:
    async def work(there: UntrustedServer) -> None:
        here.subscribe(there.url("410"))
        here.happen(200)
        async with running(here.sender(Policy(each=4))):
            await until(lambda: not here.deliveries.due())
            count = len(there.seen)
            assert count <= 4
            here.happen(10)
            await asyncio.sleep(0.1)
        assert len(there.seen) == count
        assert here.deliveries.counts()["waiting"] == 0

    with_untrusted_server(work)


def test_nothing_is_sent_for_a_subscription_that_expired_or_was_deleted(here: Office) -> None:
    async def work(there: UntrustedServer) -> None:
        deleted = here.subscribe(there.url("ok?1"))
        here.subscribe(there.url("ok?2"))
        here.happen()
        here.deliveries.unsubscribe(deleted.client_id, deleted.id)
        here.clock.advance(SUBSCRIPTION_LIFETIME)
        async with running(here.sender()):
            await asyncio.sleep(0.1)
        assert not there.seen

    with_untrusted_server(work)


def test_an_attempt_is_signed_with_the_key_of_that_moment(here: Office) -> None:
    client_id, old = here.app()
    new: list[str] = []

    def choose(_: object) -> str:
        if not new:
            new.append(here.apps.rotate_secret(client_id))
            return "500"
        return "ok"

    async def work(there: UntrustedServer) -> None:
        there._choose = choose
        here.subscribe(there.url("any"), client_id=client_id)
        here.happen()
        async with running(here.sender()):
            await until(lambda: len(there.seen) == 2)
        first, second = there.seen
        assert verify(old, first.headers, first.body, now=time.time())
        assert verify(new[0], second.headers, second.body, now=time.time())
        with pytest.raises(EventRejected):
            verify(old, second.headers, second.body, now=time.time())

    with_untrusted_server(work)


def test_a_private_callback_is_a_failed_attempt_that_says_what_would_allow_it(here: Office) -> None:
    async def work(there: UntrustedServer) -> None:
        here.subscribe(there.url("ok", "192.168.0.1"))
        here.happen()
        async with running(here.sender()):
            await until(lambda: here.listed.page()[0].attempts == 1)
        [attempt] = here.listed.attempts(here.listed.page()[0].id)
        assert attempt.status is None
        assert "callbacks lan:" in attempt.reason

    with_untrusted_server(work)


def test_what_cannot_be_signed_is_not_sent(here: Office) -> None:
    async def work(there: UntrustedServer) -> None:
        client_id, _ = here.apps.register("Public", [], public=True)
        here.grants.issue(client_id, here.user, SCOPES)
        here.subscribe(there.url("ok"), client_id=client_id)
        here.happen()
        async with running(here.sender()):
            await until(lambda: here.listed.page()[0].attempts == 1)
        [attempt] = here.listed.attempts(here.listed.page()[0].id)
        assert "no client secret" in attempt.reason
        assert not there.seen

    with_untrusted_server(work)


def test_a_receiver_has_a_few_requests_at_a_time_however_many_subscriptions_it_has(here: Office) -> None:
    async def work(there: UntrustedServer) -> None:
        client_id, _ = here.app()
        for data_type in ("sleep", "workout", "session"):
            here.subscribe(there.url("hang"), data_type, client_id=client_id)
            here.happen(20, data_type)
        async with running(here.sender(Policy(each=6, grace=0), deadline=0.5)):
            await until(lambda: len(there.seen) == 6)
            await asyncio.sleep(0.2)
            assert len(there.seen) == 6
            assert len({json.loads(seen.body)["data_type"] for seen in there.seen}) == 3, "each has its share"

    with_untrusted_server(work)


def test_one_that_hangs_does_not_keep_another_waiting(here: Office) -> None:
    async def work(there: UntrustedServer) -> None:
        async with untrusted_server() as dead:
            here.subscribe(dead.url("hang"))
            here.subscribe(there.url("ok"))
            ids = here.happen(100)
            async with running(here.sender(Policy(at_once=20, each=16, grace=0), deadline=5)):
                await until(lambda: len(there.seen) == 100, 3)
            assert sorted(objects(there)) == sorted(ids)

    with_untrusted_server(work)


def test_one_that_is_down_slows_nobody_else_down_not_even_on_its_own_host(here: Office) -> None:
    async def work(there: UntrustedServer) -> None:
        for act in ("hang", "500", "reset", "interim"):
            here.subscribe(there.url(act))
        here.subscribe(there.url("ok"), "workout")
        here.happen(100)
        happened: dict[str, float] = {}
        async with running(here.sender(Policy(grace=0), deadline=0.5)):
            for _ in range(150):
                [id] = here.happen(1, "workout")
                happened[id] = time.time()
                await asyncio.sleep(0.02)

            def good() -> dict[str, float]:
                return {json.loads(one.body)["object_id"]: one.at for one in there.seen if one.act == "ok"}

            await until(lambda: good().keys() == happened.keys(), 3)
        late = sorted(at - happened[id] for id, at in good().items())
        assert below(late[len(late) * 95 // 100], 0.3)

    with_untrusted_server(work)


def test_no_application_takes_all_requests_however_many_slow_receivers_it_has(here: Office) -> None:
    async def main() -> None:
        async with untrusted_server(host="0.0.0.0") as there:
            greedy, _ = here.app()
            for number, data_type in enumerate(DATA_TYPES[:9], 1):
                here.subscribe(there.url("late", f"127.0.0.{number}"), data_type, client_id=greedy)
                here.happen(40, data_type)
            here.subscribe(there.url("ok", "127.0.0.99"), DATA_TYPES[9])
            async with running(here.sender(Policy(at_once=20, each=8, grace=0))):
                await until(lambda: len(there.seen) == 10)
                await asyncio.sleep(0.1)
                assert len(there.seen) == 10, "as many as are free"
                began = time.monotonic()
                here.happen(20, DATA_TYPES[9])
                await until(lambda: sum(one.act == "ok" for one in there.seen) == 20)
                assert below(time.monotonic() - began, 0.5)

    asyncio.run(main())


def test_what_is_about_a_wearer_who_disconnected_is_not_sent_and_says_so(here: Office) -> None:
    async def work(there: UntrustedServer) -> None:
        one = here.subscribe(there.url("ok"))
        here.happen(3)
        here.grants.disconnect(here.user, one.client_id)
        async with running(here.sender()):
            await until(lambda: here.deliveries.counts()["failed"] == 3)
        assert not there.seen
        for delivery in here.listed.page():
            [attempt] = here.listed.attempts(delivery.id)
            assert "disconnected" in attempt.reason

    with_untrusted_server(work)


def test_receivers_are_forgotten_when_all_goes_well_or_nothing_comes_any_more(here: Office) -> None:
    async def work(there: UntrustedServer) -> None:
        sender = here.sender(Policy(look=0.01, tidy=0.05))
        here.subscribe(there.url("ok"))
        bad = here.subscribe(there.url("500"), "workout")
        here.happen(20)
        here.happen(1, "workout")
        async with running(sender):
            await until(lambda: here.deliveries.counts()["delivered"] == 20)
            here.deliveries.unsubscribe(bad.client_id, bad.id)
            await until(lambda: not sender._receivers)
            assert not sender._of

    with_untrusted_server(work)


def test_one_that_fails_is_tried_at_a_slower_pace_until_one_goes_well(here: Office) -> None:
    async def work(there: UntrustedServer) -> None:
        there._choose = lambda _: "500" if len(there.seen) <= 40 else "ok"
        here.subscribe(there.url("any"))
        here.happen(200)
        policy = Policy(each=8, failures=3, pause=0.02)
        began = time.monotonic()
        async with running(here.sender(policy)):
            await until(lambda: here.deliveries.counts()["delivered"] == 200)
        assert time.monotonic() - began > (40 - 16) * 0.02

    with_untrusted_server(work)


def test_one_that_fails_now_and_then_is_not_slowed_down(here: Office) -> None:
    async def work(there: UntrustedServer) -> None:
        # One hangs all the time, so that the receiver is remembered after each success, too.
        there._choose = lambda _: "hang" if len(there.seen) == 1 else "500" if len(there.seen) % 3 else "ok"
        here.subscribe(there.url("any"))
        here.happen(11)
        async with running(here.sender(Policy(each=2, failures=3, pause=60.0, grace=0), deadline=30)):
            await until(lambda: here.deliveries.counts()["delivered"] == 10)

    with_untrusted_server(work)


def test_what_could_not_be_written_down_is_written_down_later(
    here: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, refused = here.deliveries.finish, list[int]()

    def fails_once(outcomes: list[Outcome]) -> None:
        finish(outcomes)
        if outcomes and not refused:
            refused.append(len(outcomes))
            raise ArchiveError("no space is left")

    monkeypatch.setattr(here.deliveries, "finish", fails_once)

    async def work(there: UntrustedServer) -> None:
        here.subscribe(there.url("ok"))
        ids = here.happen(5)
        async with running(here.sender(Policy(look=0.01))):
            await until(lambda: here.deliveries.counts()["delivered"] == 5)
        assert refused
        assert Counter(objects(there)) == Counter(ids)

    with_untrusted_server(work)


def test_an_archive_that_is_busy_holds_it_up_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cloud.db"

    async def work(there: UntrustedServer) -> None:
        with Archive.open(path) as archive:
            archive.wait_at_most(0.01)
            office = Office(archive)
            office.subscribe(there.url("ok"))
            ids = office.happen(20)
            async with running(office.sender(Policy(look=0.01, backoff=0.05))):
                await until(lambda: len(there.seen) > 0)
                lock = sqlite3.connect(path, isolation_level=None)
                lock.execute("BEGIN IMMEDIATE")
                await asyncio.sleep(0.3)
                lock.execute("ROLLBACK")
                lock.close()
                await until(lambda: office.deliveries.counts()["delivered"] == 20)
            assert Counter(objects(there)) == Counter(ids), "what was answered is not sent again"

    with_untrusted_server(work)


def test_a_server_that_loses_its_connections_holds_it_up_and_loses_nothing(postgres: str) -> None:
    async def work(there: UntrustedServer) -> None:
        with Archive.open(postgres) as archive, Archive.open(postgres) as another:
            office = Office(archive)
            office.subscribe(there.url("ok"))
            async with running(office.sender(Policy(look=0.01, backoff=0.05))):
                for _ in range(3):
                    office.happen(5)
                    await asyncio.sleep(0.02)
                    another.database.all(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                    await asyncio.sleep(0.2)
                await until(lambda: Office(another).deliveries.counts()["delivered"] == 15)

    with_untrusted_server(work)


def test_stopping_finishes_what_is_under_way_and_gives_back_the_rest(here: Office) -> None:
    async def work(there: UntrustedServer) -> None:
        async with untrusted_server() as dead:
            here.subscribe(there.url("ok"))
            here.subscribe(dead.url("hang"))
            here.happen(3)
            async with running(here.sender(Policy(grace=0.1), deadline=30)):
                await until(lambda: len(dead.seen) == 3)
            assert here.deliveries.counts() == {"waiting": 3, "delivered": 3, "failed": 0}
            assert len(here.claim()) == 3, "no lease is left behind"

    with_untrusted_server(work)


def test_what_was_written_by_another_process_is_found(here: Office) -> None:
    async def work(there: UntrustedServer) -> None:
        here.subscribe(there.url("ok"))
        async with running(here.sender(Policy(look=0.05))):
            await asyncio.sleep(0.1)
            with Archive.open(here.archive.path) as archive:
                Office(archive).happen(3)
            await until(lambda: len(there.seen) == 3, 2)

    with_untrusted_server(work)


def test_no_secret_of_a_callback_url_is_in_what_is_written_down(here: Office) -> None:
    async def work(there: UntrustedServer) -> None:
        for act in ("reset", "garbage", "hang"):
            here.subscribe(there.url(f"{act}?key=canary"))
        here.happen()
        async with running(here.sender(deadline=0.1)):
            await until(lambda: all(one.attempts for one in here.listed.page()))
        for delivery in here.listed.page():
            for attempt in here.listed.attempts(delivery.id):
                assert "canary" not in attempt.reason

    with_untrusted_server(work)
