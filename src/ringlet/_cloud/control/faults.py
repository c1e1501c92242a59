"""Injects faults (errors and delays) into answers on purpose: tests check how a client handles them.

    drop      the request is carried out and committed, but the connection is closed before the whole answer
              has been sent: a refresh token is spent, for example, and the client gets no new one
    status    the request is answered with an error status and not carried out
    delay     the request is carried out and answered some seconds later

Rules of this file:
* A seeded random generator decides which requests get a fault, so that the same requests get the same faults.
* uvicorn logs an error for each answer whose body is missing. For dropped answers this log line is
  suppressed.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Annotated, Literal

import msgspec
from starlette.types import Message, Send


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One fault: the paths it affects, its kind, its probability, and how many more requests it affects."""

    path: Annotated[str, msgspec.Meta(pattern="^/")]
    """One path, or with a `*` at the end all paths with this prefix."""
    act: Literal["drop", "status", "delay"]
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 503
    seconds: Annotated[float, msgspec.Meta(ge=0, le=600)] = 1.0
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """How many more requests the fault affects before it is removed; None for any number."""
    id: int = 0
    """The fault's number, which `Faults.add` sets."""

    def covers(self, path: str) -> bool:
        """Whether the fault affects requests to this path."""
        return path.startswith(self.path[:-1]) if self.path.endswith("*") else path == self.path


class Faults:
    """The faults that are being injected into the answers of one cloud."""

    def __init__(self, seed: int) -> None:
        self.rules: list[Fault] = []
        self._last_id = 0
        self._unfinished = _Unfinished()
        self._random = random.Random(seed)  # noqa: S311  # not for secrets

    def add(self, fault: Fault) -> Fault:
        """Inject a fault from now on, and return it with the number that it was given."""
        self._last_id += 1
        fault = msgspec.structs.replace(fault, id=self._last_id)
        self.rules.append(fault)
        return fault

    def end(self, id: int) -> None:
        """Remove a fault by its number. Does nothing if it was removed already."""
        self.rules = [rule for rule in self.rules if rule.id != id]

    def select(self, path: str) -> Fault | None:
        """Choose the fault for a request to this path, or None. Reduces the `times` of the fault by one."""
        for rule in self.rules:
            if rule.covers(path) and self._random.random() < rule.probability:
                if rule.times is not None:
                    rule.times -= 1
                    if not rule.times:
                        self.rules.remove(rule)
                return rule
        return None

    async def apply(self, fault: Fault, send: Send) -> Send | None:
        """Apply a fault to a request. Returns the `send` for the answer; None if an error answer was sent."""
        if fault.act == "drop":
            return self.dropping(send)
        if fault.act == "delay":
            await asyncio.sleep(fault.seconds)
            return send
        body = b'{"detail":"This goes wrong on purpose."}'
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": fault.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return None

    def dropping(self, send: Send) -> Send:
        """Wrap `send` so that a body is announced and not sent: then the server closes the connection."""
        logging.getLogger("uvicorn.error").addFilter(self._unfinished)

        async def lost(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._unfinished.expected += 1
                await send(
                    {
                        "type": "http.response.start",
                        "status": message["status"],
                        "headers": [(b"content-length", b"1"), (b"connection", b"close")],
                    }
                )

        return lost


class _Unfinished(logging.Filter):
    """Suppresses uvicorn's log lines about answers that were dropped on purpose."""

    WORDS = "ASGI callable returned without completing response."

    def __init__(self) -> None:
        super().__init__()
        self.expected = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if self.expected and record.getMessage() == self.WORDS:
            self.expected -= 1
            return False
        return True
