"""Reads the body of a request, and refuses bodies that are too large."""

from __future__ import annotations

from typing import Final

from starlette.requests import ClientDisconnect, Request

from .answers import Refused

MAX_BODY_BYTES: Final = 64 * 1024
"""The largest accepted body. Forms, subscriptions and control requests have a few hundred bytes."""


async def read_body(request: Request) -> bytes:
    """Read the body of a request. Raises Refused 413 if it is too long, 400 if the client disconnects."""
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                raise Refused("Too large", f"A request body has at most {MAX_BODY_BYTES} bytes.", status=413)
    except ClientDisconnect:
        # Nobody will read this answer, but an unhandled ClientDisconnect would log a traceback.
        raise Refused("Incomplete", "The request ended before its body did.") from None
    return bytes(body)
