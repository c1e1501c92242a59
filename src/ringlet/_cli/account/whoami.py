"""Asks the server who the signed-in user is, and builds the cure for a refused sign-in.

Rules of this file:
* One request is sent, without retries. Its failure is returned, not raised: `auth status` and `login` also
  work without a network.
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
    """The user of a sign-in. If the request failed, id and email are empty, and `failure` is the error."""

    id: str = ""
    email: str = ""
    failure: RingletError | None = None

    @property
    def why_unknown(self) -> str:
        """Why the user is unknown: the message of the failure; empty if the user is known."""
        return self.failure.message if self.failure else ""

    @property
    def name(self) -> str:
        """The name to show for the user: the e-mail address, or Oura's id if the server sent no address."""
        return self.email or self.id


def fetch_user(sign_in: SignIn, base_url: str | None) -> SignedInUser:
    """Request the user of a sign-in from the server, once. Renews expired tokens, as every request does."""
    from ..._client.client import Client

    try:
        with Client(base_url=base_url, profile=sign_in.name, retry_policy=no_retries()) as client:
            info = client.personal_info.get()
    except RingletError as failure:
        return SignedInUser(failure=failure)
    return SignedInUser(id=info.id, email=info.email or "")


def needs_new_sign_in(failure: RingletError, tokens: Tokens) -> bool:
    """Whether the server has refused the stored tokens, so that the user must sign in again."""
    if isinstance(failure, NotSignedIn):  # The response to a renewal was lost; it is not sent again.
        return tokens.unanswered > 0
    return isinstance(failure, InvalidToken | OAuthError)


def no_retries() -> RetryPolicy:
    """A retry policy without retries, because the user is waiting for the result."""
    from ..._api.wire import RetryPolicy

    return RetryPolicy(max_tries=1)


def application_cure(sign_in: SignIn, base_url: str) -> str:
    """The cure for a client ID and secret that the server refused: the commands that replace them."""
    named = sign_in.cure.options
    login = f"{command('login', **named)}, with the client ID and secret that {portal(base_url)} shows"
    if {"OURA_CLIENT_ID", "OURA_CLIENT_SECRET"} & os.environ.keys():
        return f"unset OURA_CLIENT_ID OURA_CLIENT_SECRET; {login}"
    # `login` uses a stored application without asking, so `auth logout --purge` must delete it first.
    return f"{command('auth logout', '--purge', **named)}; {login}" if sign_in.exists else login


def portal(base_url: str) -> str:
    """The address of the page that registers applications: Oura's, or that of the cloud at `base_url`."""
    from ..._client.client import OURA_API

    return OURA_PORTAL if base_url == OURA_API else f"{base_url}/oauth/applications"


def where_stored(sign_in: SignIn) -> str:
    """Where the tokens of a sign-in are stored, as text for the user."""
    return "the system's keyring" if sign_in.store == "keyring" else str(sign_in.token_store.path)
