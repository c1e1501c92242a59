"""Both ends of OAuth2, pure: scopes, hosts, the authorize URL, and the flows that get, renew and end a grant.

Names are those of RFC 6749 and RFC 7636. Oura has two identity systems side by side: the older host
(`api.ouraring.com/oauth/token`) and the one that serves applications registered at developer.ouraring.com
(`moi.ouraring.com/oauth/v2/ext/oauth-token`). An application of the second is refused by the first with 400
or 401, so `Hosts.token` is a list, and the host that is known to serve an application (`App.token_url`) or a
grant (`Tokens.token_url`) is asked first. A host that answers `invalid_grant` knew the application and has
judged the code: no other host is asked.

Why a renewal is written down before it is asked for. A refresh token works once, and a server that sees it
twice takes it for stolen and ends the grant (RFC 9700 section 4.14.2). Between sending it and storing its
successor a process can be killed and an answer can be lost; whoever comes next must be able to tell. So the
store learns first that the token goes out (`Tokens.unanswered`), and the successor, stored, wipes the note:

* No note: the token was never sent. It may be.
* A note: it was sent and no answer was stored. The server may have spent it or never have seen it, and nobody
  can tell which. The access token is used for as long as it lives, since to ask again may end it; then the
  refresh token is sent once more, because to keep it back would lose the grant for certain.
* A note of two sendings: it is not sent again. Sign in.
* Refused as `invalid_grant`: it is known to be spent, and forgotten.

A token whose successor was stored stands nowhere any more, so it cannot be sent again. What certainly never
left (`ConnectionFailed.sent` is false) or was answered by another refusal leaves no note: being offline, or
Oura being down, uses nothing up. Where a gateway answers in the server's place (502, 504) the access token is
used up first, as with a note, but the sending is not counted: an outage may be as long as it likes.

Rules of this file:
* Of all threads, tasks and processes that share a store, one renews and the others wait for it
  (`TokenStore.claim`, and waiting is data). A rotated token is stored before it is used.
* A grant goes only to the cloud that gave it, and on behalf of the application that got it.
* Secrets travel in bodies and headers, never in URLs, and never in a message.
* No clock is read here: the time comes in as a parameter, in seconds since 1970.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import urlencode

import msgspec

from .._api.wire import MALFORMED, Flow, R, Request, Response, pause, relay
from ..errors import ConnectionFailed, NotSignedIn, OAuthError, ServerError

SCOPES: Mapping[str, str] = {
    "email": "E-mail address",
    "personal": "Age, weight, height and biological sex",
    "daily": "Daily summaries of sleep, activity and readiness",
    "heartrate": "Heart rate through the day and night",
    "workout": "Workouts, detected and entered",
    "tag": "Tags entered by the wearer",
    "session": "Guided and unguided sessions",
    "spo2": "Blood oxygen during sleep",
    "ring_configuration": "The ring itself: model, size, battery",
    "stress": "Stress resilience",
    "heart_health": "Cardiovascular age and VO2 max",
}
"""The eleven scopes of the developer portal, in its order, with what each opens."""

ALIASES: Mapping[str, str] = {"spo2daily": "spo2", "tag user": "tag"}
"""The specification writes `spo2Daily`; the server honours `spo2`."""

PREFIX = "extapi:"
"""How the newer identity system spells a scope on the wire."""


def scope_name(text: str) -> str:
    """One scope in its portal spelling, whatever it came in."""
    bare = text.strip().removeprefix(PREFIX)
    return ALIASES.get(bare.lower(), bare)


def scope_set(text: str) -> frozenset[str]:
    """A space-separated `scope` value as portal names. Commas are seen in the wild and accepted."""
    return frozenset(scope_name(one) for one in text.replace(",", " ").split())


def scope_text(scopes: Iterable[str], *, prefix: bool = False) -> str:
    """Scopes as a `scope` value, known ones in the portal's order."""
    order = {name: index for index, name in enumerate(SCOPES)}
    names = sorted(set(scopes), key=lambda name: (order.get(name, len(order)), name))
    return " ".join(PREFIX + name if prefix else name for name in names)


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """Where one deployment of Oura answers."""

    authorize: str
    token: tuple[str, ...]
    revoke: str


OURA = Hosts(
    authorize="https://cloud.ouraring.com/oauth/authorize",
    token=(
        "https://api.ouraring.com/oauth/token",
        "https://moi.ouraring.com/oauth/v2/ext/oauth-token",
    ),
    revoke="https://api.ouraring.com/oauth/revoke",
)


def hosts_at(base_url: str) -> Hosts:
    """The OAuth endpoints that go with an API base URL: Oura's own, or those of a cloud on one port.

    A cloud on one port answers under the paths of both of Oura's hosts.
    """
    if base_url.rstrip("/") == "https://api.ouraring.com":
        return OURA
    root = base_url.rstrip("/")
    return Hosts(
        authorize=f"{root}/oauth/authorize",
        token=(f"{root}/oauth/token", f"{root}/oauth/v2/ext/oauth-token"),
        revoke=f"{root}/oauth/revoke",
    )


