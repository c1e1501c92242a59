"""The authorization endpoint as a browser sees it: consent, redirects and the refusal to redirect."""

import json
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from ringlet._cloud.core.throttle import FREE_FAILURES
from ringlet._oauth.scopes import SCOPES, scope_set
from ringlet.cloud import OAuthRules

from ...paths import SAMPLES
from ..scripted_browser import (
    AUTHORIZE,
    ENDPOINT_PATHS,
    URI,
    Browser,
    Form,
    assert_error_page,
    redirect_fragment,
    redirect_query,
)


def in_front_of(client):
    apps = client.cloud.grants.apps
    return Browser(client, *apps.register("Sleep <i>Lab</i>", [URI, "https://lab.example/cb?keep=1"]))


@pytest.fixture
def browser(live):
    return in_front_of(live)


@pytest.fixture
def implicit(make_cloud):
    """A browser in front of a cloud that offers the implicit grant."""
    return in_front_of(make_cloud(rules=OAuthRules(implicit=True)))


# --- The consent page ---


def test_the_page_names_the_application_and_what_it_asks_for(browser):
    answer = browser.open(browser.query(scope="daily spo2Daily extapi:stress activity"))
    assert answer.status == 200
    page = Form(answer.text)
    assert page.boxes == ["daily", "spo2", "stress"], "aliases are known, unknown scopes dropped"
    assert page.buttons == [("decision", "allow"), ("decision", "deny")]
    assert "Sleep <i>Lab</i> asks for your data" in "".join(page.texts), "shown as text, not as markup"
    assert browser.secret not in answer.text


def test_no_scope_named_means_all(browser):
    assert Form(browser.open(browser.query()).text).boxes == list(SCOPES)
    assert Form(browser.open(browser.query(scope="")).text).boxes == list(SCOPES)


def test_an_unchecked_scope_is_not_granted(live, browser):
    came = redirect_query(
        browser.decide(browser.query(scope="daily heartrate email"), unchecked=("heartrate",))
    )
    assert scope_set(came["scope"]) == {"daily", "email"}
    issued = browser.redeem(came["code"]).json
    assert scope_set(issued["scope"]) == {"daily", "email"}
    assert live("sleep", token=issued["access_token"]).status == 200
    assert live("heartrate", token=issued["access_token"]).status == 401


def test_nothing_ticked_grants_nothing(live, browser):
    came = redirect_query(browser.decide(browser.query(scope="daily"), unchecked=("daily",)))
    assert came["scope"] == ""
    issued = browser.redeem(came["code"]).json
    assert live("sleep", token=issued["access_token"]).status == 401


def test_a_scope_that_was_not_requested_cannot_be_granted(live, browser):
    query = browser.query(scope="daily")
    page = Form(browser.open(query).text)
    form = [*page.hidden.items(), ("granted", "daily"), ("granted", "email"), ("decision", "allow")]
    assert redirect_query(browser.decide(query, form=form))["scope"] == "daily"


@pytest.mark.parametrize("decision", ["deny", "", "Allow", "yes"])
def test_anything_but_allow_is_a_denial(browser, decision):
    came = redirect_query(browser.decide(browser.query(), decision=decision))
    assert came == {
        "error": "access_denied",
        "error_description": "The user denied the request.",
        "state": "s t&ä",
    }


def test_with_several_wearers_the_page_asks_who(live, browser):
    live.cloud.archive.user("second")
    page = Form(browser.open(browser.query()).text)
    assert len(page.users) == 2
    assert "user" not in page.hidden
    came = redirect_query(browser.decide(browser.query(), user="second"))
    token = browser.redeem(came["code"]).json["access_token"]
    assert live.cloud.grants.access(token).user != live.user
    assert_error_page(browser.decide(browser.query(), user="third"), "Unknown user")
    assert_error_page(browser.decide(browser.query()), "Unknown user")


PAGES = ["consent", "refusal"]


@pytest.mark.parametrize("page", PAGES)
def test_pages_cannot_be_framed_stored_or_leak_where_they_came_from(browser, page):
    answer = browser.open(browser.query(client_id="nobody" if page == "refusal" else browser.client_id))
    assert answer.status == (400 if page == "refusal" else 200)
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    for rule in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"):
        assert rule in policy
    assert "script" not in policy
    assert "<script" not in answer.text


def test_the_cookie_is_http_only_and_same_site(browser):
    cookie = browser.open(browser.query()).headers["set-cookie"].lower()
    for part in ("httponly", "samesite=lax", "path=/;", "max-age=43200"):
        assert part in f"{cookie};"
    assert "secure" not in cookie, "this request came without encryption"


