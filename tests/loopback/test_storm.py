"""Two senders killed at any moment, callbacks that do everything wrong: nothing is lost.

The laws: an event that was committed is delivered; it is delivered twice only where a kill or a broken
exchange kept the sender from knowing; nothing comes after a 410; and memory does not grow with the backlog,
nor with what callbacks answer. The defaults are small; RINGLET_LONG=1 sends a hundred thousand events.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ringlet.archive import Archive
from ringlet.errors import ArchiveError

from ..cloud import untrusted_server
from ..cloud.webhook_service import WebhookService
from .sender_processes import DEADLINE, POLICY

LONG = "RINGLET_LONG" in os.environ
EVENTS, KILLS, APART = (100_000, 200, 0.7) if LONG else (1_500, 6, 0.4)
SENDERS = 2
"""Processes; each has its own requests under way."""
PATIENCE = 1500 if LONG else 60
BATCH = 100
GONE_AFTER = EVENTS // 10
MEMORY = 40 * 1024 * 1024
WANTED = (("/steady", "sleep"), ("/moody", "workout"))
GOOD = {"ok", "302", "huge"}
"""What a sender takes for a delivery, of all that `MOODS` has."""
HUNG_UP = {"reset", "close", "garbage"}
"""After these a request over a connection that was kept is sent once more, and counts as one attempt."""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the senders are forked")


@dataclass(frozen=True)
class Asked:
    """One request that a callback got."""

    at: float
    target: str
    object_id: str
    act: str


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    on_file = request.param == "SQLite"
    return str(tmp_path / "cloud.db") if on_file else str(request.getfixturevalue("postgres"))


@pytest.fixture
def callbacks(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Moody callbacks in a process of their own: their port, and their log."""
    log = tmp_path / "asked.log"
    program = [sys.executable, untrusted_server.__file__, str(log)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline()), log
        finally:
            process.kill()


def asked(log: Path) -> list[Asked]:
    lines = (line.split(" ") for line in log.read_text().splitlines())
    return [Asked(float(at), target, object_id, act) for at, target, object_id, act in lines]


def write(service: WebhookService) -> set[tuple[str, str]]:
    """All events, in batches: which callback is to hear of which. What is returned was committed."""
    committed: set[tuple[str, str]] = set()
    while len(committed) < EVENTS:
        target, data_type = WANTED[len(committed) // BATCH % 2]
        try:
            committed |= {(target, id) for id in service.publish(BATCH, data_type)}
        except ArchiveError:
            time.sleep(0.05)
    return committed


@pytest.mark.slow
def test_no_committed_event_is_lost_when_senders_are_killed(place: str, callbacks: tuple[int, Path]) -> None:
    port, log = callbacks
    with Archive.open(place, timeout=30) as archive:
        service = WebhookService(archive)
        # An address each: what one of them does is not to be held against the others.
        service.subscribe(f"http://127.0.0.1:{port}/moody", "workout")
        service.subscribe(f"http://127.0.0.2:{port}/steady", "sleep")
        gone = service.subscribe(f"http://127.0.0.3:{port}/gone?after={GONE_AFTER}", "sleep")
        began = time.monotonic()
        program = [
            sys.executable,
            str(Path(__file__).with_name("sender_processes.py")),
            place,
            str(KILLS),
            str(APART),
        ]
        with subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            committed = write(service)
            while service.deliveries.next_due() is not None:
                assert time.monotonic() - began < PATIENCE, service.deliveries.counts()
                time.sleep(0.2)
            told, complaints = process.communicate("stop\n", timeout=PATIENCE)
        took = time.monotonic() - began

        requests = asked(log)
        count = Counter((one.target, one.object_id) for one in requests)
        good = Counter((one.target, one.object_id) for one in requests if one.act in GOOD)
        assert committed <= good.keys(), "every event reached the callback that wanted it"

        # What no attempt tells of, a kill has swallowed; and where an exchange broke, nobody could know.
        told_of, broken = attempts(archive, port)
        assert all(good[key] <= 1 + max(0, count[key] - told_of[key]) + broken[key] for key in good)
        swallowed = sum(max(0, count[key] - told_of[key]) for key in count)
        sent_again = sum(one.act in HUNG_UP for one in requests)
        assert swallowed <= KILLS * POLICY.max_requests + sent_again

        [ended] = service.subscriptions.of(gone.client_id, ended=True)
        assert ended.ended_by == "gone"
        assert ended.ended_at
        late = [one.at - ended.ended_at / 1000 for one in requests if one.target.startswith("/gone")]
        late = [seconds for seconds in late if seconds > 0]
        assert len(late) <= SENDERS * POLICY.max_requests_per_receiver, (
            "those that were under way when it ended"
        )
        assert max(late, default=0) < DEADLINE

        memory = json.loads(told)
        assert (process.returncode, complaints, memory["ends"]) == (0, "", [0, 0])
        assert memory["most"] - memory["first"] < MEMORY
        sys.stdout.write(
            f"\n{EVENTS} events, {len(requests)} requests in {took:.1f} s, {KILLS} kills,"
            f" {sum(one > 1 for one in good.values())} delivered more than once,"
            f" {swallowed} answers lost with a kill or sent for again,"
            f" {(memory['most'] - memory['first']) / 1e6:.1f} MB more than at first\n"
        )


def attempts(archive: Archive, port: int) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """How many attempts were written down, by callback and object; and how many of them had no answer."""
    told_of: Counter[tuple[str, str]] = Counter()
    broken: Counter[tuple[str, str]] = Counter()
    for url, body, status in archive.database.each(
        "SELECT a.callback_url, e.body, a.status FROM webhook_attempts a"
        " JOIN webhook_deliveries d ON d.id = a.delivery_id JOIN webhook_events e ON e.seq = d.event_seq"
    ):
        key = url.partition(str(port))[2], json.loads(body)["object_id"]
        told_of[key] += 1
        broken[key] += status is None
    return told_of, broken
