"""Following events: in the end the archive holds what the cloud holds, whatever was told, in any order."""

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
SWIFT = 2_000
"""How much faster the inbox's time passes here."""


@dataclass
class Transport:
    """To the cloud, with something that happens before a request arrives, or after it was answered."""

    inner: AsgiTransport
    before: Callable[[Request], None] = lambda _: None
    after: Callable[[Request], None] = lambda _: None
    asked: list[str] = field(default_factory=list)

    async def send(self, request: Request) -> Response:
        self.asked.append(request.path)
        self.before(request)
        response = await self.inner.send(request)
        self.after(request)
        return response

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Ends:
    """A cloud with a wearer, and an archive that follows it."""

    cloud: Cloud
    theirs: int
    mine: Archive
    user: int
    name: str
    queue: FetchQueue
    transport: Transport
    token: str
    began: float = field(default_factory=time.time)
    followed: list[FollowedJob] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)

    def clock(self) -> float:
        """Seconds since 1970; they fly."""
        return self.began + (time.time() - self.began) * SWIFT

    def tell(self, id: str, operation: str = "update", type: str = "daily_sleep", **more: Any) -> None:
        told = {"user_id": self.name, "event_time": f"{time.time_ns()}"} | more
        event = Event(event_type=operation, data_type=type, object_id=id, **told)
        self.queue.accept([event], int(self.clock() * 1000))

    def change(self, id: str, score: int) -> bytes:
        body = json.dumps({"id": id, "day": "2026-01-10", "score": score}).encode()
        self.cloud.archive.put(self.theirs, SLEEP, body)
        self.changed.add(id)
        return body

    def held(self, id: str) -> bytes | None:
        return self.mine.document(self.user, SLEEP, id)

    def follow(self, until: Callable[[], bool] | None = None, **more: Any) -> list[str]:
        """EventFollower until nothing is left to do; what became of each piece of job."""
        self.followed.clear()
        asyncio.run(self._follow(until or (lambda: not self.queue.pending()), **more))
        return [one.result for one in self.followed]

    async def _follow(self, until: Callable[[], bool], token: str = "", **more: Any) -> None:
        client = AsyncClient(
            token or self.token, transport=self.transport, retry_policy=RetryPolicy(max_tries=1)
        )
        follow = EventFollower(
            client,
            self.mine,
            self.name,
            names=more.pop("names", TYPES),
            clock=self.clock,
            on_followed=self.followed.append,
            **more,
        )
        task = asyncio.create_task(follow.run())
        async with asyncio.timeout(10):
            while not task.done() and not until():
                await asyncio.sleep(0.005)
                follow.wake()
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
    client_id, _ = cloud.grants.apps.register("Following", [])
    return cloud.grants.issue(client_id, user, scopes or SCOPES)


@pytest.fixture(params=["sqlite", "postgres"])
def ends(request: pytest.FixtureRequest, tmp_path: Path, _cloud: tuple[Cloud, int]) -> Iterator[Ends]:
    cloud, theirs = _cloud
    postgres = request.param == "postgres"
    place = request.getfixturevalue("postgres") if postgres else tmp_path / "mine.db"
    with Archive.open(place) as mine:
        name = dict(cloud.archive.users())[theirs]
        token = grant(cloud, theirs).access_token
        transport = Transport(AsgiTransport(cloud))
        ends = Ends(cloud, theirs, mine, mine.user(name), name, FetchQueue(mine), transport, token)
        yield ends
        for id in ends.changed:
            cloud.archive.delete(theirs, SLEEP, id)


def test_many_events_of_a_document_cause_one_fetch_of_its_exact_bytes(ends: Ends) -> None:
    body = ends.change("a", 61)
    for operation in ("create", "update", "update"):
        ends.tell("a", operation)
    assert ends.follow() == ["added"]
    assert ends.held("a") == body
    assert len(ends.transport.asked) == 1
    ends.tell("a")
    assert ends.follow() == ["unchanged"]


