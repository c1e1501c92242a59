"""Flows driven by hand: no socket, no clock, no mock. First the whole story, then its laws one by one."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._api.catalog import Catalog
from ringlet._api.wire import (
    WAITED,
    Flow,
    Request,
    Response,
    RetryPolicy,
    ask,
    map_requests,
    pause,
    refusal,
    with_retries,
)
from ringlet._oauth.grant import App, Hosts, Tokens
from ringlet._oauth.renewal import with_token
from ringlet.client import MemoryTokenStore
from ringlet.errors import (
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

from ..paths import SAMPLES

HOSTS = Hosts(
    authorize="https://id.test/authorize", token=("https://id.test/token",), revoke="https://id.test/revoke"
)
APP = App(client_id="an app", client_secret="the app's secret")
STEADY = RetryPolicy(jitter=lambda: 0)
HERE = Request(path="/here", params={"page": "1"})
OK = Response(200, b"fine")
LOST = ConnectionFailed("reset by peer")


def drive(flow: Flow[Any], answers: Iterable[Response | Exception]) -> tuple[list[Request], Any]:
    """What a flow asks when it gets these answers (a failure is thrown in), and what it returns."""
    asked = [next(flow)]
    for answer in answers:
        try:
            asked.append(flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer))
        except StopIteration as done:
            return asked, done.value
    raise AssertionError(f"still asking after {asked}")


def page(*days: str, next_token: str | None = None) -> Response:
    """A page of sleep documents, the least of each."""
    data = [{"id": f"night of {day}", "day": day, "bedtime_start": f"{day}T00:30:00+02:00"} for day in days]
    return Response(200, json.dumps({"data": data, "next_token": next_token}).encode())


def test_a_whole_story_of_pages_rate_limit_and_rotation_by_hand() -> None:
    """The flow is a value: each `send` below is an answer of Oura's, each result what is asked next."""
    token_store = MemoryTokenStore(Tokens(access_token="old", refresh_token="once"))
    nights = Catalog.sleep.list(date(2026, 1, 10), date(2026, 1, 11))
    flow = with_retries(with_token(nights, token_store, APP, HOSTS, clock=lambda: 0.0), STEADY)

    first = next(flow)
    assert (first.method, first.path, first.scope) == ("GET", "/v2/usercollection/sleep", "daily")
    assert first.params == {"start_date": "2026-01-08", "end_date": "2026-01-13"}
    assert first.headers == {"authorization": "Bearer old"}
    assert first.after == 0

    again = flow.send(Response(429, headers={"retry-after": "7"}))
    assert again.after == 7.0
    assert (again.path, again.params, again.headers) == (first.path, first.params, first.headers)

    second = flow.send(page("2026-01-09", "2026-01-10", next_token="more"))
    assert second.path == first.path
    assert second.params == {**first.params, "next_token": "more"}
    assert second.headers == {"authorization": "Bearer old"}
    assert second.after == 0

    renewal = flow.send(Response(401, b'{"detail":"expired"}'))
    assert (renewal.method, renewal.path) == ("POST", "https://id.test/token")
    assert "authorization" not in renewal.headers
    assert parse_qs(renewal.body.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["once"],
        "client_id": ["an app"],
        "client_secret": ["the app's secret"],
    }

    rotated = Response(200, b'{"access_token":"new","refresh_token":"twice","expires_in":2591999}')
    replay = flow.send(rotated)
    kept = token_store.load()
    assert kept
    assert (kept.access_token, kept.refresh_token) == ("new", "twice"), "kept before it is used"
    assert (replay.path, replay.params) == (second.path, second.params)
    assert replay.headers == {"authorization": "Bearer new"}

    with pytest.raises(StopIteration) as done:
        flow.send(page("2026-01-11", "2026-01-12"))
    assert [type(night) for night in done.value.value] == [Catalog.sleep.model] * 2
    assert [night.day for night in done.value.value] == [date(2026, 1, 10), date(2026, 1, 11)]


# --- Asking ---


def test_a_request_and_an_answer_are_values() -> None:
    assert Request(path="/here", params={"page": "1"}) == HERE
    assert Response(200, b"fine") == OK


def test_a_pause_is_a_request_without_a_path() -> None:
    assert drive(pause(0.25), [WAITED]) == ([Request(after=0.25)], None)


