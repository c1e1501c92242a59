"""OAuth2 as a browser and an application see it: consent, redirects, tokens, revocation."""

import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ringlet.oauth import SCOPES, Pkce, scope_set

SAMPLES = Path(__file__).resolve().parents[2].parent / "shared/reference/samples"
URI = "http://localhost:8080/callback"
FAMILIES = {
    "older": ("/oauth/authorize", "/oauth/token", "/oauth/revoke"),
    "newer": ("/oauth/v2/ext/oauth-authorize", "/oauth/v2/ext/oauth-token", "/oauth/v2/ext/oauth-revoke"),
}
AUTHORIZE, TOKEN, REVOKE = FAMILIES["older"]
same_app = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Form(HTMLParser):
    """What a browser would send of the first form of a page."""

    def __init__(self, page):
        super().__init__()
        self.method = ""
        self.hidden, self.boxes, self.buttons, self.users = {}, [], [], []
        self.texts = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        it = dict(attributes)
        if tag == "form":
            self.method = it["method"]
            assert "action" not in it, "it is sent to where it came from, query and all"
        if tag == "input" and it["type"] == "hidden":
            self.hidden[it["name"]] = it["value"]
        if tag == "input" and it["type"] == "checkbox":
            assert it["name"] == "granted"
            assert "checked" in it
            self.boxes.append(it["value"])
        if tag == "button":
            self.buttons.append((it["name"], it["value"]))
        if tag == "option":
            self.users.append(True)

    def handle_data(self, data):
        self.texts.append(data)


@dataclass
class Browser:
    """Somebody with a cookie jar, in front of one application's authorization request."""

    asked: object
    client_id: str
    secret: str = field(repr=False)
    path: str = AUTHORIZE
    jar: dict = field(default_factory=dict)

    def query(self, **changes):
        wanted = {"response_type": "code", "client_id": self.client_id, "redirect_uri": URI, "state": "s t&ä"}
        return urlencode({k: v for k, v in (wanted | changes).items() if v is not None})

    def cookies(self):
        return {"cookie": "; ".join(f"{k}={v}" for k, v in self.jar.items())} if self.jar else {}

    def open(self, query):
        answer = self.asked(self.path, query, headers=self.cookies())
        if cookie := answer.headers.get("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.jar[name] = value
        return answer

    def decide(self, query, *, untick=(), decision="allow", form=None, **changes):
        page = Form(self.open(query).text)
        assert page.method == "post"
        sent = [
            *(page.hidden | changes).items(),
            *(("granted", one) for one in page.boxes if one not in untick),
        ]
        sent.append(("decision", decision))
        return self.asked(self.path, query, method="POST", headers=self.cookies(), form=form or sent)

    def code(self, **changes):
        return back(self.decide(self.query(**changes)))["code"]

    def redeem(self, code, path=TOKEN, **changes):
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": URI}
        return self.grant(path, **(form | changes))

    def renew(self, token, path=TOKEN, **changes):
        return self.grant(path, **({"grant_type": "refresh_token", "refresh_token": token} | changes))

    def grant(self, path=TOKEN, **form):
        client = {"client_id": self.client_id, "client_secret": self.secret}
        sent = {k: v for k, v in (client | form).items() if v is not None}
        return self.asked(path, method="POST", form=sent)


def back(answer):
    """What a redirect to the application carries."""
    assert answer.status == 302
    assert answer.headers["location"].startswith(f"{URI}?")
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query, keep_blank_values=True))


def fragment(answer):
    where = urlsplit(answer.headers["location"])
    assert where.query == ""
    return dict(parse_qsl(where.fragment, keep_blank_values=True))


def stays(answer, *words):
    """An error page: nothing redirects."""
    assert answer.status == 400
    assert "location" not in answer.headers
    assert answer.headers["content-type"].startswith("text/html")
    for word in words:
        assert word in answer.text
    return answer


