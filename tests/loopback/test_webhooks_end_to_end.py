"""`serve --demo` and `sync --webhooks` are killed at random while days pass, and both archives end up equal.

RINGLET_LONG=1 simulates thirty days instead of four, and kills twenty times instead of twice.
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
SIMULATED_DAYS, KILLS = (30, 20) if LONG else (4, 2)
CONVERGENCE_TIMEOUT_S = 120 if LONG else 60
"""Seconds until both archives must be the same."""
FROZEN_CLOCK = "frozen:2026-03-01T12:00:00Z"
ADMIN_TOKEN = "the admin token of a test"
ALL_TIME = Span(FIRST_MS, LAST_MS)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@dataclass
class RestartableProgram:
    """A ringlet process that can be killed and started again."""

    arguments: str
    env: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ringlet", *self.arguments.split()],
                env=self.env,
                stdout=subprocess.PIPE if "--ready" in self.arguments else log,
                stderr=log,
            )

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            if self.process.stdout:
                self.process.stdout.close()
            self.process = None


class SyncPrograms:
    """A demo cloud, and a continuous sync of its data."""

    def __init__(self, home: Path) -> None:
        self.cloud_db, self.mine_db = home / "cloud.db", home / "mine.db"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("OURA_", "RINGLET_", "XDG_"))}
        env = inherited | {"HOME": str(home), "RINGLET_ADMIN_TOKEN": ADMIN_TOKEN, "NO_PROXY": "127.0.0.1"}
        port, receiver_port = free_port(), free_port()
        self.api = f"http://127.0.0.1:{port}"
        serve = f"serve --demo --db {self.cloud_db} --days 10 --port {port} --ready json"
        self.cloud = RestartableProgram(f"{serve} --clock {FROZEN_CLOCK}", env, home / "cloud.log")
        ready = self.start_cloud()
        # Not the demo application: it gets a new secret at each start.
        with Archive.open(self.cloud_db) as theirs:
            grants = Grants(theirs, Clock.parse(FROZEN_CLOCK), RateLimit(), "live")
            client_id, secret = grants.apps.register("Continuous sync", ["https://mine.example/callback"])
            issued = grants.issue(client_id, theirs.user(ready["user_id"]), SCOPES)
        env |= {
            "OURA_API_BASE_URL": self.api,
            "XDG_CONFIG_HOME": str(home),
            "OURA_CLIENT_ID": client_id,
            "OURA_CLIENT_SECRET": secret or "",
        }
        # Not an access token in a variable: it expires within the simulated month and has to be renewed.
        tokens = Tokens(access_token=issued.access_token, refresh_token=issued.refresh_token)
        FileTokenStore(home / "ringlet/tokens/default.json").save(tokens)
        sync = f"sync --db {self.mine_db} --webhooks --listen 127.0.0.1:{receiver_port}"
        url = f"http://127.0.0.1:{receiver_port}/oura"
        self.sync = RestartableProgram(
            f"{sync} --public-url {url} --since 2026-02-01", env, home / "sync.log"
        )

    def start_cloud(self) -> dict[str, Any]:
        """Start the cloud and return its ready line."""
        self.cloud.start()
        assert self.cloud.process
        assert self.cloud.process.stdout
        ready: dict[str, Any] = json.loads(self.cloud.process.stdout.readline())
        return ready

    def control(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {ADMIN_TOKEN}", "content-type": "application/json"}
        request = urllib.request.Request(f"{self.api}/_ringlet/{path}", data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def advance_to(self, until: float) -> None:
        """Advance the cloud's clock to `until` seconds after its start, if it is not there yet."""
        while (ahead := self.control("clock")["ahead"]) < until:
            self.control("clock", {"advance": until - ahead})

    def archives_are_equal(self) -> bool:
        with Archive.open(self.cloud_db, read_only=True) as theirs, Archive.open(self.mine_db) as mine:
            return stored_hashes(theirs) == stored_hashes(mine)

    def end(self) -> None:
        self.cloud.kill()
        self.sync.kill()


