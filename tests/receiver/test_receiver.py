"""The receiver as it is mounted and asked: over real sockets, by ASGI and WSGI, with handlers that fail."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import random
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import psycopg
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from ringlet import webhooks as w
from ringlet._net.listen import bind
from ringlet._receiver import bodies
from ringlet._receiver import receiver as module
from ringlet._receiver.fetch_queue import FetchQueue
from ringlet._receiver.inbox import Inbox
from ringlet._webhooks import events
from ringlet.archive import Archive
from ringlet.errors import ArchiveError, UsageError
from ringlet.webhooks import Receiver, receiver

from ..signed_events import EVENT, NOW, SECRET, TAMPERED
from ..timed import below

TOKEN = "a long random text"
SOON = 10
"""Seconds in which anything that is to happen has happened."""


def event(object: str = "5f2e0c1a", type: str = "update") -> w.Event:
    return w.Event(
        event_type=type,
        data_type="sleep",
        object_id=object,
        event_time="2026-02-02T02:40:00+00:00",
        user_id="wearer",
    )


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    on_postgres = request.param == "postgres"
    return str(request.getfixturevalue("postgres") if on_postgres else tmp_path / "oura.db")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "oura.db"


def stored(place: str | Path) -> list[str]:
    """The objects that the inbox was told of."""
    with Archive.open(place) as archive:
        rows = Inbox(archive).db.all("SELECT body FROM webhook_inbox")
    return sorted(json.loads(body)["object_id"] for (body,) in rows)


def clock() -> float:
    return NOW


@contextlib.contextmanager
def served(app: Any) -> Iterator[int]:
    """An application under uvicorn, in a thread; its port."""
    listener = bind("127.0.0.1", 0)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        assert server.started
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(SOON)
        listener.close()
        assert not thread.is_alive()


def until(happened: Callable[[], bool]) -> None:
    late = time.monotonic() + SOON
    while not happened():
        assert time.monotonic() < late, "it did not happen"
        time.sleep(0.005)


def ask(
    port: int, method: str, target: str = "/", body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=SOON)
    try:
        line.request(method, target, body or None, headers or {})
        answer = line.getresponse()
        return answer.status, answer.read()
    finally:
        line.close()


def post(port: int, body: bytes, *, at: float = NOW, target: str = "/") -> int:
    return ask(port, "POST", target, body, w.signed_headers(SECRET, body, now=at))[0]


def challenge(token: str = TOKEN, **more: str) -> str:
    return "?" + urlencode({"verification_token": token, **more})


# --- Over a socket ---


def test_what_is_acknowledged_is_in_the_inbox_once(place: str) -> None:
    with served(receiver(SECRET, TOKEN, inbox=place, clock=clock)) as port:
        for object in ("a", "b", "a"):
            assert post(port, event(object).body) == 200
            assert object in stored(place)
    assert stored(place) == ["a", "b"]


@pytest.mark.parametrize("length", [128, 255])
def test_what_is_acknowledged_can_be_worked_off_however_long_its_names_are(place: str, length: int) -> None:
    signs = random.Random(length)  # of four bytes each, and not to be compressed
    name, data_type, user = (
        "".join(chr(signs.randrange(0x10000, 0x20000)) for _ in range(length)) for _ in range(3)
    )
    long = w.Event(event_type="update", data_type=data_type, object_id=name, event_time=name, user_id=user)
    with receiver(SECRET, TOKEN, inbox=place, clock=clock) as hook:
        status = hook.handle("POST", {}, w.signed_headers(SECRET, long.body, now=NOW), long.body).status
    assert (status == 200) == (length <= 128)
    with Archive.open(place) as archive:
        queue, later = FetchQueue(archive), int(NOW * 1000) + 10_000
        queue.claim(later, 10, 1)
        assert [queue.finish(one) for one in queue.claim(later + 10_000, 10, 1)] == [True] * (status == 200)


def test_many_at_once_are_all_kept(place: str) -> None:
    objects = [f"{number:03}" for number in range(200)]
    with served(receiver(SECRET, TOKEN, inbox=place, clock=clock)) as port, ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda one: post(port, event(one).body), objects)) == {200}
    assert stored(place) == objects


@pytest.mark.parametrize("mounted", ["/", "/oura", "/hooks/oura"])
def test_it_answers_wherever_it_is_mounted(file: Path, mounted: str) -> None:
    hook = receiver(SECRET, TOKEN, inbox=file, clock=clock)
    app = Starlette(routes=[Mount(mounted, app=hook)]) if mounted != "/" else hook
    with served(app) as port:
        for target in (mounted.rstrip("/") + "/", mounted.rstrip("/") + "/v1/sleep"):
            assert ask(port, "GET", target + challenge(challenge="c=1&")) == (200, b'{"challenge":"c=1&"}')
            assert post(port, EVENT.body, target=target) == 200
    hook.close()
    assert stored(file) == [EVENT.object_id]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 401),
        (challenge(challenge="c"), 200),
        (challenge(), 400),
        (challenge("other", challenge="c"), 401),
        (challenge("", challenge="c"), 401),
        ("?challenge=c&verification_token=%ff%fe", 401),
        ("?" + "&" * 5000, 401),
    ],
)
def test_only_a_challenge_that_knows_the_token_is_answered(file: Path, query: str, status: int) -> None:
    with served(receiver(SECRET, TOKEN, inbox=file)) as port:
        got, body = ask(port, "GET", "/" + query)
    assert got == status
    assert TOKEN.encode() not in body


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(file: Path, method: str) -> None:
    with served(receiver(SECRET, TOKEN, inbox=file)) as port:
        assert ask(port, method)[0] == 405


# --- What is refused ---


def raw(port: int, request: bytes) -> bytes:
    """What a server says to these bytes, if it says anything."""
    with socket.create_connection(("127.0.0.1", port), timeout=SOON) as line:
        line.sendall(request)
        line.shutdown(socket.SHUT_WR)
        said = b""
        with contextlib.suppress(ConnectionError):
            while data := line.recv(1 << 16):
                said += data
    return said


def as_sent(headers: dict[str, str], body: bytes) -> bytes:
    """A request as somebody might write it who keeps to no rule."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    start = f"POST / HTTP/1.1\r\nhost: oura\r\nconnection: close\r\ncontent-length: {len(body)}\r\n"
    return (start + lines).encode("utf-8", "surrogatepass") + b"\r\n" + body


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path, list[float]]]:
    """One receiver for the whole table: its port, its inbox, its clock."""
    now = [NOW]
    path = tmp_path_factory.mktemp("strict") / "oura.db"
    with served(receiver(SECRET, TOKEN, inbox=path, clock=lambda: now[0])) as port:
        yield port, path, now


