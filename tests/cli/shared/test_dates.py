"""Days as people write them."""

from contextlib import suppress
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._cli.shared.dates import days, one_day, since
from ringlet.errors import UsageError

TODAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("today", TODAY, TODAY),
        (" Yesterday ", date(2026, 11, 19), date(2026, 11, 19)),
        ("1d", TODAY, TODAY),
        ("7d", date(2026, 11, 14), TODAY),
        ("2026-02", date(2026, 2, 1), date(2026, 2, 28)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2026-11-19", date(2026, 11, 19), date(2026, 11, 19)),
    ],
)
def test_what_is_understood(text, first, last):
    assert days(text, TODAY) == (first, last)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "31.12.2025",
        "2026-13",
        "2026-02-30",
        "20261119",
        "2026-W07",
        "-3d",
        "0d",
        "0d1",
        "99999999999d",
        "d",
    ],
)
def test_what_is_not(text):
    with pytest.raises(UsageError, match="is not a date") as caught:
        days(text, TODAY)
    assert "2026-11-19" in caught.value.cure


@pytest.mark.parametrize("text", ["0024-01-01", "0024-01"])
def test_a_year_with_two_digits_is_asked_about(text):
    with pytest.raises(UsageError, match=r"the year 0024 is before the first Oura ring .* mean 2024"):
        days(text, TODAY)


def test_a_year_before_the_rings():
    with pytest.raises(UsageError, match="1999"):
        days("1999-12-31", TODAY)


def test_a_month_is_not_one_day():
    with pytest.raises(UsageError, match="more than one day"):
        one_day("2026-11", TODAY)
    assert one_day("1d", TODAY) == TODAY


def test_since_the_future_is_refused():
    with pytest.raises(UsageError, match="start 2026-11-21 is after end 2026-11-20"):
        since("2026-11-21", TODAY)
    assert since("2026-11", TODAY) == date(2026, 11, 1)


@given(st.dates(date(2015, 1, 1), date(2100, 1, 1)))
def test_iso_days_come_back(day):
    assert days(day.isoformat(), TODAY) == (day, day)


@given(st.integers(1, 4000))
def test_so_many_days_are_so_many_and_end_today(count):
    first, last = days(f"{count}d", TODAY)
    assert last == TODAY
    assert last - first == timedelta(days=count - 1)


@given(st.text())
def test_any_text_is_a_range_in_order_or_a_usage_error(text):
    with suppress(UsageError):
        first, last = days(text, TODAY)
        assert first <= last
