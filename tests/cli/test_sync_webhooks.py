"""`ringlet sync --webhooks`: what it says, what it refuses, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .. import forked
from ..program import Program

ADMIN = "the admin token of a test"
URL = "--public-url=http://127.0.0.1:1/oura"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A demo cloud of these tests' own: they make things happen in it."""
    program = Program(tmp_path_factory.mktemp("cloud"))
    frozen = "frozen:2026-03-01T12:00:00Z"
    with program.serve("--demo", "--days", "5", "--clock", frozen, "--admin-token", ADMIN) as ready:
        yield ready


def trigger(cloud: dict[str, Any], event: str, **more: Any) -> None:
    request = urllib.request.Request(
        f"{cloud['api']}/_ringlet/trigger",
        data=json.dumps({"event": event} | more).encode(),
        headers={"authorization": f"Bearer {ADMIN}"},
    )
    urllib.request.urlopen(request, timeout=30).close()


class Keeping:
    """A sync that keeps up, in a process of its own."""

    def __init__(self, ringlet: Program, cloud: dict[str, Any], *more: str) -> None:
        # It stays bound, so that no other process gets this port; with SO_REUSEADDR ours may listen on it.
        self.reserved = socket.socket()
        self.reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.reserved.bind(("127.0.0.1", 0))
        port = self.reserved.getsockname()[1]
        secret = {"OURA_CLIENT_ID": cloud["client_id"], "OURA_CLIENT_SECRET": cloud["client_secret"]}
        self.out, self.err = ringlet.home / "out", ringlet.home / "err"
        self.archive = ringlet.home / "mine.db"
        with self.out.open("w") as out, self.err.open("w") as err:
            command = [
                *("-m", "ringlet", "sync", "--webhooks", "--db", self.archive),
                *("--listen", f"127.0.0.1:{port}"),
                *("--public-url", f"http://127.0.0.1:{port}/oura?key=geheim", "--since", "2026-02-20"),
                "--take-over",  # from the other tests' archives
                *more,
            ]
            self.process = forked.start(command, env=ringlet.at(cloud).env(**secret), stdout=out, stderr=err)

    def says(self, text: str, seconds: float = 20) -> None:
        latest = time.monotonic() + seconds
        while text not in self.out.read_text() + self.err.read_text():
            assert time.monotonic() < latest, self.out.read_text() + self.err.read_text()
            assert self.process.poll() is None, self.err.read_text()
            time.sleep(0.05)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def keep(ringlet: Program, cloud: dict[str, Any]) -> Iterator[Callable[..., Keeping]]:
    started: list[Keeping] = []

    def start(*more: str) -> Keeping:
        started.append(Keeping(ringlet, cloud, *more))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait(20)
        one.reserved.close()


def test_each_event_is_a_line_and_secrets_are_none(keep: Any, cloud: dict[str, Any]) -> None:
    keeping = keep()
    keeping.says("syncing continuously")
    trigger(cloud, "daily_sleep.update", override={"score": 61})
    keeping.says("score 61")
    assert keeping.end(signal.SIGTERM) == 0
    assert "daily_sleep               update  2026-03-0" in keeping.out.read_text()
    assert "stored in the archive" in keeping.err.read_text()
    said = keeping.out.read_text() + keeping.err.read_text()
    assert "geheim" not in said
    assert cloud["client_secret"] not in said
    assert "Traceback" not in said


def test_json_is_one_object_per_line(keep: Any, cloud: dict[str, Any]) -> None:
    keeping = keep("--json", "--types", "daily_sleep,heartrate")
    # Not just "done", which is also a key of the line about subscriptions: the first round comes after that.
    keeping.says('"event": "done"')
    trigger(cloud, "daily_sleep.update", override={"score": 62})
    keeping.says('"followed"')
    assert keeping.end(signal.SIGINT) == 130
    lines = [json.loads(line) for line in keeping.out.read_text().splitlines()]
    assert all(line["v"] == 1 for line in lines)
    [followed] = [line for line in lines if line["event"] == "followed"]
    assert (followed["type"], followed["operation"], followed["result"]) == (
        "daily_sleep",
        "update",
        "changed",
    )
    assert {line["event"] for line in lines} == {"subscriptions", "collection", "done", "followed"}


