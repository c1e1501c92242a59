"""The OAuth2 authorization server."""
