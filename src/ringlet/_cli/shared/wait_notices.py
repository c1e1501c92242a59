"""Notifies the user of waits before a retry: why the client waits, and for how long.

This module itself does not wait. The client waits before a retry as long as `with_retries` has set in
`Request.after`. The reason is that of the failure before.
"""

from __future__ import annotations

from collections.abc import Callable

from ..._api.wire import Flow, R, Request, Response, map_requests, seconds_until_retry
from ..._client.transport import AsyncTransport
from ...errors import ConnectionFailed

OnWait = Callable[[str, float], None]
"""A function that is called with the reason of a wait, and the length of the wait in seconds."""

RATE_LIMITED = "rate limit reached"
NO_ANSWER = "no answer"
FIRST_WAIT_S = 1.0
"""The length of the first wait, if the response has no Retry-After header."""


class NotifyingTransport:
    """A transport that calls `on_wait` when the server responds 429 or the connection fails."""

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
    """Wrap a flow that `with_retries` made, so that `on_wait` is called before each wait."""
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
