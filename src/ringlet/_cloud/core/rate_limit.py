"""The rate limit: so many requests in any rolling window, per token, and a 429 that tells the truth.

Oura documents 5,000 requests in 5 minutes. A log of instants is exact in *any* window, fixed or sliding, and
`Retry-After` is when the oldest request of the window leaves it. Answers of 429 do not count against it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The limit is used up; `retry_after` is whole seconds, rounded up."""

    limit: int
    window: int
    retry_after: int


class RateLimit:
    """One rolling window per key; the least recently used are forgotten past `keys`."""

    def __init__(self, limit: int = 5000, window: int = 300, keys: int = 10_000) -> None:
        self.limit = limit
        self.window = window
        self.keys = keys
        # Sandbox answers are made in threads, and count as well.
        self._lock = Lock()
        self._logs: OrderedDict[object, deque[float]] = OrderedDict()

    def log(self, key: object) -> deque[float]:
        """The log of a key, to be kept by whoever asks often."""
        with self._lock:
            log = self._logs.setdefault(key, deque())
            self._logs.move_to_end(key)
            if len(self._logs) > self.keys:
                self._logs.popitem(last=False)
        return log

    def of(self, token: str) -> deque[float]:
        """The log of a token, wherever it is shown. The key is its digest: no token is kept."""
        return self.log(hashlib.sha256(token.encode()).digest())

    def take(self, log: deque[float], now: float) -> Exhausted | None:
        """Count one request at `now` (seconds, monotonic); None while the limit holds."""
        gone = now - self.window
        with self._lock:
            while log and log[0] <= gone:
                log.popleft()
            if len(log) < self.limit:
                log.append(now)
                return None
        return Exhausted(self.limit, self.window, int(log[0] - gone) + 1)
