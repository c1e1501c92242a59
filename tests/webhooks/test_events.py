"""Events at both ends, by hand: what is signed is believed, and nothing else is; nothing crashes."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._oauth.grant import App
from ringlet._webhooks import events as w
from ringlet.errors import EventRejected, UsageError

from ..signed_events import EVENT, HEADERS, NOW, SECRET, TAMPERED

APP = App(client_id="id", client_secret=SECRET)

texts = st.text(st.characters(exclude_categories=["Cs"]))
some_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=128)
events = st.builds(
    w.Event,
    event_type=st.sampled_from(w.EVENT_TYPES),
    data_type=st.sampled_from(w.DATA_TYPES),
    object_id=words,
    event_time=words,
    user_id=words,
)


# --- Signing ---


def test_the_signature_is_what_the_documents_say() -> None:
    expected = hmac.new(SECRET.encode(), b"1770000000" + EVENT.body, hashlib.sha256).hexdigest().upper()
    assert HEADERS["x-oura-signature"] == expected
    assert HEADERS["x-oura-timestamp"] == "1770000000"


@given(events)
def test_who_decodes_a_body_and_encodes_it_again_has_the_same_bytes(event: w.Event) -> None:
    again = json.dumps(json.loads(event.body), separators=(",", ":"), ensure_ascii=False)  # JSON.stringify
    assert again.encode() == event.body


@given(events, st.integers(0, 4_000_000_000), some_text)
def test_what_one_end_signs_the_other_believes(event: w.Event, at: int, secret: str) -> None:
    headers = w.signed_headers(secret, event.body, now=at)
    assert w.verify(secret, headers, event.body, now=at) == event


@pytest.mark.parametrize("seconds", [-300, -1, 0, 1, 299.9, 300])
def test_five_minutes_are_lately(seconds: float) -> None:
    assert w.verify(SECRET, HEADERS, EVENT.body, now=NOW + seconds) == EVENT


def test_case_neither_of_headers_nor_of_hex_matters() -> None:
    shouted = {name.upper(): value.lower() for name, value in HEADERS.items()}
    assert w.verify(SECRET, shouted, EVENT.body, now=NOW) == EVENT


def test_while_a_secret_is_changed_both_are_believed() -> None:
    assert w.verify(["new", SECRET], HEADERS, EVENT.body, now=NOW) == EVENT


@pytest.mark.parametrize("secret", ["", [], ["", SECRET]])
def test_with_an_empty_secret_nothing_is_believed(secret: str | list[str]) -> None:
    """Anybody can sign with it."""
    with pytest.raises(UsageError) as refused:
        w.verify(secret, w.signed_headers("", EVENT.body, now=NOW), EVENT.body, now=NOW)
    assert refused.value.cure


def test_with_an_empty_token_no_challenge_is_answered() -> None:
    for query in ({"challenge": "c"}, {"challenge": "c", "verification_token": ""}):
        with pytest.raises(UsageError) as refused:
            w.answer_challenge("", query)
        assert refused.value.cure


# --- What is refused ---


@pytest.mark.parametrize(("headers", "body", "now"), TAMPERED.values(), ids=TAMPERED)
def test_whatever_was_tampered_with_is_refused(headers: dict[str, str], body: bytes, now: float) -> None:
    with pytest.raises(EventRejected) as caught:
        w.verify(SECRET, headers, body, now=now)
    assert caught.value.status in (400, 401, 413)
    assert SECRET not in str(caught.value) + caught.value.cure


@given(st.dictionaries(texts, texts), st.binary(), st.floats(0, 4e9))
def test_rubbish_is_refused_and_nothing_crashes(headers: dict[str, str], body: bytes, now: float) -> None:
    with pytest.raises(EventRejected):
        w.verify(SECRET, headers, body, now=now)


@given(events, st.data())
def test_no_byte_of_a_delivery_can_be_changed(event: w.Event, data: st.DataObject) -> None:
    body = bytearray(event.body)
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(EventRejected):
        w.verify(SECRET, w.signed_headers(SECRET, event.body, now=NOW), bytes(body), now=NOW)


# --- The challenge ---


@given(some_text, texts)
def test_a_challenge_that_knows_the_token_is_answered(token: str, challenge: str) -> None:
    body = w.answer_challenge(token, {"verification_token": token, "challenge": challenge})
    assert w.is_proof(200, body, challenge)
    assert not w.is_proof(201, body, challenge)
    assert not w.is_proof(200, body, challenge + "x")


def test_a_challenge_that_is_no_text_is_refused() -> None:
    with pytest.raises(EventRejected):
        w.answer_challenge("hush", {"verification_token": "hush", "challenge": "\ud800"})


@pytest.mark.parametrize("query", [{}, {"challenge": "c"}, {"verification_token": "other", "challenge": "c"}])
def test_a_challenge_that_does_not_know_the_token_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(EventRejected) as caught:
        w.answer_challenge("hush", query)
    assert caught.value.status == 401
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"c", b"[]", b'{"challenge":1}', b'{"challenge":null}', b"[" * 9999])
def test_another_answer_proves_nothing(body: bytes) -> None:
    assert not w.is_proof(200, body, "c")


def test_a_callback_keeps_its_own_query() -> None:
    assert w.challenge_url("https://a.example/x?team=1", "t&", "c=") == (
        "https://a.example/x?team=1&verification_token=t%26&challenge=c%3D"
    )


# --- What an event says ---


def test_an_event_knows_its_row_of_the_table() -> None:
    assert EVENT.kind is w.WEBHOOK_KINDS["sleep"]
    assert w.WEBHOOK_KINDS["vo2_max"].name == "vO2_max"
    assert "heartrate" not in w.WEBHOOK_KINDS
    meal = w.Event(event_type="create", data_type="meal", object_id="1", event_time="", user_id="")
    assert meal.kind is None


@given(events, events)
def test_a_key_is_an_events_own(one: w.Event, other: w.Event) -> None:
    assert (one.key == other.key) == (one == other)
