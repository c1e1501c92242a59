"""The list of security requirements of the authorization server, one row after another.

The file stays whole because the list cuts across modules: each test names the row that it checks. Rows 12, 13
and 20 are about pages: see `portal/test_home.py`. Row 19 is `test_isolation.py`.
"""

import ast
import http.client
import json
import logging
import os
import re
import subprocess
import sys
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Barrier
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from ringlet._cloud.core.rate_limit import RateLimit
from ringlet._cloud.core.secret_hashes import hash_secret
from ringlet._cloud.core.throttle import FREE_FAILURES
from ringlet._cloud.oauth.grants import Grants, _is_verified
from ringlet._cloud.oauth.tokens import Issued
from ringlet._oauth.grant import Pkce, s256
from ringlet.archive import Archive
from ringlet.cloud import Clock, Cloud, OAuthRules
from ringlet.errors import OAuthError

from ..paths import SOURCE
from .conftest import CloudClient
from .scripted_browser import (
    AUTHORIZE,
    ENDPOINT_PATHS,
    TOKEN,
    URI,
    Browser,
    assert_error_page,
    assert_oauth_error,
    redirect_fragment,
    redirect_query,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCES = sorted((SOURCE / "_cloud").rglob("*.py"))
INTROSPECT = "/oauth/introspect"
same_app = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def registered(client, **more):
    uris = [URI, "https://lab.example/cb?keep=1"]
    return Browser(client, *client.cloud.grants.apps.register("Sleep Lab", uris, **more))


@pytest.fixture
def browser(live):
    return registered(live)


@pytest.fixture
def implicit(make_cloud):
    return registered(make_cloud(rules=OAuthRules(implicit=True)))


# --- Rows 1 to 3: where the browser is sent ---

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
    "http://localhost:8080/callback;x",
    "http://localhost:8080/callback,http://evil.example",
    "http://localhost:8080/callback&client_id=x",
    "http://localhost:8080/callback%20",
    "http://localhost:8080/callback%23",
    "http://localhost:8080/callback%3Fx",
    "http://localhost:8080/%2e/callback",
    "http://localhost:8080/%2e%2e/callback",
    "http://localhost:8080/callback/%2e%2e",
    "http://localhost:8080/callbac",
    "http://localhost:8080/callbackk",
    "http://localhost:8080",
    "http://localhost:8080/",
    "http://localhost:8080.evil.example/callback",
    "http://localhost.evil.example:8080/callback",
    "http://evil.example#@localhost:8080/callback",
    "http://evil.example\\@localhost:8080/callback",
    "http://:8080/callback",
    "http:/localhost:8080/callback",
    "http:localhost:8080/callback",
    "ftp://localhost:8080/callback",
    "http://127.1:8080/callback",
    "http://0x7f000001:8080/callback",
    "http://0.0.0.0:8080/callback",
    "http://localho\u017ft:8080/callback",
    "http://\u24c1ocalhost:8080/callback",
    "http://localhost:8080/call\u0000back",
    "http://localhost:8080/callback\t",
    "https://lab.example/cb?keep=1#",
    "https://lab.example:443/cb?keep=1",
]


@pytest.mark.parametrize("uri", NEAR_MISSES)
def test_row_01_a_redirect_uri_must_match_exactly(browser, uri):
    assert len(set(NEAR_MISSES)) >= 60
    assert_error_page(browser.open(browser.query(redirect_uri=uri)), "Redirect URI Not Found")
    assert_error_page(
        browser.client(AUTHORIZE, browser.query(redirect_uri=uri), method="POST", form={"decision": "allow"})
    )


@given(st.integers(0, len(URI)), st.text(max_size=3), st.integers(0, 3))
@example(0, "", 0)
@same_app
def test_row_01_a_changed_redirect_uri_is_never_redirected_to(browser, at, put_in, left_out):
    changed = URI[:at] + put_in + URI[at + left_out :]
    answer = browser.open(browser.query(redirect_uri=changed))
    if changed == URI:
        assert answer.status == 200
    elif changed:
        assert_error_page(answer, "Redirect URI Not Found")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "flaw",
    [
        {},
        {"response_type": "nonsense"},
        {"response_type": None},
        {"response_type": "token"},
        {"scope": "\0"},
        {"code_challenge": "x"},
        {"code_challenge_method": "plain"},
    ],
)
@pytest.mark.parametrize(
    "unknown",
    [
        *({"client_id": id} for id in (None, "", "nobody", "é", "\0")),
        *({"redirect_uri": uri} for uri in (None, "", "https://evil.example/", "/")),
    ],
)
def test_row_02_an_unknown_client_or_redirect_uri_never_redirects(browser, unknown, flaw, method):
    assert_error_page(browser.client(AUTHORIZE, browser.query(**unknown, **flaw), method=method))


