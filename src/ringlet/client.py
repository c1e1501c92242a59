"""The clients that ask Oura (or any cloud that speaks its API), and the places where tokens are kept."""

from ._client.client import AsyncClient, Client
from ._client.sign_ins import SignIn
from ._client.token_stores import FileTokenStore, MemoryTokenStore

__all__ = ["AsyncClient", "Client", "FileTokenStore", "MemoryTokenStore", "SignIn"]
