"""`serve --demo`, `sync --webhooks`, days that pass, either side killed at any moment: nothing is missing.

RINGLET_LONG=1 lets thirty days pass and kills about twenty times.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ringlet._api.catalog import TYPES
from ringlet._api.kinds import Samples
from ringlet._api.windows import FIRST_MS, LAST_MS, Span
from ringlet._cloud.core.clock import Clock
from ringlet._cloud.core.rate_limit import RateLimit
from ringlet._cloud.oauth.grants import Grants
from ringlet._oauth.grant import Tokens
from ringlet._oauth.scopes import SCOPES
from ringlet.archive import Archive
from ringlet.client import FileTokenStore
from ringlet.webhooks import EVENT_TYPES

LONG = "RINGLET_LONG" in os.environ
DAYS, KILLS = (30, 20) if LONG else (4, 2)
PATIENT = 120 if LONG else 60
"""Seconds until both archives must be the same."""
CLOCK = "frozen:2026-03-01T12:00:00Z"
ADMIN = "the admin token of a test"
EVER = Span(FIRST_MS, LAST_MS)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@dataclass
class Side:
    """A program that is started again after it was killed."""

    line: str
    env: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ringlet", *self.line.split()],
                env=self.env,
                stdout=subprocess.PIPE if "--ready" in self.line else log,
                stderr=log,
            )

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            if self.process.stdout:
                self.process.stdout.close()
            self.process = None


class World:
    """A cloud with a wearer, and a sync that keeps up with it."""

    def __init__(self, home: Path) -> None:
        self.theirs, self.mine = home / "cloud.db", home / "mine.db"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OURA_", "RINGLET_", "XDG_"))}
        env = kept | {"HOME": str(home), "RINGLET_ADMIN_TOKEN": ADMIN, "NO_PROXY": "127.0.0.1"}
        port, door = free_port(), free_port()
        self.api = f"http://127.0.0.1:{port}"
        serve = f"serve --demo --db {self.theirs} --days 10 --port {port} --ready json"
        self.cloud = Side(f"{serve} --clock {CLOCK}", env, home / "cloud.log")
        ready = self.open()
        # An application of our own: the demo's has a new secret after each start.
        with Archive.open(self.theirs) as theirs:
            grants = Grants(theirs, Clock.parse(CLOCK), RateLimit(), "live")
            client_id, secret = grants.apps.register("Keeping up", ["https://mine.example/callback"])
            issued = grants.issue(client_id, theirs.user(ready["user_id"]), SCOPES)
        env |= {
            "OURA_API_BASE_URL": self.api,
            "XDG_CONFIG_HOME": str(home),
            "OURA_CLIENT_ID": client_id,
            "OURA_CLIENT_SECRET": secret or "",
        }
        # Not a token in a variable: it has to be renewed within the month that passes here.
        tokens = Tokens(access_token=issued.access_token, refresh_token=issued.refresh_token)
        FileTokenStore(home / "ringlet/tokens/default.json").save(tokens)
        sync = f"sync --db {self.mine} --webhooks --listen 127.0.0.1:{door}"
        url = f"http://127.0.0.1:{door}/oura"
        self.sync = Side(f"{sync} --public-url {url} --since 2026-02-01", env, home / "sync.log")

    def open(self) -> dict[str, Any]:
        """Start the cloud; what its ready line says."""
        self.cloud.start()
        assert self.cloud.process
        assert self.cloud.process.stdout
        ready: dict[str, Any] = json.loads(self.cloud.process.stdout.readline())
        return ready

    def control(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {ADMIN}", "content-type": "application/json"}
        request = urllib.request.Request(f"{self.api}/_ringlet/{path}", data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def let_pass(self, until: float) -> None:
        """Let time pass until so many seconds after the beginning, whatever is killed meanwhile."""
        while (ahead := self.control("clock")["ahead"]) < until:
            self.control("clock", {"advance": until - ahead})

    def settled(self) -> bool:
        with Archive.open(self.theirs, read_only=True) as theirs, Archive.open(self.mine) as mine:
            return holdings(theirs) == holdings(mine)

    def end(self) -> None:
        self.cloud.kill()
        self.sync.kill()


def holdings(archive: Archive) -> dict[str, Any]:
    """All that lives in an archive: each document's hash by its id, each series' hash."""
    [user] = archive.users()
    held: dict[str, Any] = {}
    for name, kind in TYPES.items():
        if isinstance(kind, Samples):
            held[name] = sha256(b",".join(archive.texts(user.id, kind, EVER)[0])).hexdigest()
        else:
            rows = archive.database.all(
                "SELECT id, body FROM documents WHERE user_id = ? AND type = ? AND deleted_at IS NULL",
                (user.id, name),
            )
            held[name] = {id: sha256(body).hexdigest() for id, body in rows}
    return held


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        one = World(tmp_path)
        stack.callback(one.end)
        yield one


def until(true: Callable[[], bool], seconds: float) -> bool:
    latest = time.monotonic() + seconds
    while time.monotonic() < latest:
        if true():
            return True
        time.sleep(0.3)
    return true()


def told_in_time(world: World, event: str) -> bool:
    """Whether a change arrives that only an event can bring: time stands still, and no round is due."""
    world.control("trigger", {"event": event})
    return until(world.settled, 20)


def killed_in_the_middle(victim: Side, after: float, act: Callable[[], Any]) -> None:
    """Do something, with a side killed meanwhile."""
    timer = threading.Timer(after, victim.kill)
    timer.start()
    with suppress(urllib.error.URLError, ConnectionError):  # who is asked may be the victim
        act()
    timer.join()


@pytest.mark.slow
def test_cloud_and_archive_end_up_equal_when_either_side_is_killed(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    dice = random.Random(4)
    days = dice.sample(range(DAYS), k=min(KILLS, DAYS))
    world.sync.start()
    assert until(lambda: world.mine.exists() and "syncing continuously" in world.sync.log.read_text(), 30)
    for day in range(DAYS):
        target = (day + 1) * 86400.0
        if day in days:
            victim = [world.sync, world.cloud][days.index(day) % 2]
            killed_in_the_middle(victim, dice.uniform(0, 1.5), lambda: world.let_pass(target))  # noqa: B023
            time.sleep(dice.uniform(0, 1))
            if victim is world.cloud:
                world.open()
            else:
                victim.start()
        world.let_pass(target)
        world.control("trigger", {"event": dice.choice(["workout.delete", "sleep.delete", "session.delete"])})
    alike = until(world.settled, PATIENT)
    in_time = [told_in_time(world, f"workout.{one}") for one in ("create", "delete", "create")]

    with Archive.open(world.theirs, read_only=True) as theirs, Archive.open(world.mine) as mine:
        assert holdings(theirs) == holdings(mine), world.sync.log.read_text()[-3000:]
        deleted = theirs.database.all("SELECT type, id FROM documents WHERE deleted_at IS NOT NULL")
        assert deleted
        documents = sum(len(one) for one in holdings(mine).values() if isinstance(one, dict))
    assert alike
    assert all(in_time)
    log = world.sync.log.read_text()
    assert "Traceback" not in log
    figures = {
        "documents": documents,
        "deleted": len(deleted),
        "followed": sum(log.count(f" {one} ") for one in EVENT_TYPES),
    }
    assert figures["followed"] > len(in_time)
    record_property("end to end", figures)
    print(f"\n{figures}")  # noqa: T201  # a figure to see with -s
