"""Measures the delivery of events by the cloud's sender, in two ways.

* How much slower does a working receiver get its events, if there is an unresponsive receiver beside it?
* How many events a second does the sender deliver, compared with a bare HTTP client without an archive?

The sender runs in this process, over an archive on disk. The receivers run in a process of their own. The
situations that are compared take turns, so that other load of the machine affects all of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpcore2

from ringlet._cloud.core.clock import Clock
from ringlet._cloud.core.rate_limit import RateLimit
from ringlet._cloud.oauth.grants import Grants
from ringlet._cloud.webhooks.deliveries import Deliveries
from ringlet._cloud.webhooks.event_log import EventLog
from ringlet._cloud.webhooks.publisher import Publisher
from ringlet._cloud.webhooks.sender import Policy, Sender
from ringlet._cloud.webhooks.subscriptions import Subscriptions
from ringlet._net.addresses import AddressPolicy
from ringlet._net.dial import Dialer
from ringlet._oauth.scopes import SCOPES
from ringlet.archive import Archive
from ringlet.webhooks import signed_headers

from .report import line

RATE = 100
"""How many events a second are published while latency is measured."""
SECONDS = 1.0
"""How many seconds a situation is measured before the next one has its turn."""
SEGMENTS = 6
"""How many turns each situation has in a round."""
EVENTS = 4000
"""How many events are delivered while speed is measured."""
MAX_REQUESTS_PER_RECEIVER = Policy().max_requests_per_receiver
UNRESPONSIVE = ("refusing", "hanging", "failing")
"""The unresponsive receivers: they refuse connections, never answer, or answer 500."""


class Bench:
    """A sender with an archive of its own."""

    def __init__(self, archive: Archive) -> None:
        clock = Clock()
        self.archive = archive
        self.subscriptions = Subscriptions(archive, clock)
        self.grants = Grants(archive, clock, RateLimit())
        self.deliveries = Deliveries(archive, clock, self.subscriptions)
        self.publisher = Publisher(archive, clock, EventLog(archive, clock), self.deliveries)
        self.dialer = Dialer(AddressPolicy("dev"))
        self.sender = Sender(
            self.deliveries, self.publisher, self.grants.apps, self.dialer, Policy(stop_grace_s=0)
        )
        self.user = archive.user("wearer")

    def subscribe(self, url: str) -> None:
        client_id, _ = self.grants.apps.register("Bench", [])
        self.grants.issue(client_id, self.user, SCOPES)
        self.subscriptions.create(client_id, url, "update", "sleep")

    def publish(self, name: str) -> None:
        self.publisher.publish(self.user, "update", "sleep", name)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.sender.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await self.dialer.close()


@contextmanager
def new_bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as folder, Archive.open(Path(folder) / "cloud.db") as archive:
        archive.wait_at_most(0.25)
        yield Bench(archive)


@contextmanager
def receivers() -> Iterator[dict[str, int]]:
    """Start the receivers. Yields the port of each receiver, by its name."""
    program = [sys.executable, "-m", "bench.delivery", "receivers"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))  # without `listen`, the port refuses connections
            yield json.loads(process.stdout.readline()) | {"refusing": nobody.getsockname()[1]}
        process.kill()


async def read_arrivals(port: int) -> dict[str, float]:
    """Read from the working receiver when the event of each object arrived, and empty the receiver's list."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    writer.write(b"GET /list HTTP/1.1\r\n\r\n")
    arrivals: dict[str, float] = json.loads(await reader.readline())
    writer.close()
    return arrivals