def refused(answer, error, status=400):
    """RFC 6749 section 5.2 and RFC 7807 in one body."""
    assert answer.status == status
    body = answer.json
    assert body["error"] == error
    assert body["status"] == status
    assert body["title"]
    assert body["detail"] == body["error_description"]
    assert answer.headers["cache-control"] == "no-store"
    return body


@pytest.fixture
def browser(live):
    return Browser(
        live, *live.cloud.grants.register("Sleep <i>Lab</i>", [URI, "https://lab.example/cb?keep=1"])
    )


# --- The whole way ---


@pytest.mark.parametrize("family", FAMILIES)
def test_the_whole_way_from_consent_to_data_and_out_again(live, browser, family):
    authorize, token, revoke = FAMILIES[family]
    browser.path = authorize
    pair = Pkce.new()
    query = browser.query(code_challenge=pair.challenge, code_challenge_method="S256")
    came = back(browser.decide(query))
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
    issued = browser.redeem(browser.code(scope="email personal daily"), FAMILIES["newer"][1]).json
    assert set(issued) == set(recorded)
    for name in ("token_type", "expires_in", "scope", "id_token"):
        assert issued[name] == recorded[name]


def test_the_older_token_answer_is_shaped_as_documented(docs):
    if not SAMPLES.exists():
        pytest.skip("the recorded answers are not beside this checkout")
    recorded = json.loads((SAMPLES / "oauth/token_response_legacy_docs.json").read_bytes())
    browser = Browser(docs, *docs.cloud.grants.register("Lab", [URI]))
    issued = browser.redeem(browser.code()).json
    assert set(recorded) <= set(issued)
    for name in ("token_type", "expires_in"):
        assert issued[name] == recorded[name]


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


def test_what_is_unticked_is_not_granted(live, browser):
    came = back(browser.decide(browser.query(scope="daily heartrate email"), untick=("heartrate",)))
    assert scope_set(came["scope"]) == {"daily", "email"}
    issued = browser.redeem(came["code"]).json
    assert scope_set(issued["scope"]) == {"daily", "email"}
    assert live("sleep", token=issued["access_token"]).status == 200
    assert live("heartrate", token=issued["access_token"]).status == 401


def test_nothing_ticked_grants_nothing(live, browser):
    came = back(browser.decide(browser.query(scope="daily"), untick=("daily",)))
    assert came["scope"] == ""
    issued = browser.redeem(came["code"]).json
    assert live("sleep", token=issued["access_token"]).status == 401


def test_nobody_can_tick_what_was_not_asked_for(live, browser):
    query = browser.query(scope="daily")
    page = Form(browser.open(query).text)
    form = [*page.hidden.items(), ("granted", "daily"), ("granted", "email"), ("decision", "allow")]
    assert back(browser.decide(query, form=form))["scope"] == "daily"


@pytest.mark.parametrize("decision", ["deny", "", "Allow", "yes"])
def test_anything_but_allow_is_a_denial(browser, decision):
    came = back(browser.decide(browser.query(), decision=decision))
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
    came = back(browser.decide(browser.query(), user="second"))
    token = browser.redeem(came["code"]).json["access_token"]
    assert live.cloud.grants.access(token).user != live.user
    stays(browser.decide(browser.query(), user="third"), "Nobody to sign in")
    stays(browser.decide(browser.query()), "Nobody to sign in")


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


def test_the_cookie_is_for_this_and_nobody_else(browser):
    cookie = browser.open(browser.query()).headers["set-cookie"].lower()
    for part in ("httponly", "samesite=lax", "path=/oauth", "max-age=3600"):
        assert part in cookie


# --- Nothing redirects until the redirect URI is known to be the application's ---

