"""The port to the database: a few verbs, one transaction, every failure an ArchiveError with its cure.

Rules of this file:
* Nothing here knows a table. The rooms above write their statements in a subset that SQLite and PostgreSQL
  both read: `ON CONFLICT DO UPDATE`, `RETURNING`, row values, integers of milliseconds, blobs.
* `transaction` is the only way to write more than one statement. A transaction inside a transaction is a
  savepoint: it joins the outer one, and undoes only itself when it fails.
* One Database is one connection, used by one thread at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from ..errors import ArchiveError

Row: TypeAlias = tuple[Any, ...]
"""What a SELECT gives: the caller knows its columns."""

# Primary result codes of SQLite: what happened ("{path}" is put in), and what to do about it.
FAILURES: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_BUSY: (
        "{path} is held by another program",
        "let it finish or close it, then run it again",
    ),
    sqlite3.SQLITE_LOCKED: ("{path} is held by this program", "finish the other use of the archive first"),
    sqlite3.SQLITE_FULL: ("no space is left for {path}", "free some space; what was saved is safe"),
    sqlite3.SQLITE_IOERR: ("{path} could not be read or written", "check the disk and its free space"),
    sqlite3.SQLITE_READONLY: ("{path} may only be read", "make the file and its directory writable"),
    sqlite3.SQLITE_CANTOPEN: ("{path} cannot be opened", "see that its directory exists and is yours"),
    sqlite3.SQLITE_PERM: ("{path} is not accessible", "see that the file is yours"),
    sqlite3.SQLITE_NOTADB: ("{path} is not a ringlet archive", "name another file"),
    sqlite3.SQLITE_CORRUPT: ("{path} is damaged", "put a backup in its place, or sync into a new file"),
}


def failure(error: sqlite3.Error, path: str) -> ArchiveError:
    """The ArchiveError that a failure of SQLite means."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the upper bits only say where it happened
    what, cure = FAILURES.get(code, ("{path}: " + str(error).replace("{", "{{").replace("}", "}}"), ""))
    return ArchiveError(what.format(path=path), cure=cure)


class Database:
    """One connection, and the file it is open on."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._depth = 0
        self._undone = 0
        self.path = path

    def execute(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run one statement; the number of rows it wrote."""
        try:
            return self._connection.execute(sql, values).rowcount
        except sqlite3.Error as error:
            raise failure(error, self.path) from error

    def many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run one statement for each of the rows."""
        try:
            self._connection.executemany(sql, rows)
        except sqlite3.Error as error:
            raise failure(error, self.path) from error

    def all(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Every row of an answer."""
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise failure(error, self.path) from error

    def one(self, sql: str, values: Sequence[object] = ()) -> Row | None:
        """The first row of an answer, if there is one."""
        try:
            row: Row | None = self._connection.execute(sql, values).fetchone()
        except sqlite3.Error as error:
            raise failure(error, self.path) from error
        return row

    def each(self, sql: str, values: Sequence[object] = ()) -> Iterator[Row]:
        """The rows of an answer one by one, for a reader that may stop early."""
        try:
            yield from self._connection.execute(sql, values)
        except sqlite3.Error as error:
            raise failure(error, self.path) from error

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All or nothing. Takes the write lock at once, so that it cannot fail half way for want of it."""
        if self._depth and not self._connection.in_transaction:
            # A full disk makes SQLite undo the whole transaction by itself; going on would write a half.
            raise ArchiveError(
                f"a transaction on {self.path} was undone after a failure", cure="start it again"
            )
        start, keep, undo = _STEPS[self._depth > 0]
        self.execute(start)
        self._depth += 1
        try:
            yield
            if not self._connection.in_transaction:
                raise ArchiveError(
                    f"a transaction on {self.path} was undone after a failure", cure="start it again"
                )
            self.execute(keep)
        except BaseException:
            self._undone += 1
            if self._connection.in_transaction:
                for step in undo:
                    self.execute(step)
            raise
        finally:
            self._depth -= 1

    @property
    def generation(self) -> int:
        """A number that grows whenever anything that this connection can see may have changed."""
        row = self.one("PRAGMA data_version")  # grows with commits of other connections only
        return self._connection.total_changes + self._undone + (row[0] if row else 0)

    def close(self) -> None:
        """Close the connection; what was not committed is undone."""
        self._connection.close()


_STEPS: dict[bool, tuple[str, str, tuple[str, ...]]] = {
    False: ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",)),
    True: ("SAVEPOINT inner", "RELEASE inner", ("ROLLBACK TO inner", "RELEASE inner")),
}
