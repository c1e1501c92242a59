"""Codes, tokens and grants: what works once works once, and nothing secret is written down."""

import secrets
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._cloud.core.rate_limit import RateLimit
from ringlet._cloud.oauth.codes import CODE_LIFE
from ringlet._cloud.oauth.grants import Grants, OAuthRules
from ringlet._cloud.oauth.tokens import REFRESH_LIFE
from ringlet._oauth.grant import Pkce, s256
from ringlet._oauth.scopes import SCOPES, scope_set
from ringlet.archive import Archive
from ringlet.cloud import Clock
from ringlet.errors import OAuthError

URI = "https://app.example/callback"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def grants(tmp_path):
    with Archive.open(tmp_path / "oura.db") as archive:
        yield Grants(archive, Clock(NOW), RateLimit())


@pytest.fixture
def app(grants):
    client_id, secret = grants.apps.register("An application", [URI])
    return grants.apps.authenticate(client_id, secret)


def refused(error, call, *args, **more):
    with pytest.raises(OAuthError) as caught:
        call(*args, **more)
    assert caught.value.error == error
    return caught.value


def code_for(grants, app, scopes=("daily", "heartrate"), challenge=None, user=1):
    return grants.authorize(app, user, URI, scopes, challenge)


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


def test_a_code_used_twice_revokes_its_tokens(grants, app):
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


def test_a_code_expires_after_ten_minutes(grants, app):
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
    other = grants.apps.authenticate(*grants.apps.register("Other", [URI]))
    code = code_for(grants, app)
    refused("invalid_grant", grants.exchange, other, code, URI, None)


def test_an_unknown_code_is_refused(grants, app):
    for code in ("", "x", "é", "\0", secrets.token_urlsafe(24)):
        refused("invalid_grant", grants.exchange, app, code, URI, None)


# --- PKCE ---


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


def test_a_reused_refresh_token_revokes_its_family(grants, app):
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
    other = grants.apps.authenticate(*grants.apps.register("Other", [URI]))
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


def test_a_refresh_token_expires_after_a_year(grants, app):
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


def test_an_application_that_proved_itself_ends_its_own_grants_alone(grants, app):
    other = grants.apps.authenticate(*grants.apps.register("Other", [URI]))
    issued = grants.issue(app.client_id, 1, ["daily"])
    refused("unauthorized_client", grants.revoke, issued.access_token, other)
    assert not grants.revoke("never issued", other)
    assert grants.access(issued.access_token)
    assert grants.revoke(issued.access_token, app)


# --- Kinder rules ---


@pytest.fixture
def kinder(grants):
    """The same grants under other rules."""

    def under(**rules):
        return Grants(grants.archive, grants.clock, grants.rate_limit, rules=OAuthRules(**rules))

    return under


def test_with_grace_a_lost_answer_may_be_asked_for_again_a_few_times(kinder, app):
    grants = kinder(rotation="grace")
    first = grants.issue(app.client_id, 1, ["daily"]).refresh_token
    pairs = [grants.refresh(app, first) for _ in range(4)]
    assert len({one.refresh_token for one in pairs}) == 4
    assert grants.refresh(app, pairs[0].refresh_token), "each of them goes on"
    refused("invalid_grant", grants.refresh, app, first)
    assert not any(grants.access(one.access_token) for one in pairs), "a fifth is a replay"


def test_the_grace_ends_with_its_minute(kinder, app):
    grants = kinder(rotation="grace")
    first = grants.issue(app.client_id, 1, ["daily"])
    second = grants.refresh(app, first.refresh_token)
    grants.clock.advance(timedelta(seconds=60))
    assert grants.refresh(app, first.refresh_token)
    grants.clock.advance(timedelta(milliseconds=1))
    refused("invalid_grant", grants.refresh, app, first.refresh_token)
    assert grants.access(second.access_token) is None


def test_without_rotation_the_refresh_token_stays(kinder, app):
    grants = kinder(rotation="none")
    first = grants.issue(app.client_id, 1, ["daily"])
    renewed = [grants.refresh(app, first.refresh_token) for _ in range(3)]
    assert {one.refresh_token for one in renewed} == {first.refresh_token}
    assert len({one.access_token for one in renewed}) == 3
    assert all(grants.access(one.access_token) for one in (first, *renewed))


# --- Who is connected ---