@pytest.mark.parametrize(
    "twice", ["client_id", "redirect_uri", "state", "scope", "response_type", "code_challenge"]
)
def test_row_02_a_repeated_parameter_never_redirects(browser, twice):
    for again in ("a", ""):
        query = f"{browser.query(scope='daily')}&{twice}=a&{twice}={again}"
        assert_error_page(browser.open(query), "Repeated parameter")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@example("")
@example("a+b%20&=#?/é\u2028")
@same_app
def test_row_03_the_state_is_returned_unchanged(implicit, state):
    came = [
        redirect_query(implicit.decide(implicit.query(state=state))),
        redirect_query(implicit.decide(implicit.query(state=state), decision="deny")),
        redirect_query(implicit.open(implicit.query(state=state, response_type="nonsense"))),
        redirect_fragment(implicit.decide(implicit.query(state=state, response_type="token"))),
    ]
    assert [one["state"] for one in came] == [state] * 4


# --- Row 4: PKCE ---


def test_row_04_the_example_of_rfc_7636_is_verified():
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert s256(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert _is_verified(s256(verifier), verifier)


def test_row_04_a_verifier_matches_only_its_own_challenge():
    last = Pkce.new()
    for _ in range(10_000):
        pair = Pkce.new()
        assert _is_verified(pair.challenge, pair.verifier)
        assert not _is_verified(pair.challenge, last.verifier)
        last = pair


def test_row_04_a_challenge_and_its_verifier_require_each_other(browser):
    pair = Pkce.new()
    challenged = {"code_challenge": pair.challenge, "code_challenge_method": "S256"}
    assert_oauth_error(browser.redeem(browser.code(**challenged)), "invalid_grant")
    assert_oauth_error(browser.redeem(browser.code(), code_verifier=pair.verifier), "invalid_grant")
    plain = {"code_challenge": pair.verifier, "code_challenge_method": "plain"}
    assert redirect_query(browser.open(browser.query(**plain)))["error"] == "invalid_request"
    code = browser.code(**challenged)
    assert_oauth_error(browser.redeem(code, code_verifier="x" * 43), "invalid_grant")
    assert_oauth_error(browser.redeem(code, code_verifier=pair.verifier), "invalid_grant")


# --- Rows 5 to 7: what works once ---


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    """Where an archive is: a file, or a PostgreSQL database."""
    return tmp_path / "oura.db" if request.param == "sqlite" else request.getfixturevalue("postgres")


def grab(place, hands, call):
    """What as many hands got, each with a connection of its own, as in as many processes."""
    start = Barrier(hands)

    def one(_):
        with Archive.open(place, timeout=60) as own:
            mine = Grants(own, Clock(NOW), RateLimit())
            start.wait()
            try:
                return call(mine)
            except OAuthError as no:
                return no

    with ThreadPoolExecutor(hands) as pool:
        return list(pool.map(one, range(hands)))


@pytest.mark.parametrize(("what", "hands"), [("code", 64), ("refresh token", 50)])
def test_row_05_and_07_one_of_many_concurrent_requests_gets_tokens(place, what, hands):
    with Archive.open(place) as archive:
        grants = Grants(archive, Clock(NOW), RateLimit())
        app = grants.apps.authenticate(*grants.apps.register("Lab", [URI]))
        code = grants.authorize(app, 1, URI, ["daily"], None)
        refresh = grants.issue(app.client_id, 1, ["daily"]).refresh_token
        before = archive.database.one("SELECT count(*) FROM oauth_tokens")[0]

    def call(mine):
        return mine.exchange(app, code, URI, None) if what == "code" else mine.refresh(app, refresh)

    outcomes = grab(place, hands, call)
    won = [one for one in outcomes if not isinstance(one, OAuthError)]
    assert len(won) == 1
    assert {one.error for one in outcomes if isinstance(one, OAuthError)} == {"invalid_grant"}
    with Archive.open(place) as archive:
        assert archive.database.one("SELECT count(*) FROM oauth_tokens")[0] == before + 2
        grants = Grants(archive, Clock(NOW), RateLimit())
        assert grants.access(won[0].access_token) is None, "it was replayed"


@pytest.mark.parametrize("what", ["code", "refresh token"])
def test_row_05_and_07_tokens_issued_while_the_wearer_disconnects_are_invalid(place, what):
    with Archive.open(place) as archive:
        grants = Grants(archive, Clock(NOW), RateLimit())
        app = grants.apps.authenticate(*grants.apps.register("Lab", [URI]))
        codes = {user: grants.authorize(app, user, URI, ["daily"], None) for user in range(1, 11)}
        held = {user: grants.issue(app.client_id, user, ["daily"]).refresh_token for user in codes}
    turns = iter([(user, gets) for user in codes for gets in (True, False)])

    def call(mine):
        user, gets = next(turns)
        if not gets:
            return mine.disconnect(user, app.client_id)
        return mine.exchange(app, codes[user], URI, None) if what == "code" else mine.refresh(app, held[user])

    outcomes = grab(place, 20, call)
    with Archive.open(place) as archive:
        grants = Grants(archive, Clock(NOW), RateLimit())
        given = [one.access_token for one in outcomes if isinstance(one, Issued)]
        assert [grants.access(token) for token in given] == [None] * len(given)
        assert grants.count_users(app.client_id) == 0


def test_row_05_a_code_is_long_and_bound_to_its_request(live, browser):
    assert len(browser.code()) * 6 >= 128
    assert_oauth_error(
        browser.redeem(browser.code(), redirect_uri="https://lab.example/cb?keep=1"), "invalid_grant"
    )
    assert_oauth_error(registered(live).redeem(browser.code()), "invalid_grant")
    old = browser.code()
    live.cloud.clock.advance(timedelta(minutes=10, milliseconds=1))
    assert_oauth_error(browser.redeem(old), "invalid_grant")


def test_row_06_a_replayed_code_revokes_its_tokens_at_once(live, browser):
    code = browser.code()
    issued = browser.redeem(code).json
    renewed = browser.renew(issued["refresh_token"]).json
    assert live("sleep", token=renewed["access_token"]).status == 200
    assert_oauth_error(browser.redeem(code), "invalid_grant")
    for one in (issued, renewed):
        assert live("sleep", token=one["access_token"]).status == 401
    assert_oauth_error(browser.renew(renewed["refresh_token"]), "invalid_grant")


def test_row_07_a_lost_response_ends_the_grant_only_under_strict_rotation(make_cloud):
    for rotation, status in (("strict", 400), ("grace", 200), ("none", 200)):
        client = make_cloud(rules=OAuthRules(rotation=rotation))
        browser = registered(client)
        token = browser.redeem(browser.code()).json["refresh_token"]
        client.admin("faults", method="POST", path=TOKEN, act="drop", times=1)
        assert browser.renew(token).body == b""
        assert browser.renew(token).status == status


class Renewals(RuleBasedStateMachine):
    """Refresh tokens against a model of the rules, in every mode of rotation."""

    tokens = Bundle("tokens")

    @initialize(rotation=st.sampled_from(["strict", "grace", "none"]))
    def begin(self, rotation):
        self.rules_ = OAuthRules(rotation=rotation, reuses=2)
        self.archive = Archive.open(":memory:")
        self.clock = Clock(NOW)
        self.grants = Grants(self.archive, self.clock, RateLimit(), rules=self.rules_)
        apps = self.grants.apps
        self.app, self.other = (apps.authenticate(*apps.register(name, [URI])) for name in ("One", "Other"))
        self.families = 0
        self.dead = set()
        self.uses = {}
        self.first_use = {}
        self.accesses = []

    def teardown(self):
        if hasattr(self, "archive"):
            self.archive.close()

    def may_renew(self, token, family):
        if family in self.dead:
            return False
        uses = self.uses.get(token, 0)
        if uses == 0 or self.rules_.rotation == "none":
            return True
        fresh = self.clock.now() - self.first_use[token] <= self.rules_.grace
        return self.rules_.rotation == "grace" and uses <= self.rules_.reuses and fresh

    @rule(target=tokens)
    def sign_in(self):
        self.families += 1
        code = self.grants.authorize(self.app, 1, URI, ["daily", "tag"], None)
        issued = self.grants.exchange(self.app, code, URI, None)
        self.accesses.append((self.families, issued.access_token))
        return self.families, issued.refresh_token

    @rule(target=tokens, token=tokens, narrow=st.booleans())
    def renew(self, token, narrow):
        family, refresh = token
        if not self.may_renew(refresh, family):
            with pytest.raises(OAuthError):
                self.grants.refresh(self.app, refresh)
            self.dead.add(family)
            return token
        issued = self.grants.refresh(self.app, refresh, "daily" if narrow else None)
        assert issued.scope == ("daily" if narrow else "daily tag")
        assert (issued.refresh_token == refresh) == (self.rules_.rotation == "none")
        self.uses[refresh] = self.uses.get(refresh, 0) + 1
        self.first_use.setdefault(refresh, self.clock.now())
        self.accesses.append((family, issued.access_token))
        return family, issued.refresh_token

    @rule(token=tokens)
    def widen(self, token):
        """What is refused for its own sake spends nothing."""
        if self.may_renew(token[1], token[0]):
            with pytest.raises(OAuthError, match="invalid_scope"):
                self.grants.refresh(self.app, token[1], "daily email")

    @rule(token=tokens)
    def try_as_another(self, token):
        with pytest.raises(OAuthError):
            self.grants.refresh(self.other, token[1])

    @rule(token=tokens)
    def revoke(self, token):
        family, refresh = token
        spent = self.rules_.rotation != "none" and self.uses.get(refresh, 0) > 0
        assert self.grants.revoke(refresh) == (not spent and family not in self.dead)
        if not spent:
            self.dead.add(family)

    @rule(seconds=st.sampled_from([1, 59, 61]))
    def wait(self, seconds):
        self.clock.advance(timedelta(seconds=seconds))

    @rule()
    def disconnect(self):
        self.grants.disconnect(1, self.app.client_id)
        self.dead |= set(range(1, self.families + 1))

    @invariant()
    def a_family_lives_or_dies_as_a_whole(self):
        for family, token in getattr(self, "accesses", []):
            assert (self.grants.access(token) is None) == (family in self.dead)


Renewals.TestCase.settings = settings(stateful_step_count=25)
TestRow07 = Renewals.TestCase


# --- Row 8 and row 21: what is written down ---

SECRET = "a passphrase that people type"
ADMIN = "an-admin-token-of-many-letters"
CANARY = "canary-5d1c9a77e2"


class Everything:
    """A whole run over any way of asking; remembers each secret that was told."""

    def __init__(self, ask, client_id, secret, redirect_uri):
        self.ask = ask
        self.client = {"client_id": client_id, "client_secret": secret}
        self.uri = redirect_uri
        self.told = {secret, SECRET, ADMIN, CANARY}
        self.cookie = {}

    def page(self, method, target, form=None):
        status, headers, text = self.ask(method, target, form=form, headers=self.cookie)
        assert status in (200, 302, 303, 422), (status, text[:300])
        if given := headers.get("set-cookie"):
            pair = given.partition(";")[0]
            self.cookie = {"cookie": pair}
            self.told.add(pair.partition("=")[2])
        return headers, text

    def token(self, text, path):
        # Each form of a page has a token of its own; the one for this path is the last before its button.
        found = re.findall(r"<form[^>]*>.*?</form>", text, re.DOTALL)
        form = next(one for one in found if f'action="{path}"' in one)
        value = re.search(r'name="token" value="([^"]+)"', form)[1]
        self.told.add(value)
        return {"token": value}

    def grant(self, **form):
        status, _, text = self.ask("POST", TOKEN, form=self.client | form)
        issued = json.loads(text)
        if status == 200:
            self.told |= {issued["access_token"], issued["refresh_token"]}
        return issued

    def run(self, user):
        _, text = self.page("GET", "/sign-in")
        for passphrase in (CANARY, SECRET):
            form = self.token(text, "/sign-in") | {"next": "/portal", "passphrase": passphrase}
            _, text = self.page("POST", "/sign-in", form)
        _, text = self.page("GET", "/personal-access-tokens")
        form = self.token(text, "/personal-access-tokens") | {"note": "a script"}
        _, text = self.page("POST", "/personal-access-tokens", form)
        personal = re.search("<output>(.*?)</output>", text)[1]
        pair = Pkce.new()
        query = {"response_type": "code", "redirect_uri": self.uri, "state": CANARY}
        query |= {"code_challenge": pair.challenge, "code_challenge_method": "S256"}
        target = f"{AUTHORIZE}?{urlencode(query | {'client_id': self.client['client_id']})}"
        _, text = self.page("GET", target)
        ticket = re.search(r'name="ticket" value="([^"]+)"', text)[1]
        headers, _ = self.page("POST", target, {"ticket": ticket, "granted": "daily", "decision": "allow"})
        [code] = parse_qs(urlsplit(headers["location"]).query)["code"]
        exchange = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.uri}
        issued = self.grant(**exchange, code_verifier=pair.verifier)
        renewed = self.grant(grant_type="refresh_token", refresh_token=issued["refresh_token"])
        self.told |= {personal, ticket, code, pair.verifier}
        self.data(renewed["access_token"], personal, user)
        self.refusals(renewed, exchange | {"code_verifier": pair.verifier})
        return self.told

    def data(self, access, personal, user):
        sleep = "/v2/usercollection/sleep"
        for token in (access, personal):
            assert self.ask("GET", sleep, headers={"authorization": f"Bearer {token}"})[0] == 200
        assert self.ask("GET", f"{sleep}?access_token={access}")[0] == 200
        body = json.dumps({"user": user}).encode()
        admin = {"authorization": f"Bearer {ADMIN}"}
        _, _, text = self.ask("POST", "/_ringlet/tokens", body=body, headers=admin)
        self.told.add(json.loads(text)["access_token"])
        assert self.ask("GET", "/_ringlet/requests", headers=admin)[0] == 200

    def refusals(self, renewed, exchange):
        basic = {"authorization": f"Basic {b64encode(f'{CANARY}:{CANARY}'.encode()).decode()}"}
        for path in (TOKEN, INTROSPECT, "/oauth/revoke"):
            for headers in ({}, basic, {"authorization": CANARY}, {"x-anything": CANARY}):
                self.ask("POST", f"{path}?access_token={CANARY}", form={"token": CANARY}, headers=headers)
        for name in ("code", "client_secret", "refresh_token", "code_verifier", "grant_type", CANARY):
            self.grant(**exchange | {name: CANARY})
        self.ask("POST", INTROSPECT, form=self.client | {"token": renewed["access_token"]})
        assert self.grant(**exchange)["error"] == "invalid_grant"
        self.ask("GET", f"/oauth/revoke?access_token={renewed['access_token']}")
        self.ask("GET", "/v2/usercollection/sleep", headers={"authorization": f"Bearer {CANARY}"})


