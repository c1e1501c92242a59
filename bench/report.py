"""Starts the servers of benchmarks, and prints results the same way in every benchmark."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any


def line(what: str, ratios: Sequence[float], goal: str, *, unit: str = "") -> None:
    """Print one result: the median of the ratios of all rounds, their range, and the goal."""
    spread = f"{min(ratios):.2f}..{max(ratios):.2f}" if len(ratios) > 1 else ""
    print(f"  {what:<58} {median(ratios):7.2f}{unit}  {spread:<14} {goal}", flush=True)


@contextlib.contextmanager
def server(spec: dict[str, Any], core: int | None = 0) -> Iterator[dict[str, Any]]:
    """Run a server of `bench.servers` in a process of its own, on the core `core`.

    `spec` says which server (see `bench.servers`). Yields the JSON that the server printed when it was ready.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.servers", json.dumps(spec)], stdout=subprocess.PIPE, text=True
    )
    try:
        if core is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, {core % (os.cpu_count() or 1)})
        assert process.stdout
        yield json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
