"""Reads request bodies under ASGI and WSGI, with limits for their length and the time they take to arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._webhooks.events import MAX_EVENT_BYTES
from .answers import BODY_TIMEOUT_S, NO_LENGTH, TOO_LARGE, TOO_SLOW, Reply

if TYPE_CHECKING:
    from starlette.types import Receive


def read_wsgi_body(environ: Mapping[str, Any]) -> bytes | Reply:
    """Read the body of a WSGI request. Returns the response 411 if the length of the body is not known.

    Reading beyond the end of a body blocks (PEP 3333), unless the server declares `wsgi.input_terminated`.
    """
    length = environ.get("CONTENT_LENGTH", "")
    if length.isdecimal():
        return bytes(environ["wsgi.input"].read(min(int(length[:9]), MAX_EVENT_BYTES + 1)))
    if environ.get("wsgi.input_terminated"):  # Gunicorn, Werkzeug and others set this for chunked bodies
        return bytes(environ["wsgi.input"].read(MAX_EVENT_BYTES + 1))
    return NO_LENGTH


async def read_asgi_body(receive: Receive) -> bytes | Reply:
    """Read the body of a request. Returns the response 413 if it is too long, 408 if it is too slow."""
    body, more = b"", True
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while more:
                message = await receive()
                body += message.get("body", b"")
                # `http.disconnect` has no `more_body`, which ends the loop: the client has gone.
                more = message.get("more_body", False)
                if len(body) > MAX_EVENT_BYTES:
                    return _closing(TOO_LARGE)
    except TimeoutError:
        return _closing(TOO_SLOW)
    return body


def _closing(refused: Reply) -> Reply:
    """Let the server close the connection after the response, because the rest of the body is unread.

    WSGI servers close such connections by themselves.
    """
    return refused._replace(headers=refused.headers | {"connection": "close"})
