"""Token stores: in memory, in a file that only its owner can read, or in the system's keyring.

A `TokenStore` (see `_oauth.renewal`) loads and saves tokens, and lets one process at a time renew them.

Rules of this file:
* `save` returns when the tokens would survive a crash.
* `claim` locks a lock file without waiting. The operating system releases the lock when the process ends. A
  process that has the lock reads the stored tokens and not its cache.
* Tokens are loaded for every request, so they are cached until their file changes. The keyring has no file,
  so `KeyringTokenStore` writes a random text to a file whenever the tokens change.
"""

from __future__ import annotations

import secrets
import threading
from abc import ABC, abstractmethod
from pathlib import Path

import msgspec

from .._api.wire import DECODE_ERRORS
from .._oauth.grant import Tokens
from ..errors import RingletError
from . import private_files as disk
from .keyring_store import SystemKeyring


class MemoryTokenStore:
    """A token store in memory: its tokens are lost when the process ends."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self._tokens = tokens
        self._renewing = threading.Lock()

    def load(self) -> Tokens | None:
        """The tokens in memory; None before the first `save`."""
        return self._tokens

    def save(self, tokens: Tokens) -> None:
        """Store the tokens in memory."""
        self._tokens = tokens

    def claim(self) -> bool:
        """Try to take the lock for renewing; False while another thread has it."""
        return self._renewing.acquire(blocking=False)

    def release(self) -> None:
        """Release the lock for renewing."""
        self._renewing.release()


class _CachedTokenStore(ABC):
    """The base class of token stores with a file: it has the lock file and the cache of the tokens."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = disk.Lock(path.with_name(path.name + ".lock"))
        self._remembered: tuple[tuple[int, int, int], Tokens | None] | None = None

    def load(self) -> Tokens | None:
        """The tokens stored now; None if there are none yet. Raises RingletError if they cannot be read."""
        stamp = disk.stamp(self.path)
        if stamp is None:
            return None
        remembered = self._remembered
        if remembered is None or remembered[0] != stamp or self._lock.is_held:
            self._remembered = remembered = stamp, self._read()
        return remembered[1]

    @abstractmethod
    def _read(self) -> Tokens | None: ...

    def claim(self) -> bool:
        """Try to take the lock for renewing; False while another thread or process has it.

        Raises RingletError if the lock file cannot be opened or locked.
        """
        return self._lock.take()

    def release(self) -> None:
        """Release the lock for renewing."""
        self._lock.release()

    def _decoded(self, content: bytes | None) -> Tokens | None:
        try:
            return msgspec.json.decode(content, type=Tokens) if content is not None else None
        except DECODE_ERRORS:
            raise RingletError(
                f"{self.path} is not a valid token file", cure="delete it and sign in again"
            ) from None


class FileTokenStore(_CachedTokenStore):
    """A token store in a JSON file of mode 0600, which processes with the same path share."""

    def save(self, tokens: Tokens) -> None:
        """Write the file, and return when the tokens would survive a crash. Raises RingletError."""
        disk.write(self.path, msgspec.json.encode(tokens))

    def delete(self) -> None:
        """Delete the tokens, but not the lock file, which another process may have locked."""
        disk.delete(self.path)

    def _read(self) -> Tokens | None:
        return self._decoded(disk.read(self.path))


class KeyringTokenStore(_CachedTokenStore):
    """A token store in the system's keyring. The file at `path` has no secret and changes with the tokens."""

    def __init__(self, vault: SystemKeyring, entry: str, path: Path) -> None:
        super().__init__(path)
        self.vault = vault
        self.entry = entry

    def save(self, tokens: Tokens) -> None:
        """Write the keyring entry, and change the file at `path`. Raises RingletError."""
        self.vault.put(self.entry, msgspec.json.encode(tokens).decode())
        disk.write(self.path, secrets.token_hex(8).encode())

    def delete(self) -> None:
        """Delete the tokens, but not the lock file, which another process may have locked."""
        self.vault.remove(self.entry)
        disk.delete(self.path)

    def _read(self) -> Tokens | None:
        kept = self.vault.get(self.entry)
        return self._decoded(kept.encode() if kept is not None else None)
