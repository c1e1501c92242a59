"""Reads the body of a request, no more of it than a request here can have."""

from __future__ import annotations

from typing import Final

from starlette.requests import ClientDisconnect, Request

from .answers import Refused

MAX_BODY_BYTES: Final = 64 * 1024
"""Forms, subscriptions and control requests are a few hundred bytes."""


async def read_body(request: Request) -> bytes:
    """The whole body. Raises Refused 413 when it is too long, 400 when the client hung up."""
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                raise Refused("Too large", f"A request body has at most {MAX_BODY_BYTES} bytes.", status=413)
    except ClientDisconnect:
        # Nobody reads this answer. Unanswered, each client that hangs up would log a traceback.
        raise Refused("Incomplete", "The request ended before its body did.") from None
    return bytes(body)
