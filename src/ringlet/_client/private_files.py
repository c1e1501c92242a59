"""Reads, replaces and locks small files that only their owner may read.

Rules of this file:
* When `write` returns, the bytes would survive a crash: a temporary file in the same folder is written,
  fsynced and renamed to the path. So a reader sees the old bytes or the new ones.
* Locks are those of the operating system, which releases them when the process ends. A lock file that a
  killed process has left does not lock anything.
* Files have mode 0600 and folders that are made for them 0700. A symbolic link in place of a lock file is not
  followed: it could make us create a file elsewhere.
* An OSError becomes a RingletError that names the path and says what to do.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path
from weakref import WeakSet

from ..errors import RingletError


def write(path: Path, content: bytes) -> None:
    """Create or replace a file, with mode 0600, so that it survives a crash. Raises RingletError."""
    with on_disk(path, "written"):
        _make_folder(path.parent)
        handle, beside = tempfile.mkstemp(
            dir=path.parent, prefix=path.name
        )  # It creates the file with mode 0600.
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(beside).replace(path)
            _sync_folder(path.parent)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(beside).unlink()
            raise


def read(path: Path) -> bytes | None:
    """The content of a file; None if it does not exist. Raises RingletError."""
    try:
        with on_disk(path, "read", but=FileNotFoundError):
            return path.read_bytes()
    except FileNotFoundError:
        return None


def delete(path: Path) -> None:
    """Delete a file if it exists. Raises RingletError."""
    with on_disk(path, "deleted"):
        path.unlink(missing_ok=True)


def stamp(path: Path) -> tuple[int, int, int] | None:
    """A value that changes whenever a file is replaced; None if it does not exist. Raises RingletError."""
    try:
        with on_disk(path, "read", but=FileNotFoundError):
            stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


class Lock:
    """A lock file, which one thread of one process can lock at a time. A forked process inherits no lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: int | None = None
        self._threads = threading.Lock()
        _LOCKS.add(self)

    @property
    def is_held(self) -> bool:
        """Whether a thread of this process has the lock."""
        return self._held is not None

    def take(self) -> bool:
        """Tries to take the lock, without waiting; False if another has it. Raises RingletError."""
        if not self._threads.acquire(blocking=False):
            return False
        try:
            with on_disk(self.path, "opened"):
                _make_folder(self.path.parent)
                handle = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
            try:
                if _lock_file(handle):
                    self._held = handle
            except OSError as broken:
                raise RingletError(
                    f"{self.path} cannot be locked: {broken.strerror or broken}",
                    cure="this file system has no locks: store the tokens on another one",
                ) from broken
            finally:
                if self._held is None:
                    os.close(handle)
            return self._held is not None
        finally:
            if self._held is None:
                self._threads.release()

    def release(self) -> None:
        """Releases the lock, if this process has it."""
        if self._held is not None:
            os.close(self._held)  # The system releases the lock when the file is closed.
            self._held = None
            self._threads.release()

    @staticmethod
    def close_handles_of_parent() -> None:
        """Closes the handles of lock files that this process, a fork, has from its parent.

        A lock ends when all handles of the open file are closed, so the child's would prolong the parent's
        lock.
        """
        for lock in _LOCKS:
            if lock._held is not None:
                os.close(lock._held)
                lock._held = None
            lock._threads = threading.Lock()


_LOCKS: WeakSet[Lock] = WeakSet()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Lock.close_handles_of_parent)


@contextlib.contextmanager
def on_disk(path: Path, done: str, *, but: type[OSError] | tuple[()] = ()) -> Generator[None, None, None]:
    """Turns an OSError, except `but`, into a RingletError; `done` is the verb of its message ("written")."""
    try:
        yield
    except but:
        raise
    except OSError as broken:
        raise RingletError(
            f"{path} cannot be {done}: {broken.strerror or broken}",
            cure="check that file and folder are yours and the disk has space, or use another folder",
        ) from broken


def _make_folder(folder: Path) -> None:
    """Makes a folder and its missing parents, all with mode 0700.

    `mkdir(parents=True)` would give the parents the default mode.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        if folder.parent == folder:
            raise
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _sync_folder(folder: Path) -> None:
    """Flushes a folder to the disk, so that a rename in it survives a power cut. Does nothing on Windows."""
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _lock_file(handle: int) -> bool:
    """Locks an open file without waiting; False if it is locked already.

    The lock ends when the handle is closed or the process ends. Raises OSError if the file system has no
    locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt  # This module exists on Windows only.

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # This module does not exist on Windows.

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as broken:
        if broken.errno in _LOCKED_ELSEWHERE:
            return False
        raise
    return True


_LOCKED_ELSEWHERE = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK}
"""The error numbers that mean "locked by another"; Windows gives EACCES or EDEADLK."""
