"""Requests with a token, and its renewal, driven by hand."""

from dataclasses import replace

import msgspec
import pytest

from ringlet._api.wire import WAITED, Request, Response, ask
from ringlet._oauth.flows import exchange, refresh
from ringlet._oauth.grant import App, Tokens
from ringlet._oauth.renewal import MAX_UNANSWERED, renew, with_token
from ringlet.client import MemoryTokenStore
from ringlet.errors import (
    ConnectionFailed,
    InsufficientScope,
    InvalidToken,
    NotSignedIn,
    OAuthError,
    ServerError,
)

from .driving import (
    APP,
    DATA_REQUEST,
    EXPIRED_RESPONSE,
    FRESH_TOKENS,
    HOSTS,
    INVALID_GRANT_RESPONSE,
    MISSING_SCOPE_RESPONSE,
    NEWER_TOKEN_URL,
    NOW,
    OLDER_TOKEN_URL,
    POLL_PAUSE,
    STALE_TOKENS,
    STORED_TOKENS,
    TOKEN_RESPONSE,
    at,
    drive,
    fixed_clock,
)


# --- Renewing ---
def test_a_grant_is_renewed_where_it_was_given_and_a_judgement_there_is_final() -> None:
    asked, tokens = drive(refresh(APP, HOSTS, STALE_TOKENS), [TOKEN_RESPONSE])
    assert [one.path for one in asked] == [NEWER_TOKEN_URL]
    assert tokens == FRESH_TOKENS
    with pytest.raises(OAuthError):
        drive(refresh(APP, HOSTS, STALE_TOKENS), [INVALID_GRANT_RESPONSE])


def test_a_host_that_does_not_know_the_application_any_more_is_not_the_last_one_asked() -> None:
    asked, tokens = drive(refresh(APP, HOSTS, STALE_TOKENS), [Response(400), TOKEN_RESPONSE])
    assert [one.path for one in asked] == [NEWER_TOKEN_URL, OLDER_TOKEN_URL]
    assert tokens.token_url == OLDER_TOKEN_URL


def test_an_application_that_is_known_to_be_the_newer_host_s_is_asked_for_there_first() -> None:
    asked, _ = drive(exchange(replace(APP, token_url=NEWER_TOKEN_URL), HOSTS, "a code"), [TOKEN_RESPONSE])
    assert [one.path for one in asked] == [NEWER_TOKEN_URL]


def test_a_grant_that_does_not_know_its_host_tries_both() -> None:
    homeless = Tokens(access_token="stale", refresh_token="once")
    asked, tokens = drive(refresh(APP, HOSTS, homeless), [Response(400), TOKEN_RESPONSE])
    assert [one.path for one in asked] == [OLDER_TOKEN_URL, NEWER_TOKEN_URL]
    assert tokens.token_url == NEWER_TOKEN_URL


def test_a_server_that_does_not_rotate_leaves_the_refresh_token_and_the_scope_as_they_were() -> None:
    _, tokens = drive(refresh(APP, HOSTS, STALE_TOKENS), [Response(200, b'{"access_token":"fresh"}')])
    assert (tokens.access_token, tokens.refresh_token, tokens.scope) == ("fresh", "once", "daily")


def test_a_refused_token_is_renewed_once_and_the_request_replayed() -> None:
    token_store = MemoryTokenStore(STALE_TOKENS)
    asked, body = drive(
        with_token(ask(DATA_REQUEST), token_store, APP, HOSTS, clock=fixed_clock),
        [EXPIRED_RESPONSE, TOKEN_RESPONSE, Response(200, b"data")],
    )
    assert [one.path for one in asked] == [DATA_REQUEST.path, NEWER_TOKEN_URL, DATA_REQUEST.path]
    assert [one.headers.get("authorization") for one in asked] == ["Bearer stale", None, "Bearer fresh"]
    assert body == b"data"
    assert token_store.load() == STORED_TOKENS


