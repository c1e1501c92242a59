"""The follower stores what the cloud has, whichever events arrive and in whatever order."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ringlet import AsyncClient
from ringlet._api.catalog import TYPES
from ringlet._api.wire import Request, Response, RetryPolicy
from ringlet._cloud.oauth.tokens import Issued
from ringlet._cloud.wearer.demo import populate
from ringlet._oauth.scopes import SCOPES
from ringlet._receiver.fetch_queue import JOB_DELAY_MS, FetchQueue
from ringlet._sync.follower import RECHECK_DELAYS_MS, EventFollower, FollowedJob
from ringlet.archive import Archive
from ringlet.cloud import Clock, Cloud
from ringlet.errors import ConnectionFailed, InvalidToken, RingletError, ServerError
from ringlet.webhooks import Event

from ..timed import below
from .conftest import NOW, AsgiTransport

SLEEP = TYPES["daily_sleep"]
CLOCK_SPEED = 2_000
"""Seconds of the inbox's clock in one real second."""


@dataclass
class Transport:
    """A transport to the cloud that calls a function before each request and after each response."""

    inner: AsgiTransport
    before: Callable[[Request], None] = lambda _: None
    after: Callable[[Request], None] = lambda _: None
    paths: list[str] = field(default_factory=list)
    """The path of each request."""

    async def send(self, request: Request) -> Response:
        self.paths.append(request.path)
        self.before(request)
        response = await self.inner.send(request)
        self.after(request)
        return response

    async def close(self) -> None:
        """There is no connection to close."""


@dataclass
class FollowerSetup:
    """A cloud with a wearer, and an archive that follows its events."""

    cloud: Cloud
    cloud_user: int
    archive: Archive
    user: int
    """The wearer in `archive`, as `cloud_user` is in the cloud's."""
    name: str
    queue: FetchQueue
    transport: Transport
    token: str
    began: float = field(default_factory=time.time)
    followed: list[FollowedJob] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)

    def clock(self) -> float:
        """Unix seconds that pass `CLOCK_SPEED` times faster than real ones."""
        return self.began + (time.time() - self.began) * CLOCK_SPEED

    def notify(self, id: str, operation: str = "update", type: str = "daily_sleep", **more: Any) -> None:
        fields = {"user_id": self.name, "event_time": f"{time.time_ns()}"} | more
        event = Event(event_type=operation, data_type=type, object_id=id, **fields)
        self.queue.accept([event], int(self.clock() * 1000))

    def change(self, id: str, score: int) -> bytes:
        body = json.dumps({"id": id, "day": "2026-01-10", "score": score}).encode()
        self.cloud.archive.put(self.cloud_user, SLEEP, body)
        self.changed.add(id)
        return body

    def stored(self, id: str) -> bytes | None:
        return self.archive.document(self.user, SLEEP, id)

    def follow(self, until: Callable[[], bool] | None = None, **more: Any) -> list[str]:
        """Run a follower until `until()` is true, by default until no job is left; return all results."""
        self.followed.clear()
        asyncio.run(self._follow(until or (lambda: not self.queue.pending()), **more))
        return [one.result for one in self.followed]

    async def _follow(self, until: Callable[[], bool], token: str = "", **more: Any) -> None:
        client = AsyncClient(
            token or self.token, transport=self.transport, retry_policy=RetryPolicy(max_tries=1)
        )
        follower = EventFollower(
            client,
            self.archive,
            self.name,
            names=more.pop("names", TYPES),
            clock=self.clock,
            on_followed=self.followed.append,
            **more,
        )
        task = asyncio.create_task(follower.run())
        async with asyncio.timeout(10):
            while not task.done() and not until():
                await asyncio.sleep(0.005)
                follower.wake()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture(scope="module")
def _cloud() -> Iterator[tuple[Cloud, int]]:
    with Archive.open(":memory:") as archive:
        clock = Clock(NOW)
        user = populate(archive, clock, days=3, seed=7)
        cloud = Cloud(archive, clock=clock)
        cloud.rate_limit.limit = 1_000_000
        yield cloud, user


def grant(cloud: Cloud, user: int, *scopes: str) -> Issued:
    client_id, _ = cloud.grants.apps.register("Follower", [])
    return cloud.grants.issue(client_id, user, scopes or SCOPES)


@pytest.fixture(params=["sqlite", "postgres"])
def setup(
    request: pytest.FixtureRequest, tmp_path: Path, _cloud: tuple[Cloud, int]
) -> Iterator[FollowerSetup]:
    cloud, cloud_user = _cloud
    postgres = request.param == "postgres"
    place = request.getfixturevalue("postgres") if postgres else tmp_path / "mine.db"
    with Archive.open(place) as archive:
        name = dict(cloud.archive.users())[cloud_user]
        token = grant(cloud, cloud_user).access_token
        transport = Transport(AsgiTransport(cloud))
        setup = FollowerSetup(
            cloud, cloud_user, archive, archive.user(name), name, FetchQueue(archive), transport, token
        )
        yield setup
        for id in setup.changed:
            cloud.archive.delete(cloud_user, SLEEP, id)


