"""Request, Response and Flow: what client and cloud exchange, retries, and what a refusal means. No I/O.

A *flow* is a generator: it yields requests, is sent their responses, and returns a value. All that the client
knows (pages, refresh, retry) is written once, as flows; `Client` and `AsyncClient` only run them.

The clock is read in two places, both about `Retry-After`: where it is a date and the answer carries no `Date`
to compare it with, and in `refusal`, which gives the instant to come back at.

Rules of this file:
* Waiting is data. `Request.after` is how many seconds to wait before sending; a request without a path only
  waits (see `pause`). So there is one kind of step, and tests drive every flow by hand, without a clock.
* A transport failure is *thrown into* the flow as `ConnectionFailed`; a flow may catch it and ask again.
* A flow that wraps another (`with_retries`, `renewal.with_token`) forwards what it does not understand.
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
"""What decoding raises for JSON of another shape, for bytes that are not UTF-8, and for endless nesting."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One HTTP request or, without a path, one wait.

    `path` is relative to the API's base URL, or absolute for the OAuth hosts. `after` is how many seconds to
    wait before sending. `scope` is what the server will check, so that a refusal can name it. `bearer` says
    whether the user's access token is sent along.
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
"""The response that a runner sends into the flow after a request that was only a wait."""


def pause(seconds: float) -> Flow[None]:
    """Wait, without sending anything."""
    yield Request(after=seconds)


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often a failed request is sent again, and how long to wait before: a back-off that doubles."""

    max_tries: int = 6
    """How often a request is sent in all, the first time included; 1 means no retries."""
    first_wait_s: float = 1.0
    """Seconds to wait after the first failure; doubled after each further one."""
    max_wait_s: float = 60.0
    """Seconds at which the back-off stops doubling."""
    max_retry_after_s: float = 330.0
    """The longest `Retry-After` in seconds that is waited for; a longer one is raised as RateLimited.

    Oura's rate limit has windows of 300 s.
    """
    jitter: Callable[[], float] = random.random
    """Returns a number in 0..1 that shortens a wait by up to half, so that clients do not retry in step."""

    def wait_s(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        full: float = min(self.max_wait_s, self.first_wait_s * 2.0 ** (failures - 1))
        return full * (1 - 0.5 * self.jitter())


def map_requests(flow: Flow[R], send: Callable[[Request], Flow[Response]]) -> Flow[R]:
    """Wrap a flow: each of its requests is replaced by the flow `send(request)`."""
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

    After 429 it waits as long as `Retry-After` says, else by the policy. After 5xx and broken connections it
    repeats GET only, because a refresh token is spent by sending it. The last response or failure goes to
    the flow, which raises what it means.
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
    """Seconds to wait before the next try; None where the response is final."""
    if response.status == 429:
        wait = seconds_until_retry(response)
        wait = retry_policy.wait_s(failures) if wait is None else wait
        return wait if wait <= retry_policy.max_retry_after_s else None
    return retry_policy.wait_s(failures) if response.status >= 500 else None


def seconds_until_retry(response: Response) -> float | None:
    """`Retry-After` in seconds. RFC 9110 section 10.2.3 allows a number or a date by the server's clock."""
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


_SECONDS = re.compile("[0-9]{1,9}")  # At most thirty years: a longer number is a mistake.


def ask(request: Request) -> Flow[bytes]:
    """Send one request and return the body of its response. Raises the ApiError for a refusal."""
    response = yield request
    if response.status < 400:
        return response.body
    raise refusal(request, response)


class _ValidationError(msgspec.Struct):
    """One entry of a 422 body."""

    msg: str = ""
    loc: list[str | int] = []


class _ErrorBody(msgspec.Struct):
    """The union of the error bodies seen: `{"detail": ...}`, RFC 7807, RFC 6749."""

    detail: str | list[_ValidationError] | None = None
    title: str | None = None
    error: str | None = None
    error_description: str | None = None


def refusal(request: Request, response: Response) -> ApiError:
    """The error that a response of 400 or more means."""
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
    """The text of an error body, and the parameter it points at. Bodies may be empty or not JSON at all."""
    try:
        problem = msgspec.json.decode(body, type=_ErrorBody)
    except DECODE_ERRORS:
        return body[:200].decode("utf-8", "replace").strip(), ""
    if isinstance(problem.detail, list):
        first = problem.detail[0] if problem.detail else _ValidationError()
        return first.msg, str(first.loc[-1]) if first.loc else ""
    words = problem.detail or problem.error_description or problem.error or problem.title
    return words or "", ""
