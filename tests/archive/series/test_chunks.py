"""Samples: merged by instant, cut at midnight, paged without loss. A plain model says what must be there."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringlet._api.catalog import Catalog
from ringlet._api.windows import DAY_MS, Span, from_ms, parse_instant
from ringlet._archive.series.sorted_rows import MAX_CHUNK_ROWS
from ringlet.archive import Archive, Counts
from ringlet.errors import ServerError, UsageError

HEART = Catalog.heartrate
ALL_TIME = Span(-(2**60), 2**60)
NEW_YEAR = parse_instant("2026-01-01T00:00:00Z")


def row(second: int, bpm: int = 60, source: str = "awake", zone: str = "+00:00") -> bytes:
    at = from_ms(NEW_YEAR + second * 1000).isoformat().removesuffix("+00:00") + zone
    return json.dumps({"timestamp": at, "bpm": bpm, "source": source}, separators=(",", ":")).encode()


def page_of(*rows: bytes) -> bytes:
    return b"[" + b",".join(rows) + b"]"


def held(archive: Archive, me: int) -> list[bytes]:
    rows, _ = archive.page(me, HEART, ALL_TIME)
    return [part + b"}" for part in rows.removesuffix(b"}").split(b"},")] if rows else []


# Seconds around a midnight, so that days, equal instants and merges all occur.
seconds = st.integers(86_390, 86_410) | st.integers(0, 5)
answers = st.lists(
    st.tuples(seconds, st.integers(58, 62) | st.integers(99, 101), st.sampled_from(["awake", "rest", "a,b"])),
    max_size=12,
)


histories = st.lists(st.tuples(answers, st.integers(0, 3)), max_size=5)
History = list[tuple[list[tuple[int, int, str]], int]]


@given(histories, st.integers(1, 4))
def test_the_archive_holds_what_a_plain_model_holds(puts: History, limit: int) -> None:
    with Archive.open(":memory:") as archive:
        holds_what_a_plain_model_holds(archive, archive.user("me"), puts, limit)


@given(puts=histories, limit=st.integers(1, 4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_chunks_on_postgres_hold_the_same_rows(postgres: str, puts: History, limit: int) -> None:
    with Archive.open(postgres) as archive:
        somebody_new = archive.user(f"person {len(archive.users())}")
        holds_what_a_plain_model_holds(archive, somebody_new, puts, limit)


def holds_what_a_plain_model_holds(archive: Archive, me: int, puts: History, limit: int) -> None:
    model: dict[int, tuple[int, list[bytes]]] = {}  # instant -> (asked for at, rows)
    newest = 0
    for values, later in puts:
        newest += later  # never older: what an older request may do has a test of its own
        fresh: dict[int, list[bytes]] = {}
        for second, bpm, source in values:
            fresh.setdefault(second, []).append(row(second, bpm, source))
        before = {second: rows for second, (_, rows) in model.items()}
        counts = archive.put_samples(me, HEART, [page_of(*(row(*value) for value in values))], seen_at=newest)
        assert counts == Counts(
            added=sum(len(rows) for second, rows in fresh.items() if second not in before),
            changed=sum(len(rows) for second, rows in fresh.items() if before.get(second, rows) != rows),
            unchanged=sum(len(rows) for second, rows in fresh.items() if before.get(second) == rows),
        )
        model |= {second: (newest, rows) for second, rows in fresh.items()}
    expected = [one for _, (_, rows) in sorted(model.items()) for one in rows]
    assert archive.page(me, HEART, ALL_TIME)[0] == b",".join(expected)
    assert archive.latest(me, HEART) == (expected[-1] if expected else None)

    # every window, and every way to page through it
    for first in (0, 3, 86_395):
        for last in (3, 86_399, 86_405):
            span = Span(NEW_YEAR + first * 1000, NEW_YEAR + last * 1000)
            inside = [
                one for second, (_, rows) in sorted(model.items()) if first <= second <= last for one in rows
            ]
            assert archive.page(me, HEART, span)[0] == b",".join(inside)
            pages: list[bytes] = []
            after = None
            while True:
                rows, after = archive.page(me, HEART, span, after=after, limit=limit)
                pages.append(rows)
                if after is None:
                    break
            assert b",".join(filter(None, pages)) == b",".join(inside)
            assert len(pages) == max(1, -(-len(inside) // limit))


def test_rows_that_are_stored_already_write_nothing(archive: Archive, me: int) -> None:
    pages = [page_of(*(row(second * 300) for second in range(start, start + 1000))) for start in (0, 1000)]
    assert archive.put_samples(me, HEART, pages, seen_at=7) == Counts(added=2000)
    before = archive.generation
    assert archive.put_samples(me, HEART, pages, seen_at=7) == Counts(unchanged=2000)
    assert archive.put_samples(me, HEART, pages[1:], seen_at=7) == Counts(unchanged=1000)
    assert archive.generation == before


def test_an_answer_with_holes_loses_nothing(archive: Archive, me: int) -> None:
    rows = [row(second) for second in range(10)]
    archive.put_samples(me, HEART, [page_of(*rows)])
    assert archive.put_samples(me, HEART, [b"[]"]) == Counts()
    assert archive.put_samples(me, HEART, []) == Counts()
    assert archive.put_samples(me, HEART, [page_of(rows[0], rows[9])]) == Counts(unchanged=2)
    assert held(archive, me) == rows


def test_rows_of_one_instant_may_lie_on_two_pages_of_an_answer(archive: Archive, me: int) -> None:
    first, second = row(1, source="awake"), row(1, source="workout")
    archive.put_samples(me, HEART, [page_of(row(0), first), page_of(second, row(2))])
    assert held(archive, me) == [row(0), first, second, row(2)]


def test_rows_of_an_older_request_give_way_but_fill_holes(archive: Archive, me: int) -> None:
    archive.put_samples(me, HEART, [page_of(row(0, 70), row(2, 70))], seen_at=20)
    late = archive.put_samples(me, HEART, [page_of(row(0, 50), row(1, 50), row(2, 50))], seen_at=10)
    assert late == Counts(added=1, unchanged=2)
    assert held(archive, me) == [row(0, 70), row(1, 50), row(2, 70)]


def test_rows_are_sorted_by_instant_in_any_time_zone(archive: Archive, me: int) -> None:
    late, early = row(0, zone="+00:00"), row(3600, zone="+02:00")
    archive.put_samples(me, HEART, [page_of(late, early)])
    assert held(archive, me) == [early, late]
    only, _ = archive.page(me, HEART, Span(NEW_YEAR - 3_600_000, NEW_YEAR - 1))
    assert only == early


def test_a_day_may_take_several_chunks(archive: Archive, me: int) -> None:
    rows = [row(second) for second in range(3 * MAX_CHUNK_ROWS)]
    for start in range(0, len(rows), 1000):
        archive.put_samples(me, HEART, [page_of(*rows[start : start + 1000])])
    assert archive.page(me, HEART, ALL_TIME)[0] == b",".join(rows)
    middle = Span(NEW_YEAR + 4000 * 1000, NEW_YEAR + 9000 * 1000)
    assert archive.page(me, HEART, middle)[0] == b",".join(rows[4000:9001])


def test_rows_of_one_instant_are_never_parted(archive: Archive, me: int) -> None:
    rows = [row(7, bpm) for bpm in range(MAX_CHUNK_ROWS + 10)]
    archive.put_samples(me, HEART, [page_of(row(0), *rows, row(8))])
    assert archive.page(me, HEART, ALL_TIME)[0] == b",".join([row(0), *rows, row(8)])
    assert archive.put_samples(me, HEART, [page_of(row(7))]) == Counts(changed=1)
    assert held(archive, me) == [row(0), row(7), row(8)]


def test_rows_of_odd_shapes_keep_their_bytes(archive: Archive, me: int) -> None:
    plain = b'{"timestamp":"2026-01-01T00:00:00Z","bpm":60}'
    odd = b'{ "bpm": 61, "more": [1, {"timestamp": "x"}], "timestamp": "2026-01-01T00:05:00Z" }'
    archive.put_samples(me, HEART, [b"[ " + plain + b" ,\n" + odd + b" ]"])
    assert archive.page(me, HEART, ALL_TIME)[0] == plain + b"," + odd
    assert archive.latest(me, HEART) == odd
    assert archive.page(me, HEART, ALL_TIME, limit=1) == (plain, f"{NEW_YEAR}:1")
    assert archive.page(me, HEART, ALL_TIME, after=f"{NEW_YEAR}:1", limit=1) == (odd, None)


def test_a_page_may_go_on_after_rows_have_gone(archive: Archive, me: int) -> None:
    archive.put_samples(me, HEART, [page_of(row(0, 1), row(0, 2), row(1), row(2))])
    _, after = archive.page(me, HEART, ALL_TIME, limit=2)
    archive.put_samples(me, HEART, [page_of(row(0, 3))])
    assert archive.page(me, HEART, ALL_TIME, after=after)[0] == b",".join([row(1), row(2)])


@pytest.mark.parametrize(
    "page",
    [b"", b"{}", b"[1]", b"[{]", b'[{"bpm":1}]', b'[{"timestamp":null}]', b'[{"timestamp":"soon","bpm":1}]'],
)
def test_a_body_that_is_not_samples_is_refused_and_stores_nothing(
    archive: Archive, me: int, page: bytes
) -> None:
    with pytest.raises(ServerError, match="not samples"):
        archive.put_samples(me, HEART, [page_of(row(0)), page])
    assert held(archive, me) == []


def test_a_token_that_is_not_ours_is_refused(archive: Archive, me: int) -> None:
    with pytest.raises(UsageError):
        archive.page(me, HEART, ALL_TIME, after="yesterday")


def test_years_are_read_by_the_chunks_of_the_window_alone(archive: Archive, me: int) -> None:
    days = [row(day * 86_400 + 60) for day in range(400)]
    archive.put_samples(me, HEART, [page_of(*days)])
    start = NEW_YEAR + 200 * DAY_MS
    assert archive.page(me, HEART, Span(start, start + 2 * DAY_MS))[0] == b",".join(days[200:202])
