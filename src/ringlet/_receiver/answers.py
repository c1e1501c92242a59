"""What a receiver answers, as data."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from .._webhooks.events import MOST

PATIENCE = 10.0
"""Seconds for a body to arrive: as long as Oura waits for an answer."""


class Reply(NamedTuple):
    """What to answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def reply(status: int, body: bytes, **headers: str) -> Reply:
    said = {"content-type": "application/json", "content-length": str(len(body))}
    return Reply(status, said | headers, body)


def problem(status: int, detail: str, **headers: str) -> Reply:
    return reply(status, msgspec.json.encode({"detail": detail}), **headers)


# Without a body: one packet less of each answer.
ACKNOWLEDGED = reply(200, b"", **{"content-type": "text/plain"})
NOT_ALLOWED = problem(405, "an event is posted; a challenge is a GET", allow="GET, POST")
NO_LENGTH = problem(411, "this server reads no body without a content-length")
TOO_LARGE = problem(413, f"an event of more than {MOST} bytes")
TOO_SLOW = problem(408, f"the event did not arrive within {PATIENCE:.0f} seconds")
UNAVAILABLE = problem(503, "it could not be kept; send it again", **{"retry-after": "30"})
