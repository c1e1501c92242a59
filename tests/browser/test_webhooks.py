"""Webhooks from end to end, as a developer sees them: subscribe, let something happen, look, send again."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ringlet.client import Client, MemoryWallet
from ringlet.webhooks import verify

from .test_portal import LOOKS, Application, fits, register, sign_in

PATIENCE = 15.0


@dataclass
class Ears:
    """The program of an application: it takes codes and answers challenges, and events with a status."""

    uri: str = ""
    url: str = ""
    status: int = 200
    codes: list[str] = field(default_factory=list)
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def hears(self, events: int) -> None:
        end = monotonic() + PATIENCE
        while len(self.heard) < events:
            assert monotonic() < end, "nothing came"
            sleep(0.02)


@pytest.fixture
def ears() -> Iterator[Ears]:
    here = Ears()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            where = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(where.query).items()}
            if where.path == "/callback":
                here.codes.append(query["code"])
                self._say(200, b"<!doctype html><title>Back</title>Back", "text/html")
            elif where.path == "/oura":
                self._say(200, json.dumps({"challenge": query["challenge"]}).encode())
            else:
                self._say(204, b"")  # the browser asks for an icon

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            here.heard.append((dict(self.headers), body))
            said = "thank you" if here.status < 400 else "<b>no room</b> for this now"
            self._say(here.status, said.encode(), "text/plain")

        def _say(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here.uri = f"http://localhost:{server.server_port}/callback"
    here.url = f"http://127.0.0.1:{server.server_port}/oura?mine=1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield here
    server.shutdown()
    thread.join()
    server.server_close()


def connect(tab: Any, cloud: dict[str, Any], ears: Ears) -> Application:
    """Register an application, and let it hear of the wearer."""
    application = register(tab, cloud, ears.uri)
    tab.open(application.asks())
    tab.follow("button[value=allow]")
    application.redeem(ears.codes[-1])
    return application


def asking(application: Application) -> Client:
    app = application.app
    return Client(
        base_url=application.api,
        wallet=MemoryWallet(),
        client_id=app.client_id,
        client_secret=app.client_secret,
    )


def trigger(cloud: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"{cloud['api']}/_ringlet/trigger",
        data=json.dumps({"event": "daily_sleep.update"}).encode(),
        headers={"authorization": f"Bearer {cloud['admin_token']}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 201


def shows(tab: Any, words: str) -> None:
    """Load the page again until it says something: deliveries take a moment."""
    end = monotonic() + PATIENCE
    while words not in tab.text:
        assert monotonic() < end, tab.text
        tab.open(tab.url)


def test_an_event_is_delivered_seen_and_sent_again(
    tab: Callable[..., Any], cloud: dict[str, Any], secret: str, ears: Ears
) -> None:
    here = tab()
    sign_in(here, cloud, secret)
    application = connect(here, cloud, ears)
    with asking(application) as client:
        made = client.webhooks.create(ears.url, "a verification token", "update", "daily_sleep")
        assert client.webhooks.list() == [made]
    here.open(f"{cloud['api']}/webhooks")
    assert "1 subscription" in here.text
    here.follow(f"main a[href*='{application.app.client_id}']")
    assert f"until {made.expires_at.day} {made.expires_at:%B %Y}" in here.text
    assert "mine=1" not in here.text

    trigger(cloud)
    ears.hears(1)
    headers, body = ears.heard[0]
    sent = int(headers["x-oura-timestamp"])
    assert verify(application.app.client_secret, headers, body, now=sent).data_type == "daily_sleep"
    shows(here, "delivered")
    here.follow("main .rows a[href*='/webhooks/']")
    for words in (
        body.decode(),
        headers["x-oura-signature"],
        "It fits the application's secret",
        "thank you",
    ):
        assert words in here.text
    here.click("summary")
    assert "curl --include --globoff --request POST" in here.text

    here.follow("main header button")
    ears.hears(2)
    assert ears.heard[1][1] == body, "the same event, signed anew"
    shows(here, "Attempt 2")


@pytest.mark.parametrize(
    "look", LOOKS, ids=lambda look: f"{look['width']}-{'dark' if look['dark'] else 'light'}"
)
def test_its_pages_fit_are_read_and_are_labelled(
    tab: Callable[..., Any],
    cloud: dict[str, Any],
    secret: str,
    ears: Ears,
    look: dict[str, Any],
    tmp_path: Path,
) -> None:
    here = tab(**look)
    sign_in(here, cloud, secret)
    application = connect(here, cloud, ears)
    log = f"{cloud['api']}/oauth/applications/{application.app.client_id}/webhooks"
    here.open(log)
    fits(here, tmp_path)
    with asking(application) as client:
        client.webhooks.create(ears.url, "a verification token", "update", "daily_sleep")
        ended = client.webhooks.create(f"{ears.url}&long={'x' * 80}", "a token", "create", "tag")
        client.webhooks.delete(ended.id)
    trigger(cloud)
    ears.hears(1)
    ears.status = 503
    trigger(cloud)
    ears.hears(2)
    here.open(log)
    shows(here, "1 attempt")
    fits(here, tmp_path)
    here.follow("main .rows a[href*='/webhooks/']")
    shows(here, "no room")
    assert "<b>no room</b> for this now" in here.text
    here.click("summary")
    fits(here, tmp_path)
    ears.status = 410
    here.follow("main header button")
    ears.hears(3)
    for state in ("waiting", "delivered", "failed"):
        here.open(f"{log}?state={state}")
        fits(here, tmp_path)
    here.open(log)
    shows(here, "answered 410")
    assert "Resend all failed" in here.text
    fits(here, tmp_path)
    for path in ("/webhooks", "/portal", f"/oauth/applications/{application.app.client_id}"):
        here.open(f"{cloud['api']}{path}")
        fits(here, tmp_path)