def test_a_wearer_sees_who_may_read_and_ends_it_at_once(grants, app):
    other = grants.apps.authenticate(*grants.apps.register("Other", [URI]))
    began = grants.clock.ms()
    issued = [grants.issue(app.client_id, 1, scopes) for scopes in (["daily"], ["heartrate"])]
    grants.clock.advance(timedelta(days=1))
    kept = [grants.issue(app.client_id, 2, ["daily"]), grants.issue(other.client_id, 1, ["tag"])]
    code = code_for(grants, app)
    mine, theirs = grants.connections(1)
    assert (mine.name, mine.scopes, mine.since) == ("An application", {"daily", "heartrate"}, began)
    assert theirs.client_id == other.client_id
    assert grants.disconnect(1, app.client_id)
    assert not grants.disconnect(1, app.client_id)
    assert [one.client_id for one in grants.connections(1)] == [other.client_id]
    assert not any(grants.access(one.access_token) for one in issued)
    assert all(grants.access(one.access_token) for one in kept)
    refused("invalid_grant", grants.exchange, app, code, URI, None)


def test_who_is_connected_no_more_is_not_shown(grants, app):
    grants.revoke(grants.issue(app.client_id, 1, ["daily"]).access_token)
    grants.issue(app.client_id, 2, ["daily"])
    grants.clock.advance(REFRESH_LIFE)
    assert grants.connections(1) == grants.connections(2) == []


# --- Applications on trial ---


def test_an_application_on_trial_has_ten_wearers_and_no_more(grants, app):
    for user in range(1, 11):
        assert code_for(grants, app, user=user)
    assert grants.count_users(app.client_id) == 10
    problem = refused("access_denied", code_for, grants, app, user=11)
    assert "10 users" in problem.description
    refused("access_denied", grants.issue, app.client_id, 11, ["daily"])
    assert code_for(grants, app, user=10), "who is in may come again"
    assert grants.disconnect(3, app.client_id) is False, "a code is no connection yet"
    assert code_for(grants, app, user=11), "but its place was given back"
    refused("access_denied", code_for, grants, app, user=12)
    grants.apps.approve(app.client_id)
    assert code_for(grants, app, user=12)


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_the_last_place_is_taken_once(request, tmp_path, database):
    path = tmp_path / "oura.db" if database == "sqlite" else request.getfixturevalue("postgres")
    with Archive.open(path) as archive:
        grants = Grants(archive, Clock(NOW), RateLimit())
        client_id, _ = grants.apps.register("An application", [URI])

    def take(user):
        with Archive.open(path, timeout=30) as own:
            mine = Grants(own, Clock(NOW), RateLimit())
            try:
                return mine.issue(client_id, user, ["daily"])
            except OAuthError:
                return None

    with ThreadPoolExecutor(16) as pool:
        assert sum(one is not None for one in pool.map(take, range(1, 17))) == 10


# --- An application that is gone ---


def test_an_application_that_is_deleted_takes_its_grants_with_it(grants, app):
    issued = grants.issue(app.client_id, 1, ["daily"])
    grants.apps.delete(app.client_id)
    assert grants.access(issued.access_token) is None
    assert grants.introspect(issued.refresh_token) is None
    assert grants.connections(1) == []


# --- What is written down ---


def test_no_listing_contains_a_token(grants, app):
    issued = grants.issue(app.client_id, 1, ["daily"])
    shown = repr(issued) + str(issued) + repr(grants.access(issued.access_token))
    assert issued.access_token not in shown
    assert issued.refresh_token not in shown


def test_grants_outlive_the_program(tmp_path):
    path = tmp_path / "oura.db"
    with Archive.open(path) as archive:
        grants = Grants(archive, Clock(NOW), RateLimit())
        client_id, secret = grants.apps.register("An application", [URI])
        issued = grants.issue(client_id, 1, ["daily"])
    with Archive.open(path) as archive:
        grants = Grants(archive, Clock(NOW), RateLimit())
        assert grants.access(issued.access_token).scopes == {"daily"}
        assert grants.refresh(grants.apps.authenticate(client_id, secret), issued.refresh_token)
    with sqlite3.connect(path) as plain:
        assert plain.execute("SELECT count(*) FROM oauth_tokens").fetchone()[0] == 4
    plain.close()


# --- Scopes ---


@given(st.sets(st.sampled_from(sorted(SCOPES))))
def test_any_set_of_scopes_is_stored_as_granted(scopes):
    with Archive.open(":memory:") as archive:
        grants = Grants(archive, Clock(NOW), RateLimit())
        client_id, _ = grants.apps.register("An application", [URI])
        issued = grants.issue(client_id, 1, scopes)
        assert grants.access(issued.access_token).scopes == scopes == scope_set(issued.scope)
