"""A load test: two webhook senders that are killed at random, and callbacks that misbehave, lose no event.

Every committed event is delivered. One is delivered twice only if a kill or a broken exchange left the sender
without its answer. Nothing is sent after a 410. Memory grows neither with the backlog nor with the size of
responses. RINGLET_LONG=1 sends a hundred thousand events instead of 1500.
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
from .sender_processes import DEADLINE_S, POLICY

LONG = "RINGLET_LONG" in os.environ
EVENTS, KILLS, KILL_INTERVAL_S = (100_000, 200, 0.7) if LONG else (1_500, 6, 0.4)
SENDER_PROCESSES = 2
"""Each has its own requests under way."""
DELIVERY_TIMEOUT_S = 1500 if LONG else 60
EVENTS_PER_TRANSACTION = 100
REQUESTS_BEFORE_GONE = EVENTS // 10
MAX_MEMORY_GROWTH_BYTES = 40 * 1024 * 1024
CALLBACKS = (("/steady", "sleep"), ("/random", "workout"))
"""The path of each callback that must get every event, and the data type that it subscribed to."""
DELIVERED = {"ok", "302", "huge"}
"""The behaviours that a sender counts as a delivery, of all in `BEHAVIOUR_WEIGHTS`."""
CLOSED_EARLY = {"reset", "close", "garbage"}
"""After these a request over a reused connection is sent once more, within the same attempt."""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the senders are forked")


@dataclass(frozen=True)
class LoggedRequest:
    """One request that a callback received."""

    at: float
    """Unix seconds."""
    target: str
    object_id: str
    behaviour: str
    """How the callback answered."""


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    on_file = request.param == "SQLite"
    return str(tmp_path / "cloud.db") if on_file else str(request.getfixturevalue("postgres"))


@pytest.fixture
def callbacks(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """The port and the log of a process that serves the callbacks."""
    log = tmp_path / "requests.log"
    program = [sys.executable, untrusted_server.__file__, str(log)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline()), log
        finally:
            process.kill()


def logged_requests(log: Path) -> list[LoggedRequest]:
    lines = (line.split(" ") for line in log.read_text().splitlines())
    return [LoggedRequest(float(at), target, object_id, name) for at, target, object_id, name in lines]


def publish_all(service: WebhookService) -> set[tuple[str, str]]:
    """Publish all events in batches; return the callback and the object id of each, once it is committed."""
    committed: set[tuple[str, str]] = set()
    while len(committed) < EVENTS:
        target, data_type = CALLBACKS[len(committed) // EVENTS_PER_TRANSACTION % 2]
        try:
            committed |= {(target, id) for id in service.publish(EVENTS_PER_TRANSACTION, data_type)}
        except ArchiveError:
            time.sleep(0.05)
    return committed


@pytest.mark.slow
def test_no_committed_event_is_lost_when_senders_are_killed(place: str, callbacks: tuple[int, Path]) -> None:
    port, log = callbacks
    with Archive.open(place, timeout=30) as archive:
        service = WebhookService(archive)
        # Each has its own address: senders slow down all requests to an address that fails.
        service.subscribe(f"http://127.0.0.1:{port}/random", "workout")
        service.subscribe(f"http://127.0.0.2:{port}/steady", "sleep")
        gone = service.subscribe(f"http://127.0.0.3:{port}/gone?after={REQUESTS_BEFORE_GONE}", "sleep")
        began = time.monotonic()
        program = [
            sys.executable,
            str(Path(__file__).with_name("sender_processes.py")),
            place,
            str(KILLS),
            str(KILL_INTERVAL_S),
        ]
        with subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            committed = publish_all(service)
            while service.deliveries.next_due() is not None:
                assert time.monotonic() - began < DELIVERY_TIMEOUT_S, service.deliveries.counts()
                time.sleep(0.2)
            output, errors = process.communicate("stop\n", timeout=DELIVERY_TIMEOUT_S)
        took = time.monotonic() - began

        requests = logged_requests(log)
        sent = Counter((one.target, one.object_id) for one in requests)
        delivered = Counter((one.target, one.object_id) for one in requests if one.behaviour in DELIVERED)
        assert committed <= delivered.keys(), "every event reached the callback that subscribed to it"

        # A request without a stored attempt was cut off by a kill. After a broken exchange no sender can know
        # whether the event arrived.
        stored, broken = attempts(archive, port)
        assert all(delivered[key] <= 1 + max(0, sent[key] - stored[key]) + broken[key] for key in delivered)
        cut_off = sum(max(0, sent[key] - stored[key]) for key in sent)
        resent = sum(one.behaviour in CLOSED_EARLY for one in requests)
        assert cut_off <= KILLS * POLICY.max_requests + resent

        [ended] = service.subscriptions.of(gone.client_id, ended=True)
        assert ended.ended_by == "gone"
        assert ended.ended_at
        late = [one.at - ended.ended_at / 1000 for one in requests if one.target.startswith("/gone")]
        late = [seconds for seconds in late if seconds > 0]
        assert len(late) <= SENDER_PROCESSES * POLICY.max_requests_per_receiver, (
            "only requests that were under way when the subscription ended"
        )
        assert max(late, default=0) < DEADLINE_S

        memory = json.loads(output)
        assert (process.returncode, errors, memory["ends"]) == (0, "", [0, 0])
        assert memory["most"] - memory["first"] < MAX_MEMORY_GROWTH_BYTES
        sys.stdout.write(
            f"\n{EVENTS} events, {len(requests)} requests in {took:.1f} s, {KILLS} kills,"
            f" {sum(one > 1 for one in delivered.values())} delivered more than once,"
            f" {cut_off} requests cut off by a kill or sent once more,"
            f" {(memory['most'] - memory['first']) / 1e6:.1f} MB more than at first\n"
        )


def attempts(archive: Archive, port: int) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """The number of stored attempts by callback and object id, and of those that got no response."""
    stored: Counter[tuple[str, str]] = Counter()
    broken: Counter[tuple[str, str]] = Counter()
    for url, body, status in archive.database.each(
        "SELECT a.callback_url, e.body, a.status FROM webhook_attempts a"
        " JOIN webhook_deliveries d ON d.id = a.delivery_id JOIN webhook_events e ON e.seq = d.event_seq"
    ):
        key = url.partition(str(port))[2], json.loads(body)["object_id"]
        stored[key] += 1
        broken[key] += status is None
    return stored, broken