def assert_nowhere(told, written, witness):
    assert witness.encode() in written, "the search finds what is there"
    assert len(told) >= 12
    for secret in told:
        assert secret.encode() not in written
        assert secret[9:].encode() not in written or len(secret) < 20
    assert not re.search(rb"_[012]XRNGLT_", written)


def test_row_08_and_21_no_secret_is_stored_or_logged(tmp_path, runner, caplog):
    caplog.set_level(logging.DEBUG)
    with Archive.open(tmp_path / "oura.db") as archive:
        user = archive.user("wearer")
        cloud = Cloud(archive, clock=Clock(NOW), admin_token=ADMIN, secret=SECRET)
        client = CloudClient(cloud, runner, user)
        client_id, secret = cloud.grants.apps.register("Lab", [URI])

        def ask(method, target, **more):
            parts = urlsplit(target)
            answer = client(parts.path, parts.query, method=method, **more)
            return answer.status, answer.headers, answer.text

        told = Everything(ask, client_id, secret, URI).run("wearer")
        told.add(cloud.grants.apps.rotate_secret(client_id))
        files = list(tmp_path.iterdir())
        assert {"oura.db", "oura.db-wal"} <= {one.name for one in files}
        written = b"".join(one.read_bytes() for one in files)
    assert_nowhere(told, written + caplog.text.encode(), client_id)


