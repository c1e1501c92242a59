"""Names that are slow to resolve keep few others waiting, and those not for long."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from threading import Event, Lock
from typing import Any

import pytest

from ringlet.cloud import names
from ringlet.cloud.names import Names

THREADS = 4
HANG = 2.0
"""Seconds after which the system gives a name up: 30 times as long as a look-up that does not hang yet."""


class NameServer:
    """What the system would ask: it is silent about names that begin with `slow`, until it is let go.

    Names that begin with `mute` have a name server that never says a word: the system gives up after a while.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.go = Event()
        self._lock = Lock()

    def getaddrinfo(self, host: str, *_: Any, **__: Any) -> list[Any]:
        with self._lock:
            self.asked[host] += 1
        if host.startswith("slow"):
            self.go.wait(20)
        if host.startswith("mute"):
            self.go.wait(HANG)
        if host.startswith(("none", "mute")):
            raise socket.gaierror(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.1.1", 0))]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    one = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", one.getaddrinfo)
    monkeypatch.setattr(names, "THREADS", THREADS)
    monkeypatch.setattr(names, "PART", 1)
    monkeypatch.setattr(names, "SLOW", HANG / 30)
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


def test_a_name_is_looked_up_however_many_others_hang(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of ten applications, say, each with a name for each of its subscriptions, again and again."""
    monkeypatch.undo()
    monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo)
    monkeypatch.setattr(names, "SLOW", HANG / 30)
    took: list[float] = []

    async def insist(ask: Names, host: str) -> None:
        while True:
            with suppress(TimeoutError, OSError):
                async with asyncio.timeout(HANG / 3):  # as the sender, who waits for ten seconds
                    await ask(host)

    async def main() -> None:
        ask = Names()
        hanging = [asyncio.create_task(insist(ask, f"mute{number}.example")) for number in range(400)]
        for number in range(40):
            await asyncio.sleep(HANG / 20)
            began = asyncio.get_running_loop().time()
            assert await ask(f"quick{number}.example") == ["192.0.1.1"]
            took.append(asyncio.get_running_loop().time() - began)
        for one in hanging:
            one.cancel()
        await asyncio.wait(hanging)
        server.go.set()

    asyncio.run(main())
    took.sort()
    assert took[len(took) // 2] < HANG / 10
    assert took[-1] < HANG / 2, "half the time of a name that hangs"


def test_names_that_were_slow_go_behind_those_that_were_not(server: NameServer) -> None:
    async def main() -> None:
        ask = Names()
        slow = [f"slow{number}.example" for number in range(2 * THREADS)]
        await asyncio.gather(*(give_up(ask, host) for host in slow[:THREADS]))
        again = [asyncio.create_task(ask(host)) for host in reversed(slow)]
        await asyncio.sleep(0)
        new = asyncio.create_task(ask("quick.example"))
        await asyncio.sleep(0)
        more = asyncio.create_task(ask(slow[0]))
        server.go.set()
        assert await new == ["192.0.1.1"]
        await asyncio.gather(*again, more)
        order = list(server.asked)
        assert order.index("quick.example") == THREADS, "the first after those that hung"

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


HANGING = """
import asyncio, socket, time
socket.getaddrinfo = lambda *_, **__: time.sleep(600)
from ringlet.cloud.names import Names

async def main():
    async with asyncio.timeout(0.1):
        await Names()("slow.example")

asyncio.run(main())
"""


def test_a_name_that_hangs_does_not_keep_a_process_from_its_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGING], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stderr.strip().endswith("TimeoutError")
