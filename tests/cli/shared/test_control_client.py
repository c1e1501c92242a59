"""The hand on the control reaches the cloud that was named, and no other; what it refuses says what to do."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import click
import pytest

from ringlet._cli.main import cure_for, ringlet
from ringlet._cli.shared.control_client import ControlClient, unreached
from ringlet._cli.shared.next_steps import remember
from ringlet.errors import ApiError, ConnectionFailed, RingletError, ServerError, UsageError


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OURA_API_BASE_URL", "RINGLET_ADMIN_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def control(ready: dict[str, Any]) -> Iterator[ControlClient]:
    with ControlClient(ready["api"], ready["admin_token"]) as one:
        yield one


class Stranger(BaseHTTPRequestHandler):
    """A server that is no cloud, and notes what it is told."""

    status = 200
    body = b"<h1>It works!</h1>"
    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("authorization", ""))
        self.send_response(self.status)
        self.send_header("location", "http://127.0.0.1:9/elsewhere")
        self.send_header("content-length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[tuple[str, type[Stranger]]]:
    handler = type("Handler", (Stranger,), {"seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("suffix", ["", "/", "/v2/usercollection"])
def test_it_takes_the_base_url_that_programs_use(ready: dict[str, Any], suffix: str) -> None:
    with ControlClient(ready["api"] + suffix, ready["admin_token"]) as control:
        assert control.get("clock")["now"].startswith("2026-03-01T")


def test_it_takes_what_the_environment_says(ready: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURA_API_BASE_URL", ready["api"])
    monkeypatch.setenv("RINGLET_ADMIN_TOKEN", ready["admin_token"])
    with ControlClient(None) as control:
        assert control.base_url == ready["api"]
        assert control.get("users") == [{"user": ready["user_id"], "membership": "active"}]


def test_it_asks_tells_and_takes_away(control: ControlClient) -> None:
    fault = {"path": "/nowhere", "act": "drop"}
    assert control.post("faults", fault)["path"] == "/nowhere"
    assert [one["path"] for one in control.get("faults")] == ["/nowhere"]
    assert control.delete("faults") is None
    assert control.get("faults") == []
    assert control.get("requests", path="/nowhere", limit=None) == []


@pytest.mark.parametrize(
    "url",
    [
        None,
        "https://api.ouraring.com",
        "https://api.ouraring.com/v2/usercollection",
        "https://api.ouraring.com.",
        "https://API.OuraRing.com:443",
        "http://cloud.ouraring.com",
        "https://ouraring.com",
    ],
)
def test_oura_is_never_told_the_admin_token(url: str | None) -> None:
    with pytest.raises(UsageError, match="a cloud of your own") as refused:
        ControlClient(url, "secret")
    assert "ringlet serve --demo" in refused.value.cure


@pytest.mark.parametrize("host", ["ouraring.com.example.org", "notouraring.com"])
def test_another_name_is_not_ouras(host: str) -> None:
    assert ControlClient(f"https://{host}", "secret").base_url == f"https://{host}"


def test_without_an_admin_token_it_says_which(ready: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="the admin token") as refused:
        ControlClient(ready["api"])
    assert "RINGLET_ADMIN_TOKEN" in refused.value.cure


def test_another_admin_token_is_refused(ready: dict[str, Any]) -> None:
    with ControlClient(ready["api"], "an older one") as control, pytest.raises(ApiError) as refused:
        control.get("clock")
    assert refused.value.status == 401
    assert "RINGLET_ADMIN_TOKEN" in refused.value.cure
    assert "older" not in str(refused.value)


def test_nobody_there_is_told_from_a_connection_that_broke() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        ControlClient(f"http://127.0.0.1:{port}", "secret") as control,
        pytest.raises(ConnectionFailed) as lost,
    ):
        control.get("clock")
    assert lost.value.message == f"no cloud answers at http://127.0.0.1:{port}"
    assert f"ringlet serve --demo --port {port}   (" in lost.value.cure


@pytest.mark.parametrize(
    ("base_url", "typed"),
    [
        ("http://localhost:8001/v2/usercollection", "ringlet serve --demo --port 8001 "),
        ("http://[::1]:8001", "ringlet serve --demo --host ::1 --port 8001 "),
        ("http://127.0.0.1", "ringlet serve --demo --port 80 "),
        ("https://localhost:8001", ""),
        ("http://example.org:8001", ""),
        (None, ""),
    ],
)
def test_a_cloud_that_is_down_is_started_where_it_was_looked_for(
    base_url: str | None, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OURA_API_BASE_URL", raising=False)
    cure = unreached(base_url)
    assert typed in cure
    assert bool(typed) == bool(cure)


@pytest.mark.parametrize("args", [("trigger", "sleep.update"), ("listen",), ("webhooks", "deliveries")])
def test_who_steers_is_told_so(args: tuple[str, ...], ringlet: Any, refused: Any) -> None:
    there = {"OURA_API_BASE_URL": "http://127.0.0.1:9", "RINGLET_ADMIN_TOKEN": "any"}
    refused(ringlet(*args, **there), 1, "no cloud answers", "ringlet serve --demo --port 9   (")


def test_who_asks_is_told_so_of_the_cloud_that_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURA_API_BASE_URL", "http://127.0.0.1:8001")
    away, cut = ConnectionFailed("no answer", sent=False), ConnectionFailed("no answer", sent=True)
    with click.Context(ringlet) as context:
        assert "ringlet serve --demo --port 8001   (" in cure_for(away)
        assert cure_for(cut) == ConnectionFailed.default_cure
        remember(context.meta, "--db", "mine.db")
        remember(context.meta, "--base-url", "http://127.0.0.1:8002")
        assert "ringlet serve --demo --port 8002   (" in cure_for(away), "and not over my own archive"


def test_a_route_that_is_not_there_is_another_version(control: ControlClient) -> None:
    with pytest.raises(ApiError) as refused:
        control.get("no_such_thing")
    assert refused.value.status == 404
    assert "as new as this one" in refused.value.cure


def test_a_wearer_who_is_not_there_is_told_in_the_clouds_words(control: ControlClient) -> None:
    with pytest.raises(ApiError, match="unknown user 'nobody'") as refused:
        control.post("tokens", {"user": "nobody"})
    assert refused.value.status == 404


def test_what_makes_no_sense_is_told_in_the_clouds_words(control: ControlClient) -> None:
    with pytest.raises(ApiError, match="unknown field") as refused:
        control.post("tokens", {"user": "nobody", "wish": 1})
    assert refused.value.status == 422


@pytest.mark.parametrize(("status", "error"), [(200, ServerError), (302, ApiError), (500, ServerError)])
def test_what_is_no_cloud_is_an_error_and_leads_nowhere(
    stranger: tuple[str, type[Stranger]], status: int, error: type[RingletError]
) -> None:
    url, handler = stranger
    handler.status = status
    with ControlClient(url, "secret") as control, pytest.raises(error):
        control.get("clock")
    assert handler.seen == ["Bearer secret"]