LOUD = """
import logging
import uvicorn
from ringlet._cli.main import main

logging.basicConfig(level=logging.DEBUG)
quiet = uvicorn.Config.configure_logging

def loud(self):
    quiet(self)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
        logging.getLogger(name).setLevel(logging.DEBUG)

uvicorn.Config.configure_logging = loud
main()
"""


def test_row_08_and_21_a_running_cloud_writes_no_secret(tmp_path):
    """`ringlet serve` with everything that logs at debug level."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OURA_", "RINGLET_"))}
    env |= {"RINGLET_SECRET": SECRET, "RINGLET_ADMIN_TOKEN": ADMIN, "PYTHONASYNCIODEBUG": "1"}
    args = ["serve", "--demo", "--days", "2", "--port", "0", "--ready", "json"]
    with (tmp_path / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", LOUD, *args, "--db", str(tmp_path / "oura.db")],
            env=env,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
        )
    try:
        ready = json.loads(process.stdout.readline())
        port = urlsplit(ready["api"]).port

        def ask(method, target, form=None, body=b"", headers=()):
            sent = dict(headers)
            if form is not None:
                body = urlencode(form).encode()
                sent["content-type"] = "application/x-www-form-urlencoded"
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
                connection.request(method, target, body, sent)
                answer = connection.getresponse()
                text = answer.read().decode()
                return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text

        whole = Everything(ask, ready["client_id"], ready["client_secret"], ready["redirect_uris"][0])
        told = whole.run(ready["user_id"]) | {ready["access_token"], ready["refresh_token"]}
        written = b"".join(one.read_bytes() for one in tmp_path.iterdir())
        assert (tmp_path / "oura.db-wal").exists()
    finally:
        process.terminate()
        rest, _ = process.communicate(timeout=30)
    written += (tmp_path / "stderr").read_bytes() + rest.encode()
    assert b"Started server process" in written, "it logs what it would not by itself"
    assert_nowhere(told, written, ready["client_id"])


# --- Row 9: comparing ---

SECRET_NAMES = re.compile(
    r"secret|token|verifier|challenge|digest|hash|cookie|passw|passphrase|csrf|ticket|mark|hmac",
    re.IGNORECASE,
)


def names_in(node):
    for one in ast.walk(node):
        if isinstance(one, ast.Name):
            yield one.id
        elif isinstance(one, ast.Attribute):
            yield one.attr


def secret_comparisons(source):
    """Where two things are compared by `==` and one of them is named like a secret."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            sides = [node.left, *node.comparators]
            told = any(isinstance(side, ast.Constant) for side in sides)  # what the source says is no secret
            if not told and any(SECRET_NAMES.search(name) for side in sides for name in names_in(side)):
                yield ast.unparse(node)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_row_09_no_secret_is_compared_by_equality(path):
    assert list(secret_comparisons("given_token == self.token")) == ["given_token == self.token"]
    assert list(secret_comparisons(path.read_text())) == []


