"""A continuous sync that reconciles every few seconds: changes without an event are found then."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ringlet import AsyncClient
from ringlet._api.catalog import TYPES
from ringlet._net.addresses import AddressPolicy
from ringlet._net.listen import bind
from ringlet._oauth.grant import App
from ringlet._oauth.scopes import SCOPES
from ringlet._sync import continuous
from ringlet._sync.backfill import BackfillReport, TypeProgress
from ringlet._sync.continuous import CallbackEndpoint, ContinuousSync
from ringlet._sync.follower import FollowedJob
from ringlet._sync.server_time import ServerTime
from ringlet._sync.subscriber import SubscriptionReport
from ringlet.archive import Archive
from ringlet.cloud import Clock, Cloud
from ringlet.errors import RingletError

from .conftest import NOW, AsgiTransport

SLEEP = TYPES["daily_sleep"]
SWIFT = 12 * 3600
"""Seconds of the server that pass in one of ours."""


class SwiftTime(ServerTime):
    """A server whose time flies."""

    def __init__(self) -> None:
        super().__init__()
        self.began = time.monotonic()

    def now(self) -> datetime:
        return NOW + timedelta(seconds=(time.monotonic() - self.began) * SWIFT)


@dataclass
class Observer:
    """Counts the nightly backfills, and records what was fetched because of an event."""

    nights: int = 0
    events: list[FollowedJob] = field(default_factory=list)

    def followed(self, followed: FollowedJob) -> None:
        self.events.append(followed)

    def subscribed(self, standing: SubscriptionReport) -> None:
        assert standing.names == {"daily_sleep"}

    def progress(self, progress: TypeProgress) -> None:
        """Of no interest."""

    def round(self, report: BackfillReport, everything: bool) -> None:
        self.nights += everything

    def trouble(self, part: str, failed: RingletError, wait: timedelta) -> None:
        raise AssertionError((part, failed))


def night(id: str) -> bytes:
    return json.dumps({"id": id, "day": str(NOW.date()), "score": 80}).encode()


@pytest.mark.slow
def test_changes_and_deletions_without_events_are_found_in_the_nightly_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continuous, "CLOCK_CHECK_INTERVAL_S", 0.01)
    observer = Observer()

    async def run(cloud: Cloud, mine: Archive) -> None:
        theirs = cloud.archive.user("wearer")
        client_id, secret = cloud.grants.apps.register("Keeping up", [])
        token = cloud.grants.issue(client_id, theirs, SCOPES).access_token
        cloud.archive.put(theirs, TYPES["personal_info"], b'{"id": "wearer"}')
        cloud.archive.put(theirs, SLEEP, night("gone"))

        def held(name: str) -> bytes | None:
            return mine.document(mine.user("wearer"), SLEEP, name)

        with bind("127.0.0.1", 0) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/oura"
            sync = ContinuousSync(
                AsyncClient(token, transport=AsgiTransport(cloud), client_id=client_id, client_secret=secret),
                mine,
                tmp_path / "mine.db",
                CallbackEndpoint(url=url, listener=listener),
                observer,
                app=App(client_id=client_id, client_secret=secret or ""),
                names=["daily_sleep"],
                since=NOW.date() - timedelta(days=3),
            )
            sync.server_time = SwiftTime()
            async with asyncio.timeout(20):
                task = asyncio.create_task(sync.run())
                while observer.nights < 1:  # noqa: ASYNC110 - polling is simplest here
                    await asyncio.sleep(0.01)
                assert held("gone")
                cloud.archive.observer = None  # nobody is told
                cloud.archive.put(theirs, SLEEP, night("new"))
                cloud.archive.delete(theirs, SLEEP, "gone")
                while not held("new") or held("gone"):
                    assert not task.done(), task.result()
                    await asyncio.sleep(0.01)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await cloud.dialer.close()

    with Archive.open(":memory:") as theirs, Archive.open(tmp_path / "mine.db") as mine:
        asyncio.run(run(Cloud(theirs, clock=Clock(NOW), callbacks=AddressPolicy.parse("dev")), mine))
    assert observer.nights > 1
    assert not observer.events
