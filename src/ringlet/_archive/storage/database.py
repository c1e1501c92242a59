"""What every connection to a database can do; `sqlite` and `postgres` implement it, `opening` chooses.

Every failure is an ArchiveError with its cure.

Rules of this file:
* Nothing here knows a table. Each statement is written once, by the owner of its table, with `?` for values,
  in the SQL that both databases read: `ON CONFLICT DO UPDATE`, `RETURNING`, row values. Times are integers
  of milliseconds.
* `transaction` is the only way to write more than one statement. A transaction inside a transaction is a
  savepoint: it is committed with the outer one, and undoes only itself when it fails.
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
"""One row of an answer, in the order of the columns that the statement names."""


class Database(ABC):
    """One connection to a database. Every method raises ArchiveError."""

    begin: str
    """The statement that begins a transaction."""

    def __init__(self, path: str) -> None:
        self.path = path
        """The path of the database file, or the URL of the database without the password."""
        self._depth = 0  # how many transactions are open, one inside the other
        self._locks: dict[tuple[Lock, tuple[int | str, ...]], None] = {}
        # The locks of the open transaction, in the order in which they were taken.
        self._rollbacks = 0

    @abstractmethod
    def execute(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run one statement. Returns how many rows the statement wrote."""

    @abstractmethod
    def many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run one statement for each of the rows."""

    @abstractmethod
    def all(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """All rows of an answer."""

    @abstractmethod
    def one(self, sql: str, values: Sequence[object] = ()) -> Row | None:
        """The first row of an answer, if there is one."""

    @abstractmethod
    def each(self, sql: str, values: Sequence[object] = ()) -> Generator[Row]:
        """The rows of an answer, fetched as they are needed.

        Close it (`contextlib.closing`) when reading stops early; only one may be open at a time.
        """

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
        """Set how many seconds each later statement waits for a lock of another program."""

    @property
    @abstractmethod
    def version(self) -> int | None:
        """The schema version of the archive; None for an empty database. Raises if it has other tables."""

    @abstractmethod
    def set_version(self, version: int) -> None:
        """Record that this is an archive of a schema version. Called in a transaction."""

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
        """How many bytes the database takes on the disk, indexes included."""

    @property
    @abstractmethod
    def _can_commit(self) -> bool:
        """Whether a transaction is open and has not been rolled back by a failure."""

    @property
    @abstractmethod
    def _in_transaction(self) -> bool:
        """Whether a transaction is open, even if a failure has rolled it back."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection. A transaction that is not committed is rolled back."""

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Commit everything in the block, or nothing if it raises."""
        begin, commit, rollback = self.begin, "COMMIT", ["ROLLBACK"]
        if self._depth:
            self._check_can_commit()
            begin, commit = "SAVEPOINT nested", "RELEASE nested"
            rollback = ["ROLLBACK TO nested", "RELEASE nested"]
        self.execute(begin)
        self._depth += 1
        locks = dict(self._locks)
        try:
            yield
            self._check_can_commit()
            self.execute(commit)
        except BaseException:
            self._rollbacks += 1
            if self._in_transaction:
                for statement in rollback:
                    self.execute(statement)
            self._locks = locks  # Rolling back a savepoint releases the locks taken since.
            raise
        finally:
            self._depth -= 1
            if not self._depth:
                self._locks.clear()

    def _check_can_commit(self) -> None:
        # After some failures (a full disk) SQLite rolls the whole transaction back by itself: what follows
        # would be committed without what came before. After any failure PostgreSQL refuses further
        # statements, and answers COMMIT with a rollback and no error.
        if not self._can_commit:
            raise ArchiveError(
                f"a transaction on {self.path} was undone after a failure", cure="start it again"
            )
