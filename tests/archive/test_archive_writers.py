"""Two programs that write one user's data concurrently leave what they would leave one after the other."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack

import pytest

from ringlet._api.catalog import Catalog
from ringlet._api.windows import Span
from ringlet.archive import Archive

WRITER = """
import json, sys
from datetime import UTC, datetime, timedelta
from ringlet.archive import Archive, Counts
from ringlet._api.catalog import Catalog

place, rounds, writer = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
start = datetime(2026, 1, 1, tzinfo=UTC)

def day(at, turn):
    return {"id": f"day {at}", "day": str((start + timedelta(at)).date()), "turn": turn, "writer": writer}

def beat(at):
    return {"timestamp": (start + timedelta(seconds=at)).isoformat(), "bpm": 60 + at % 9}

with Archive.open(place, timeout=60) as archive:
    print("ready", flush=True)
    sys.stdin.readline()
    me = archive.user("me")
    added = Counts()
    for turn in range(rounds):
        days = [day(at, turn) for at in range(turn, turn + 4)]
        added += archive.put(me, Catalog.daily_sleep, json.dumps(days).encode(), seen_at=2 * turn + writer)
        rings = [{"id": f"ring {turn}"}, {"id": f"ring {turn} of {writer}"}]
        added += archive.put(me, Catalog.ring_configuration, json.dumps(rings).encode())
        beats = [beat(at) for at in range(40 * turn, 40 * turn + 100)]
        with archive.transaction():
            counts = archive.put_samples(me, Catalog.heartrate, [json.dumps(beats).encode()])
            archive.finish(me, "heartrate", 40 * turn, 40 * turn + 100, counts, pages=1)
        added += counts
        archive.finish(me, "sleep", 40 * turn, 40 * turn + 100, Counts(), pages=1)
    print(added.added, flush=True)
"""
ROUNDS = 40


@pytest.mark.slow
def test_two_concurrent_writers_lose_nothing_and_store_nothing_twice(place: str) -> None:
    with ExitStack() as stack:
        archive = stack.enter_context(Archive.open(place))
        command = [sys.executable, "-c", WRITER, place, str(ROUNDS)]
        writers = [
            stack.enter_context(
                subprocess.Popen([*command, who], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for who in ("0", "1")
        ]
        for writer in writers:
            assert writer.stdout
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin
            writer.stdin.write("go\n")
            writer.stdin.flush()
        added = [int(writer.communicate(timeout=60)[0]) for writer in writers]
        (me, _), *others = archive.users()
        assert others == []

        days, beats = ROUNDS + 3, 40 * ROUNDS + 60
        assert sum(added) == days + 3 * ROUNDS + beats
        all_time = Span(0, 2**62)
        stored = archive.page(me, Catalog.daily_sleep, all_time)[0]
        assert stored.count(b'"writer": 1') == stored.count(b'"id"') == days  # the latest response wins
        assert archive.page(me, Catalog.heartrate, all_time)[0].count(b'"bpm"') == beats
        assert archive.done(me, "heartrate") == archive.done(me, "sleep") == [(0, beats)]
        places = archive.database.all("SELECT instant FROM documents WHERE type = 'ring_configuration'")
        assert sorted(places) == [(at,) for at in range(3 * ROUNDS)]
