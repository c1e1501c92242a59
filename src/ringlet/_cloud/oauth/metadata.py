"""Authorization server metadata: RFC 8414.

Oura has two families of paths, each with its own issuer URL: that of the older is the cloud's root, that of
the newer is `/oauth/v2/oauth-anonymous`. The metadata is also served at the path of OpenID Connect Discovery,
where many clients look for it (RFC 8414 section 5), although the cloud does not offer OpenID Connect.
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
    """Describes what the authorization server offers; `rules` says whether it offers the implicit grant."""

    rules: OAuthRules

    def routes(self) -> list[BaseRoute]:
        """The routes of the metadata documents, at their well-known paths."""
        return [
            *(Route(path, self.older, methods=["GET"]) for path in OLDER),
            *(Route(path, self.newer, methods=["GET"]) for path in NEWER),
        ]

    async def older(self, request: Request) -> Response:
        """The metadata of the older path family (`/oauth/authorize`)."""
        return JSONResponse(self._described(_root(request), _root(request), 0, scope_text(SCOPES)))

    async def newer(self, request: Request) -> Response:
        """The metadata of the newer path family (`/oauth/v2/ext/oauth-authorize`)."""
        described = self._described(issuer(request), _root(request), 1, scope_text(SCOPES, prefix=True))
        return JSONResponse(described | {"authorization_response_iss_parameter_supported": True})

    def _described(self, issuer: str, root: str, family: int, scopes: str) -> dict[str, Any]:
        with_secret = ["client_secret_basic", "client_secret_post"]
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
            "token_endpoint_auth_methods_supported": [*with_secret, "none"],
            "revocation_endpoint_auth_methods_supported": [*with_secret, "none"],
            "introspection_endpoint_auth_methods_supported": with_secret,
        }


def _root(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"
