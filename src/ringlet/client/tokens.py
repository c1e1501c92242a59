"""Where a grant is kept: in memory, or in a file that only its owner can read.

A `Wallet` (see `oauth`) loads, saves, and lets one at a time renew. Rules of this file:

* `save` returns when the tokens would survive a crash: written beside, fsynced, renamed over.
* `claim` never waits, and a claim dies with its process: it is a lock the operating system holds, not a file
  that someone must remember to delete.
* Files and the folders made for them are their owner's alone; a link in place of the lock is not followed.
* A disk that refuses is a RingletError which names the path and says what to do.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import tempfile
import threading
from collections.abc import Generator
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
            with _on_disk(self.path, "read", but=FileNotFoundError):
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
        with _on_disk(self.path, "written"):
            self._save(tokens)

    def _save(self, tokens: Tokens) -> None:
        _make_folder(self.path.parent)
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
            with _on_disk(self._lock, "opened"):
                _make_folder(self.path.parent)
                handle = os.open(self._lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
            try:
                if _lock_file(handle):
                    self._held = handle
            except OSError as broken:
                raise RingletError(
                    f"{self._lock} cannot be locked: {broken.strerror or broken}",
                    cure="this file system has no locks: keep the tokens on another one",
                ) from broken
            finally:
                if self._held is None:
                    os.close(handle)
            return self._held is not None
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
        with _on_disk(self.path, "deleted"):
            self.path.unlink(missing_ok=True)


@contextlib.contextmanager
def _on_disk(path: Path, done: str, *, but: type[OSError] | tuple[()] = ()) -> Generator[None, None, None]:
    """Whatever the disk refuses, except `but`, as an error that names the path."""
    try:
        yield
    except but:
        raise
    except OSError as broken:
        raise RingletError(
            f"{path} cannot be {done}: {broken.strerror or broken}",
            cure="see that file and folder are yours, on a disk with space, or keep the tokens elsewhere",
        ) from broken


def _make_folder(folder: Path) -> None:
    """Make what is missing of a path of folders, each for its owner alone; `parents=True` opens the upper."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        if folder.parent == folder:
            raise
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut; Windows keeps folders by itself."""
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _lock_file(handle: int) -> bool:
    """Lock a file without waiting; False while another holds it. The lock dies with handle or process.

    Raises OSError where there are no locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt  # exists on this platform only

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # exists on this platform only

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as broken:
        if broken.errno in _HELD:
            return False
        raise
    return True


_HELD = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK}
"""How operating systems say that another holds a lock; Windows says EACCES or EDEADLK."""


def wallet_for(profile: str = "default") -> FileWallet:
    """The wallet of a named profile, in this user's configuration directory. Raises RingletError."""
    if not re.fullmatch(r"[\w.@-]{1,64}", profile):
        raise RingletError(
            f"{profile!r} cannot be a profile name", cure="use letters, digits and any of . _ @ -"
        )
    return FileWallet(platformdirs.user_config_path("ringlet") / "tokens" / f"{profile}.json")
