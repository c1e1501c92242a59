"""Receivers written from Oura's documents alone believe what this end signs and sends, and nothing else.

One is Oura's own example, which parses a body and makes it JSON again; the others verify the bytes that came.
Each runs as a program of its own, in Node or in plain Python, and knows nothing of ringlet.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import pytest

from ringlet import webhooks as w
from ringlet.archive import Archive
from ringlet.cloud import AddressPolicy, Cloud

pytestmark = pytest.mark.interop

HERE = Path(__file__).parent / "verifiers"
SECRET = "a client secret that is longer than the block of the hash, as the portal gives them"
TOKEN = "&verification=token with ümlauts+"
PATIENT = 20.0

NODE = pytest.param(
    ["node", HERE / "express.mjs"],
    id="express",
    marks=pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here"),
)
PYTHON = [
    pytest.param([sys.executable, HERE / "raw_bytes.py", pattern], id=pattern)
    for pattern in ("documents", "tidepool", "open-wearables")
]
each_verifier = pytest.mark.parametrize("command", [NODE, *PYTHON])

ODD = (
    "5f2e0c1a-3b7d-4b0e-9c86-2f7c8d1e4a55",
    'quotes " and \\ backslashes / slashes',
    "Zoë 日本 🧿 \u00a0\u2028\u2029\ufeff",
    "\x00\x01\x08\t\n\x0b\x0c\r\x1f\x7f\x80\x9f",
    "</script><b>&amp; '",
    "1e400",
    "",
)
"""Texts that two encoders of JSON might write differently."""


class Verifier:
    """A receiver that runs, and what it said of each event."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout
        self.url = f"http://127.0.0.1:{int(process.stdout.readline())}/oura-webhook"
        self.said: Queue[dict[str, Any]] = Queue()
        self._reader = Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.said.put(json.loads(line))

    def next(self) -> dict[str, Any]:
        return self.said.get(timeout=PATIENT)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout
        self.process.stdout.close()


@pytest.fixture
def run() -> Iterator[Callable[..., Verifier]]:
    running: list[Verifier] = []

    def start(command: list[str | Path], secret: str = SECRET) -> Verifier:
        whole = [*map(str, command), secret, TOKEN]
        running.append(Verifier(subprocess.Popen(whole, stdout=subprocess.PIPE, encoding="utf-8")))
        return running[-1]

    yield start
    for one in running:
        one.end()


