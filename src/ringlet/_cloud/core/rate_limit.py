"""The rate limit: the most requests of one token in any 5 minutes.

Oura documents 5,000 requests in 5 minutes, but not whether the window is fixed or sliding. Here it slides:
the times of the last requests are stored, so the limit holds in any 5 minutes, and `Retry-After` is the
exact time until the oldest request leaves the window. Requests that are answered with 429 do not count.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Says that a key has used up its rate limit, and when its next request is accepted."""

    limit: int
    window_s: int
    retry_after_s: int
    """Seconds until the next request is accepted, rounded up."""


class RateLimit:
    """Counts the requests of each key (such as the hash of a token) in the last `window_s` seconds.

    At most `max_keys` keys are remembered; then the least recently used is forgotten.
    """

    def __init__(self, limit: int = 5000, window_s: int = 300, max_keys: int = 10_000) -> None:
        self.limit = limit
        self.window_s = window_s
        self.max_keys = max_keys
        # The lock is needed because requests to the sandbox are answered, and so counted, in threads.
        self._lock = Lock()
        self._logs: OrderedDict[object, deque[float]] = OrderedDict()

    def log(self, key: object) -> deque[float]:
        """Return the times of a key's last requests, to be passed to `take`. Callers may store this deque."""
        with self._lock:
            log = self._logs.setdefault(key, deque())
            self._logs.move_to_end(key)
            if len(self._logs) > self.max_keys:
                self._logs.popitem(last=False)
        return log

    def of(self, token: str) -> deque[float]:
        """Return `log` of a token. Its key is the token's hash, so that no token stays in memory."""
        return self.log(hashlib.sha256(token.encode()).digest())

    def take(self, log: deque[float], now: float) -> Exhausted | None:
        """Count a request at `now` (`time.monotonic`); returns Exhausted if the limit is already reached."""
        start = now - self.window_s
        with self._lock:
            while log and log[0] <= start:
                log.popleft()
            if len(log) < self.limit:
                log.append(now)
                return None
        return Exhausted(self.limit, self.window_s, int(log[0] - start) + 1)
