"""Compares a backfill of five years of all data types with the loop that most people write.

    naive   fetches page after page with oura-ring, parses with pandas.json_normalize, stores nothing
    ours    runs `Backfill` into a SQLite archive on disk, with one commit for each window

Both send their requests to the same cloud, which returns pages of 30 documents or 1,000 rows and adds a
simulated network latency to every answer. The latency floor is the least possible time: the number of our
requests times the latency, divided by the number of connections.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import oura_ring.client as peer
import pandas
import uvloop

from ringlet import TYPES, Archive, AsyncClient
from ringlet._client.transport import AiohttpTransport, AsyncHttpcoreTransport
from ringlet._sync.backfill import Backfill, BackfillReport

from .report import line, server
from .servers import NOW, create_demo_archive

YEARS = 5
DAYS = 365 * YEARS + 1
FIRST = NOW.date() - timedelta(days=DAYS - 1)

BY_DAY = [name for name, kind in TYPES.items() if kind.has_days]
SERIES = [name for name, kind in TYPES.items() if kind.is_series]


def naive(api: str, token: str) -> tuple[float, int]:
    """Fetch everything with oura-ring and parse it with json_normalize. Returns seconds and rows."""
    peer.API_URL = api
    began, rows = time.perf_counter(), 0
    start, end = FIRST.isoformat(), (NOW.date() + timedelta(days=1)).isoformat()
    instants = {"start_datetime": f"{FIRST}T00:00:00Z", "end_datetime": NOW.isoformat()}
    with peer.OuraClient(token) as client:
        lists: list[Any] = [
            client._make_paginated_request(  # the peer has no public method for interbeat intervals
                "GET", f"v2/usercollection/{name}", params=dict(instants)
            )
            for name in SERIES
        ]
        for name in BY_DAY:
            lists.append(  # noqa: PERF401  # this is the loop that people write
                client._make_paginated_request(  # each of the peer's get_ methods calls this method
                    "GET",
                    f"v2/usercollection/{name}",
                    params={"start_date": start, "end_date": end},
                )
            )
        lists.append(client.get_ring_configuration())
        lists.append([client.get_personal_info()])
        frames = [pandas.json_normalize(one) for one in lists]
        rows = sum(len(frame) for frame in frames)
    return time.perf_counter() - began, rows


def ours(api: str, token: str, folder: str, *, connections: int, fast: bool) -> tuple[float, BackfillReport]:
    """Fetch everything into a new archive in `folder`. Returns the seconds and the report."""

    async def run() -> BackfillReport:
        make = AiohttpTransport if fast else AsyncHttpcoreTransport
        transport = make(api, connections=connections)
        async with AsyncClient(token, base_url=api, transport=transport) as client:
            with Archive.open(path, durable=False) as archive:
                return await Backfill(client, archive, since=FIRST, connections=connections, now=NOW).run()

    path = Path(folder) / f"archive-{time.monotonic_ns()}.db"
    gc.collect()
    began = time.perf_counter()
    report = uvloop.run(run())
    spent = time.perf_counter() - began
    assert report.exit_code == 0, report
    return spent, report


def counts(report: BackfillReport) -> tuple[int, int]:
    """The number of rows stored and the number of requests sent."""
    types = report.types.values()
    return sum(one.added for one in types), sum(one.pages for one in types) + 1


def main(rounds: int = 3, slow_rounds: int = 1) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "cloud.db")
        began = time.perf_counter()
        create_demo_archive(path, DAYS)
        print(
            f"Backfill of {YEARS} years, all types (made in {time.perf_counter() - began:.0f} s)", flush=True
        )
        spec = {"serve": "cloud", "path": path, "document_page": 30, "keep": 0}
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {1 % (os.cpu_count() or 1)})
        for latency, times in ((0.0, rounds), (0.08, slow_rounds)):
            if not times:
                continue
            with server({**spec, "latency": latency}) as cloud:
                _compare(cloud, folder, latency, times)


def _compare(cloud: dict[str, Any], folder: str, latency: float, rounds: int) -> None:
    api, token = f"http://127.0.0.1:{cloud['port']}", cloud["token"]
    runs = [("httpcore2, 16 connections", 16, False), ("aiohttp, 16 connections", 16, True)]
    if latency:
        runs = [runs[0], ("httpcore2, 64 connections", 64, False), ("aiohttp, 64 connections", 64, True)]
    goals = {
        (0.0, 16, False): "at least 2",
        (0.0, 16, True): "at least 3, aim 7",
        (0.08, 16, False): "at least 12",
        (0.08, 64, False): "at least 40",
        (0.08, 64, True): "at least 40",
    }
    ratios: dict[str, list[float]] = {name: [] for name, _, _ in runs}
    floors: dict[str, list[float]] = {name: [] for name, _, _ in runs}
    for _ in range(rounds):
        spent = {name: ours(api, token, folder, connections=c, fast=fast) for name, c, fast in runs}
        naive_seconds, naive_rows = naive(api, token)
        for name, connections, _fast in runs:
            seconds, report = spent[name]
            rows, requests = counts(report)
            # The naive loop does not get the first night, because that began on the evening before.
            assert naive_rows <= rows <= naive_rows + 5, (rows, naive_rows)
            ratios[name].append(naive_seconds / seconds)
            if latency:
                floors[name].append(seconds / (requests * latency / connections))
            print(
                f"    {name}: {seconds:.2f} s, {requests} requests, {rows} rows; naive {naive_seconds:.2f} s"
            )
    print(f"  at {latency * 1000:.0f} ms latency")
    for name, connections, fast in runs:
        line(f"{name}: naive time / ours", ratios[name], goals[latency, connections, fast])
        if latency:
            line(f"{name}: our time / latency floor", floors[name], "at most 1.30")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
