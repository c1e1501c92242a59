"""The clients of Oura's API, the stores for tokens, and the sign-ins that `ringlet login` stores."""

from ._client.client import AsyncClient, Client
from ._client.sign_ins import SignIn
from ._client.token_stores import FileTokenStore, MemoryTokenStore
from ._oauth.renewal import TokenStore

__all__ = ["AsyncClient", "Client", "FileTokenStore", "MemoryTokenStore", "SignIn", "TokenStore"]
