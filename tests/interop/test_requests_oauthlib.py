"""requests-oauthlib signs in: the code flow, with PKCE and without, the implicit one, and its own refresh."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests
from oauthlib.oauth2 import MobileApplicationClient
from oauthlib.oauth2.rfc6749.errors import InvalidGrantError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from ringlet import SCOPES

from .conftest import Oura, Wearer

pytestmark = pytest.mark.interop


@pytest.fixture(autouse=True)
def _plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """It speaks to https only, unless told that this is a test."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


def session(oura: Oura, **more: Any) -> OAuth2Session:
    return OAuth2Session(oura.client_id, redirect_uri=oura.redirect_uri, scope=list(SCOPES), **more)


def sign_in(client: OAuth2Session, oura: Oura, wearer: Wearer) -> dict[str, Any]:
    url, _ = client.authorization_url(oura.authorize_url)
    token: dict[str, Any] = client.fetch_token(
        oura.token_url, authorization_response=wearer.allows(url), client_secret=oura.client_secret
    )
    return token


def who(client: OAuth2Session, oura: Oura) -> str:
    answer = client.get(f"{oura.api}/v2/usercollection/personal_info", timeout=60)
    answer.raise_for_status()
    found: str = answer.json()["id"]
    return found


@pytest.mark.parametrize("pkce", [None, "S256"])
def test_the_code_flow_and_the_automatic_refresh_complete(
    oura: Oura, wearer: Wearer, pkce: str | None
) -> None:
    """What it asked for is what it was granted: a changed scope would be its warning, hence an error here."""
    renewed: list[dict[str, Any]] = []
    with session(
        oura,
        pkce=pkce,
        auto_refresh_url=oura.token_url,
        auto_refresh_kwargs={"client_id": oura.client_id, "client_secret": oura.client_secret},
        token_updater=renewed.append,
    ) as client:
        token = sign_in(client, oura, wearer)
        assert who(client, oura) == oura.user_id
        assert renewed == []

        client.token = {**token, "expires_at": time.time() - 1}
        assert who(client, oura) == oura.user_id
        [fresh] = renewed
        assert fresh["access_token"] != token["access_token"]
        assert fresh["refresh_token"] != token["refresh_token"]


def test_a_refresh_token_that_was_spent_is_its_invalid_grant(oura: Oura, wearer: Wearer) -> None:
    with session(oura) as client:
        token = sign_in(client, oura, wearer)
        proof = {"client_id": oura.client_id, "client_secret": oura.client_secret}
        client.refresh_token(oura.token_url, refresh_token=token["refresh_token"], **proof)
        with pytest.raises(InvalidGrantError):
            client.refresh_token(oura.token_url, refresh_token=token["refresh_token"], **proof)


@pytest.mark.parametrize("in_header", [True, False], ids=["in the header", "in the body"])
def test_it_proves_itself_either_way_and_ends_the_grant(oura: Oura, wearer: Wearer, in_header: bool) -> None:
    with session(oura) as client:
        url, _ = client.authorization_url(oura.authorize_url)
        token = client.fetch_token(
            oura.token_url,
            authorization_response=wearer.allows(url),
            client_secret=oura.client_secret,
            include_client_id=not in_header,
        )
        assert who(client, oura) == oura.user_id
        where, headers, body = client._client.prepare_token_revocation_request(
            oura.revoke_url,
            token["refresh_token"],
            "refresh_token",
            **({} if in_header else {"client_id": oura.client_id, "client_secret": oura.client_secret}),
        )
        proof = HTTPBasicAuth(oura.client_id, oura.client_secret) if in_header else None
        answer = requests.post(where, data=body, headers=headers, auth=proof, timeout=60)
        assert answer.status_code == 200
        assert client.get(f"{oura.api}/v2/usercollection/personal_info", timeout=60).status_code == 401


def test_the_implicit_flow_completes_and_does_not_renew(oura: Oura, wearer: Wearer) -> None:
    page = MobileApplicationClient(oura.client_id)
    with session(oura, client=page) as client:
        url, _ = client.authorization_url(oura.authorize_url)
        token = client.token_from_fragment(wearer.allows(url))
        assert "refresh_token" not in token
        assert who(client, oura) == oura.user_id