def test_many_events_of_a_document_cause_one_fetch_of_its_exact_bytes(setup: FollowerSetup) -> None:
    body = setup.change("a", 61)
    for operation in ("create", "update", "update"):
        setup.notify("a", operation)
    assert setup.follow() == ["added"]
    assert setup.stored("a") == body
    assert len(setup.transport.paths) == 1
    setup.notify("a")
    assert setup.follow() == ["unchanged"]


def test_a_document_is_fetched_as_soon_as_its_burst_of_events_is_over(setup: FollowerSetup) -> None:
    """A wake-up shortly before does not postpone the fetch."""
    setup.change("m", 61)
    client = AsyncClient(setup.token, transport=setup.transport, retry_policy=RetryPolicy(max_tries=1))

    async def run() -> float:
        done = asyncio.Event()
        follower = EventFollower(
            client, setup.archive, setup.name, names=TYPES, on_followed=lambda _: done.set()
        )
        task = asyncio.create_task(follower.run())
        fields = {"data_type": "daily_sleep", "user_id": setup.name, "event_time": ""}
        setup.queue.accept(
            [Event(event_type="update", object_id="m", **fields)], int((began := time.time()) * 1000)
        )
        asyncio.get_running_loop().call_later(0.9 * JOB_DELAY_MS / 1000, follower.wake)
        async with asyncio.timeout(10):
            await done.wait()
        took = time.time() - began
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return took

    took = asyncio.run(run())
    assert took >= JOB_DELAY_MS / 1000
    assert below(took, 1.6 * JOB_DELAY_MS / 1000)
    assert setup.stored("m") is not None


def test_a_change_during_a_fetch_causes_another_fetch(setup: FollowerSetup) -> None:
    setup.change("b", 61)
    newest = []

    def change_once(_: Request) -> None:
        if not newest:
            newest.append(setup.change("b", 62))
            setup.notify("b")

    setup.transport.after = change_once
    setup.notify("b")
    setup.follow()
    assert setup.stored("b") == newest[0]


def test_a_response_is_dated_by_the_time_of_its_request(setup: FollowerSetup) -> None:
    """A document that is stored while the response is on its way is newer."""
    setup.change("m", 61)
    newer = b'{"id": "m", "day": "2026-01-10", "score": 62}'

    def store_newer(_: Request) -> None:
        setup.archive.put(setup.user, SLEEP, newer, seen_at=int(setup.clock() * 1000))

    setup.transport.after = store_newer
    setup.notify("m")
    assert setup.follow() == ["unchanged"]
    assert setup.stored("m") == newer


def test_a_delete_event_of_a_missing_document_stores_a_tombstone_without_delay(setup: FollowerSetup) -> None:
    before = setup.change("c", 61)
    setup.notify("c", "create")
    setup.follow()
    setup.cloud.archive.delete(setup.cloud_user, SLEEP, "c")
    setup.notify("c", "delete")
    assert setup.follow() == ["deleted"]
    assert setup.stored("c") is None
    assert len(setup.transport.paths) == 2
    setup.archive.put(setup.user, SLEEP, before, seen_at=int(time.time() * 1000) - 60_000)
    assert setup.stored("c") is None, "an older response must not restore it"


def test_a_missing_document_is_fetched_again_before_it_counts_as_deleted(setup: FollowerSetup) -> None:
    setup.change("d", 61)
    setup.notify("d", "create")
    setup.follow()
    setup.cloud.archive.delete(setup.cloud_user, SLEEP, "d")
    setup.notify("d", "update")
    assert setup.follow() == ["later"] * len(RECHECK_DELAYS_MS) + ["deleted"]
    assert setup.stored("d") is None
    setup.notify("never-existed", "create")
    assert setup.follow() == ["later"] * len(RECHECK_DELAYS_MS) + ["absent"]


def test_a_document_that_becomes_visible_late_is_fetched(setup: FollowerSetup) -> None:
    """Real integrations got 404 for documents right after the event about them."""

    def appear(_: Request) -> None:
        if len(setup.transport.paths) == 3:
            setup.change("e", 61)

    setup.transport.before = appear
    setup.notify("e", "create")
    assert setup.follow() == ["later", "later", "added"]
    assert setup.stored("e") is not None


