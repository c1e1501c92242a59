"""The seam to the network, over real sockets: three libraries, one behaviour."""

import asyncio
import base64
import gzip
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ringlet import __version__
from ringlet._api.wire import Request, Response
from ringlet._client.transport import (
    AiohttpTransport,
    AsyncHttpcoreTransport,
    HttpcoreTransport,
    _is_loopback_url,
)
from ringlet.errors import ConnectionFailed, UsageError

Send = Callable[..., list[Response]]


def blocking(base_url: str, *requests: Request, timeout: float = 10) -> list[Response]:
    transport = HttpcoreTransport(base_url, timeout=timeout)
    try:
        return [transport.send(request) for request in requests]
    finally:
        transport.close()


def awaited(kind: type[AsyncHttpcoreTransport] | type[AiohttpTransport]) -> Send:
    def send(base_url: str, *requests: Request, timeout: float = 10) -> list[Response]:
        async def run() -> list[Response]:
            transport = kind(base_url, timeout=timeout)
            try:
                return [await transport.send(request) for request in requests]
            finally:
                await transport.close()

        return asyncio.run(run())

    return send


SENDERS: dict[str, Send] = {
    "httpcore2": blocking,
    "httpcore2, awaited": awaited(AsyncHttpcoreTransport),
    "aiohttp": awaited(AiohttpTransport),
}
each = pytest.mark.parametrize("send", SENDERS.values(), ids=SENDERS)


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked; the path says in which manner."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        seen = {
            "method": self.command,
            "path": url.path,
            "query": parse_qsl(url.query, keep_blank_values=True),
            "authorization": self.headers.get("authorization"),
            "type": self.headers.get("content-type"),
            "proxy": self.headers.get("proxy-authorization"),
            "agent": self.headers.get("user-agent"),
            "body": body.decode(),
        }
        said = json.dumps(seen).encode()
        headers = {"X-Trace-Id": "abc"}
        status = 200
        if url.path == "/gzip":
            said, headers["Content-Encoding"] = gzip.compress(said), "gzip"
        if url.path == "/no-gzip":
            headers["Content-Encoding"] = "gzip"
        if url.path == "/elsewhere":
            status, headers["Location"] = 302, "/"
        if url.path == "/refused":
            status, headers["Retry-After"] = 429, "7"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said) + (10 if url.path == "/cut" else 0)))
        self.end_headers()
        self.wfile.write(said)
        self.close_connection = url.path == "/cut"

    do_POST = do_GET  # noqa: N815  # the name that http.server calls

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


AWKWARD = {
    "start": "2026-01-01T00:00:00+02:00",
    "next_token": "a/b+c=d&e?f%20",
    "empty": "",
    "word": "\u00e9 x",
}
REQUESTS = [
    Request(path="/v2/usercollection/sleep"),
    Request(path="/v2/usercollection/sleep", params=AWKWARD),
    Request(path="/here", headers={"authorization": "Bearer a-token"}),
    Request(path="/token", method="POST", headers={"content-type": "text/plain"}, body=b"refresh_token=x"),
    Request(path="/token", method="POST"),
    Request(path="/gzip"),
    Request(path="/elsewhere"),
    Request(path="/refused"),
]


def test_the_three_libraries_send_the_same_and_give_the_same_answers(echo: str) -> None:
    absolute = Request(path=f"{echo}/absolute", params={"q": "1"}, bearer=False)
    answers = [send(echo, *REQUESTS, absolute) for send in SENDERS.values()]
    for one, two, three in zip(*answers, strict=True):
        assert one.status == two.status == three.status
        assert one.body == two.body == three.body
        for name in ("x-trace-id", "retry-after", "location", "content-encoding", "absent"):
            assert one.headers.get(name) == two.headers.get(name) == three.headers.get(name)
            assert (name in one.headers) == (name in two.headers) == (name in three.headers)


@each
def test_what_a_request_says_arrives(echo: str, send: Send) -> None:
    signed = Request(path="/here", params=AWKWARD, headers={"authorization": "Bearer a-token"})
    (answer,) = send(echo, signed)
    assert answer.status == 200
    assert answer.headers["x-trace-id"] == "abc"
    seen = json.loads(answer.body)
    assert (seen["method"], seen["path"]) == ("GET", "/here")
    assert dict(seen["query"]) == AWKWARD
    assert seen["authorization"] == "Bearer a-token"
    assert seen["agent"] == f"ringlet/{__version__}"


@each
def test_a_body_arrives_unchanged(echo: str, send: Send) -> None:
    (answer,) = send(echo, REQUESTS[3])
    seen = json.loads(answer.body)
    assert (seen["method"], seen["type"], seen["body"]) == ("POST", "text/plain", "refresh_token=x")


@each
def test_an_absolute_path_leaves_the_base_url_alone(echo: str, send: Send) -> None:
    (answer,) = send("http://nowhere.invalid", Request(path=f"{echo}/token?its=own", bearer=False))
    seen = json.loads(answer.body)
    assert (seen["path"], seen["query"]) == ("/token", [["its", "own"]])


