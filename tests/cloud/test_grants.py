"""Applications, codes and tokens: what works once works once, and nothing secret is written down."""

import secrets
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from ringlet.archive import Archive
from ringlet.cloud import Clock
from ringlet.cloud.grants import CODE_LIFE, REFRESH_LIFE, Grants
from ringlet.cloud.limits import Limits
from ringlet.errors import GrantError
from ringlet.oauth import SCOPES, Pkce, s256, scope_set

URI = "https://app.example/callback"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def grants(tmp_path):
    with Archive.open(tmp_path / "oura.db") as archive:
        yield Grants(archive, Clock(NOW), Limits())


@pytest.fixture
def app(grants):
    client_id, secret = grants.register("An application", [URI])
    return grants.authenticate(client_id, secret)


def refused(error, call, *args):
    with pytest.raises(GrantError) as caught:
        call(*args)
    assert caught.value.error == error
    return caught.value


def code_for(grants, app, scopes=("daily", "heartrate"), challenge=None):
    return grants.authorize(app, 1, URI, scopes, challenge)


# --- Applications ---


def test_an_application_is_what_it_was_registered_as(grants):
    client_id, _ = grants.register("An application", [URI, "http://localhost:1/"])
    app = grants.app(client_id)
    assert (app.client_id, app.name, app.redirect_uris) == (
        client_id,
        "An application",
        (URI, "http://localhost:1/"),
    )
    assert app.confidential
    assert grants.app("nobody") is None


def test_a_secret_opens_its_own_application_alone(grants):
    (one, secret), (other, _) = grants.register("One", [URI]), grants.register("Other", [URI])
    assert grants.authenticate(one, secret).name == "One"
    for id, guess in (
        (other, secret),
        (one, ""),
        (one, secret + "x"),
        (one, secret.swapcase()),
        ("none", secret),
    ):
        assert refused("invalid_client", grants.authenticate, id, guess).status == 401


def test_a_public_application_has_no_secret_and_takes_none(grants):
    client_id, secret = grants.register("Public", [URI], public=True)
    assert secret == ""
    assert not grants.authenticate(client_id, "").confidential
    refused("invalid_client", grants.authenticate, client_id, "guess")


# --- Codes ---


def test_a_code_gives_what_was_granted(grants, app):
    issued = grants.exchange(app, code_for(grants, app), URI, None)
    assert issued.token_type == "bearer"
    assert issued.scope == "daily heartrate"
    assert issued.access_token.startswith("_0XRNGLT_")
    assert issued.refresh_token.startswith("_1XRNGLT_")
    access = grants.access(issued.access_token)
    assert (access.user, access.scopes) == (1, {"daily", "heartrate"})
    assert access.expires == NOW.timestamp() + issued.expires_in


def test_codes_and_tokens_hold_at_least_128_bits_and_differ(grants, app):
    codes = {code_for(grants, app) for _ in range(50)}
    tokens = [grants.issue(app.client_id, 1, ["daily"]) for _ in range(50)]
    random = codes | {one.access_token[9:] for one in tokens} | {one.refresh_token[9:] for one in tokens}
    assert len(random) == 150
    assert min(map(len, random)) * 6 >= 128


def test_a_code_twice_revokes_what_it_gave(grants, app):
    code = code_for(grants, app)
    issued = grants.exchange(app, code, URI, None)
    refused("invalid_grant", grants.exchange, app, code, URI, None)
    assert grants.access(issued.access_token) is None
    refused("invalid_grant", grants.refresh, app, issued.refresh_token)


def test_a_code_twice_revokes_what_was_renewed_since(grants, app):
    code = code_for(grants, app)
    renewed = grants.refresh(app, grants.exchange(app, code, URI, None).refresh_token)
    refused("invalid_grant", grants.exchange, app, code, URI, None)
    assert grants.access(renewed.access_token) is None


def test_a_code_lives_ten_minutes(grants, app):
    first, second = code_for(grants, app), code_for(grants, app)
    grants.clock.advance(CODE_LIFE)
    assert grants.exchange(app, first, URI, None).access_token
    grants.clock.advance(timedelta(milliseconds=1))
    refused("invalid_grant", grants.exchange, app, second, URI, None)
    assert timedelta(minutes=10) == CODE_LIFE


