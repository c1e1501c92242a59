"""Compares the cloud's data routes with a raw ASGI application that returns the same bytes.

    cold   the cloud answers every request from SQLite, after all checks (token, scope, rate limit, window)
    hot    the cloud answers from its cache of finished answers, after the same checks

The ratio is the CPU time per request of the raw application, divided by that of the cloud: 1.00 would be the
limit. Requests per second are shown, too, but sometimes the load generator on the other core is what is slow.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
import urllib.request
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

from ringlet._api.catalog import TYPES
from ringlet._api.windows import Span, day_ms
from ringlet.archive import Archive

from .load import burst
from .report import line, server
from .servers import create_demo_archive

ROOT = "/v2/usercollection"
PAGES = {
    "30 sleep documents": f"{ROOT}/sleep?start_date={{start}}&end_date={{end}}",
    "30 daily_sleep documents": f"{ROOT}/daily_sleep?start_date={{start}}&end_date={{end}}",
    "1,000 heart-rate rows": f"{ROOT}/heartrate?start_datetime=2026-02-01T00:00:00Z&end_datetime=2026-02-20",
}
GOALS = {
    "30 sleep documents": ("at least 0.40, aim 0.60", "aim 0.90"),
    "30 daily_sleep documents": ("", ""),
    "1,000 heart-rate rows": ("at least 0.10, aim 0.25", "at least 0.70"),
}


def main(rounds: int = 5, seconds: float = 1.5) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "bench.db")
        create_demo_archive(path, 90)
        prepared = Path(folder) / "prepared.json"
        with Archive.open(path) as archive:
            pages = {name: _thirty(archive, target) for name, target in PAGES.items()}
        with (
            server({"serve": "cloud", "path": path, "keep": 0}) as cold,
            server({"serve": "cloud", "path": path}) as hot,
        ):
            prepared.write_text(json.dumps(_answers(hot, pages.values())))
            with server({"serve": "raw", "prepared": str(prepared)}) as raw:
                if hasattr(os, "sched_setaffinity"):
                    os.sched_setaffinity(0, {1 % (os.cpu_count() or 1)})
                for name, target in pages.items():
                    _compare(name, target, cold, hot, raw, rounds, seconds)


def _thirty(archive: Archive, target: str) -> str:
    """Choose the dates of a request so that its answer has exactly thirty documents."""
    kind = TYPES[target.rpartition("/")[2].partition("?")[0]]
    user = archive.users()[0].id
    for back in range(20, 60):
        for first in range(60):
            start = date(2025, 12, 10) + timedelta(days=first)
            span = Span(day_ms(start), day_ms(start + timedelta(days=back)))
            if len(archive.texts(user, kind, span)[0]) == 30:
                return target.format(start=start, end=start + timedelta(days=back))
    return target


def _answers(hot: dict[str, object], targets: Iterable[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for target in targets:
        request = urllib.request.Request(f"http://127.0.0.1:{hot['port']}{target}")
        request.add_header("authorization", f"Bearer {hot['token']}")
        with urllib.request.urlopen(request) as answer:
            headers = [
                (k.lower(), v) for k, v in answer.getheaders() if k.lower() not in ("date", "connection")
            ]
            found[target.partition("?")[0]] = (base64.b64encode(answer.read()).decode(), headers)
    return found


def _compare(name, target, cold, hot, raw, rounds, seconds) -> None:  # type: ignore[no-untyped-def]  # a script
    ratios: dict[str, list[float]] = {"cold": [], "hot": [], "cold rps": [], "hot rps": []}
    micros = []
    for _ in range(rounds):
        bursts = {
            label: burst(at["port"], target, at["token"], at["pid"], seconds=seconds, connections=32)
            for label, at in (("cold", cold), ("raw", raw), ("hot", hot))
        }
        limit = bursts["raw"]
        micros.append(limit.cpu / limit.answers * 1e6)
        for label in ("cold", "hot"):
            ours = bursts[label]
            ratios[label].append((limit.cpu / limit.answers) / (ours.cpu / ours.answers))
            ratios[f"{label} rps"].append(ours.answers / ours.seconds / (limit.answers / limit.seconds))
    print(f"{name}  (raw ASGI: {sorted(micros)[len(micros) // 2]:.0f} us CPU per request)")
    for label, goal in zip(("cold", "hot"), GOALS[name], strict=True):
        line(f"{label}: raw CPU per request / ours", ratios[label], goal)
        line(f"{label}: our requests per second / raw", ratios[f"{label} rps"], "")


if __name__ == "__main__":
    main()
