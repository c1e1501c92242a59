"""Page tokens: where a list goes on, opaque to whoever carries them.

Rules of this file:
* A token is sealed, so that a made-up one is refused, and bound to its route: it goes on nowhere else.
* It remembers its window, and so is a whole question by itself.
* The key is made at each start and kept nowhere: a token lives no longer than its cloud.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from ..._api.windows import Span
from ...errors import BadRequest


class PageTokens:
    """Makes and opens the tokens of one cloud."""

    def __init__(self) -> None:
        self._key = os.urandom(16)

    def make(self, where: str, span: Span, after: str) -> str:
        """A token that goes on at `after`, in a window of a route."""
        body = msgspec.msgpack.encode((where, span.start, span.end, after))
        return urlsafe_b64encode(self._mark(body) + body).rstrip(b"=").decode()

    def open(self, where: str, token: str) -> tuple[Span, str]:
        """The window, and where to go on. Raises BadRequest unless it was made here for this route."""
        try:
            raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
            mark, body = raw[:8], raw[8:]
            path, start, end, after = msgspec.msgpack.decode(body, type=tuple[str, int, int, str])
        except (ValueError, msgspec.MsgspecError):
            mark, body, path, start, end, after = b"", b"", "", 0, 0, ""
        if not hmac.compare_digest(mark, self._mark(body)) or path != where:
            raise BadRequest("Invalid next_token")
        return Span(start, end), after

    def _mark(self, body: bytes) -> bytes:
        return hashlib.blake2b(body, digest_size=8, key=self._key).digest()
