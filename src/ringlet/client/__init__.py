"""Asking: the clients, and where tokens are kept."""

from .client import AsyncClient, Client
from .profiles import Profile
from .tokens import FileWallet, MemoryWallet

__all__ = ["AsyncClient", "Client", "FileWallet", "MemoryWallet", "Profile"]
