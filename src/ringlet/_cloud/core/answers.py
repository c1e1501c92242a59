"""Builds answers in the two dialects: status codes, error bodies and headers.

In the dialect `live` answers are as they were recorded from Oura's service, in `docs` as Oura's documentation
and OpenAPI files say. Data routes raise `ApiError`, which `refuse` turns into an answer. Pages and forms
raise `Refused`.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, NamedTuple, TypeAlias

import msgspec

from ..._api.windows import Dialect
from ...errors import ApiError, ArchiveError, BadRequest, InsufficientScope, InvalidToken

Headers = list[tuple[bytes, bytes]]
Flaw: TypeAlias = dict[str, Any]
"""One error in the body of a 422 answer: `type`, `loc` (where), `msg`, and the offending `input`."""


class Answer(NamedTuple):
    """A finished response, without `x-trace-id`, which differs for every response."""

    status: int
    body: bytes
    headers: Headers


COMMON: Headers = [
    # The real service was recorded to send these with every response, whatever its status.
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-cache"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains; preload"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"x-xss-protection", b"1; mode=block"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
]

_BOOT = os.urandom(8).hex().encode()
_COUNT = itertools.count()


def trace_id() -> bytes:
    """Return a value for the header `x-trace-id`: 32 hex digits, different at each call."""
    return b"%s%016x" % (_BOOT, next(_COUNT))


def ok(body: bytes) -> Answer:
    """Return an answer 200 with a JSON body. The same answer may be cached and sent several times."""
    return Answer(200, body, [*COMMON, (b"content-length", b"%d" % len(body))])


def refuse(dialect: Dialect, error: ApiError) -> Answer:
    """Return the error answer to a request that raised `error`, as the dialect `live` or `docs` words it."""
    status, detail = error.status, error.detail
    if isinstance(error, InsufficientScope):
        # Oura documents 403 with the required scopes; the real service answers 401.
        status = 403 if dialect == "docs" else 401
        detail = f"Missing scopes: {error.scope}" if dialect == "docs" else "Token not authorized"
    if isinstance(error, Invalid):
        return flawed([error.flaw])
    return problem(dialect, status, detail, _challenge(error))


def problem(dialect: Dialect, status: int, detail: str, extra: Headers | None = None) -> Answer:
    """Return an error answer: `{"detail": ...}` in the dialect `live`, RFC 7807's body in `docs`."""
    if dialect == "docs":
        return _answer(
            status, {"status": status, "title": HTTPStatus(status).phrase, "detail": detail}, extra
        )
    return _answer(status, {"detail": detail}, extra)


def flawed(flaws: Sequence[Flaw]) -> Answer:
    """Return an answer 422 that lists the errors of a request, in the form of Oura's validator (FastAPI)."""
    return _answer(422, {"detail": flaws})


def _challenge(error: ApiError) -> Headers:
    """The `WWW-Authenticate` header: RFC 6750 section 3. A request without a token gets no error code."""
    if isinstance(error, InsufficientScope):
        return [
            (b"www-authenticate", b'Bearer error="insufficient_scope", scope="%s"' % error.scope.encode())
        ]
    if isinstance(error, TokenMissing):
        return [(b"www-authenticate", b"Bearer")]
    return [(b"www-authenticate", b'Bearer error="invalid_token"')] if isinstance(error, InvalidToken) else []


def unavailable(dialect: Dialect, error: ArchiveError) -> Answer:
    """Log an error of the archive (busy, full or damaged), and return the answer 503 for it."""
    logging.getLogger("ringlet").error("%s", error)
    return problem(dialect, 503, "The archive cannot be used right now.", [(b"retry-after", b"1")])


def _answer(status: int, body: dict[str, Any], extra: Headers | None = None) -> Answer:
    encoded = msgspec.json.encode(body)
    headers = [*COMMON, (b"content-length", b"%d" % len(encoded)), *(extra or [])]
    return Answer(status, encoded, headers)


class Refused(Exception):
    """Raised to refuse a request before anything is changed. Its handler answers with a page or JSON."""

    def __init__(self, title: str, detail: str, *, status: int = 400, retry_after: int = 0) -> None:
        super().__init__(title)
        self.title = title
        self.detail = detail
        self.status = status
        self.retry_after = retry_after
        """Seconds after which the request may succeed; 0 where waiting does not help."""


class TokenMissing(InvalidToken):
    """401: the request carries no access token."""


class Invalid(BadRequest):
    """422: a malformed parameter, described in the form of Oura's validator (FastAPI)."""

    status = 422

    def __init__(self, type: str, name: str, message: str, value: str, **ctx: str) -> None:
        super().__init__(message, field=name, status=422)
        self.flaw: Flaw = {"type": type, "loc": ["query", name], "msg": message, "input": value}
        if ctx:
            self.flaw["ctx"] = ctx
