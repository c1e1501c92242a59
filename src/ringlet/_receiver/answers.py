"""The HTTP responses that a receiver sends, as constants and as functions that build them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from .._webhooks.events import MAX_EVENT_BYTES

BODY_TIMEOUT_S = 10.0
"""How many seconds a request body may take to arrive. Oura waits for a response for ten seconds, too."""


class Reply(NamedTuple):
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes


def reply(status: int, body: bytes, **headers: str) -> Reply:
    framing = {"content-type": "application/json", "content-length": str(len(body))}
    return Reply(status, framing | headers, body)


def problem(status: int, detail: str, **headers: str) -> Reply:
    return reply(status, msgspec.json.encode({"detail": detail}), **headers)


# The acknowledgement has no body, so that it is sent in one packet.
ACKNOWLEDGED = reply(200, b"", **{"content-type": "text/plain"})
NOT_ALLOWED = problem(405, "use POST for an event, GET for a challenge", allow="GET, POST")
NO_LENGTH = problem(411, "a request body needs a content-length here")
TOO_LARGE = problem(413, f"an event has at most {MAX_EVENT_BYTES} bytes")
TOO_SLOW = problem(408, f"the event did not arrive within {BODY_TIMEOUT_S:.0f} seconds")
UNAVAILABLE = problem(503, "the event could not be stored; send it again", **{"retry-after": "30"})
