"""`ringlet auth`: shows stored sign-ins, renews their tokens, and ends them.

Rules of this file:
* `auth token` prints nothing but the access token, for use by another program. An expired token is renewed
  first. If the renewal fails, no token is printed.
* `auth status` works without a network: the user's name, which only the server knows, is then shown as
  unknown. If the server refuses the sign-in, `auth status` shows what is stored, and then the error.
"""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from ...errors import NotSignedIn, OAuthError, RingletError
from ..shared import options, screen
from ..shared.next_steps import command
from .whoami import SignedInUser, application_cure, fetch_user, needs_new_sign_in, no_retries, where_stored

if TYPE_CHECKING:
    from ..._client.sign_ins import SignIn
    from ..._oauth.grant import Tokens


@click.group()
def auth() -> None:
    """Look at a stored sign-in, renew it, or end it."""


@auth.command()
@options.stored_profile
@options.base_url
@options.as_json
def status(profile: str, base_url: str | None, as_json: bool) -> None:
    """Show who is signed in, which scopes are granted, and when the access token expires."""
    sign_in, tokens = _stored(profile)
    user = fetch_user(sign_in, base_url)
    # The request of `fetch_user` may have renewed the tokens.
    tokens = sign_in.token_store.load() or tokens
    if as_json:
        click.echo(json.dumps(_document(sign_in, tokens, user)))
    else:
        for label, text in _rows(sign_in, tokens, user):
            click.echo(f"{label:<12} {text}")
        if "OURA_ACCESS_TOKEN" in os.environ and sign_in.is_meant_without_a_name:
            screen.remark("OURA_ACCESS_TOKEN is set and comes before this sign-in")
    if user.failure and needs_new_sign_in(user.failure, tokens):
        raise user.failure


@auth.command(name="list")
@options.as_json
def list_(as_json: bool) -> None:
    """List the stored sign-ins."""
    from ..._client.sign_ins import profiles

    known = [(sign_in, sign_in.token_store.load()) for sign_in in profiles()]
    if as_json:
        rows = [
            {"profile": sign_in.name, "store": sign_in.store, "signed_in": bool(it)} for sign_in, it in known
        ]
        click.echo(json.dumps({"v": 1, "profiles": rows}))
        return
    for sign_in, tokens in known:
        click.echo(f"{sign_in.name:<20} {sign_in.store:<8} {'signed in' if tokens else 'signed out'}")
    if not known:
        screen.next_step(command("login"))


@auth.command()
@options.stored_profile
@options.base_url
@options.as_json
def refresh(profile: str, base_url: str | None, as_json: bool) -> None:
    """Renew the tokens of a sign-in now."""
    sign_in, tokens = _stored(profile)
    fresh = _renewed(sign_in, tokens, base_url)
    if as_json:
        click.echo(json.dumps(_document(sign_in, fresh, SignedInUser())))
    else:
        click.echo(f"renewed      {_lifetime(fresh)}")


@auth.command()
@options.stored_profile
@options.base_url
@options.as_json
def token(profile: str, base_url: str | None, as_json: bool) -> None:
    """Print the access token alone; it is renewed first if it has expired."""
    from ..._oauth.renewal import RENEWAL_MARGIN_S

    sign_in, tokens = _stored(profile)
    if tokens.expires_at is not None and tokens.expires_at - time.time() < RENEWAL_MARGIN_S:
        tokens = _renewed(sign_in, tokens, base_url)
    document = {"v": 1, "access_token": tokens.access_token, "expires_at": _iso(tokens.expires_at)}
    click.echo(json.dumps(document) if as_json else tokens.access_token)


@auth.command()
@options.stored_profile
@options.base_url
@click.option("--purge", is_flag=True, help="Delete the application and its secret, too.")
@options.as_json
def logout(profile: str, base_url: str | None, purge: bool, as_json: bool) -> None:
    """Revoke the sign-in at the server, and delete it here."""
    from ..._client.client import Client
    from ..._client.sign_ins import SignIn
    from ..._client.token_stores import MemoryTokenStore
    from ..._oauth.flows import sign_out

    sign_in = SignIn(profile)
    tokens = sign_in.token_store.load()
    why_not = "" if tokens else "nobody was signed in"
    if tokens:
        with Client(
            base_url=base_url, token_store=MemoryTokenStore(tokens), retry_policy=no_retries()
        ) as client:
            try:
                client.run(sign_out(client.hosts, tokens))
            except RingletError as failed:
                why_not = failed.message
    sign_in.delete(purge=purge)
    if as_json:
        ended = {"v": 1, "profile": sign_in.name, "revoked": bool(tokens and not why_not), "purged": purge}
        click.echo(json.dumps(ended))
    if why_not:
        screen.remark(f"not ended at the server: {why_not}" if tokens else why_not)
    screen.remark(f"{sign_in.name}: signed out" + (", application forgotten" if purge else ""))


