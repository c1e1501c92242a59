"""Names that take long to resolve do not delay other names."""

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
    """Replaces `socket.getaddrinfo`: names that begin with `slow` wait until `answer_slow` is set."""

    def __init__(self) -> None:
        self.lookups: Counter[str] = Counter()
        self.answer_slow = Event()
        self._lock = Lock()

    def getaddrinfo(self, host: str, *_: Any, **__: Any) -> list[Any]:
        with self._lock:
            self.lookups[host] += 1
        if host.startswith("slow"):
            self.answer_slow.wait(20)
        if host.startswith("none"):
            raise socket.gaierror(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.1.1", 0))]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo)
    yield server
    server.answer_slow.set()


async def time_out(resolve: Resolver, host: str) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await resolve(host)


def test_a_name_is_looked_up_while_many_others_hang(server: NameServer) -> None:
    """More look-ups hang than one sender can have under way, and each has timed out for its caller."""

    async def main() -> None:
        resolve = Resolver()
        await asyncio.gather(*(time_out(resolve, f"slow{number}.example") for number in range(700)))
        for number in range(10):
            assert await resolve(f"quick{number}.example") == ["192.0.1.1"]
        assert not server.answer_slow.is_set()
        server.answer_slow.set()
        assert await resolve("slow1.example") == ["192.0.1.1"]

    asyncio.run(main())


def test_the_number_of_concurrent_look_ups_is_bounded(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "MAX_LOOKUPS", 4)

    async def main() -> None:
        resolve = Resolver()
        await asyncio.gather(*(time_out(resolve, f"slow{number}.example") for number in range(4)))
        with pytest.raises(socket.gaierror, match="too many"):
            await resolve("quick.example")
        server.answer_slow.set()
        await asyncio.gather(*(resolve(f"slow{number}.example") for number in range(4)))
        assert await resolve("quick.example") == ["192.0.1.1"]
        assert set(server.lookups.values()) == {1}

    asyncio.run(main())


def test_cancelling_one_look_up_does_not_cancel_others_of_the_same_name(server: NameServer) -> None:
    async def main() -> None:
        resolve = Resolver()
        waiting = asyncio.create_task(resolve("slow.example"))
        await time_out(resolve, "slow.example")
        server.answer_slow.set()
        assert await waiting == ["192.0.1.1"]
        assert server.lookups["slow.example"] == 1

    asyncio.run(main())


def test_without_a_free_thread_a_look_up_fails_and_the_next_one_works(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        resolve = Resolver()
        with monkeypatch.context() as no_threads:
            no_threads.setattr(Thread, "start", refuse)
            with pytest.raises(OSError, match="new thread"):
                await resolve("quick.example")
        await asyncio.sleep(0)
        assert await resolve("quick.example") == ["192.0.1.1"]

    asyncio.run(main())


def test_concurrent_look_ups_of_a_name_share_one_thread(server: NameServer) -> None:
    async def main() -> None:
        resolve = Resolver()
        for _ in range(5):
            await time_out(resolve, "slow.example")
        assert server.lookups == {"slow.example": 1}
        assert await resolve("quick.example") == ["192.0.1.1"]
        with pytest.raises(socket.gaierror):
            await resolve("none.example")
        server.answer_slow.set()

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