def test_row_09_an_unknown_application_takes_a_comparison_too(live, monkeypatch):
    compared = []

    def counted(secret, stored):
        compared.append(stored)
        return False

    monkeypatch.setattr("ringlet._cloud.oauth.applications.matches_hash", counted)
    known, _ = live.cloud.grants.apps.register("Known", [URI])
    for id in (known, "nobody"):
        with pytest.raises(OAuthError):
            live.cloud.grants.apps.authenticate(id, "guess")
    assert len(compared) == 2


# --- Rows 10 and 11: the token endpoint ---


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
@example("a:b", "c:d")
@example("50% + é", "%3A+ ")
@same_app
def test_row_10_any_id_and_secret_are_accepted_in_the_header(live, id, secret):
    """RFC 6749 section 2.3.1: form-url-encoded first, so that colons and all else arrive."""
    id, secret = (one.encode("utf-8", "replace").decode().replace("\0", "0") for one in (id, secret))
    apps = live.cloud.grants.apps
    client_id, _ = apps.register("Odd", [URI])
    apps.db.execute("DELETE FROM oauth_apps WHERE client_id = ?", (id,))
    apps.db.execute(
        "UPDATE oauth_apps SET client_id = ?, secret_hash = ? WHERE client_id = ?",
        (id, hash_secret(secret), client_id),
    )
    issued = live.cloud.grants.issue(id, live.user, ["daily"])
    pair = f"{quote_plus(id)}:{quote_plus(secret)}".encode()
    headers = {"authorization": f"Basic {b64encode(pair).decode()}"}
    form = {"grant_type": "refresh_token", "refresh_token": issued.refresh_token}
    assert live(TOKEN, method="POST", form=form, headers=headers).status == 200
    apps.delete(id)


