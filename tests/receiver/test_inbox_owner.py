"""One inbox has handlers or syncs: the other kind is refused, and told what to do."""

from __future__ import annotations

import asyncio
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import cast

import pytest

from ringlet import AsyncClient
from ringlet import webhooks as w
from ringlet._api.wire import Request, Response
from ringlet._archive.storage.locks import Lock
from ringlet._archive.storage.settings import Setting
from ringlet._oauth.grant import App
from ringlet._receiver.fetch_queue import FetchQueue
from ringlet._receiver.handler_worker import HANDLER_RETRY_MAX_MS
from ringlet._receiver.inbox_owner import OWNER_EXPIRES_S, RENEW_OWNER_S, InboxOwner, acquire, owning, release
from ringlet._sync import continuous
from ringlet._sync.continuous import CallbackEndpoint, ContinuousSync, SyncObserver
from ringlet.archive import Archive
from ringlet.errors import ArchiveError, UsageError
from ringlet.webhooks import Receiver

from ..signed_events import EVENT

BOTH: list[tuple[InboxOwner, InboxOwner]] = [("handler", "sync"), ("sync", "handler")]
each = pytest.mark.parametrize(("first", "other"), BOTH)


def pass_by(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + seconds)


@each
def test_an_owner_of_another_kind_is_refused_with_a_cure(
    archive: Archive, first: InboxOwner, other: InboxOwner
) -> None:
    acquire(archive, first)
    acquire(archive, first)
    with pytest.raises(UsageError) as caught:
        acquire(archive, other)
    assert archive.path in caught.value.message
    assert caught.value.cure
    acquire(archive, first)


@each
def test_the_inbox_can_be_owned_again_once_it_is_released(
    archive: Archive, first: InboxOwner, other: InboxOwner
) -> None:
    with owning(archive, first):
        release(archive, other)  # it is not theirs to leave
        with pytest.raises(UsageError):
            acquire(archive, other)
    acquire(archive, other)


@each
def test_the_lease_of_a_killed_program_expires(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, first: InboxOwner, other: InboxOwner
) -> None:
    acquire(archive, first)
    pass_by(monkeypatch, OWNER_EXPIRES_S - 5)
    with pytest.raises(UsageError):
        acquire(archive, other)
    pass_by(monkeypatch, 10)
    acquire(archive, other)
    with pytest.raises(UsageError):
        acquire(archive, first)


