"""Flows that get tokens, refresh them and revoke them (RFC 6749 sections 4.1.3 and 6, RFC 7009). No I/O.

Oura has two token hosts (see `grant`), and each refuses the applications of the other with 400 or 401. So a
request is sent to one host after the other, first to the host that is known to serve the application. After
`invalid_grant` no other host is tried: that host serves the application and has refused the code or token,
and the answer of another host would only hide the reason.

Rules of this file:
* Tokens are sent only to the cloud that issued them, and only for the application that obtained them.
* Secrets are sent in bodies and headers, never in URLs, and are never part of an error message.
* `refresh` does not record that a refresh token was sent. Programs use `renewal`, which does.
"""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from .._api.wire import DECODE_ERRORS, Flow, Request, Response
from ..errors import Action, Cure, NotSignedIn, OAuthError, ServerError
from .grant import OURA_HOSTS, App, Hosts, Pkce, Tokens


def exchange(app: App, hosts: Hosts, code: str, pkce: Pkce | None = None) -> Flow[Tokens]:
    """Exchange an authorization code for tokens (RFC 6749 section 4.1.3). Raises OAuthError, ServerError."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": app.redirect_uri}
    if pkce:
        form["code_verifier"] = pkce.verifier
    return _token(app, _hosts_in_order(app.token_url, hosts), form)


def refresh(app: App, hosts: Hosts, tokens: Tokens) -> Flow[Tokens]:
    """Exchange the refresh token, which works once, for new tokens (RFC 6749 section 6).

    Raises NotSignedIn (nothing was sent), OAuthError, ServerError.
    """
    check_renewable(tokens, app, hosts)
    urls = _hosts_in_order(tokens.token_url or app.token_url, hosts)
    fresh = yield from _token(
        app, urls, {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token or ""}
    )
    # Without a new refresh_token in the response, the old one stays valid (RFC 6749 section 6).
    return msgspec.structs.replace(
        fresh,
        refresh_token=fresh.refresh_token or tokens.refresh_token,
        scope=fresh.scope or tokens.scope,
    )


def revoke(hosts: Hosts, token: str) -> Flow[None]:
    """Revoke a token (RFC 7009). 401 means that it is revoked already. Raises OAuthError, ServerError."""
    body = urlencode({"token": token, "access_token": token}).encode()
    response = yield Request(path=hosts.revoke, method="POST", headers=_FORM, body=body, bearer=False)
    if response.status >= 400 and response.status != 401:
        raise _refused(response)


def sign_out(hosts: Hosts, tokens: Tokens) -> Flow[None]:
    """Revoke the refresh token and the access token.

    Raises NotSignedIn if another cloud issued them (nothing was sent), OAuthError, ServerError,
    ConnectionFailed.
    """
    check_host(tokens, hosts)
    for token in filter(None, (tokens.refresh_token, tokens.access_token)):
        yield from revoke(hosts, token)


_FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}


def _hosts_in_order(known: str, hosts: Hosts) -> tuple[str, ...]:
    """The URLs of all token hosts, with `known` first if it is one of them."""
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
            except DECODE_ERRORS as broken:
                raise ServerError("the token endpoint did not answer with tokens", status=502) from broken
            return msgspec.structs.replace(tokens, token_url=url, client_id=app.client_id)
        refusals.append(refused := _refused(response))
        if response.status not in (400, 401) or _informative(refused) == _FINAL:
            break
    raise max(
        reversed(refusals), key=_informative
    )  # `reversed`: among equal refusals, the last one is raised.


_FINAL = 3


def _informative(refused: OAuthError | ServerError) -> int:
    """Rank a refusal by how much it tells about its reason; `_FINAL` means that no other host is tried.

    The ranks 0 and 1 may only mean that the host does not serve the application.
    """
    if isinstance(refused, ServerError):
        return 2
    return {"invalid_client": 0, "invalid_request": 1, "invalid_grant": _FINAL}.get(refused.error, 2)


class _OAuthProblem(msgspec.Struct):
    """The error body of a token host: RFC 6749 section 5.2, or RFC 7807 from Oura's older host."""

    error: str = ""
    error_description: str | None = None
    detail: str | None = None
    title: str | None = None


def _refused(response: Response) -> OAuthError | ServerError:
    try:
        problem = msgspec.json.decode(response.body, type=_OAuthProblem)
    except DECODE_ERRORS:
        problem = _OAuthProblem()
    if response.status >= 500:
        return ServerError("the token endpoint failed", status=response.status)
    words = problem.error_description or problem.detail or problem.title or ""
    return OAuthError(problem.error or "invalid_request", words, status=response.status)


SIGN_IN_AGAIN = Cure("sign in again", Action.SIGN_IN)


def check_renewable(tokens: Tokens, app: App, hosts: Hosts) -> None:
    """Raise NotSignedIn if the tokens cannot be refreshed at these hosts, or not by this application."""
    check_host(tokens, hosts)
    if not tokens.refresh_token:
        raise NotSignedIn("this sign-in cannot be renewed: it has no refresh token", cure=SIGN_IN_AGAIN)
    if tokens.client_id and tokens.client_id != app.client_id:
        raise NotSignedIn(
            "these tokens were issued to another application",
            cure="unset OURA_CLIENT_ID and OURA_CLIENT_SECRET, or sign in with the application they name",
        )


def check_host(tokens: Tokens, hosts: Hosts) -> None:
    """Raise NotSignedIn if the tokens were issued by another cloud than that of `hosts`."""
    if tokens.token_url and tokens.token_url not in hosts.token:
        theirs = "unset OURA_API_BASE_URL"
        if tokens.token_url not in OURA_HOSTS.token:
            theirs = f"export OURA_API_BASE_URL={tokens.token_url.removesuffix('/oauth/token')}"
        raise NotSignedIn(
            "these tokens were issued by another cloud",
            cure=Cure(f"use the cloud that issued them: {theirs}; or sign in to this one", Action.SIGN_IN),
        )
