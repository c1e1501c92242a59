"""The token, revocation and introspection endpoints as an application sees them."""

import json
import sqlite3
from contextlib import closing

import pytest

from ringlet._cloud.core.bodies import MAX_BODY_BYTES
from ringlet._oauth.grant import Pkce
from ringlet._oauth.scopes import SCOPES, scope_set

from ...paths import SAMPLES
from ..scripted_browser import (
    AUTHORIZE,
    ENDPOINT_PATHS,
    REVOKE,
    TOKEN,
    URI,
    Browser,
    assert_oauth_error,
    redirect_query,
)


@pytest.fixture
def browser(live):
    return Browser(
        live,
        *live.cloud.grants.apps.register("Sleep <i>Lab</i>", [URI, "https://lab.example/cb?keep=1"]),
    )


# --- The whole way ---


@pytest.mark.parametrize("family", ENDPOINT_PATHS)
def test_the_whole_way_from_consent_to_data_and_out_again(live, browser, family):
    authorize, token, revoke = ENDPOINT_PATHS[family]
    browser.path = authorize
    pair = Pkce.new()
    query = browser.query(code_challenge=pair.challenge, code_challenge_method="S256")
    came = redirect_query(browser.decide(query))
    assert came["state"] == "s t&ä"
    assert scope_set(came["scope"]) == set(SCOPES)
    answer = browser.redeem(came["code"], token, code_verifier=pair.verifier)
    assert answer.status == 200
    issued = answer.json
    assert issued["expires_in"] == 2_591_999
    assert live("sleep", token=issued["access_token"]).status == 200
    renewed = browser.renew(issued["refresh_token"], token).json
    assert renewed["refresh_token"] != issued["refresh_token"]
    assert live("sleep", token=renewed["access_token"]).status == 200
    assert live(revoke, {"access_token": renewed["access_token"]}, method="POST").status == 200
    assert live("sleep", token=renewed["access_token"]).status == 401


def test_the_newer_token_answer_is_shaped_as_seen_live(browser):
    if not SAMPLES.exists():
        pytest.skip("the recorded answers are not beside this checkout")
    recorded = json.loads((SAMPLES / "oauth/token_response.json").read_bytes())
    issued = browser.redeem(browser.code(scope="email personal daily"), ENDPOINT_PATHS["newer"][1]).json
    assert set(issued) == set(recorded)
    for name in ("token_type", "expires_in", "scope", "id_token"):
        assert issued[name] == recorded[name]


def test_the_older_token_answer_is_shaped_as_documented(docs):
    if not SAMPLES.exists():
        pytest.skip("the recorded answers are not beside this checkout")
    recorded = json.loads((SAMPLES / "oauth/token_response_legacy_docs.json").read_bytes())
    browser = Browser(docs, *docs.cloud.grants.apps.register("Lab", [URI]))
    issued = browser.redeem(browser.code()).json
    assert set(recorded) <= set(issued)
    for name in ("token_type", "expires_in"):
        assert issued[name] == recorded[name]


# --- The token endpoint ---


def test_tokens_are_never_stored_on_the_way(browser):
    answer = browser.redeem(browser.code())
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    assert answer.headers["content-type"] == "application/json"


def test_client_authentication_by_header_or_body(live, browser, basic):
    form = {"grant_type": "authorization_code", "redirect_uri": URI}
    by_body = live(
        TOKEN,
        method="POST",
        form=form | {"code": browser.code(), "client_id": browser.client_id, "client_secret": browser.secret},
    )
    by_header = live(
        TOKEN,
        method="POST",
        form=form | {"code": browser.code()},
        headers=basic(browser.client_id, browser.secret),
    )
    assert by_body.status == by_header.status == 200


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic é", "Basic bm9jb2xvbg==", "Basic gICA", "Bearer x"]
)
def test_a_header_that_proves_nothing_is_401_with_a_challenge(browser, header):
    answer = browser.client(TOKEN, method="POST", headers={"authorization": header}, form={"grant_type": "x"})
    assert_oauth_error(answer, "invalid_client", 401)
    assert answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    "wrong", [{"client_id": "nobody"}, {"client_secret": "guess"}, {"client_secret": None}]
)
def test_a_body_that_proves_nothing_is_401(browser, wrong):
    code = browser.code()
    assert_oauth_error(browser.redeem(code, **wrong), "invalid_client", 401)
    assert browser.redeem(code).status == 200, "nobody spends another's code by knocking"


def test_a_public_application_exchanges_with_pkce_alone(live):
    client_id, _ = live.cloud.grants.apps.register("Public", [URI], public=True)
    browser, pair = Browser(live, client_id, ""), Pkce.new()
    code = browser.code(code_challenge=pair.challenge, code_challenge_method="S256")
    assert browser.redeem(code, client_secret=None, code_verifier=pair.verifier).status == 200


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password", "username": "u", "password": "p"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "unknown", "redirect_uri": URI}, "invalid_grant"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "unknown"}, "invalid_grant"),
    ],
)
@pytest.mark.parametrize("path", [TOKEN, ENDPOINT_PATHS["newer"][1]])
def test_what_cannot_be_granted_is_said_in_both_standards(browser, path, form, error):
    assert_oauth_error(browser.grant(path, **form), error)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"\xff\xfe", b"=" * 100, b"x" * 70_000, b"%zz=%&&&==", b"a=%00"]
)
def test_no_body_breaks_it(browser, body):
    statuses = {413} if len(body) > MAX_BODY_BYTES else {400, 401}
    for path in (TOKEN, REVOKE):
        assert browser.client(path, method="POST", body=body).status in statuses
    assert browser.client(AUTHORIZE, browser.query(), method="POST", body=body).status in statuses