@pytest.mark.parametrize(("headers", "body", "now"), TAMPERED.values(), ids=TAMPERED)
def test_whatever_was_tampered_with_is_refused_and_not_kept(
    strict: tuple[int, Path, list[float]], headers: dict[str, str], body: bytes, now: float
) -> None:
    port, path, clock = strict
    clock[0] = now
    said = raw(port, as_sent(headers, body))
    # The server itself may refuse what is no HTTP; what arrives is refused by the receiver.
    assert said[9:12] in (b"400", b"401", b"413", b"431")
    assert stored(path) == []
    assert ask(port, "GET", "/" + challenge(challenge="c"))[0] == 200, "and it goes on"


GARBLED = {
    "no HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 200,
    "a length that is none": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: many\r\n\r\n{}",
    "a length below nothing": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n{}",
    "a body that ends early": as_sent(w.signed_headers(SECRET, EVENT.body, now=NOW), EVENT.body)[:-5],
    "a chunk that is none": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n",
}


@pytest.mark.parametrize("request_", GARBLED.values(), ids=GARBLED)
def test_what_is_garbled_is_not_kept_and_nothing_crashes(
    strict: tuple[int, Path, list[float]], request_: bytes
) -> None:
    port, path, clock = strict
    clock[0] = NOW
    assert not raw(port, request_).startswith(b"HTTP/1.1 200")
    assert stored(path) == []
    assert ask(port, "GET", "/" + challenge(challenge="c"))[0] == 200


