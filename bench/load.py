"""A load generator that needs little CPU: a bare asyncio protocol that counts bytes.

All answers to one URL have the same length. So the number of answers is the number of received bytes divided
by the length of the first answer.
"""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop


class _Caller(asyncio.Protocol):
    def __init__(self, request: bytes, size: int, until: float) -> None:
        self.request = request
        self.size = size
        self.until = until
        self.got = 0
        self.answers = 0
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP only
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.got += len(data)
        if self.got >= self.size:
            assert self.got == self.size, "answers of one URL differ in length"
            self.got = 0
            self.answers += 1
            if time.monotonic() < self.until:
                self.transport.write(self.request)
            else:
                self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.gone.done():
            self.gone.set_result(None)


@dataclass(frozen=True)
class Burst:
    """The result of one burst of load."""

    answers: int
    seconds: float
    cpu: float
    """How many seconds of CPU time the server spent."""


def cpu_of(pid: int) -> float:
    """How many seconds of CPU time (user and system) a process has spent so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def burst(port: int, target: str, token: str, pid: int, *, seconds: float, connections: int) -> Burst:
    """Request one URL again and again for some seconds, over several connections."""
    request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    size = len(_once(port, request))

    async def drive() -> int:
        loop = asyncio.get_running_loop()
        until = time.monotonic() + seconds
        callers = [
            (await loop.create_connection(lambda: _Caller(request, size, until), "127.0.0.1", port))[1]
            for _ in range(connections)
        ]
        await asyncio.gather(*(caller.gone for caller in callers))
        return sum(caller.answers for caller in callers)

    before, began = cpu_of(pid), time.monotonic()
    answers = uvloop.run(drive())
    return Burst(answers, time.monotonic() - began, cpu_of(pid) - before)


def _once(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += line.recv(1 << 20)
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            int(field.split(b":")[1])
            for field in head.lower().split(b"\r\n")
            if field.startswith(b"content-length")
        )
        while len(body) < length:
            body += line.recv(1 << 20)
    assert head.startswith(b"HTTP/1.1 200"), head
    return head + b"\r\n\r\n" + body
