"""`ringlet login`: finds or asks for an application, signs in through the browser, and stores the sign-in.

Rules of this file:
* `ringlet login` asks no questions without a terminal, in a CI job, or with --no-input.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TextIO
from urllib.parse import urlsplit

import click

from ...errors import OAuthError, RingletError
from ..shared import browser, options, screen
from ..shared.next_steps import command
from .login_application import DEFAULT_REDIRECT_URI, choose_application, client_secret
from .whoami import application_cure, fetch_user, portal, where_stored

if TYPE_CHECKING:
    from ..._client.login import LoginAttempt
    from ..._client.sign_ins import SignIn, Store
    from ..._oauth.grant import Tokens


@click.command()
@options.stored_profile
@options.base_url
@click.option(
    "--client-id", envvar="OURA_CLIENT_ID", metavar="ID", help="Your application.  [OURA_CLIENT_ID]"
)
@click.option(
    "--client-secret-file",
    type=click.File(),
    metavar="FILE|-",
    help="Its secret, from a file or stdin; else OURA_CLIENT_SECRET, else you are asked.",
)
@click.option(
    "--redirect-uri",
    envvar="OURA_REDIRECT_URI",
    metavar="URI",
    help=f"Exactly as you registered it.  [OURA_REDIRECT_URI; default: {DEFAULT_REDIRECT_URI}]",
)
@click.option("--scopes", metavar="A,B", help="The scopes to ask for.  [default: all]")
@click.option(
    "--implicit", is_flag=True, help="Without a secret: a token for a month, which cannot be renewed."
)
@click.option(
    "--no-browser",
    is_flag=True,
    help="Print the address to open; paste the address that the browser ends on.",
)
@click.option(
    "--store",
    type=click.Choice(["keyring", "file"]),
    help="Where to store the sign-in.  [default: the keyring, if there is one]",
)
@click.option("--no-input", is_flag=True, help="Ask nothing.")
def login(
    profile: str,
    base_url: str | None,
    client_id: str | None,
    client_secret_file: TextIO | None,
    redirect_uri: str | None,
    scopes: str | None,
    implicit: bool,
    no_browser: bool,
    store: Store | None,
    no_input: bool,
) -> int:
    """Sign in to Oura or to your cloud, and store the sign-in.

    Walks through registering an application (once), opens the browser, and tries at once whether the sign-in
    can be renewed. Over SSH, or without a screen, paste the address that your browser ends on.
    """
    from ..._client.client import Client
    from ..._client.login import LoginAttempt
    from ..._client.sign_ins import SignIn
    from ..._client.token_stores import MemoryTokenStore
    from ..._oauth.scopes import SCOPES, scope_set
    from .login_redirect import await_redirect

    sign_in = SignIn(profile)
    store = _choose_store(sign_in, store)
    can_ask = not no_input and screen.can_ask()
    with Client(base_url=base_url, token_store=MemoryTokenStore()) as client:
        app = choose_application(
            sign_in,
            client.base_url,
            client_id=client_id,
            secret=client_secret(client_secret_file),
            redirect_uri=redirect_uri,
            implicit=implicit,
            can_ask=can_ask,
        )
        attempt = LoginAttempt(
            app=app,
            hosts=client.hosts,
            scopes=scope_set(scopes) if scopes else frozenset(SCOPES),
            implicit=implicit,
        )
        # If the redirect URI is not registered, Oura shows an error page and does not redirect the browser.
        # Then the command times out or the user interrupts it, and this cure says what may be wrong.
        cure = (
            f"if the browser showed an error, register exactly {app.redirect_uri} at"
            f" {portal(client.base_url)}, or name the one you registered:"
            f" {command('login', redirect_uri='URI')}"
        )
        try:
            returned = await_redirect(
                attempt, can_ask=can_ask, open_browser=not no_browser and browser.has_browser(), cure=cure
            )
        except KeyboardInterrupt:
            screen.remark(f"\nerror: interrupted\nnext: {cure}")
            return 130
        try:
            tokens = client.run(attempt.finish(returned, clock=time.time))
        except OAuthError as refused:
            if refused.error == "invalid_client":
                refused.cure = application_cure(sign_in, client.base_url)
            raise
    sign_in.save(app, tokens, store)
    _show_result(sign_in, tokens, attempt, base_url)
    return 0


def _choose_store(sign_in: SignIn, wanted: Store | None) -> Store:
    """Choose where to store the sign-in: as the user asked, else as before, else in a working keyring."""
    if wanted == "file" or (wanted is None and sign_in.exists):
        return wanted or sign_in.store
    why_not = sign_in.vault.why_not()
    if not why_not:
        return "keyring"
    if wanted:
        in_a_file = command("login", store="file")
        raise RingletError(why_not, cure=f"pip install 'ringlet[keyring]', or {in_a_file}")
    screen.remark(f"{why_not}: the sign-in is stored in a file that only you can read")
    return "file"


def _show_result(sign_in: SignIn, tokens: Tokens, attempt: LoginAttempt, base_url: str | None) -> None:
    """Print who is signed in, the granted scopes, whether the tokens can be renewed, and the next command."""
    from ..._oauth.scopes import scope_text

    user = fetch_user(sign_in, base_url)
    granted = tokens.scopes or attempt.scopes
    refused = attempt.scopes - granted
    screen.remark(f"signed in{f' as {user.name}' if user.name else ''}")
    if tokens.refresh_token:
        renewal = f"tried, works ({urlsplit(tokens.token_url).netloc})"
    else:
        renewal = "not possible: sign in again when the token has expired"
    rows = [
        ("granted", scope_text(granted)),
        ("not granted", scope_text(refused)),
        ("renewal", renewal),
        ("stored in", where_stored(sign_in)),
    ]
    for label, text in rows:
        if text:
            screen.remark(f"  {label:<12} {text}")
    named = {} if sign_in.is_meant_without_a_name else {"profile": sign_in.name}
    first = "unset OURA_ACCESS_TOKEN; " if "OURA_ACCESS_TOKEN" in os.environ and not named else ""
    screen.next_step(f"{first}{command('sync', **named)}")
