"""The locks that a transaction may take, and their order.

SQLite allows one writer at a time, PostgreSQL many. So a transaction whose writes depend on what it has read
first locks what it reads: `database.lock(Lock.DOCUMENTS, user, "sleep")`. The lock is released at the end of
the transaction.

Rules of this file:
* Two transactions that take the same locks in opposite orders would wait for each other until PostgreSQL ends
  one of them (a deadlock). So every transaction takes locks in the order of the enum; `Database.lock` checks
  this.
* A transaction may take a lock again that it has. It may take several keys of one lock in any order, but only
  if all transactions that do so first take another common lock (`TIMELINE` for a wearer's documents).
"""

from __future__ import annotations

from enum import IntEnum, auto


class Lock(IntEnum):
    """The locks of an archive. The docstring of each says what is locked, after the key: (user, type), ..."""

    SCHEMA = auto()
    """(): the creation and change of tables."""
    CLOCK = auto()
    """(): the time by which the cloud's clock is moved."""
    TIMELINE = auto()
    """(user): the last day that is written of a simulated wearer."""
    DEMO_APPLICATION = auto()
    """(user): the application that the demo registers for its wearer."""
    APPLICATION_USERS = auto()
    """(client id): the users of an application. Oura allows ten until it has approved the application."""
    SUBSCRIPTIONS = auto()
    """(client id): the webhook subscriptions of an application."""
    EVENTS = auto()
    """(): the log of events, their deliveries, and all documents whose changes an observer is called with.

    This lock precedes DOCUMENTS, because an observer logs events in the transaction that changes documents.
    That transaction may change one document, log an event, and change another document.
    """
    INBOX = auto()
    """(): the events and fetch jobs of the inbox, and the entry of its owner."""
    DOCUMENTS = auto()
    """(user, type): the documents or samples of one data type."""
    COVERAGE = auto()
    """(user): the intervals of time that backfills of all data types have completed."""
