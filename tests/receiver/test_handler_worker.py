"""Calling a handler with events: nothing that a handler does stops it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ringlet._receiver import handler_worker
from ringlet._receiver.group_commit import GroupCommit
from ringlet._receiver.handler_worker import HandlerWorker
from ringlet._receiver.inbox_owner import acquire, owning
from ringlet._webhooks.events import Event
from ringlet.archive import Archive

SOON = 10
LATER = 40
"""Milliseconds after which a handler that failed is asked again the first time."""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_worker, "HANDLER_RETRY_FIRST_MS", LATER)


@pytest.fixture
def group_commit(tmp_path: Path) -> Iterator[GroupCommit]:
    one = GroupCommit(tmp_path / "oura.db", time.time, reopen=False)
    yield one
    one.close()


def begun(handler: Any, group_commit: GroupCommit) -> HandlerWorker:
    one = HandlerWorker(handler, group_commit, time.time)
    group_commit.on_commit = one.wake
    one.start()
    return one


def bring(group_commit: GroupCommit, *ids: str) -> None:
    for id in ids:
        given = {"event_time": "2026-02-02T02:40:00+00:00", "user_id": "wearer", "object_id": id}
        group_commit.commit_blocking(Event(event_type="update", data_type="sleep", **given))


def until(happened: Callable[[], bool]) -> None:
    late = time.monotonic() + SOON
    while not happened():
        assert time.monotonic() < late, "it did not happen"
        time.sleep(0.005)


@pytest.mark.parametrize("raised", [RuntimeError, asyncio.CancelledError, SystemExit])
@pytest.mark.parametrize("awaits", [False, True])
def test_whatever_a_handler_raises_other_events_are_handled_and_the_event_is_retried(
    group_commit: GroupCommit, raised: type[BaseException], *, awaits: bool
) -> None:
    told: list[str] = []

    def take(event: Event) -> None:
        told.append(event.object_id)
        if event.object_id == "a" and told.count("a") < 3:
            raise raised

    async def awaiting(event: Event) -> None:
        take(event)

    one = begun(awaiting if awaits else take, group_commit)
    bring(group_commit, "a")
    until(lambda: "a" in told)
    bring(group_commit, "b", "c")
    until(lambda: told.count("a") == 3 and {"b", "c"} <= set(told))
    one.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_started_again(group_commit: GroupCommit) -> None:
    told: list[str] = []

    def take(event: Event) -> None:
        told.append(event.object_id)
        if len(told) == 1:
            raise KeyboardInterrupt

    one = begun(take, group_commit)
    bring(group_commit, "a")
    until(lambda: not any(thread.name == "ringlet handler" for thread in threading.enumerate()))
    one.start()
    bring(group_commit, "b")
    until(lambda: "b" in told)
    one.stop()


def test_a_handler_that_keeps_failing_is_called_after_longer_pauses(group_commit: GroupCommit) -> None:
    asked: list[float] = []

    def fails(event: Event) -> None:
        asked.append(time.monotonic())
        raise RuntimeError

    one = begun(fails, group_commit)
    bring(group_commit, "a")
    until(lambda: len(asked) == 5)
    one.stop()
    waits = [after - before for before, after in pairwise(asked)]
    assert all(wait > 0.9 * LATER / 1000 * 2**tries for tries, wait in enumerate(waits))


def test_while_a_sync_owns_the_inbox_the_handler_is_not_called_and_the_log_says_why(
    group_commit: GroupCommit, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler_worker, "OWNER_RETRY_S", 0.5)
    told: list[str] = []
    with Archive.open(str(group_commit.place)) as archive:
        with owning(archive, "sync"):
            one = begun(lambda event: told.append(event.object_id), group_commit)
            for number in range(20):
                bring(group_commit, f"{number}")
                one.wake()
            until(lambda: "give the handler an inbox of its own" in caplog.text)
            assert len(caplog.records) <= 2, "not once for each event"
        assert told == []
        until(lambda: sorted(told, key=int) == [f"{number}" for number in range(20)])
        one.stop()
        acquire(archive, "sync")
