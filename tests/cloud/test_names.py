"""Names that are slow to resolve keep few others waiting, and those not for long."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator
from threading import Event, Lock
from typing import Any

import pytest

from ringlet.cloud import names
from ringlet.cloud.names import Names

THREADS = 4


class NameServer:
    """What the system would ask: it is silent about names that begin with `slow`, until it is let go."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.go = Event()
        self._lock = Lock()

    def getaddrinfo(self, host: str, *_: Any, **__: Any) -> list[Any]:
        with self._lock:
            self.asked[host] += 1
        if host.startswith("slow"):
            self.go.wait(20)
        if host.startswith("none"):
            raise socket.gaierror(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.1.1", 0))]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    one = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", one.getaddrinfo)
    monkeypatch.setattr(names, "THREADS", THREADS)
    yield one
    one.go.set()


async def give_up(ask: Names, host: str) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await ask(host)


def test_a_name_that_nobody_waits_for_any_more_is_not_looked_up(server: NameServer) -> None:
    async def main() -> None:
        ask = Names()
        await asyncio.gather(*(give_up(ask, f"slow{number}.example") for number in range(50)))
        assert len(server.asked) == THREADS
        quick = asyncio.create_task(ask("quick.example"))
        await asyncio.sleep(0)
        server.go.set()
        assert await quick == ["192.0.1.1"]
        assert set(server.asked) == {*(f"slow{number}.example" for number in range(THREADS)), "quick.example"}
        assert await ask("slow49.example") == ["192.0.1.1"], "it can be asked for again"

    asyncio.run(main())


def test_who_gives_up_does_not_take_a_name_from_others_who_wait_for_it(server: NameServer) -> None:
    async def main() -> None:
        ask = Names()
        held = [asyncio.create_task(ask(f"slow{number}.example")) for number in range(THREADS)]
        await asyncio.sleep(0)
        patient = asyncio.create_task(ask("queued.example"))
        await asyncio.sleep(0)
        await give_up(ask, "queued.example")
        server.go.set()
        assert await patient == ["192.0.1.1"]
        await asyncio.gather(*held)
        assert server.asked["queued.example"] == 1

    asyncio.run(main())


def test_a_slow_name_holds_one_thread_however_many_ask_for_it(server: NameServer) -> None:
    async def main() -> None:
        ask = Names()
        for _ in range(THREADS + 1):
            await give_up(ask, "slow.example")
        assert server.asked == {"slow.example": 1}
        assert await ask("quick.example") == ["192.0.1.1"]
        with pytest.raises(socket.gaierror):
            await ask("none.example")
        server.go.set()

    asyncio.run(main())