@pytest.mark.parametrize("said", [True, False], ids=["with its length", "in chunks"])
def test_a_body_is_read_no_further_than_an_event_can_be_long(file: Path, said: bool) -> None:
    head = b"POST / HTTP/1.1\r\nhost: a\r\n"
    length = b"content-length: 10000000000\r\n\r\n" if said else b"transfer-encoding: chunked\r\n\r\n"
    chunk = b"x" * 65536 if said else b"10000\r\n" + b"x" * 65536 + b"\r\n"
    sent = 0
    with (
        served(receiver(SECRET, TOKEN, inbox=file)) as port,
        socket.create_connection(("127.0.0.1", port), timeout=SOON) as line,
    ):
        line.sendall(head + length)
        with contextlib.suppress(ConnectionError, TimeoutError):
            while sent < 200 << 20:
                sent += line.send(chunk)
        with contextlib.suppress(ConnectionError):
            assert line.recv(12) == b"HTTP/1.1 413"
    assert sent < 100 << 20


def test_a_body_that_dribbles_is_given_up(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_TIMEOUT_S", 0.3)
    with (
        served(receiver(SECRET, TOKEN, inbox=file)) as port,
        socket.create_connection(("127.0.0.1", port), timeout=SOON) as line,
    ):
        line.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{")
        assert line.recv(12) == b"HTTP/1.1 408"


def test_nobody_is_told_a_secret(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    now = [NOW]
    hook = receiver([SECRET, "the older secret"], TOKEN, inbox=file, clock=lambda: now[0])
    for headers, body, now[0] in TAMPERED.values():
        reply = hook.handle("POST", {}, headers, body)
        assert reply.status != 200
        assert not any(secret in reply.body.decode() for secret in (SECRET, "the older secret", TOKEN))
    hook.handle("GET", {"verification_token": "other", "challenge": "c"}, {}, b"")
    hook.close()
    assert SECRET not in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("secret", ["", [], ["", "x"]])
def test_without_a_secret_there_is_no_receiver(secret: Any) -> None:
    with pytest.raises(UsageError):
        receiver(secret, TOKEN)
    with pytest.raises(UsageError):
        receiver(SECRET, "")


# --- When the database is in trouble ---


def test_an_event_that_cannot_be_kept_is_not_acknowledged(file: Path) -> None:
    with Archive.open(file) as other, served(receiver(SECRET, TOKEN, inbox=file, clock=clock)) as port:
        other.database.execute("ALTER TABLE webhook_inbox RENAME TO lost")
        status, body = ask(port, "POST", "/", EVENT.body, w.signed_headers(SECRET, EVENT.body, now=NOW))
        assert (status, b"send it again" in body) == (503, True)
        other.database.execute("ALTER TABLE lost RENAME TO webhook_inbox")
        assert post(port, EVENT.body) == 200
    assert stored(file) == [EVENT.object_id]


def test_an_archive_that_comes_back_is_used_again(tmp_path: Path) -> None:
    folder = tmp_path / "not yet"
    folder.write_text("in the way")
    hook = receiver(SECRET, TOKEN, inbox=folder / "oura.db", clock=clock)
    send = w.signed_headers(SECRET, EVENT.body, now=NOW)
    assert hook.handle("POST", {}, send, EVENT.body).status == 503
    folder.unlink()
    assert hook.handle("POST", {}, send, EVENT.body).status == 200
    hook.close()
    assert stored(folder / "oura.db") == [EVENT.object_id]


def test_a_connection_that_was_lost_is_made_again(postgres: str) -> None:
    hook = receiver(SECRET, TOKEN, inbox=postgres, clock=clock)
    send = w.signed_headers(SECRET, EVENT.body, now=NOW)
    assert hook.handle("POST", {}, send, EVENT.body).status == 200
    with psycopg.connect(postgres) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert hook.handle("POST", {}, send, EVENT.body).status == 503
    assert hook.handle("POST", {}, send, EVENT.body).status == 200
    hook.close()
    assert stored(postgres) == [EVENT.object_id]


def test_a_place_that_is_none_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError), receiver(SECRET, TOKEN, inbox=tmp_path):
        pass


def test_no_commit_delays_who_comes_without_an_event(file: Path) -> None:
    """Another program holds the archive: the loop goes on."""
    with (
        Archive.open(file) as other,
        served(receiver(SECRET, TOKEN, inbox=file, clock=clock)) as port,
        ThreadPoolExecutor(1) as pool,
    ):
        with other.transaction():
            other.set_setting("a", "b")
            waiting = pool.submit(post, port, EVENT.body)
            began = time.monotonic()
            for _ in range(20):
                assert ask(port, "GET", "/" + challenge(challenge="c"))[0] == 200
            assert below(time.monotonic() - began, 2)
            assert not waiting.done()
        assert waiting.result(SOON) == 200


# --- Without ASGI ---


def test_threads_share_commits(place: str) -> None:
    hook = receiver(SECRET, TOKEN, inbox=place, clock=clock)
    objects = [f"{number:03}" for number in range(100)]

    def send(object: str) -> int:
        body = event(object).body
        return hook.handle("POST", {}, w.signed_headers(SECRET, body, now=NOW), body).status

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(send, objects)) == {200}
    hook.close()
    assert stored(place) == objects


@pytest.mark.parametrize(
    ("method", "query", "body", "status"),
    [
        ("POST", "", EVENT.body, "200 OK"),
        ("POST", "", EVENT.body[:-1], "401 Unauthorized"),
        ("GET", challenge(challenge="c")[1:], b"", "200 OK"),
        ("GET", "", b"", "401 Unauthorized"),
        ("PUT", "", b"", "405 Method Not Allowed"),
        ("POST", "", b"x" * (events.MAX_EVENT_BYTES + 1), "413 "),
    ],
)
def test_it_is_a_wsgi_application(file: Path, method: str, query: str, body: bytes, status: str) -> None:
    hook = receiver(SECRET, TOKEN, inbox=file, clock=clock)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "application/json",
        "wsgi.input": BytesIO(body),
        **{
            "HTTP_" + name.upper().replace("-", "_"): value
            for name, value in w.signed_headers(SECRET, EVENT.body, now=NOW).items()
            if name != "content-type"
        },
    }
    setup_testing_defaults(environ)
    said: list[str] = []

    def start_response(line: str, *_: Any) -> Any:
        said.append(line)
        return BytesIO().write

    with contextlib.closing(validator(hook.wsgi)(environ, start_response)) as answer:
        b"".join(answer)
    hook.close()
    assert said[0].startswith(status)
    assert stored(file) == ([EVENT.object_id] if (method, said[0]) == ("POST", "200 OK") else [])


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"wsgi.input_terminated": True}, "200 OK"),
        ({"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}, "200 OK"),
        ({}, "411 Length Required"),
        ({"CONTENT_LENGTH": "-1"}, "411 Length Required"),
    ],
)
def test_a_body_in_chunks_is_read_where_its_end_is_known(
    file: Path, more: dict[str, Any], status: str
) -> None:
    """Elsewhere reading it would wait for ever, and a body that is not read has no right signature."""
    said = w.signed_headers(SECRET, EVENT.body, now=NOW)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "wsgi.input": BytesIO(EVENT.body),
        "HTTP_TRANSFER_ENCODING": "chunked",
        "HTTP_X_OURA_TIMESTAMP": said["x-oura-timestamp"],
        "HTTP_X_OURA_SIGNATURE": said["x-oura-signature"],
        **more,
    }
    lines: list[str] = []
    hook = receiver(SECRET, TOKEN, inbox=file, clock=clock)
    list(hook.wsgi(environ, lambda line, _: lines.append(line)))
    hook.close()
    assert lines == [status]


