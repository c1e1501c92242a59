"""What sync has done: stretches grow together, and never without their documents."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ringlet._api.catalog import TYPES
from ringlet.archive import Archive, Counts


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8)), max_size=8))
def test_finished_stretches_cover_exactly_what_was_finished(stretches: list[tuple[int, int]]) -> None:
    with Archive.open(":memory:") as archive:
        me = archive.user("me")
        for start, length in stretches:
            archive.finish(me, "sleep", start, start + length, Counts(added=1), pages=1)
        done = archive.done(me, "sleep")
        covered = [at for start, end in done for at in range(start, end)]
        assert set(covered) == {at for start, length in stretches for at in range(start, start + length)}
        assert len(covered) == len(set(covered))
        assert all(before[1] < after[0] for before, after in pairwise(done))


def test_each_user_and_type_has_its_own_stretches(archive: Archive, me: int) -> None:
    archive.finish(me, "sleep", 0, 10, Counts(), pages=1)
    archive.finish(me, "workout", 10, 20, Counts(), pages=1)
    archive.finish(archive.user("other"), "sleep", 5, 15, Counts(), pages=1)
    assert archive.done(me, "sleep") == [(0, 10)]
    assert archive.done(me, "workout") == [(10, 20)]


def test_a_stretch_is_not_finished_if_its_documents_are_not_kept(archive: Archive, me: int) -> None:
    with suppress(RuntimeError), archive.transaction():
        counts = archive.put(me, TYPES["daily_sleep"], b'{"id":"a","day":"2026-01-01"}')
        archive.finish(me, "daily_sleep", 0, 10, counts, pages=1)
        raise RuntimeError
    assert archive.done(me, "daily_sleep") == []
    assert archive.overview(me) == []


def test_a_user_keeps_the_number_given_on_first_sight(archive: Archive, me: int) -> None:
    with Archive.open(archive.path) as second:
        assert second.user("me") == me
        assert second.user("other") == archive.user("other") != me