# --- Nothing redirects until the redirect URI is known to be the application's ---


def test_an_application_with_several_must_name_one(browser):
    for missing in (None, ""):
        assert_error_page(browser.open(browser.query(redirect_uri=missing)), "Missing Redirect URI Parameter")


def test_an_application_with_one_need_not_name_it(live):
    browser = Browser(live, *live.cloud.grants.apps.register("Lab", [URI]))
    came = redirect_query(browser.decide(browser.query(redirect_uri=None)))
    assert browser.redeem(came["code"], redirect_uri=None).status == 200


def test_a_refused_page_shows_what_it_was_given_as_text(browser):
    answer = assert_error_page(
        browser.open(browser.query(redirect_uri="https://x/<script>alert(1)</script>"))
    )
    assert "<script" not in answer.text


# --- Once it is known, errors go back to the application ---


@pytest.mark.parametrize(
    ("flaw", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"code_challenge": "x" * 43}, "invalid_request"),
        ({"code_challenge": "x" * 43, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "x" * 43, "code_challenge_method": "s256"}, "invalid_request"),
        ({"code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge": "x" * 42, "code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge": "x" * 129, "code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge": "x" * 42 + "\0", "code_challenge_method": "S256"}, "invalid_request"),
    ],
)
def test_a_flaw_goes_back_with_the_state(browser, flaw, error):
    answer = browser.open(browser.query(**flaw))
    came = redirect_fragment(answer) if flaw.get("response_type") == "token" else redirect_query(answer)
    assert came["error"] == error
    assert came["error_description"]
    assert came["state"] == "s t&ä"


def test_without_a_state_none_comes_back(browser):
    assert "state" not in redirect_query(browser.decide(browser.query(state=None)))


def test_a_redirect_uri_keeps_its_own_query(browser):
    uri = "https://lab.example/cb?keep=1"
    answer = browser.decide(browser.query(redirect_uri=uri))
    assert answer.headers["location"].startswith(f"{uri}&code=")
    assert answer.headers["cache-control"] == "no-store"


def test_the_newer_family_says_who_answers(browser):
    """RFC 9207: the same issuer as the metadata names, on refusals too; the older host never said."""
    assert "iss" not in redirect_query(browser.decide(browser.query()))
    browser.path = ENDPOINT_PATHS["newer"][0]
    issuer = browser.client("/oauth/v2/oauth-anonymous/.well-known/openid-configuration").json["issuer"]
    assert redirect_query(browser.decide(browser.query()))["iss"] == issuer
    assert redirect_query(browser.decide(browser.query(), decision="deny"))["iss"] == issuer


def test_parameters_of_other_protocols_are_ignored(browser):
    query = browser.query(prompt="none", nonce="x", display="popup", max_age="0")
    assert redirect_query(browser.decide(query))["code"]


def test_a_user_who_consented_before_is_asked_for_consent_again(browser):
    assert redirect_query(browser.decide(browser.query()))["code"]
    assert Form(browser.open(browser.query()).text).buttons


def test_the_eleventh_wearer_is_refused_until_the_application_is_approved(live, browser):
    for number in range(10):
        live.cloud.archive.user(f"wearer {number}")
        assert "code" in redirect_query(browser.decide(browser.query(), user=f"wearer {number}"))
    came = redirect_query(browser.decide(browser.query(), user="wearer"))
    assert came["error"] == "access_denied"
    assert "not approved" in came["error_description"]
    approve = f"applications/{browser.client_id}/approve"
    assert live.admin(approve, method="POST").json == {"client_id": browser.client_id, "approved": True}
    assert "code" in redirect_query(browser.decide(browser.query(), user="wearer"))
    assert live.admin("applications/nobody/approve", method="POST").status == 404


# --- Consent is given on our page, by whom it was shown to ---


def test_a_decision_without_our_page_is_refused(browser):
    query = browser.query()
    page = Form(browser.open(query).text)
    decided = [("granted", "daily"), ("decision", "allow")]
    ticket = page.hidden["ticket"]
    for forged in ("", "0" * 64, "é", ticket[:-1], f"9{ticket}", ticket.upper()):
        assert_error_page(browser.decide(query, form=[*decided, ("ticket", forged)]), "This page has expired")
    whole = [*page.hidden.items(), *decided]
    for headers in ({}, {"cookie": "ringlet_session="}, {"cookie": "ringlet_session=" + "x" * 43}):
        assert_error_page(
            browser.client(AUTHORIZE, query, method="POST", headers=headers, form=whole), "expired"
        )
    answer = browser.client(AUTHORIZE, query, method="POST", headers=browser.cookies(), form=whole)
    assert redirect_query(answer)["code"]