def test_it_keeps_up_on_postgres(keep: Any, cloud: dict[str, Any], postgres: str) -> None:
    keeping = keep("--types", "workout", "--db", postgres)
    keeping.says("syncing continuously")
    trigger(cloud, "workout.create")
    keeping.says("workout                   create  2026-03-01  added")


def test_a_callback_that_nobody_reaches_is_told_once_and_the_sync_goes_on(keep: Any) -> None:
    keeping = keep("--types", "tag", "--public-url", "http://127.0.0.1:1/nobody?key=geheim")
    keeping.says("syncing continuously")
    assert keeping.end(signal.SIGTERM) == 0
    said = keeping.err.read_text()
    assert said.count("3 subscriptions could not be made") == 1
    again = f"next: ringlet sync --db {keeping.archive} --webhooks --public-url URL"
    assert f"{again}, with one that leads here: http://127.0.0.1:1/n" in said
    assert "events come in at" not in said
    assert "geheim" not in said


def test_what_happened_while_it_was_away_is_there_after_the_next_start(
    keep: Any, cloud: dict[str, Any]
) -> None:
    first = keep("--types", "workout")
    first.says("syncing continuously")
    first.process.kill()
    first.process.wait(20)
    trigger(cloud, "workout.delete")
    again = keep("--types", "workout")
    again.says("syncing continuously")
    assert "1 deleted" in again.out.read_text()


@pytest.mark.parametrize(
    ("options", "error", "cure"),
    [
        (["--webhooks"], "expected the URL", "--public-url https://"),
        (["--webhooks", "--public-url", "ftp://x/"], "starts with http", "--public-url https://"),
        (["--webhooks", "--public-url", "https://me:pw@x/"], "no user and password", "leave them out"),
        (["--webhooks", "--public-url", "https://x:99999/"], "starts with http", "--public-url https://"),
        (["--webhooks", URL, "--listen", "8767"], "expects HOST:PORT", "--listen 127.0.0.1:8767"),
        (["--webhooks", URL, "--db", ":memory:"], "an archive on disk", "--db"),
        (["--webhooks", URL], "the id and the secret", "OURA_CLIENT_SECRET"),
        ([URL], "need --webhooks", "--webhooks"),
        (["--take-over"], "need --webhooks", "--webhooks"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_sent(
    ringlet: Program, cloud: dict[str, Any], options: list[str], error: str, cure: str
) -> None:
    known = (
        {} if "the id and the secret" in error else {"OURA_CLIENT_ID": "one", "OURA_CLIENT_SECRET": "its own"}
    )
    done = ringlet.at(cloud)("sync", *options, **known)
    assert done.returncode == 2
    assert error in done.stderr
    assert cure in done.stderr.splitlines()[-1]
    assert "pw@" not in done.stderr


def test_a_port_that_is_taken_is_said(ringlet: Program, cloud: dict[str, Any]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        done = ringlet.at(cloud)(
            *("sync", "--webhooks", URL, "--listen", where),
            OURA_CLIENT_ID=cloud["client_id"],
            OURA_CLIENT_SECRET=cloud["client_secret"],
        )
    assert done.returncode == 1
    assert "is taken" in done.stderr
    assert "--listen HOST:PORT" in done.stderr.splitlines()[-1]


def test_a_wrong_secret_ends_it(ringlet: Program, cloud: dict[str, Any]) -> None:
    done = ringlet.at(cloud)(
        *("sync", "--webhooks", URL, "--listen", "127.0.0.1:0"),
        OURA_CLIENT_ID=cloud["client_id"],
        OURA_CLIENT_SECRET="wrong",
    )
    assert done.returncode == 4
    assert "OURA_CLIENT_SECRET" in done.stderr.splitlines()[-1]
