"""OAuth2 for the client and the cloud: scopes, PKCE, tokens, and flows that get, renew and revoke them."""
