"""The values of a grant: hosts, the authorize URL, PKCE, tokens that do not show their secrets."""

from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._api.wire import Response, ask
from ringlet._oauth.flows import exchange, refresh, revoke
from ringlet._oauth.grant import OURA_HOSTS, App, Hosts, Pkce, Tokens, authorize_url, hosts_at, s256
from ringlet._oauth.renewal import with_token
from ringlet._oauth.scopes import SCOPES, scope_set
from ringlet.client import MemoryTokenStore
from ringlet.errors import (
    OAuthError,
    ServerError,
)

from .driving import APP, DATA_REQUEST, HOSTS, INVALID_GRANT_RESPONSE, NEWER_TOKEN_URL, drive, fixed_clock


# --- Hosts and the authorize URL ---
@pytest.mark.parametrize("url", ["https://api.ouraring.com", "https://api.ouraring.com/"])
def test_oura_s_own_hosts_go_with_oura_s_own_api(url: str) -> None:
    assert hosts_at(url) is OURA_HOSTS


def test_any_other_cloud_has_everything_on_one_port_under_both_families_of_paths() -> None:
    assert hosts_at("http://127.0.0.1:8765/") == Hosts(
        authorize="http://127.0.0.1:8765/oauth/authorize",
        token=("http://127.0.0.1:8765/oauth/token", "http://127.0.0.1:8765/oauth/v2/ext/oauth-token"),
        revoke="http://127.0.0.1:8765/oauth/revoke",
    )


# Printable characters: drawn so, because filtering them throws most drawn texts away.
PRINTABLE = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
TEXT = st.text(PRINTABLE, min_size=1, max_size=40)


@given(TEXT, TEXT, TEXT, st.sets(st.sampled_from([*SCOPES]), min_size=1), st.booleans())
def test_the_authorize_url_says_what_was_meant_and_no_secret(
    client_id: str, redirect_uri: str, state: str, scopes: set[str], with_pkce: bool
) -> None:
    app = App(client_id=client_id, client_secret="hush-app-secret", redirect_uri=redirect_uri)
    pkce = Pkce.new() if with_pkce else None
    url = authorize_url(app, HOSTS, state=state, scopes=scopes, pkce=pkce)
    assert url.startswith(HOSTS.authorize + "?")
    assert url.isascii()
    assert "hush-app-secret" not in url
    said = dict(parse_qsl(urlsplit(url).query, strict_parsing=True))
    assert scope_set(said.pop("scope")) == scopes
    if pkce:
        assert pkce.verifier not in url
        assert said.pop("code_challenge") == pkce.challenge
        assert said.pop("code_challenge_method") == "S256"
    assert said == {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": state,
    }


def test_the_authorize_url_asks_for_every_scope_unless_told_and_leaves_out_what_is_empty() -> None:
    url = authorize_url(App(client_id="an app"), HOSTS, state="s", response_type="token")
    said = dict(parse_qsl(urlsplit(url).query))
    assert said == {
        "response_type": "token",
        "client_id": "an app",
        "scope": " ".join(SCOPES),
        "state": "s",
    }


# --- PKCE ---
def test_pkce_against_the_example_of_rfc_7636_appendix_b() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert s256(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_new_pkce_pair_is_long_enough_url_safe_and_its_own() -> None:
    one, other = Pkce.new(), Pkce.new()
    assert one.verifier != other.verifier
    assert one.challenge == s256(one.verifier)
    assert 43 <= len(one.verifier) <= 128
    assert one.verifier.replace("-", "").replace("_", "").isalnum()


# --- Secrets ---
def test_no_value_shows_its_secrets() -> None:
    pkce = Pkce("hush-verifier", "challenge")
    tokens = Tokens(access_token="hush-access", refresh_token="hush-refresh", scope="daily")
    asked = [
        next(exchange(APP, HOSTS, "hush-code", pkce)),
        next(refresh(APP, HOSTS, tokens)),
        next(revoke(HOSTS, "hush-access")),
        next(with_token(ask(DATA_REQUEST), MemoryTokenStore(tokens), APP, HOSTS, clock=fixed_clock)),
    ]
    assert all(b"hush" in one.body or "hush" in one.headers["authorization"] for one in asked)
    for value in (APP, pkce, tokens, *asked):
        assert "hush" not in repr(value)
        assert "hush" not in str(value)


def test_no_error_shows_the_secrets_that_were_sent() -> None:
    tokens = Tokens(access_token="hush-access", refresh_token="hush-refresh", token_url=NEWER_TOKEN_URL)
    for answer in (INVALID_GRANT_RESPONSE, Response(503), Response(200, b"<html>")):
        with pytest.raises((OAuthError, ServerError)) as caught:
            drive(refresh(APP, HOSTS, tokens), [answer])
        assert "hush" not in repr(caught.value) + caught.value.cure


@given(st.builds(Tokens, access_token=st.text(), refresh_token=st.none() | st.text(), scope=st.text()))
def test_tokens_survive_being_kept(tokens: Tokens) -> None:
    assert msgspec.json.decode(msgspec.json.encode(tokens), type=Tokens) == tokens
