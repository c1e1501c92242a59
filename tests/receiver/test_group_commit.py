"""The thread that writes to the inbox: acknowledged events are stored; no two threads share the archive."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ringlet._receiver.group_commit import GroupCommit
from ringlet._receiver.inbox import Inbox
from ringlet._webhooks.events import Event
from ringlet.archive import Archive

SOON = 10


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    on_file = request.param == "SQLite"
    return str(tmp_path / "oura.db") if on_file else str(request.getfixturevalue("postgres"))


@pytest.fixture
def group_commit(place: str) -> Iterator[GroupCommit]:
    one = GroupCommit(place, time.time, reopen=True)
    yield one
    one.close()


def event(object_id: str) -> Event:
    given = {"event_time": "2026-02-02T02:40:00+00:00", "user_id": "wearer", "object_id": object_id}
    return Event(event_type="update", data_type="sleep", **given)


def stored(place: str) -> set[str]:
    with Archive.open(place) as archive:
        rows = Inbox(archive).db.all("SELECT body FROM webhook_inbox")
    return {json.loads(body)["object_id"] for (body,) in rows}


def test_an_event_during_close_waits_until_the_archive_is_closed(
    place: str, group_commit: GroupCommit
) -> None:
    stuck, free = threading.Event(), threading.Event()

    def on_commit() -> None:
        if not stuck.is_set():
            stuck.set()
            assert free.wait(SOON)

    group_commit.on_commit = on_commit
    with ThreadPoolExecutor(3) as pool:
        try:
            first = pool.submit(group_commit.commit_blocking, event("a"))
            assert stuck.wait(SOON)
            closing = pool.submit(group_commit.close)
            time.sleep(0.1)
            second = pool.submit(group_commit.commit_blocking, event("b"))
            time.sleep(0.2)
            assert not second.done(), "two threads had the archive"
        finally:
            free.set()
        for one in (first, closing, second):
            one.result(SOON)
    assert stored(place) == {"a", "b"}


def test_close_during_traffic_loses_no_event(place: str, group_commit: GroupCommit) -> None:
    until = time.monotonic() + 0.5
    safe: list[set[str]] = []

    def bring(sender: int) -> None:
        mine: set[str] = set()
        while time.monotonic() < until:
            id = f"{sender}-{len(mine)}"
            group_commit.commit_blocking(event(id))
            mine.add(id)
        safe.append(mine)

    def close() -> None:
        while time.monotonic() < until:
            group_commit.close()
            time.sleep(0.01)

    with ThreadPoolExecutor(6) as pool:
        for one in [
            *(pool.submit(bring, sender) for sender in range(4)),
            pool.submit(close),
            pool.submit(close),
        ]:
            one.result(SOON)
    group_commit.close()
    assert stored(place) == set().union(*safe)
