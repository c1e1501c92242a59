"""What the authorization server says of itself: RFC 8414.

Each family of paths has an issuer of its own, as at Oura: the older one is the cloud's root, the newer one
`/oauth/v2/oauth-anonymous`. The same document stands where OpenID clients look for it (RFC 8414 section 5);
there is no OpenID here, and it does not claim any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ..._oauth.scopes import SCOPES, scope_text
from .authorize_endpoint import PATHS as AUTHORIZE
from .authorize_endpoint import issuer
from .grants import OAuthRules
from .token_endpoint import INTROSPECT, REVOKE, TOKEN

OLDER = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")
NEWER = ("/oauth/v2/oauth-anonymous/.well-known/openid-configuration",)


@dataclass(frozen=True)
class Metadata:
    """What is offered, under these rules."""

    rules: OAuthRules

    def routes(self) -> list[BaseRoute]:
        """Where clients look."""
        return [
            *(Route(path, self.older, methods=["GET"]) for path in OLDER),
            *(Route(path, self.newer, methods=["GET"]) for path in NEWER),
        ]

    async def older(self, request: Request) -> Response:
        """The family of `/oauth/authorize`."""
        return JSONResponse(self._described(_root(request), _root(request), 0, scope_text(SCOPES)))

    async def newer(self, request: Request) -> Response:
        """The family of `/oauth/v2/ext/oauth-authorize`."""
        described = self._described(issuer(request), _root(request), 1, scope_text(SCOPES, prefix=True))
        return JSONResponse(described | {"authorization_response_iss_parameter_supported": True})

    def _described(self, issuer: str, root: str, family: int, scopes: str) -> dict[str, Any]:
        proofs = ["client_secret_basic", "client_secret_post"]
        return {
            "issuer": issuer,
            "authorization_endpoint": root + AUTHORIZE[family],
            "token_endpoint": root + TOKEN[family],
            "revocation_endpoint": root + REVOKE[family],
            "introspection_endpoint": root + INTROSPECT[family],
            "scopes_supported": scopes.split(),
            "response_types_supported": ["code", "token"] if self.rules.implicit else ["code"],
            "response_modes_supported": ["query", "fragment"] if self.rules.implicit else ["query"],
            "grant_types_supported": [
                "authorization_code",
                "refresh_token",
                *(["implicit"] if self.rules.implicit else []),
            ],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": [*proofs, "none"],
            "revocation_endpoint_auth_methods_supported": [*proofs, "none"],
            "introspection_endpoint_auth_methods_supported": proofs,
        }


def _root(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"
