"""Requests, responses and flows, the retry of requests, and the errors for refused ones. No I/O.

A *flow* is a generator that yields requests, is sent their responses, and returns a value. Following pages,
renewing tokens and retrying are flows, so they are written once: `Client` and `AsyncClient` only run flows.

The clock is read in two places. `seconds_until_retry` needs it if `Retry-After` is a date and the response
has no `Date` to compare it with; `refusal` needs it for `RateLimited.until`.

Rules of this file:
* A flow never sleeps. `Request.after` says how many seconds to wait before sending, and a request without a
  path is only a wait (see `pause`). So tests run every flow without a clock.
* If no response arrives, ConnectionFailed is thrown into the flow, which may catch it and send again.
* A flow that wraps another (`with_retries`, `renewal.with_token`) passes on all requests, responses and
  failures that it does not handle itself.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeAlias, TypeVar

import msgspec

from ..errors import (
    ApiError,
    BadRequest,
    ConnectionFailed,
    DocumentNotFound,
    InsufficientScope,
    InvalidToken,
    MembershipEnded,
    RateLimited,
    RouteNotFound,
    ServerError,
)

R = TypeVar("R")

DECODE_ERRORS: tuple[type[Exception], ...] = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Errors of decoding: JSON of another shape, bytes that are not UTF-8, and too deeply nested JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One HTTP request or, without a path, one wait.

    `path` is relative to the API's base URL, or an absolute URL of an OAuth host. `after` is the number of
    seconds to wait before sending. `scope` is the scope that the server requires, for the error message.
    `bearer` says whether to send the user's access token.
    """

    path: str = ""
    method: str = "GET"
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)
    after: float = 0.0
    scope: str = ""
    bearer: bool = True


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response. Header names are lower case."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


Flow: TypeAlias = Generator[Request, Response, R]

WAITED = Response(0)
"""The response that a flow is sent after a request that was only a wait."""


