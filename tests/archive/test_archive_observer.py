"""An observer is called with every change, in the transaction that makes it, and with nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from ringlet._api.catalog import TYPES, AnyKind
from ringlet.archive import Archive, Change

DAILY = TYPES["daily_sleep"]


@pytest.fixture
def changes(archive: Archive) -> list[tuple[int, str, Change]]:
    changes: list[tuple[int, str, Change]] = []

    def observe(user: int, kind: AnyKind, observed: Sequence[Change]) -> None:
        changes.extend((user, kind.name, one) for one in observed)

    archive.observer = observe
    return changes


def daily(id: str, score: int = 80, day: str = "2026-01-01") -> bytes:
    return json.dumps({"id": id, "day": day, "score": score}).encode()


def test_the_observer_is_called_for_creations_updates_and_deletions(
    archive: Archive, me: int, changes: list[tuple[int, str, Change]]
) -> None:
    archive.put(me, DAILY, b"[%s,%s]" % (daily("a"), daily("b", day="2026-01-02")), seen_at=1)
    archive.put(me, DAILY, b"[%s,%s]" % (daily("a", 81), daily("c", day="2026-01-03")), seen_at=2)
    archive.delete(me, DAILY, "b", 3)
    archive.put(me, DAILY, daily("b", day="2026-01-02"), seen_at=4)
    observed = [change for _, _, change in changes]
    assert observed == [
        ("create", "a"),
        ("create", "b"),
        ("update", "a"),
        ("create", "c"),
        ("delete", "b"),
        ("update", "b"),
    ]
    assert {(user, kind) for user, kind, _ in changes} == {(me, "daily_sleep")}


def test_the_observer_is_not_called_if_nothing_changes(
    archive: Archive, me: int, changes: list[tuple[int, str, Change]]
) -> None:
    archive.put(me, DAILY, daily("a"), seen_at=5)
    changes.clear()
    archive.put(me, DAILY, daily("a"), seen_at=6)
    archive.put(me, DAILY, daily("a", 7), seen_at=2)  # late: an answer to an older request
    archive.delete(me, DAILY, "a", 3)  # older than the body
    archive.delete(me, DAILY, "never seen", 9)
    assert not changes


def test_an_observer_that_raises_rolls_the_change_back(archive: Archive, me: int) -> None:
    def refuse(user: int, kind: AnyKind, observed: Sequence[Change]) -> None:
        raise RuntimeError("no")

    archive.put(me, DAILY, daily("a"), seen_at=1)
    archive.observer = refuse
    with pytest.raises(RuntimeError):
        archive.put(me, DAILY, b"[%s,%s]" % (daily("a", 81), daily("b", day="2026-01-02")), seen_at=2)
    with pytest.raises(RuntimeError):
        archive.delete(me, DAILY, "a", 3)
    assert archive.document(me, DAILY, "a") == daily("a")
    assert archive.document(me, DAILY, "b") is None