@given(st.integers(200, 399), st.binary())
def test_ask_returns_the_body_of_every_answer_below_400(status: int, body: bytes) -> None:
    assert drive(ask(HERE), [Response(status, body)]) == ([HERE], body)


@given(st.integers(400, 599), st.binary(max_size=300), st.sampled_from(["", "daily"]))
def test_ask_raises_for_every_other_answer_whatever_it_holds(status: int, body: bytes, scope: str) -> None:
    with pytest.raises(ApiError) as caught:
        drive(ask(Request(path="/here", scope=scope)), [Response(status, body)])
    assert caught.value.status == status
    assert caught.value.cure


# --- Flows around flows ---


def test_a_relayed_flow_that_only_asks_is_the_flow_itself() -> None:
    def step(request: Request) -> Flow[Response]:
        return (yield request)

    assert drive(map_requests(ask(HERE), step), [OK]) == drive(ask(HERE), [OK])
    with pytest.raises(ConnectionFailed):
        drive(map_requests(ask(HERE), step), [LOST])


def test_a_lost_connection_is_thrown_into_the_inner_flow_which_may_ask_again() -> None:
    def stubborn() -> Flow[bytes]:
        try:
            response = yield HERE
        except ConnectionFailed:
            response = yield Request(path="/elsewhere")
        return response.body

    asked, body = drive(with_retries(stubborn(), RetryPolicy(max_tries=1)), [LOST, OK])
    assert [request.path for request in asked] == ["/here", "/elsewhere"]
    assert body == b"fine"


def test_closing_a_wrapped_flow_closes_the_inner_one() -> None:
    ended: list[str] = []

    def inner() -> Flow[bytes]:
        try:
            return (yield HERE).body
        finally:
            ended.append("inner")

    held = inner()  # so that it is not merely collected
    flow = with_retries(held, STEADY)
    next(flow)
    flow.close()
    assert ended == ["inner"]


# --- RetryPolicy ---


def waits(flow: Flow[Any], answers: Iterable[Response | Exception]) -> list[float]:
    asked, _ = drive(flow, answers)
    return [request.after for request in asked]


@pytest.mark.parametrize("failure", [Response(500), Response(503), LOST], ids=["500", "503", "lost"])
def test_a_broken_server_or_connection_is_asked_again_with_doubling_waits(
    failure: Response | Exception,
) -> None:
    assert waits(with_retries(ask(HERE), STEADY), [failure] * 5 + [OK]) == [0, 1, 2, 4, 8, 16]


@given(st.integers(1, 2000), st.floats(0, 1), st.floats(0.01, 10), st.floats(10, 100))
def test_a_wait_doubles_up_to_the_longest_and_jitter_takes_at_most_half(
    failures: int, jitter: float, first: float, longest: float
) -> None:
    full = longest if failures > 20 else min(longest, first * 2 ** (failures - 1))
    wait = RetryPolicy(first_wait_s=first, max_wait_s=longest, jitter=lambda: jitter).wait_s(
        min(failures, 1000)
    )
    assert full / 2 <= wait <= full or wait == pytest.approx(full)


@given(st.lists(st.sampled_from([500, 502, 503, 429, None]), min_size=1, max_size=12), st.integers(1, 8))
def test_patience_ends_after_its_tries_and_the_last_failure_is_the_caller_s(
    failures: list[int | None], tries: int
) -> None:
    answers = [LOST if status is None else Response(status) for status in failures]
    flow = with_retries(ask(HERE), RetryPolicy(max_tries=tries, jitter=lambda: 0))
    if len(answers) < tries:
        asked, body = drive(flow, [*answers, OK])
        assert (len(asked), body) == (len(answers) + 1, b"fine")
        return
    last = answers[tries - 1]
    with pytest.raises((ApiError, ConnectionFailed)) as caught:
        drive(flow, answers)
    if isinstance(last, Response):
        assert isinstance(caught.value, ApiError)
        assert caught.value.status == last.status
    else:
        assert caught.value is last


def test_retry_after_in_seconds_is_waited_out() -> None:
    assert waits(with_retries(ask(HERE), STEADY), [Response(429, headers={"retry-after": " 300 "}), OK]) == [
        0,
        300.0,
    ]