# --- What works once ---


def test_a_refresh_token_used_twice_ends_its_family_at_once(live, browser):
    first = browser.redeem(browser.code()).json
    second = browser.renew(first["refresh_token"]).json
    for issued in (first, second):
        assert live("sleep", token=issued["access_token"]).status == 200
    assert (
        "Already Used" in assert_oauth_error(browser.renew(first["refresh_token"]), "invalid_grant")["detail"]
    )
    for issued in (first, second):
        assert live("sleep", token=issued["access_token"]).status == 401
    assert_oauth_error(browser.renew(second["refresh_token"]), "invalid_grant")


def test_a_challenge_of_other_letters_breaks_nothing(browser):
    code = browser.code(code_challenge="é" * 43, code_challenge_method="S256")
    assert_oauth_error(browser.redeem(code, code_verifier="x" * 43), "invalid_grant")


def test_the_redirect_uri_of_the_exchange_is_that_of_the_request(browser):
    assert_oauth_error(
        browser.redeem(browser.code(), redirect_uri="https://lab.example/cb?keep=1"), "invalid_grant"
    )
    assert_oauth_error(browser.redeem(browser.code(), redirect_uri=None), "invalid_grant")


def test_a_refresh_may_narrow_and_not_widen(live, browser):
    issued = browser.redeem(browser.code(scope="daily heartrate")).json
    assert_oauth_error(browser.renew(issued["refresh_token"], scope="daily email"), "invalid_scope")
    narrow = browser.renew(issued["refresh_token"], scope="extapi:daily").json
    assert narrow["scope"] == "daily"
    assert live("heartrate", token=narrow["access_token"]).status == 401


# --- Revoking ---

SHAPES = {
    "GET, in the query": lambda token: {"query": {"access_token": token}},
    "POST, in the query": lambda token: {"query": {"access_token": token}, "method": "POST"},
    "as Authorization": lambda token: {"headers": {"authorization": f"bearer {token}"}, "method": "POST"},
    "as Authorization, bare": lambda token: {"headers": {"authorization": token}, "method": "POST"},
    "in the form": lambda token: {"form": {"token": token}, "method": "POST"},
    "in the form, by its other name": lambda token: {"form": {"access_token": token}, "method": "POST"},
}


@pytest.mark.parametrize("path", [one[2] for one in ENDPOINT_PATHS.values()])
@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_grant_ends_in_every_recorded_shape_and_401_says_that_it_ended(live, browser, path, which, shape):
    issued = browser.redeem(browser.code()).json
    assert live("sleep", token=issued["access_token"]).status == 200
    request = SHAPES[shape](issued[which])
    assert live(path, **request).status == 200
    assert live("sleep", token=issued["access_token"]).status == 401
    assert_oauth_error(browser.renew(issued["refresh_token"]), "invalid_grant")
    assert live(path, **request).status == 401


def test_revoking_nothing_is_401(live):
    for request in ({}, {"method": "POST"}, {"query": "access_token="}, {"headers": {"authorization": "é"}}):
        assert live(REVOKE, **request).status == 401


# --- Who may ask for what ---


def test_an_application_without_a_redirect_uri_has_no_codes_to_exchange(live):
    browser = Browser(live, *live.cloud.grants.apps.register("Script", []))
    assert_oauth_error(browser.redeem("any"), "unauthorized_client")
    issued = live.cloud.grants.issue(browser.client_id, live.user, ["daily"])
    assert browser.renew(issued.refresh_token).status == 200


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("spo2Daily", {"spo2"}),
        ("extapi:spo2Daily", {"spo2"}),
        ("tag user", {"tag"}),
        ("extapi:stress heart_health ring_configuration", {"stress", "heart_health", "ring_configuration"}),
        ("openid profile daily", {"daily"}),
        ("daily,extapi:reproductive_cycle,metabolic pregnancy research biomarkers", {"daily"}),
        ("openid", set()),
    ],
)
def test_scopes_are_accepted_by_all_their_names_and_gated_ones_are_silently_not_granted(
    browser, asked, granted
):
    came = redirect_query(browser.decide(browser.query(scope=asked)))
    issued = browser.redeem(came["code"]).json
    assert scope_set(came["scope"]) == scope_set(issued["scope"]) == granted


def test_while_the_archive_is_locked_both_endpoints_answer_with_retry_after(make_cloud, tmp_path):
    client = make_cloud(path=tmp_path / "cloud.db")
    browser = Browser(client, *client.cloud.grants.apps.register("Lab", [URI]))
    token = browser.redeem(browser.code()).json["refresh_token"]
    browser.open(browser.query())
    with closing(sqlite3.connect(tmp_path / "cloud.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        renewed = browser.renew(token)
        assert assert_oauth_error(renewed, "temporarily_unavailable", 503)
        assert renewed.headers["retry-after"] == "1"
        assert redirect_query(browser.decide(browser.query()))["error"] == "temporarily_unavailable"
    assert browser.renew(token).status == 200, "nothing was spent by it"
    assert "code" in redirect_query(browser.decide(browser.query()))