@dataclass(frozen=True, kw_only=True)
class App:
    """An application registered with Oura: who asks."""

    client_id: str
    client_secret: str = field(default="", repr=False)
    redirect_uri: str = ""
    token_url: str = ""
    """The token host that is known to serve it, asked first: a refused attempt may use up the code."""


class Tokens(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A grant as it is kept: RFC 6749 section 5.1, and which token host gave it."""

    access_token: str
    refresh_token: str | None = None
    token_type: str = "bearer"  # noqa: S105  # RFC 6749's word, not a secret
    expires_in: int | None = None
    """Lifetime in seconds at issue; Oura documents 24 hours and issues 30 days."""
    scope: str = ""
    token_url: str = ""
    client_id: str = ""
    """The application that got it, where that is known."""
    obtained_at: float | None = None
    """When it was asked for, in seconds since 1970."""
    tried_at: float | None = None
    """When a renewal was last asked for without success."""
    unanswered: int = 0
    """How often the refresh token was sent without an answer; see the top of this file."""

    def __repr__(self) -> str:
        return f"Tokens(scope={self.scope!r}, refreshable={self.refresh_token is not None})"

    @property
    def scopes(self) -> frozenset[str]:
        """What was granted, in portal names; empty when the server did not say."""
        return scope_set(self.scope)

    @property
    def expires_at(self) -> float | None:
        """When the access token dies, in seconds since 1970, where that is known."""
        if self.obtained_at is None or self.expires_in is None:
            return None
        return self.obtained_at + self.expires_in


@dataclass(frozen=True, slots=True)
class Pkce:
    """A verifier and its S256 challenge (RFC 7636)."""

    verifier: str = field(repr=False)
    challenge: str

    @classmethod
    def new(cls) -> Pkce:
        """A fresh pair; the verifier holds 256 random bits."""
        verifier = secrets.token_urlsafe(32)
        return cls(verifier, s256(verifier))


def s256(verifier: str) -> str:
    """BASE64URL(SHA256(verifier)) without padding: RFC 7636 section 4.2."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def authorize_url(
    app: App,
    hosts: Hosts,
    *,
    state: str,
    scopes: Iterable[str] = SCOPES,
    pkce: Pkce | None = None,
    response_type: str = "code",
) -> str:
    """Where to send the wearer's browser."""
    query = {
        "response_type": response_type,
        "client_id": app.client_id,
        "redirect_uri": app.redirect_uri,
        "scope": scope_text(scopes),
        "state": state,
    }
    if pkce:
        query |= {"code_challenge": pkce.challenge, "code_challenge_method": "S256"}
    return f"{hosts.authorize}?{urlencode({k: v for k, v in query.items() if v})}"