async def latencies(bench: Bench, live: int, segment: int) -> list[float]:
    """Measure the seconds from the commit of each event to its arrival at the working receiver."""
    committed: dict[str, float] = {}
    async with bench.running():
        began = time.monotonic()
        for number in range(int(RATE * SECONDS)):
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
            name = f"{segment}-{number}"
            bench.publish(name)
            committed[name] = time.monotonic()
        await asyncio.sleep(0.1)
    arrived = await read_arrivals(live)
    return [arrived[name] - at for name, at in [*committed.items()][RATE // 10 :]]


def beside(ports: dict[str, int], rounds: int) -> dict[str, list[list[float]]]:
    """Measure the latencies of the working receiver, alone ("") and beside each unresponsive receiver.

    Returns for each situation a list of latencies in seconds for each round. The situations take turns every
    second, so that other load of the machine affects all of them.
    """
    taken: dict[str, list[list[float]]] = {dead: [[] for _ in range(rounds)] for dead in ("", *UNRESPONSIVE)}
    with ExitStack() as stack:
        benches = {dead: stack.enter_context(new_bench()) for dead in taken}
        for dead, bench in benches.items():
            bench.subscribe(f"http://127.0.0.1:{ports['live']}/")
            if dead:
                bench.subscribe(f"http://127.0.0.2:{ports[dead]}/")
            asyncio.run(latencies(bench, ports["live"], 0))
        for segment in range(1, rounds * SEGMENTS + 1):
            for dead in random.sample([*taken], len(taken)):
                found = asyncio.run(latencies(benches[dead], ports["live"], segment))
                taken[dead][(segment - 1) // SEGMENTS] += found
    return taken


async def ours(port: int) -> float:
    """Measure how many events a second the sender delivers, until their outcomes are in the archive."""
    with new_bench() as bench:
        bench.subscribe(f"http://127.0.0.1:{port}/")
        with bench.archive.transaction():
            for number in range(EVENTS):
                bench.publish(str(number))
        began = time.monotonic()
        async with bench.running():
            while bench.deliveries.next_due() is not None:  # noqa: ASYNC110 - nothing signals the last one
                await asyncio.sleep(0.01)
        took = time.monotonic() - began
        assert bench.deliveries.counts()["delivered"] == EVENTS
    await read_arrivals(port)
    return EVENTS / took


async def bare(port: int) -> float:
    """Measure how many signed requests a second the HTTP client sends alone, with the same concurrency."""
    body = b'{"event_type":"update","data_type":"sleep","object_id":"1","event_time":"x","user_id":"wearer"}'
    left = iter(range(EVENTS))

    async def work() -> None:
        async with httpcore2.AsyncConnectionPool(max_connections=1) as pool:
            for _ in left:
                signed = [*signed_headers("secret", body, now=time.time()).items()]
                url = f"http://127.0.0.1:{port}/"
                answer = await pool.request("POST", url, headers=signed, content=body)
                assert answer.status == 200

    began = time.monotonic()
    await asyncio.gather(*(work() for _ in range(MAX_REQUESTS_PER_RECEIVER)))
    took = time.monotonic() - began
    await read_arrivals(port)
    return EVENTS / took


def p99(values: list[float]) -> float:
    return quantiles(values, n=100)[-1]


def main(rounds: int = 5) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {0})
    with receivers() as ports:
        speeds = [(asyncio.run(ours(ports["live"])), asyncio.run(bare(ports["live"]))) for _ in range(rounds)]
        print(f"Delivery, {EVENTS} events to one receiver, {MAX_REQUESTS_PER_RECEIVER} at a time")
        rate = median(one for one, _ in speeds)
        line(f"events a second ({rate:.0f}), over the bare client", [a / b for a, b in speeds], "")
        print(f"Latency of a live receiver beside a dead one, over its latency alone; {RATE} events a second")
        taken = beside(ports, rounds)
        for name, figure, goal in (("median", median, "at most 1.05"), ("p99", p99, "")):
            alone = [figure(values) for values in taken[""]]
            for dead in UNRESPONSIVE:
                ratios = [figure(one) / was for one, was in zip(taken[dead], alone, strict=True)]
                line(f"{dead}: {name} (alone {median(alone) * 1e3:.2f} ms)", ratios, goal)


async def receive() -> None:
    """Run three receivers: one answers 200 at once, one never answers, one answers 500."""
    seen: dict[str, float] = {}

    async def live(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: bytes = b"200"
    ) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET /list"):
                    writer.write(json.dumps(seen).encode() + b"\n")
                    seen.clear()
                    continue
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                event: Any = json.loads(await reader.readexactly(length))
                if status == b"200":
                    seen[event["object_id"]] = time.monotonic()
                writer.write(b"HTTP/1.1 " + status + b" X\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def failing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await live(reader, writer, b"500")

    async def hanging(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    ports: dict[str, int] = {}
    for name, handle in (("live", live), ("failing", failing), ("hanging", hanging)):
        server = await asyncio.start_server(handle, "0.0.0.0", 0, backlog=256)
        ports[name] = server.sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    if sys.argv[1:] == ["receivers"]:
        asyncio.run(receive())
    else:
        main()
