"""Resolver that are slow to resolve keep few others waiting, and those not for long."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from threading import Event, Lock, Thread
from typing import Any

import pytest

from ringlet._net import resolver
from ringlet._net.resolver import Resolver


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
    yield one
    one.go.set()


async def give_up(ask: Resolver, host: str) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await ask(host)


def test_a_name_is_looked_up_however_many_others_hang(server: NameServer) -> None:
    """More of them than one sender can have under way, and all of them given up already."""

    async def main() -> None:
        ask = Resolver()
        await asyncio.gather(*(give_up(ask, f"slow{number}.example") for number in range(700)))
        for number in range(10):
            assert await ask(f"quick{number}.example") == ["192.0.1.1"]
        assert not server.go.is_set()
        server.go.set()
        assert await ask("slow1.example") == ["192.0.1.1"]

    asyncio.run(main())


def test_the_number_of_concurrent_look_ups_is_bounded(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "MAX_LOOKUPS", 4)

    async def main() -> None:
        ask = Resolver()
        await asyncio.gather(*(give_up(ask, f"slow{number}.example") for number in range(4)))
        with pytest.raises(socket.gaierror, match="too many"):
            await ask("quick.example")
        server.go.set()
        await asyncio.gather(*(ask(f"slow{number}.example") for number in range(4)))
        assert await ask("quick.example") == ["192.0.1.1"]
        assert set(server.asked.values()) == {1}

    asyncio.run(main())


def test_cancelling_one_look_up_does_not_cancel_others_of_the_same_name(server: NameServer) -> None:
    async def main() -> None:
        ask = Resolver()
        patient = asyncio.create_task(ask("slow.example"))
        await give_up(ask, "slow.example")
        server.go.set()
        assert await patient == ["192.0.1.1"]
        assert server.asked["slow.example"] == 1

    asyncio.run(main())


def test_without_a_free_thread_a_look_up_fails_and_the_next_one_works(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        ask = Resolver()
        with monkeypatch.context() as none_left:
            none_left.setattr(Thread, "start", full)
            with pytest.raises(OSError, match="new thread"):
                await ask("quick.example")
        await asyncio.sleep(0)
        assert await ask("quick.example") == ["192.0.1.1"]

    asyncio.run(main())


def test_concurrent_look_ups_of_a_name_share_one_thread(server: NameServer) -> None:
    async def main() -> None:
        ask = Resolver()
        for _ in range(5):
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
from ringlet._net.resolver import Resolver

async def main():
    async with asyncio.timeout(0.1):
        await Resolver()("slow.example")

asyncio.run(main())
"""


def test_a_look_up_that_hangs_does_not_prevent_the_process_from_exiting() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGING], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stderr.strip().endswith("TimeoutError")