def test_retry_after_as_a_date_is_read_on_the_server_s_clock() -> None:
    headers = {"date": "Thu, 01 Jan 2009 00:00:00 GMT", "retry-after": "Thu, 01 Jan 2009 00:00:42 GMT"}
    assert waits(with_retries(ask(HERE), STEADY), [Response(429, headers=headers), OK]) == [0, 42.0]


def test_retry_after_without_a_server_clock_is_read_on_ours_and_the_past_means_now() -> None:
    headers = {"retry-after": "Thu, 01 Jan 2009 00:00:42 GMT"}
    assert waits(with_retries(ask(HERE), STEADY), [Response(429, headers=headers), OK]) == [0, 0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "-5",
        "1.5",
        "\u00b2",
        "9" * 40,
        "Thu, 01 Jan 99999 00:00:00 GMT",
        "Thu, 01 Jan 2009 00:00:00 +99999999999999",
    ],
)
def test_an_unreadable_retry_after_means_the_usual_back_off(text: str) -> None:
    refused = Response(429, headers={"retry-after": text})
    assert waits(with_retries(ask(HERE), STEADY), [refused, refused, OK]) == [0, 1, 2]
    assert isinstance(refusal(HERE, refused), RateLimited)


def test_a_retry_after_beyond_patience_is_raised_with_the_time_to_come_back() -> None:
    before = datetime.now(UTC)
    with pytest.raises(RateLimited) as caught:
        drive(with_retries(ask(HERE), STEADY), [Response(429, headers={"retry-after": "3600"})])
    assert caught.value.until
    assert before <= caught.value.until - timedelta(hours=1) <= datetime.now(UTC)


def test_the_longest_retry_after_is_still_waited_for() -> None:
    assert waits(with_retries(ask(HERE), STEADY), [Response(429, headers={"retry-after": "330"}), OK]) == [
        0,
        330,
    ]


POST = Request(path="/token", method="POST", body=b"refresh_token=once")


def test_a_post_is_not_repeated_when_it_may_have_been_carried_out() -> None:
    with pytest.raises(ServerError):
        drive(with_retries(ask(POST), STEADY), [Response(503)])
    with pytest.raises(ConnectionFailed):
        drive(with_retries(ask(POST), STEADY), [LOST])


def test_a_post_that_was_turned_away_at_the_door_waits_and_is_repeated() -> None:
    asked, body = drive(with_retries(ask(POST), STEADY), [Response(429, headers={"retry-after": "2"}), OK])
    assert [(request.body, request.after) for request in asked] == [(POST.body, 0), (POST.body, 2.0)]
    assert body == b"fine"


@given(st.integers(200, 499).filter(lambda status: status != 429))
def test_an_answer_that_asking_again_would_not_change_is_not_asked_for_again(status: int) -> None:
    def once() -> Flow[int]:
        return (yield HERE).status

    assert drive(with_retries(once(), STEADY), [Response(status)]) == ([HERE], status)


# --- Refusals ---

DOCUMENT = Request(path="/v2/usercollection/sleep/some-id", scope="daily")
HTML = b"<html><title>502</title>"


def sample(name: str) -> bytes:
    path = SAMPLES / "errors" / name
    return path.read_bytes() if path.exists() else b"{}"


