"""The steps of a sign-in with OAuth2, for a program that shows them to the user.

    LoginAttempt.url      the URL to open in the user's browser
    Listener              receives the redirect (see `redirect_listener`), unless the user pastes its URL
    LoginAttempt.finish   a flow that reads the response, exchanges the code, and renews the tokens once

Rules of this file:
* Each sign-in has a new state. The state of a response is compared first, in constant time. The code flow
  uses PKCE, also for applications that have a secret (RFC 9700 section 2.1.1).
* The new tokens are renewed at once, to test that they can be. If they cannot, the sign-in fails now and not
  when the tokens expire, and the user still has an earlier sign-in.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import msgspec

from .._api.wire import Flow
from .._oauth.flows import exchange
from .._oauth.grant import App, Hosts, Pkce, Tokens, authorize_url
from .._oauth.renewal import renew
from .._oauth.scopes import SCOPES
from ..errors import OAuthError, ServerError, UsageError
from .token_stores import MemoryTokenStore


def _state() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True, kw_only=True)
class LoginAttempt:
    """One sign-in that has begun: its application, the scopes it requests, and its `state` and PKCE pair.

    With `implicit` it uses OAuth2's implicit flow, which needs no client secret and gives no refresh token.
    """

    app: App
    hosts: Hosts
    scopes: frozenset[str] = frozenset(SCOPES)
    implicit: bool = False
    state: str = field(default_factory=_state, repr=False)
    pkce: Pkce = field(default_factory=Pkce.new, repr=False)

    @property
    def url(self) -> str:
        """The authorize URL, to open in the user's browser."""
        return authorize_url(
            self.app,
            self.hosts,
            state=self.state,
            scopes=self.scopes,
            pkce=None if self.implicit else self.pkce,
            response_type="token" if self.implicit else "code",
        )

    def finish(self, returned: str, *, clock: Callable[[], float]) -> Flow[Tokens]:
        """Get tokens for an authorization response: the URL of the redirect, or its query or fragment.

        Raises UsageError if `returned` is not a response, OAuthError if the response is a refusal or belongs
        to another sign-in, ServerError, ConnectionFailed.
        """
        answer = self._read(returned)
        if self.implicit:
            return self._given(answer, clock())
        tokens = yield from exchange(self.app, self.hosts, answer["code"], self.pkce)
        # The token response may lack the scope (RFC 6749 section 5.1). Oura's redirect URL has it as well.
        scope = tokens.scope or answer.get("scope", "")
        tokens = msgspec.structs.replace(tokens, scope=scope, obtained_at=clock())
        if not tokens.refresh_token:
            return tokens
        return (yield from renew(MemoryTokenStore(tokens), self.app, self.hosts, stale=tokens, clock=clock))

    def is_answer(self, returned: str) -> bool:
        """Whether a text can be an authorization response. The authorize URL itself is not one."""
        return bool({"access_token" if self.implicit else "code", "error"} & _parameters(returned).keys())

    def _read(self, returned: str) -> dict[str, str]:
        answer = _parameters(returned)
        if not self.is_answer(returned):
            raise UsageError(
                "this is not the address to which a sign-in redirects the browser",
                cure="start again, and paste all of the address that the browser shows at the end",
            )
        if not hmac.compare_digest(answer.get("state", "").encode(), self.state.encode()):
            raise OAuthError(
                "invalid_request",
                "the answer belongs to another sign-in (its state differs)",
                cure="start again, and open only the newest address",
            )
        if "error" in answer:
            raise OAuthError(answer["error"], answer.get("error_description", ""))
        return answer

    def _given(self, answer: dict[str, str], now: float) -> Tokens:
        """The tokens in the response of the implicit flow (RFC 6749 section 4.2.2)."""
        life = answer.get("expires_in")
        if life is not None and not re.fullmatch("[0-9]{1,9}", life):
            raise ServerError("expires_in of the answer is not a number of seconds", status=502)
        return Tokens(
            access_token=answer["access_token"],
            token_type=answer.get("token_type", "bearer"),
            expires_in=int(life) if life is not None else None,
            scope=answer.get("scope", ""),
            token_url=self.hosts.token[0],
            client_id=self.app.client_id,
            obtained_at=now,
        )


def _parameters(address: str) -> dict[str, str]:
    """The parameters of a URL, from its query and its fragment."""
    found: dict[str, str] = {}
    for part in re.split(r"[?#]", address.strip()):
        found |= parse_qsl(part)
    return found
