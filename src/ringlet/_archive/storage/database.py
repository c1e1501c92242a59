"""The interface of a connection to a database, which `sqlite` and `postgres` implement.

Rules of this file:
* SQL statements are in the files of the tables, once for both databases, with `?` for values. They use only
  SQL that SQLite and PostgreSQL have in common, such as `ON CONFLICT DO UPDATE`, `RETURNING` and row values.
* Several statements that belong together are run in a `transaction`. A transaction inside a transaction is a
  savepoint: it is committed with the outer one, and if it fails, only its own writes are rolled back.
* A transaction whose writes depend on what it has read first locks what it reads: see `locks`.
* One Database is one connection, used by one thread at a time. Every failure is an ArchiveError with a cure.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from ...errors import ArchiveError
from .locks import Lock

Row: TypeAlias = tuple[Any, ...]
"""One row of a result, with the columns in the order of the statement."""


class Database(ABC):
    """One connection to a database. Every method raises ArchiveError."""

    begin: str
    """The statement that begins a transaction."""

    def __init__(self, path: str) -> None:
        self.path = path
        """The path of the database file, or the URL of the database without the password."""
        self._depth = 0  # The number of open transactions, one inside the other.
        self._locks: dict[tuple[Lock, tuple[int | str, ...]], None] = {}
        # The locks of the open transaction, in the order in which they were taken.
        self._rollbacks = 0

    @abstractmethod
    def execute(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run one statement. Returns the number of rows that it wrote."""

    @abstractmethod
    def many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run one statement for each of the rows."""

    @abstractmethod
    def all(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Run one statement, and return all rows of its result."""

    @abstractmethod
    def one(self, sql: str, values: Sequence[object] = ()) -> Row | None:
        """Run one statement, and return the first row of its result; None if it has no row."""

    @abstractmethod
    def each(self, sql: str, values: Sequence[object] = ()) -> Generator[Row]:
        """Run one statement, and yield the rows of its result, which are fetched as they are needed.

        Close the generator (`contextlib.closing`) if you stop early. Only one may be open at a time.
        """

    def lock(self, lock: Lock, *key: int | str) -> None:
        """Wait until no other transaction has this lock with the same key, and take it until this one ends.

        What this transaction reads afterwards is not changed by others, if all that write it take this lock.
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
        """The schema version of the archive; None for an empty database.

        Raises ArchiveError for the file of another program.
        """

    @abstractmethod
    def set_version(self, version: int) -> None:
        """Mark the database as an archive of a schema version. Call it in a transaction."""

    @abstractmethod
    def prepare_upgrade(self, version: int) -> Callable[[], None]:
        """Copy the archive, if possible, before its upgrade to a schema version.

        Call it in the transaction that upgrades, before the first step. If that transaction is rolled back,
        call the returned function, which deletes the copy.
        """

    @property
    @abstractmethod
    def generation(self) -> int:
        """A number that grows whenever this or another connection may have changed the archive."""

    @property
    @abstractmethod
    def size(self) -> int:
        """The bytes that the archive takes on the disk, including its indexes."""

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
        """Make all writes in a `with` block one transaction, which is rolled back if the block raises."""
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
        # After some failures (a full disk) SQLite itself rolls the whole transaction back, so later
        # statements would be committed without the earlier ones. After any failure PostgreSQL refuses further
        # statements, and answers COMMIT with a rollback and no error.
        if not self._can_commit:
            raise ArchiveError(
                f"a transaction on {self.path} was undone after a failure", cure="start it again"
            )