@pytest.mark.parametrize("uri", ["", URI + "/", URI + "?", URI.upper(), "https://other.example/callback"])
def test_a_code_is_bound_to_its_redirect_uri(grants, app, uri):
    code = code_for(grants, app)
    refused("invalid_grant", grants.exchange, app, code, uri, None)
    refused("invalid_grant", grants.exchange, app, code, URI, None)


def test_a_code_is_bound_to_its_application(grants, app):
    other = grants.authenticate(*grants.register("Other", [URI]))
    code = code_for(grants, app)
    refused("invalid_grant", grants.exchange, other, code, URI, None)


def test_an_unknown_code_is_refused(grants, app):
    for code in ("", "x", "é", "\0", secrets.token_urlsafe(24)):
        refused("invalid_grant", grants.exchange, app, code, URI, None)


@pytest.mark.parametrize("what", ["code", "refresh token"])
def test_what_works_once_works_once_in_many_hands(tmp_path, what):
    """Each hand is a connection of its own, as in as many processes."""
    path, hands = tmp_path / "oura.db", 8
    with Archive.open(path) as archive:
        grants = Grants(archive, Clock(NOW), Limits())
        app = grants.authenticate(*grants.register("An application", [URI]))
        code = code_for(grants, app)
        refresh = grants.issue(app.client_id, 1, ["daily"]).refresh_token
    start = Barrier(hands)

    def grab(_):
        with Archive.open(path, timeout=30) as own:
            mine = Grants(own, Clock(NOW), Limits())
            start.wait()
            try:
                return mine.exchange(app, code, URI, None) if what == "code" else mine.refresh(app, refresh)
            except GrantError as no:
                return no

    with ThreadPoolExecutor(hands) as pool:
        outcomes = list(pool.map(grab, range(hands)))
    won = [one for one in outcomes if not isinstance(one, GrantError)]
    assert len(won) == 1
    assert {one.error for one in outcomes if isinstance(one, GrantError)} == {"invalid_grant"}
    with Archive.open(path) as archive:
        assert Grants(archive, Clock(NOW), Limits()).access(won[0].access_token) is None, "it was replayed"


# --- PKCE ---


