"""Page tokens (`next_token`): where the next page of a list begins, opaque to clients.

Rules of this file:
* A token carries a keyed hash, so that a forged one is refused, and the route it was made for: another route
  refuses it.
* It holds the window of the first request. So a request needs nothing but the token.
* The key is made at each start and stored nowhere: a token is valid until the cloud stops.
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
    """Makes and reads the page tokens of one cloud."""

    def __init__(self) -> None:
        self._key = os.urandom(16)

    def make(self, where: str, span: Span, after: str) -> str:
        """A token for the page of a route and window that begins after the position `after`."""
        body = msgspec.msgpack.encode((where, span.start, span.end, after))
        return urlsafe_b64encode(self._mac(body) + body).rstrip(b"=").decode()

    def open(self, where: str, token: str) -> tuple[Span, str]:
        """The window and position of a token. Raises BadRequest unless it was made here for this route."""
        try:
            raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
            mac, body = raw[:8], raw[8:]
            path, start, end, after = msgspec.msgpack.decode(body, type=tuple[str, int, int, str])
        except (ValueError, msgspec.MsgspecError):
            mac, body, path, start, end, after = b"", b"", "", 0, 0, ""
        if not hmac.compare_digest(mac, self._mac(body)) or path != where:
            raise BadRequest("Invalid next_token")
        return Span(start, end), after

    def _mac(self, body: bytes) -> bytes:
        return hashlib.blake2b(body, digest_size=8, key=self._key).digest()
