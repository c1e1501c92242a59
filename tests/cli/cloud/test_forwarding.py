"""Forwarding: a receiver gets each event signed, in order, until it takes it; over real sockets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from ringlet import webhooks as w
from ringlet._api.wire import RetryPolicy
from ringlet._cli.cloud.forwarding import TRIES_BEFORE_SKIP_IS_SUGGESTED, Forwarder, receiver_url
from ringlet.errors import RingletError, UsageError

from ... import signed_events
from ...callback_server import CallbackServer
from ...signed_events import SECRET

EVENT = replace(signed_events.EVENT, user_id="Zoë")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def forwarding(said: list[str]) -> Iterator[Callable[[str], Forwarder]]:
    made: list[Forwarder] = []

    def to(url: str) -> Forwarder:
        made.append(Forwarder(url, SECRET, said.append, RetryPolicy(first_wait_s=0.001, max_wait_s=0.002)))
        return made[-1].__enter__()

    yield to
    for one in made:
        one.__exit__(None, None, None)


Forwarding = Callable[[str], Forwarder]


def test_what_arrives_is_the_very_event_signed_now(
    callback: CallbackServer, forwarding: Forwarding, said: list[str]
) -> None:
    forwarding(callback.url).forward(EVENT)
    [(headers, body)] = callback.events
    assert body == EVENT.body
    assert w.verify(SECRET, headers, body, now=time.time()) == EVENT
    assert said[0].startswith("→ 200  ")


@pytest.mark.parametrize("status", [200, 201, 204, 302, 307])
def test_2xx_and_3xx_are_taken_and_lead_nowhere(
    callback: CallbackServer, forwarding: Forwarding, status: int
) -> None:
    callback.statuses = [status]
    forwarding(callback.url).forward(EVENT)
    assert len(callback.events) == 1


@pytest.mark.parametrize("leads_to", ["/oura/", "http://127.0.0.1/oura/?key=hidden"])
def test_a_slash_that_is_missing_is_told_and_takes_no_event(
    callback: CallbackServer, forwarding: Forwarding, said: list[str], leads_to: str
) -> None:
    callback.statuses, callback.redirect_target = [307, 307, 307], leads_to
    forwarding(callback.url).forward(EVENT)
    assert len(callback.events) == 4
    assert "→ 307, a redirect to http://127.0.0.1" in said[0]
    assert "/oura/: forward to that URL, redirects are not followed" in said[0]
    assert said[-1].startswith("→ 200")
    assert not any("hidden" in one for one in said)


def test_whoever_names_the_slash_then_goes_on_from_the_same_place(forwarding: Forwarding) -> None:
    with_it, without = forwarding("http://here/hook/?key=1"), forwarding("http://here/hook?key=1")
    assert with_it.receiver == without.receiver != forwarding("http://here/hook?key=2").receiver


def test_what_a_receiver_says_of_a_refusal_is_told_in_a_line(
    callback: CallbackServer, forwarding: Forwarding, said: list[str]
) -> None:
    callback.statuses = [401] * 5
    callback.response_body = b"\n\x1b[2Janother secret signed this" + b"!" * 300 + b"\nTraceback"
    forwarding(callback.url).forward(EVENT)
    assert "→ 401 \ufffd[2Janother secret signed this!!" in said[0]
    assert "Traceback" not in said[0]
    assert len(said[0]) < 150
    assert len(said) == 4, "the first, second and fourth try, and that it was taken"


def test_an_event_that_is_not_taken_comes_again_until_it_is(
    callback: CallbackServer, forwarding: Forwarding, said: list[str]
) -> None:
    callback.statuses = [500, None, 429, 400, None]
    forwarder = forwarding(callback.url)
    forwarder.forward(EVENT)
    assert [body for _, body in callback.events] == [EVENT.body] * 6
    assert all(w.verify(SECRET, headers, body, now=time.time()) for headers, body in callback.events)
    assert [one[:5] for one in said if one.startswith("→ ")][-1] == "→ 200"


def test_what_is_told_of_a_failure_is_sparse_and_holds_no_secret(
    callback: CallbackServer, forwarding: Forwarding, said: list[str]
) -> None:
    callback.statuses = [None] * 40
    forwarding(callback.url).forward(EVENT)
    assert len(callback.events) == 41
    assert [int(one.split("try ")[1].split(";")[0]) for one in said[:-1]] == [1, 2, 4, 8, 16, 32]
    assert not any("hidden" in one or SECRET in one for one in said)


def test_how_to_go_on_without_is_told_once_and_not_at_once(callback: CallbackServer) -> None:
    told: list[int] = []
    with Forwarder(
        callback.url,
        SECRET,
        lambda text: None,
        RetryPolicy(first_wait_s=0.001, max_wait_s=0.002),
        on_stuck=lambda: told.append(len(callback.events)),
    ) as forwarder:
        for refusals in (
            TRIES_BEFORE_SKIP_IS_SUGGESTED - 1,
            TRIES_BEFORE_SKIP_IS_SUGGESTED + 3,
            TRIES_BEFORE_SKIP_IS_SUGGESTED,
        ):
            callback.statuses = [500] * refusals
            forwarder.forward(EVENT)
    assert told == [TRIES_BEFORE_SKIP_IS_SUGGESTED + TRIES_BEFORE_SKIP_IS_SUGGESTED], (
        "the fifth time that the second one came"
    )


def test_410_ends_it(callback: CallbackServer, forwarding: Forwarding) -> None:
    callback.statuses = [500, 410]
    with pytest.raises(RingletError, match="410"):
        forwarding(callback.url).forward(EVENT)


def test_a_receiver_proves_itself_or_hears_why_not(callback: CallbackServer, forwarding: Forwarding) -> None:
    callback.token = "token"
    forwarder = forwarding(callback.url)
    forwarder.prove("token")
    assert callback.challenges[0]["key"] == ["hidden"]
    with pytest.raises(RingletError, match="challenge: 401") as refused:
        forwarder.prove("another")
    assert "hidden" not in str(refused.value)
    assert "?" not in forwarder.shown_url


def test_nobody_there_is_told_in_words(forwarding: Forwarding) -> None:
    with pytest.raises(RingletError, match="does not answer its challenge"):
        forwarding("http://127.0.0.1:9/hook").prove("token")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("localhost:8000/oura", "http://localhost:8000/oura"),
        ("8000", "http://localhost:8000"),
        ("http://10.1.2.3/hook?key=1", "http://10.1.2.3/hook?key=1"),
        ("https://example.org", "https://example.org"),
    ],
)
def test_a_receiver_is_named_as_people_type_it(typed: str, meant: str) -> None:
    assert receiver_url(typed) == meant


@pytest.mark.parametrize("typed", ["", "ftp://here/", "http://", "http://me:secret@here/", "http://here/#x"])
def test_what_names_no_receiver_is_refused(typed: str) -> None:
    with pytest.raises(UsageError) as refused:
        receiver_url(typed)
    assert "secret" not in str(refused.value)
    assert "--forward-to" in refused.value.cure


def test_a_port_alone_before_a_path_says_how_it_is_meant() -> None:
    with pytest.raises(UsageError, match="8003 alone before a path") as refused:
        receiver_url("8003/x?key=hidden")
    assert refused.value.cure.endswith("--forward-to localhost:8003/x")
