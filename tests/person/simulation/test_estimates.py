"""Stress, resilience and the other estimates keep to the grid recorded answers are on."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from ringlet._person.person import Person

from ...examples import few

PEOPLE = st.builds(Person, st.integers(0, 10**6), st.sampled_from(["demo", "a", "b"]))
DAYS = st.dates(date(2015, 1, 1), date(2060, 1, 1))


def read(person: Person, name: str, day: date, days: int = 7) -> list[dict]:
    last = date.fromordinal(day.toordinal() + days - 1)
    return [json.decode(item.body) for item in person.documents(name, day, last)]


@few()
@given(PEOPLE, DAYS)
def test_stress_comes_in_quarters_of_an_hour(person: Person, day: date) -> None:
    for found in read(person, "daily_stress", day):
        assert found["stress_high"] % 900 == found["recovery_high"] % 900 == 0
        assert 0 <= found["stress_high"] <= 40_000
        assert found["day_summary"] in {None, "restored", "normal", "stressful"}


@few()
@given(PEOPLE, DAYS)
def test_resilience_has_one_decimal_and_a_level_that_follows(person: Person, day: date) -> None:
    levels = ["limited", "adequate", "solid", "strong", "exceptional"]
    found = read(person, "daily_resilience", day)
    for row in found:
        assert all(round(value, 1) == value for value in row["contributors"].values())
    ranked = sorted(found, key=lambda row: sum(row["contributors"].values()))
    assert [levels.index(row["level"]) for row in ranked] == sorted(
        levels.index(row["level"]) for row in ranked
    )


@few()
@given(PEOPLE, DAYS)
def test_oxygen_is_plausible_or_lost(person: Person, day: date) -> None:
    for found in read(person, "daily_spo2", day):
        average = found["spo2_percentage"]["average"]
        assert average == 0.0 or 90 <= average <= 99.5
        assert isinstance(found["breathing_disturbance_index"], int)


@few()
@given(PEOPLE, DAYS)
def test_an_older_artery_is_a_stiffer_one(person: Person, day: date) -> None:
    for found in read(person, "daily_cardiovascular_age", day):
        assert 18 <= found["vascular_age"] <= 80
        assert abs(found["pulse_wave_velocity"] - 5.05 - 0.058 * found["vascular_age"]) < 0.2


def test_vo2_max_comes_about_weekly() -> None:
    counts = [len(read(Person(seed), "vO2_max", date(2025, 1, 1), 365)) for seed in range(5)]
    assert 15 <= sum(counts) / len(counts) <= 90


def test_an_optimal_bedtime_is_a_window_near_midnight() -> None:
    found = read(Person(), "sleep_time", date(2025, 1, 1), 365)
    windows = [row["optimal_bedtime"] for row in found if row["optimal_bedtime"]]
    assert windows
    for window in windows:
        assert window["end_offset"] - window["start_offset"] == 2700
        assert -4 * 3600 < window["start_offset"] < 3 * 3600
    for row in found:
        assert (row["status"] == "optimal_found") == (row["optimal_bedtime"] is not None)