def test_a_token_refused_even_when_fresh_is_dead() -> None:
    token_store = MemoryTokenStore(STALE_TOKENS)
    with pytest.raises(InvalidToken):
        drive(
            with_token(ask(DATA_REQUEST), token_store, APP, HOSTS, clock=fixed_clock),
            [EXPIRED_RESPONSE, TOKEN_RESPONSE, EXPIRED_RESPONSE],
        )
    assert token_store.load() == STORED_TOKENS, "the rotated token is kept, whatever comes of it"


def test_while_another_renews_the_flow_only_waits_and_then_uses_what_the_other_saved() -> None:
    token_store = MemoryTokenStore(STALE_TOKENS)
    assert token_store.claim(), "the other"
    flow = with_token(ask(DATA_REQUEST), token_store, APP, HOSTS, clock=fixed_clock)
    next(flow)
    assert [flow.send(EXPIRED_RESPONSE), flow.send(WAITED), flow.send(WAITED)] == [
        POLL_PAUSE,
        POLL_PAUSE,
        POLL_PAUSE,
    ]
    token_store.save(FRESH_TOKENS)
    token_store.release()
    replay = flow.send(WAITED)
    assert (replay.path, replay.headers) == (DATA_REQUEST.path, {"authorization": "Bearer fresh"})
    with pytest.raises(StopIteration):
        flow.send(Response(200))
    assert token_store.claim(), "the claim was given back"


def test_when_the_other_gave_up_the_next_in_line_renews() -> None:
    token_store = MemoryTokenStore(STALE_TOKENS)
    assert token_store.claim()
    flow = renew(token_store, APP, HOSTS, stale=STALE_TOKENS, clock=fixed_clock)
    assert next(flow) == POLL_PAUSE
    token_store.release()
    assert flow.send(WAITED).path == NEWER_TOKEN_URL
    with pytest.raises(StopIteration) as done:
        flow.send(TOKEN_RESPONSE)
    assert done.value.value == token_store.load() == STORED_TOKENS


def test_a_grant_that_was_removed_meanwhile_needs_a_new_sign_in() -> None:
    token_store = MemoryTokenStore()
    with pytest.raises(NotSignedIn):
        next(renew(token_store, APP, HOSTS, stale=STALE_TOKENS, clock=fixed_clock))
    assert token_store.claim()


@pytest.mark.parametrize(
    "answer",
    [Response(503), Response(403), Response(429), ConnectionFailed("refused", sent=False)],
    ids=repr,
)
def test_a_renewal_that_fails_without_spending_anything_leaves_the_grant_as_it_was(
    answer: Response | Exception,
) -> None:
    token_store = MemoryTokenStore(STALE_TOKENS)
    with pytest.raises((OAuthError, ServerError, ConnectionFailed)):
        drive(
            with_token(ask(DATA_REQUEST), token_store, APP, HOSTS, clock=fixed_clock),
            [EXPIRED_RESPONSE, answer],
        )
    assert token_store.load() == msgspec.structs.replace(STALE_TOKENS, tried_at=NOW)
    assert token_store.claim()


@pytest.mark.parametrize("answer", [Response(502), Response(504), Response(200, b"<html>")], ids=repr)
def test_a_gateway_that_answers_for_the_server_leaves_doubt_for_as_long_as_it_likes(answer: Response) -> None:
    token_store = MemoryTokenStore(STALE_TOKENS)
    for _ in range(MAX_UNANSWERED + 1):
        with pytest.raises(ServerError):
            drive(renew(token_store, APP, HOSTS, stale=STALE_TOKENS, clock=fixed_clock), [answer])
        assert token_store.load() == noted(1, STALE_TOKENS)


def test_a_renewal_that_is_abandoned_gives_the_claim_back() -> None:
    token_store = MemoryTokenStore(STALE_TOKENS)
    flow = with_token(ask(DATA_REQUEST), token_store, APP, HOSTS, clock=fixed_clock)
    next(flow)
    assert flow.send(EXPIRED_RESPONSE).path == NEWER_TOKEN_URL
    assert not token_store.claim()
    flow.close()
    assert token_store.claim()


