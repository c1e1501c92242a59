"""Notifies the user of waits: why, and for how long.

Nothing waits here. A flow says how long it waits before a request, and a transport sees why.
"""

from __future__ import annotations

from collections.abc import Callable

from ..._api.wire import Flow, R, Request, Response, map_requests, seconds_until_retry
from ..._client.transport import AsyncTransport
from ...errors import ConnectionFailed

OnWait = Callable[[str, float], None]
"""Called with the reason of a wait and its length in seconds."""

RATE_LIMITED = "rate limit reached"
NO_ANSWER = "no answer"
FIRST_WAIT_S = 1.0
"""How long the first wait is, where the server does not say."""


class NotifyingTransport:
    """A transport that calls `on_wait` when the server asks to wait, or does not answer."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self.on_wait: OnWait = lambda why, seconds: None

    async def send(self, request: Request) -> Response:
        try:
            response = await self._transport.send(request)
        except ConnectionFailed:
            self.on_wait(NO_ANSWER, FIRST_WAIT_S)
            raise
        if response.status == 429:
            wait = seconds_until_retry(response)
            self.on_wait(RATE_LIMITED, FIRST_WAIT_S if wait is None else wait)
        return response

    async def close(self) -> None:
        await self._transport.close()


def notifying(flow: Flow[R], on_wait: OnWait) -> Flow[R]:
    """The same flow, which calls `on_wait` before each wait. For use around `with_retries`, which waits."""
    why = ""

    def step(request: Request) -> Flow[Response]:
        nonlocal why
        if request.after:
            on_wait(why, request.after)
        try:
            response = yield request
        except ConnectionFailed:
            why = NO_ANSWER
            raise
        why = RATE_LIMITED if response.status == 429 else f"the server failed ({response.status})"
        return response

    return map_requests(flow, step)
