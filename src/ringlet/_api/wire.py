"""What crosses the border between the two ends: Request, Response, Flow. No I/O.

The clock is read in two places, both about `Retry-After`: where it is a date and the answer carries no `Date`
to compare it with, and in `refusal`, which says as an instant when to come back.

A *flow* is a generator: it yields requests, is sent their responses, and returns a value. All that the client
knows (pages, refresh, retry) is written once, as flows; `Client` and `AsyncClient` only carry them out.

Rules of this file:
* Waiting is data. `Request.after` is how many seconds to wait before sending; a request with no path is
  only its wait (see `pause`). So there is one kind of step, and every flow can be driven by hand.
* A transport failure is *thrown into* the flow as `ConnectionFailed`; a flow may catch it and ask again.
* A flow that wraps another (`patient`, `oauth.signed`) forwards what it does not understand.
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

MALFORMED: tuple[type[Exception], ...] = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises at bytes that are not the JSON they should be, are not UTF-8, or nest without end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One HTTP request, or, without a path, one wait.

    `path` is relative to the API's base URL, or absolute for the OAuth hosts. `scope` is what the row of the
    table says the server will check, so that a refusal can name it. `bearer` says whether to sign it.
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
    """What came back. Header names are lower case."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


Flow: TypeAlias = Generator[Request, Response, R]

WAITED = Response(0)
"""What a runner sends back for a request that was only a wait."""


def pause(seconds: float) -> Flow[None]:
    """Wait, without sending anything."""
    yield Request(after=seconds)


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How long to keep asking. The waits are seconds; `tries` counts the first attempt too."""

    tries: int = 6
    first: float = 1.0
    longest: float = 60.0
    """The back-off doubles from `first` up to here."""
    longest_retry_after: float = 330.0
    """A longer `Retry-After` is raised as RateLimited; Oura's window is 300 s."""
    jitter: Callable[[], float] = random.random
    """A number in 0..1; it shortens a wait by up to half, so that many clients do not march in step."""

    def wait(self, failures: int) -> float:
        full: float = min(self.longest, self.first * 2.0 ** (failures - 1))
        return full * (1 - 0.5 * self.jitter())


def relay(flow: Flow[R], step: Callable[[Request], Flow[Response]]) -> Flow[R]:
    """The same flow with each request carried out by `step`: how flows wrap flows."""
    try:
        request = next(flow)
        while True:
            try:
                response = yield from step(request)
            except ConnectionFailed as lost:
                request = flow.throw(lost)
            else:
                request = flow.send(response)
    except StopIteration as done:
        value: R = done.value
        return value
    finally:
        flow.close()


def patient(flow: Flow[R], patience: RetryPolicy) -> Flow[R]:
    """The same flow, asking again when the server is busy or the connection breaks.

    429 waits for what `Retry-After` says. 5xx and broken connections back off, doubling, with jitter; only
    requests that may be repeated (GET) are, because a refresh token is spent by sending it. When patience
    ends the last response (or failure) goes to the flow, which knows best what to raise.
    """

    def persist(request: Request) -> Flow[Response]:
        for failures in range(1, patience.tries):
            try:
                response = yield request
                wait = _wait_after(response, patience, failures)
            except ConnectionFailed:
                wait = patience.wait(failures)
                if request.method != "GET":
                    raise
            else:
                if wait is None or (response.status != 429 and request.method != "GET"):
                    return response
            request = replace(request, after=wait)
        return (yield request)

    return relay(flow, persist)


def _wait_after(response: Response, patience: RetryPolicy, failures: int) -> float | None:
    """Seconds to wait before asking again; None when the response is the answer."""
    if response.status == 429:
        wait = seconds_until_retry(response)
        wait = patience.wait(failures) if wait is None else wait
        return wait if wait <= patience.longest_retry_after else None
    return patience.wait(failures) if response.status >= 500 else None


def seconds_until_retry(response: Response) -> float | None:
    """`Retry-After` as seconds; RFC 9110 10.2.3 allows a number or a date, and the date is the server's."""
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


_SECONDS = re.compile("[0-9]{1,9}")  # thirty years; a longer number is no waiting time and no date


def ask(request: Request) -> Flow[bytes]:
    """One request; the body of its answer. Raises ApiError, as its refusal means."""
    response = yield request
    if response.status < 400:
        return response.body
    raise refusal(request, response)


class _Flaw(msgspec.Struct):
    """One entry of a 422 body."""

    msg: str = ""
    loc: list[str | int] = []


class _Problem(msgspec.Struct):
    """The union of the error bodies seen: `{"detail": ...}`, RFC 7807, RFC 6749."""

    detail: str | list[_Flaw] | None = None
    title: str | None = None
    error: str | None = None
    error_description: str | None = None


def refusal(request: Request, response: Response) -> ApiError:
    """The error that a response of 400 or more means."""
    detail, field_ = _words(response.body)
    status = response.status
    if status >= 500:
        return ServerError(detail or "the server failed", status=status)
    if status == 429:
        wait = seconds_until_retry(response)
        until = None if wait is None else datetime.now(UTC) + timedelta(seconds=wait)
        return RateLimited(detail, until=until)
    if status in (401, 403) and request.scope and _speaks_of_scope(detail):
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


def _speaks_of_scope(detail: str) -> bool:
    lowered = detail.lower()
    return "not authorized" in lowered or "scope" in lowered


def _words(body: bytes) -> tuple[str, str]:
    """What an error body says, and which parameter it points at. Bodies can be empty or not JSON at all."""
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except MALFORMED:
        return body[:200].decode("utf-8", "replace").strip(), ""
    if isinstance(problem.detail, list):
        first = problem.detail[0] if problem.detail else _Flaw()
        return first.msg, str(first.loc[-1]) if first.loc else ""
    words = problem.detail or problem.error_description or problem.error or problem.title
    return words or "", ""