NEAR_MISSES = [
    "http://localhost:8080/callback/",
    "http://localhost:8080/callback?",
    "http://localhost:8080/callback#",
    "http://localhost:8080/callback?x=1",
    "http://localhost:8080/callback#x",
    "http://localhost:8080/Callback",
    "http://LOCALHOST:8080/callback",
    "HTTP://localhost:8080/callback",
    "https://localhost:8080/callback",
    "http://localhost:8081/callback",
    "http://localhost/callback",
    "http://localhost:80/callback",
    "http://localhost:08080/callback",
    "http://localhost.:8080/callback",
    "http://127.0.0.1:8080/callback",
    "http://[::1]:8080/callback",
    "http://user@localhost:8080/callback",
    "http://localhost:8080@evil.example/callback",
    "http://localhost:8080%40evil.example/callback",
    "http://evil.example/?http://localhost:8080/callback",
    "http://localhost:8080/callback/../callback",
    "http://localhost:8080/./callback",
    "http://localhost:8080//callback",
    "http://localhost:8080/callback%2F",
    "http://localhost:8080/%63allback",
    "http://localhost:8080/callback%00",
    "http://localhost:8080/callback\r\nLocation: http://evil.example",
    "http://localhost:8080/callback\nhttps://lab.example/cb?keep=1",
    " http://localhost:8080/callback",
    "http://localhost:8080/callback ",
    "http://localhost:8080\\callback",
    "http:\\\\localhost:8080/callback",
    "//localhost:8080/callback",
    "localhost:8080/callback",
    "/callback",
    "http://loc\u0430lhost:8080/callback",
    "http://localhost:8080/callback\u200b",
    "http\uff1a//localhost:8080/callback",
    "javascript:alert(1)",
    "data:text/html,x",
    "https://lab.example/cb",
    "https://lab.example/cb?keep=2",
    "https://lab.example/cb?keep=1&x",
    "*",
    "http://*/callback",
]


@pytest.mark.parametrize("uri", NEAR_MISSES)
def test_a_redirect_uri_must_match_to_the_character(browser, uri):
    stays(browser.open(browser.query(redirect_uri=uri)), "Redirect URI Not Found")
    stays(
        browser.asked(AUTHORIZE, browser.query(redirect_uri=uri), method="POST", form={"decision": "allow"})
    )
    for flaw in ({"response_type": "nonsense"}, {"code_challenge": "x"}, {"response_type": None}):
        stays(browser.open(browser.query(redirect_uri=uri, **flaw)))


@given(st.integers(0, len(URI)), st.text(max_size=3), st.integers(0, 3))
@example(0, "", 0)
@same_app
def test_any_change_to_the_redirect_uri_stays(browser, at, put_in, left_out):
    changed = URI[:at] + put_in + URI[at + left_out :]
    answer = browser.open(browser.query(redirect_uri=changed))
    if changed == URI:
        assert answer.status == 200
    elif changed:
        stays(answer, "Redirect URI Not Found")


def test_an_application_with_several_must_name_one(browser):
    for missing in (None, ""):
        stays(browser.open(browser.query(redirect_uri=missing)), "Missing Redirect URI Parameter")


def test_an_application_with_one_need_not_name_it(live):
    browser = Browser(live, *live.cloud.grants.register("Lab", [URI]))
    came = back(browser.decide(browser.query(redirect_uri=None)))
    assert browser.redeem(came["code"], redirect_uri=None).status == 200


@pytest.mark.parametrize("id", [None, "", "nobody", "é", "\0"])
def test_an_unknown_application_never_redirects(browser, id):
    stays(browser.open(browser.query(client_id=id)), "Invalid Client ID")
    stays(browser.asked(AUTHORIZE, browser.query(client_id=id), method="POST", form={}), "Invalid Client ID")


@pytest.mark.parametrize(
    "twice", ["client_id", "redirect_uri", "state", "scope", "response_type", "code_challenge"]
)
def test_a_parameter_given_twice_never_redirects(browser, twice):
    query = f"{browser.query(scope='daily')}&{twice}=a&{twice}=a"
    stays(browser.open(query), "Repeated parameter")


