"""Documents: revisions, tombstones, late answers, windows and continuations."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringlet._api.catalog import TYPES
from ringlet._api.windows import DAY_MS, Dialect, Span, day_ms, parse_instant
from ringlet._archive.document_table import Column, window_statements
from ringlet._archive.storage.opening import connect
from ringlet.archive import Archive, Counts
from ringlet.errors import ServerError, UsageError

SLEEP = TYPES["sleep"]
DAILY = TYPES["daily_sleep"]
ALL_TIME = Span(-(2**60), 2**60)


def night(id: str, start: str, day: str, **more: object) -> bytes:
    return json.dumps({"id": id, "bedtime_start": start, "day": day, **more}).encode()


def daily(id: str, day: str, score: int = 80) -> bytes:
    return json.dumps({"id": id, "day": day, "score": score}).encode()


def whole_day(text: str) -> Span:
    """A window from a day to the same day."""
    instant = day_ms(date.fromisoformat(text))
    return Span(instant, instant)


def test_a_body_that_is_stored_already_changes_nothing(archive: Archive, me: int) -> None:
    body = daily("a", "2026-01-01")
    assert archive.put(me, DAILY, body, seen_at=1) == Counts(added=1)
    before = archive.generation
    assert archive.put(me, DAILY, b"[" + body + b"]", seen_at=1) == Counts(unchanged=1)
    assert archive.generation == before


def test_what_was_asked_for_before_a_body_was_confirmed_is_old_news(archive: Archive, me: int) -> None:
    body, other = daily("a", "2026-01-01", 1), daily("a", "2026-01-01", 2)
    archive.put(me, DAILY, body, seen_at=100)
    assert archive.put(me, DAILY, body, seen_at=300) == Counts(unchanged=1)
    assert archive.put(me, DAILY, other, seen_at=200) == Counts(unchanged=1)
    assert archive.document(me, DAILY, "a") == body


def test_a_new_body_adds_a_revision_with_the_previous_one(archive: Archive, me: int) -> None:
    bodies = [daily("a", "2026-01-01", score) for score in (1, 2, 3)]
    for at, body in enumerate(bodies):
        archive.put(me, DAILY, body, seen_at=at)
    assert archive.document(me, DAILY, "a") == bodies[2]
    assert archive.revisions(me, DAILY, "a") == [(0, bodies[0]), (1, bodies[1])]
    assert archive.page(me, DAILY, ALL_TIME)[0] == bodies[2]


def test_a_document_that_moves_to_another_day_is_found_there_only(archive: Archive, me: int) -> None:
    archive.put(me, DAILY, daily("a", "2026-01-01"), seen_at=1)
    archive.put(me, DAILY, daily("a", "2026-01-05"), seen_at=2)
    assert archive.page(me, DAILY, whole_day("2026-01-01"))[0] == b""
    assert archive.page(me, DAILY, whole_day("2026-01-05"))[0] == daily("a", "2026-01-05")


def test_an_answer_to_an_older_request_that_comes_late_is_left_out(archive: Archive, me: int) -> None:
    archive.put(me, DAILY, daily("a", "2026-01-01", 2), seen_at=20)
    assert archive.put(me, DAILY, daily("a", "2026-01-01", 1), seen_at=10) == Counts(unchanged=1)
    assert archive.document(me, DAILY, "a") == daily("a", "2026-01-01", 2)
    assert archive.revisions(me, DAILY, "a") == []


def test_a_deleted_document_is_gone_until_a_newer_body_comes(archive: Archive, me: int) -> None:
    body = daily("a", "2026-01-01")
    archive.put(me, DAILY, body, seen_at=10)
    assert archive.delete(me, DAILY, "a", 20)
    assert not archive.delete(me, DAILY, "a", 21)
    assert archive.document(me, DAILY, "a") is None
    assert archive.latest(me, DAILY) is None
    assert archive.page(me, DAILY, ALL_TIME) == (b"", None)
    assert archive.put(me, DAILY, body, seen_at=15) == Counts(unchanged=1)
    assert archive.document(me, DAILY, "a") is None
    assert archive.put(me, DAILY, body, seen_at=30) == Counts(changed=1)
    assert archive.document(me, DAILY, "a") == body


def test_a_deletion_older_than_the_body_is_left_out(archive: Archive, me: int) -> None:
    archive.put(me, DAILY, daily("a", "2026-01-01"), seen_at=10)
    assert not archive.delete(me, DAILY, "a", 5)
    assert archive.document(me, DAILY, "a") is not None


def test_a_deletion_before_the_first_body_rejects_older_answers(archive: Archive, me: int) -> None:
    assert not archive.delete(me, DAILY, "a", 20)
    archive.put(me, DAILY, daily("a", "2026-01-01"), seen_at=10)
    assert archive.document(me, DAILY, "a") is None
    archive.put(me, DAILY, daily("a", "2026-01-01"), seen_at=30)
    assert archive.document(me, DAILY, "a") is not None
    assert archive.revisions(me, DAILY, "a") == []


def test_a_document_without_an_id_is_identified_by_its_day(archive: Archive, me: int) -> None:
    kind = TYPES["daily_cardiovascular_age"]
    archive.put(me, kind, b'[{"day":"2024-11-11","vascular_age":39},{"day":"2024-11-12","vascular_age":35}]')
    assert archive.put(me, kind, b'{"day":"2024-11-12","vascular_age":36}').changed == 1
    assert archive.document(me, kind, "2024-11-12") == b'{"day":"2024-11-12","vascular_age":36}'


def test_a_document_that_is_given_an_id_later_stays_one_document(archive: Archive, me: int) -> None:
    kind = TYPES["daily_cardiovascular_age"]
    bodies = [b'{"day":"2024-11-11","vascular_age":%d}' % age for age in (39, 38)]
    named = b'{"id":"x","day":"2024-11-11","vascular_age":38}'
    for at, body in enumerate([*bodies, named]):
        archive.put(me, kind, body, seen_at=at)
    assert archive.page(me, kind, ALL_TIME)[0] == named
    assert archive.document(me, kind, "2024-11-11") is None
    assert archive.revisions(me, kind, "x") == list(enumerate(bodies))


@pytest.mark.parametrize(
    "body", [b"{", b"[1]", b'{"score":1}', b'{"id":1}', b'[{"id":"a","day":"soon"}]', b""]
)
def test_a_body_that_is_not_a_document_is_refused_and_stores_nothing(
    archive: Archive, me: int, body: bytes
) -> None:
    with pytest.raises(ServerError, match="not a document"):
        archive.put(me, DAILY, body)
    assert archive.overview(me) == []


def test_the_live_reading_compares_instants_and_the_documented_one_days(archive: Archive, me: int) -> None:
    late = night("a", "2026-01-01T23:30:00+01:00", "2026-01-02")
    archive.put(me, SLEEP, late)
    start = parse_instant("2026-01-01T22:30:00+00:00")
    asked: list[tuple[Span, Dialect, bytes]] = [
        (Span(start, start), "live", late),
        (Span(start + 1, start + DAY_MS), "live", b""),
        (Span(start - DAY_MS, start - 1), "live", b""),
        (
            Span(day_ms(date.fromisoformat("2026-01-02")), day_ms(date.fromisoformat("2026-01-02"))),
            "docs",
            late,
        ),
        (
            Span(day_ms(date.fromisoformat("2026-01-01")), day_ms(date.fromisoformat("2026-01-01"))),
            "docs",
            b"",
        ),
    ]
    for span, dialect, body in asked:
        assert archive.page(me, SLEEP, span, dialect)[0] == body


pages = given(
    nights=st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=3),
        st.tuples(st.integers(0, 3), st.integers(0, 2)),
        max_size=12,
    ),
    limit=st.integers(1, 5),
    dialect=st.sampled_from(["live", "docs"]),
)
Nights = dict[str, tuple[int, int]]


@pages
def test_pages_hold_every_document_once_and_in_order(nights: Nights, limit: int, dialect: Dialect) -> None:
    with Archive.open(":memory:") as archive:
        pages_hold_every_document_once_and_in_order(archive, archive.user("me"), nights, limit, dialect)


@pages
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_of_postgres_are_in_the_same_order(
    postgres: str, nights: Nights, limit: int, dialect: Dialect
) -> None:
    with Archive.open(postgres) as archive:
        somebody_new = archive.user(f"person {len(archive.users())}")
        pages_hold_every_document_once_and_in_order(archive, somebody_new, nights, limit, dialect)


def pages_hold_every_document_once_and_in_order(
    archive: Archive, me: int, nights: Nights, limit: int, dialect: Dialect
) -> None:
    for id, (hour, day) in nights.items():
        archive.put(me, SLEEP, night(id, f"2026-01-01T0{hour}:00:00Z", f"2026-01-0{day + 1}"))
    span = Span(whole_day("2026-01-01").start, whole_day("2026-01-02").end)
    whole, _ = archive.page(me, SLEEP, span, dialect)
    parts: list[bytes] = []
    after = None
    while True:
        rows, after = archive.page(me, SLEEP, span, dialect, after=after, limit=limit)
        parts.append(rows)
        if after is None:
            break
    assert b",".join(filter(None, parts)) == whole
    assert len(parts) == max(1, -(-len(json.loads(b"[" + whole + b"]")) // limit))


def test_a_token_that_is_not_ours_is_refused(archive: Archive, me: int) -> None:
    with pytest.raises(UsageError):
        archive.page(me, SLEEP, ALL_TIME, after="yesterday", limit=1)


def test_the_latest_document_has_the_newest_instant(archive: Archive, me: int) -> None:
    archive.put(me, SLEEP, night("b", "2026-01-02T00:00:00Z", "2026-01-02"))
    archive.put(me, SLEEP, night("a", "2026-01-01T00:00:00Z", "2026-01-01"))
    assert archive.latest(me, SLEEP) == night("b", "2026-01-02T00:00:00Z", "2026-01-02")


@pytest.mark.parametrize("column", ["instant", "day"])
def test_pages_are_read_off_an_index_in_order(column: Column) -> None:
    with closing(connect(":memory:", create=True, read_only=False, timeout=0)) as database:
        for statement, values in zip(window_statements(column), (4, 5, 7), strict=True):
            plan = [row[3] for row in database.all(f"EXPLAIN QUERY PLAN {statement}", ["0"] * values)]
            assert len(plan) == 1, plan
            assert f"documents_by_{column}" in plan[0]
