"""The clients that ask Oura (or any cloud that speaks its API), and the places where tokens are kept."""

from ._client.client import AsyncClient, Client
from ._client.sign_ins import Profile
from ._client.wallets import FileWallet, MemoryWallet

__all__ = ["AsyncClient", "Client", "FileWallet", "MemoryWallet", "Profile"]