def exchange(app: App, hosts: Hosts, code: str, pkce: Pkce | None = None) -> Flow[Tokens]:
    """A code for tokens (RFC 6749 section 4.1.3). Raises OAuthError, ServerError."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": app.redirect_uri}
    if pkce:
        form["code_verifier"] = pkce.verifier
    return _token(app, _hosts_in_order(app.token_url, hosts), form)


def refresh(app: App, hosts: Hosts, tokens: Tokens) -> Flow[Tokens]:
    """New tokens for the refresh token, which is spent by asking.

    Raises NotSignedIn (nothing was sent), OAuthError, ServerError.
    """
    _may_renew(tokens, app, hosts)
    urls = _hosts_in_order(tokens.token_url or app.token_url, hosts)
    fresh = yield from _token(
        app, urls, {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token or ""}
    )
    # A server that does not rotate leaves refresh_token out: RFC 6749 section 6 says keep the old one.
    return msgspec.structs.replace(
        fresh,
        refresh_token=fresh.refresh_token or tokens.refresh_token,
        scope=fresh.scope or tokens.scope,
    )


def revoke(hosts: Hosts, token: str) -> Flow[None]:
    """End a grant. An answer of 401 means that it had ended already. Raises OAuthError, ServerError."""
    body = urlencode({"token": token, "access_token": token}).encode()
    response = yield Request(path=hosts.revoke, method="POST", headers=_FORM, body=body, bearer=False)
    if response.status >= 400 and response.status != 401:
        raise _refused(response)


def sign_out(hosts: Hosts, tokens: Tokens) -> Flow[None]:
    """End a kept grant, both of its tokens.

    Raises NotSignedIn (another cloud's; nothing was sent), OAuthError, ServerError, ConnectionFailed.
    """
    _at_home(tokens, hosts)
    for token in filter(None, (tokens.refresh_token, tokens.access_token)):
        yield from revoke(hosts, token)


_FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}


def _hosts_in_order(known: str, hosts: Hosts) -> tuple[str, ...]:
    """All token hosts, the one that is known to be right first."""
    return tuple(sorted(hosts.token, key=lambda url: url != known))


def _token(app: App, urls: tuple[str, ...], form: dict[str, str]) -> Flow[Tokens]:
    form |= {"client_id": app.client_id, "client_secret": app.client_secret}
    body = urlencode({k: v for k, v in form.items() if v}).encode()
    refusals: list[OAuthError | ServerError] = []
    for url in urls:
        response = yield Request(path=url, method="POST", headers=_FORM, body=body, bearer=False)
        if response.status < 400:
            try:
                tokens = msgspec.json.decode(response.body, type=Tokens)
            except MALFORMED as broken:
                raise ServerError("the token endpoint answered something else", status=502) from broken
            return msgspec.structs.replace(tokens, token_url=url, client_id=app.client_id)
        refusals.append(refused := _refused(response))
        if response.status not in (400, 401) or _weight(refused) == _JUDGED:
            break
    raise max(reversed(refusals), key=_weight)  # of equals the last


_JUDGED = 3


def _weight(refused: OAuthError | ServerError) -> int:
    """How much a refusal tells: least where the host may just not know the application."""
    if isinstance(refused, ServerError):
        return 2
    return {"invalid_client": 0, "invalid_request": 1, "invalid_grant": _JUDGED}.get(refused.error, 2)


class _OAuthProblem(msgspec.Struct):
    """RFC 6749 section 5.2, or the RFC 7807 body that Oura's older host sends."""

    error: str = ""
    error_description: str | None = None
    detail: str | None = None
    title: str | None = None


def _refused(response: Response) -> OAuthError | ServerError:
    try:
        problem = msgspec.json.decode(response.body, type=_OAuthProblem)
    except MALFORMED:
        problem = _OAuthProblem()
    if response.status >= 500:
        return ServerError("the token endpoint failed", status=response.status)
    words = problem.error_description or problem.detail or problem.title or ""
    return OAuthError(problem.error or "invalid_request", words, status=response.status)


class TokenStore(Protocol):
    """Where a grant is kept. All calls are short and local; none waits."""

    def load(self) -> Tokens | None:
        """The tokens as they are now, by whichever thread or process wrote them."""
        ...

    def save(self, tokens: Tokens) -> None:
        """Keep them durably; returns when they would survive a crash."""
        ...

    def claim(self) -> bool:
        """Try to become the one who renews; False while someone else is. Dies with its process."""
        ...

    def release(self) -> None:
        """Stop being the one who renews."""
        ...


POLL = 0.05
"""Seconds between two looks while somebody else renews."""


def signed(
    flow: Flow[R], token_store: TokenStore, app: App | None, hosts: Hosts, *, clock: Callable[[], float]
) -> Flow[R]:
    """The same flow with every request signed.

    A token that is about to expire is renewed before it is sent; one that is refused is renewed once and the
    request replayed. Raises NotSignedIn, OAuthError, ServerError.
    """

    def sign(request: Request) -> Flow[Response]:
        if request.bearer and request.path:
            return (yield from _send_signed(request, token_store, app, hosts, clock))
        return (yield request)

    return relay(flow, sign)


def _send_signed(
    request: Request, token_store: TokenStore, app: App | None, hosts: Hosts, clock: Callable[[], float]
) -> Flow[Response]:
    tokens = token_store.load()
    if tokens is None:
        raise NotSignedIn("there is no access token")
    if app and _is_due(tokens, clock()):
        tokens = yield from _renew_ahead(token_store, app, hosts, tokens, clock)
    response = yield _sign(request, tokens, hosts)
    # "not authorized" is a live token without the scope: a new one would be refused alike.
    if response.status != 401 or b"not authorized" in response.body:
        return response
    if app is None or not tokens.refresh_token:
        return response
    fresh = yield from renew(token_store, app, hosts, stale=tokens, clock=clock)
    return (yield _sign(request, fresh, hosts))


MARGIN, SHARE = 60.0, 0.05
"""A token is renewed when less is left of it than this many seconds, or than this share of its life."""


def _is_due(tokens: Tokens, now: float) -> bool:
    """Whether to renew before sending: soon to expire, not in doubt, and not tried a moment ago."""
    if not tokens.refresh_token or tokens.expires_in is None or tokens.expires_at is None:
        return False
    if tokens.unanswered or (tokens.tried_at is not None and 0 <= now - tokens.tried_at < MARGIN):
        return False
    life = tokens.expires_in
    return tokens.expires_at - now < min(max(MARGIN, SHARE * life), life / 2)


def _renew_ahead(
    token_store: TokenStore, app: App, hosts: Hosts, tokens: Tokens, clock: Callable[[], float]
) -> Flow[Tokens]:
    """Fresh tokens, or these for as long as they live, where nobody gives fresh ones."""
    try:
        return (yield from renew(token_store, app, hosts, stale=tokens, clock=clock))
    except (ConnectionFailed, ServerError, OAuthError) as failed:
        is_dead = isinstance(failed, OAuthError) and failed.error == "invalid_grant"
        if is_dead or tokens.expires_at is None or clock() >= tokens.expires_at:
            raise
        return tokens


def renew(
    token_store: TokenStore, app: App, hosts: Hosts, *, stale: Tokens, clock: Callable[[], float]
) -> Flow[Tokens]:
    """The tokens after `stale`: those that somebody else already fetched, or fresh ones, stored.

    Raises NotSignedIn, OAuthError, ServerError, ConnectionFailed.
    """
    while not token_store.claim():
        yield from pause(POLL)
    try:
        current = token_store.load()
        if current is None:
            raise NotSignedIn("signed out meanwhile")
        if current.access_token != stale.access_token:
            return current
        return (yield from _spend(token_store, app, hosts, current, clock()))
    finally:
        token_store.release()


def _spend(token_store: TokenStore, app: App, hosts: Hosts, current: Tokens, now: float) -> Flow[Tokens]:
    """Send the refresh token, with a note of it in the store until the answer is there."""
    _may_renew(current, app, hosts)
    if current.unanswered >= TWICE:
        raise NotSignedIn("the refresh token was sent twice and no answer came back", cure=_AGAIN)
    untold = msgspec.structs.replace(current, tried_at=now)
    token_store.save(msgspec.structs.replace(untold, unanswered=current.unanswered + 1))
    try:
        fresh = yield from refresh(app, hosts, current)
    except ConnectionFailed as lost:
        if not lost.sent:
            token_store.save(untold)
        elif current.expires_at is None or now < current.expires_at:
            lost.cure = _USE_UP
        raise
    except ServerError as broken:
        doubt = 1 if broken.status in _GATEWAY else 0
        token_store.save(msgspec.structs.replace(untold, unanswered=max(current.unanswered, doubt)))
        raise
    except OAuthError as refused:
        if refused.error != "invalid_grant":
            token_store.save(untold)
            raise
        newer = token_store.load()
        if newer and newer.access_token != current.access_token:
            return newer
        token_store.save(msgspec.structs.replace(current, refresh_token=None, unanswered=0))
        why = _LOST if current.unanswered else _ELSEWHERE
        raise OAuthError(
            refused.error, f"{why} ({refused.description or 'no reason given'})", status=refused.status
        ) from refused
    fresh = msgspec.structs.replace(fresh, obtained_at=now)
    token_store.save(fresh)
    return fresh


TWICE = 2
_GATEWAY = {502, 504}
"""Said by who stands before the server, which may have done its work: RFC 9110 sections 15.6.3 and 15.6.5."""
_AGAIN = "sign in again: ringlet login"
_USE_UP = (
    "use the access token up before you renew again: the refresh token may be spent (ringlet auth status)"
)
_LOST = "the answer to an earlier renewal was lost, and a refresh token works once"
_ELSEWHERE = "the kept sign-in was revoked or used elsewhere: a refresh token works once"


def _may_renew(tokens: Tokens, app: App, hosts: Hosts) -> None:
    _at_home(tokens, hosts)
    if not tokens.refresh_token:
        raise NotSignedIn("this sign-in cannot be renewed: it has no refresh token", cure=_AGAIN)
    if tokens.client_id and tokens.client_id != app.client_id:
        raise NotSignedIn(
            "these tokens were given to another application",
            cure="unset OURA_CLIENT_ID and OURA_CLIENT_SECRET, or sign in with the application they name",
        )


def _at_home(tokens: Tokens, hosts: Hosts) -> None:
    if tokens.token_url and tokens.token_url not in hosts.token:
        theirs = "unset OURA_API_BASE_URL"
        if tokens.token_url not in OURA.token:
            theirs = f"export OURA_API_BASE_URL={tokens.token_url.removesuffix('/oauth/token')}"
        raise NotSignedIn(
            "these tokens belong to another cloud",
            cure=f"go back to theirs: {theirs}; or sign in to this one: ringlet login",
        )


def _sign(request: Request, tokens: Tokens, hosts: Hosts) -> Request:
    _at_home(tokens, hosts)
    token = tokens.access_token
    # A line break read along with a token from a file is common; HTTP libraries quote what they refuse.
    if not token.isascii() or not token.isprintable() or " " in token:
        raise NotSignedIn(
            "the access token holds a line break or other characters that no token has",
            cure="pass the token alone, without quotes, spaces or line breaks",
        )
    return replace(request, headers={**request.headers, "authorization": f"Bearer {token}"})
