"""Both ends of the wire in one process: the clients ask a cloud through ASGI, no socket in between."""

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
DAYS = 60
FIRST = NOW.date() - timedelta(days=DAYS - 1)


class AsgiTransport:
    """An `AsyncTransport` to an ASGI application in this process, whatever host is named."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def send(self, request: Request) -> Response:
        headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
        query = urlencode(request.params).encode()
        path = urlsplit(request.path).path
        scope = {"type": "http", "method": request.method, "path": path, "query_string": query}
        said: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": request.body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            said.append(message)

        await self.app(scope | {"headers": headers}, receive, send)
        names = {name.decode(): value.decode() for name, value in said[0]["headers"]}
        return Response(said[0]["status"], b"".join(part["body"] for part in said[1:]), names)

    async def close(self) -> None:
        """Nothing is open."""


class BlockingAsgiTransport:
    """The same for the client that blocks."""

    def __init__(self, app: Any) -> None:
        self._inner, self._runner = AsgiTransport(app), asyncio.Runner()

    def send(self, request: Request) -> Response:
        return self._runner.run(self._inner.send(request))

    def close(self) -> None:
        self._runner.close()


@dataclass(frozen=True)
class Loop:
    """A cloud with a wearer, who that is, and clients that ask it."""

    cloud: Cloud
    person: Person
    user: int
    token: str

    now = NOW
    first = FIRST
    last: date = NOW.date() + timedelta(days=1)
    """Somewhere east it is tomorrow already."""

    def client(self, token: str | None = None, **more: Any) -> Client:
        signed = more if "token_store" in more else {"token": token or self.token, **more}
        return Client(transport=BlockingAsgiTransport(self.cloud), **signed)

    def async_client(self) -> AsyncClient:
        return AsyncClient(self.token, transport=AsgiTransport(self.cloud))

    def grant(self, *scopes: str) -> Issued:
        """A grant of its own, to an application of its own: what the tests of refusals spoil."""
        client_id, _ = self.cloud.grants.apps.register("Loopback", [])
        return self.cloud.grants.issue(client_id, self.user, scopes or SCOPES)


def _build(dialect: Dialect, place: Path) -> Iterator[Loop]:
    with Archive.open(populated.copy_to(place, now=NOW, days=DAYS, dialect=dialect)) as archive:
        clock = Clock(NOW)
        user = populate(archive, clock, days=DAYS, seed=7, dialect=dialect)
        cloud = Cloud(archive, settings=CloudSettings(dialect=dialect), clock=clock)
        # A property test asks more often in five minutes than a client of the real service may.
        cloud.rate_limit.limit = 1_000_000
        client_id, _ = cloud.grants.apps.register("Loopback", ["https://loopback.example/callback"])
        token = cloud.grants.issue(client_id, user, SCOPES).access_token
        yield Loop(cloud, Person(7, DEMO_USER_NAME, dialect=dialect), user, token)


@pytest.fixture(scope="session")
def _live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    yield from _build("live", tmp_path_factory.mktemp("loop"))


@pytest.fixture(scope="session")
def _docs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    yield from _build("docs", tmp_path_factory.mktemp("loop"))


@pytest.fixture(params=["live", "docs"])
def loop(request: pytest.FixtureRequest, _live: Loop, _docs: Loop) -> Loop:
    """Under each dialect."""
    return _live if request.param == "live" else _docs
