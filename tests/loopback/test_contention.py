"""Sixteen processes renew one grant; some are killed at random, and the cloud drops some responses.

A refresh token whose successor was stored is never sent again, and a grant ends only because a response was
lost. A fault set through the control API makes the cloud drop responses. A proxy in front of the cloud
records what was sent; the refreshing processes log what they stored.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ringlet._oauth.grant import App
from ringlet._oauth.renewal import renew
from ringlet.client import Client
from ringlet.errors import NotSignedIn, OAuthError

from ..program import Program
from .refresh_processes import LoggingTokenStore

DURATION_S = 60 if "RINGLET_LONG" in os.environ else 10
DROP_FAULT = {"path": "/oauth/token", "act": "drop", "probability": 0.05}

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the refreshing processes are forked")


@dataclass
class Renewal:
    """One request with a refresh token that reached the cloud, and its response."""

    refresh_token: str
    status: int
    successor: str | None
    lost: bool
    """Whether the fault dropped the response, and the new refresh token with it."""


@dataclass
class RecordingProxy:
    """A proxy in front of a cloud that records every renewal."""

    upstream: str
    port: int = 0
    renewals: list[Renewal] = field(default_factory=list)
    _under_way: set[object] = field(default_factory=set)
    """References to the tasks: asyncio has none to a task whose client closed the connection, and it could be
    garbage collected before the cloud answers."""

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._under_way.add(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(_length(head))
            answer = await self._request(head, body)
            if sent_token := parse_qs(body.decode()).get("refresh_token"):
                head, _, body = answer.partition(b"\r\n\r\n")
                successor = json.loads(body).get("refresh_token") if body else None
                self.renewals.append(Renewal(sent_token[0], int(head.split()[1]), successor, lost=not body))
            writer.write(answer)
            await writer.drain()
        writer.close()
        self._under_way.discard(asyncio.current_task())

    async def _request(self, head: bytes, body: bytes) -> bytes:
        target = urlsplit(self.upstream)
        reader, writer = await asyncio.open_connection(target.hostname, target.port)
        # Requests seem to come from many addresses: the cloud would slow down one that guesses tokens.
        added = b"\r\nconnection: close\r\nx-forwarded-for: 10.0.0.%d\r\n" % random.randrange(256)
        writer.write(head.replace(b"\r\n", added, 1) + body)
        answer = await reader.read()
        writer.close()
        return answer


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def ready(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    on_file = request.param == "SQLite"
    db = str(tmp_path / "cloud.db") if on_file else request.getfixturevalue("postgres")
    # The cloud trusts the `x-forwarded-for` of the proxy.
    with Program(tmp_path).serve(
        "--demo", "--days", "2", "--db", db, FORWARDED_ALLOW_IPS="127.0.0.1"
    ) as ready:
        yield ready


@pytest.fixture
def proxy(ready: dict[str, Any]) -> Iterator[RecordingProxy]:
    proxy, loop = RecordingProxy(ready["api"]), asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(proxy.forward, "127.0.0.1", 0, backlog=100))
    proxy.port = server.sockets[0].getsockname()[1]
    thread = Thread(target=loop.run_forever)
    thread.start()
    yield proxy

    async def end() -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    asyncio.run_coroutine_threadsafe(end(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.slow
def test_no_used_refresh_token_is_sent_twice_and_only_a_lost_response_ends_a_grant(
    ready: dict[str, Any], proxy: RecordingProxy, tmp_path: Path
) -> None:
    path = tmp_path / "grant.json"
    through_proxy = ready | {"api": f"http://127.0.0.1:{proxy.port}"}
    _set_faults(ready, "POST", DROP_FAULT)
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("refresh_processes.py")), str(path), str(DURATION_S)],
        input=json.dumps(through_proxy),
        capture_output=True,
        text=True,
        timeout=DURATION_S + 60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    _set_faults(ready, "DELETE")
    _renew_once_more(through_proxy, path)

    # A token that was sent had been stored, even if its process was killed before it could log that.
    stored = {sent.refresh_token for sent in proxy.renewals}
    logged: Counter[str] = Counter()
    last: dict[str, tuple[bool, str]] = {}
    for line in path.with_suffix(".stored").read_text().splitlines():
        process, unanswered, token = line.split()
        last[process] = unanswered != "0", token
        logged[token] += unanswered != "0"
        stored.add(token)
    sendings: defaultdict[str, list[Renewal]] = defaultdict(list)
    for sent in proxy.renewals:
        sendings[sent.refresh_token].append(sent)
    sent_twice = {token for token, sent in sendings.items() if len(sent) > 1}
    lost = {sent.refresh_token for sent in proxy.renewals if sent.lost}
    killed = {token for waiting, token in last.values() if waiting}

    assert not {sent.refresh_token for sent in proxy.renewals if sent.successor in stored} & sent_twice
    assert sent_twice <= lost | killed, "a token is sent twice only by a process that got no response"
    assert not [token for token, sent in sendings.items() if len(sent) > logged[token]], (
        "each sending is logged before it"
    )
    # A token that is sent twice is accepted the first time and refused the second time.
    assert {tuple(one.status for one in sent) for sent in sendings.values()} == {(200,), (200, 400)}
    assert sent_twice & lost
    assert len(sendings) > 10 * DURATION_S, "the processes contended"


def _set_faults(ready: dict[str, Any], method: str, fault: dict[str, Any] | None = None) -> None:
    """Add a fault to the cloud, or delete all faults."""
    control = HTTPConnection(urlsplit(ready["api"]).netloc)
    headers = {"authorization": f"Bearer {ready['admin_token']}"}
    control.request(method, "/_ringlet/faults", json.dumps(fault), headers)
    assert control.getresponse().status in (201, 204)
    control.close()


def _renew_once_more(ready: dict[str, Any], path: Path) -> None:
    """Renew the tokens that were stored last as well, unless they are known to be invalid."""
    token_store = LoggingTokenStore(path)
    app = App(client_id=ready["client_id"], client_secret=ready["client_secret"])
    tokens = token_store.load()
    assert tokens
    with Client(base_url=ready["api"], token_store=token_store) as client, suppress(OAuthError, NotSignedIn):
        client.run(renew(token_store, app, client.hosts, stale=tokens, clock=time.time))
