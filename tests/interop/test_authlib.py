"""Authlib signs in: the code flow with PKCE, both ways of proving who the application is, and its refresh."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc6749.errors import MismatchingStateException
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from ringlet import SCOPES, Tokens

from .conftest import Oura, Wearer

pytestmark = pytest.mark.interop


def s256(verifier: str) -> str:
    """The S256 challenge of a verifier: RFC 7636 section 4.2."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def granted(token: dict[str, str]) -> frozenset[str]:
    """The granted scopes, in portal names."""
    return Tokens(access_token="", scope=token["scope"]).scopes


def session(oura: Oura, **more: Any) -> OAuth2Session:
    return OAuth2Session(
        oura.client_id,
        oura.client_secret,
        scope=" ".join(SCOPES),
        redirect_uri=oura.redirect_uri,
        code_challenge_method="S256",
        token_endpoint=oura.token_url,
        revocation_endpoint=oura.revoke_url,
        **more,
    )


def who(client: OAuth2Session, oura: Oura) -> str:
    answer = client.get(f"{oura.api}/v2/usercollection/personal_info", timeout=60)
    answer.raise_for_status()
    found: str = answer.json()["id"]
    return found


@pytest.mark.parametrize("proof", ["client_secret_basic", "client_secret_post"])
def test_the_code_flow_with_pkce_and_the_refresh_complete(oura: Oura, wearer: Wearer, proof: str) -> None:
    renewed: list[dict[str, Any]] = []

    def keep(token: dict[str, Any], **_: Any) -> None:
        renewed.append(token)

    with session(oura, token_endpoint_auth_method=proof, update_token=keep) as client:
        verifier = generate_token(48)
        url, state = client.create_authorization_url(oura.authorize_url, code_verifier=verifier)
        asked = parse_qs(urlsplit(url).query)
        assert asked["code_challenge"] == [s256(verifier)]

        back = wearer.allows(url)
        token = client.fetch_token(
            oura.token_url, authorization_response=back, code_verifier=verifier, state=state
        )
        assert granted(token) == set(SCOPES)
        assert who(client, oura) == oura.user_id

        # It renews by itself what it takes for expired.
        client.token = {**token, "expires_at": int(time.time()) - 1}
        assert who(client, oura) == oura.user_id
        [fresh] = renewed
        assert fresh["access_token"] != token["access_token"]
        assert fresh["refresh_token"] != token["refresh_token"]

        # And at its word.
        again = client.refresh_token(oura.token_url, refresh_token=fresh["refresh_token"])
        assert again["access_token"] != fresh["access_token"]
        assert who(client, oura) == oura.user_id


def test_a_verifier_that_does_not_match_is_refused(oura: Oura, wearer: Wearer) -> None:
    with session(oura) as client:
        url, state = client.create_authorization_url(oura.authorize_url, code_verifier=generate_token(48))
        with pytest.raises(OAuthError, match="invalid_grant"):
            client.fetch_token(
                oura.token_url,
                authorization_response=wearer.allows(url),
                code_verifier=generate_token(48),
                state=state,
            )


def test_another_state_is_refused_by_it(oura: Oura, wearer: Wearer) -> None:
    """The cloud hands the state back untouched, so that a client can tell."""
    with session(oura) as client:
        verifier = generate_token(48)
        url, _ = client.create_authorization_url(oura.authorize_url, code_verifier=verifier)
        with pytest.raises(MismatchingStateException):
            client.fetch_token(
                oura.token_url,
                authorization_response=wearer.allows(url),
                code_verifier=verifier,
                state="another",
            )


@pytest.mark.parametrize("proof", ["client_secret_basic", "client_secret_post"])
def test_it_asks_about_a_grant_and_ends_it(oura: Oura, wearer: Wearer, proof: str) -> None:
    with session(oura, token_endpoint_auth_method=proof, revocation_endpoint_auth_method=proof) as client:
        verifier = generate_token(48)
        url, state = client.create_authorization_url(oura.authorize_url, code_verifier=verifier)
        token = client.fetch_token(
            oura.token_url, authorization_response=wearer.allows(url), code_verifier=verifier, state=state
        )

        def told(name: str) -> dict[str, Any]:
            answer: dict[str, Any] = client.introspect_token(oura.introspect_url, token=token[name]).json()
            return answer

        alive = told("access_token")
        assert (alive["active"], alive["client_id"], alive["sub"]) == (True, oura.client_id, oura.user_id)
        assert granted(alive) == set(SCOPES)
        assert told("refresh_token")["active"]

        for _ in range(2):  # the second time there is nothing left to end, and that is well, too
            assert client.revoke_token(oura.revoke_url, token=token["refresh_token"]).status_code == 200
        assert told("access_token") == told("refresh_token") == {"active": False}
        answer = client.get(f"{oura.api}/v2/usercollection/personal_info", timeout=60)
        assert answer.status_code == 401


@pytest.mark.parametrize("issuer", ["", "/oauth/v2/oauth-anonymous"])
def test_what_the_cloud_says_of_itself_is_valid_by_its_rules(oura: Oura, issuer: str) -> None:
    """It takes addresses with https alone, and this cloud is on loopback."""
    answer = requests.get(f"{oura.api}{issuer}/.well-known/openid-configuration", timeout=60)
    said = AuthorizationServerMetadata(json.loads(answer.text.replace("http://", "https://")))
    said.validate()
    assert said["issuer"] == oura.api.replace("http://", "https://") + issuer
