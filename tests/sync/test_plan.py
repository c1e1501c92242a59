"""Laws of the plan: what is missing is asked for once, newest first, in pieces no longer than a stride."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._api.catalog import TYPES, AnyKind
from ringlet._api.kinds import Documents, Inventory, Samples, Single
from ringlet._api.windows import DAY_MS, MILLISECOND, day_ms, parse_bound, to_ms
from ringlet._sync.plan import AHEAD, TRAILING, Window, horizon, missing, opening, plan, settled

WITH_WINDOWS = [kind for kind in TYPES.values() if not isinstance(kind, Inventory | Single)]
WITHOUT = [kind for kind in TYPES.values() if isinstance(kind, Inventory | Single)]

kinds = st.sampled_from(WITH_WINDOWS)
days = st.dates(date(2015, 1, 1), date(2030, 12, 31)) | st.sampled_from(
    [date(2024, 2, 29), date(2025, 3, 30), date(2025, 10, 26), date(2026, 1, 1)]  # leap day, clocks, New Year
)
instants = st.datetimes(datetime(2015, 1, 1), datetime(2030, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@st.composite
def intervals(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Stretches as an archive gives them, and wilder: overlapping, unordered, at odd milliseconds."""
    begin = st.integers(day_ms(date(2014, 1, 1)), day_ms(date(2031, 12, 31)))
    at_midnight = begin.map(lambda ms: ms // DAY_MS * DAY_MS)
    length = st.integers(1, 900 * DAY_MS) | st.integers(1, 400).map(lambda days: days * DAY_MS)
    starts = draw(st.lists(st.tuples(begin | at_midnight, length), max_size=6))
    return [(start, start + long) for start, long in starts]


def holds(stretches: list[tuple[int, int]], at: int) -> bool:
    return any(start <= at < end for start, end in stretches)


def spans(windows: list[Window]) -> list[tuple[int, int]]:
    return [(window.start, window.end) for window in windows]


@given(kinds, days, instants, intervals())
def test_windows_are_disjoint_in_bounds_no_longer_than_a_stride_and_newest_first(
    kind: AnyKind, since: date, now: datetime, covered: list[tuple[int, int]]
) -> None:
    until = horizon(kind, now)
    windows = plan(kind, since, until, covered)
    for window in windows:
        assert window.kind is kind
        assert opening(kind, since) <= window.start < window.end <= until
        assert window.end - window.start <= kind.stride // MILLISECOND
    for newer, older in pairwise(windows):
        assert older.end <= newer.start


@given(kinds, days, instants, intervals())
def test_with_what_is_covered_they_cover_everything_and_nothing_covered_is_asked_again(
    kind: AnyKind, since: date, now: datetime, covered: list[tuple[int, int]]
) -> None:
    """Between two neighbouring ends of stretches nothing changes, so a look at each end is a look at all."""
    until = horizon(kind, now)
    asked = spans(plan(kind, since, until, covered))
    edges = {opening(kind, since), until, *(edge for pair in [*covered, *asked] for edge in pair)}
    for at in edges:
        if opening(kind, since) <= at < until:
            assert holds(asked, at) != holds(covered, at)


@given(kinds, days, instants, intervals())
def test_once_its_windows_are_covered_a_plan_is_empty(
    kind: AnyKind, since: date, now: datetime, covered: list[tuple[int, int]]
) -> None:
    until = horizon(kind, now)
    windows = plan(kind, since, until, covered)
    assert plan(kind, since, until, [*covered, *spans(windows)]) == []


@given(kinds, days, instants, st.data())
def test_a_run_cut_short_leaves_exactly_the_windows_it_did_not_finish(
    kind: AnyKind, since: date, now: datetime, data: st.DataObject
) -> None:
    """Whichever windows were finished, in whatever order: the others come back with the same bounds."""
    until = horizon(kind, now)
    windows = plan(kind, since, until, [])
    finished = data.draw(st.sets(st.sampled_from(windows))) if windows else set()
    assert plan(kind, since, until, spans(list(finished))) == [one for one in windows if one not in finished]


@given(kinds, days, instants, intervals())
def test_the_bounds_of_a_request_are_the_first_and_the_last_millisecond(
    kind: AnyKind, since: date, now: datetime, covered: list[tuple[int, int]]
) -> None:
    for window in plan(kind, since, horizon(kind, now), covered):
        params = window.params
        assert tuple(params) == kind.bounds
        assert [parse_bound(text) for text in params.values()] == [window.start, window.end - 1]


@given(kinds, days, instants)
def test_a_fresh_plan_is_cut_at_midnight(kind: AnyKind, since: date, now: datetime) -> None:
    """So that a day is never torn between two answers, except by now."""
    for window in plan(kind, since, horizon(kind, now), []):
        assert window.start % DAY_MS == 0


@given(instants)
def test_documents_are_asked_for_beyond_now_and_samples_up_to_now(now: datetime) -> None:
    for kind in TYPES.values():
        if isinstance(kind, Samples):
            assert horizon(kind, now) == to_ms(now)
        else:
            assert to_ms(now) + 86_400_000 < horizon(kind, now) <= to_ms(now + AHEAD)


@given(instants)
def test_what_may_still_be_revised_is_at_least_the_trailing_days(now: datetime) -> None:
    assert settled(now) % DAY_MS == 0
    assert to_ms(now - TRAILING - timedelta(days=1)) < settled(now) <= to_ms(now - TRAILING)


@pytest.mark.parametrize("kind", WITHOUT, ids=lambda kind: kind.name)
def test_what_takes_no_window_is_asked_for_whole_unless_it_is_all_there(kind: AnyKind) -> None:
    since, until = date(2026, 1, 1), day_ms(date(2026, 3, 3))
    [window] = plan(kind, since, until, [])
    assert window.params == {}
    assert plan(kind, since, until, [(window.start, window.end)]) == []
    assert plan(kind, since, until, [(window.start, window.end - 1)]) == [window]


@given(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted), st.data())
def test_missing_is_the_complement(whole: list[int], data: st.DataObject) -> None:
    start, end = whole
    pair = st.tuples(st.integers(-5, 65), st.integers(0, 20)).map(lambda one: (one[0], one[0] + one[1]))
    covered = data.draw(st.lists(pair, max_size=6))
    gaps = list(missing((start, end), covered))
    assert all(first < last for first, last in gaps)
    assert [at for first, last in gaps for at in range(first, last)] == [
        at for at in range(start, end) if not holds(covered, at)
    ]


def test_a_day_begins_early_for_what_is_filed_by_more_than_its_day() -> None:
    """The night of the first of March began in February, and in Auckland the day itself did."""
    first = date(2026, 3, 1)
    for kind in TYPES.values():
        early = isinstance(kind, Documents) and kind.instant != "day"
        assert opening(kind, first) == day_ms(first) - (2 * DAY_MS if early else 0), kind.name
