"""One grant, sixteen processes that renew it, some killed at any moment, some answers lost on the way.

The law: a refresh token whose successor was stored is never sent again; and a grant dies only of an answer
that was lost. The cloud itself loses answers, as its controls were told to. What was sent is seen from
between the two ends, by a tap; what was stored, from what the refreshing processes wrote down.
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
from .refresh_processes import NotingWallet

SECONDS = 60 if "RINGLET_LONG" in os.environ else 10
LOSSES = {"path": "/oauth/token", "act": "drop", "probability": 0.05}

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the refreshing processes are forked")


@dataclass
class Sent:
    """One renewal that reached the cloud: by which refresh token, and what the cloud said to it."""

    spent: str
    status: int
    successor: str | None
    lost: bool
    """Whether the answer was lost on purpose, and the successor with it."""


@dataclass
class Tap:
    """A loopback port in front of a cloud that remembers every renewal."""

    upstream: str
    port: int = 0
    renewals: list[Sent] = field(default_factory=list)
    _under_way: set[object] = field(default_factory=set)
    """Nobody else holds a task whose client has gone: it could be collected before it has heard the cloud."""

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._under_way.add(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(_length(head))
            answer = await self._ask(head, body)
            if spent := parse_qs(body.decode()).get("refresh_token"):
                told, _, given = answer.partition(b"\r\n\r\n")
                successor = json.loads(given).get("refresh_token") if given else None
                self.renewals.append(Sent(spent[0], int(told.split()[1]), successor, lost=not given))
            writer.write(answer)
            await writer.drain()
        writer.close()
        self._under_way.discard(asyncio.current_task())

    async def _ask(self, head: bytes, body: bytes) -> bytes:
        target = urlsplit(self.upstream)
        reader, writer = await asyncio.open_connection(target.hostname, target.port)
        # From many addresses: else what the cloud does about guessing, by address, hides a reuse.
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
    # The tap is a proxy, and believed.
    with Program(tmp_path).serve(
        "--demo", "--days", "2", "--db", db, FORWARDED_ALLOW_IPS="127.0.0.1"
    ) as ready:
        yield ready


@pytest.fixture
def tap(ready: dict[str, Any]) -> Iterator[Tap]:
    tap, loop = Tap(ready["api"]), asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(tap.pass_on, "127.0.0.1", 0, backlog=100))
    tap.port = server.sockets[0].getsockname()[1]
    thread = Thread(target=loop.run_forever)
    thread.start()
    yield tap

    async def end() -> None:
        server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    asyncio.run_coroutine_threadsafe(end(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.slow
def test_no_used_refresh_token_is_sent_again_and_only_a_lost_response_ends_a_grant(
    ready: dict[str, Any], tap: Tap, tmp_path: Path
) -> None:
    path = tmp_path / "grant.json"
    here = ready | {"api": f"http://127.0.0.1:{tap.port}"}
    _faults(ready, "POST", LOSSES)
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("refresh_processes.py")), str(path), str(SECONDS)],
        input=json.dumps(here),
        capture_output=True,
        text=True,
        timeout=SECONDS + 60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    _faults(ready, "DELETE")
    _renew_once_more(here, path)

    # A token that is sent was stored, whether or not its process lived to write that down.
    stored = {sent.spent for sent in tap.renewals}
    noted: Counter[str] = Counter()
    last: dict[str, tuple[bool, str]] = {}
    for line in path.with_suffix(".stored").read_text().splitlines():
        process, unanswered, token = line.split()
        last[process] = unanswered != "0", token
        noted[token] += unanswered != "0"
        stored.add(token)
    sendings: defaultdict[str, list[Sent]] = defaultdict(list)
    for sent in tap.renewals:
        sendings[sent.spent].append(sent)
    again = {token for token, sent in sendings.items() if len(sent) > 1}
    lost = {sent.spent for sent in tap.renewals if sent.lost}
    killed = {token for waiting, token in last.values() if waiting}

    assert not {sent.spent for sent in tap.renewals if sent.successor in stored} & again
    assert again <= lost | killed, "whoever got an answer never sent that token again"
    assert not [token for token, sent in sendings.items() if len(sent) > noted[token]], "noted before sent"
    # What is sent again had been spent at first, whether the answer was lost on purpose or with its reader;
    # and what had not been sent before is never refused.
    assert {tuple(one.status for one in sent) for sent in sendings.values()} == {(200,), (200, 400)}
    assert again & lost
    assert len(sendings) > 10 * SECONDS, "there was contention at all"


def _faults(ready: dict[str, Any], method: str, fault: dict[str, Any] | None = None) -> None:
    """Tell the cloud what to lose."""
    control = HTTPConnection(urlsplit(ready["api"]).netloc)
    headers = {"authorization": f"Bearer {ready['admin_token']}"}
    control.request(method, "/_ringlet/faults", json.dumps(fault), headers)
    assert control.getresponse().status in (201, 204)
    control.close()


def _renew_once_more(here: dict[str, Any], path: Path) -> None:
    """What is kept in the end is sent, too, unless it is known to be dead, so that it is judged as well."""
    token_store = NotingWallet(path)
    app = App(client_id=here["client_id"], client_secret=here["client_secret"])
    tokens = token_store.load()
    assert tokens
    with Client(base_url=here["api"], token_store=token_store) as client, suppress(OAuthError, NotSignedIn):
        client.run(renew(token_store, app, client.hosts, stale=tokens, clock=time.time))
