"""The rate limit: so many requests in any rolling window, for each token.

Oura documents 5,000 requests in 5 minutes, and not whether its window is fixed or sliding. The instants of
the last requests are stored, so the limit holds in *any* window and `Retry-After` is exact: when the oldest
request leaves the window. Requests answered with 429 do not count.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The limit is used up."""

    limit: int
    window_s: int
    retry_after_s: int
    """Whole seconds, rounded up."""


class RateLimit:
    """One rolling window for each key; beyond `max_keys` the least recently used are forgotten."""

    def __init__(self, limit: int = 5000, window_s: int = 300, max_keys: int = 10_000) -> None:
        self.limit = limit
        self.window_s = window_s
        self.max_keys = max_keys
        # Sandbox answers are made in threads and count as well.
        self._lock = Lock()
        self._logs: OrderedDict[object, deque[float]] = OrderedDict()

    def log(self, key: object) -> deque[float]:
        """The instants of a key's requests. Callers that ask often may hold on to it."""
        with self._lock:
            log = self._logs.setdefault(key, deque())
            self._logs.move_to_end(key)
            if len(self._logs) > self.max_keys:
                self._logs.popitem(last=False)
        return log

    def of(self, token: str) -> deque[float]:
        """The log of a token, under its hash, so that no token stays in memory."""
        return self.log(hashlib.sha256(token.encode()).digest())

    def take(self, log: deque[float], now: float) -> Exhausted | None:
        """Count one request at `now` (seconds, monotonic); None where it is within the limit."""
        start = now - self.window_s
        with self._lock:
            while log and log[0] <= start:
                log.popleft()
            if len(log) < self.limit:
                log.append(now)
                return None
        return Exhausted(self.limit, self.window_s, int(log[0] - start) + 1)
