"""Webhooks from end to end: the client subscribes, the cloud asks and delivers, the receiver keeps."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from ringlet import AsyncClient, Client
from ringlet._api.catalog import TYPES
from ringlet._net.addresses import AddressPolicy
from ringlet._net.listen import bind
from ringlet._oauth.scopes import SCOPES
from ringlet._receiver.inbox import Inbox
from ringlet.archive import Archive
from ringlet.cloud import Cloud
from ringlet.errors import BadRequest, DocumentNotFound, UsageError
from ringlet.webhooks import receiver

from .conftest import AsgiTransport, BlockingAsgiTransport

TOKEN = "a long random text"
SOON = 10


@dataclass(frozen=True)
class Ends:
    """A cloud with an application, and that application's receiver on a socket."""

    cloud: Cloud
    client_id: str
    client_secret: str
    callback: str
    inbox: Path

    @contextlib.contextmanager
    def client(self) -> Iterator[Client]:
        transport = BlockingAsgiTransport(self.cloud)
        with Client("none", transport=transport, **self.app) as client:
            yield client
            transport._runner.run(self.cloud.dialer.close())

    @contextlib.asynccontextmanager
    async def async_client(self) -> AsyncIterator[AsyncClient]:
        async with (
            self.cloud.running(),
            AsyncClient("none", transport=AsgiTransport(self.cloud), **self.app) as client,
        ):
            yield client

    @property
    def app(self) -> dict[str, Any]:
        return {"client_id": self.client_id, "client_secret": self.client_secret}

    def told(self) -> list[dict[str, str]]:
        """What the receiver has kept."""
        with Archive.open(self.inbox) as archive:
            rows = Inbox(archive).db.all("SELECT body FROM webhook_inbox ORDER BY key")
        return [json.loads(body) for (body,) in rows]


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    with Archive.open(":memory:") as archive:
        cloud = Cloud(archive, callbacks=AddressPolicy.parse("dev"))
        client_id, client_secret = cloud.grants.apps.register(
            "Loopback", ["https://loopback.example/callback"]
        )
        inbox = tmp_path / "inbox.db"
        listener = bind("127.0.0.1", 0)
        hook = receiver(client_secret, TOKEN, inbox=inbox)
        server = uvicorn.Server(uvicorn.Config(hook, log_level="warning", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.005)
            callback = f"http://127.0.0.1:{listener.getsockname()[1]}/oura"
            yield Ends(cloud, client_id, client_secret, callback, inbox)
        finally:
            server.should_exit = True
            thread.join(SOON)
            listener.close()


async def _done(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


async def all_six(webhooks: Any, ends: Ends) -> None:
    """Every call, on either client."""
    made = await _done(webhooks.create(ends.callback, TOKEN, "create", "sleep"))
    assert (made.callback_url, made.event_type, made.data_type) == (ends.callback, "create", "sleep")
    assert await _done(webhooks.get(made.id)) == made
    assert await _done(webhooks.list()) == [made]
    changed = await _done(webhooks.update(made.id, TOKEN, event_type="update", data_type="workout"))
    assert (changed.id, changed.event_type, changed.data_type) == (made.id, "update", "workout")
    renewed = await _done(webhooks.renew(made.id))
    assert renewed.expires_at >= made.expires_at
    with pytest.raises(BadRequest) as twice:
        await _done(webhooks.create(ends.callback, TOKEN, "update", "workout"))
    assert twice.value.status == 409
    with pytest.raises(BadRequest) as unproved:
        await _done(webhooks.create(ends.callback, "another token", "delete", "tag"))
    assert unproved.value.status == 422
    assert await _done(webhooks.delete(made.id)) is None
    with pytest.raises(DocumentNotFound):
        await _done(webhooks.get(made.id))
    assert await _done(webhooks.list()) == []


def test_the_asynchronous_client_makes_all_six_calls(ends: Ends) -> None:
    async def run() -> None:
        async with ends.async_client() as client:
            await all_six(client.webhooks, ends)

    asyncio.run(run())


def test_the_blocking_client_makes_all_six_calls(ends: Ends) -> None:
    with ends.client() as client, contextlib.suppress(StopIteration):
        all_six(client.webhooks, ends).send(None)  # which never has to wait


def test_without_a_secret_there_are_no_subscriptions(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OURA_CLIENT_ID", "OURA_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    transport = BlockingAsgiTransport(ends.cloud)
    with Client("none", transport=transport) as client, pytest.raises(UsageError):
        client.webhooks.list()


def test_changes_in_the_cloud_arrive_in_the_receivers_inbox(ends: Ends) -> None:
    cloud, sleep = ends.cloud, TYPES["sleep"]
    user = cloud.archive.user("wearer")
    cloud.grants.issue(ends.client_id, user, SCOPES)

    async def run() -> None:
        async with ends.async_client() as client:
            for event_type in ("create", "update", "delete"):
                await client.webhooks.create(ends.callback, TOKEN, event_type, "sleep")
            for step, change in enumerate(
                (
                    lambda: cloud.archive.put(user, sleep, night(7)),
                    lambda: cloud.archive.put(user, sleep, night(8)),
                    lambda: cloud.archive.delete(user, sleep, "night"),
                ),
                1,
            ):
                change()
                await until_told(ends, step)

    asyncio.run(run())
    assert [(one["event_type"], one["object_id"], one["user_id"]) for one in ends.told()] == [
        (event_type, "night", "wearer") for event_type in ("create", "update", "delete")
    ]


def night(hours: int) -> bytes:
    sleep = {
        "id": "night",
        "day": "2026-01-20",
        "bedtime_start": "2026-01-19T23:00:00+00:00",
        "bedtime_end": f"2026-01-20T0{hours}:00:00+00:00",
    }
    return json.dumps(sleep).encode()


async def until_told(ends: Ends, events: int) -> None:
    late = time.monotonic() + SOON
    while len(ends.told()) < events:
        assert time.monotonic() < late, "it was not delivered"
        await asyncio.sleep(0.02)
