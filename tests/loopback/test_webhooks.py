"""Webhooks in one process: the client subscribes, the cloud verifies and delivers, the receiver stores."""

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

VERIFICATION_TOKEN = "a long random text"
TIMEOUT_S = 10


@dataclass(frozen=True)
class WebhookSetup:
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

    def received_events(self) -> list[dict[str, str]]:
        """The events in the receiver's inbox."""
        with Archive.open(self.inbox) as archive:
            rows = Inbox(archive).db.all("SELECT body FROM webhook_inbox ORDER BY key")
        return [json.loads(body) for (body,) in rows]


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[WebhookSetup]:
    with Archive.open(":memory:") as archive:
        cloud = Cloud(archive, callbacks=AddressPolicy.parse("dev"))
        client_id, client_secret = cloud.grants.apps.register(
            "Loopback", ["https://loopback.example/callback"]
        )
        inbox = tmp_path / "inbox.db"
        listener = bind("127.0.0.1", 0)
        hook = receiver(client_secret, VERIFICATION_TOKEN, inbox=inbox)
        server = uvicorn.Server(uvicorn.Config(hook, log_level="warning", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.005)
            callback = f"http://127.0.0.1:{listener.getsockname()[1]}/oura"
            yield WebhookSetup(cloud, client_id, client_secret, callback, inbox)
        finally:
            server.should_exit = True
            thread.join(TIMEOUT_S)
            listener.close()


async def _awaited(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


async def make_all_six_calls(webhooks: Any, setup: WebhookSetup) -> None:
    """Make every call of the webhook API, with either client."""
    created = await _awaited(webhooks.create(setup.callback, VERIFICATION_TOKEN, "create", "sleep"))
    assert (created.callback_url, created.event_type, created.data_type) == (
        setup.callback,
        "create",
        "sleep",
    )
    assert await _awaited(webhooks.get(created.id)) == created
    assert await _awaited(webhooks.list()) == [created]
    changed = await _awaited(
        webhooks.update(created.id, VERIFICATION_TOKEN, event_type="update", data_type="workout")
    )
    assert (changed.id, changed.event_type, changed.data_type) == (created.id, "update", "workout")
    renewed = await _awaited(webhooks.renew(created.id))
    assert renewed.expires_at >= created.expires_at
    with pytest.raises(BadRequest) as duplicate:
        await _awaited(webhooks.create(setup.callback, VERIFICATION_TOKEN, "update", "workout"))
    assert duplicate.value.status == 409
    with pytest.raises(BadRequest) as unverified:
        await _awaited(webhooks.create(setup.callback, "another token", "delete", "tag"))
    assert unverified.value.status == 422
    assert await _awaited(webhooks.delete(created.id)) is None
    with pytest.raises(DocumentNotFound):
        await _awaited(webhooks.get(created.id))
    assert await _awaited(webhooks.list()) == []


def test_the_asynchronous_client_makes_all_six_calls(setup: WebhookSetup) -> None:
    async def run() -> None:
        async with setup.async_client() as client:
            await make_all_six_calls(client.webhooks, setup)

    asyncio.run(run())


def test_the_blocking_client_makes_all_six_calls(setup: WebhookSetup) -> None:
    with setup.client() as client, contextlib.suppress(StopIteration):
        make_all_six_calls(client.webhooks, setup).send(
            None
        )  # it never waits, so that one step runs it to its end


def test_a_client_without_a_client_secret_raises_usage_error(
    setup: WebhookSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OURA_CLIENT_ID", "OURA_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    transport = BlockingAsgiTransport(setup.cloud)
    with Client("none", transport=transport) as client, pytest.raises(UsageError):
        client.webhooks.list()


def test_changes_in_the_cloud_arrive_in_the_receivers_inbox(setup: WebhookSetup) -> None:
    cloud, sleep = setup.cloud, TYPES["sleep"]
    user = cloud.archive.user("wearer")
    cloud.grants.issue(setup.client_id, user, SCOPES)

    async def run() -> None:
        async with setup.async_client() as client:
            for event_type in ("create", "update", "delete"):
                await client.webhooks.create(setup.callback, VERIFICATION_TOKEN, event_type, "sleep")
            for step, change in enumerate(
                (
                    lambda: cloud.archive.put(user, sleep, sleep_document(7)),
                    lambda: cloud.archive.put(user, sleep, sleep_document(8)),
                    lambda: cloud.archive.delete(user, sleep, "night"),
                ),
                1,
            ):
                change()
                await wait_for_events(setup, step)

    asyncio.run(run())
    assert [(one["event_type"], one["object_id"], one["user_id"]) for one in setup.received_events()] == [
        (event_type, "night", "wearer") for event_type in ("create", "update", "delete")
    ]


def sleep_document(hours: int) -> bytes:
    sleep = {
        "id": "night",
        "day": "2026-01-20",
        "bedtime_start": "2026-01-19T23:00:00+00:00",
        "bedtime_end": f"2026-01-20T0{hours}:00:00+00:00",
    }
    return json.dumps(sleep).encode()


async def wait_for_events(setup: WebhookSetup, events: int) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while len(setup.received_events()) < events:
        assert time.monotonic() < deadline, "the event was not delivered"
        await asyncio.sleep(0.02)