def test_row_10_credentials_are_in_the_header_or_the_body_but_not_both(live, browser, basic):
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    headers = basic(browser.client_id, browser.secret)
    for doubled in ({"client_secret": browser.secret}, {"client_id": "another"}):
        assert_oauth_error(
            live(TOKEN, method="POST", form=form | doubled, headers=headers), "invalid_request"
        )
    same = live(TOKEN, method="POST", form=form | {"client_id": browser.client_id}, headers=headers)
    assert_oauth_error(same, "invalid_grant")


def test_row_10_credentials_in_the_query_are_refused(live, browser):
    query = {"client_id": browser.client_id, "client_secret": browser.secret}
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    assert_oauth_error(live(TOKEN, query, method="POST", form=form), "invalid_client", 401)


@pytest.mark.parametrize("path", [TOKEN, INTROSPECT, ENDPOINT_PATHS["newer"][1]])
def test_row_10_only_credentials_in_the_header_are_answered_with_a_challenge(live, browser, basic, path):
    by_body = live(path, method="POST", form={"client_id": browser.client_id, "client_secret": "x"})
    assert_oauth_error(by_body, "invalid_client", 401)
    assert "www-authenticate" not in by_body.headers
    by_header = live(path, method="POST", form={}, headers=basic(browser.client_id, "x"))
    assert_oauth_error(by_header, "invalid_client", 401)
    assert by_header.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    "path", [TOKEN, INTROSPECT, ENDPOINT_PATHS["newer"][1], "/oauth/v2/ext/oauth-introspect"]
)
def test_row_11_responses_are_json_without_caching_or_cross_origin_access(live, browser, path):
    client = [("client_id", browser.client_id), ("client_secret", browser.secret)]
    token = live.cloud.grants.issue(browser.client_id, live.user, ["daily"]).refresh_token
    form = [*client, ("grant_type", "refresh_token"), ("refresh_token", token), ("token", token)]
    good = live(path, method="POST", form=form, headers={"origin": "https://evil.example"})
    twice = live(path, method="POST", form=[*form, ("client_id", browser.client_id)])
    assert good.status == 200
    assert assert_oauth_error(twice, "invalid_request")["detail"] == "client_id is given twice"
    for answer in (good, twice):
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        assert not any(name.startswith("access-control") for name in answer.headers)
    got = live(path, dict(form))
    assert (got.status, got.headers["allow"]) == (405, "POST")


