"""Finds the OAuth application to sign in with: from the options, else as stored, else by asking the user.

Rules of this file:
* The client secret comes from a file, stdin, the environment or a prompt, never from an argument: every user
  of the machine sees the arguments of programs, and the shell stores them in its history.
* The redirect URI is shown exactly as it is sent: OAuth2 servers compare redirect URIs as strings (RFC 9700
  section 2.1).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO
from urllib.parse import urlsplit

import click

from ..._oauth.grant import LOCAL_REDIRECT_URIS
from ...errors import UsageError
from ..shared import screen
from .whoami import portal

if TYPE_CHECKING:
    from ..._client.sign_ins import SignIn
    from ..._oauth.grant import App

DEFAULT_REDIRECT_URI = LOCAL_REDIRECT_URIS[0]


def client_secret(file: TextIO | None) -> str | None:
    """Read the client secret from the first line of a file, or without a file from OURA_CLIENT_SECRET.

    Returns None if the variable is not set. Raises UsageError if the first line is empty.
    """
    if file is None:
        return os.environ.get("OURA_CLIENT_SECRET")
    if secret := file.readline().strip():
        return secret
    raise UsageError(
        f"expected the client secret in the first line of {file.name}, which is empty",
        cure="write the secret into it, or leave --client-secret-file out",
    )


def choose_application(
    sign_in: SignIn,
    base_url: str,
    *,
    client_id: str | None,
    secret: str | None,
    redirect_uri: str | None,
    implicit: bool,
    can_ask: bool,
) -> App:
    """Find the application to sign in with. An argument takes precedence over a stored value.

    The user is asked for a missing id or secret, if `can_ask`; otherwise UsageError is raised. The implicit
    flow needs no secret.
    """
    from ..._oauth.grant import App

    known = sign_in.app
    if known and client_id in (None, known.client_id):
        return App(
            client_id=known.client_id,
            client_secret=known.client_secret if secret is None else secret,
            redirect_uri=_checked(redirect_uri or known.redirect_uri or DEFAULT_REDIRECT_URI),
            token_url=known.token_url,
        )
    redirect_uri = _checked(redirect_uri or DEFAULT_REDIRECT_URI)
    missing = [] if client_id else ["OURA_CLIENT_ID"]
    if secret is None and not implicit:
        missing.append("OURA_CLIENT_SECRET")
    if missing and not can_ask:
        raise UsageError(
            f"{' and '.join(missing)} not set, and without a terminal you cannot be asked",
            cure=f"register an application with the redirect URI {redirect_uri} at {portal(base_url)},"
            f" export {' '.join(f'{name}=...' for name in missing)}, and run it again",
        )
    if missing:
        screen.remark("You need an application of your own. Registering it is free and takes two minutes.")
        screen.remark(f"  1. open       {portal(base_url)}")
        screen.remark(f"  2. register   any name, and exactly this redirect URI:   {redirect_uri}")
        screen.remark("  3. paste here what the page then shows")
    client_id = client_id or str(click.prompt("Client ID", err=True)).strip()
    if secret is None:
        secret = "" if implicit else ask_secret("Client secret (not shown; Enter if it has none)", default="")
    return App(client_id=client_id, client_secret=secret, redirect_uri=redirect_uri)


def ask_secret(prompt: str, default: str | None = None) -> str:
    """Ask the user for a secret, which is not shown while it is typed."""
    typed = click.prompt(prompt, err=True, hide_input=True, default=default, show_default=False)
    return str(typed).strip()


def _checked(redirect_uri: str) -> str:
    """Return a redirect URI. Raises UsageError unless it is absolute and has no fragment.

    RFC 6749 section 3.1.2 has this rule.
    """
    try:
        target = urlsplit(redirect_uri)
        wrong = not target.scheme or not (target.netloc or target.path) or target.fragment or target.port == 0
    except ValueError:
        wrong = True
    if wrong:
        raise UsageError(
            f"a redirect URI is an absolute URL without a fragment, and {redirect_uri} is not",
            cure=f"write the whole URL, as in {DEFAULT_REDIRECT_URI}",
        )
    return redirect_uri
