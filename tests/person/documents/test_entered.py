"""Tags and rest mode follow what really happened to the person."""

from datetime import date, timedelta

from msgspec import json

from ringlet._person.person import Person

from ..simulated import calendar_of, state

YEARS = date(2023, 1, 1), date(2025, 12, 31)


def test_a_tagged_drink_was_drunk_but_not_every_drink_is_tagged() -> None:
    person = Person()
    tagged = {
        item.day
        for item in person.documents("enhanced_tag", *YEARS)
        if json.decode(item.body)["tag_type_code"] == "tag_sleep_alcohol"
    }
    days = [YEARS[0] + timedelta(step) for step in range((YEARS[1] - YEARS[0]).days + 1)]
    calendar = calendar_of(person)
    drunk = {day for day in days if state(calendar, day).alcohol > 0}
    assert tagged < drunk
    assert len(tagged) > 0.7 * len(drunk)


def test_both_kinds_of_tag_tell_the_same() -> None:
    person = Person()
    old = [json.decode(item.body) for item in person.documents("tag", *YEARS)]
    new = [json.decode(item.body) for item in person.documents("enhanced_tag", *YEARS)]
    assert [(tag["timestamp"], *tag["tags"]) for tag in old] == [
        (tag["start_time"], tag["tag_type_code"]) for tag in new if tag["tag_type_code"] != "custom"
    ]
    assert any(tag["custom_name"] for tag in new)


def test_rest_mode_is_open_until_it_ends() -> None:
    """It begins with an illness; some periods are switched off at once and start where they end."""
    instant = 0
    for seed in range(8):
        person = Person(seed)
        calendar = calendar_of(person)
        for item in person.revisions("rest_mode_period", *YEARS):
            found = json.decode(item.body)
            assert state(calendar, item.day).illness > 0
            if found["end_time"] == found["start_time"]:
                instant += 1
            else:
                assert (found["end_time"] is None) == (found["end_day"] is None) == (item.version == 1)
    assert instant