def test_a_refused_page_shows_what_it_was_given_as_text(browser):
    answer = stays(browser.open(browser.query(redirect_uri="https://x/<script>alert(1)</script>")))
    assert "<script" not in answer.text


# --- Once it is known, errors go back to the application ---


@pytest.mark.parametrize(
    ("flaw", "error"),
    [
        ({"response_type": None}, "unsupported_response_type"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"code_challenge": "x" * 43}, "invalid_request"),
        ({"code_challenge": "x" * 43, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "x" * 43, "code_challenge_method": "s256"}, "invalid_request"),
    ],
)
def test_a_flaw_goes_back_with_the_state(browser, flaw, error):
    came = back(browser.open(browser.query(**flaw)))
    assert came["error"] == error
    assert came["error_description"]
    assert came["state"] == "s t&ä"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@example("")
@example("a+b%20&=#?/é\u2028")
@same_app
def test_the_state_comes_back_to_the_character(browser, state):
    assert back(browser.decide(browser.query(state=state)))["state"] == state
    assert back(browser.decide(browser.query(state=state), decision="deny"))["state"] == state
    assert fragment(browser.decide(browser.query(state=state, response_type="token")))["state"] == state


def test_without_a_state_none_comes_back(browser):
    assert "state" not in back(browser.decide(browser.query(state=None)))


def test_a_redirect_uri_keeps_its_own_query(browser):
    uri = "https://lab.example/cb?keep=1"
    answer = browser.decide(browser.query(redirect_uri=uri))
    assert answer.headers["location"].startswith(f"{uri}&code=")
    assert answer.headers["cache-control"] == "no-store"


# --- Consent is given on our page, by whom it was shown to ---


def test_a_decision_without_our_page_is_refused(browser):
    query = browser.query()
    page = Form(browser.open(query).text)
    whole = [*page.hidden.items(), ("granted", "daily"), ("decision", "allow")]
    without = [(name, value) for name, value in whole if name != "csrf"]
    for form in (
        without,
        [*without, ("csrf", "")],
        [*without, ("csrf", "0" * 64)],
        [*without, ("csrf", "é")],
    ):
        stays(browser.decide(query, form=form), "This page has expired")
    cookie = browser.cookies()
    for headers in ({}, {"cookie": "ringlet_consent="}, {"cookie": "ringlet_consent=another"}):
        stays(browser.asked(AUTHORIZE, query, method="POST", headers=headers, form=whole), "expired")
    answer = browser.asked(AUTHORIZE, query, method="POST", headers=cookie, form=whole)
    assert back(answer)["code"]


def test_a_decision_is_for_the_request_it_was_shown_for(browser):
    """A page opened for little cannot be answered for more."""
    page = Form(browser.open(browser.query(scope="daily")).text)
    form = [*page.hidden.items(), ("granted", "daily"), ("granted", "email"), ("decision", "allow")]
    other = browser.query(scope="daily email")
    stays(browser.asked(AUTHORIZE, other, method="POST", headers=browser.cookies(), form=form), "expired")


def test_another_browsers_page_does_not_do(live, browser):
    query = browser.query()
    theirs = Form(Browser(live, browser.client_id, browser.secret).open(query).text)
    browser.open(query)
    form = [*theirs.hidden.items(), ("decision", "allow")]
    stays(browser.asked(AUTHORIZE, query, method="POST", headers=browser.cookies(), form=form), "expired")


# --- The implicit grant ---


def test_the_implicit_grant_comes_in_the_fragment_without_a_refresh_token(live, browser):
    answer = browser.decide(browser.query(response_type="token", scope="daily personal"))
    came = fragment(answer)
    assert set(came) == {"access_token", "token_type", "expires_in", "scope", "state"}
    assert came["token_type"] == "bearer"
    assert came["scope"] == "personal daily"
    assert live("sleep", token=came["access_token"]).status == 200
    if SAMPLES.exists():
        recorded = json.loads((SAMPLES / "oauth/implicit_callback_fragment.json").read_bytes())["redirect"]
        assert set(came) == set(dict(parse_qsl(urlsplit(recorded).fragment)))