def _renewed(sign_in: SignIn, tokens: Tokens, base_url: str | None) -> Tokens:
    """Renew the tokens of a sign-in.

    Raises NotSignedIn if its application is unknown, OAuthError if the server refuses the renewal, and
    ServerError or ConnectionFailed if the server fails or cannot be reached.
    """
    from ..._client.client import Client
    from ..._oauth.renewal import renew

    with Client(base_url=base_url, profile=sign_in.name) as client:
        if client.app is None:
            raise NotSignedIn("the application of this sign-in is not known", cure=sign_in.cure)
        try:
            return client.run(
                renew(sign_in.token_store, client.app, client.hosts, stale=tokens, clock=time.time)
            )
        except OAuthError as refused:
            if refused.error == "invalid_client":
                refused.cure = application_cure(sign_in, client.base_url)
            raise


def _stored(profile: str) -> tuple[SignIn, Tokens]:
    """Load a stored sign-in and its tokens. Raises NotSignedIn if it has no tokens."""
    from ..._client.sign_ins import SignIn

    sign_in = SignIn(profile)
    tokens = sign_in.token_store.load()
    if tokens is None:
        raise NotSignedIn(f"nobody is signed in as {sign_in.name}", cure=sign_in.cure)
    return sign_in, tokens


def _rows(sign_in: SignIn, tokens: Tokens, user: SignedInUser) -> list[tuple[str, str]]:
    from ..._oauth.scopes import scope_text

    missing = scope_text(_missing(tokens))
    rows = [
        ("profile", sign_in.name),
        ("who", user.name or f"unknown ({user.why_unknown})"),
        ("granted", scope_text(tokens.scopes) or "the server did not say"),
        ("not granted", missing),
        ("token", _lifetime(tokens)),
        ("renewal", _renewal(tokens, user)),
        ("token host", urlsplit(tokens.token_url).netloc or "unknown"),
        ("stored in", where_stored(sign_in)),
    ]
    return [(label, text) for label, text in rows if text]


def _missing(tokens: Tokens) -> set[str]:
    from ..._oauth.scopes import SCOPES

    return set(SCOPES) - tokens.scopes if tokens.scopes else set()


def _lifetime(tokens: Tokens) -> str:
    if tokens.expires_at is None:
        return "expires, but the server did not say when"
    left = tokens.expires_at - time.time()
    return f"expires in {screen.age(left)}" if left > 60 else "has expired" if left <= 0 else "expires now"


def _renewal(tokens: Tokens, user: SignedInUser) -> str:
    if tokens.unanswered:
        return "in doubt: the answer to the last one was lost"
    if user.failure and needs_new_sign_in(user.failure, tokens):
        return "refused by the server"
    if not tokens.refresh_token:
        return "not possible: sign in again when the token has expired"
    if tokens.obtained_at is None:
        return "not tried yet"
    since = screen.age(time.time() - tokens.obtained_at)
    return "last worked just now" if since == "now" else f"last worked {since} ago"


def _document(sign_in: SignIn, tokens: Tokens, user: SignedInUser) -> dict[str, Any]:
    return {
        "v": 1,
        "profile": sign_in.name,
        "user": {"id": user.id, "email": user.email or None} if user.id else None,
        "unknown": user.why_unknown or None,
        "granted": sorted(tokens.scopes),
        "not_granted": sorted(_missing(tokens)),
        "expires_at": _iso(tokens.expires_at),
        "obtained_at": _iso(tokens.obtained_at),
        "renewable": bool(tokens.refresh_token),
        "unanswered": tokens.unanswered,
        "token_url": tokens.token_url or None,
        "store": sign_in.store,
    }


def _iso(seconds: float | None) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds is not None else None
