"""Client and cloud in one process: requests go through ASGI, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from ringlet import AsyncClient, Client
from ringlet._api.windows import Dialect
from ringlet._api.wire import Request, Response
from ringlet._cloud.oauth.tokens import Issued
from ringlet._cloud.wearer.demo import DEMO_USER_NAME, populate
from ringlet._oauth.scopes import SCOPES
from ringlet._person.person import Person
from ringlet.archive import Archive
from ringlet.cloud import Clock, Cloud, CloudSettings

from .. import populated

NOW = datetime(2026, 1, 20, 12, tzinfo=UTC)
DEMO_DAYS = 60
FIRST_DAY = NOW.date() - timedelta(days=DEMO_DAYS - 1)


class AsgiTransport:
    """An `AsyncTransport` to an ASGI application in this process; it ignores the host of a URL."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def send(self, request: Request) -> Response:
        headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
        query = urlencode(request.params).encode()
        path = urlsplit(request.path).path
        scope = {"type": "http", "method": request.method, "path": path, "query_string": query}
        messages: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": request.body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            messages.append(message)

        await self.app(scope | {"headers": headers}, receive, send)
        response_headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
        return Response(
            messages[0]["status"], b"".join(part["body"] for part in messages[1:]), response_headers
        )

    async def close(self) -> None:
        """There is no connection to close."""


class BlockingAsgiTransport:
    """The same for the blocking client."""

    def __init__(self, app: Any) -> None:
        self._inner, self._runner = AsgiTransport(app), asyncio.Runner()

    def send(self, request: Request) -> Response:
        return self._runner.run(self._inner.send(request))

    def close(self) -> None:
        self._runner.close()


@dataclass(frozen=True)
class Loopback:
    """A cloud with one simulated wearer, and clients of that cloud."""

    cloud: Cloud
    person: Person
    user: int
    token: str

    now = NOW
    first = FIRST_DAY
    last: date = NOW.date() + timedelta(days=1)
    """The day after `now`: in time zones to the east it has begun."""

    def client(self, token: str | None = None, **more: Any) -> Client:
        credentials = {} if "token_store" in more else {"token": token or self.token}
        return Client(transport=BlockingAsgiTransport(self.cloud), **credentials, **more)

    def async_client(self) -> AsyncClient:
        return AsyncClient(self.token, transport=AsgiTransport(self.cloud))

    def grant(self, *scopes: str) -> Issued:
        """A new grant to a new application, for tests that revoke it or exceed its rate limit."""
        client_id, _ = self.cloud.grants.apps.register("Loopback", [])
        return self.cloud.grants.issue(client_id, self.user, scopes or SCOPES)


def _build(dialect: Dialect, place: Path) -> Iterator[Loopback]:
    with Archive.open(populated.copy_to(place, now=NOW, days=DEMO_DAYS, dialect=dialect)) as archive:
        clock = Clock(NOW)
        user = populate(archive, clock, days=DEMO_DAYS, seed=7, dialect=dialect)
        cloud = Cloud(archive, settings=CloudSettings(dialect=dialect), clock=clock)
        # Property tests send more requests in five minutes than the rate limit allows.
        cloud.rate_limit.limit = 1_000_000
        client_id, _ = cloud.grants.apps.register("Loopback", ["https://loopback.example/callback"])
        token = cloud.grants.issue(client_id, user, SCOPES).access_token
        yield Loopback(cloud, Person(7, DEMO_USER_NAME, dialect=dialect), user, token)


@pytest.fixture(scope="session")
def _live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    yield from _build("live", tmp_path_factory.mktemp("loopback"))


@pytest.fixture(scope="session")
def _docs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    yield from _build("docs", tmp_path_factory.mktemp("loopback"))


@pytest.fixture(params=["live", "docs"])
def loopback(request: pytest.FixtureRequest, _live: Loopback, _docs: Loopback) -> Loopback:
    """A cloud of each dialect."""
    return _live if request.param == "live" else _docs
