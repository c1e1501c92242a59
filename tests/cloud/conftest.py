"""Fixtures with clouds in this process and clients that send them requests through ASGI."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from ringlet._api.windows import Dialect
from ringlet._cloud.wearer.demo import populate
from ringlet._oauth.scopes import SCOPES
from ringlet.archive import Archive
from ringlet.cloud import Clock, Cloud, CloudSettings, OAuthRules

from .. import populated
from .webhook_service import WebhookService

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def service(place: str) -> Iterator[WebhookService]:
    """The webhook service on an empty archive, on either database; its clock stands still."""
    with Archive.open(place) as archive:
        yield WebhookService(archive, Clock(NOW))


@pytest.fixture
def other_service(place: str, service: WebhookService) -> Iterator[WebhookService]:
    """The same service as another process has it: with its own connection to the archive."""
    with Archive.open(place) as archive:
        yield WebhookService(archive, service.clock)


DEMO_DAYS = 60


@dataclass(frozen=True)
class Answer:
    """A response; header names in lower case."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def ids(self) -> list[str]:
        """The ids of the documents in a list."""
        return [one["id"] for one in self.json["data"]]


@dataclass
class CloudClient:
    """Sends requests to one cloud, as the wearer `user` or as whoever runs the cloud."""

    cloud: Cloud
    runner: asyncio.Runner
    user: int
    client_id: str = ""

    def __call__(self, path: str, query: str | Mapping[str, str] = "", **more: Any) -> Answer:
        """`send` for tests that do not await."""
        # Not `runner.run`, which also replaces the handler of SIGINT: that takes longer than most requests.
        return self.runner.get_loop().run_until_complete(self.send(path, query, **more))

    async def send(
        self,
        path: str,
        query: str | Mapping[str, str] = "",
        *,
        method: str = "GET",
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Send one request. A path without a leading slash is a data route."""
        sent = dict(headers or {})
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        if form is not None:
            body = urlencode(form if isinstance(form, Mapping) else list(form)).encode()
            sent["content-type"] = "application/x-www-form-urlencoded"
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path if path.startswith("/") else f"/v2/usercollection/{path}",
            "query_string": (query if isinstance(query, str) else urlencode(query)).encode("latin-1"),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()],
            "server": ("127.0.0.1", 8765),
            "client": ("127.0.0.1", 50000),
        }
        messages: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            messages.append(message)

        await self.cloud(scope, receive, send)
        start, *parts = messages
        names = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
        return Answer(start["status"], b"".join(part.get("body", b"") for part in parts), names)

    def token(self, *scopes: str) -> str:
        """A new access token for the named scopes; without arguments for all, with `none` for no scope."""
        if not self.client_id:
            self.client_id, _ = self.cloud.grants.apps.register("Tests", ["https://tests.example/callback"])
        granted = [] if scopes == ("none",) else scopes or tuple(SCOPES)
        return self.cloud.grants.issue(self.client_id, self.user, granted).access_token

    def admin(self, path: str, /, *, method: str = "GET", query: str = "", **body: Any) -> Answer:
        """Send a request to the control API."""
        return self(
            f"/_ringlet/{path}",
            query,
            method=method,
            token=self.cloud.admin_token,
            body=json.dumps(body).encode() if body else b"",
        )


MakeCloud = Callable[..., CloudClient]


@pytest.fixture(scope="session")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as one:
        yield one


@pytest.fixture
def make_cloud(runner: asyncio.Runner) -> Iterator[MakeCloud]:
    """Make an empty cloud with one wearer, whose clock stands at noon of 1 March 2026; return its client."""
    opened: list[Archive] = []

    def build(
        dialect: Dialect = "live",
        *,
        path: Any = ":memory:",
        at: datetime = NOW,
        rules: OAuthRules | None = None,
        **settings: Any,
    ) -> CloudClient:
        archive = Archive.open(path)
        opened.append(archive)
        user = archive.user("wearer")
        cloud = Cloud(
            archive, settings=CloudSettings(dialect=dialect, **settings), clock=Clock(at), rules=rules
        )
        return CloudClient(cloud, runner, user)

    yield build
    for archive in opened:
        archive.close()


@pytest.fixture
def live(make_cloud: MakeCloud) -> CloudClient:
    return make_cloud()


@pytest.fixture
def docs(make_cloud: MakeCloud) -> CloudClient:
    return make_cloud("docs")


def _demo(dialect: Dialect, runner: asyncio.Runner, place: Path) -> Iterator[CloudClient]:
    with Archive.open(populated.copy_to(place, now=NOW, days=DEMO_DAYS, dialect=dialect)) as archive:
        clock = Clock(NOW)
        user = populate(archive, clock, days=DEMO_DAYS, seed=7, dialect=dialect)
        yield CloudClient(Cloud(archive, settings=CloudSettings(dialect=dialect), clock=clock), runner, user)


@pytest.fixture(scope="session")
def demo(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudClient]:
    """A cloud with sixty days of the simulated person; tests only read it."""
    yield from _demo("live", runner, tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def demo_docs(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudClient]:
    """The same under the `docs` dialect."""
    yield from _demo("docs", runner, tmp_path_factory.mktemp("demo"))


@pytest.fixture
def basic() -> Callable[[str, str], dict[str, str]]:
    """Makes the header of HTTP Basic authentication for a client id and secret."""

    def header(client_id: str, secret: str) -> dict[str, str]:
        return {"authorization": "Basic " + b64encode(f"{client_id}:{secret}".encode()).decode()}

    return header
