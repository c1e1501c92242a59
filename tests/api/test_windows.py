"""Dates and instants: how bounds are read, how windows are widened, checked and cut."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._api.windows import (
    Span,
    check_days,
    check_instants,
    day_ms,
    default_days,
    default_instants,
    from_ms,
    parse_bound,
    parse_instant,
    pieces,
    to_ms,
    widen,
)
from ringlet.errors import WindowError

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
YEARS = {"min_value": datetime(1900, 1, 1), "max_value": datetime(2200, 1, 1)}  # noqa: DTZ001  # bounds of strategies are naive
INSTANTS = st.datetimes(**YEARS, timezones=OFFSETS)


# --- Instants ---


@given(INSTANTS)
def test_an_instant_is_a_whole_number_of_milliseconds_and_back(instant: datetime) -> None:
    back = from_ms(to_ms(instant))
    assert timedelta(0) <= instant - back < timedelta(milliseconds=1)
    assert to_ms(back) == to_ms(instant)


@given(INSTANTS, OFFSETS)
def test_the_same_instant_in_another_zone_is_the_same_number(instant: datetime, zone: timezone) -> None:
    assert to_ms(instant.astimezone(zone)) == to_ms(instant)


@given(st.datetimes(**YEARS))
def test_an_instant_without_a_zone_is_utc(instant: datetime) -> None:
    assert to_ms(instant) == to_ms(instant.replace(tzinfo=UTC))


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@given(st.dates())
def test_a_day_begins_at_midnight_utc(day: date) -> None:
    assert day_ms(day) == to_ms(midnight(day)) == parse_instant(day.isoformat())
    assert from_ms(day_ms(day)) == midnight(day)


# --- Bounds ---


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-11-11", "2024-11-11T00:00:00+00:00"),
        (" 2024-11-11 ", "2024-11-11T00:00:00+00:00"),
        ("0024-11-11", "0024-11-11T00:00:00+00:00"),
        ("2024-11-11T10:30:00", "2024-11-11T10:30:00+00:00"),
        ("2024-11-11 10:30:00", "2024-11-11T10:30:00+00:00"),
        ("2024-11-11T10:30:00Z", "2024-11-11T10:30:00+00:00"),
        ("2024-11-11T10:30:00.250Z", "2024-11-11T10:30:00.250+00:00"),
        ("2024-11-11T10:30:00+02:00", "2024-11-11T08:30:00+00:00"),
        ("2024-11-11T10:30:00 02:00", "2024-11-11T08:30:00+00:00"),
        ("2024-11-11T10:30:00-07:00", "2024-11-11T17:30:00+00:00"),
        ("1", "1970-01-01T00:00:01+00:00"),
        ("-1", "1969-12-31T23:59:59+00:00"),
        ("1731283200", "2024-11-11T00:00:00+00:00"),
        ("1731283200000", "2024-11-11T00:00:00+00:00"),
        ("20000000000", "2603-10-11T11:33:20+00:00"),
        ("20000000001", "1970-08-20T11:33:20.001+00:00"),
        ("0001-01-01", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999+00:00"),
    ],
)
def test_a_bound_is_an_instant(text: str, instant: str) -> None:
    assert from_ms(parse_bound(text)) == datetime.fromisoformat(instant)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "today",
        "2024-13-01",
        "2024-02-30",
        "2024/11/11",
        "2024-11-11T25:00:00Z",
        "1.5",
        "nan",
        "1" * 16,
        "999999999999999",
        "-999999999999999",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
    ],
)
def test_anything_else_is_no_bound(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the words are partly Python's own
        parse_bound(text)


@given(st.text(max_size=30))
def test_whatever_text_comes_a_bound_is_an_instant_or_a_value_error(text: str) -> None:
    try:
        instant = parse_bound(text)
    except ValueError:
        return
    assert to_ms(from_ms(instant)) == instant


@given(INSTANTS)
def test_what_a_client_writes_is_what_a_cloud_reads(instant: datetime) -> None:
    assert parse_bound(instant.isoformat()) == to_ms(instant)
    unescaped = instant.isoformat().replace("+", " ")
    assert parse_bound(unescaped) == to_ms(instant)


# --- Defaults ---

NOON_IN_TOKYO = datetime(2026, 3, 1, 3, 0, tzinfo=timezone(timedelta(hours=9)))  # still 28 February in UTC


def test_without_dates_a_window_is_yesterday_and_today_in_utc() -> None:
    assert default_days(NOON_IN_TOKYO).days() == ("2026-02-27", "2026-02-28")


def test_without_instants_a_window_is_the_last_24_hours() -> None:
    span = default_instants(NOON_IN_TOKYO)
    assert from_ms(span.end) == NOON_IN_TOKYO
    assert span.end - span.start == 86_400_000


@given(INSTANTS, INSTANTS)
def test_the_days_of_a_span_are_those_of_its_bounds_in_utc(start: datetime, end: datetime) -> None:
    days = Span(to_ms(start), to_ms(end)).days()
    assert days == tuple(bound.astimezone(UTC).date().isoformat() for bound in (start, end))


# --- Widening ---


@given(st.dates(), st.dates())
def test_a_widened_window_stretches_two_days_each_way_within_the_calendar(start: date, end: date) -> None:
    first, last = widen(start, end)
    assert (start - first).days == min(2, (start - date.min).days)
    assert (last - end).days == min(2, (date.max - end).days)


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)), st.integers(0, 400), st.times(), OFFSETS)
def test_a_widened_window_holds_every_moment_of_its_days_in_every_zone(
    start: date, length: int, clock: Any, zone: timezone
) -> None:
    """Both readings of it: bounds at 00:00 UTC, and days of UTC."""
    end = start + timedelta(days=length)
    first, last = widen(start, end)
    for day in (start, end):
        moment = datetime.combine(day, clock, zone)
        assert midnight(first) <= moment <= midnight(last)
        assert first <= moment.astimezone(UTC).date() <= last


# --- Checking ---

DAY = date(2026, 1, 2)
NOW = datetime(2026, 1, 2, 8, tzinfo=UTC)


def test_a_window_in_order_passes_and_so_does_a_single_day_or_instant() -> None:
    check_days(DAY, DAY)
    check_days(DAY, DAY + timedelta(days=1))
    check_instants(NOW, NOW)
    check_instants(NOW, NOW.astimezone(timezone(timedelta(hours=5))) + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("start", "end", "said", "cure"),
    [
        (DAY, date(2026, 1, 1), "start 2026-01-02 is after end 2026-01-01", "swap"),
        (DAY, NOW, "2026-01-02T08:00:00+00:00 is a datetime", "pass dates"),
        (NOW, DAY, "2026-01-02T08:00:00+00:00 is a datetime", "pass dates"),
        ("2026-01-02", DAY, "'2026-01-02' is a str", "date(2026, 1, 1)"),
        (DAY, None, "None is a NoneType", "date(2026, 1, 1)"),
    ],
)
def test_a_window_of_days_that_cannot_be_meant_is_refused(start: Any, end: Any, said: str, cure: str) -> None:
    with pytest.raises(WindowError) as caught:
        check_days(start, end)
    assert said in str(caught.value)
    assert cure in caught.value.cure


@pytest.mark.parametrize(
    ("start", "end", "said", "cure"),
    [
        (NOW, NOW - timedelta(seconds=1), "start 2026-01-02T08:00:00+00:00 is after end", "swap"),
        (DAY, NOW, "is a date", "pass datetimes with a zone"),
        (NOW, "2026-01-02", "'2026-01-02' is a str", "pass datetimes with a zone"),
        (NOW.replace(tzinfo=None), NOW, "2026-01-02T08:00:00 is ambiguous without a zone", "astimezone"),
    ],
)
def test_a_window_of_instants_that_cannot_be_meant_is_refused(
    start: Any, end: Any, said: str, cure: str
) -> None:
    with pytest.raises(WindowError) as caught:
        check_instants(start, end)
    assert said in str(caught.value)
    assert cure in caught.value.cure


# --- Cutting ---

STRIDES = st.timedeltas(timedelta(minutes=1), timedelta(days=400))


@given(INSTANTS, st.integers(0, 60), st.timedeltas(timedelta(0), timedelta(days=1)), STRIDES, OFFSETS)
def test_pieces_are_a_partition_of_the_window(
    start: datetime, strides: int, rest: timedelta, stride: timedelta, zone: timezone
) -> None:
    end = (start + min(strides * stride, timedelta(days=4000)) + rest).astimezone(zone)
    cut = list(pieces(start, end, stride))
    assert sum((last - first for first, last in cut), timedelta()) == end - start
    assert all(timedelta(0) < last - first <= stride for first, last in cut)
    assert [first for first, _ in cut[1:]] == [last for _, last in cut[:-1]]
    assert not cut or (cut[0][0], cut[-1][1]) == (start, end)


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)], ids=["skipped", "repeated"])
def test_pieces_stay_a_partition_in_the_night_the_clocks_change(day: date) -> None:
    berlin, stride = ZoneInfo("Europe/Berlin"), timedelta(minutes=30)
    start = datetime(day.year, day.month, day.day, tzinfo=berlin)
    end = datetime(day.year, day.month, day.day, 6, tzinfo=berlin)
    cut = list(pieces(start, end, stride))
    assert all(to_ms(last) - to_ms(first) == 1_800_000 for first, last in cut)
    assert [first for first, _ in cut[1:]] == [last for _, last in cut[:-1]]
    assert (to_ms(cut[0][0]), to_ms(cut[-1][1])) == (to_ms(start), to_ms(end))


def test_an_empty_window_has_no_pieces_and_the_end_of_time_ends() -> None:
    assert list(pieces(NOW, NOW, timedelta(days=1))) == []
    assert list(pieces(NOW, NOW - timedelta(days=1), timedelta(days=1))) == []
    last = datetime.max.replace(tzinfo=UTC)
    assert list(pieces(last - timedelta(hours=1), last, timedelta(days=7))) == [
        (last - timedelta(hours=1), last)
    ]


@pytest.mark.parametrize("stride", [timedelta(0), timedelta(days=-1)])
def test_a_stride_that_does_not_advance_is_refused(stride: timedelta) -> None:
    with pytest.raises(WindowError, match="longer than zero"):
        list(pieces(NOW, NOW + timedelta(days=1), stride))
