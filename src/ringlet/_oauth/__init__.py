"""Both ends of OAuth2 without I/O: scopes, PKCE, the grant, and the flows that get, renew and revoke it."""
