"""Page tokens (`next_token`): opaque texts that say where the next page of a list begins.

Rules of this file:
* A page token contains a keyed hash, so that a forged token is refused. It also contains the route it was
  made for, so that other routes refuse it.
* A page token contains the window of the first request. So the request for the next page needs only the
  token.
* The key is generated when the cloud starts and never stored, so page tokens are valid until the cloud stops.
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
        """Create the token of the page that begins after the position `after` in a window of a route.

        `where` is the path of the route, `span` the window.
        """
        body = msgspec.msgpack.encode((where, span.start, span.end, after))
        return urlsafe_b64encode(self._mac(body) + body).rstrip(b"=").decode()

    def open(self, where: str, token: str) -> tuple[Span, str]:
        """Read window and position from a token. Raises BadRequest if it is forged or of another route."""
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