@pytest.mark.parametrize("first", ["allow", "deny"])
def test_a_decision_is_taken_once(browser, first):
    query = browser.query()
    hidden = Form(browser.open(query).text).hidden

    def decide(decision):
        form = hidden | {"decision": decision}
        return browser.client(AUTHORIZE, query, method="POST", headers=browser.cookies(), form=form)

    assert decide(first).status == 302
    assert_error_page(decide("allow"), "This page has expired")


def test_a_page_left_open_for_an_hour_has_expired(live, browser):
    query = browser.query()
    form = Form(browser.open(query).text).hidden | {"decision": "allow"}
    live.cloud.clock.advance(timedelta(hours=1))
    assert_error_page(
        browser.client(AUTHORIZE, query, method="POST", headers=browser.cookies(), form=form), "expired"
    )


def test_forged_decisions_are_throttled(browser):
    query = browser.query()
    for _ in range(FREE_FAILURES):
        answer = browser.client(AUTHORIZE, query, method="POST", form={"ticket": "x", "decision": "allow"})
    assert answer.status == 400
    answer = browser.client(AUTHORIZE, query, method="POST", form={"ticket": "x", "decision": "allow"})
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) >= 1


def test_a_decision_is_for_the_request_it_was_shown_for(browser):
    """A page opened for little cannot be answered for more."""
    page = Form(browser.open(browser.query(scope="daily")).text)
    form = [*page.hidden.items(), ("granted", "daily"), ("granted", "email"), ("decision", "allow")]
    other = browser.query(scope="daily email")
    assert_error_page(
        browser.client(AUTHORIZE, other, method="POST", headers=browser.cookies(), form=form), "expired"
    )


def test_another_browsers_page_does_not_do(live, browser):
    query = browser.query()
    theirs = Form(Browser(live, browser.client_id, browser.secret).open(query).text)
    browser.open(query)
    form = [*theirs.hidden.items(), ("decision", "allow")]
    assert_error_page(
        browser.client(AUTHORIZE, query, method="POST", headers=browser.cookies(), form=form), "expired"
    )


# --- The implicit grant ---


def test_the_implicit_grant_comes_in_the_fragment_without_a_refresh_token(implicit):
    answer = implicit.decide(implicit.query(response_type="token", scope="daily personal"))
    came = redirect_fragment(answer)
    assert set(came) == {"access_token", "token_type", "expires_in", "scope", "state"}
    assert came["token_type"] == "bearer"
    assert came["scope"] == "personal daily"
    assert implicit.client("sleep", token=came["access_token"]).status == 200
    if SAMPLES.exists():
        recorded = json.loads((SAMPLES / "oauth/implicit_callback_fragment.json").read_bytes())["redirect"]
        assert set(came) == set(dict(parse_qsl(urlsplit(recorded).fragment)))


def test_errors_of_the_implicit_grant_come_in_the_fragment_too(implicit):
    came = redirect_fragment(implicit.decide(implicit.query(response_type="token"), decision="deny"))
    assert came["error"] == "access_denied"
    assert came["state"] == "s t&ä"


@pytest.mark.parametrize(
    ("header", "value"), [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]
)
def test_a_decision_that_another_site_sent_is_refused(live, browser, header, value):
    """A correct cookie and ticket are not enough when the browser itself names another origin."""
    query = browser.query()
    page = Form(browser.open(query).text)
    form = [*page.hidden.items(), ("decision", "allow"), *(("granted", name) for name in page.boxes)]
    sent = browser.cookies() | {header: value, "host": "localhost"}
    assert_error_page(
        live(AUTHORIZE, query, method="POST", form=form, headers=sent), "Sent from another site"
    )
    own = browser.cookies() | {
        "origin": "http://localhost",
        "sec-fetch-site": "same-origin",
        "host": "localhost",
    }
    assert live(AUTHORIZE, query, method="POST", form=form, headers=own).status == 302


def test_a_name_that_is_not_ours_is_not_answered(live):
    """DNS rebinding: a page of another site whose name was pointed at this machine."""
    assert live(AUTHORIZE, headers={"host": "evil.example"}).status == 421
    assert live(AUTHORIZE, headers={"host": "[::1]:8765"}).status == 400
