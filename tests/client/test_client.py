"""The clients over real sockets: where to ask, as whom, and that a flow is carried out as it is by hand."""

import asyncio
import gc
import inspect
import json
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Barrier, Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ringlet._api.wire import Flow, Request, Response, RetryPolicy, pause
from ringlet._client.client import OURA_API, app_from, base_url_from
from ringlet._client.transport import AiohttpTransport
from ringlet._oauth.grant import OURA_HOSTS, App, Tokens
from ringlet.client import AsyncClient, Client, FileTokenStore, MemoryTokenStore, SignIn
from ringlet.errors import ConnectionFailed, DocumentNotFound, InvalidToken, NotSignedIn, UsageError
from ringlet.models import HeartRate

DAY = date(2026, 1, 10)
NOW = datetime(2026, 1, 10, tzinfo=UTC)
WITHOUT_RETRIES = RetryPolicy(max_tries=1)
FAST_RETRIES = RetryPolicy(first_wait_s=0.001, jitter=lambda: 0)


@dataclass
class Asked:
    """One request as the server saw it."""

    method: str
    path: str
    params: dict[str, str]
    token: str
    form: dict[str, str]


@dataclass
class Server:
    """A server of HTTP whose answers are a function of what it is asked: (status, body) or bytes."""

    url: str
    asked: list[Asked] = field(default_factory=list[Asked])
    answer: Callable[[Asked], tuple[int, Any]] = lambda asked: (200, {"data": [], "id": asked.token})


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            asked = Asked(
                method=self.command,
                path=url.path,
                params=dict(parse_qsl(url.query)),
                token=self.headers.get("authorization", "").removeprefix("Bearer "),
                form=dict(parse_qsl(body.decode())),
            )
            it.asked.append(asked)
            status, said = it.answer(asked)
            data = json.dumps(said).encode()
            head = f"HTTP/1.1 {status} Said\r\ncontent-length: {len(data)}\r\n\r\n"
            self.wfile.write(head.encode() + data)

        do_POST = do_GET  # noqa: N815  # the name that http.server calls

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        it = Server(f"http://127.0.0.1:{http.server_port}")
        Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield it
        http.shutdown()


@pytest.fixture(autouse=True)
def _clean_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither this machine's settings nor its tokens."""
    for name in [name for name in os.environ if name.startswith(("OURA_", "RINGLET_"))]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))


def identity(**settings: Any) -> str:
    """The token that a client sends, which the server gives back as the person's id."""
    with Client(**settings) as client:
        blocking = client.personal_info.get().id

    async def awaited() -> str:
        async with AsyncClient(**settings) as client:
            return (await client.personal_info.get()).id

    assert asyncio.run(awaited()) == blocking
    return blocking


# --- As whom ---


def test_the_token_is_the_argument_else_the_wallet_else_the_environment_else_the_file(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURA_API_BASE_URL", server.url)
    with pytest.raises(NotSignedIn) as caught:
        identity()
    assert caught.value.cure
    assert server.asked == []
    SignIn().token_store.save(Tokens(access_token="of-the-file"))
    assert identity() == "of-the-file"
    monkeypatch.setenv("OURA_ACCESS_TOKEN", "of-the-environment")
    assert identity() == "of-the-environment"
    token_store = MemoryTokenStore(Tokens(access_token="of-the-token_store"))
    assert identity(token_store=token_store) == "of-the-token_store"
    assert identity(token_store=token_store, token="of-the-argument") == "of-the-argument"
    assert identity(token="of-the-argument") == "of-the-argument"


def test_an_empty_wallet_is_not_topped_up_from_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who names a token_store means that person, not whoever's token lies about."""
    monkeypatch.setenv("OURA_ACCESS_TOKEN", "of-somebody-else")
    with pytest.raises(NotSignedIn):
        identity(base_url=server.url, token_store=MemoryTokenStore())


def test_the_application_is_the_argument_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert app_from(None, None) is None
    monkeypatch.setenv("OURA_CLIENT_ID", "env id")
    monkeypatch.setenv("OURA_CLIENT_SECRET", "env secret")
    assert app_from(None, None) == App(client_id="env id", client_secret="env secret")
    assert app_from("my id", "my secret") == App(client_id="my id", client_secret="my secret")


def test_both_clients_have_the_same_parameters() -> None:
    blocking, awaited = (list(inspect.signature(it).parameters) for it in (Client, AsyncClient))
    assert blocking == awaited


# --- Where ---


@pytest.mark.parametrize("tail", ["", "/", "/v2", "/v2/", "/v2/usercollection", "/v2/usercollection/"])
def test_a_base_url_may_be_written_with_or_without_the_collection(
    server: Server, monkeypatch: pytest.MonkeyPatch, tail: str
) -> None:
    assert identity(base_url=server.url + tail, token="given") == "given"
    monkeypatch.setenv("OURA_API_BASE_URL", server.url + tail)
    assert identity(token="given") == "given"
    assert {asked.path for asked in server.asked} == {"/v2/usercollection/personal_info"}


def test_the_default_base_url_is_that_of_oura() -> None:
    assert base_url_from(None) == OURA_API
    with Client("a-token") as client:
        assert (client.base_url, client.hosts) == (OURA_API, OURA_HOSTS)
    assert base_url_from("http://localhost:1/under/v2/usercollection") == "http://localhost:1/under"


@pytest.mark.parametrize(
    "url",
    [
        "https://me:hush@api.test",
        "https://hush@api.test/v2",
        "https://@api.test",
        "me:hush@api.test",
        "https://api.test?key=hush",
        "https://api.test/v2/usercollection?",
        "https://api.test/#hush",
    ],
)
def test_a_base_url_with_more_than_a_place_is_refused_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("OURA_API_BASE_URL", url)
    for given in (url, None):
        with pytest.raises(UsageError, match="no user") as caught:
            base_url_from(given)
        assert "hush" not in str(caught.value) + caught.value.cure


@pytest.mark.parametrize("url", ["api.test", "ftp://api.test", "https://", "/v2"])
def test_a_base_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="a base URL starts with http"):
        base_url_from(url)