@pytest.mark.parametrize(
    ("status", "body", "error", "known"),
    [
        (400, b"", BadRequest, {"detail": "the request was refused", "field": ""}),
        (
            400,
            b'{"detail":"Start is after end"}',
            BadRequest,
            {"detail": "Start is after end", "status": 400},
        ),
        (400, b'{"title":"Bad","status":400}', BadRequest, {"detail": "Bad"}),
        (
            400,
            b'{"status":400,"title":"Bad","detail":"dates are wrong"}',
            BadRequest,
            {"detail": "dates are wrong"},
        ),
        (400, b'{"error":"invalid_request"}', BadRequest, {"detail": "invalid_request"}),
        (
            400,
            b'{"error":"invalid_request","error_description":"no code"}',
            BadRequest,
            {"detail": "no code"},
        ),
        (401, b"", InvalidToken, {"status": 401}),
        (401, b'{"detail":"Token expired"}', InvalidToken, {"detail": "Token expired"}),
        (401, b'{"detail":"Token not authorized"}', InsufficientScope, {"scope": "daily", "status": 401}),
        (
            403,
            b'{"title":"Forbidden","detail":"needs scope daily"}',
            InsufficientScope,
            {"scope": "daily", "status": 403},
        ),
        (403, b"", MembershipEnded, {"status": 403}),
        (403, b'{"detail":"Subscription expired"}', MembershipEnded, {"detail": "Subscription expired"}),
        (404, b'{"detail":"Document not found."}', DocumentNotFound, {"detail": "Document not found."}),
        (404, b'{"detail":"Not Found"}', RouteNotFound, {"detail": "Not Found"}),
        (404, b"", RouteNotFound, {"detail": "no route /v2/usercollection/sleep/some-id"}),
        (
            422,
            b'{"detail":[{"msg":"not a date","loc":["query","end_date"]}]}',
            BadRequest,
            {"field": "end_date"},
        ),
        (
            422,
            b'{"detail":[{"msg":"not a row","loc":["body",0]}]}',
            BadRequest,
            {"field": "0", "status": 422},
        ),
        (422, b'{"detail":[]}', BadRequest, {"field": "", "status": 422}),
        (426, b'{"detail":"Minimum app version"}', BadRequest, {"status": 426}),
        (429, b"", RateLimited, {"until": None}),
        (429, b'{"detail":"slow down"}', RateLimited, {"detail": "slow down"}),
        (500, b"", ServerError, {"status": 500}),
        (502, HTML, ServerError, {"status": 502, "detail": HTML.decode()}),
        (503, b"null", ServerError, {"status": 503}),
        (503, b'{"detail":{"deep":"object"}}', ServerError, {"status": 503}),
        (500, b"\xff\xfe", ServerError, {"status": 500}),
    ],
)
def test_a_refusal_means_one_error(
    status: int, body: bytes, error: type[ApiError], known: dict[str, Any]
) -> None:
    found = refusal(DOCUMENT, Response(status, body))
    assert type(found) is error
    assert {name: getattr(found, name) for name in known} == known


@pytest.mark.skipif(not SAMPLES.exists(), reason="the recorded answers lie beside the checkout")
def test_recorded_refusals() -> None:
    gone = refusal(DOCUMENT, Response(404, sample("404_document_not_found.json")))
    assert isinstance(gone, DocumentNotFound)
    assert gone.detail == "Document not found."
    invalid = refusal(DOCUMENT, Response(422, sample("422_validation_array.json")))
    assert isinstance(invalid, BadRequest)
    assert (invalid.field, invalid.status) == ("start_date", 422)
    assert "valid datetime or date" in str(invalid)
    problem = refusal(DOCUMENT, Response(400, sample("rfc7807_auth_error.json")))
    assert isinstance(problem, BadRequest)
    assert problem.detail == "This provides more information"


def test_a_refusal_that_speaks_of_scope_is_about_the_token_when_the_request_names_none() -> None:
    answer = Response(401, b'{"detail":"Token not authorized"}')
    assert type(refusal(Request(path="/elsewhere"), answer)) is InvalidToken


@pytest.mark.parametrize(
    "error",
    [
        BadRequest("not a date"),
        InvalidToken("expired"),
        InsufficientScope("daily"),
        InsufficientScope("daily", status=403),
        MembershipEnded("renew it"),
        DocumentNotFound("Document not found."),
        RouteNotFound("Not Found"),
        RateLimited("slow down"),
        ServerError("sorry", status=503),
    ],
    ids=lambda error: f"{type(error).__name__} {error.status}",
)
def test_what_a_server_raises_a_client_catches(error: ApiError) -> None:
    """An error sent as its status and its words comes out as the same class on the other side."""
    answer = Response(error.status, json.dumps({"detail": error.message}).encode())
    assert type(refusal(DOCUMENT, answer)) is type(error)


def test_a_long_page_of_html_is_cut_short() -> None:
    assert len(str(refusal(HERE, Response(502, HTML * 1000)))) < 250


def test_values_hide_what_may_be_secret() -> None:
    request = Request(path="/token", method="POST", headers={"authorization": "Bearer hush"}, body=b"hush")
    answer = Response(200, b'{"access_token":"hush"}', {"set-cookie": "hush"})
    assert "hush" not in repr(request) + repr(answer)