# --- Handlers ---


class Handled:
    """A handler that keeps what it is given, and fails as often as it is told to."""

    def __init__(self, failing: int = 0) -> None:
        self.seen: list[str] = []
        self.tried = 0
        self.failing = failing
        self.threads: set[int] = set()

    def take(self, event: w.Event) -> None:
        self.threads.add(threading.get_ident())
        self.tried += 1
        if self.tried <= self.failing:
            raise RuntimeError("not now")
        self.seen.append(event.object_id)

    async def awaiting(self, event: w.Event) -> None:
        await asyncio.sleep(0)
        self.take(event)


@pytest.fixture(params=["blocks", "awaits"])
def handled(request: pytest.FixtureRequest) -> tuple[Handled, Any]:
    one = Handled()
    return one, one.take if request.param == "blocks" else one.awaiting


def test_a_handler_is_given_each_event_once_after_its_commit(
    place: str, handled: tuple[Handled, Any]
) -> None:
    one, handler = handled
    with served(receiver(SECRET, TOKEN, inbox=place, handler=handler, clock=clock)) as port:
        for object in ("a", "b", "a", "c"):
            assert post(port, event(object).body) == 200
        until(lambda: len(one.seen) == 3)
        assert post(port, event("a").body) == 200
        assert post(port, event("d").body) == 200
        until(lambda: "d" in one.seen)
    assert sorted(one.seen) == ["a", "b", "c", "d"]
    with Archive.open(place) as archive:
        assert Inbox(archive).pending() == 0


