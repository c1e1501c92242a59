"""Both ends of OAuth2: scopes, URLs, and the flows that get, renew and end a grant, driven by hand."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._api.wire import WAITED, Flow, Request, Response, ask
from ringlet._oauth.flows import (
    OURA,
    POLL,
    SCOPES,
    TWICE,
    App,
    Hosts,
    Pkce,
    Tokens,
    authorize_url,
    exchange,
    hosts_at,
    refresh,
    renew,
    revoke,
    s256,
    scope_name,
    scope_set,
    scope_text,
    signed,
)
from ringlet.client import MemoryTokenStore
from ringlet.errors import (
    ConnectionFailed,
    InsufficientScope,
    InvalidToken,
    NotSignedIn,
    OAuthError,
    ServerError,
)

from ..paths import SAMPLES

OLDER, NEWER = "https://older.test/token", "https://newer.test/token"
HOSTS = Hosts(authorize="https://id.test/authorize", token=(OLDER, NEWER), revoke="https://older.test/revoke")
APP = App(client_id="an app", client_secret="hush-app", redirect_uri="http://localhost:8000/back")
STALE = Tokens(access_token="stale", refresh_token="once", scope="daily", token_url=NEWER)
FRESH = Tokens(
    access_token="fresh", refresh_token="twice", scope="daily", token_url=NEWER, client_id="an app"
)
GRANTED = Response(200, b'{"access_token":"fresh","refresh_token":"twice"}')
REFUSED = Response(400, b'{"error":"invalid_grant","error_description":"no such token"}')
EXPIRED = Response(401, b'{"detail":"Token expired"}')
UNSCOPED = Response(401, b'{"detail":"Token not authorized to access this data"}')
HERE = Request(path="/v2/usercollection/daily_stress", scope="daily")
PAUSE = Request(after=POLL)
NOW = 1_000_000.0


def CLOCK() -> float:  # noqa: N802  # one word for the moment all of these tests play at
    return NOW


def drive(flow: Flow[Any], answers: Iterable[Response | Exception]) -> tuple[list[Request], Any]:
    """What a flow asks when it gets these answers (a failure is thrown in), and what it returns."""
    asked = [next(flow)]
    for answer in answers:
        try:
            asked.append(flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer))
        except StopIteration as done:
            return asked, done.value
    raise AssertionError(f"still asking after {asked}")


def form(request: Request) -> dict[str, str]:
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    return dict(parse_qsl(request.body.decode(), strict_parsing=True))


KEPT = msgspec.structs.replace(FRESH, obtained_at=NOW)


def at(seconds: float) -> Callable[[], float]:
    """A clock that shows so many seconds after NOW."""
    return lambda: NOW + seconds


# --- Scopes ---


def test_the_eleven_scopes_of_the_portal() -> None:
    assert len(SCOPES) == 11


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("daily", "daily"),
        ("extapi:daily", "daily"),
        ("spo2Daily", "spo2"),
        ("spo2daily", "spo2"),
        ("extapi:spo2Daily", "spo2"),
        ("tag User", "tag"),
        (" heart_health ", "heart_health"),
        ("something_new", "something_new"),
    ],
)
def test_a_scope_has_one_name_however_it_is_spelled(written: str, name: str) -> None:
    assert scope_name(written) == name
    assert scope_name(name) == name


@given(st.sets(st.sampled_from([*SCOPES, "something_new", "another"])), st.booleans())
def test_scopes_survive_being_written_and_read(scopes: set[str], prefix: bool) -> None:
    assert scope_set(scope_text(scopes, prefix=prefix)) == scopes


@given(st.permutations([*SCOPES]))
def test_scopes_are_written_in_the_portal_s_order(scopes: list[str]) -> None:
    assert scope_text(scopes).split() == [*SCOPES]
    assert scope_text([*scopes, "a_new_one"]).split() == [*SCOPES, "a_new_one"]
    assert scope_text(scopes, prefix=True).split() == ["extapi:" + name for name in SCOPES]


def test_scopes_may_be_separated_by_commas() -> None:
    assert scope_set("daily,spo2Daily, email") == {"daily", "spo2", "email"}
    assert scope_set("") == frozenset()


# --- Hosts and the authorize URL ---


@pytest.mark.parametrize("url", ["https://api.ouraring.com", "https://api.ouraring.com/"])
def test_oura_s_own_hosts_go_with_oura_s_own_api(url: str) -> None:
    assert hosts_at(url) is OURA


def test_any_other_cloud_has_everything_on_one_port_under_both_families_of_paths() -> None:
    assert hosts_at("http://127.0.0.1:8765/") == Hosts(
        authorize="http://127.0.0.1:8765/oauth/authorize",
        token=("http://127.0.0.1:8765/oauth/token", "http://127.0.0.1:8765/oauth/v2/ext/oauth-token"),
        revoke="http://127.0.0.1:8765/oauth/revoke",
    )


TEXT = st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable())


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


# --- Getting a grant ---


def test_a_code_is_exchanged_in_a_body_never_in_a_url() -> None:
    pkce = Pkce.new()
    asked, tokens = drive(exchange(APP, HOSTS, "a code", pkce), [GRANTED])
    assert [(one.method, one.path, one.params, one.bearer) for one in asked] == [("POST", OLDER, {}, False)]
    assert form(asked[0]) == {
        "grant_type": "authorization_code",
        "code": "a code",
        "redirect_uri": APP.redirect_uri,
        "code_verifier": pkce.verifier,
        "client_id": APP.client_id,
        "client_secret": APP.client_secret,
    }
    assert (tokens.access_token, tokens.refresh_token, tokens.token_url) == ("fresh", "twice", OLDER)


@pytest.mark.parametrize("status", [400, 401])
def test_an_application_of_the_newer_host_is_refused_by_the_older_and_tried_at_its_own(status: int) -> None:
    asked, tokens = drive(exchange(APP, HOSTS, "a code"), [Response(status), GRANTED])
    assert [one.path for one in asked] == [OLDER, NEWER]
    assert asked[0].body == asked[1].body
    assert tokens.token_url == NEWER


def test_when_both_hosts_refuse_the_last_refusal_is_raised() -> None:
    with pytest.raises(OAuthError) as caught:
        drive(exchange(APP, HOSTS, "a code"), [Response(401), REFUSED])
    assert (caught.value.error, caught.value.description, caught.value.status) == (
        "invalid_grant",
        "no such token",
        400,
    )


def test_a_code_that_was_recognised_and_refused_is_tried_nowhere_else() -> None:
    with pytest.raises(OAuthError) as caught:
        drive(exchange(APP, HOSTS, "a code"), [REFUSED])
    assert caught.value.error == "invalid_grant"


@pytest.mark.parametrize(
    ("older", "newer", "raised"),
    [
        ("invalid_scope", "invalid_client", "invalid_scope"),
        ("invalid_request", "invalid_client", "invalid_request"),
        ("invalid_client", "invalid_request", "invalid_request"),
        ("invalid_client", "unsupported_grant_type", "unsupported_grant_type"),
        ("unauthorized_client", "invalid_scope", "invalid_scope"),
    ],
)
def test_when_both_hosts_refuse_the_refusal_that_tells_most_is_raised(
    older: str, newer: str, raised: str
) -> None:
    answers = [Response(400, json.dumps({"error": error}).encode()) for error in (older, newer)]
    with pytest.raises(OAuthError) as caught:
        drive(exchange(APP, HOSTS, "a code"), answers)
    assert caught.value.error == raised


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_any_other_refusal_is_final_because_the_code_may_be_spent(status: int) -> None:
    with pytest.raises((OAuthError, ServerError)):
        drive(exchange(APP, HOSTS, "a code"), [Response(status)])


@pytest.mark.parametrize(
    ("body", "error", "description"),
    [
        (b"", "invalid_request", ""),
        (b"<html>", "invalid_request", ""),
        (b'{"error":"\xff"}', "invalid_request", ""),
        (b"[" * 100_000, "invalid_request", ""),
        (b'{"error":"invalid_client"}', "invalid_client", ""),
        (b'{"status":400,"title":"Bad","detail":"more words"}', "invalid_request", "more words"),
        (b'{"title":"Bad"}', "invalid_request", "Bad"),
    ],
)
def test_a_refusal_in_any_shape_is_a_grant_error(body: bytes, error: str, description: str) -> None:
    with pytest.raises(OAuthError) as caught:
        drive(refresh(APP, HOSTS, STALE), [Response(400, body)] * 2)
    assert (caught.value.error, caught.value.description) == (error, description)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"<html>hush", b'{"access_token":7}', b'{"access_token":"\xff"}']
)
def test_a_token_endpoint_that_answers_something_else_is_broken(body: bytes) -> None:
    with pytest.raises(ServerError) as caught:
        drive(exchange(APP, HOSTS, "a code"), [Response(200, body)])
    assert "hush" not in str(caught.value)


@pytest.mark.skipif(not SAMPLES.exists(), reason="the recorded answers lie beside the checkout")
@pytest.mark.parametrize("name", ["token_response", "token_response_legacy_docs"])
def test_recorded_grants(name: str) -> None:
    body = (SAMPLES / "oauth" / f"{name}.json").read_bytes()
    _, tokens = drive(exchange(APP, HOSTS, "a code"), [Response(200, body)])
    raw = json.loads(body)
    assert tokens.access_token == raw["access_token"]
    assert tokens.expires_in == raw["expires_in"]
    assert tokens.scopes <= SCOPES.keys()
    assert len(tokens.scopes) == len(raw.get("scope", "").split())


# --- Renewing ---


def test_a_grant_is_renewed_where_it_was_given_and_a_judgement_there_is_final() -> None:
    asked, tokens = drive(refresh(APP, HOSTS, STALE), [GRANTED])
    assert [one.path for one in asked] == [NEWER]
    assert tokens == FRESH
    with pytest.raises(OAuthError):
        drive(refresh(APP, HOSTS, STALE), [REFUSED])


def test_a_host_that_does_not_know_the_application_any_more_is_not_the_last_one_asked() -> None:
    asked, tokens = drive(refresh(APP, HOSTS, STALE), [Response(400), GRANTED])
    assert [one.path for one in asked] == [NEWER, OLDER]
    assert tokens.token_url == OLDER


def test_an_application_that_is_known_to_be_the_newer_host_s_is_asked_for_there_first() -> None:
    asked, _ = drive(exchange(replace(APP, token_url=NEWER), HOSTS, "a code"), [GRANTED])
    assert [one.path for one in asked] == [NEWER]


def test_a_grant_that_does_not_know_its_host_tries_both() -> None:
    homeless = Tokens(access_token="stale", refresh_token="once")
    asked, tokens = drive(refresh(APP, HOSTS, homeless), [Response(400), GRANTED])
    assert [one.path for one in asked] == [OLDER, NEWER]
    assert tokens.token_url == NEWER


def test_a_server_that_does_not_rotate_leaves_the_refresh_token_and_the_scope_as_they_were() -> None:
    _, tokens = drive(refresh(APP, HOSTS, STALE), [Response(200, b'{"access_token":"fresh"}')])
    assert (tokens.access_token, tokens.refresh_token, tokens.scope) == ("fresh", "once", "daily")


def test_a_refused_token_is_renewed_once_and_the_request_replayed() -> None:
    token_store = MemoryTokenStore(STALE)
    asked, body = drive(
        signed(ask(HERE), token_store, APP, HOSTS, clock=CLOCK), [EXPIRED, GRANTED, Response(200, b"data")]
    )
    assert [one.path for one in asked] == [HERE.path, NEWER, HERE.path]
    assert [one.headers.get("authorization") for one in asked] == ["Bearer stale", None, "Bearer fresh"]
    assert body == b"data"
    assert token_store.load() == KEPT


def test_a_token_refused_even_when_fresh_is_dead() -> None:
    token_store = MemoryTokenStore(STALE)
    with pytest.raises(InvalidToken):
        drive(signed(ask(HERE), token_store, APP, HOSTS, clock=CLOCK), [EXPIRED, GRANTED, EXPIRED])
    assert token_store.load() == KEPT, "the rotated token is kept, whatever comes of it"


def test_while_another_renews_the_flow_only_waits_and_then_uses_what_the_other_saved() -> None:
    token_store = MemoryTokenStore(STALE)
    assert token_store.claim(), "the other"
    flow = signed(ask(HERE), token_store, APP, HOSTS, clock=CLOCK)
    next(flow)
    assert [flow.send(EXPIRED), flow.send(WAITED), flow.send(WAITED)] == [PAUSE, PAUSE, PAUSE]
    token_store.save(FRESH)
    token_store.release()
    replay = flow.send(WAITED)
    assert (replay.path, replay.headers) == (HERE.path, {"authorization": "Bearer fresh"})
    with pytest.raises(StopIteration):
        flow.send(Response(200))
    assert token_store.claim(), "the claim was given back"


def test_when_the_other_gave_up_the_next_in_line_renews() -> None:
    token_store = MemoryTokenStore(STALE)
    assert token_store.claim()
    flow = renew(token_store, APP, HOSTS, stale=STALE, clock=CLOCK)
    assert next(flow) == PAUSE
    token_store.release()
    assert flow.send(WAITED).path == NEWER
    with pytest.raises(StopIteration) as done:
        flow.send(GRANTED)
    assert done.value.value == token_store.load() == KEPT


def test_a_grant_that_was_removed_meanwhile_needs_a_new_sign_in() -> None:
    token_store = MemoryTokenStore()
    with pytest.raises(NotSignedIn):
        next(renew(token_store, APP, HOSTS, stale=STALE, clock=CLOCK))
    assert token_store.claim()


@pytest.mark.parametrize(
    "answer",
    [Response(503), Response(403), Response(429), ConnectionFailed("refused", sent=False)],
    ids=repr,
)
def test_a_renewal_that_fails_without_spending_anything_leaves_the_grant_as_it_was(
    answer: Response | Exception,
) -> None:
    token_store = MemoryTokenStore(STALE)
    with pytest.raises((OAuthError, ServerError, ConnectionFailed)):
        drive(signed(ask(HERE), token_store, APP, HOSTS, clock=CLOCK), [EXPIRED, answer])
    assert token_store.load() == msgspec.structs.replace(STALE, tried_at=NOW)
    assert token_store.claim()


@pytest.mark.parametrize("answer", [Response(502), Response(504), Response(200, b"<html>")], ids=repr)
def test_a_gateway_that_answers_for_the_server_leaves_doubt_for_as_long_as_it_likes(answer: Response) -> None:
    token_store = MemoryTokenStore(STALE)
    for _ in range(TWICE + 1):
        with pytest.raises(ServerError):
            drive(renew(token_store, APP, HOSTS, stale=STALE, clock=CLOCK), [answer])
        assert token_store.load() == noted(1, STALE)


def test_a_renewal_that_is_abandoned_gives_the_claim_back() -> None:
    token_store = MemoryTokenStore(STALE)
    flow = signed(ask(HERE), token_store, APP, HOSTS, clock=CLOCK)
    next(flow)
    assert flow.send(EXPIRED).path == NEWER
    assert not token_store.claim()
    flow.close()
    assert token_store.claim()


def test_a_waiting_flow_that_is_abandoned_leaves_the_other_s_claim_alone() -> None:
    token_store = MemoryTokenStore(STALE)
    assert token_store.claim()
    flow = renew(token_store, APP, HOSTS, stale=STALE, clock=CLOCK)
    next(flow)
    flow.close()
    assert not token_store.claim()


def test_a_live_token_without_the_scope_is_not_renewed() -> None:
    token_store = MemoryTokenStore(STALE)
    with pytest.raises(InsufficientScope) as caught:
        drive(signed(ask(HERE), token_store, APP, HOSTS, clock=CLOCK), [UNSCOPED])
    assert caught.value.scope == HERE.scope
    assert token_store.load() == STALE


@pytest.mark.parametrize(
    ("tokens", "app"),
    [(Tokens(access_token="alone"), APP), (STALE, None)],
    ids=["no refresh token", "no application"],
)
def test_what_cannot_be_renewed_is_dead(tokens: Tokens, app: App | None) -> None:
    with pytest.raises(InvalidToken):
        drive(signed(ask(HERE), MemoryTokenStore(tokens), app, HOSTS, clock=CLOCK), [EXPIRED])


def test_without_tokens_nothing_is_sent() -> None:
    with pytest.raises(NotSignedIn):
        next(signed(ask(HERE), MemoryTokenStore(), APP, HOSTS, clock=CLOCK))
    with pytest.raises(NotSignedIn):
        next(refresh(APP, HOSTS, Tokens(access_token="alone")))


# --- Renewing ahead of expiry ---

LIFE = 30 * 86400
LIVING = msgspec.structs.replace(STALE, expires_in=LIFE, obtained_at=NOW)
RENEWED = [NEWER, HERE.path]


@pytest.mark.parametrize(
    ("life", "later", "paths"),
    [
        (LIFE, LIFE * 0.94, [HERE.path]),
        (LIFE, LIFE * 0.96, RENEWED),
        (600, 500, [HERE.path]),
        (600, 541, RENEWED),
        (40, 19, [HERE.path]),
        (40, 21, RENEWED),
    ],
    ids=["a month", "a month's last twentieth", "minutes", "the last minute", "seconds", "half of seconds"],
)
def test_a_token_is_renewed_before_it_expires_and_no_sooner(
    life: int, later: float, paths: list[str]
) -> None:
    token_store = MemoryTokenStore(msgspec.structs.replace(LIVING, expires_in=life))
    flow = signed(ask(HERE), token_store, APP, HOSTS, clock=at(later))
    asked, _ = drive(flow, [GRANTED, Response(200)][-len(paths) :])
    assert [one.path for one in asked] == paths


@pytest.mark.parametrize(
    "failure", [ConnectionFailed("reset"), Response(503), Response(502), Response(429)], ids=repr
)
def test_when_nobody_renews_the_token_is_used_while_it_lives(failure: Response | Exception) -> None:
    token_store = MemoryTokenStore(LIVING)
    flow = signed(ask(HERE), token_store, APP, HOSTS, clock=at(LIFE - 30))
    asked, _ = drive(flow, [failure, Response(200)])
    assert asked[-1].headers["authorization"] == "Bearer stale"
    asked, _ = drive(signed(ask(HERE), token_store, APP, HOSTS, clock=at(LIFE - 29)), [Response(200)])
    assert [one.path for one in asked] == [HERE.path], "and not everyone tries anew at once"
    token_store = MemoryTokenStore(LIVING)
    with pytest.raises((ConnectionFailed, ServerError, OAuthError)):
        drive(signed(ask(HERE), token_store, APP, HOSTS, clock=at(LIFE + 1)), [failure])


def test_a_grant_that_turns_out_to_be_dead_is_told_of_at_once() -> None:
    flow = signed(ask(HERE), MemoryTokenStore(LIVING), APP, HOSTS, clock=at(LIFE - 30))
    with pytest.raises(OAuthError, match="used elsewhere"):
        drive(flow, [REFUSED])


# --- A token that is spent is not sent again ---


def noted(times: int, tokens: Tokens = LIVING) -> Tokens:
    """The grant as another process left it, that was killed or lost the answer so many times."""
    return msgspec.structs.replace(tokens, unanswered=times, tried_at=NOW)


def test_the_store_knows_that_the_token_goes_out_before_it_does() -> None:
    token_store = MemoryTokenStore(STALE)
    flow = renew(token_store, APP, HOSTS, stale=STALE, clock=CLOCK)
    assert next(flow).path == NEWER
    assert token_store.load() == msgspec.structs.replace(STALE, unanswered=1, tried_at=NOW)
    flow.close()
    assert token_store.load() == msgspec.structs.replace(STALE, unanswered=1, tried_at=NOW)


def test_a_lost_answer_leaves_the_note_and_the_next_answer_wipes_it() -> None:
    token_store = MemoryTokenStore(STALE)
    with pytest.raises(ConnectionFailed) as lost:
        drive(renew(token_store, APP, HOSTS, stale=STALE, clock=CLOCK), [ConnectionFailed("reset")])
    assert "use the access token up" in lost.value.cure, "to run it again may end the sign-in"
    assert token_store.load() == msgspec.structs.replace(STALE, unanswered=1, tried_at=NOW)
    drive(renew(token_store, APP, HOSTS, stale=STALE, clock=CLOCK), [GRANTED])
    assert token_store.load() == KEPT


def test_in_doubt_the_access_token_is_used_up_before_the_refresh_token_is_sent_again() -> None:
    token_store = MemoryTokenStore(noted(1))
    asked, _ = drive(signed(ask(HERE), token_store, APP, HOSTS, clock=at(LIFE - 10)), [Response(200)])
    assert [one.path for one in asked] == [HERE.path]
    flow = signed(ask(HERE), token_store, APP, HOSTS, clock=at(LIFE + 10))
    asked, _ = drive(flow, [EXPIRED, GRANTED, Response(200)])
    assert [one.path for one in asked] == [HERE.path, *RENEWED]


def test_sent_twice_without_an_answer_it_is_not_sent_a_third_time() -> None:
    with pytest.raises(NotSignedIn, match="sent twice"):
        next(renew(MemoryTokenStore(noted(2)), APP, HOSTS, stale=STALE, clock=CLOCK))


@pytest.mark.parametrize(("times", "why"), [(0, "used elsewhere"), (1, "earlier renewal was lost")])
def test_a_token_known_to_be_spent_is_forgotten_and_the_reason_told(times: int, why: str) -> None:
    token_store = MemoryTokenStore(noted(times))
    with pytest.raises(OAuthError, match=why) as caught:
        drive(renew(token_store, APP, HOSTS, stale=STALE, clock=CLOCK), [REFUSED])
    assert caught.value.error == "invalid_grant"
    kept = token_store.load()
    assert kept
    assert (kept.access_token, kept.refresh_token) == ("stale", None)
    with pytest.raises(NotSignedIn):
        next(renew(token_store, APP, HOSTS, stale=STALE, clock=CLOCK))


def test_before_a_grant_is_called_dead_the_store_is_read_again() -> None:
    token_store = MemoryTokenStore(STALE)
    flow = renew(token_store, APP, HOSTS, stale=STALE, clock=CLOCK)
    next(flow)
    token_store.save(FRESH)
    with pytest.raises(StopIteration) as done:
        flow.send(REFUSED)
    assert done.value.value == token_store.load() == FRESH


def test_a_grant_is_not_renewed_on_behalf_of_another_application() -> None:
    theirs = msgspec.structs.replace(STALE, client_id="another app")
    with pytest.raises(NotSignedIn, match="another application") as caught:
        next(renew(MemoryTokenStore(theirs), APP, HOSTS, stale=theirs, clock=CLOCK))
    assert "OURA_CLIENT_ID" in caught.value.cure


ABROAD = Tokens(access_token="hush", refresh_token="hush", token_url="https://other.test/oauth/token")


def test_a_grant_of_another_cloud_is_never_sent() -> None:
    for flow in (
        signed(ask(HERE), MemoryTokenStore(ABROAD), APP, HOSTS, clock=CLOCK),
        refresh(APP, HOSTS, ABROAD),
    ):
        with pytest.raises(NotSignedIn, match="another cloud") as caught:
            next(flow)
        assert "export OURA_API_BASE_URL=https://other.test;" in caught.value.cure
        assert "hush" not in str(caught.value) + caught.value.cure


def test_a_grant_of_another_cloud_that_comes_while_waiting_is_not_sent_either() -> None:
    token_store = MemoryTokenStore(STALE)
    assert token_store.claim(), "the other"
    flow = signed(ask(HERE), token_store, APP, HOSTS, clock=CLOCK)
    next(flow)
    assert flow.send(EXPIRED) == PAUSE
    token_store.save(ABROAD)
    token_store.release()
    with pytest.raises(NotSignedIn, match="another cloud"):
        flow.send(WAITED)


@pytest.mark.parametrize("token", ["hush\n", "hush\r\nx-other: 1", " hush", "h\u00fcsh", "hu\x00sh"])
def test_a_token_that_no_header_can_carry_is_refused_before_it_is_sent_and_not_quoted(token: str) -> None:
    with pytest.raises(NotSignedIn) as caught:
        next(signed(ask(HERE), MemoryTokenStore(Tokens(access_token=token)), APP, HOSTS, clock=CLOCK))
    assert token.strip() not in str(caught.value) + caught.value.cure


def test_requests_that_want_no_signature_and_waits_pass_unsigned() -> None:
    plain = Request(path="https://id.test/", bearer=False)
    assert drive(signed(ask(plain), MemoryTokenStore(), None, HOSTS, clock=CLOCK), [Response(200)])[0] == [
        plain
    ]
    assert next(signed(ask(PAUSE), MemoryTokenStore(), None, HOSTS, clock=CLOCK)) == PAUSE


# --- Ending ---


@pytest.mark.parametrize("status", [200, 204, 401])
def test_a_grant_is_ended_and_one_that_had_ended_already_is_done_too(status: int) -> None:
    asked, _ = drive(revoke(HOSTS, "hush token"), [Response(status)])
    assert [(one.method, one.path, one.params, one.bearer) for one in asked] == [
        ("POST", HOSTS.revoke, {}, False)
    ]
    assert form(asked[0])["token"] == "hush token"


@pytest.mark.parametrize(("status", "error"), [(400, OAuthError), (403, OAuthError), (500, ServerError)])
def test_a_revocation_that_is_refused_says_so(status: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        drive(revoke(HOSTS, "hush token"), [Response(status)])


# --- Secrets ---


def test_no_value_shows_its_secrets() -> None:
    pkce = Pkce("hush-verifier", "challenge")
    tokens = Tokens(access_token="hush-access", refresh_token="hush-refresh", scope="daily")
    asked = [
        next(exchange(APP, HOSTS, "hush-code", pkce)),
        next(refresh(APP, HOSTS, tokens)),
        next(revoke(HOSTS, "hush-access")),
        next(signed(ask(HERE), MemoryTokenStore(tokens), APP, HOSTS, clock=CLOCK)),
    ]
    assert all(b"hush" in one.body or "hush" in one.headers["authorization"] for one in asked)
    for value in (APP, pkce, tokens, *asked):
        assert "hush" not in repr(value)
        assert "hush" not in str(value)


def test_no_error_shows_the_secrets_that_were_sent() -> None:
    tokens = Tokens(access_token="hush-access", refresh_token="hush-refresh", token_url=NEWER)
    for answer in (REFUSED, Response(503), Response(200, b"<html>")):
        with pytest.raises((OAuthError, ServerError)) as caught:
            drive(refresh(APP, HOSTS, tokens), [answer])
        assert "hush" not in repr(caught.value) + caught.value.cure


@given(st.builds(Tokens, access_token=st.text(), refresh_token=st.none() | st.text(), scope=st.text()))
def test_tokens_survive_being_kept(tokens: Tokens) -> None:
    assert msgspec.json.decode(msgspec.json.encode(tokens), type=Tokens) == tokens
