"""What the server says of itself is what it does."""

import pytest

from ringlet._oauth.scopes import scope_set
from ringlet.cloud import OAuthRules

from ..scripted_browser import URI, Browser, redirect_fragment, redirect_query

ROOT = "http://127.0.0.1:8765"
ENDPOINTS = {
    "/.well-known/oauth-authorization-server": ROOT,
    "/.well-known/openid-configuration": ROOT,
    "/oauth/v2/oauth-anonymous/.well-known/openid-configuration": f"{ROOT}/oauth/v2/oauth-anonymous",
}
each_place = pytest.mark.parametrize("place", ENDPOINTS)


def described(client, place):
    answer = client(place)
    assert answer.status == 200
    return answer.json


@each_place
def test_the_issuer_is_the_one_whose_document_this_is(live, place):
    assert described(live, place)["issuer"] == ENDPOINTS[place]


@each_place
@pytest.mark.parametrize("implicit", [True, False])
def test_the_metadata_is_true(make_cloud, basic, place, implicit):
    """Row 15 of the security table: all that it says is tried, and what it leaves out is refused."""
    client = make_cloud(rules=OAuthRules(implicit=implicit))
    said = described(client, place)
    paths = {name: url.removeprefix(ROOT) for name, url in said.items() if name.endswith("_endpoint")}
    browser = Browser(
        client, *client.cloud.grants.apps.register("Lab", [URI]), path=paths["authorization_endpoint"]
    )

    # Scopes, and who answers.
    wanted = " ".join(said["scopes_supported"])
    came = redirect_query(browser.decide(browser.query(scope=wanted)))
    assert scope_set(came["scope"]) == scope_set(wanted)
    if said.get("authorization_response_iss_parameter_supported"):
        assert came["iss"] == said["issuer"]
    else:
        assert "iss" not in came

    # Response types and modes.
    for response_type in ("code", "token", "id_token", "code token"):
        answer = browser.open(browser.query(response_type=response_type))
        assert (answer.status == 200) == (response_type in said["response_types_supported"])
    if implicit:
        assert redirect_fragment(browser.decide(browser.query(response_type="token")))["access_token"]
    assert said["response_modes_supported"] == (["query", "fragment"] if implicit else ["query"])

    # Grant types.
    for grant_type in ("authorization_code", "refresh_token", "password", "client_credentials"):
        error = browser.grant(paths["token_endpoint"], grant_type=grant_type).json["error"]
        assert (error != "unsupported_grant_type") == (grant_type in said["grant_types_supported"])
    assert ("implicit" in said["grant_types_supported"]) == implicit

    # Challenges.
    for method in ("S256", "plain"):
        answer = browser.open(browser.query(code_challenge="x" * 43, code_challenge_method=method))
        assert (answer.status == 200) == (method in said["code_challenge_methods_supported"])

    # Ways of proving who asks.
    public, _ = client.cloud.grants.apps.register("Public", [URI], public=True)
    body = {"client_id": browser.client_id, "client_secret": browser.secret}
    proofs = {
        "client_secret_basic": {"form": {}, "headers": basic(browser.client_id, browser.secret)},
        "client_secret_post": {"form": body},
        "none": {"form": {"client_id": public}},
        "private_key_jwt": {"form": {"client_id": browser.client_id}},
    }
    for endpoint in ("token", "revocation", "introspection"):
        for name, proof in proofs.items():
            form = proof["form"] | {"token": "x", "grant_type": "refresh_token", "refresh_token": "x"}
            answer = client(
                paths[f"{endpoint}_endpoint"], method="POST", form=form, headers=proof.get("headers", {})
            )
            known = answer.status != 401
            assert known == (name in said[f"{endpoint}_endpoint_auth_methods_supported"]), (endpoint, name)