def test_a_document_is_fetched_as_soon_as_its_burst_of_events_is_over(ends: Ends) -> None:
    """A look at something else, just before, does not put it off."""
    ends.change("m", 61)
    client = AsyncClient(ends.token, transport=ends.transport, retry_policy=RetryPolicy(max_tries=1))

    async def run() -> float:
        done = asyncio.Event()
        follow = EventFollower(client, ends.mine, ends.name, names=TYPES, on_followed=lambda _: done.set())
        task = asyncio.create_task(follow.run())
        told = {"data_type": "daily_sleep", "user_id": ends.name, "event_time": ""}
        ends.queue.accept(
            [Event(event_type="update", object_id="m", **told)], int((began := time.time()) * 1000)
        )
        asyncio.get_running_loop().call_later(0.9 * JOB_DELAY_MS / 1000, follow.wake)
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
    assert ends.held("m") is not None


def test_a_change_during_a_fetch_causes_another_fetch(ends: Ends) -> None:
    ends.change("b", 61)
    newest = []

    def change_once(_: Request) -> None:
        if not newest:
            newest.append(ends.change("b", 62))
            ends.tell("b")

    ends.transport.after = change_once
    ends.tell("b")
    ends.follow()
    assert ends.held("b") == newest[0]


def test_a_response_is_dated_by_the_time_of_its_request(ends: Ends) -> None:
    """What was asked for while it was on its way is newer."""
    ends.change("m", 61)
    newer = b'{"id": "m", "day": "2026-01-10", "score": 62}'

    def ask_another(_: Request) -> None:
        ends.mine.put(ends.user, SLEEP, newer, seen_at=int(ends.clock() * 1000))

    ends.transport.after = ask_another
    ends.tell("m")
    assert ends.follow() == ["unchanged"]
    assert ends.held("m") == newer


def test_a_deletion_is_a_tombstone_at_once(ends: Ends) -> None:
    before = ends.change("c", 61)
    ends.tell("c", "create")
    ends.follow()
    ends.cloud.archive.delete(ends.theirs, SLEEP, "c")
    ends.tell("c", "delete")
    assert ends.follow() == ["deleted"]
    assert ends.held("c") is None
    assert len(ends.transport.asked) == 2
    ends.mine.put(ends.user, SLEEP, before, seen_at=int(time.time() * 1000) - 60_000)
    assert ends.held("c") is None, "an older answer revived it"


def test_a_missing_document_is_fetched_again_before_it_counts_as_deleted(ends: Ends) -> None:
    ends.change("d", 61)
    ends.tell("d", "create")
    ends.follow()
    ends.cloud.archive.delete(ends.theirs, SLEEP, "d")
    ends.tell("d", "update")
    assert ends.follow() == ["later"] * len(RECHECK_DELAYS_MS) + ["deleted"]
    assert ends.held("d") is None
    ends.tell("never-there", "create")
    assert ends.follow() == ["later"] * len(RECHECK_DELAYS_MS) + ["absent"]


def test_a_document_that_becomes_visible_late_is_fetched(ends: Ends) -> None:
    """Real integrations saw 404 for documents they had just been told of."""

    def appear(_: Request) -> None:
        if len(ends.transport.asked) == 3:
            ends.change("e", 61)

    ends.transport.before = appear
    ends.tell("e", "create")
    assert ends.follow() == ["later", "later", "added"]
    assert ends.held("e") is not None


def test_a_fetched_document_overrides_a_delete_event(ends: Ends) -> None:
    """A deletion that is told of before, or instead of, what came after it."""
    body = ends.change("f", 61)
    ends.tell("f", "delete")
    results = ends.follow()
    assert results[0] == "added"
    assert results[-1] == "unchanged"
    assert ends.held("f") == body


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
    ends: Ends, type: str, id: str, reason: str
) -> None:
    token = grant(ends.cloud, ends.theirs, "personal", "daily", "workout").access_token
    ends.tell(id, "update", type)
    assert ends.follow(token=token, names=set(TYPES) - {"workout"}) == ["left out"]
    assert reason in ends.followed[0].note


