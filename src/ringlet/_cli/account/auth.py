"""`ringlet auth`: what is known of a sign-in, renewing it, and ending it.

Rules of this file:
* `token` is the only verb that prints a token, alone, for another program. One that has expired is of no use
  to it: that is renewed first, or refused.
* Looking works without a network: what only the server knows is then unknown, and said to be. Of a sign-in
  that the server refuses is told what is known; that it must be made again is said last, with its exit code.
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
from .whoami import Someone, application_cure, is_over, once, whose

if TYPE_CHECKING:
    from ..._client.sign_ins import SignIn
    from ..._oauth.grant import Tokens


@click.group()
def auth() -> None:
    """Look at a kept sign-in, renew it, or end it."""


@auth.command()
@options.kept_profile
@options.base_url
@options.as_json
def status(profile: str, base_url: str | None, as_json: bool) -> None:
    """Who is signed in, to what, for how long."""
    kept, tokens = _kept(profile)
    someone = whose(kept, base_url)
    # Asking who it is may have renewed the tokens.
    tokens = kept.token_store.load() or tokens
    if as_json:
        click.echo(json.dumps(_document(kept, tokens, someone)))
    else:
        for label, text in _rows(kept, tokens, someone):
            click.echo(f"{label:<12} {text}")
        if "OURA_ACCESS_TOKEN" in os.environ and kept.is_meant_without_a_name:
            screen.remark("OURA_ACCESS_TOKEN is set and comes before this sign-in")
    if someone.unknown and is_over(someone.unknown, tokens):
        raise someone.unknown


@auth.command(name="list")
@options.as_json
def list_(as_json: bool) -> None:
    """All profiles."""
    from ..._client.sign_ins import profiles

    known = [(kept, kept.token_store.load()) for kept in profiles()]
    if as_json:
        rows = [{"profile": kept.name, "store": kept.store, "signed_in": bool(it)} for kept, it in known]
        click.echo(json.dumps({"v": 1, "profiles": rows}))
        return
    for kept, tokens in known:
        click.echo(f"{kept.name:<20} {kept.store:<8} {'signed in' if tokens else 'signed out'}")
    if not known:
        screen.next_step(command("login"))


@auth.command()
@options.kept_profile
@options.base_url
@options.as_json
def refresh(profile: str, base_url: str | None, as_json: bool) -> None:
    """Renew the tokens once, now."""
    kept, tokens = _kept(profile)
    fresh = _renewed(kept, tokens, base_url)
    if as_json:
        click.echo(json.dumps(_document(kept, fresh, Someone())))
    else:
        click.echo(f"renewed      {_life(fresh)}")


@auth.command()
@options.kept_profile
@options.base_url
@options.as_json
def token(profile: str, base_url: str | None, as_json: bool) -> None:
    """Print the access token, alone; renewed first if it has expired."""
    from ..._oauth.renewal import RENEWAL_MARGIN_S

    kept, tokens = _kept(profile)
    if tokens.expires_at is not None and tokens.expires_at - time.time() < RENEWAL_MARGIN_S:
        tokens = _renewed(kept, tokens, base_url)
    one = {"v": 1, "access_token": tokens.access_token, "expires_at": _iso(tokens.expires_at)}
    click.echo(json.dumps(one) if as_json else tokens.access_token)


@auth.command()
@options.kept_profile
@options.base_url
@click.option("--purge", is_flag=True, help="Forget the application and its secret, too.")
@options.as_json
def logout(profile: str, base_url: str | None, purge: bool, as_json: bool) -> None:
    """End the sign-in at the server, and forget it here."""
    from ..._client.client import Client
    from ..._client.sign_ins import SignIn
    from ..._client.token_stores import MemoryTokenStore
    from ..._oauth.flows import sign_out

    kept = SignIn(profile)
    tokens = kept.token_store.load()
    why_not = "" if tokens else "nobody was signed in"
    if tokens:
        with Client(base_url=base_url, token_store=MemoryTokenStore(tokens), retry_policy=once()) as client:
            try:
                client.run(sign_out(client.hosts, tokens))
            except RingletError as failed:
                why_not = failed.message
    kept.forget(purge=purge)
    if as_json:
        ended = {"v": 1, "profile": kept.name, "revoked": bool(tokens and not why_not), "purged": purge}
        click.echo(json.dumps(ended))
    if why_not:
        screen.remark(f"not ended at the server: {why_not}" if tokens else why_not)
    screen.remark(f"{kept.name}: signed out" + (", application forgotten" if purge else ""))


def _renewed(kept: SignIn, tokens: Tokens, base_url: str | None) -> Tokens:
    """Those after these. Raises NotSignedIn, OAuthError, ServerError, ConnectionFailed."""
    from ..._client.client import Client
    from ..._oauth.renewal import renew

    with Client(base_url=base_url, profile=kept.name) as client:
        if client.app is None:
            raise NotSignedIn("the application of this sign-in is not known", cure=kept.cure)
        try:
            return client.run(
                renew(kept.token_store, client.app, client.hosts, stale=tokens, clock=time.time)
            )
        except OAuthError as refused:
            if refused.error == "invalid_client":
                refused.cure = application_cure(kept, client.base_url)
            raise


def _kept(profile: str) -> tuple[SignIn, Tokens]:
    """A profile and its tokens. Raises NotSignedIn."""
    from ..._client.sign_ins import SignIn

    kept = SignIn(profile)
    tokens = kept.token_store.load()
    if tokens is None:
        raise NotSignedIn(f"nobody is signed in as {kept.name}", cure=kept.cure)
    return kept, tokens


def _rows(kept: SignIn, tokens: Tokens, someone: Someone) -> list[tuple[str, str]]:
    from ..._oauth.scopes import scope_text

    missing = scope_text(_missing(tokens))
    rows = [
        ("profile", kept.name),
        ("who", someone.name or f"unknown ({someone.why})"),
        ("granted", scope_text(tokens.scopes) or "not said by the server"),
        ("not granted", missing),
        ("token", _life(tokens)),
        ("renewal", _renewal(tokens, someone)),
        ("token host", urlsplit(tokens.token_url).netloc or "unknown"),
        ("kept in", "the system's keyring" if kept.store == "keyring" else str(kept.token_store.path)),
    ]
    return [(label, text) for label, text in rows if text]


def _missing(tokens: Tokens) -> set[str]:
    from ..._oauth.scopes import SCOPES

    return set(SCOPES) - tokens.scopes if tokens.scopes else set()


def _life(tokens: Tokens) -> str:
    if tokens.expires_at is None:
        return "expires, nobody said when"
    left = tokens.expires_at - time.time()
    return f"expires in {screen.age(left)}" if left > 60 else "has expired" if left <= 0 else "expires now"


def _renewal(tokens: Tokens, someone: Someone) -> str:
    if tokens.unanswered:
        return "in doubt: the answer to the last one was lost"
    if someone.unknown and is_over(someone.unknown, tokens):
        return "refused by the server"
    if not tokens.refresh_token:
        return "not possible: sign in again when the token has expired"
    if tokens.obtained_at is None:
        return "not tried yet"
    since = screen.age(time.time() - tokens.obtained_at)
    return "last worked just now" if since == "now" else f"last worked {since} ago"


def _document(kept: SignIn, tokens: Tokens, someone: Someone) -> dict[str, Any]:
    return {
        "v": 1,
        "profile": kept.name,
        "user": {"id": someone.id, "email": someone.email or None} if someone.id else None,
        "unknown": someone.why or None,
        "granted": sorted(tokens.scopes),
        "not_granted": sorted(_missing(tokens)),
        "expires_at": _iso(tokens.expires_at),
        "obtained_at": _iso(tokens.obtained_at),
        "renewable": bool(tokens.refresh_token),
        "unanswered": tokens.unanswered,
        "token_url": tokens.token_url or None,
        "store": kept.store,
    }


def _iso(seconds: float | None) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds is not None else None
