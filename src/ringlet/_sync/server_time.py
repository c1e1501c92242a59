"""Computes the server's time from the `Date` header of its responses (RFC 9110 section 6.6.1).

A sync fetches up to the present time of the server. This machine's clock may be wrong, and the clock of a
local cloud may be moved to another year. This machine's clock is used until a response has a `Date` header.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from .._api.wire import Flow, R, Request, Response, map_requests

SECOND = timedelta(seconds=1)
MAX_DIFFERENCE = timedelta(days=36_525)
"""The largest accepted difference between a `Date` header and this machine's clock.

A header that differs more is ignored, because arithmetic with such a date could overflow.
"""


class ServerTime:
    """The time of a server: this machine's clock, corrected by the latest `Date` header."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        """The server's time, as an aware datetime."""
        return datetime.now(UTC) + self._ahead

    def observe(self, flow: Flow[R]) -> Flow[R]:
        """Wrap a flow so that the `Date` header of each response corrects this clock."""

        def send(request: Request) -> Flow[Response]:
            response = yield request
            self._set(response)
            return response

        return map_requests(flow, send)

    def _set(self, response: Response) -> None:
        try:
            sent = parsedate_to_datetime(response.headers.get("date", ""))
        # `parsedate_to_datetime` raises these errors for malformed dates.
        except (ValueError, OverflowError, TypeError, IndexError):
            return
        if sent.tzinfo is None:
            sent = sent.replace(tzinfo=UTC)
        ahead = sent - datetime.now(UTC)
        if abs(ahead) < MAX_DIFFERENCE:
            # A Date header has whole seconds. The end of its second is used, so that a sync up to now
            # includes what was stored within that second.
            self._ahead = ahead + SECOND