def test_no_event_is_lost_while_the_cloud_is_unreachable(ends: Ends) -> None:
    away = iter([ConnectionFailed("refused")] * 5)

    def fail(_: Request) -> None:
        if (failed := next(away, None)) is not None:
            raise failed

    bodies = {id: ends.change(id, 70) for id in ("g", "h", "i")}
    for id in bodies:
        ends.tell(id, "create")
    ends.transport.before = fail
    results = ends.follow()
    assert sorted(results) == sorted(["later"] * 5 + ["added"] * 3)
    assert {id: ends.held(id) for id in bodies} == bodies


def test_an_outage_does_not_count_as_a_missing_document(ends: Ends) -> None:
    ends.change("blinks", 1)
    ends.tell("blinks")
    ends.follow()
    asked: list[str] = []

    def away_then_out_of_sight(request: Request) -> None:
        asked.append(request.path)
        if len(asked) <= 3:
            raise ConnectionFailed("away")
        if len(asked) == 4:
            ends.cloud.archive.delete(ends.theirs, SLEEP, "blinks")
        if len(asked) == 5:
            ends.change("blinks", 2)

    ends.transport.before = away_then_out_of_sight
    ends.tell("blinks")
    assert "deleted" not in ends.follow()
    assert len(asked) == 5
    assert b'"score": 2' in (ends.held("blinks") or b"")


def test_a_document_with_server_errors_delays_no_other(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    ends.change("healthy", 1)
    now, told = [ends.began], list[float]()
    monkeypatch.setattr(ends, "clock", lambda: now[0])

    def failing(request: Request) -> None:
        if request.path.endswith("/broken"):
            raise ServerError("again and again", status=500)

    def until() -> bool:
        if len(ends.followed) < 6:
            now[0] += 1000
        elif not told:
            ends.tell("healthy")
            told.append(now[0])
        elif now[0] < told[0] + 10:  # and no further: by then the broken one waits for half a minute
            now[0] += 0.5
        return any(one.job.object_id == "healthy" for one in ends.followed)

    ends.transport.before = failing
    ends.tell("broken")
    ends.follow(until)


def test_events_of_other_users_stay_in_the_inbox(ends: Ends) -> None:
    body = ends.change("j", 61)
    ends.tell("j", user_id="somebody-else")
    ends.tell("j")
    assert ends.follow(until=lambda: ends.held("j") == body and ends.queue.pending() == 1) == ["added"]
    [job] = ends.queue.claim(int(ends.clock() * 1000), 9, 1, user_id="somebody-else")
    assert (job.object_id, job.attempts) == ("j", 1)


def test_an_invalid_token_ends_the_run_and_its_jobs_remain(ends: Ends) -> None:
    ends.change("k", 61)
    ends.tell("k")
    with pytest.raises(InvalidToken):
        ends.follow(token="dead")
    assert ends.queue.pending() == 1
    assert ends.follow() == ["added"]


def test_a_stopped_run_releases_its_claimed_jobs(ends: Ends) -> None:
    ends.change("l", 61)
    ends.tell("l")
    stuck = asyncio.Event()

    class Stuck:
        async def send(self, request: Request) -> Response:
            stuck.set()
            await asyncio.sleep(60)
            raise AssertionError

        async def close(self) -> None:
            """Nothing is open."""

    kept, ends.transport = ends.transport, Stuck()  # type: ignore[assignment]
    with suppress(RingletError):
        ends.follow(until=stuck.is_set)
    ends.transport = kept
    began = time.monotonic()
    assert ends.follow() == ["added"]
    assert below(time.monotonic() - began, 1)
