"""One grant, sixteen processes that renew it, some killed at any moment, some answers lost on the way.

The law: a refresh token whose successor was stored is never sent again; and a grant dies only of an answer
that was lost. Seen from between the two ends: a tap writes down what reaches the cloud and what comes back.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ringlet.client import Client, FileWallet
from ringlet.errors import GrantError, SignInNeeded
from ringlet.oauth import TWICE, App, renew

SECONDS = 60 if "RINGLET_LONG" in os.environ else 10
LOST = 0.05
"""How many answers of the token endpoint are dropped."""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the renewers are forked")


@dataclass
class Sent:
    """One renewal that reached the cloud: by which refresh token, and what the cloud gave for it."""

    spent: str
    successor: str | None


@dataclass
class Tap:
    """A loopback port in front of a cloud, which can lose answers and remembers every renewal."""

    upstream: str
    port: int = 0
    lossy: bool = True
    renewals: list[Sent] = field(default_factory=list)

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(_length(head))
            answer = await self._ask(head, body)
            spent = parse_qs(body.decode()).get("refresh_token")
            if spent:
                given = answer.partition(b"\r\n\r\n")[2]
                successor = json.loads(given).get("refresh_token") if b" 200 " in answer[:20] else None
                self.renewals.append(Sent(spent[0], successor))
            if not (spent and self.lossy and random.random() < LOST):
                writer.write(answer)
                await writer.drain()
        writer.close()

    async def _ask(self, head: bytes, body: bytes) -> bytes:
        target = urlsplit(self.upstream)
        reader, writer = await asyncio.open_connection(target.hostname, target.port)
        writer.write(head.replace(b"\r\n", b"\r\nconnection: close\r\n", 1) + body)
        answer = await reader.read()
        writer.close()
        return answer


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


@pytest.fixture
def ready(tmp_path: Path) -> Iterator[dict[str, Any]]:
    serve = [sys.executable, "-m", "ringlet.cli", "serve", "--demo", "--days", "2", "--port", "0"]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OURA_", "RINGLET_"))}
    cloud = subprocess.Popen([*serve, "--ready", "json"], stdout=subprocess.PIPE, env=env, text=True)
    try:
        assert cloud.stdout
        yield json.loads(cloud.stdout.readline())
    finally:
        cloud.terminate()
        cloud.communicate(timeout=30)


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


def test_no_spent_token_is_sent_again_and_a_grant_dies_only_of_a_lost_answer(
    ready: dict[str, Any], tap: Tap, tmp_path: Path
) -> None:
    path = tmp_path / "grant.json"
    here = ready | {"api": f"http://127.0.0.1:{tap.port}"}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("renewers.py")), str(path), str(SECONDS)],
        input=json.dumps(here),
        capture_output=True,
        text=True,
        timeout=SECONDS + 60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    tap.lossy = False
    _renew_once_more(here, path)
    stored = set(path.with_suffix(".stored").read_text().split())

    successors: dict[str, str] = {}
    times: dict[str, int] = {}
    for sent in tap.renewals:
        times[sent.spent] = times.get(sent.spent, 0) + 1
        # A token that is sent was stored, whether or not its process lived to note it.
        stored.add(sent.spent)
        if sent.successor:
            successors.setdefault(sent.spent, sent.successor)
    again = {token for token, count in times.items() if count > 1}
    assert len(successors) > 10 * SECONDS, "there was contention at all"
    assert not [token for token in again if successors.get(token) in stored]
    assert max(times.values()) <= TWICE
    # A token that was refused at its first sending had been spent by somebody: no answer of its own was lost.
    assert not [token for token in times if token not in successors and times[token] < TWICE]


def _renew_once_more(here: dict[str, Any], path: Path) -> None:
    """What is kept in the end is sent, too, unless it is known to be dead, so that it is judged as well."""
    wallet = FileWallet(path)
    app = App(client_id=here["client_id"], client_secret=here["client_secret"])
    tokens = wallet.load()
    assert tokens
    with Client(base_url=here["api"], wallet=wallet) as client, suppress(GrantError, SignInNeeded):
        client.run(renew(wallet, app, client.hosts, stale=tokens, clock=time.time))
