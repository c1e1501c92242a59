"""Sleep periods: every number tells the same night."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from ringlet._person.person import DocumentVersion, Person

from ...examples import few
from ..simulated import calendar_of, state

PEOPLE = st.builds(Person, st.integers(0, 10**6), st.sampled_from(["demo", "a", "b"]))
DAYS = st.dates(date(2015, 1, 1), date(2060, 1, 1))


def sleeps(person: Person, first: date, last: date) -> list[dict]:
    return [json.decode(item.body) for item in person.documents("sleep", first, last)]


def fortnight(day: date) -> date:
    return date.fromordinal(day.toordinal() + 13)


@few()
@given(PEOPLE, DAYS)
def test_durations_add_up(person: Person, day: date) -> None:
    for sleep in sleeps(person, day, fortnight(day)):
        stages = [sleep[f"{stage}_sleep_duration"] for stage in ("deep", "light", "rem")]
        assert sum(stages) == sleep["total_sleep_duration"]
        assert sum(stages) + sleep["awake_time"] == sleep["time_in_bed"]
        begin, end = (datetime.fromisoformat(sleep[edge]) for edge in ("bedtime_start", "bedtime_end"))
        assert (end - begin).total_seconds() == sleep["time_in_bed"]
        share = round(100 * sleep["total_sleep_duration"] / sleep["time_in_bed"])
        assert sleep["efficiency"] == max(1, min(100, share))


@few()
@given(PEOPLE, DAYS)
def test_stage_strings_tell_the_durations(person: Person, day: date) -> None:
    for sleep in sleeps(person, day, fortnight(day)):
        fine, coarse = sleep["sleep_phase_30_sec"], sleep["sleep_phase_5_min"]
        assert len(fine) == len(sleep["movement_30_sec"]) == sleep["time_in_bed"] / 30
        assert len(coarse) == len(sleep["app_sleep_phase_5_min"]) == -(-len(fine) // 10)
        for digit, field in zip(
            "1234",
            ("deep_sleep_duration", "light_sleep_duration", "rem_sleep_duration", "awake_time"),
            strict=True,
        ):
            assert fine.count(digit) * 30 == sleep[field]
        for slot, digit in enumerate(coarse):
            chunk = fine[10 * slot : 10 * slot + 10]
            assert chunk.count(digit) == max(map(chunk.count, set(chunk)))
        assert sleep["latency"] == 30 * (len(fine) - len(fine.lstrip("4")))
        assert set(sleep["movement_30_sec"]) <= set("1234")
        assert sleep["restless_periods"] == len(fine) - sleep["movement_30_sec"].count("1")


@few()
@given(PEOPLE, DAYS)
def test_heart_rate_and_hrv_agree_with_their_averages(person: Person, day: date) -> None:
    for sleep in sleeps(person, day, fortnight(day)):
        if sleep["heart_rate"] is None:
            continue
        rates = [rate for rate in sleep["heart_rate"]["items"] if rate is not None]
        felt = [rate for rate in sleep["hrv"]["items"] if rate is not None]
        assert abs(sleep["average_heart_rate"] - sum(rates) / len(rates)) <= 1 / 16
        assert sleep["lowest_heart_rate"] == min(rates)
        assert sleep["average_hrv"] == round(sum(felt) / len(felt))
        assert len(sleep["heart_rate"]["items"]) == len(sleep["hrv"]["items"]) == sleep["time_in_bed"] // 300
        assert sleep["heart_rate"]["timestamp"] == sleep["hrv"]["timestamp"] == sleep["bedtime_start"]


def test_about_a_tenth_of_the_samples_is_missing() -> None:
    items = [
        item
        for sleep in sleeps(Person(), date(2025, 1, 1), date(2025, 4, 1))
        if sleep["hrv"]
        for item in sleep["hrv"]["items"]
    ]
    assert 0.07 < items.count(None) / len(items) < 0.14


@pytest.mark.slow
def test_short_naps_have_no_pulse() -> None:
    """Under 38 minutes: null series, 255 for the lowest, zeros in readiness."""
    short = [
        sleep
        for seed in range(6)
        for sleep in sleeps(Person(seed), date(2025, 1, 1), date(2025, 6, 1))
        if sleep["time_in_bed"] < 38 * 60
    ]
    assert len(short) > 20
    for sleep in short:
        assert sleep["heart_rate"] is sleep["hrv"] is sleep["average_hrv"] is None
        assert sleep["lowest_heart_rate"] == 255
        contributors = sleep["readiness"]["contributors"]
        assert (
            contributors["resting_heart_rate"]
            == contributors["body_temperature"]
            == contributors["recovery_index"]
            == 0
        )


@few()
@given(PEOPLE, DAYS)
def test_periods_count_up_in_order_of_bedtime(person: Person, day: date) -> None:
    by_day: dict[date, list[DocumentVersion]] = {}
    for item in person.documents("sleep", day, fortnight(day)):
        by_day.setdefault(item.day, []).append(item)
    for items in by_day.values():
        found = [json.decode(item.body) for item in items]
        assert [sleep["period"] for sleep in found] == list(range(len(found)))
        begins = [sleep["bedtime_start"] for sleep in found]
        assert sum(sleep["type"] == "long_sleep" for sleep in found) <= 1
        assert len(set(begins)) == len(begins)


@pytest.mark.slow
def test_all_kinds_of_sleep_occur_and_some_nights_are_missing() -> None:
    found = [
        sleep for seed in range(4) for sleep in sleeps(Person(seed), date(2025, 1, 1), date(2025, 12, 31))
    ]
    assert {sleep["type"] for sleep in found} == {"long_sleep", "sleep", "late_nap", "rest"}
    nights = sum(sleep["type"] == "long_sleep" for sleep in found)
    assert 0.93 < nights / (4 * 365) < 0.995


@pytest.mark.slow
def test_alcohol_costs_sleep() -> None:
    """Less deep sleep, lower HRV, a higher lowest heart rate than on sober nights of the same people."""
    drunk: list[dict] = []
    sober: list[dict] = []
    for seed in range(6):
        person = Person(seed)
        calendar = calendar_of(person)
        for item in person.documents("sleep", date(2025, 1, 1), date(2025, 6, 30)):
            sleep = json.decode(item.body)
            if sleep["type"] == "long_sleep" and state(calendar, item.day).illness == 0:
                evening = state(calendar, item.day - timedelta(days=1))
                (drunk if evening.alcohol > 0 else sober).append(sleep)

    def mean(nights: list[dict], field: str) -> float:
        return sum(night[field] for night in nights) / len(nights)

    assert len(drunk) > 60
    for field in ("deep_sleep_duration", "average_hrv"):
        assert mean(drunk, field) < 0.9 * mean(sober, field)
    assert mean(drunk, "lowest_heart_rate") > 2 + mean(sober, "lowest_heart_rate")
