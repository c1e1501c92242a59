"""An application that manages its subscriptions at a cloud in this process, with a callback server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ringlet._net.addresses import AddressPolicy
from ringlet._webhooks.subscriptions import SUBSCRIPTION_PATH
from ringlet.archive import Archive
from ringlet.cloud import Clock, Cloud, CloudSettings

from .async_callback import AsyncCallback, async_callback
from .conftest import NOW, Answer, CloudClient


@dataclass
class WebhookApp:
    """An application that calls the subscription API of a cloud in this process."""

    client: CloudClient
    client_id: str
    secret: str

    @property
    def cloud(self) -> Cloud:
        return self.client.cloud

    def credential_headers(self, **changes: str) -> dict[str, str]:
        return {"x-client-id": self.client_id, "x-client-secret": self.secret} | changes

    async def send(self, method: str, path: str = "", body: Any = None, **changes: str) -> Answer:
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = self.credential_headers(**changes)
        return await self.client.send(f"{SUBSCRIPTION_PATH}{path}", method=method, headers=headers, body=sent)

    def __call__(self, method: str, path: str = "", body: Any = None, **changes: str) -> Answer:
        return self.client.runner.run(self.send(method, path, body, **changes))

    def with_callback(self, act: Callable[[AsyncCallback], Awaitable[Any]], **behavior: Any) -> Any:
        """Run `act` while a callback server listens; return its result."""

        async def done() -> Any:
            async with async_callback(**behavior) as server:
                found = await act(server)
                await self.cloud.dialer.close()
                return found

        return self.client.runner.run(done())

    def subscribe(self, data_type: str = "sleep", event_type: str = "update", **behavior: Any) -> Answer:
        return self.with_callback(
            lambda server: self.send("POST", "", subscription_request(server.url, data_type, event_type)),
            **behavior,
        )

    def another(self) -> WebhookApp:
        return WebhookApp(self.client, *self.cloud.grants.apps.register("Another", ["https://a.example/cb"]))

    @property
    def stored_subscriptions(self) -> int:
        row = self.cloud.archive.database.one("SELECT count(*) FROM webhook_subscriptions")
        assert row
        return int(row[0])


def subscription_request(
    url: str, data_type: str = "sleep", event_type: str = "update", **more: Any
) -> dict[str, Any]:
    given = {"callback_url": url, "verification_token": "a token & more"}
    return given | {"event_type": event_type, "data_type": data_type} | more


def register_app_in(
    archive: Archive, runner: asyncio.Runner, callbacks: str = "dev", **more: Any
) -> WebhookApp:
    cloud = Cloud(
        archive, clock=Clock(NOW), callbacks=AddressPolicy.parse(callbacks), settings=CloudSettings(**more)
    )
    app = cloud.grants.apps.register("Sleep Lab", ["https://lab.example/callback"])
    return WebhookApp(CloudClient(cloud, runner, archive.user("wearer")), *app)