@each
@pytest.mark.parametrize("path", ["{}/here", "v2/here", "@nowhere.invalid/", ":80/", ".nowhere.invalid/"])
def test_a_signed_request_cannot_choose_its_own_host(echo: str, send: Send, path: str) -> None:
    with pytest.raises(UsageError) as caught:
        send(echo, Request(path=path.format(echo), headers={"authorization": "Bearer hush"}))
    assert "hush" not in str(caught.value) + caught.value.cure


def use_proxy(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("http_proxy", url)


@each
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_reached_without_the_proxy_of_the_environment(
    echo: str, send: Send, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refusing() as proxy:
        use_proxy(monkeypatch, proxy)
        (answer,) = send(echo.replace("127.0.0.1", host), Request(path="/here"))
    assert json.loads(answer.body)["path"] == "/here"


@each
def test_other_machines_are_reached_through_the_proxy_of_the_environment(
    echo: str, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_proxy(monkeypatch, echo)
    (answer,) = send("http://nowhere.invalid", Request(path="/here"))
    assert json.loads(answer.body)["path"] == "/here"


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.9.9.9/under", True),
        ("http://[::1]:8765", True),
        ("https://LocalHost", True),
        ("https://api.ouraring.com", False),
        ("http://127.0.0.1.nowhere.invalid", False),
        ("http://192.168.0.1", False),
        ("http://[::1", False),
        ("localhost:8765", False),
    ],
)
def test_what_this_machine_is_called(url: str, here: bool) -> None:
    assert _is_loopback_url(url) is here


@each
def test_a_compressed_answer_comes_unpacked(echo: str, send: Send) -> None:
    assert json.loads(send(echo, Request(path="/gzip"))[0].body)["path"] == "/gzip"


@each
def test_a_redirect_is_not_followed_so_that_no_other_host_gets_the_token(echo: str, send: Send) -> None:
    (answer,) = send(echo, Request(path="/elsewhere", headers={"authorization": "Bearer a-token"}))
    assert (answer.status, answer.headers["location"]) == (302, "/")


# --- When no answer comes ---

REQUEST_WITHOUT_ANSWER = Request(
    path="/here", params={"next_token": "hush"}, headers={"authorization": "Bearer hush"}, body=b"hush"
)


@contextmanager
def refusing() -> Iterator[str]:
    """A port where nobody listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}"


@contextmanager
def silent() -> Iterator[str]:
    """A port where somebody listens and never speaks."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def hanging_up() -> Iterator[str]:
    """A server that reads and hangs up."""

    def serve(server: socket.socket) -> None:
        for _ in range(len(SENDERS)):
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=serve, args=(server,), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@each
@pytest.mark.parametrize("trouble", [refusing, silent, hanging_up], ids=lambda it: it.__name__)
def test_no_answer_is_a_lost_connection_which_says_where_but_not_what(
    send: Send, trouble: Callable[[], Any]
) -> None:
    with trouble() as base_url, pytest.raises(ConnectionFailed) as caught:
        send(base_url, REQUEST_WITHOUT_ANSWER, timeout=0.2)
    assert f"{base_url}/here" in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.sent is (trouble is not refusing), "whether it can have left"


@each
def test_an_answer_cut_short_is_a_lost_connection(echo: str, send: Send) -> None:
    with pytest.raises(ConnectionFailed):
        send(echo, Request(path="/cut"))


@each
@pytest.mark.parametrize("base_url", ["localhost:8765", "http://127.0.0.1:port", "ftp://127.0.0.1"])
def test_an_address_that_is_none_is_a_lost_connection_too(send: Send, base_url: str) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        send(base_url, REQUEST_WITHOUT_ANSWER)
    assert "hush" not in str(caught.value)


def test_a_header_that_cannot_be_sent_is_not_quoted(echo: str) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        blocking(echo, Request(path="/here", headers={"x-client-secret": "hush\n"}))
    assert "hush" not in str(caught.value)


def test_a_transport_that_was_never_used_can_be_closed() -> None:
    for send in SENDERS.values():
        assert send("http://nowhere.invalid") == []


@each
def test_the_proxy_is_asked_with_the_name_and_password_it_was_given(
    echo: str, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_proxy(monkeypatch, echo.replace("//", "//me:a%20word@"))
    (answer,) = send("http://nowhere.invalid", Request(path="/here"))
    credentials = json.loads(answer.body)["proxy"].removeprefix("Basic ")
    assert base64.b64decode(credentials) == b"me:a word"


@each
def test_a_host_that_the_environment_excepts_is_reached_without_the_proxy(
    send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refusing() as proxy:
        use_proxy(monkeypatch, proxy)
        monkeypatch.setenv("no_proxy", ".invalid")
        with pytest.raises(ConnectionFailed) as caught:
            send("http://nowhere.invalid", Request(path="/here"), timeout=2)
    assert proxy.removeprefix("http://") not in str(caught.value)


@each
def test_a_body_that_is_not_gzip_as_announced_is_a_connection_failure(echo: str, send: Send) -> None:
    with pytest.raises(ConnectionFailed):
        send(echo, Request(path="/no-gzip"))
