"""Locks: one transaction at a time has each, and all take them in one order."""

from __future__ import annotations

from contextlib import suppress

import pytest

from ringlet._api.catalog import TYPES
from ringlet._archive.storage.locks import Lock
from ringlet.archive import Archive
from ringlet.errors import ArchiveError

DAILY = TYPES["daily_sleep"]


def test_a_lock_is_taken_in_a_transaction_only(archive: Archive) -> None:
    with pytest.raises(AssertionError, match="outside a transaction"):
        archive.database.lock(Lock.CLOCK)


def test_locks_are_taken_in_ascending_order(archive: Archive) -> None:
    database = archive.database
    with archive.transaction():
        for lock in Lock:
            database.lock(lock, 1)
        database.lock(Lock.SCHEMA, 1)  # held already
        database.lock(Lock.COVERAGE, 2)  # of the same rank
        with pytest.raises(AssertionError, match="DOCUMENTS is locked after COVERAGE"):
            database.lock(Lock.DOCUMENTS, 2)
    with archive.transaction():
        database.lock(Lock.SCHEMA, 1)  # the next transaction begins with none


def test_locks_taken_in_an_inner_transaction_that_was_undone_are_not_held(archive: Archive) -> None:
    with archive.transaction():
        archive.database.lock(Lock.CLOCK)
        with suppress(RuntimeError), archive.transaction():
            archive.database.lock(Lock.COVERAGE, 1)
            raise RuntimeError
        archive.database.lock(Lock.DOCUMENTS, 1, "sleep")
        with archive.transaction():
            archive.database.lock(Lock.COVERAGE, 1)
        with pytest.raises(AssertionError):
            archive.database.lock(Lock.EVENTS)


def test_a_lock_waits_until_its_owner_releases_it(archive: Archive, place: str) -> None:
    with Archive.open(place, timeout=0.1) as other, archive.transaction():
        archive.database.lock(Lock.DOCUMENTS, 1, "sleep")
        with pytest.raises(ArchiveError, match="another program"), other.transaction():
            other.database.lock(Lock.DOCUMENTS, 1, "sleep")


def test_documents_that_are_observed_change_after_the_log_of_events_is_locked(
    archive: Archive, me: int
) -> None:
    archive.observer = lambda user, kind, changes: archive.database.lock(Lock.EVENTS)
    with archive.transaction():
        archive.put(me, DAILY, b'{"id":"a","day":"2026-01-01"}')
        archive.put(me, TYPES["sleep"], b'{"id":"b","day":"2026-01-01"}')
        archive.finish(me, "sleep", 0, 1, archive.put(me, DAILY, b'{"id":"c","day":"2026-01-01"}'), 1)
