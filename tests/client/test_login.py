"""The steps of signing in, driven by hand: what is asked, what may come back, and the proof that it lasts."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._api.wire import Response
from ringlet._client.login import LoginAttempt
from ringlet._oauth.grant import OURA_HOSTS, App, Hosts, s256
from ringlet.errors import ConnectionFailed, OAuthError, ServerError, UsageError

OLDER_TOKEN_URL, NEWER_TOKEN_URL = "https://older.test/token", "https://newer.test/token"
HOSTS = Hosts(
    authorize="https://id.test/authorize",
    token=(OLDER_TOKEN_URL, NEWER_TOKEN_URL),
    revoke="https://older.test/revoke",
)
APP = App(client_id="an app", client_secret="hush", redirect_uri="http://localhost:8765/callback")
FIRST_TOKEN_RESPONSE = Response(200, b'{"access_token":"first","refresh_token":"once","expires_in":86400}')
SECOND_TOKEN_RESPONSE = Response(200, b'{"access_token":"second","refresh_token":"twice","expires_in":86400}')
INVALID_REQUEST_RESPONSE = Response(400, b'{"error":"invalid_request"}')


def clock():
    return 1000.0


def finish(under_way, returned, *answers):
    """Where requests went, and the tokens."""
    flow = under_way.finish(returned, clock=clock)
    try:
        asked = [next(flow)]
        for answer in answers:
            following = flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer)
            asked.append(following)
    except StopIteration as done:
        return [one.path for one in asked] if answers else [], done.value
    raise AssertionError(f"still asking after {asked}")


def query(under_way, **more):
    return urlencode({"code": "a code", "scope": "extapi:daily", "state": under_way.state} | more)


def test_each_sign_in_has_a_new_state_and_pkce():
    one, other = LoginAttempt(app=APP, hosts=HOSTS), LoginAttempt(app=APP, hosts=HOSTS)
    assert one.state != other.state
    asked = parse_qs(urlsplit(one.url).query)
    assert asked["state"] == [one.state]
    assert asked["code_challenge"] == [s256(one.pkce.verifier)]
    assert asked["response_type"] == ["code"]
    assert one.state not in repr(one)
    assert "hush" not in one.url


def test_the_tokens_are_renewed_at_once_and_the_renewed_ones_are_the_result():
    under_way = LoginAttempt(app=APP, hosts=HOSTS)
    asked, tokens = finish(under_way, query(under_way), FIRST_TOKEN_RESPONSE, SECOND_TOKEN_RESPONSE)
    assert asked == [OLDER_TOKEN_URL, OLDER_TOKEN_URL]
    assert (tokens.access_token, tokens.refresh_token) == ("second", "twice")
    assert tokens.scopes == {"daily"}, "what the redirect said, where the server does not repeat it"
    assert (tokens.obtained_at, tokens.client_id, tokens.unanswered) == (1000.0, "an app", 0)


def test_an_application_of_the_newer_host_is_found_out_and_renewed_there():
    under_way = LoginAttempt(app=APP, hosts=HOSTS)
    asked, tokens = finish(
        under_way, query(under_way), Response(401), FIRST_TOKEN_RESPONSE, SECOND_TOKEN_RESPONSE
    )
    assert asked == [OLDER_TOKEN_URL, NEWER_TOKEN_URL, NEWER_TOKEN_URL]
    assert tokens.token_url == NEWER_TOKEN_URL


def test_an_application_that_only_the_newer_host_renews_is_found_out_now_and_not_tomorrow():
    under_way = LoginAttempt(app=APP, hosts=HOSTS)
    asked, tokens = finish(
        under_way, query(under_way), FIRST_TOKEN_RESPONSE, INVALID_REQUEST_RESPONSE, SECOND_TOKEN_RESPONSE
    )
    assert asked == [OLDER_TOKEN_URL, OLDER_TOKEN_URL, NEWER_TOKEN_URL]
    assert tokens.token_url == NEWER_TOKEN_URL


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ((INVALID_REQUEST_RESPONSE, INVALID_REQUEST_RESPONSE), OAuthError),
        ((ConnectionFailed("reset"),), ConnectionFailed),
    ],
    ids=["refused", "lost"],
)
def test_tokens_that_cannot_be_renewed_are_no_sign_in(answers, error):
    under_way = LoginAttempt(app=APP, hosts=HOSTS)
    with pytest.raises(error):
        finish(under_way, query(under_way), FIRST_TOKEN_RESPONSE, *answers)


@pytest.mark.parametrize(
    "shape",
    ["{q}", "?{q}", "http://localhost:8765/callback?{q}", "localhost:8765/callback?{q}\n", " {q}#_=_"],
)
def test_an_address_may_be_pasted_in_whole_or_in_part(shape):
    under_way = LoginAttempt(app=APP, hosts=HOSTS)
    _, tokens = finish(
        under_way, shape.format(q=query(under_way)), FIRST_TOKEN_RESPONSE, SECOND_TOKEN_RESPONSE
    )
    assert tokens.access_token == "second"


@pytest.mark.parametrize("changed", [{"state": "another"}, {"state": ""}, {"state": "é"}])
@pytest.mark.parametrize("kind", [{}, {"error": "access_denied"}])
def test_an_answer_to_another_sign_in_is_not_believed(changed, kind):
    under_way = LoginAttempt(app=APP, hosts=HOSTS)
    with pytest.raises(OAuthError, match="another sign-in"):
        finish(under_way, query(under_way, **kind, **changed))


def test_a_refusal_quotes_the_description_of_the_server():
    under_way = LoginAttempt(app=APP, hosts=HOSTS)
    refusal = urlencode(
        {"error": "access_denied", "error_description": "The user denied.", "state": under_way.state}
    )
    with pytest.raises(OAuthError, match=r"access_denied: The user denied\."):
        finish(under_way, refusal)


@given(st.text())
def test_any_other_pasted_text_is_a_clear_error(text):
    with pytest.raises((UsageError, OAuthError)):
        finish(LoginAttempt(app=APP, hosts=HOSTS), text)


def test_an_implicit_answer_contains_the_token_and_needs_no_request():
    under_way = LoginAttempt(app=APP, hosts=HOSTS, implicit=True)
    assert "code_challenge" not in under_way.url
    assert "response_type=token" in under_way.url
    said = {"access_token": "given", "expires_in": "2592000", "scope": "daily", "state": under_way.state}
    asked, tokens = finish(under_way, f"{APP.redirect_uri}#{urlencode(said)}")
    assert asked == []
    assert (tokens.access_token, tokens.refresh_token, tokens.expires_in) == ("given", None, 2592000)
    assert tokens.expires_at == 1000 + 2592000
    with pytest.raises(ServerError):
        finish(under_way, urlencode(said | {"expires_in": "soon"}))


def test_what_is_an_answer_is_told_before_it_is_believed() -> None:
    by_code = LoginAttempt(app=APP, hosts=OURA_HOSTS)
    without = LoginAttempt(app=APP, hosts=OURA_HOSTS, implicit=True)
    assert by_code.is_answer("http://localhost/callback?code=c&state=s")
    assert by_code.is_answer("error=access_denied")
    assert without.is_answer("http://localhost/callback#access_token=t&state=s")
    for rubbish in ("", "banana", by_code.url, "http://localhost/callback", "?code="):
        assert not by_code.is_answer(rubbish)
        assert not without.is_answer(rubbish)
