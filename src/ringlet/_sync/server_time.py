"""What time it is where the answers come from.

How far to read is a question about the server's time: this machine's clock may be wrong, and a cloud of one's
own may live in another year. Every answer says in its `Date` header (RFC 9110, 6.6.1) when it was sent; where
it does not, this machine's clock has to do.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from .._api.wire import Flow, R, Request, Response, map_requests

SECOND = timedelta(seconds=1)
FARTHEST = timedelta(days=36_525)
"""A clock that is a hundred years from this machine's is none: what is reckoned by it might be no date."""


class ServerTime:
    """The time of a server: this machine's, set by the `Date` of what was last heard."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        """The time there, aware."""
        return datetime.now(UTC) + self._ahead

    def heard(self, flow: Flow[R]) -> Flow[R]:
        """The same flow, with the time noted that each of its answers tells."""

        def listen(request: Request) -> Flow[Response]:
            response = yield request
            self._hear(response)
            return response

        return map_requests(flow, listen)

    def _hear(self, response: Response) -> None:
        try:
            sent = parsedate_to_datetime(response.headers.get("date", ""))
        except (ValueError, OverflowError, TypeError, IndexError):  # by what is wrong with it
            return
        if sent.tzinfo is None:
            sent = sent.replace(tzinfo=UTC)
        ahead = sent - datetime.now(UTC)
        if abs(ahead) < FARTHEST:
            # A Date names a whole second. Its end is meant: what was measured within it is there by now.
            self._ahead = ahead + SECOND
