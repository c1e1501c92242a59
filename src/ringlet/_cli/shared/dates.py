"""Parses days as users type them: today, yesterday, 7d, 2026-11, 2026-11-19. Today's date is an argument.

A year before 2015 raises an error. The first Oura ring was sold in 2015, so an earlier year is a typing
mistake, which would otherwise select nothing.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta

from ...errors import UsageError

FIRST_YEAR = 2015
EXAMPLES = "write today, yesterday, 30d, 2026-11 or 2026-11-19"
DAY_EXAMPLES = "write today, yesterday or 2026-11-19"


def today_here() -> date:
    """Today in this machine's time zone."""
    return datetime.now(UTC).astimezone().date()


def days(text: str, today: date) -> tuple[date, date]:
    """Parse a text into the first and last day that it means. Raises UsageError if it is not a date."""
    words = text.strip().lower()
    try:
        if words in _NAMED:
            day = today - timedelta(days=_NAMED[words])
            return day, day
        if re.fullmatch(r"[1-9]\d*d", words):
            return today - timedelta(days=int(words[:-1]) - 1), today
        if re.fullmatch(r"\d{4}-\d{2}", words):
            year, month = int(words[:4]), int(words[5:])
            first, last = date(year, month, 1), date(year, month, monthrange(year, month)[1])
        elif re.fullmatch(r"\d{4}-\d{2}-\d{2}", words):
            first = last = date.fromisoformat(words)
        else:
            raise ValueError(words)
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is not a date", cure=EXAMPLES) from None
    if first.year < FIRST_YEAR:
        meant = f"; did you mean {first.year + 2000}?" if first.year < 100 else ""
        raise UsageError(
            f"the year {first.year:04d} is before the first Oura ring ({FIRST_YEAR}){meant}", cure=EXAMPLES
        )
    return first, last


_NAMED = {"today": 0, "yesterday": 1}


def since(text: str, today: date) -> date:
    """Parse a text into the first day that it means.

    Raises UsageError if the text is not a date, or if the day is after `today`.
    """
    first, _ = days(text, today)
    if first > today:
        raise UsageError(
            f"start {first} is after end {today} (today)", cure="begin with today or an earlier day"
        )
    return max(first, date(FIRST_YEAR, 1, 1))


def one_day(text: str, today: date) -> date:
    """Parse a text that means one day. Raises UsageError if it means several days or is not a date."""
    first, last = days(text, today)
    if first != last:
        raise UsageError(f"{text!r} is more than one day", cure=DAY_EXAMPLES)
    return first
