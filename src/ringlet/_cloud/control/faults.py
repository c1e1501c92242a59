"""Injects faults into answers, so that tests can see how a client copes with them.

    drop      the answer is lost after the work: the request is carried out and committed, and then the
              connection is closed before a usable answer has come. So a refresh token is spent, and its
              successor never arrives.
    status    the request is answered with a status, and nothing is done
    delay     the request is answered as always, some seconds later

Rules of this file:
* A seeded random stream decides which requests meet a fault: the same requests meet the same faults.
* uvicorn's error message about an answer that was dropped on purpose is not logged.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Annotated, Literal

import msgspec
from starlette.types import Message, Send


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One fault: on which paths it acts, how, with which probability, and how many times more."""

    path: Annotated[str, msgspec.Meta(pattern="^/")]
    """One path, or with `*` at its end all that begin so."""
    act: Literal["drop", "status", "delay"]
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 503
    seconds: Annotated[float, msgspec.Meta(ge=0, le=600)] = 1.0
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """On how many requests it acts before it is used up; None: on all."""
    id: int = 0
    """Its number in a cloud, which gives it."""

    def covers(self, path: str) -> bool:
        """Whether a path is one of its own."""
        return path.startswith(self.path[:-1]) if self.path.endswith("*") else path == self.path


class Faults:
    """The faults that are injected now."""

    def __init__(self, seed: int) -> None:
        self.rules: list[Fault] = []
        self._given = 0
        self._unfinished = _Unfinished()
        self._random = random.Random(seed)  # noqa: S311  # not for secrets

    def add(self, fault: Fault) -> Fault:
        """Inject a fault from now on; returns it with its number."""
        self._given += 1
        fault = msgspec.structs.replace(fault, id=self._given)
        self.rules.append(fault)
        return fault

    def end(self, id: int) -> None:
        """Remove a fault; it may be used up already."""
        self.rules = [rule for rule in self.rules if rule.id != id]

    def select(self, path: str) -> Fault | None:
        """The fault that acts on a request to this path, if any; counts it as used once."""
        for rule in self.rules:
            if rule.covers(path) and self._random.random() < rule.probability:
                if rule.times is not None:
                    rule.times -= 1
                    if not rule.times:
                        self.rules.remove(rule)
                return rule
        return None

    async def apply(self, fault: Fault, send: Send) -> Send | None:
        """Apply a fault: the `send` to answer with, or None if the fault has answered already."""
        if fault.act == "drop":
            return self.losing(send)
        if fault.act == "delay":
            await asyncio.sleep(fault.seconds)
            return send
        body = b'{"detail":"This goes wrong on purpose."}'
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": fault.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return None

    def losing(self, send: Send) -> Send:
        """A `send` that promises a body and sends none: the server can only close the connection then."""
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
    """Keeps the complaints about answers that were lost on purpose out of the log."""

    WORDS = "ASGI callable returned without completing response."

    def __init__(self) -> None:
        super().__init__()
        self.expected = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if self.expected and record.getMessage() == self.WORDS:
            self.expected -= 1
            return False
        return True