def stored_hashes(archive: Archive) -> dict[str, Any]:
    """The content of an archive: for each type a hash by document id, or one hash of the series."""
    [user] = archive.users()
    hashes: dict[str, Any] = {}
    for name, kind in TYPES.items():
        if isinstance(kind, Samples):
            hashes[name] = sha256(b",".join(archive.texts(user.id, kind, ALL_TIME)[0])).hexdigest()
        else:
            rows = archive.database.all(
                "SELECT id, body FROM documents WHERE user_id = ? AND type = ? AND deleted_at IS NULL",
                (user.id, name),
            )
            hashes[name] = {id: sha256(body).hexdigest() for id, body in rows}
    return hashes


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[SyncPrograms]:
    with ExitStack() as stack:
        programs = SyncPrograms(tmp_path)
        stack.callback(programs.end)
        yield programs


def becomes_true(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether a condition becomes true within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.3)
    return condition()


def event_arrives(programs: SyncPrograms, event: str) -> bool:
    """Whether a change arrives by its event: the clock stands still, so no scheduled round can find it."""
    programs.control("trigger", {"event": event})
    return becomes_true(programs.archives_are_equal, 20)


def kill_during(victim: RestartableProgram, after: float, work: Callable[[], Any]) -> None:
    """Run `work`, and kill a program after so many seconds."""
    timer = threading.Timer(after, victim.kill)
    timer.start()
    with suppress(urllib.error.URLError, ConnectionError):  # the request may go to the program that is killed
        work()
    timer.join()


@pytest.mark.slow
def test_cloud_and_archive_end_up_equal_when_either_side_is_killed(
    programs: SyncPrograms, record_property: Callable[[str, object], None]
) -> None:
    rng = random.Random(4)
    days = rng.sample(range(SIMULATED_DAYS), k=min(KILLS, SIMULATED_DAYS))
    programs.sync.start()
    assert becomes_true(
        lambda: programs.mine_db.exists() and "syncing continuously" in programs.sync.log.read_text(), 30
    )
    for day in range(SIMULATED_DAYS):
        target = (day + 1) * 86400.0
        if day in days:
            victim = [programs.sync, programs.cloud][days.index(day) % 2]
            kill_during(victim, rng.uniform(0, 1.5), lambda: programs.advance_to(target))  # noqa: B023
            time.sleep(rng.uniform(0, 1))
            if victim is programs.cloud:
                programs.start_cloud()
            else:
                victim.start()
        programs.advance_to(target)
        programs.control(
            "trigger", {"event": rng.choice(["workout.delete", "sleep.delete", "session.delete"])}
        )
    equal_in_time = becomes_true(programs.archives_are_equal, CONVERGENCE_TIMEOUT_S)
    events_arrived = [event_arrives(programs, f"workout.{one}") for one in ("create", "delete", "create")]

    with Archive.open(programs.cloud_db, read_only=True) as theirs, Archive.open(programs.mine_db) as mine:
        assert stored_hashes(theirs) == stored_hashes(mine), programs.sync.log.read_text()[-3000:]
        deleted = theirs.database.all("SELECT type, id FROM documents WHERE deleted_at IS NOT NULL")
        assert deleted
        documents = sum(len(one) for one in stored_hashes(mine).values() if isinstance(one, dict))
    assert equal_in_time
    assert all(events_arrived)
    log = programs.sync.log.read_text()
    assert "Traceback" not in log
    figures = {
        "documents": documents,
        "deleted": len(deleted),
        "followed": sum(log.count(f" {one} ") for one in EVENT_TYPES),
    }
    assert figures["followed"] > len(events_arrived)
    record_property("end to end", figures)
    print(f"\n{figures}")  # noqa: T201  # a figure to see with -s
