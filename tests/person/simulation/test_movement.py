"""Movement: classes, MET, seconds, steps and calories agree."""

from datetime import date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from ringlet._person.person import Person

from ...examples import few

PEOPLE = st.builds(Person, st.integers(0, 10**6), st.sampled_from(["demo", "a", "b"]))
DAYS = st.dates(date(2015, 1, 1), date(2060, 1, 1))
TIMES = (
    "non_wear_time",
    "resting_time",
    "sedentary_time",
    "low_activity_time",
    "medium_activity_time",
    "high_activity_time",
)


def activity(person: Person, day: date) -> dict:
    (item,) = person.documents("daily_activity", day, day)
    return json.decode(item.body)


@few()
@given(PEOPLE, DAYS)
def test_a_finished_day_has_every_second(person: Person, day: date) -> None:
    found = activity(person, day)
    assert len(found["class_5_min"]) == 288
    assert len(found["met"]["items"]) == 1440
    assert found["met"]["interval"] == 60.0
    assert [found[name] for name in TIMES] == [300 * found["class_5_min"].count(digit) for digit in "012345"]
    assert sum(found[name] for name in TIMES) == 86_400


@few()
@given(PEOPLE, DAYS)
def test_a_day_begins_at_four_local(person: Person, day: date) -> None:
    found = activity(person, day)
    begin = datetime.fromisoformat(found["timestamp"])
    assert (begin.date(), begin.hour, begin.minute) == (day, 4, 0)
    assert found["met"]["timestamp"] == found["timestamp"]


@few()
@given(PEOPLE, DAYS)
def test_calories_met_minutes_and_distance_follow_from_met(person: Person, day: date) -> None:
    found = activity(person, day)
    met, classes = found["met"]["items"], found["class_5_min"]
    high = sum(met[minute] for minute in range(1440) if classes[minute // 5] == "5")
    medium = sum(met[minute] for minute in range(1440) if classes[minute // 5] == "4")
    assert abs(found["high_activity_met_minutes"] - high) <= 0.51
    assert abs(found["medium_activity_met_minutes"] - medium) <= 0.51
    assert abs(found["average_met_minutes"] - sum(met) / 1440) <= 1 / 64 + 1e-9
    weight = json.decode(person.personal_info())["weight"]
    beyond = sum(value - 1.5 for value in met if value > 1.5)
    assert abs(found["active_calories"] - 0.0147 * weight * beyond) <= 0.51
    assert found["total_calories"] > found["active_calories"]
    assert (
        abs(found["target_meters"] - found["equivalent_walking_distance"] - found["meters_to_target"]) <= 50
    )
    assert (found["steps"] == 0) == (
        found["low_activity_time"] + found["medium_activity_time"] + found["sedentary_time"] == 0
    )


@few()
@given(PEOPLE, DAYS)
def test_sleep_shows_as_rest_and_workouts_as_movement(person: Person, day: date) -> None:
    found = activity(person, day)
    begin = datetime.fromisoformat(found["timestamp"])

    def classes(start: str, end: str) -> str:
        first, last = ((datetime.fromisoformat(edge) - begin) / timedelta(minutes=5) for edge in (start, end))
        return found["class_5_min"][max(0, int(first) + 1) : max(0, int(last))]

    for item in person.documents("sleep", day, day):
        sleep = json.decode(item.body)
        assert set(classes(sleep["bedtime_start"], sleep["bedtime_end"])) <= {"1"}
    for item in person.documents("workout", day, day):
        workout = json.decode(item.body)
        assert set(classes(workout["start_datetime"], workout["end_datetime"])) <= set("345")


def test_a_day_without_the_ring_is_all_non_wear() -> None:
    """And nothing else is known of it: no sleep, no stress, no score."""
    empty = [
        (person, item.day)
        for person in (Person(1), Person(2))
        for item in person.documents("daily_activity", date(2024, 1, 1), date(2024, 6, 30))
        if json.decode(item.body)["non_wear_time"] == 86_400
    ]
    assert empty
    for person, day in empty:
        assert activity(person, day)["score"] is None
        assert activity(person, day)["steps"] == 0
        assert not list(person.documents("daily_sleep", day, day))
        assert not list(person.documents("daily_stress", day, day))


@few()
@given(PEOPLE, DAYS)
def test_today_is_the_first_part_of_the_day(person: Person, day: date) -> None:
    """Each version continues the one before it; class string and MET stop where the day has got to."""
    before = None
    for item in person.revisions("daily_activity", day, day):
        found = json.decode(item.body)
        elapsed = (item.at - datetime.fromisoformat(found["timestamp"])).total_seconds()
        assert len(found["class_5_min"]) == min(288, int(elapsed) // 300)
        assert sum(found[name] for name in TIMES) == 300 * len(found["class_5_min"])
        if before:
            assert found["class_5_min"].startswith(before["class_5_min"])
            assert found["met"]["items"][: len(before["met"]["items"])] == before["met"]["items"]
            assert found["steps"] >= before["steps"]
            assert found["total_calories"] >= before["total_calories"]
        before = found
