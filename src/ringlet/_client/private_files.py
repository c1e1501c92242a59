"""Small private files: written whole or not at all, locked without waiting, their owner's alone.

Rules of this file:
* `write` returns when the bytes would survive a crash: written beside, fsynced, renamed over.
* A lock is held by the operating system and dies with its process: nobody has to remember to delete a file.
* Files and the folders made for them are their owner's alone; a link in place of a lock is not followed.
* A disk that refuses is a RingletError which names the path and says what to do.
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
    """Replace a file of mode 0600, durably. Raises RingletError."""
    with on_disk(path, "written"):
        _make_folder(path.parent)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mode 0600
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
    """What a file holds; None when there is none. Raises RingletError."""
    try:
        with on_disk(path, "read", but=FileNotFoundError):
            return path.read_bytes()
    except FileNotFoundError:
        return None


def delete(path: Path) -> None:
    """Delete a file, if it is there. Raises RingletError."""
    with on_disk(path, "deleted"):
        path.unlink(missing_ok=True)


def stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes whenever a file is replaced; None when there is none. Raises RingletError."""
    try:
        with on_disk(path, "read", but=FileNotFoundError):
            stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


class Lock:
    """A lock beside a file, excluding threads and processes alike; a forked process holds none of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: int | None = None
        self._threads = threading.Lock()
        _LOCKS.add(self)

    @property
    def is_held(self) -> bool:
        """Whether a thread of this process has it."""
        return self._held is not None

    def take(self) -> bool:
        """Take it without waiting; False while another has it. Raises RingletError."""
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
                    cure="this file system has no locks: keep the tokens on another one",
                ) from broken
            finally:
                if self._held is None:
                    os.close(handle)
            return self._held is not None
        finally:
            if self._held is None:
                self._threads.release()

    def give_back(self) -> None:
        """Let it go, if it is held."""
        if self._held is not None:
            os.close(self._held)  # which lets the lock go
            self._held = None
            self._threads.release()

    @staticmethod
    def leave_to_the_parent() -> None:
        """Hold nothing in a forked process: a copy of a handle would hold the lock while it lives."""
        for lock in _LOCKS:
            if lock._held is not None:
                os.close(lock._held)
                lock._held = None
            lock._threads = threading.Lock()


_LOCKS: WeakSet[Lock] = WeakSet()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Lock.leave_to_the_parent)


@contextlib.contextmanager
def on_disk(path: Path, done: str, *, but: type[OSError] | tuple[()] = ()) -> Generator[None, None, None]:
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