def test_a_fetched_document_overrides_a_delete_event(setup: FollowerSetup) -> None:
    """The delete event may arrive before, or instead of, the event of a later change."""
    body = setup.change("f", 61)
    setup.notify("f", "delete")
    results = setup.follow()
    assert results[0] == "added"
    assert results[-1] == "unchanged"
    assert setup.stored("f") == body


@pytest.mark.parametrize(
    ("type", "id", "reason"),
    [
        ("meal", "x", "no route"),
        ("workout", "x", "not among"),
        ("daily_spo2", "x", "'spo2' was not granted"),
        ("daily_sleep", "../../x", "cannot be a document id"),
    ],
)
def test_permanent_failures_are_reported_once_with_their_reason_and_not_retried(
    setup: FollowerSetup, type: str, id: str, reason: str
) -> None:
    token = grant(setup.cloud, setup.cloud_user, "personal", "daily", "workout").access_token
    setup.notify(id, "update", type)
    assert setup.follow(token=token, names=set(TYPES) - {"workout"}) == ["left out"]
    assert reason in setup.followed[0].note


def test_no_event_is_lost_while_the_cloud_is_unreachable(setup: FollowerSetup) -> None:
    failures = iter([ConnectionFailed("refused")] * 5)

    def fail(_: Request) -> None:
        if (failure := next(failures, None)) is not None:
            raise failure

    bodies = {id: setup.change(id, 70) for id in ("g", "h", "i")}
    for id in bodies:
        setup.notify(id, "create")
    setup.transport.before = fail
    results = setup.follow()
    assert sorted(results) == sorted(["later"] * 5 + ["added"] * 3)
    assert {id: setup.stored(id) for id in bodies} == bodies


def test_an_outage_does_not_count_as_a_missing_document(setup: FollowerSetup) -> None:
    setup.change("blinks", 1)
    setup.notify("blinks")
    setup.follow()
    paths: list[str] = []

    def fail_then_hide(request: Request) -> None:
        paths.append(request.path)
        if len(paths) <= 3:
            raise ConnectionFailed("unreachable")
        if len(paths) == 4:
            setup.cloud.archive.delete(setup.cloud_user, SLEEP, "blinks")
        if len(paths) == 5:
            setup.change("blinks", 2)

    setup.transport.before = fail_then_hide
    setup.notify("blinks")
    assert "deleted" not in setup.follow()
    assert len(paths) == 5
    assert b'"score": 2' in (setup.stored("blinks") or b"")


def test_a_document_with_server_errors_delays_no_other(
    setup: FollowerSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup.change("healthy", 1)
    now, notified_at = [setup.began], list[float]()
    monkeypatch.setattr(setup, "clock", lambda: now[0])

    def failing(request: Request) -> None:
        if request.path.endswith("/broken"):
            raise ServerError("a persistent error", status=500)

    def until() -> bool:
        if len(setup.followed) < 6:
            now[0] += 1000
        elif not notified_at:
            setup.notify("healthy")
            notified_at.append(now[0])
        elif now[0] < notified_at[0] + 10:  # less than the half minute until the broken one is retried
            now[0] += 0.5
        return any(one.job.object_id == "healthy" for one in setup.followed)

    setup.transport.before = failing
    setup.notify("broken")
    setup.follow(until)


def test_events_of_other_users_stay_in_the_inbox(setup: FollowerSetup) -> None:
    body = setup.change("j", 61)
    setup.notify("j", user_id="another-user")
    setup.notify("j")
    assert setup.follow(until=lambda: setup.stored("j") == body and setup.queue.pending() == 1) == ["added"]
    [job] = setup.queue.claim(int(setup.clock() * 1000), 9, 1, user_id="another-user")
    assert (job.object_id, job.attempts) == ("j", 1)


def test_an_invalid_token_ends_the_run_and_its_jobs_remain(setup: FollowerSetup) -> None:
    setup.change("k", 61)
    setup.notify("k")
    with pytest.raises(InvalidToken):
        setup.follow(token="invalid")
    assert setup.queue.pending() == 1
    assert setup.follow() == ["added"]


def test_a_stopped_run_releases_its_claimed_jobs(setup: FollowerSetup) -> None:
    setup.change("l", 61)
    setup.notify("l")
    request_sent = asyncio.Event()

    class HangingTransport:
        async def send(self, request: Request) -> Response:
            request_sent.set()
            await asyncio.sleep(60)
            raise AssertionError

        async def close(self) -> None:
            """There is no connection to close."""

    transport, setup.transport = setup.transport, HangingTransport()  # type: ignore[assignment]
    with suppress(RingletError):
        setup.follow(until=request_sent.is_set)
    setup.transport = transport
    began = time.monotonic()
    assert setup.follow() == ["added"]
    assert below(time.monotonic() - began, 1)
