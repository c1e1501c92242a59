"""Time series: one heart behind all of them."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from ringlet._person.person import SERIES, Person

from ...examples import few

PEOPLE = st.builds(Person, st.integers(0, 10**6), st.sampled_from(["demo", "a", "b"]))
DAYS = st.dates(date(2015, 1, 1), date(2060, 1, 1))


def around(day: date) -> tuple[date, date]:
    """The UTC days that a local day and its night reach into."""
    return day - timedelta(1), day + timedelta(1)


def rates(person: Person, first: date, last: date) -> dict[datetime, dict[str, int]]:
    found: dict[datetime, dict[str, int]] = {}
    for at, row in person.samples("heartrate", first, last):
        decoded = json.decode(row)
        assert datetime.fromisoformat(decoded["timestamp"]) == at
        assert decoded["source"] not in found.setdefault(at, {})
        found[at][decoded["source"]] = decoded["bpm"]
    return found


@few()
@given(PEOPLE, DAYS)
def test_the_night_is_in_the_heart_rate_series(person: Person, day: date) -> None:
    found = rates(person, *around(day))
    for item in person.documents("sleep", day, day):
        sleep = json.decode(item.body)
        begin, end = (datetime.fromisoformat(sleep[edge]) for edge in ("bedtime_start", "bedtime_end"))
        if sleep["heart_rate"] is None:
            continue
        for slot, rate in enumerate(sleep["heart_rate"]["items"]):
            at = begin + timedelta(seconds=300 * slot)
            assert found.get(at, {}).get("rest") == rate
        inside = [bpm for at, rows in found.items() if begin <= at < end for bpm in rows.values()]
        assert min(inside) == sleep["lowest_heart_rate"]


@few()
@given(PEOPLE, DAYS)
def test_workouts_are_in_the_heart_rate_series(person: Person, day: date) -> None:
    found = rates(person, *around(day))
    calm = person.traits.lowest
    for item in person.documents("workout", day, day):
        workout = json.decode(item.body)
        begin, end = (datetime.fromisoformat(workout[edge]) for edge in ("start_datetime", "end_datetime"))
        rows = [
            (at, rows["workout"]) for at, rows in found.items() if begin <= at < end and "workout" in rows
        ]
        assert rows[0][0] == begin
        assert all(5 <= (b - a).total_seconds() <= 15 for (a, _), (b, _) in pairwise(rows))
        assert sum(bpm for _, bpm in rows) / len(rows) > calm + 20


@few()
@given(PEOPLE, DAYS)
def test_no_heart_rate_while_the_ring_charges(person: Person, day: date) -> None:
    found = rates(person, day, day)
    for at, row in person.samples("ring_battery_level", day, day):
        if json.decode(row)["in_charger"]:
            assert at not in found


@pytest.mark.parametrize("name", SERIES)
def test_rows_ascend_and_stop_at_now(name: str) -> None:
    person, day = Person(), date(2026, 3, 5)
    rows = list(person.samples(name, day, day))
    assert [at for at, _ in rows] == sorted(at for at, _ in rows)
    assert all(at.date() == day and at.tzinfo is UTC for at, _ in rows)
    noon = datetime(2026, 3, 5, 12, tzinfo=UTC)
    assert list(person.samples(name, day, day, now=noon)) == [(at, row) for at, row in rows if at <= noon]


def test_a_typical_day_has_a_few_hundred_rows() -> None:
    counts = Counter(
        at.date() for at, _ in Person().samples("heartrate", date(2025, 1, 1), date(2025, 3, 31))
    )
    usual = sorted(counts.values())
    assert 230 < usual[len(usual) // 2] < 520
    assert usual[-1] < 1100


def test_now_and_then_two_sources_share_an_instant() -> None:
    found = rates(Person(), date(2025, 1, 1), date(2025, 2, 28))
    shared = [rows for rows in found.values() if len(rows) > 1]
    assert shared
    assert all(set(rows) == {"awake", "workout"} for rows in shared)
    sources = {source for rows in found.values() for source in rows}
    assert sources == {"awake", "rest", "workout", "session", "live"}


@few()
@given(PEOPLE, DAYS)
def test_the_battery_falls_unless_it_charges(person: Person, day: date) -> None:
    rows = [json.decode(row) for _, row in person.samples("ring_battery_level", day - timedelta(5), day)]
    assert all(0 <= row["level"] <= 100 for row in rows)
    assert any(row["in_charger"] for row in rows) or rows[-1]["level"] < rows[0]["level"]
    for one, after in pairwise(rows):
        if not (one["in_charger"] or after["in_charger"]) and after["level"] < 95:
            assert after["level"] <= one["level"]
        assert one["in_charger"] or not one["charging"]


@few()
@given(PEOPLE, DAYS)
def test_beats_agree_with_the_heart_rate(person: Person, day: date) -> None:
    sleeps = [json.decode(item.body) for item in person.documents("sleep", day, day)]
    night = next((sleep for sleep in sleeps if sleep["type"] == "long_sleep"), None)
    if night is None:
        return
    lowest = night["lowest_heart_rate"]
    slot = night["heart_rate"]["items"].index(lowest)
    begin = datetime.fromisoformat(night["bedtime_start"]) + timedelta(minutes=5 * slot)
    beats = [
        json.decode(row)
        for at, row in person.samples("interbeat_interval", *around(day))
        if begin <= at < begin + timedelta(minutes=5)
    ]
    mean = sum(beat["ibi"] for beat in beats) / len(beats)
    assert abs(60_000 / mean - lowest) < 3
    assert abs(len(beats) - 5 * lowest) < 20
    assert {beat["validity"] for beat in beats} <= {-1, 1, 2, 3}


def test_an_unknown_series_is_an_error() -> None:
    with pytest.raises(KeyError):
        list(Person().samples("sleep", date(2026, 1, 1), date(2026, 1, 1)))