def test_a_waiting_flow_that_is_abandoned_leaves_the_other_s_claim_alone() -> None:
    token_store = MemoryTokenStore(STALE_TOKENS)
    assert token_store.claim()
    flow = renew(token_store, APP, HOSTS, stale=STALE_TOKENS, clock=fixed_clock)
    next(flow)
    flow.close()
    assert not token_store.claim()


def test_a_live_token_without_the_scope_is_not_renewed() -> None:
    token_store = MemoryTokenStore(STALE_TOKENS)
    with pytest.raises(InsufficientScope) as caught:
        drive(
            with_token(ask(DATA_REQUEST), token_store, APP, HOSTS, clock=fixed_clock),
            [MISSING_SCOPE_RESPONSE],
        )
    assert caught.value.scope == DATA_REQUEST.scope
    assert token_store.load() == STALE_TOKENS


@pytest.mark.parametrize(
    ("tokens", "app"),
    [(Tokens(access_token="alone"), APP), (STALE_TOKENS, None)],
    ids=["no refresh token", "no application"],
)
def test_what_cannot_be_renewed_is_dead(tokens: Tokens, app: App | None) -> None:
    with pytest.raises(InvalidToken):
        drive(
            with_token(ask(DATA_REQUEST), MemoryTokenStore(tokens), app, HOSTS, clock=fixed_clock),
            [EXPIRED_RESPONSE],
        )


def test_without_tokens_nothing_is_sent() -> None:
    with pytest.raises(NotSignedIn):
        next(with_token(ask(DATA_REQUEST), MemoryTokenStore(), APP, HOSTS, clock=fixed_clock))
    with pytest.raises(NotSignedIn):
        next(refresh(APP, HOSTS, Tokens(access_token="alone")))


# --- Renewing ahead of expiry ---
LIFETIME_S = 30 * 86400
UNEXPIRED_TOKENS = msgspec.structs.replace(STALE_TOKENS, expires_in=LIFETIME_S, obtained_at=NOW)
RENEWAL_PATHS = [NEWER_TOKEN_URL, DATA_REQUEST.path]


@pytest.mark.parametrize(
    ("life", "later", "paths"),
    [
        (LIFETIME_S, LIFETIME_S * 0.94, [DATA_REQUEST.path]),
        (LIFETIME_S, LIFETIME_S * 0.96, RENEWAL_PATHS),
        (600, 500, [DATA_REQUEST.path]),
        (600, 541, RENEWAL_PATHS),
        (40, 19, [DATA_REQUEST.path]),
        (40, 21, RENEWAL_PATHS),
    ],
    ids=["a month", "a month's last twentieth", "minutes", "the last minute", "seconds", "half of seconds"],
)
def test_a_token_is_renewed_before_it_expires_and_no_sooner(
    life: int, later: float, paths: list[str]
) -> None:
    token_store = MemoryTokenStore(msgspec.structs.replace(UNEXPIRED_TOKENS, expires_in=life))
    flow = with_token(ask(DATA_REQUEST), token_store, APP, HOSTS, clock=at(later))
    asked, _ = drive(flow, [TOKEN_RESPONSE, Response(200)][-len(paths) :])
    assert [one.path for one in asked] == paths


@pytest.mark.parametrize(
    "failure", [ConnectionFailed("reset"), Response(503), Response(502), Response(429)], ids=repr
)
def test_when_nobody_renews_the_token_is_used_while_it_lives(failure: Response | Exception) -> None:
    token_store = MemoryTokenStore(UNEXPIRED_TOKENS)
    flow = with_token(ask(DATA_REQUEST), token_store, APP, HOSTS, clock=at(LIFETIME_S - 30))
    asked, _ = drive(flow, [failure, Response(200)])
    assert asked[-1].headers["authorization"] == "Bearer stale"
    asked, _ = drive(
        with_token(ask(DATA_REQUEST), token_store, APP, HOSTS, clock=at(LIFETIME_S - 29)), [Response(200)]
    )
    assert [one.path for one in asked] == [DATA_REQUEST.path], "and not everyone tries anew at once"
    token_store = MemoryTokenStore(UNEXPIRED_TOKENS)
    with pytest.raises((ConnectionFailed, ServerError, OAuthError)):
        drive(with_token(ask(DATA_REQUEST), token_store, APP, HOSTS, clock=at(LIFETIME_S + 1)), [failure])


