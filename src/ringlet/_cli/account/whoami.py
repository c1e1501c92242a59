"""Who is signed in, as far as the server says, and what to do where it refuses.

Rules of this file:
* The server is asked once and without waiting. A failure is part of the answer, not an error: a user may look
  at a sign-in without a network.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import InvalidToken, NotSignedIn, OAuthError, RingletError
from ..shared.next_steps import command

if TYPE_CHECKING:
    from ..._api.wire import RetryPolicy
    from ..._client.sign_ins import SignIn
    from ..._oauth.grant import Tokens

OURA_PORTAL = "https://developer.ouraring.com/applications"


@dataclass(frozen=True)
class SignedInUser:
    """The user of a sign-in, as far as the server says. `failure` is why it does not."""

    id: str = ""
    email: str = ""
    failure: RingletError | None = None

    @property
    def why_unknown(self) -> str:
        """Why the server does not say who it is; empty where it does."""
        return self.failure.message if self.failure else ""

    @property
    def name(self) -> str:
        """What people recognise: the e-mail address, else Oura's id."""
        return self.email or self.id


def fetch_user(sign_in: SignIn, base_url: str | None) -> SignedInUser:
    """Ask the server once whose sign-in it is. Renews tokens that have expired, as every request does."""
    from ..._client.client import Client

    try:
        with Client(base_url=base_url, profile=sign_in.name, retry_policy=no_retries()) as client:
            info = client.personal_info.get()
    except RingletError as failure:
        return SignedInUser(failure=failure)
    return SignedInUser(id=info.id, email=info.email or "")


def needs_new_sign_in(failure: RingletError, tokens: Tokens) -> bool:
    """Whether the server has refused the stored tokens, so that only signing in again helps."""
    if isinstance(failure, NotSignedIn):  # raised before sending: a renewal in doubt is not tried again
        return tokens.unanswered > 0
    return isinstance(failure, InvalidToken | OAuthError)


def no_retries() -> RetryPolicy:
    """A policy that tries once: the user is waiting for the answer."""
    from ..._api.wire import RetryPolicy

    return RetryPolicy(max_tries=1)


def application_cure(sign_in: SignIn, base_url: str) -> str:
    """How to replace a client ID and secret that the server refused."""
    named = sign_in.cure.options
    login = f"{command('login', **named)}, with the client ID and secret that {portal(base_url)} shows"
    if {"OURA_CLIENT_ID", "OURA_CLIENT_SECRET"} & os.environ.keys():
        return f"unset OURA_CLIENT_ID OURA_CLIENT_SECRET; {login}"
    # `login` takes a stored application without asking, so that must go first.
    return f"{command('auth logout', '--purge', **named)}; {login}" if sign_in.is_kept else login


def portal(base_url: str) -> str:
    """Where applications are registered: at Oura, or in the portal of the cloud that is named."""
    from ..._client.client import OURA_API

    return OURA_PORTAL if base_url == OURA_API else f"{base_url}/oauth/applications"


def where_stored(sign_in: SignIn) -> str:
    """Where the tokens of a sign-in are, for people."""
    return "the system's keyring" if sign_in.store == "keyring" else str(sign_in.token_store.path)