def test_a_handler_that_awaits_runs_in_the_loop_that_serves(file: Path) -> None:
    one = Handled()
    loops: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        loops.append(threading.get_ident())
        await hook(scope, receive, send)

    hook = receiver(SECRET, TOKEN, inbox=file, handler=one.awaiting, clock=clock)
    with served(app) as port:
        assert post(port, EVENT.body) == 200
        until(lambda: len(one.seen) == 1)
    assert one.threads == set(loops)


def test_without_a_loop_both_kinds_of_handler_are_called(file: Path, handled: tuple[Handled, Any]) -> None:
    one, handler = handled
    with receiver(SECRET, TOKEN, inbox=file, handler=handler, clock=clock) as hook:
        headers = w.signed_headers(SECRET, EVENT.body, now=NOW)
        assert hook.handle("POST", {}, headers, EVENT.body).status == 200
        until(lambda: len(one.seen) == 1)


def test_a_handler_that_raises_is_asked_again(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ringlet._receiver.handler_worker.HANDLER_RETRY_FIRST_MS", 20)
    one = Handled(failing=3)
    with receiver(SECRET, TOKEN, inbox=file, handler=one.take) as hook:
        headers = w.signed_headers(SECRET, EVENT.body, now=time.time())
        assert hook.handle("POST", {}, headers, EVENT.body).status == 200
        until(lambda: len(one.seen) == 1)
    assert one.tried == 4
    assert caplog.text.count("RuntimeError: not now") == 3
    assert EVENT.user_id not in caplog.text


def test_what_was_left_is_handed_out_after_a_restart(file: Path) -> None:
    failing, well = Handled(failing=99), Handled()
    with receiver(SECRET, TOKEN, inbox=file, handler=failing.take) as hook:
        headers = w.signed_headers(SECRET, EVENT.body, now=time.time())
        assert hook.handle("POST", {}, headers, EVENT.body).status == 200
        until(lambda: failing.tried > 0)
    with receiver(SECRET, TOKEN, inbox=file, handler=well.take):
        until(lambda: well.seen == [EVENT.object_id])


def test_whoever_follows_the_inbox_is_woken_by_each_commit(file: Path) -> None:
    news = threading.Event()
    with receiver(SECRET, TOKEN, inbox=file, clock=clock, on_commit=news.set) as hook:
        assert not news.is_set()
        hook.handle("POST", {}, w.signed_headers(SECRET, EVENT.body, now=NOW), EVENT.body)
        assert news.wait(SOON)


# --- Its life ---


def test_in_a_lifespan_it_hands_out_before_the_first_request(
    file: Path, handled: tuple[Handled, Any]
) -> None:
    with receiver(SECRET, TOKEN, inbox=file, handler=Handled(failing=99).take) as hook:
        hook.handle("POST", {}, w.signed_headers(SECRET, EVENT.body, now=time.time()), EVENT.body)
        time.sleep(0.05)
    one, handler = handled

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with again:
            yield

    again = receiver(SECRET, TOKEN, inbox=file, handler=handler)
    with served(Starlette(routes=[Mount("/oura", app=again)], lifespan=lifespan)):
        until(lambda: one.seen == [EVENT.object_id])


def test_a_handler_that_hangs_does_not_keep_it_from_ending(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringlet._receiver.handler_worker.STOP_TIMEOUT_S", 0.1)
    begun, free = threading.Event(), threading.Event()

    def hangs(event: w.Event) -> None:
        begun.set()
        assert free.wait(SOON)

    with receiver(SECRET, TOKEN, inbox=file, handler=hangs, clock=clock) as hook:
        hook.handle("POST", {}, w.signed_headers(SECRET, EVENT.body, now=NOW), EVENT.body)
        assert begun.wait(SOON)
        began = time.monotonic()
    assert below(time.monotonic() - began, 2)
    free.set()
    until(lambda: not any(thread.name == "ringlet handler" for thread in threading.enumerate()))
    hook.close()


def test_what_follows_a_commit_cannot_undo_it(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> None:
        raise RuntimeError("the loop is closed")

    with receiver(SECRET, TOKEN, inbox=file, clock=clock, on_commit=fails) as hook:
        assert (
            hook.handle("POST", {}, w.signed_headers(SECRET, EVENT.body, now=NOW), EVENT.body).status == 200
        )
    assert "the loop is closed" in caplog.text


def test_it_goes_on_after_it_was_closed(file: Path) -> None:
    hook = receiver(SECRET, TOKEN, inbox=file, clock=clock)
    for object in ("a", "b"):
        body = event(object).body
        assert hook.handle("POST", {}, w.signed_headers(SECRET, body, now=NOW), body).status == 200
        hook.close()
        hook.close()
    assert stored(file) == ["a", "b"]


def test_an_open_archive_is_used_and_left_open() -> None:
    with Archive.open(":memory:") as archive:
        with receiver(SECRET, TOKEN, inbox=archive, clock=clock) as hook:
            assert (
                hook.handle("POST", {}, w.signed_headers(SECRET, EVENT.body, now=NOW), EVENT.body).status
                == 200
            )
        assert Inbox(archive).pending() == 1


def test_a_request_that_is_given_up_harms_nobody(file: Path) -> None:
    async def run() -> None:
        hook = Receiver(SECRET, TOKEN, inbox=file, clock=clock)
        with Archive.open(file) as other:
            with other.transaction():
                other.set_setting("a", "b")
                given_up = asyncio.create_task(hook._group_commit.commit(event("a")))
                waits = asyncio.create_task(hook._group_commit.commit(event("b")))
                await asyncio.sleep(0.05)
                given_up.cancel()
            await asyncio.wait_for(waits, SOON)
        await asyncio.to_thread(hook.close)

    asyncio.run(run())
    assert stored(file) == ["a", "b"]


def test_the_door_of_webhooks_leads_here() -> None:
    assert w.receiver is module.Receiver
    with pytest.raises(AttributeError):
        _ = w.nothing
