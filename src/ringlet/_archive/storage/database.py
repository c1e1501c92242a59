"""The port to the database: a few verbs, one transaction, every failure an ArchiveError with its cure.

`sqlite` and `postgres` are what stands behind it; `opening` chooses.

Rules of this file:
* Nothing here knows a table. The rooms above write each statement once, with `?` for values, in what both
  databases read: `ON CONFLICT DO UPDATE`, `RETURNING`, row values, integers of milliseconds, blobs.
* `transaction` is the only way to write more than one statement. A transaction inside a transaction is a
  savepoint: it joins the outer one, and undoes only itself when it fails.
* A transaction that reads, decides and writes first locks what the decision is about: see `locks`.
* One Database is one connection, used by one thread at a time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from ...errors import ArchiveError
from .locks import Lock

Row: TypeAlias = tuple[Any, ...]
"""What a SELECT gives: the caller knows its columns."""


class Database(ABC):
    """One connection, and the place it is open on. Everything raises ArchiveError."""

    begin: str
    """The statement that begins a transaction."""

    def __init__(self, path: str) -> None:
        self.path = path
        """A file, or a URL without its password."""
        self._depth = 0
        self._locks: dict[tuple[Lock, tuple[int | str, ...]], None] = {}
        # Those of the open transaction, in the order they were taken.
        self._undone = 0

    @abstractmethod
    def execute(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run one statement; the number of rows it wrote."""

    @abstractmethod
    def many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run one statement for each of the rows."""

    @abstractmethod
    def all(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Every row of an answer."""

    @abstractmethod
    def one(self, sql: str, values: Sequence[object] = ()) -> Row | None:
        """The first row of an answer, if there is one."""

    @abstractmethod
    def each(self, sql: str, values: Sequence[object] = ()) -> Generator[Row]:
        """The rows of an answer one by one, one answer at a time; a reader that stops early closes it."""

    def lock(self, lock: Lock, *key: int | str) -> None:
        """Wait until no other transaction has this lock by the same key, and have it until this one ends.

        What is read afterwards stays as it is, provided that all who write it take the same lock.
        """
        assert self._depth, f"{lock.name} is locked outside a transaction"
        if (lock, key) in self._locks:
            return
        last = max((taken for taken, _ in self._locks), default=lock)
        assert lock >= last, f"{lock.name} is locked after {last.name}: see the order in `locks`"
        self._lock(lock, *key)
        self._locks[lock, key] = None

    @abstractmethod
    def _lock(self, lock: Lock, *key: int | str) -> None:
        """Take a lock that the open transaction does not have yet."""

    @abstractmethod
    def wait_at_most(self, seconds: float) -> None:
        """How long to wait from now on for others who write."""

    @property
    @abstractmethod
    def version(self) -> int | None:
        """The schema version of the archive; None where there is nothing. Raises if it is no archive."""

    @abstractmethod
    def set_version(self, version: int) -> None:
        """Make this an archive of a schema version. In a transaction."""

    @abstractmethod
    def prepare_upgrade(self, version: int) -> Callable[[], None]:
        """In the transaction that upgrades to a version, before its first step: copy the archive if possible.

        Call what is returned if the transaction was undone.
        """

    @property
    @abstractmethod
    def generation(self) -> int:
        """A number that grows whenever anything that this connection can see may have changed."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Bytes on the disk."""

    @property
    @abstractmethod
    def _sound(self) -> bool:
        """Whether a transaction is under way, and nothing has gone wrong with it."""

    @property
    @abstractmethod
    def _under_way(self) -> bool:
        """Whether a transaction is under way, sound or not."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection; what was not committed is undone."""

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All or nothing."""
        start, keep, undo = self.begin, "COMMIT", ["ROLLBACK"]
        if self._depth:
            self._still_sound()
            start, keep, undo = "SAVEPOINT nested", "RELEASE nested", ["ROLLBACK TO nested", "RELEASE nested"]
        self.execute(start)
        self._depth += 1
        locks = dict(self._locks)
        try:
            yield
            self._still_sound()
            self.execute(keep)
        except BaseException:
            self._undone += 1
            if self._under_way:
                for step in undo:
                    self.execute(step)
            self._locks = locks  # a savepoint that is undone gives back the locks taken since
            raise
        finally:
            self._depth -= 1
            if not self._depth:
                self._locks.clear()

    def _still_sound(self) -> None:
        # A full disk makes SQLite undo the whole transaction by itself: going on would write a half. After
        # any failure PostgreSQL takes nothing more, and answers COMMIT with a rollback and no error.
        if not self._sound:
            raise ArchiveError(
                f"a transaction on {self.path} was undone after a failure", cure="start it again"
            )