def test_the_example_of_rfc_7636():
    assert (
        s256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


def test_a_verifier_proves_its_challenge(grants, app):
    for _ in range(20):
        pair = Pkce.new()
        assert grants.exchange(app, code_for(grants, app, challenge=pair.challenge), URI, pair.verifier)


@pytest.mark.parametrize("length", [1, 42, 129])
def test_a_verifier_has_43_to_128_characters(grants, app, length):
    verifier = "x" * length
    refused(
        "invalid_grant", grants.exchange, app, code_for(grants, app, challenge=s256(verifier)), URI, verifier
    )


@pytest.mark.parametrize("challenge", ["", "é", "x" * 43])
def test_a_challenge_that_nothing_proves_is_only_that(grants, app, challenge):
    refused(
        "invalid_grant",
        grants.exchange,
        app,
        code_for(grants, app, challenge=challenge),
        URI,
        Pkce.new().verifier,
    )


@pytest.mark.parametrize("given", [None, "", "wrong" * 10, "é" * 43])
def test_no_other_verifier_does_and_the_code_is_spent(grants, app, given):
    pair = Pkce.new()
    code = code_for(grants, app, challenge=pair.challenge)
    refused("invalid_grant", grants.exchange, app, code, URI, given)
    refused("invalid_grant", grants.exchange, app, code, URI, pair.verifier)


def test_a_verifier_without_a_challenge_is_a_downgrade(grants, app):
    refused("invalid_grant", grants.exchange, app, code_for(grants, app), URI, Pkce.new().verifier)


def test_the_challenge_itself_is_no_verifier(grants, app):
    pair = Pkce.new()
    code = code_for(grants, app, challenge=pair.challenge)
    refused("invalid_grant", grants.exchange, app, code, URI, pair.challenge)


# --- Renewing ---


def test_renewing_rotates(grants, app):
    first = grants.issue(app.client_id, 1, ["daily"])
    second = grants.refresh(app, first.refresh_token)
    assert second.refresh_token != first.refresh_token
    assert second.access_token != first.access_token
    assert second.scope == "daily"
    assert grants.access(second.access_token).user == 1


def test_a_spent_refresh_token_that_comes_back_revokes_its_family(grants, app):
    first = grants.issue(app.client_id, 1, ["daily"])
    bystander = grants.issue(app.client_id, 1, ["daily"])
    second = grants.refresh(app, first.refresh_token)
    third = grants.refresh(app, second.refresh_token)
    problem = refused("invalid_grant", grants.refresh, app, first.refresh_token)
    assert "Already Used" in problem.description
    for dead in (first, second, third):
        assert grants.access(dead.access_token) is None
    refused("invalid_grant", grants.refresh, app, third.refresh_token)
    assert grants.access(bystander.access_token), "another authorization is not touched"


def test_a_refresh_token_is_bound_to_its_application_and_survives_an_attempt_of_another(grants, app):
    other = grants.authenticate(*grants.register("Other", [URI]))
    issued = grants.issue(app.client_id, 1, ["daily"])
    refused("invalid_grant", grants.refresh, other, issued.refresh_token)
    assert grants.refresh(app, issued.refresh_token)


def test_an_access_token_does_not_renew(grants, app):
    issued = grants.issue(app.client_id, 1, ["daily"])
    refused("invalid_grant", grants.refresh, app, issued.access_token)
    assert grants.access(issued.access_token)
    assert grants.access(issued.refresh_token) is None


def test_the_scope_may_narrow_and_the_refresh_token_keeps_its_own(grants, app):
    """RFC 6749 section 6: the scope of a new refresh token is that of the one before."""
    first = grants.issue(app.client_id, 1, ["daily", "heartrate"])
    narrow = grants.refresh(app, first.refresh_token, "daily")
    assert narrow.scope == "daily"
    assert grants.access(narrow.access_token).scopes == {"daily"}
    again = grants.refresh(app, narrow.refresh_token)
    assert scope_set(again.scope) == {"daily", "heartrate"}


def test_asking_for_more_is_refused_and_spends_nothing(grants, app):
    first = grants.issue(app.client_id, 1, ["daily"])
    for wider in ("daily email", "email", "no_such_scope"):
        refused("invalid_scope", grants.refresh, app, first.refresh_token, wider)
    assert grants.access(first.access_token)
    assert grants.refresh(app, first.refresh_token).scope == "daily"


@pytest.mark.parametrize("scope", ["extapi:spo2", "spo2Daily", "extapi:daily extapi:spo2", "daily,spo2"])
def test_scopes_are_narrowed_in_any_spelling(grants, app, scope):
    first = grants.issue(app.client_id, 1, ["daily", "spo2"])
    assert "spo2" in grants.refresh(app, first.refresh_token, scope).scope


def test_a_refresh_token_lives_a_year(grants, app):
    first, second = (grants.issue(app.client_id, 1, ["daily"]) for _ in range(2))
    grants.clock.advance(REFRESH_LIFE)
    assert grants.refresh(app, first.refresh_token)
    grants.clock.advance(timedelta(milliseconds=1))
    refused("invalid_grant", grants.refresh, app, second.refresh_token)


# --- Revoking ---


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_revoking_either_ends_the_family_once(grants, app, which):
    issued = grants.issue(app.client_id, 1, ["daily"])
    bystander = grants.issue(app.client_id, 1, ["daily"])
    assert grants.revoke(getattr(issued, which))
    assert not grants.revoke(getattr(issued, which))
    assert grants.access(issued.access_token) is None
    assert grants.access(bystander.access_token)
    assert not grants.revoke("")
    assert not grants.revoke("never issued")


# --- What is written down ---


def test_no_secret_is_in_the_file(tmp_path):
    path = tmp_path / "oura.db"
    told = []
    with Archive.open(path) as archive:
        grants = Grants(archive, Clock(NOW), Limits())
        client_id, secret = grants.register("An application", [URI])
        app = grants.authenticate(client_id, secret)
        pair = Pkce.new()
        code = code_for(grants, app, SCOPES, pair.challenge)
        first = grants.exchange(app, code, URI, pair.verifier)
        second = grants.refresh(app, first.refresh_token)
        implicit = grants.issue(client_id, 1, SCOPES, refreshable=False)
        unused = code_for(grants, app)
        told += [secret, code, unused, pair.verifier]
        told += [one.access_token for one in (first, second, implicit)]
        told += [first.refresh_token, second.refresh_token]
        files = [one for one in tmp_path.iterdir() if one.name.startswith("oura.db")]
        assert any(one.name.endswith("-wal") for one in files)
        written = b"".join(one.read_bytes() for one in files)
    written += path.read_bytes()
    assert client_id.encode() in written, "the search finds what is there"
    for one in told:
        assert one.encode() not in written
        assert one[9:].encode() not in written


def test_nothing_shown_tells_a_token(grants, app):
    issued = grants.issue(app.client_id, 1, ["daily"])
    shown = repr(issued) + str(issued) + repr(grants.access(issued.access_token))
    assert issued.access_token not in shown
    assert issued.refresh_token not in shown


def test_grants_outlive_the_program(tmp_path):
    path = tmp_path / "oura.db"
    with Archive.open(path) as archive:
        grants = Grants(archive, Clock(NOW), Limits())
        client_id, secret = grants.register("An application", [URI])
        issued = grants.issue(client_id, 1, ["daily"])
    with Archive.open(path) as archive:
        grants = Grants(archive, Clock(NOW), Limits())
        assert grants.access(issued.access_token).scopes == {"daily"}
        assert grants.refresh(grants.authenticate(client_id, secret), issued.refresh_token)
    with sqlite3.connect(path) as plain:
        assert plain.execute("SELECT count(*) FROM oauth_token").fetchone()[0] == 4
    plain.close()


# --- Whatever the order ---


class Families(RuleBasedStateMachine):
    """Tokens against a model: a family lives or dies as a whole, and one refresh token of it is fresh."""

    fresh = Bundle("fresh")
    spent = Bundle("spent")
    access = Bundle("access")

    def __init__(self) -> None:
        super().__init__()
        self.archive = Archive.open(":memory:")
        self.grants = Grants(self.archive, Clock(NOW), Limits())
        self.app = self.grants.authenticate(*self.grants.register("An application", [URI]))
        self.dead: set[int] = set()
        self.families = 0
        self.tokens: list[tuple[int, str]] = []

    def teardown(self) -> None:
        self.archive.close()

    @rule(target=fresh)
    def sign_in(self):
        self.families += 1
        code = code_for(self.grants, self.app)
        issued = self.grants.exchange(self.app, code, URI, None)
        self.tokens.append((self.families, issued.access_token))
        return self.families, issued.refresh_token

    @rule(target=spent, token=consumes(fresh))
    def renew(self, token):
        family, refresh = token
        if family in self.dead:
            refused("invalid_grant", self.grants.refresh, self.app, refresh)
            return token
        issued = self.grants.refresh(self.app, refresh)
        self.tokens.append((family, issued.access_token))
        self.newest = (family, issued.refresh_token)
        return token

    @rule(target=fresh)
    def keep_the_newest(self):
        newest = getattr(self, "newest", None)
        if newest is None:
            return self.sign_in()
        self.newest = None
        return newest

    @rule(token=spent)
    def replay(self, token):
        refused("invalid_grant", self.grants.refresh, self.app, token[1])
        self.dead.add(token[0])

    @rule(token=fresh)
    def revoke(self, token):
        assert self.grants.revoke(token[1]) == (token[0] not in self.dead)
        self.dead.add(token[0])

    @invariant()
    def a_family_lives_or_dies_as_a_whole(self):
        for family, token in self.tokens:
            assert (self.grants.access(token) is None) == (family in self.dead)


Families.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestFamilies = Families.TestCase


@given(st.sets(st.sampled_from(sorted(SCOPES))))
@settings(deadline=None, max_examples=30)
def test_any_set_of_scopes_is_kept_as_granted(scopes):
    with Archive.open(":memory:") as archive:
        grants = Grants(archive, Clock(NOW), Limits())
        client_id, _ = grants.register("An application", [URI])
        issued = grants.issue(client_id, 1, scopes)
        assert grants.access(issued.access_token).scopes == scopes == scope_set(issued.scope)