def test_its_errors_come_in_the_fragment_too(browser):
    came = fragment(browser.decide(browser.query(response_type="token"), decision="deny"))
    assert came["error"] == "access_denied"
    assert came["state"] == "s t&ä"


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
    answer = browser.asked(TOKEN, method="POST", headers={"authorization": header}, form={"grant_type": "x"})
    refused(answer, "invalid_client", 401)
    assert answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    "wrong", [{"client_id": "nobody"}, {"client_secret": "guess"}, {"client_secret": None}]
)
def test_a_body_that_proves_nothing_is_401(browser, wrong):
    code = browser.code()
    refused(browser.redeem(code, **wrong), "invalid_client", 401)
    assert browser.redeem(code).status == 200, "nobody spends another's code by knocking"


def test_a_public_application_exchanges_with_pkce_alone(live):
    client_id, _ = live.cloud.grants.register("Public", [URI], public=True)
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
@pytest.mark.parametrize("path", [TOKEN, FAMILIES["newer"][1]])
def test_what_cannot_be_granted_is_said_in_both_standards(browser, path, form, error):
    refused(browser.grant(path, **form), error)


def test_a_parameter_given_twice_is_refused(browser):
    form = [("grant_type", "refresh_token"), ("refresh_token", "a"), ("refresh_token", "b")]
    client = [("client_id", browser.client_id), ("client_secret", browser.secret)]
    refused(browser.asked(TOKEN, method="POST", form=[*form, *client]), "invalid_request")


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"\xff\xfe", b"=" * 100, b"x" * 70_000, b"%zz=%&&&==", b"a=%00"]
)
def test_no_body_breaks_it(browser, body):
    for path in (TOKEN, REVOKE):
        assert browser.asked(path, method="POST", body=body).status in (400, 401)
    assert browser.asked(AUTHORIZE, browser.query(), method="POST", body=body).status == 400


@pytest.mark.parametrize("path", [one[1] for one in FAMILIES.values()])
def test_tokens_are_not_given_to_a_get(browser, path):
    answer = browser.asked(path, {"grant_type": "refresh_token"})
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"


def test_secrets_in_the_query_are_not_read(browser):
    query = {"client_id": browser.client_id, "client_secret": browser.secret}
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    refused(browser.asked(TOKEN, query, method="POST", form=form), "invalid_client", 401)


# --- What works once ---


def test_a_code_used_twice_ends_what_it_gave_at_once(live, browser):
    code = browser.code()
    issued = browser.redeem(code).json
    assert live("sleep", token=issued["access_token"]).status == 200
    refused(browser.redeem(code), "invalid_grant")
    assert live("sleep", token=issued["access_token"]).status == 401
    refused(browser.renew(issued["refresh_token"]), "invalid_grant")


def test_a_refresh_token_used_twice_ends_its_family_at_once(live, browser):
    first = browser.redeem(browser.code()).json
    second = browser.renew(first["refresh_token"]).json
    for issued in (first, second):
        assert live("sleep", token=issued["access_token"]).status == 200
    assert "Already Used" in refused(browser.renew(first["refresh_token"]), "invalid_grant")["detail"]
    for issued in (first, second):
        assert live("sleep", token=issued["access_token"]).status == 401
    refused(browser.renew(second["refresh_token"]), "invalid_grant")


def test_a_code_older_than_ten_minutes_is_refused(live, browser):
    young, old = browser.code(), browser.code()
    live.cloud.clock.advance(timedelta(minutes=10))
    assert browser.redeem(young).status == 200
    live.cloud.clock.advance(timedelta(seconds=1))
    refused(browser.redeem(old), "invalid_grant")