def test_row_11_the_authorization_endpoint_has_no_cross_origin_access(browser):
    for method in ("GET", "OPTIONS"):
        answer = browser.client(
            AUTHORIZE, browser.query(), method=method, headers={"origin": "https://evil.example"}
        )
        assert not any(name.startswith("access-control") for name in answer.headers)


# --- Rows 14 to 18 ---


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_row_14_no_redirect_makes_a_browser_send_a_form_again(path):
    """302 or 303; 307 would send what was typed on to the application."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "RedirectResponse":
            [status] = [ast.literal_eval(one.value) for one in node.keywords if one.arg == "status_code"]
            assert status in (302, 303)


def test_row_14_consent_redirects_with_302(browser):
    assert browser.decide(browser.query()).status == 302
    assert browser.decide(browser.query(), decision="deny").status == 302


@pytest.mark.parametrize("family", ENDPOINT_PATHS)
def test_row_15_an_authenticated_application_revokes_its_tokens(live, browser, basic, family):
    revoke = ENDPOINT_PATHS[family][2]
    issued = browser.redeem(browser.code()).json
    client = {"client_id": browser.client_id, "client_secret": browser.secret}
    other = registered(live)
    theirs = {"client_id": other.client_id, "client_secret": other.secret}
    assert live(revoke, method="POST", form=client | {"token": "unknown"}).status == 200
    assert_oauth_error(
        live(revoke, method="POST", form=client | {"client_secret": "x", "token": "x"}), "invalid_client", 401
    )
    assert_oauth_error(live(revoke, method="POST", form=client), "invalid_request")
    stranger = live(revoke, method="POST", form=theirs | {"token": issued["refresh_token"]})
    assert_oauth_error(stranger, "unauthorized_client")
    assert live("sleep", token=issued["access_token"]).status == 200
    for _ in range(2):
        headers = basic(browser.client_id, browser.secret)
        gone = live(revoke, method="POST", form={"token": issued["refresh_token"]}, headers=headers)
        assert gone.status == 200
        assert live("sleep", token=issued["access_token"]).status == 401


@pytest.mark.parametrize("path", [INTROSPECT, "/oauth/v2/ext/oauth-introspect"])
def test_row_15_introspection_describes_only_an_applications_own_tokens(live, browser, path):
    grants = live.cloud.grants
    issued = grants.issue(browser.client_id, live.user, ["daily", "tag"])
    client = {"client_id": browser.client_id, "client_secret": browser.secret}
    told = live(path, method="POST", form=client | {"token": issued.access_token}).json
    assert told == {
        "active": True,
        "client_id": browser.client_id,
        "scope": "extapi:daily extapi:tag" if "/ext/" in path else "daily tag",
        "username": "wearer",
        "sub": "wearer",
        "exp": int(NOW.timestamp()) + issued.expires_in,
        "token_type": "bearer",
    }
    renewing = live(path, method="POST", form=client | {"token": issued.refresh_token}).json
    assert renewing["active"]
    assert "token_type" not in renewing

    other = registered(live)
    foreign = grants.issue(other.client_id, live.user, ["daily"]).access_token
    personal = grants.personal.create(live.user, "")
    expired = grants.issue(browser.client_id, live.user, ["daily"]).access_token
    live.cloud.clock.advance(timedelta(days=31))
    for dead in ("unknown", foreign, personal, expired, issued.access_token):
        assert live(path, method="POST", form=client | {"token": dead}).body == b'{"active":false}'
    public, _ = grants.apps.register("Public", [URI], public=True)
    assert_oauth_error(
        live(path, method="POST", form={"client_id": public, "token": "x"}), "invalid_client", 401
    )


def test_row_16_the_implicit_grant_is_off_by_default(browser, implicit):
    answer = browser.open(browser.query(response_type="token"))
    assert redirect_fragment(answer)["error"] == "unsupported_response_type"
    came = redirect_fragment(implicit.decide(implicit.query(response_type="token")))
    assert came["access_token"]
    assert "refresh_token" not in came


def test_row_16_the_password_grant_is_not_supported(browser):
    assert_oauth_error(
        browser.grant(grant_type="password", username="u", password="p"), "unsupported_grant_type"
    )


def test_row_17_a_refused_bearer_token_gets_the_reason_in_a_header(live):
    assert live("sleep").headers["www-authenticate"] == "Bearer"
    assert live("sleep", token="x").headers["www-authenticate"] == 'Bearer error="invalid_token"'
    told = live("sleep", token=live.token("tag")).headers["www-authenticate"]
    assert told == 'Bearer error="insufficient_scope", scope="daily"'
    assert "www-authenticate" not in live("sleep", token=live.token()).headers


def test_row_17_only_a_bearer_header_gives_access(live):
    token = live.token()
    for header in (token, f"Basic {token}", f"Token {token}", f"Bearer{token}", "Bearer"):
        assert live("sleep", headers={"authorization": header}).status == 401


def test_row_18_guesses_at_a_secret_are_throttled(live, browser):
    answers = [browser.grant(grant_type="refresh_token", client_secret=f"guess {n}") for n in range(1000)]
    assert FREE_FAILURES <= sum(one.status == 401 for one in answers) < 2 * FREE_FAILURES
    waits = [int(one.headers["retry-after"]) for one in answers if one.status == 429]
    assert len(waits) > 1000 - 2 * FREE_FAILURES
    assert assert_oauth_error(answers[-1], "temporarily_unavailable", 429)
    assert assert_oauth_error(browser.grant(grant_type="x"), "temporarily_unavailable", 429), (
        "nor does the right one"
    )
    assert assert_oauth_error(registered(live).grant(grant_type="x"), "unsupported_grant_type"), (
        "others do not wait"
    )


def test_row_18_successful_requests_are_not_throttled(browser):
    token = browser.redeem(browser.code()).json["refresh_token"]
    for _ in range(1000):
        answer = browser.renew(token)
        assert answer.status == 200
        token = answer.json["refresh_token"]


def test_row_18_guesses_at_the_passphrase_are_throttled(runner):
    with Archive.open(":memory:") as archive:
        client = CloudClient(Cloud(archive, clock=Clock(NOW), secret=SECRET), runner, archive.user("wearer"))
        page = client("/sign-in")
        cookie = page.headers["set-cookie"].partition(";")[0]
        token = re.search(r'name="token" value="([^"]+)"', page.text)[1]

        def sign_in(passphrase):
            form = {"token": token, "next": "/", "passphrase": passphrase}
            return client("/sign-in", method="POST", form=form, headers={"cookie": cookie}).status

        statuses = [sign_in(f"guess {n}") for n in range(1000)]
        assert FREE_FAILURES <= statuses.count(422) < 2 * FREE_FAILURES
        assert statuses.count(429) > 1000 - 2 * FREE_FAILURES
        assert sign_in(SECRET) == 429


def test_row_18_a_page_of_another_site_cannot_use_up_the_guesses_of_the_real_client(live, browser):
    form = {"grant_type": "refresh_token", "client_id": browser.client_id, "client_secret": "guess"}
    for _ in range(2 * FREE_FAILURES):
        answer = live(TOKEN, method="POST", form=form, headers={"origin": "https://other.example"})
        assert assert_oauth_error(answer, "invalid_client", 401)
    token = browser.redeem(browser.code()).json["refresh_token"]
    assert browser.renew(token).status == 200


def test_row_18_failed_consents_do_not_throttle_the_token_endpoint(live, browser):
    for _ in range(2 * FREE_FAILURES):
        live(AUTHORIZE, browser.query(), method="POST", form={"ticket": "forged"})
    assert assert_oauth_error(browser.renew("x"), "invalid_grant")
