"""A continuous sync whose nights follow each other within seconds: its nightly round finds missed changes."""

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
CLOCK_SPEED = 12 * 3600
"""Seconds of the server's clock in one real second."""


class FastServerTime(ServerTime):
    """The time of a server whose clock runs `CLOCK_SPEED` times too fast."""

    def __init__(self) -> None:
        super().__init__()
        self.began = time.monotonic()

    def now(self) -> datetime:
        return NOW + timedelta(seconds=(time.monotonic() - self.began) * CLOCK_SPEED)


@dataclass
class Observer:
    """Counts the nightly backfills, and records what was fetched because of an event."""

    nights: int = 0
    events: list[FollowedJob] = field(default_factory=list)

    def followed(self, followed: FollowedJob) -> None:
        self.events.append(followed)

    def subscribed(self, report: SubscriptionReport) -> None:
        assert report.names == {"daily_sleep"}

    def progress(self, progress: TypeProgress) -> None:
        """Not counted."""

    def round(self, report: BackfillReport, everything: bool) -> None:
        self.nights += everything

    def trouble(self, part: str, failed: RingletError, wait: timedelta) -> None:
        raise AssertionError((part, failed))


def sleep_document(id: str) -> bytes:
    return json.dumps({"id": id, "day": str(NOW.date()), "score": 80}).encode()


@pytest.mark.slow
def test_changes_and_deletions_without_events_are_found_in_the_nightly_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continuous, "CLOCK_CHECK_INTERVAL_S", 0.01)
    observer = Observer()

    async def run(cloud: Cloud, archive: Archive) -> None:
        cloud_user = cloud.archive.user("wearer")
        client_id, secret = cloud.grants.apps.register("Continuous sync", [])
        token = cloud.grants.issue(client_id, cloud_user, SCOPES).access_token
        cloud.archive.put(cloud_user, TYPES["personal_info"], b'{"id": "wearer"}')
        cloud.archive.put(cloud_user, SLEEP, sleep_document("gone"))

        def stored(name: str) -> bytes | None:
            return archive.document(archive.user("wearer"), SLEEP, name)

        with bind("127.0.0.1", 0) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/oura"
            sync = ContinuousSync(
                AsyncClient(token, transport=AsgiTransport(cloud), client_id=client_id, client_secret=secret),
                archive,
                tmp_path / "mine.db",
                CallbackEndpoint(url=url, listener=listener),
                observer,
                app=App(client_id=client_id, client_secret=secret or ""),
                names=["daily_sleep"],
                since=NOW.date() - timedelta(days=3),
            )
            sync.server_time = FastServerTime()
            async with asyncio.timeout(20):
                task = asyncio.create_task(sync.run())
                while observer.nights < 1:  # noqa: ASYNC110 - polling is simplest here
                    await asyncio.sleep(0.01)
                assert stored("gone")
                cloud.archive.observer = None  # changes cause no events any more
                cloud.archive.put(cloud_user, SLEEP, sleep_document("new"))
                cloud.archive.delete(cloud_user, SLEEP, "gone")
                while not stored("new") or stored("gone"):
                    assert not task.done(), task.result()
                    await asyncio.sleep(0.01)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await cloud.dialer.close()

    with Archive.open(":memory:") as cloud_archive, Archive.open(tmp_path / "mine.db") as archive:
        asyncio.run(
            run(Cloud(cloud_archive, clock=Clock(NOW), callbacks=AddressPolicy.parse("dev")), archive)
        )
    assert observer.nights > 1
    assert not observer.events