def test_a_grant_of_another_cloud_is_not_sent_to_this_one(server: Server) -> None:
    abroad = Tokens(access_token="hush", refresh_token="hush", token_url=OURA_HOSTS.token[0])
    with (
        Client(base_url=server.url, token_store=MemoryTokenStore(abroad)) as client,
        pytest.raises(NotSignedIn),
    ):
        client.personal_info.get()
    assert server.asked == []


def test_the_sandbox_has_its_own_routes_and_needs_no_account(server: Server) -> None:
    assert identity(base_url=server.url, sandbox=True)
    assert identity(base_url=server.url, sandbox=True, token="given") == "given"
    assert {asked.path for asked in server.asked} == {"/v2/sandbox/usercollection/personal_info"}


def test_a_connection_refused_says_where_but_not_what() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    client = Client("hush", base_url=url, retry_policy=WITHOUT_RETRIES)
    with client, pytest.raises(ConnectionFailed) as caught:
        client.daily_sleep.list(DAY, DAY)
    said = str(caught.value) + caught.value.cure
    assert f"{url}/v2/usercollection/daily_sleep" in said
    assert "start_date" not in said
    assert "hush" not in said


# --- Carrying flows out ---


@dataclass
class Stormy:
    """Four pages, one day each; every other request is refused as if the server were busy."""

    count: int = 0

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        self.count += 1
        if self.count % 2:
            return 503, {"detail": "busy"}
        number = int(asked.params.get("next_token", "0"))
        document = {"id": str(number), "day": (DAY + timedelta(days=number)).isoformat()}
        return 200, {"data": [document], "next_token": str(number + 1) if number < 3 else None}


def test_both_clients_and_any_transport_carry_a_flow_out_alike(server: Server) -> None:
    end = DAY + timedelta(days=2)

    def blocking() -> Any:
        with Client("a-token", base_url=server.url, retry_policy=FAST_RETRIES) as client:
            return client.daily_sleep.list(DAY, end)

    def awaited(**more: Any) -> Any:
        async def run() -> Any:
            async with AsyncClient(
                "a-token", base_url=server.url, retry_policy=FAST_RETRIES, **more
            ) as client:
                return await client.daily_sleep.list(DAY, end)

        return asyncio.run(run())

    runs = [blocking, awaited, lambda: awaited(transport=AiohttpTransport(server.url))]
    seen: list[list[Asked]] = []
    for run in runs:
        server.answer = Stormy()
        server.asked.clear()
        assert [document.id for document in run()] == ["0", "1", "2"]
        seen.append(list(server.asked))
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) == 8


def test_a_refusal_raises_its_error(server: Server) -> None:
    server.answer = lambda asked: (404, {"detail": "Document not found."})

    async def awaited() -> None:
        async with AsyncClient("a-token", base_url=server.url) as client:
            await client.sleep.get("some-id")

    with Client("a-token", base_url=server.url) as client, pytest.raises(DocumentNotFound):
        client.sleep.get("some-id")
    with pytest.raises(DocumentNotFound):
        asyncio.run(awaited())


def test_a_pause_is_carried_out_without_asking_anybody(server: Server) -> None:
    async def awaited() -> None:
        async with AsyncClient("a-token", base_url=server.url) as client:
            await client.run(pause(0.001))

    with Client("a-token", base_url=server.url) as client:
        client.run(pause(0.001))
    asyncio.run(awaited())
    assert server.asked == []


class Interrupted(BaseException):
    """What no flow expects, like Ctrl-C."""


class Interrupting:
    """A network during which somebody presses Ctrl-C."""

    def send(self, request: Request) -> Response:
        raise Interrupted

    def close(self) -> None:
        pass


