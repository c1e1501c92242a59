"""Where a grant is kept: in memory, or in a file that only its owner can read.

A `Wallet` (see `oauth`) loads, saves, and lets one at a time renew. Rules of this file:

* `save` returns when the tokens would survive a crash: written beside, fsynced, renamed over.
* `claim` never waits, and a claim dies with its process: it is a lock the operating system holds, not a file
  that someone must remember to delete.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
from pathlib import Path

import msgspec
import platformdirs

from ..errors import RingletError
from ..oauth import Tokens


class MemoryWallet:
    """Tokens for as long as this process lives."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self._tokens = tokens
        self._renewing = threading.Lock()

    def load(self) -> Tokens | None:
        return self._tokens

    def save(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def claim(self) -> bool:
        return self._renewing.acquire(blocking=False)

    def release(self) -> None:
        self._renewing.release()


class FileWallet:
    """Tokens in a JSON file of mode 0600, shared by every process that names the same path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = path.with_name(path.name + ".lock")
        self._held: int | None = None
        self._cached: tuple[tuple[int, int, int], Tokens] | None = None
        self._renewing = threading.Lock()

    def load(self) -> Tokens | None:
        try:
            stat = self.path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if self._cached is None or self._cached[0] != stamp:
                self._cached = stamp, msgspec.json.decode(self.path.read_bytes(), type=Tokens)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError:
            raise RingletError(
                f"{self.path} is not a token file any more", cure="delete it and sign in again"
            ) from None
        return self._cached[1]

    def save(self, tokens: Tokens) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name)  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(tokens))
                file.flush()
                os.fsync(file.fileno())
            Path(beside).replace(self.path)
            _sync_folder(self.path.parent)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(beside).unlink()
            raise

    def claim(self) -> bool:
        if not self._renewing.acquire(blocking=False):
            return False
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
            if _lock_file(handle):
                self._held = handle
                return True
            os.close(handle)
            return False
        finally:
            if self._held is None:
                self._renewing.release()

    def release(self) -> None:
        if self._held is not None:
            os.close(self._held)  # which lets the lock go
            self._held = None
            self._renewing.release()

    def forget(self) -> None:
        """Delete the tokens. The lock file stays: whoever holds it must go on excluding others."""
        self.path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut; Windows keeps folders by itself."""
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _lock_file(handle: int) -> bool:
    """Lock a whole file without waiting; the lock goes with the handle or its process."""
    try:
        if sys.platform == "win32":
            import msvcrt  # exists on this platform only

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # exists on this platform only

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def wallet_for(profile: str = "default") -> FileWallet:
    """The wallet of a named profile, in this user's configuration directory."""
    if not re.fullmatch(r"[\w.@-]{1,64}", profile):
        raise RingletError(
            f"{profile!r} cannot be a profile name", cure="use letters, digits and any of . _ @ -"
        )
    return FileWallet(platformdirs.user_config_path("ringlet") / "tokens" / f"{profile}.json")
