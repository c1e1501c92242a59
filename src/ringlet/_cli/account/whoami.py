"""Whose sign-in it is, as far as the server says, and what to do where it refuses.

Rules of this file:
* It is asked once, and whatever stands in the way is the answer: one may look without a network, too.
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

PORTAL = "https://developer.ouraring.com/applications"


@dataclass(frozen=True)
class Someone:
    """Whose sign-in it is, as far as the server says; `unknown` is why it does not."""

    id: str = ""
    email: str = ""
    unknown: RingletError | None = None

    @property
    def why(self) -> str:
        """Why it is unknown."""
        return self.unknown.message if self.unknown else ""

    @property
    def name(self) -> str:
        """What people recognise."""
        return self.email or self.id


def whose(kept: SignIn, base_url: str | None) -> Someone:
    """Ask once whose sign-in it is; whatever stands in the way is the answer."""
    from ..._client.client import Client

    try:
        with Client(base_url=base_url, profile=kept.name, retry_policy=once()) as client:
            info = client.personal_info.get()
    except RingletError as failed:
        return Someone(unknown=failed)
    return Someone(id=info.id, email=info.email or "")


def is_over(failed: RingletError, tokens: Tokens) -> bool:
    """Whether the server has refused what is kept, so that only signing in again helps."""
    if isinstance(failed, NotSignedIn):  # it took the token for dead, and a renewal is not to be tried again
        return tokens.unanswered > 0
    return isinstance(failed, InvalidToken | OAuthError)


def once() -> RetryPolicy:
    """No waiting: somebody looks."""
    from ..._api.wire import RetryPolicy

    return RetryPolicy(max_tries=1)


def application_cure(kept: SignIn, base_url: str) -> str:
    """How another id and secret get in, in place of the ones that were refused."""
    named = kept.cure.options
    again = f"{command('login', **named)}, with the client ID and secret that {portal(base_url)} shows"
    if {"OURA_CLIENT_ID", "OURA_CLIENT_SECRET"} & os.environ.keys():
        return f"unset OURA_CLIENT_ID OURA_CLIENT_SECRET; {again}"
    # What is kept is not asked for again, so it must go first.
    return f"{command('auth logout', '--purge', **named)}; {again}" if kept.is_kept else again


def portal(base_url: str) -> str:
    """Where applications are registered."""
    from ..._client.client import OURA_API

    return PORTAL if base_url == OURA_API else f"{base_url}/oauth/applications"
