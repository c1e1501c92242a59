"""Getting a grant, refreshing it and ending it, driven by hand."""

import json

import pytest

from ringlet._api.wire import Response
from ringlet._oauth.flows import exchange, refresh, revoke
from ringlet._oauth.grant import Pkce
from ringlet._oauth.scopes import SCOPES
from ringlet.errors import (
    OAuthError,
    ServerError,
)

from ..paths import SAMPLES
from .driving import (
    APP,
    HOSTS,
    INVALID_GRANT_RESPONSE,
    NEWER_TOKEN_URL,
    OLDER_TOKEN_URL,
    STALE_TOKENS,
    TOKEN_RESPONSE,
    drive,
    form,
)


# --- Getting a grant ---
def test_a_code_is_exchanged_in_a_body_never_in_a_url() -> None:
    pkce = Pkce.new()
    asked, tokens = drive(exchange(APP, HOSTS, "a code", pkce), [TOKEN_RESPONSE])
    assert [(one.method, one.path, one.params, one.bearer) for one in asked] == [
        ("POST", OLDER_TOKEN_URL, {}, False)
    ]
    assert form(asked[0]) == {
        "grant_type": "authorization_code",
        "code": "a code",
        "redirect_uri": APP.redirect_uri,
        "code_verifier": pkce.verifier,
        "client_id": APP.client_id,
        "client_secret": APP.client_secret,
    }
    assert (tokens.access_token, tokens.refresh_token, tokens.token_url) == (
        "fresh",
        "twice",
        OLDER_TOKEN_URL,
    )


@pytest.mark.parametrize("status", [400, 401])
def test_an_application_of_the_newer_host_is_refused_by_the_older_and_tried_at_its_own(status: int) -> None:
    asked, tokens = drive(exchange(APP, HOSTS, "a code"), [Response(status), TOKEN_RESPONSE])
    assert [one.path for one in asked] == [OLDER_TOKEN_URL, NEWER_TOKEN_URL]
    assert asked[0].body == asked[1].body
    assert tokens.token_url == NEWER_TOKEN_URL


def test_when_both_hosts_refuse_the_last_refusal_is_raised() -> None:
    with pytest.raises(OAuthError) as caught:
        drive(exchange(APP, HOSTS, "a code"), [Response(401), INVALID_GRANT_RESPONSE])
    assert (caught.value.error, caught.value.description, caught.value.status) == (
        "invalid_grant",
        "no such token",
        400,
    )


def test_a_code_that_was_recognised_and_refused_is_tried_nowhere_else() -> None:
    with pytest.raises(OAuthError) as caught:
        drive(exchange(APP, HOSTS, "a code"), [INVALID_GRANT_RESPONSE])
    assert caught.value.error == "invalid_grant"


@pytest.mark.parametrize(
    ("older", "newer", "raised"),
    [
        ("invalid_scope", "invalid_client", "invalid_scope"),
        ("invalid_request", "invalid_client", "invalid_request"),
        ("invalid_client", "invalid_request", "invalid_request"),
        ("invalid_client", "unsupported_grant_type", "unsupported_grant_type"),
        ("unauthorized_client", "invalid_scope", "invalid_scope"),
    ],
)
def test_when_both_hosts_refuse_the_refusal_that_tells_most_is_raised(
    older: str, newer: str, raised: str
) -> None:
    answers = [Response(400, json.dumps({"error": error}).encode()) for error in (older, newer)]
    with pytest.raises(OAuthError) as caught:
        drive(exchange(APP, HOSTS, "a code"), answers)
    assert caught.value.error == raised


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_any_other_refusal_is_final_because_the_code_may_be_spent(status: int) -> None:
    with pytest.raises((OAuthError, ServerError)):
        drive(exchange(APP, HOSTS, "a code"), [Response(status)])


@pytest.mark.parametrize(
    ("body", "error", "description"),
    [
        (b"", "invalid_request", ""),
        (b"<html>", "invalid_request", ""),
        (b'{"error":"\xff"}', "invalid_request", ""),
        (b"[" * 100_000, "invalid_request", ""),
        (b'{"error":"invalid_client"}', "invalid_client", ""),
        (b'{"status":400,"title":"Bad","detail":"more words"}', "invalid_request", "more words"),
        (b'{"title":"Bad"}', "invalid_request", "Bad"),
    ],
)
def test_a_refusal_in_any_shape_is_a_grant_error(body: bytes, error: str, description: str) -> None:
    with pytest.raises(OAuthError) as caught:
        drive(refresh(APP, HOSTS, STALE_TOKENS), [Response(400, body)] * 2)
    assert (caught.value.error, caught.value.description) == (error, description)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"<html>hush", b'{"access_token":7}', b'{"access_token":"\xff"}']
)
def test_a_token_endpoint_that_answers_something_else_is_broken(body: bytes) -> None:
    with pytest.raises(ServerError) as caught:
        drive(exchange(APP, HOSTS, "a code"), [Response(200, body)])
    assert "hush" not in str(caught.value)


@pytest.mark.skipif(not SAMPLES.exists(), reason="the recorded answers lie beside the checkout")
@pytest.mark.parametrize("name", ["token_response", "token_response_legacy_docs"])
def test_recorded_grants(name: str) -> None:
    body = (SAMPLES / "oauth" / f"{name}.json").read_bytes()
    _, tokens = drive(exchange(APP, HOSTS, "a code"), [Response(200, body)])
    raw = json.loads(body)
    assert tokens.access_token == raw["access_token"]
    assert tokens.expires_in == raw["expires_in"]
    assert tokens.scopes <= SCOPES.keys()
    assert len(tokens.scopes) == len(raw.get("scope", "").split())


# --- Ending ---
@pytest.mark.parametrize("status", [200, 204, 401])
def test_a_grant_is_ended_and_one_that_had_ended_already_is_done_too(status: int) -> None:
    asked, _ = drive(revoke(HOSTS, "hush token"), [Response(status)])
    assert [(one.method, one.path, one.params, one.bearer) for one in asked] == [
        ("POST", HOSTS.revoke, {}, False)
    ]
    assert form(asked[0])["token"] == "hush token"


@pytest.mark.parametrize(("status", "error"), [(400, OAuthError), (403, OAuthError), (500, ServerError)])
def test_a_revocation_that_is_refused_says_so(status: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        drive(revoke(HOSTS, "hush token"), [Response(status)])
