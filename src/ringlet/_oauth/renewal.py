"""Requests that carry the user's access token, and the renewal of that token. No I/O.

A renewal is recorded before it is requested, because a refresh token works once: a server that receives it
twice takes it for stolen and ends the grant (RFC 9700 section 4.14.2). After sending a refresh token, the
process can be killed or the response can be lost before the new tokens are stored. For the next process the
request is therefore counted in `Tokens.unanswered` before it is sent; storing the new tokens resets the
count. The values of the count mean:

* 0: the refresh token was never sent. It may be sent.
* 1: the refresh token was sent, and no response was stored, so it may or may not be used up. The access token
  is used until it expires, because another renewal may end the grant. Then the refresh token is sent once
  more, because without a renewal the grant is lost anyway.
* 2: the refresh token is not sent again. The user must sign in.
* After the refusal `invalid_grant` the refresh token is known to be used up, and is deleted.

The old refresh token is overwritten by the new tokens, so it cannot be sent again. A request is not counted
if it certainly was not sent (`ConnectionFailed.sent` is false), or was refused with another error than
`invalid_grant`: being offline, or an outage of Oura, uses up neither of the two attempts. A response from a
gateway (502, 504) sets the count to 1, but never to 2, however long the outage lasts.

Rules of this file:
* Of all threads, tasks and processes that share a token store, one renews and the others wait for it (see
  `TokenStore.claim`). New tokens are stored before they are used.
* No clock is read here: the time is a parameter, in seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import msgspec

from .._api.wire import Flow, R, Request, Response, map_requests, pause
from ..errors import Action, ConnectionFailed, Cure, NotSignedIn, OAuthError, ServerError
from .flows import SIGN_IN_AGAIN, check_host, check_renewable, refresh
from .grant import App, Hosts, Tokens


class TokenStore(Protocol):
    """A store of tokens that threads and processes share. Its methods are short, local, and do not wait."""

    def load(self) -> Tokens | None:
        """The tokens that a thread or process saved last; None before the first `save`."""
        ...

    def save(self, tokens: Tokens) -> None:
        """Store tokens, and return only when they would survive a crash of the machine."""
        ...

    def claim(self) -> bool:
        """Try to take the lock for renewing; False while another thread or process has it.

        The lock is released when the process that has it ends.
        """
        ...

    def release(self) -> None:
        """Release the lock for renewing."""
        ...


CLAIM_POLL_S = 0.05
"""Seconds between two attempts to take the lock for renewing."""


def with_token(
    flow: Flow[R], token_store: TokenStore, app: App | None, hosts: Hosts, *, clock: Callable[[], float]
) -> Flow[R]:
    """Wrap a flow so that every request carries the user's access token.

    A token that is about to expire is renewed before it is sent. If a token is refused, it is renewed once,
    and the request is sent again. Raises NotSignedIn, OAuthError, ServerError.
    """

    def authorize(request: Request) -> Flow[Response]:
        if request.bearer and request.path:
            return (yield from _send_with_token(request, token_store, app, hosts, clock))
        return (yield request)

    return map_requests(flow, authorize)


def _send_with_token(
    request: Request, token_store: TokenStore, app: App | None, hosts: Hosts, clock: Callable[[], float]
) -> Flow[Response]:
    tokens = token_store.load()
    if tokens is None:
        raise NotSignedIn("no access token was found")
    if app and _is_due(tokens, clock()):
        tokens = yield from _renew_ahead(token_store, app, hosts, tokens, clock)
    response = yield _authorize(request, tokens, hosts)
    # "not authorized": the token is valid but lacks the scope, so a renewed one would be refused as well.
    if response.status != 401 or b"not authorized" in response.body:
        return response
    if app is None or not tokens.refresh_token:
        return response
    fresh = yield from renew(token_store, app, hosts, stale=tokens, clock=clock)
    return (yield _authorize(request, fresh, hosts))


RENEWAL_MARGIN_S = 60.0
"""Seconds before its expiry at which a token is renewed, or earlier by `RENEWAL_MARGIN_SHARE`."""
RENEWAL_MARGIN_SHARE = 0.05
"""The share of its lifetime that is left when a token is renewed; for long-lived tokens."""


def _is_due(tokens: Tokens, now: float) -> bool:
    """Whether to renew tokens: they expire soon, no renewal is unanswered, none failed in the last minute."""
    if not tokens.refresh_token or tokens.expires_in is None or tokens.expires_at is None:
        return False
    if tokens.unanswered or (tokens.tried_at is not None and 0 <= now - tokens.tried_at < RENEWAL_MARGIN_S):
        return False
    life = tokens.expires_in
    return tokens.expires_at - now < min(max(RENEWAL_MARGIN_S, RENEWAL_MARGIN_SHARE * life), life / 2)


def _renew_ahead(
    token_store: TokenStore, app: App, hosts: Hosts, tokens: Tokens, clock: Callable[[], float]
) -> Flow[Tokens]:
    """Renew tokens before they expire; if the renewal fails, return the old ones while they are valid."""
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
    """Return tokens in place of `stale`: those that another process has stored since, or renewed ones.

    Raises NotSignedIn, OAuthError, ServerError, ConnectionFailed.
    """
    while not token_store.claim():
        yield from pause(CLAIM_POLL_S)
    try:
        current = token_store.load()
        if current is None:
            raise NotSignedIn("the sign-in was removed meanwhile")
        if current.access_token != stale.access_token:
            return current
        return (yield from _send_refresh_token(token_store, app, hosts, current, clock()))
    finally:
        token_store.release()


def _send_refresh_token(
    token_store: TokenStore, app: App, hosts: Hosts, current: Tokens, now: float
) -> Flow[Tokens]:
    """Send the refresh token, and store the new tokens; `unanswered` counts the request until then."""
    check_renewable(current, app, hosts)
    if current.unanswered >= MAX_UNANSWERED:
        raise NotSignedIn("the refresh token was sent twice and no answer came back", cure=SIGN_IN_AGAIN)
    not_sent = msgspec.structs.replace(current, tried_at=now)
    token_store.save(msgspec.structs.replace(not_sent, unanswered=current.unanswered + 1))
    try:
        fresh = yield from refresh(app, hosts, current)
    except ConnectionFailed as lost:
        if not lost.sent:
            token_store.save(not_sent)
        elif current.expires_at is None or now < current.expires_at:
            lost.cure = _CURE_UNTIL_EXPIRY
        raise
    except ServerError as broken:
        doubt = 1 if broken.status in _GATEWAY else 0
        token_store.save(msgspec.structs.replace(not_sent, unanswered=max(current.unanswered, doubt)))
        raise
    except OAuthError as refused:
        if refused.error != "invalid_grant":
            token_store.save(not_sent)
            raise
        newer = token_store.load()
        if newer and newer.access_token != current.access_token:
            return newer
        token_store.save(msgspec.structs.replace(current, refresh_token=None, unanswered=0))
        why = _ANSWER_LOST if current.unanswered else _REVOKED_OR_USED
        raise OAuthError(
            refused.error, f"{why} ({refused.description or 'no reason given'})", status=refused.status
        ) from refused
    fresh = msgspec.structs.replace(fresh, obtained_at=now)
    token_store.save(fresh)
    return fresh


MAX_UNANSWERED = 2
"""The most times that a refresh token is sent without an answer being stored."""
_GATEWAY = {502, 504}
"""The statuses of a gateway: the server behind it may have used up the refresh token all the same (RFC 9110
sections 15.6.3 and 15.6.5)."""
_CURE_UNTIL_EXPIRY = Cure(
    "use the access token until it expires, and only then renew again: the refresh token may be used up",
    Action.SHOW_SIGN_IN,
)
_ANSWER_LOST = "the answer to an earlier renewal was lost, and a refresh token works once"
_REVOKED_OR_USED = "the stored sign-in was revoked or used elsewhere: a refresh token works once"


def _authorize(request: Request, tokens: Tokens, hosts: Hosts) -> Request:
    check_host(tokens, hosts)
    token = tokens.access_token
    # A token read from a file often ends with a line break. HTTP libraries refuse such a header with an error
    # that quotes it, and the token would appear in a traceback.
    if not token.isascii() or not token.isprintable() or " " in token:
        raise NotSignedIn(
            "the access token holds a line break or other characters that no token has",
            cure="pass the token alone, without quotes, spaces or line breaks",
        )
    return replace(request, headers={**request.headers, "authorization": f"Bearer {token}"})
