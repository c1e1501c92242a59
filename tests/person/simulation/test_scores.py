"""Scores: contributors in range, readiness told once, illness felt."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from ringlet._person.person import Person

from ...examples import few
from ..simulated import calendar_of, state

PEOPLE = st.builds(Person, st.integers(0, 10**6), st.sampled_from(["demo", "a", "b"]))
DAYS = st.dates(date(2015, 1, 1), date(2060, 1, 1))


def read(person: Person, name: str, first: date, last: date) -> dict[date, dict]:
    return {item.day: json.decode(item.body) for item in person.documents(name, first, last)}


def week(day: date) -> date:
    return date.fromordinal(day.toordinal() + 6)


@few()
@given(PEOPLE, DAYS)
def test_scores_and_contributors_are_1_to_100(person: Person, day: date) -> None:
    for name in ("daily_sleep", "daily_readiness", "daily_activity"):
        for found in read(person, name, day, week(day)).values():
            values = [found["score"], *found["contributors"].values()]
            assert all(value is None or 1 <= value <= 100 for value in values)


@few()
@given(PEOPLE, DAYS)
def test_the_long_sleep_carries_the_readiness_of_its_day(person: Person, day: date) -> None:
    """In every version: both are revised together."""
    told = {
        (item.day, item.version): json.decode(item.body)
        for item in person.revisions("sleep", day, week(day))
        if json.decode(item.body)["type"] == "long_sleep"
    }
    daily = {
        (item.day, item.version): json.decode(item.body)
        for item in person.revisions("daily_readiness", day, week(day))
    }
    assert told.keys() == daily.keys()
    for key, sleep in told.items():
        assert sleep["readiness"].items() <= daily[key].items()


@few()
@given(PEOPLE, DAYS)
def test_a_day_has_scores_exactly_if_the_night_was_worn(person: Person, day: date) -> None:
    nights = {
        item.day
        for item in person.documents("sleep", day, week(day))
        if json.decode(item.body)["type"] == "long_sleep"
    }
    for name in ("daily_sleep", "daily_readiness", "sleep_time", "daily_spo2"):
        assert read(person, name, day, week(day)).keys() == nights


@pytest.mark.slow
def test_illness_shows() -> None:
    """Temperature and heart rate up; HRV, readiness and steps down."""
    ill, well = [], []
    for seed in range(8):
        person = Person(seed)
        calendar = calendar_of(person)
        first, last = date(2025, 1, 1), date(2025, 8, 1)
        readiness, moved = (
            read(person, "daily_readiness", first, last),
            read(person, "daily_activity", first, last),
        )
        nights = {
            item.day: sleep
            for item in person.documents("sleep", first, last)
            if (sleep := json.decode(item.body))["type"] == "long_sleep"
        }
        for day, found in readiness.items():
            night, illness = nights[day], state(calendar, day).illness
            row = (
                found["temperature_deviation"],
                night["lowest_heart_rate"] / person.traits.lowest,
                -night["average_hrv"] / person.traits.hrv,
                -found["score"],
                -moved[day]["steps"],
            )
            if illness > 0.5:
                ill.append(row)
            elif illness == 0:
                well.append(row)
    assert len(ill) > 10
    for sick, healthy in zip(zip(*ill, strict=True), zip(*well, strict=True), strict=True):
        assert sum(sick) / len(sick) > sum(healthy) / len(healthy)
    assert sum(row[0] for row in ill) / len(ill) > 0.4


def test_some_values_are_null() -> None:
    found = read(Person(0), "daily_readiness", date(2025, 1, 1), date(2025, 12, 31)).values()
    balance = sum(row["contributors"]["hrv_balance"] is None for row in found) / len(found)
    trend = sum(row["temperature_trend_deviation"] is None for row in found) / len(found)
    assert 0.02 < balance < 0.15
    assert 0.005 < trend < 0.08