def watched(request: Request, ended: list[str], name: str) -> Flow[None]:
    try:
        yield request
    finally:
        ended.append(name)


def test_a_flow_that_is_interrupted_or_cancelled_is_closed_at_once() -> None:
    """So that whoever held the claim to renew gives it back, even while a traceback keeps the flow alive."""
    ended: list[str] = []

    async def awaited() -> None:
        async with AsyncClient("a-token") as client:
            long = watched(Request(after=3600), ended, "cancelled")
            task = asyncio.ensure_future(client.run(long))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as kept:
                await task
            assert kept
            assert ended == ["interrupted", "cancelled"]

    client = Client("a-token", transport=Interrupting())
    with client, pytest.raises(Interrupted) as kept:
        client.run(watched(Request(path="/here"), ended, "interrupted"))
    assert kept
    assert ended == ["interrupted"]
    asyncio.run(awaited())


# --- Renewing ---


@dataclass
class Rotating:
    """An OAuth2 server with one live access token and one refresh token that works once."""

    serial: int = 0
    renewals: int = 0
    lock: Lock = field(default_factory=Lock)

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        with self.lock:
            if asked.path != "/oauth/token":
                alive = asked.token == f"access-{self.serial}"
                return (200, {"id": asked.token}) if alive else (401, {"detail": "expired"})
            self.renewals += 1
            if asked.form["refresh_token"] != f"refresh-{self.serial}":
                return 400, {"error": "invalid_grant"}
            self.serial += 1
            return 200, {"access_token": f"access-{self.serial}", "refresh_token": f"refresh-{self.serial}"}


def test_of_many_clients_that_share_a_file_one_renews_and_all_go_on(server: Server, tmp_path: Path) -> None:
    server.answer = rotating = Rotating()
    path, clients = tmp_path / "shared.json", 6
    FileTokenStore(path).save(Tokens(access_token="stale", refresh_token="refresh-0"))
    start = Barrier(clients)

    def work(_: int) -> str:
        start.wait()
        token_store = FileTokenStore(path)
        with Client(
            base_url=server.url, token_store=token_store, client_id="id", client_secret="hush"
        ) as client:
            return client.personal_info.get().id

    with ThreadPoolExecutor(clients) as pool:
        assert list(pool.map(work, range(clients))) == ["access-1"] * clients
    assert rotating.renewals == 1
    kept = FileTokenStore(path).load()
    assert kept
    assert (kept.access_token, kept.refresh_token) == ("access-1", "refresh-1")
    assert kept.token_url == f"{server.url}/oauth/token"


def test_of_many_tasks_of_one_client_one_renews_and_all_go_on(server: Server) -> None:
    server.answer = rotating = Rotating()

    async def run() -> list[str]:
        token_store = MemoryTokenStore(Tokens(access_token="stale", refresh_token="refresh-0"))
        async with AsyncClient(base_url=server.url, token_store=token_store, client_id="id") as client:
            people = await asyncio.gather(*(client.personal_info.get() for _ in range(6)))
            return [person.id for person in people]

    assert asyncio.run(run()) == ["access-1"] * 6
    assert rotating.renewals == 1


def test_a_token_given_alone_is_not_renewed(server: Server) -> None:
    server.answer = Rotating()
    with Client("stale", base_url=server.url, client_id="id") as client, pytest.raises(InvalidToken):
        client.personal_info.get()
    assert len(server.asked) == 1


# --- Years ---


def live_pieces() -> int:
    """How many lists of heart-rate rows are alive."""
    return sum(type(it) is list and bool(it) and type(it[0]) is HeartRate for it in gc.get_objects())


@pytest.mark.slow
def test_five_years_piece_by_piece_hold_one_piece_at_a_time(server: Server) -> None:
    def one_row_an_hour(asked: Asked) -> tuple[int, Any]:
        at, end = (datetime.fromisoformat(asked.params[name]) for name in ("start_datetime", "end_datetime"))
        rows: list[dict[str, Any]] = []
        while at <= end:
            rows.append({"timestamp": at.isoformat(), "bpm": 60, "source": "sleep"})
            at += timedelta(hours=1)
        return 200, {"data": rows, "next_token": None}

    server.answer = one_row_an_hour
    start, end = NOW - timedelta(days=5 * 365), NOW
    rows, pieces, last = 0, 0, start - timedelta(hours=1)
    with Client("a-token", base_url=server.url) as client:
        for piece in client.heartrate.windows(start, end):
            assert piece[0].timestamp - last == timedelta(hours=1), "nothing twice, nothing missing"
            last = piece[-1].timestamp
            rows += len(piece)
            pieces += 1
            if pieces % 50 == 0:
                assert live_pieces() == 1
    assert (rows, last) == (5 * 365 * 24, end - timedelta(hours=1))
    assert pieces == len(server.asked) == 261
