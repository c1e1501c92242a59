"""Whoever is made to wait is told why, and for how long.

Rules of this file:
* Nothing waits here: a flow says how long it waits, and a transport sees who asks for it.
"""

from __future__ import annotations

from collections.abc import Callable

from ..._api.wire import Flow, R, Request, Response, map_requests, seconds_until_retry
from ..._client.transport import AsyncTransport
from ...errors import ConnectionFailed

Tell = Callable[[str, float], None]
"""Told why, and for how many seconds."""

LIMIT = "rate limit reached"
SILENCE = "no answer"
BACK_OFF = 1.0
"""Seconds after which is asked again at first, where the other side does not say when."""


class Overheard:
    """A transport that tells when the other side asks to wait, or says nothing."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self.on_wait: Tell = lambda why, seconds: None

    async def send(self, request: Request) -> Response:
        try:
            response = await self._transport.send(request)
        except ConnectionFailed:
            self.on_wait(SILENCE, BACK_OFF)
            raise
        if response.status == 429:
            wait = seconds_until_retry(response)
            self.on_wait(LIMIT, BACK_OFF if wait is None else wait)
        return response

    async def close(self) -> None:
        await self._transport.close()


def told(flow: Flow[R], tell: Tell) -> Flow[R]:
    """The same flow; each wait before a request is told. For use around `with_retries`, which waits."""
    why = ""

    def step(request: Request) -> Flow[Response]:
        nonlocal why
        if request.after:
            tell(why, request.after)
        try:
            response = yield request
        except ConnectionFailed:
            why = SILENCE
            raise
        why = LIMIT if response.status == 429 else f"the server failed ({response.status})"
        return response

    return map_requests(flow, step)
