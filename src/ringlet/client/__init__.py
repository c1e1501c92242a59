"""Asking: the clients, where tokens are kept, and how one signs in."""

from .client import AsyncClient, Client
from .tokens import FileWallet, MemoryWallet

__all__ = ["AsyncClient", "Client", "FileWallet", "MemoryWallet"]
