"""Who is made to wait is notifying why, and for how long."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from ringlet._api.wire import Flow, Request, Response, RetryPolicy, with_retries
from ringlet._cli.shared.wait_notices import NotifyingTransport, notifying
from ringlet.errors import ConnectionFailed

BUSY = Response(429, headers={"retry-after": "42"})
PATIENCE = RetryPolicy(jitter=lambda: 0.0)


def asking() -> Flow[Response]:
    return (yield Request(path="/v2"))


def test_each_wait_is_notifying_with_its_reason_before_it_begins() -> None:
    heard: list[tuple[str, float]] = []
    flow = notifying(with_retries(asking(), PATIENCE), lambda why, seconds: heard.append((why, seconds)))
    assert next(flow).after == 0
    assert heard == []
    assert flow.send(BUSY).after == 42
    assert flow.throw(ConnectionFailed("reset")).after == 2
    assert flow.send(Response(503)).after == 4
    assert heard == [("rate limit reached", 42.0), ("no answer", 2.0), ("the server failed (503)", 4.0)]
    with pytest.raises(StopIteration) as done:
        flow.send(Response(200))
    assert done.value.value.status == 200


def test_a_wait_that_is_too_long_is_not_notifying_because_nobody_waits() -> None:
    flow = notifying(with_retries(asking(), PATIENCE), lambda why, seconds: pytest.fail(why))
    next(flow)
    with pytest.raises(StopIteration):
        flow.send(Response(429, headers={"retry-after": "1000"}))


class Busy:
    """Answers 429, or does not answer."""

    def __init__(self, headers: dict[str, str] | None) -> None:
        self.headers = headers

    async def send(self, request: Request) -> Response:
        if self.headers is None:
            raise ConnectionFailed("refused")
        return Response(429, headers=self.headers)

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("headers", "notifying"),
    [
        ({"retry-after": "7"}, ("rate limit reached", 7.0)),
        (
            {"retry-after": "Sun, 01 Mar 2026 12:00:30 GMT", "date": "Sun, 01 Mar 2026 12:00:00 GMT"},
            ("rate limit reached", 30.0),
        ),
        ({}, ("rate limit reached", 1.0)),
        (None, ("no answer", 1.0)),
    ],
)
def test_a_transport_hears_who_asks_for_a_wait(
    headers: dict[str, str] | None, notifying: tuple[str, float]
) -> None:
    heard: list[tuple[str, float]] = []
    transport = NotifyingTransport(Busy(headers))
    transport.on_wait = lambda why, seconds: heard.append((why, seconds))
    with suppress(ConnectionFailed):
        asyncio.run(transport.send(Request(path="/v2")))
    assert heard == [notifying]
