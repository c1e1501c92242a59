"""The six calls about subscriptions, by hand: what is sent, and what an answer means."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ringlet._api.wire import Response
from ringlet._oauth.grant import App
from ringlet._webhooks import subscriptions as w
from ringlet.errors import BadRequest, DocumentNotFound, RingletError, ServerError, UsageError

from ..signed_events import SECRET

APP = App(client_id="id", client_secret=SECRET)


def subscription(**changed: str | None) -> bytes:
    fields = {
        "id": "1",
        "callback_url": "https://a.example/hook",
        "event_type": "create",
        "data_type": "sleep",
        "expiration_time": "2026-11-01T12:34:56.789000",
    }
    return json.dumps(fields | changed).encode()


def test_a_time_without_a_zone_is_utc() -> None:
    (one,) = drive(w.subscriptions(APP), Response(200, b"[%s]" % subscription()))[1]
    assert one.expires_at == datetime(2026, 11, 1, 12, 34, 56, 789000, UTC)
    assert one.expires_at - w.SUBSCRIPTION_LIFETIME == one.expires_at - timedelta(days=90)


@pytest.mark.parametrize("end", ["soon", "", "2026-13-01", None])
def test_an_end_that_nobody_can_read_is_known_to_be_one_and_spoils_no_list(end: str | None) -> None:
    both = b"[%s,%s]" % (subscription(expiration_time=end), subscription(id="2"))
    odd, good = drive(w.subscriptions(APP), Response(200, both))[1]
    assert odd.expiration_time == end
    with pytest.raises(ServerError, match="not a date"):
        _ = odd.expires_at
    assert good.expires_at.tzinfo is UTC


def drive(flow, response):
    """The one request of a flow, and what it makes of the answer."""
    request = next(flow)
    try:
        flow.send(response)
    except StopIteration as done:
        return request, done.value
    raise AssertionError("it asked for more")


def test_the_six_calls_are_sent_as_documented() -> None:
    one = Response(200, subscription())
    wish = {"callback_url": "https://a.example/hook", "verification_token": "t"}
    calls = [
        (w.subscriptions(APP), Response(200, b"[]"), "GET", "", None),
        (w.subscription(APP, "1"), one, "GET", "/1", None),
        (
            w.subscribe(APP, "https://a.example/hook", "t", "create", "sleep"),
            Response(201, subscription()),
            "POST",
            "",
            {**wish, "event_type": "create", "data_type": "sleep"},
        ),
        (
            w.update(APP, "1", "t", data_type="tag"),
            one,
            "PUT",
            "/1",
            {"verification_token": "t", "data_type": "tag"},
        ),
        (w.renew(APP, "1"), one, "PUT", "/renew/1", None),
        (w.unsubscribe(APP, "1"), Response(204), "DELETE", "/1", None),
    ]
    for flow, answer, method, path, body in calls:
        request, _ = drive(flow, answer)
        assert (request.method, request.path) == (method, "/v2/webhook/subscription" + path)
        assert request.headers["x-client-id"] == "id"
        assert request.headers["x-client-secret"] == SECRET
        assert not request.bearer
        assert (json.loads(request.body) if request.body else None) == body


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (403, b'{"detail":"Webhook with specified id does not exist."}', DocumentNotFound),
        (409, b'{"detail":"Subscription already exists"}', BadRequest),
        (422, b'{"detail":[{"type":"enum","loc":["body","data_type"],"msg":"wrong"}]}', BadRequest),
        (500, b"", ServerError),
        (200, b"<html>", ServerError),
    ],
)
def test_a_refusal_says_what_it_means(status: int, body: bytes, error: type[RingletError]) -> None:
    with pytest.raises(error) as caught:
        drive(w.subscription(APP, "1"), Response(status, body))
    assert SECRET not in str(caught.value)


def test_a_callback_that_proved_nothing_says_what_it_has_to_do() -> None:
    flaw = b'{"detail":[{"type":"value_error","loc":["body","callback_url"],"msg":"it answered 500"}]}'
    with pytest.raises(BadRequest, match="it answered 500") as caught:
        drive(w.subscribe(APP, "https://a/", "t", "update", "sleep"), Response(422, flaw))
    assert "challenge" in caught.value.cure
    assert caught.value.status == 422


def test_nothing_is_sent_without_a_secret_or_for_no_id() -> None:
    with pytest.raises(UsageError):
        next(w.subscriptions(App(client_id="id")))
    for id in ("", "../x", "a/b", "a?b", "a b"):
        with pytest.raises(UsageError):
            next(w.subscription(APP, id))
