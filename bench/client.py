"""Compares the CPU time of `Client.list` for one page with that of bare msgspec on the same bytes.

The transport returns bytes that are in memory. So only the client's own work is measured: building the
request, authorizing it, the retry policy, decoding, and removing rows outside the window.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from ringlet import Client
from ringlet._api.catalog import TYPES
from ringlet._api.kinds import Page
from ringlet._api.wire import Request, Response
from ringlet._person.person import Person

from .report import line

LAST = date(2026, 3, 1)


class Canned:
    """A transport that answers every request with the same body."""

    def __init__(self, body: bytes) -> None:
        self.response = Response(200, body)

    def send(self, request: Request) -> Response:
        return self.response

    def close(self) -> None:
        pass


def page(name: str, count: int) -> bytes:
    """Build a full page of one data type, as the cloud would send it."""
    person = Person(7, "demo")
    kind = TYPES[name]
    if kind.is_series:
        texts = [row for _, row in person.samples(name, LAST - timedelta(days=9), LAST)][:count]
    else:
        texts = [item.body for item in person.documents(name, LAST - timedelta(days=40), LAST)][:count]
    assert len(texts) == count
    return b'{"data":[%s],"next_token":null}' % b",".join(texts)


def best(work: Callable[[], object], seconds: float = 0.15) -> float:
    """Call `work` for about `seconds` of CPU time. Returns the mean CPU seconds of one call."""
    count, began = 0, time.process_time()
    while True:
        work()
        count += 1
        spent = time.process_time() - began
        if spent > seconds:
            return spent / count


def main(rounds: int = 7) -> None:
    print("Page decode through Client.list, over bare msgspec into the same Struct (CPU)")
    for name, count in (("heartrate", 1000), ("sleep", 30), ("daily_activity", 30), ("daily_sleep", 30)):
        body, kind = page(name, count), TYPES[name]
        client = Client("token", transport=Canned(body))
        ask: Any = getattr(client, name)
        ends: tuple[Any, Any]
        if kind.is_series:
            ends = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
        else:
            ends = date(2026, 1, 1), date(2026, 4, 1)
        decoder = msgspec.json.Decoder(Page[kind.model])  # type: ignore[name-defined]  # built at run time
        assert len(ask.list(*ends)) == count
        ratios = []
        for _ in range(rounds):
            bare = best(lambda: decoder.decode(body))  # noqa: B023  # run at once
            ours = best(lambda: ask.list(*ends))  # noqa: B023  # run at once
            ratios.append(ours / bare)
        line(f"{count} {name}, {len(body) // 1000} kB (bare {bare * 1e6:.0f} us)", ratios, "at most 1.20")


if __name__ == "__main__":
    main()
