"""The port to the database: a few verbs, one transaction, every failure an ArchiveError with its cure.

`sqlite` and `postgres` are what stands behind it; `opening` chooses.

Rules of this file:
* Nothing here knows a table. The rooms above write each statement once, with `?` for values, in what both
  databases read: `ON CONFLICT DO UPDATE`, `RETURNING`, row values, integers of milliseconds, blobs.
* `transaction` is the only way to write more than one statement. A transaction inside a transaction is a
  savepoint: it joins the outer one, and undoes only itself when it fails.
* Who reads, decides and writes holds what the decision is about: `hold`. SQLite lets in one writer at a time
  anyway; PostgreSQL lets in many, and they would decide on what is about to change.
* One Database is one connection, used by one thread at a time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from ...errors import ArchiveError

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

    @abstractmethod
    def lock(self, *key: object) -> None:
        """Nobody else holds the same key until this transaction ends; waits for whoever does.

        What is read after it stays as it is, if all who write it hold the same key.
        """

    @abstractmethod
    def wait_at_most(self, seconds: float) -> None:
        """How long to wait from now on for others who write."""

    @abstractmethod
    def mark(self, version: int) -> None:
        """Make this an archive of a schema version."""

    @property
    @abstractmethod
    def version(self) -> int | None:
        """The schema version that stands here; None where there is nothing. Raises if others live here."""

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
        try:
            yield
            self._still_sound()
            self.execute(keep)
        except BaseException:
            self._undone += 1
            if self._under_way:
                for step in undo:
                    self.execute(step)
            raise
        finally:
            self._depth -= 1

    def _still_sound(self) -> None:
        # A full disk makes SQLite undo the whole transaction by itself: going on would write a half. After
        # any failure PostgreSQL takes nothing more, and answers COMMIT with a rollback and no error.
        if not self._sound:
            raise ArchiveError(
                f"a transaction on {self.path} was undone after a failure", cure="start it again"
            )