def test_a_clock_that_was_set_back_keeps_nobody_out(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquire(archive, "handler")
    pass_by(monkeypatch, -3 * 3600)
    acquire(archive, "sync")


def test_an_owner_that_checks_often_enough_keeps_the_inbox(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquire(archive, "handler")
    for _ in range(3):
        pass_by(
            monkeypatch, HANDLER_RETRY_MAX_MS / 1000
        )  # as seldom as a handler looks that has nothing to do
        with pytest.raises(UsageError):
            acquire(archive, "sync")
        acquire(archive, "handler")


def test_a_refused_owner_writes_nothing(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    acquire(archive, "sync")
    before = archive.setting(Setting.INBOX_OWNER)
    pass_by(monkeypatch, RENEW_OWNER_S - 5)
    acquire(archive, "sync")
    assert archive.setting(Setting.INBOX_OWNER) == before


def test_of_two_kinds_that_start_at_once_one_is_refused(place: str, archive: Archive) -> None:
    ready = Barrier(4)

    def start(who: InboxOwner) -> InboxOwner | None:
        with Archive.open(place) as mine:
            ready.wait()
            try:
                acquire(mine, who)
            except UsageError:
                return None
            return who

    kinds: list[InboxOwner] = ["handler", "sync", "handler", "sync"]
    with ThreadPoolExecutor(4) as pool:
        had = [who for who in pool.map(start, kinds) if who]
    assert len(had) == 2
    assert len(set(had)) == 1


# --- Where it counts ---


def test_an_inbox_that_handlers_take_from_gives_a_sync_nothing_and_the_other_way_round(
    archive: Archive,
) -> None:
    inbox = FetchQueue(archive)
    assert inbox.take(0, 1, 1) == []
    with pytest.raises(UsageError, match="handler"):
        inbox.claim(0, 1, 1)
    release(archive, "handler")
    assert inbox.claim(0, 1, 1) == []
    with pytest.raises(UsageError, match="sync"):
        inbox.take(0, 1, 1)


def test_a_receiver_on_the_inbox_of_a_sync_acknowledges_and_hands_nothing_out(place: str) -> None:
    told: list[w.Event] = []
    signed = w.signed_headers("secret", EVENT.body, now=time.time())
    with Archive.open(place) as archive, owning(archive, "sync"):
        with Receiver("secret", "token", inbox=place, handler=told.append) as hook:
            assert hook.handle("POST", {}, signed, EVENT.body).status == 200
        assert FetchQueue(archive).pending() == 1, "it is kept for the sync"
        assert told == []


def test_a_receiver_with_a_handler_has_its_inbox_until_it_is_closed(place: str) -> None:
    with Archive.open(place) as archive:
        with Receiver("secret", "token", inbox=place, handler=lambda event: None):
            while not (archive.setting(Setting.INBOX_OWNER) or "").startswith("handler"):
                time.sleep(0.005)
            with pytest.raises(UsageError, match="handler"):
                acquire(archive, "sync")
        acquire(archive, "sync")


class Silent:
    """A server that does not answer."""

    async def send(self, request: Request) -> Response:
        await asyncio.sleep(3600)
        raise AssertionError

    async def close(self) -> None:
        """Nothing is open."""


async def keep_up(archive: Archive, place: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        callback = CallbackEndpoint(url="https://one.example/", listener=listener)
        client = AsyncClient("token", transport=Silent(), client_id="id", client_secret="secret")
        app, nobody = App(client_id="id", client_secret="secret"), cast("SyncObserver", None)
        await ContinuousSync(client, archive, place, callback, nobody, app=app, names=["sleep"]).run()


def test_a_run_that_keeps_up_does_not_begin_on_the_inbox_of_a_handler(archive: Archive, place: str) -> None:
    acquire(archive, "handler")
    with pytest.raises(UsageError, match="handler") as caught:
        asyncio.run(keep_up(archive, place))
    assert "another archive" in caught.value.cure
    assert (archive.setting(Setting.INBOX_OWNER) or "").startswith("handler")


def test_a_run_that_keeps_up_has_its_inbox_though_it_gets_no_answer(
    archive: Archive, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continuous, "RENEW_OWNER_S", 0.01)

    async def run() -> None:
        with Archive.open(place) as mine:
            task = asyncio.create_task(keep_up(mine, place))
            for _ in range(2):
                while archive.setting(Setting.INBOX_OWNER) is None:  # noqa: ASYNC110 - another connection writes it
                    await asyncio.sleep(0.005)
                assert not task.done()
                archive.set_setting(Setting.INBOX_OWNER, None)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    acquire(archive, "handler")


def test_who_cannot_say_that_it_is_left_has_still_ended(archive: Archive, place: str) -> None:
    with Archive.open(place, timeout=0.05) as mine:
        held = owning(mine, "sync")
        held.__enter__()
        with archive.transaction():
            archive.database.lock(Lock.INBOX)
            archive.set_setting("busy", "yes")
            held.__exit__(None, None, None)
        assert isinstance(mine.setting(Setting.INBOX_OWNER), str)


def test_a_busy_archive_is_no_refusal(archive: Archive, place: str) -> None:
    with Archive.open(place, timeout=0.05) as mine, archive.transaction():
        archive.database.lock(Lock.INBOX)
        archive.set_setting("busy", "yes")
        with pytest.raises(ArchiveError):
            acquire(mine, "sync")
