"""Both ends of OAuth2: scopes, URLs, and the flows that get, renew and end a grant, driven by hand."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet.client import MemoryWallet
from ringlet.errors import ConnectionLost, GrantError, OuraBroken, ScopeMissing, SignInNeeded, TokenDead
from ringlet.oauth import (
    OURA,
    POLL,
    SCOPES,
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
from ringlet.wire import WAITED, Flow, Request, Response, ask

SAMPLES = Path(__file__).resolve().parents[1].parent / "shared/reference/samples"

OLDER, NEWER = "https://older.test/token", "https://newer.test/token"
HOSTS = Hosts(authorize="https://id.test/authorize", token=(OLDER, NEWER), revoke="https://older.test/revoke")
APP = App(client_id="an app", client_secret="hush-app", redirect_uri="http://localhost:8000/back")
STALE = Tokens(access_token="stale", refresh_token="once", scope="daily", token_url=NEWER)
FRESH = Tokens(access_token="fresh", refresh_token="twice", scope="daily", token_url=NEWER)
GRANTED = Response(200, b'{"access_token":"fresh","refresh_token":"twice"}')
REFUSED = Response(400, b'{"error":"invalid_grant","error_description":"no such token"}')
EXPIRED = Response(401, b'{"detail":"Token expired"}')
UNSCOPED = Response(401, b'{"detail":"Token not authorized to access this data"}')
HERE = Request(path="/v2/usercollection/daily_stress", scope="daily")
PAUSE = Request(after=POLL)


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


def test_any_other_cloud_has_everything_on_one_port() -> None:
    assert hosts_at("http://127.0.0.1:8765/") == Hosts(
        authorize="http://127.0.0.1:8765/oauth/authorize",
        token=("http://127.0.0.1:8765/oauth/token",),
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
    with pytest.raises(GrantError) as caught:
        drive(exchange(APP, HOSTS, "a code"), [Response(401), REFUSED])
    assert (caught.value.error, caught.value.description, caught.value.status) == (
        "invalid_grant",
        "no such token",
        400,
    )


def test_a_code_that_was_recognised_and_refused_is_tried_nowhere_else() -> None:
    with pytest.raises(GrantError) as caught:
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
    with pytest.raises(GrantError) as caught:
        drive(exchange(APP, HOSTS, "a code"), answers)
    assert caught.value.error == raised


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_any_other_refusal_is_final_because_the_code_may_be_spent(status: int) -> None:
    with pytest.raises((GrantError, OuraBroken)):
        drive(exchange(APP, HOSTS, "a code"), [Response(status)])


@pytest.mark.parametrize(
    ("body", "error", "description"),
    [
        (b"", "invalid_request", ""),
        (b"<html>", "invalid_request", ""),
        (b'{"error":"invalid_client"}', "invalid_client", ""),
        (b'{"status":400,"title":"Bad","detail":"more words"}', "invalid_request", "more words"),
        (b'{"title":"Bad"}', "invalid_request", "Bad"),
    ],
)
def test_a_refusal_in_any_shape_is_a_grant_error(body: bytes, error: str, description: str) -> None:
    with pytest.raises(GrantError) as caught:
        drive(refresh(APP, HOSTS, STALE), [Response(400, body)])
    assert (caught.value.error, caught.value.description) == (error, description)


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>hush", b'{"access_token":7}'])
def test_a_token_endpoint_that_answers_something_else_is_broken(body: bytes) -> None:
    with pytest.raises(OuraBroken) as caught:
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


def test_a_grant_is_renewed_where_it_was_given_and_nowhere_else() -> None:
    asked, tokens = drive(refresh(APP, HOSTS, STALE), [GRANTED])
    assert [one.path for one in asked] == [NEWER]
    assert tokens == FRESH
    with pytest.raises(GrantError):
        drive(refresh(APP, HOSTS, STALE), [REFUSED])


def test_a_grant_that_does_not_know_its_host_tries_both() -> None:
    homeless = Tokens(access_token="stale", refresh_token="once")
    asked, tokens = drive(refresh(APP, HOSTS, homeless), [Response(400), GRANTED])
    assert [one.path for one in asked] == [OLDER, NEWER]
    assert tokens.token_url == NEWER


def test_a_server_that_does_not_rotate_leaves_the_refresh_token_and_the_scope_as_they_were() -> None:
    _, tokens = drive(refresh(APP, HOSTS, STALE), [Response(200, b'{"access_token":"fresh"}')])
    assert (tokens.access_token, tokens.refresh_token, tokens.scope) == ("fresh", "once", "daily")


def test_a_refused_token_is_renewed_once_and_the_request_replayed() -> None:
    wallet = MemoryWallet(STALE)
    asked, body = drive(signed(ask(HERE), wallet, APP, HOSTS), [EXPIRED, GRANTED, Response(200, b"data")])
    assert [one.path for one in asked] == [HERE.path, NEWER, HERE.path]
    assert [one.headers.get("authorization") for one in asked] == ["Bearer stale", None, "Bearer fresh"]
    assert body == b"data"
    assert wallet.load() == FRESH


def test_a_token_refused_even_when_fresh_is_dead() -> None:
    wallet = MemoryWallet(STALE)
    with pytest.raises(TokenDead):
        drive(signed(ask(HERE), wallet, APP, HOSTS), [EXPIRED, GRANTED, EXPIRED])
    assert wallet.load() == FRESH, "the rotated token is kept, whatever comes of it"


def test_while_another_renews_the_flow_only_waits_and_then_uses_what_the_other_saved() -> None:
    wallet = MemoryWallet(STALE)
    assert wallet.claim(), "the other"
    flow = signed(ask(HERE), wallet, APP, HOSTS)
    next(flow)
    assert [flow.send(EXPIRED), flow.send(WAITED), flow.send(WAITED)] == [PAUSE, PAUSE, PAUSE]
    wallet.save(FRESH)
    wallet.release()
    replay = flow.send(WAITED)
    assert (replay.path, replay.headers) == (HERE.path, {"authorization": "Bearer fresh"})
    with pytest.raises(StopIteration):
        flow.send(Response(200))
    assert wallet.claim(), "the claim was given back"


def test_when_the_other_gave_up_the_next_in_line_renews() -> None:
    wallet = MemoryWallet(STALE)
    assert wallet.claim()
    flow = renew(wallet, APP, HOSTS, stale=STALE)
    assert next(flow) == PAUSE
    wallet.release()
    assert flow.send(WAITED).path == NEWER
    with pytest.raises(StopIteration) as done:
        flow.send(GRANTED)
    assert done.value.value == wallet.load() == FRESH


def test_a_grant_that_was_removed_meanwhile_needs_a_new_sign_in() -> None:
    wallet = MemoryWallet()
    with pytest.raises(SignInNeeded):
        next(renew(wallet, APP, HOSTS, stale=STALE))
    assert wallet.claim()


@pytest.mark.parametrize(
    "answer", [REFUSED, Response(503), Response(200, b"<html>"), ConnectionLost("reset")], ids=repr
)
def test_a_renewal_that_fails_gives_the_claim_back_and_keeps_the_old_grant(
    answer: Response | Exception,
) -> None:
    wallet = MemoryWallet(STALE)
    with pytest.raises((GrantError, OuraBroken, ConnectionLost)):
        drive(signed(ask(HERE), wallet, APP, HOSTS), [EXPIRED, answer])
    assert wallet.load() == STALE
    assert wallet.claim()


def test_a_renewal_that_is_abandoned_gives_the_claim_back() -> None:
    wallet = MemoryWallet(STALE)
    flow = signed(ask(HERE), wallet, APP, HOSTS)
    next(flow)
    assert flow.send(EXPIRED).path == NEWER
    assert not wallet.claim()
    flow.close()
    assert wallet.claim()


def test_a_waiting_flow_that_is_abandoned_leaves_the_other_s_claim_alone() -> None:
    wallet = MemoryWallet(STALE)
    assert wallet.claim()
    flow = renew(wallet, APP, HOSTS, stale=STALE)
    next(flow)
    flow.close()
    assert not wallet.claim()


def test_a_live_token_without_the_scope_is_not_renewed() -> None:
    wallet = MemoryWallet(STALE)
    with pytest.raises(ScopeMissing) as caught:
        drive(signed(ask(HERE), wallet, APP, HOSTS), [UNSCOPED])
    assert caught.value.scope == HERE.scope
    assert wallet.load() == STALE


@pytest.mark.parametrize(
    ("tokens", "app"),
    [(Tokens(access_token="alone"), APP), (STALE, None)],
    ids=["no refresh token", "no application"],
)
def test_what_cannot_be_renewed_is_dead(tokens: Tokens, app: App | None) -> None:
    with pytest.raises(TokenDead):
        drive(signed(ask(HERE), MemoryWallet(tokens), app, HOSTS), [EXPIRED])


def test_without_tokens_nothing_is_sent() -> None:
    with pytest.raises(SignInNeeded):
        next(signed(ask(HERE), MemoryWallet(), APP, HOSTS))
    with pytest.raises(SignInNeeded):
        next(refresh(APP, HOSTS, Tokens(access_token="alone")))


ABROAD = Tokens(access_token="hush", refresh_token="hush", token_url="https://other.test/oauth/token")


def test_a_grant_of_another_cloud_is_never_sent() -> None:
    for flow in (signed(ask(HERE), MemoryWallet(ABROAD), APP, HOSTS), refresh(APP, HOSTS, ABROAD)):
        with pytest.raises(SignInNeeded, match="another cloud") as caught:
            next(flow)
        assert "OURA_API_BASE_URL" in caught.value.cure
        assert "hush" not in str(caught.value) + caught.value.cure


def test_a_grant_of_another_cloud_that_comes_while_waiting_is_not_sent_either() -> None:
    wallet = MemoryWallet(STALE)
    assert wallet.claim(), "the other"
    flow = signed(ask(HERE), wallet, APP, HOSTS)
    next(flow)
    assert flow.send(EXPIRED) == PAUSE
    wallet.save(ABROAD)
    wallet.release()
    with pytest.raises(SignInNeeded, match="another cloud"):
        flow.send(WAITED)


@pytest.mark.parametrize("token", ["hush\n", "hush\r\nx-other: 1", " hush", "h\u00fcsh", "hu\x00sh"])
def test_a_token_that_no_header_can_carry_is_refused_before_it_is_sent_and_not_quoted(token: str) -> None:
    with pytest.raises(SignInNeeded) as caught:
        next(signed(ask(HERE), MemoryWallet(Tokens(access_token=token)), APP, HOSTS))
    assert token.strip() not in str(caught.value) + caught.value.cure


def test_requests_that_want_no_signature_and_waits_pass_unsigned() -> None:
    plain = Request(path="https://id.test/", bearer=False)
    assert drive(signed(ask(plain), MemoryWallet(), None, HOSTS), [Response(200)])[0] == [plain]
    assert next(signed(ask(PAUSE), MemoryWallet(), None, HOSTS)) == PAUSE


# --- Ending ---


@pytest.mark.parametrize("status", [200, 204, 401])
def test_a_grant_is_ended_and_one_that_had_ended_already_is_done_too(status: int) -> None:
    asked, _ = drive(revoke(HOSTS, "hush token"), [Response(status)])
    assert [(one.method, one.path, one.params, one.bearer) for one in asked] == [
        ("POST", HOSTS.revoke, {}, False)
    ]
    assert form(asked[0])["token"] == "hush token"


@pytest.mark.parametrize(("status", "error"), [(400, GrantError), (403, GrantError), (500, OuraBroken)])
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
        next(signed(ask(HERE), MemoryWallet(tokens), APP, HOSTS)),
    ]
    assert all(b"hush" in one.body or "hush" in one.headers["authorization"] for one in asked)
    for value in (APP, pkce, tokens, *asked):
        assert "hush" not in repr(value)
        assert "hush" not in str(value)


def test_no_error_shows_the_secrets_that_were_sent() -> None:
    tokens = Tokens(access_token="hush-access", refresh_token="hush-refresh", token_url=NEWER)
    for answer in (REFUSED, Response(503), Response(200, b"<html>")):
        with pytest.raises((GrantError, OuraBroken)) as caught:
            drive(refresh(APP, HOSTS, tokens), [answer])
        assert "hush" not in repr(caught.value) + caught.value.cure


@given(st.builds(Tokens, access_token=st.text(), refresh_token=st.none() | st.text(), scope=st.text()))
def test_tokens_survive_being_kept(tokens: Tokens) -> None:
    assert msgspec.json.decode(msgspec.json.encode(tokens), type=Tokens) == tokens