def pause(seconds: float) -> Flow[None]:
    """Wait for some seconds without sending anything."""
    yield Request(after=seconds)


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often a failed request is sent again, and how long to wait before each try.

    The wait doubles with each failure in a row, from `first_wait_s` up to `max_wait_s`.
    """

    max_tries: int = 6
    """The most times a request is sent, including the first time; 1 means no retries."""
    first_wait_s: float = 1.0
    """Seconds to wait after the first failure."""
    max_wait_s: float = 60.0
    """The longest wait in seconds, unless the server asks for another by `Retry-After`."""
    max_retry_after_s: float = 330.0
    """The longest `Retry-After` in seconds for which the client waits; a longer one raises RateLimited.

    Oura counts requests in windows of 300 s.
    """
    jitter: Callable[[], float] = random.random
    """Returns a random number r from 0 to 1. Each wait is multiplied by 1 - r/2, so that clients that failed
    at the same time do not retry at the same time."""

    def wait_s(self, failures: int) -> float:
        """Seconds to wait after this number of failures in a row."""
        full: float = min(self.max_wait_s, self.first_wait_s * 2.0 ** (failures - 1))
        return full * (1 - 0.5 * self.jitter())


def map_requests(flow: Flow[R], send: Callable[[Request], Flow[Response]]) -> Flow[R]:
    """Wrap a flow: each of its requests is made by the flow `send(request)`, which returns the response."""
    try:
        request = next(flow)
        while True:
            try:
                response = yield from send(request)
            except ConnectionFailed as lost:
                request = flow.throw(lost)
            else:
                request = flow.send(response)
    except StopIteration as done:
        value: R = done.value
        return value
    finally:
        flow.close()


def with_retries(flow: Flow[R], retry_policy: RetryPolicy) -> Flow[R]:
    """Wrap a flow so that its requests are sent again when the server is busy or the connection breaks.

    After 429 any request is sent again, after the time that `Retry-After` or else the policy says. After 5xx
    or a broken connection only GET is, because a POST may have had its effect (a refresh token works once).
    The last response or failure is passed to the flow, which raises the error for it.
    """

    def send(request: Request) -> Flow[Response]:
        for failures in range(1, retry_policy.max_tries):
            try:
                response = yield request
                wait = _wait_after(response, retry_policy, failures)
            except ConnectionFailed:
                wait = retry_policy.wait_s(failures)
                if request.method != "GET":
                    raise
            else:
                if wait is None or (response.status != 429 and request.method != "GET"):
                    return response
            request = replace(request, after=wait)
        return (yield request)

    return map_requests(flow, send)


def _wait_after(response: Response, retry_policy: RetryPolicy, failures: int) -> float | None:
    """Seconds to wait before the request is sent again; None if it must not be sent again."""
    if response.status == 429:
        wait = seconds_until_retry(response)
        wait = retry_policy.wait_s(failures) if wait is None else wait
        return wait if wait <= retry_policy.max_retry_after_s else None
    return retry_policy.wait_s(failures) if response.status >= 500 else None


def seconds_until_retry(response: Response) -> float | None:
    """`Retry-After` in seconds; None if it is missing or malformed.

    RFC 9110 section 10.2.3 allows a number of seconds, or a date by the server's clock.
    """
    text = response.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        due = parsedate_to_datetime(text)
        sent = response.headers.get("date")
        now = parsedate_to_datetime(sent) if sent else datetime.now(UTC)
        return max(0.0, (due - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


_SECONDS = re.compile("[0-9]{1,9}")  # 9 digits are 30 years: a longer number is a mistake of the server


def ask(request: Request) -> Flow[bytes]:
    """Send one request and return the body of the response. Raises ApiError for a status of 400 or more."""
    response = yield request
    if response.status < 400:
        return response.body
    raise refusal(request, response)


class _ValidationError(msgspec.Struct):
    """One entry of a 422 body."""

    msg: str = ""
    loc: list[str | int] = []


class _ErrorBody(msgspec.Struct):
    """The keys of all error bodies that Oura sends: `{"detail": ...}`, RFC 7807, RFC 6749."""

    detail: str | list[_ValidationError] | None = None
    title: str | None = None
    error: str | None = None
    error_description: str | None = None


def refusal(request: Request, response: Response) -> ApiError:
    """The error to raise for a response with a status of 400 or more."""
    detail, field_ = _parse_error(response.body)
    status = response.status
    if status >= 500:
        return ServerError(detail or "the server failed", status=status)
    if status == 429:
        wait = seconds_until_retry(response)
        until = None if wait is None else datetime.now(UTC) + timedelta(seconds=wait)
        return RateLimited(detail, until=until)
    if status in (401, 403) and request.scope and _is_about_scope(detail):
        return InsufficientScope(request.scope, detail, status=status)
    if status == 401:
        return InvalidToken(detail or "the access token is expired, malformed or revoked")
    if status == 403:
        return MembershipEnded(detail or "access to this data is forbidden")
    if status == 404:
        is_document = "document" in detail.lower()
        return (
            DocumentNotFound(detail) if is_document else RouteNotFound(detail or f"no route {request.path}")
        )
    return BadRequest(detail or "the request was refused", field=field_, status=status)


def _is_about_scope(detail: str) -> bool:
    lowered = detail.lower()
    return "not authorized" in lowered or "scope" in lowered


def _parse_error(body: bytes) -> tuple[str, str]:
    """The message of an error body, and the name of the parameter it complains about, or "".

    The body may be empty or not JSON at all.
    """
    try:
        problem = msgspec.json.decode(body, type=_ErrorBody)
    except DECODE_ERRORS:
        return body[:200].decode("utf-8", "replace").strip(), ""
    if isinstance(problem.detail, list):
        first = problem.detail[0] if problem.detail else _ValidationError()
        return first.msg, str(first.loc[-1]) if first.loc else ""
    words = problem.detail or problem.error_description or problem.error or problem.title
    return words or "", ""