def test_a_grant_that_turns_out_to_be_dead_is_told_of_at_once() -> None:
    flow = with_token(
        ask(DATA_REQUEST), MemoryTokenStore(UNEXPIRED_TOKENS), APP, HOSTS, clock=at(LIFETIME_S - 30)
    )
    with pytest.raises(OAuthError, match="used elsewhere"):
        drive(flow, [INVALID_GRANT_RESPONSE])


# --- A token that is spent is not sent again ---
def noted(times: int, tokens: Tokens = UNEXPIRED_TOKENS) -> Tokens:
    """The grant as another process left it, that was killed or lost the answer so many times."""
    return msgspec.structs.replace(tokens, unanswered=times, tried_at=NOW)


def test_the_store_knows_that_the_token_goes_out_before_it_does() -> None:
    token_store = MemoryTokenStore(STALE_TOKENS)
    flow = renew(token_store, APP, HOSTS, stale=STALE_TOKENS, clock=fixed_clock)
    assert next(flow).path == NEWER_TOKEN_URL
    assert token_store.load() == msgspec.structs.replace(STALE_TOKENS, unanswered=1, tried_at=NOW)
    flow.close()
    assert token_store.load() == msgspec.structs.replace(STALE_TOKENS, unanswered=1, tried_at=NOW)


def test_a_lost_answer_leaves_the_note_and_the_next_answer_wipes_it() -> None:
    token_store = MemoryTokenStore(STALE_TOKENS)
    with pytest.raises(ConnectionFailed) as lost:
        drive(
            renew(token_store, APP, HOSTS, stale=STALE_TOKENS, clock=fixed_clock), [ConnectionFailed("reset")]
        )
    assert "use the access token until it expires" in lost.value.cure, "to run it again may end the sign-in"
    assert token_store.load() == msgspec.structs.replace(STALE_TOKENS, unanswered=1, tried_at=NOW)
    drive(renew(token_store, APP, HOSTS, stale=STALE_TOKENS, clock=fixed_clock), [TOKEN_RESPONSE])
    assert token_store.load() == STORED_TOKENS


def test_in_doubt_the_access_token_is_used_up_before_the_refresh_token_is_sent_again() -> None:
    token_store = MemoryTokenStore(noted(1))
    asked, _ = drive(
        with_token(ask(DATA_REQUEST), token_store, APP, HOSTS, clock=at(LIFETIME_S - 10)), [Response(200)]
    )
    assert [one.path for one in asked] == [DATA_REQUEST.path]
    flow = with_token(ask(DATA_REQUEST), token_store, APP, HOSTS, clock=at(LIFETIME_S + 10))
    asked, _ = drive(flow, [EXPIRED_RESPONSE, TOKEN_RESPONSE, Response(200)])
    assert [one.path for one in asked] == [DATA_REQUEST.path, *RENEWAL_PATHS]


def test_sent_twice_without_an_answer_it_is_not_sent_a_third_time() -> None:
    with pytest.raises(NotSignedIn, match="sent twice"):
        next(renew(MemoryTokenStore(noted(2)), APP, HOSTS, stale=STALE_TOKENS, clock=fixed_clock))