def ask(url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body, headers=dict(headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=PATIENT) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


def event(data_type: str, event_type: w.EventType, id: str, user: str) -> w.Event:
    when = "2026-03-01T12:00:00.123000+00:00"
    return w.Event(event_type=event_type, data_type=data_type, object_id=id, event_time=when, user_id=user)


@each_verifier
def test_it_answers_the_challenge_as_this_end_asks_it(
    run: Callable[..., Verifier], command: list[Any]
) -> None:
    verifier = run(command)
    for challenge in ODD[:3]:
        query = urlencode({"verification_token": TOKEN, "challenge": challenge})
        status, body = ask(f"{verifier.url}?{query}")
        assert (status, json.loads(body)) == (200, {"challenge": challenge})
    query = urlencode({"verification_token": "another token", "challenge": "challenge"})
    status, body = ask(f"{verifier.url}?{query}")
    assert status in (401, 403)
    assert b"challenge" not in body


@each_verifier
def test_it_believes_every_event_that_is_signed_here(
    run: Callable[..., Verifier], command: list[Any]
) -> None:
    verifier = run(command)
    events = [event(type_, what, ODD[0], "wearer") for type_ in w.DATA_TYPES for what in w.EVENT_TYPES]
    events += [event("sleep", "update", id, user) for id in ODD for user in ODD]
    for one in events:
        status, _ = ask(verifier.url, one.body, w.signed_headers(SECRET, one.body, now=time.time()))
        assert status == 200, one
        assert verifier.next()["believed"]


BODY = event("sleep", "update", ODD[0], "wearer").body
GOOD = w.signed_headers(SECRET, BODY, now=1_770_000_000)
FORGED: dict[str, tuple[dict[str, str], bytes]] = {
    "another document": (GOOD, BODY.replace(b"5f2e", b"5f2f")),
    "another wearer": (GOOD, BODY.replace(b"wearer", b"Wearer")),
    "one field more": (GOOD, BODY[:-1] + b',"more":1}'),
    "one byte less": (GOOD, BODY[:-1]),
    "nothing": (GOOD, b""),
    "no JSON": (GOOD, b"{" * 300),
    "another moment": (GOOD | {"x-oura-timestamp": "1770000001"}, BODY),
    "another secret": (w.signed_headers(f"{SECRET} ", BODY, now=1_770_000_000), BODY),
    "no signature": ({name: GOOD[name] for name in ("content-type", "x-oura-timestamp")}, BODY),
    "half a signature": (GOOD | {"x-oura-signature": GOOD["x-oura-signature"][:32]}, BODY),
    "no signature but the digest of the body": (
        GOOD | {"x-oura-signature": w.sign(SECRET, "", BODY)},
        BODY,
    ),
}


@each_verifier
def test_it_refuses_what_was_tampered_with(run: Callable[..., Verifier], command: list[Any]) -> None:
    """Which shows that it looks at all."""
    verifier = run(command)
    for name, (headers, body) in FORGED.items():
        status, _ = ask(verifier.url, body, headers)
        assert status in (400, 401), name
        assert not verifier.next()["believed"], name
    assert ask(verifier.url, BODY, GOOD)[0] == 200
    said = verifier.next()
    assert said["believed"]
    assert base64.b64decode(said["body"]) == BODY


# --- What the cloud sends by itself ---


async def subscribe(cloud: Cloud, app: tuple[str, str], wish: Mapping[str, str]) -> int:
    """The status of `POST /v2/webhook/subscription`."""
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(wish).encode()}

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 0))

    headers = {"x-client-id": app[0], "x-client-secret": app[1], "content-type": "application/json"}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v2/webhook/subscription",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await cloud(scope, receive, send)
    return statuses[0]


@each_verifier
def test_it_believes_every_delivery_of_the_cloud(run: Callable[..., Verifier], command: list[Any]) -> None:
    """All data types and operations; wearers and documents whose names are hard to write in one way."""

    async def story(archive: Archive) -> tuple[int, Verifier]:
        cloud = Cloud(archive, callbacks=AddressPolicy("dev"))
        app = cloud.grants.apps.register("Tests", ["https://tests.example/callback"])
        verifier = run(command, app[1])
        wearers = [archive.user(name) for name in ODD if name]
        for wearer in wearers:
            cloud.grants.issue(app[0], wearer, ["daily"])
        async with cloud.running():
            wish = {"callback_url": verifier.url, "verification_token": TOKEN}
            assert await subscribe(cloud, app, wish | {"verification_token": "no"} | pairs[0]) == 422
            for pair in pairs:
                assert await subscribe(cloud, app, wish | pair) == 201
            sent = 0
            for pair in pairs:
                sent += cloud.publisher.publish(wearers[0], object_id=ODD[0], **pair).deliveries
            for wearer in wearers:
                for id in ODD:
                    sent += cloud.publisher.publish(wearer, "update", "sleep", id).deliveries
            async with asyncio.timeout(PATIENT):
                while cloud.deliveries.counts()["waiting"]:  # noqa: ASYNC110  # the sender tells nobody
                    await asyncio.sleep(0.02)
        assert cloud.deliveries.counts() == {"waiting": 0, "delivered": sent, "failed": 0}
        return sent, verifier

    pairs: list[Any] = [{"data_type": t, "event_type": e} for t in w.DATA_TYPES for e in w.EVENT_TYPES]
    with Archive.open(":memory:") as archive:
        sent, verifier = asyncio.run(story(archive))
    assert sent == len(pairs) + len(ODD) * (len(ODD) - 1)
    events = [verifier.next() for _ in range(sent)]
    assert all(one["believed"] for one in events)
    bodies = [json.loads(base64.b64decode(one["body"])) for one in events]
    assert {(one["user_id"], one["object_id"]) for one in bodies} >= {(u, id) for u in ODD if u for id in ODD}
    assert {one["headers"]["content-type"] for one in events} == {"application/json"}
