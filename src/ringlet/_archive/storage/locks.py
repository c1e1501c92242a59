"""Which locks a transaction may take, in which order.

SQLite lets in one writer at a time, PostgreSQL many. So a transaction that reads, decides and writes first
locks what its decision is about: `database.lock(Lock.DOCUMENTS, user, "sleep")`. The lock ends with the
transaction.

Rules of this file:
* Two transactions that take the same locks in opposite orders wait for each other until PostgreSQL ends one
  of them. So every transaction takes them in ascending order; `Database.lock` checks it, on both databases.
* A lock that is held already may be taken again at any time. Several keys of one lock may be taken in any
  order, which is safe only under a lock that all who do so share (`TIMELINE` for a wearer's documents).
"""

from __future__ import annotations

from enum import IntEnum, auto


class Lock(IntEnum):
    """The advisory locks of an archive. The docstring of each begins with the key that the lock takes."""

    SCHEMA = auto()
    """(): creating and changing tables."""
    CLOCK = auto()
    """(): how far the cloud's clock is moved."""
    TIMELINE = auto()
    """(user): how far the days of a simulated wearer are written."""
    DEMO_APPLICATION = auto()
    """(user): the application that the demo registers for its wearer."""
    APPLICATION_USERS = auto()
    """(client id): how many users an application has; Oura lets ten in before it approves one."""
    SUBSCRIPTIONS = auto()
    """(client id): the webhook subscriptions of an application."""
    EVENTS = auto()
    """(): the log of events, their deliveries, and every document whose changes are observed.

    It ranks before the documents because an observer logs events in the transaction that changes them. One
    that changes two documents takes this lock, changes a document, logs, and changes the other.
    """
    INBOX = auto()
    """(): the events and fetch jobs of the inbox, and the entry of its owner."""
    DOCUMENTS = auto()
    """(user, type): the documents or samples of one data type."""
    COVERAGE = auto()
    """(user): the intervals of time that a backfill has completed, of every data type."""