@pytest.mark.parametrize("verifier", [None, "", "x" * 43, "é" * 43])
def test_pkce_is_checked(browser, verifier):
    pair = Pkce.new()
    code = browser.code(code_challenge=pair.challenge, code_challenge_method="S256")
    refused(browser.redeem(code, code_verifier=verifier), "invalid_grant")
    refused(browser.redeem(code, code_verifier=pair.verifier), "invalid_grant")


def test_a_challenge_of_other_letters_breaks_nothing(browser):
    code = browser.code(code_challenge="é" * 43, code_challenge_method="S256")
    refused(browser.redeem(code, code_verifier="x" * 43), "invalid_grant")


def test_the_redirect_uri_of_the_exchange_is_that_of_the_request(browser):
    refused(browser.redeem(browser.code(), redirect_uri="https://lab.example/cb?keep=1"), "invalid_grant")
    refused(browser.redeem(browser.code(), redirect_uri=None), "invalid_grant")


def test_a_refresh_may_narrow_and_not_widen(live, browser):
    issued = browser.redeem(browser.code(scope="daily heartrate")).json
    refused(browser.renew(issued["refresh_token"], scope="daily email"), "invalid_scope")
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


@pytest.mark.parametrize("path", [one[2] for one in FAMILIES.values()])
@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_grant_ends_in_every_shape_seen_and_401_says_that_it_had_ended(live, browser, path, which, shape):
    issued = browser.redeem(browser.code()).json
    assert live("sleep", token=issued["access_token"]).status == 200
    request = SHAPES[shape](issued[which])
    assert live(path, **request).status == 200
    assert live("sleep", token=issued["access_token"]).status == 401
    refused(browser.renew(issued["refresh_token"]), "invalid_grant")
    assert live(path, **request).status == 401


def test_revoking_nothing_is_401(live):
    for request in ({}, {"method": "POST"}, {"query": "access_token="}, {"headers": {"authorization": "é"}}):
        assert live(REVOKE, **request).status == 401


# --- What is written down, and what is said ---


def test_nothing_secret_is_in_the_file_after_a_whole_run(make, tmp_path):
    live = make(path=tmp_path / "oura.db")
    browser = Browser(live, *live.cloud.grants.register("Lab", [URI]))
    pair = Pkce.new()
    code = browser.code(code_challenge=pair.challenge, code_challenge_method="S256")
    issued = browser.redeem(code, code_verifier=pair.verifier).json
    renewed = browser.renew(issued["refresh_token"]).json
    implicit = fragment(browser.decide(browser.query(response_type="token")))["access_token"]
    minted = live.admin("tokens", method="POST", user="wearer").json["access_token"]
    live("sleep", f"access_token={implicit}")
    live("sleep", token=minted)
    live(REVOKE, {"access_token": renewed["access_token"]}, method="POST")
    told = [
        browser.secret,
        code,
        pair.verifier,
        implicit,
        minted,
        live.cloud.admin_token,
        *browser.jar.values(),
    ]
    told += [one[name] for one in (issued, renewed) for name in ("access_token", "refresh_token")]
    files = list(tmp_path.iterdir())
    assert {"oura.db", "oura.db-wal"} <= {one.name for one in files}
    written = b"".join(one.read_bytes() for one in files)
    assert browser.client_id.encode() in written
    for secret in told:
        assert secret.encode() not in written
    assert not re.search(rb"_[01]XRNGLT_", written)


@pytest.mark.parametrize(
    ("header", "value"), [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]
)
def test_a_decision_that_another_site_sent_is_refused(live, browser, header, value):
    """A correct cookie and csrf are not enough when the browser itself names another origin."""
    query = browser.query()
    page = Form(browser.open(query).text)
    form = [*page.hidden.items(), ("decision", "allow"), *(("granted", name) for name in page.boxes)]
    sent = browser.cookies() | {header: value, "host": "localhost"}
    stays(live(AUTHORIZE, query, method="POST", form=form, headers=sent), "Not from here")
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