@pytest.mark.parametrize(("times", "why"), [(0, "used elsewhere"), (1, "earlier renewal was lost")])
def test_a_token_known_to_be_spent_is_forgotten_and_the_reason_told(times: int, why: str) -> None:
    token_store = MemoryTokenStore(noted(times))
    with pytest.raises(OAuthError, match=why) as caught:
        drive(renew(token_store, APP, HOSTS, stale=STALE_TOKENS, clock=fixed_clock), [INVALID_GRANT_RESPONSE])
    assert caught.value.error == "invalid_grant"
    kept = token_store.load()
    assert kept
    assert (kept.access_token, kept.refresh_token) == ("stale", None)
    with pytest.raises(NotSignedIn):
        next(renew(token_store, APP, HOSTS, stale=STALE_TOKENS, clock=fixed_clock))


def test_before_a_grant_is_called_dead_the_store_is_read_again() -> None:
    token_store = MemoryTokenStore(STALE_TOKENS)
    flow = renew(token_store, APP, HOSTS, stale=STALE_TOKENS, clock=fixed_clock)
    next(flow)
    token_store.save(FRESH_TOKENS)
    with pytest.raises(StopIteration) as done:
        flow.send(INVALID_GRANT_RESPONSE)
    assert done.value.value == token_store.load() == FRESH_TOKENS


def test_a_grant_is_not_renewed_on_behalf_of_another_application() -> None:
    theirs = msgspec.structs.replace(STALE_TOKENS, client_id="another app")
    with pytest.raises(NotSignedIn, match="another application") as caught:
        next(renew(MemoryTokenStore(theirs), APP, HOSTS, stale=theirs, clock=fixed_clock))
    assert "OURA_CLIENT_ID" in caught.value.cure


TOKENS_OF_ANOTHER_CLOUD = Tokens(
    access_token="hush", refresh_token="hush", token_url="https://other.test/oauth/token"
)


def test_a_grant_of_another_cloud_is_never_sent() -> None:
    for flow in (
        with_token(
            ask(DATA_REQUEST), MemoryTokenStore(TOKENS_OF_ANOTHER_CLOUD), APP, HOSTS, clock=fixed_clock
        ),
        refresh(APP, HOSTS, TOKENS_OF_ANOTHER_CLOUD),
    ):
        with pytest.raises(NotSignedIn, match="another cloud") as caught:
            next(flow)
        assert "export OURA_API_BASE_URL=https://other.test;" in caught.value.cure
        assert "hush" not in str(caught.value) + caught.value.cure


def test_a_grant_of_another_cloud_that_comes_while_waiting_is_not_sent_either() -> None:
    token_store = MemoryTokenStore(STALE_TOKENS)
    assert token_store.claim(), "the other"
    flow = with_token(ask(DATA_REQUEST), token_store, APP, HOSTS, clock=fixed_clock)
    next(flow)
    assert flow.send(EXPIRED_RESPONSE) == POLL_PAUSE
    token_store.save(TOKENS_OF_ANOTHER_CLOUD)
    token_store.release()
    with pytest.raises(NotSignedIn, match="another cloud"):
        flow.send(WAITED)


@pytest.mark.parametrize("token", ["hush\n", "hush\r\nx-other: 1", " hush", "h\u00fcsh", "hu\x00sh"])
def test_a_token_that_no_header_can_carry_is_refused_before_it_is_sent_and_not_quoted(token: str) -> None:
    with pytest.raises(NotSignedIn) as caught:
        next(
            with_token(
                ask(DATA_REQUEST), MemoryTokenStore(Tokens(access_token=token)), APP, HOSTS, clock=fixed_clock
            )
        )
    assert token.strip() not in str(caught.value) + caught.value.cure


def test_requests_that_want_no_signature_and_waits_pass_unsigned() -> None:
    plain = Request(path="https://id.test/", bearer=False)
    assert drive(with_token(ask(plain), MemoryTokenStore(), None, HOSTS, clock=fixed_clock), [Response(200)])[
        0
    ] == [plain]
    assert next(with_token(ask(POLL_PAUSE), MemoryTokenStore(), None, HOSTS, clock=fixed_clock)) == POLL_PAUSE
