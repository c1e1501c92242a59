"""The simulated person is a pure function of (seed, user, day)."""

import sys
from datetime import date, datetime, timedelta
from functools import cache
from subprocess import run
from typing import Any

import pytest
from msgspec import json

from ringlet._person.person import DOCUMENTS, EARLIEST, SERIES, Person

from ..paths import SAMPLES

HASH_ALL = """
from datetime import date, timedelta
from hashlib import sha256
from ringlet._person.person import DOCUMENTS, SERIES, Person

person, digest = Person(), sha256()
first, last = date(2025, 1, 1), date(2025, 1, 1) + timedelta(399)
for name in DOCUMENTS:
    for item in person.revisions(name, first, last):
        digest.update(repr((item.id, item.day, item.at, item.version)).encode() + item.body)
for name in SERIES:
    for at, row in person.samples(name, first, last):
        digest.update(row)
digest.update(person.personal_info())
print(digest.hexdigest())
"""


@pytest.mark.slow
def test_every_process_computes_the_same_bytes() -> None:
    """400 days of all types, under different hash seeds."""
    answers = {
        run(
            [sys.executable, "-c", HASH_ALL],
            env={"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "12345")
    }
    assert len(answers) == 1
    assert len(answers.pop().strip()) == 64


def test_order_of_asking_does_not_matter() -> None:
    days = [date(2026, 3, 5) + timedelta(step) for step in range(5)]
    forth, back = Person(), Person()
    for name in SERIES:
        wanted = [list(forth.samples(name, day, day)) for day in days]
        assert [list(back.samples(name, day, day)) for day in reversed(days)] == wanted[::-1]
        assert list(Person().samples(name, days[0], days[-1])) == [row for rows in wanted for row in rows]


def test_seeds_and_users_are_different_people() -> None:
    people = [Person(seed, user) for seed in (7, 8) for user in ("demo", "other")]
    assert len({person.personal_info() for person in people}) == 4
    assert len({person.traits.lowest for person in people}) == 4
    first, last = date(2026, 1, 1), date(2026, 1, 31)
    for name in ("daily_sleep", "daily_activity"):
        assert (
            len({b"".join(item.body for item in person.documents(name, first, last)) for person in people})
            == 4
        )


def test_personal_info_names_nobody() -> None:
    info = json.decode(Person(7, "demo").personal_info())
    assert list(info) == ["id", "age", "weight", "height", "biological_sex", "email"]
    assert info["email"] == "demo@example.com"


def test_all_of_history_is_finite() -> None:
    person = Person()
    assert not list(person.documents("daily_activity", date.min, EARLIEST - timedelta(1)))
    first = next(person.documents("daily_activity", date.min, date.max))
    assert first.day == EARLIEST
    assert not list(person.documents("daily_activity", date(2100, 1, 1), date.max))


@cache
def sleeps_of_2025() -> list[dict[str, Any]]:
    """The sleep documents of the demo person, for the tests that need a whole year."""
    return [
        json.decode(item.body) for item in Person().documents("sleep", date(2025, 1, 1), date(2025, 12, 31))
    ]


def test_zone_follows_summer_time_and_trips() -> None:
    found = {datetime.fromisoformat(sleep["bedtime_end"]).utcoffset() for sleep in sleeps_of_2025()}
    assert {timedelta(hours=1), timedelta(hours=2)} < found


def test_the_demo_sleeps_well_most_nights() -> None:
    nights = [sleep for sleep in sleeps_of_2025() if sleep["type"] == "long_sleep"]
    slept = [night["total_sleep_duration"] / 3600 for night in nights]
    assert sum(6.9 <= hours <= 8.1 for hours in slept) > 0.7 * len(slept)


FIELDS = (
    ("daily_sleep", "score"),
    ("daily_sleep", "contributors.deep_sleep"),
    ("daily_sleep", "contributors.efficiency"),
    ("daily_sleep", "contributors.latency"),
    ("daily_sleep", "contributors.rem_sleep"),
    ("daily_sleep", "contributors.restfulness"),
    ("daily_sleep", "contributors.total_sleep"),
    ("daily_readiness", "score"),
    ("daily_readiness", "contributors.activity_balance"),
    ("daily_readiness", "contributors.body_temperature"),
    ("daily_readiness", "contributors.hrv_balance"),
    ("daily_readiness", "contributors.previous_day_activity"),
    ("daily_readiness", "contributors.previous_night"),
    ("daily_readiness", "contributors.recovery_index"),
    ("daily_readiness", "contributors.resting_heart_rate"),
    ("daily_readiness", "contributors.sleep_balance"),
    ("daily_readiness", "temperature_deviation"),
    ("daily_readiness", "temperature_trend_deviation"),
    ("daily_spo2", "spo2_percentage.average"),
    ("daily_spo2", "breathing_disturbance_index"),
    ("daily_stress", "stress_high"),
    ("daily_stress", "recovery_high"),
    ("daily_resilience", "contributors.sleep_recovery"),
    ("daily_resilience", "contributors.daytime_recovery"),
    ("daily_resilience", "contributors.stress"),
    ("workout", "calories"),
)


def recorded(name: str, field: str) -> tuple[float, float]:
    """p10 and p90 of a field, as published with the recorded answers."""
    inside = False
    for line in (SAMPLES / "statistics.md").read_text().splitlines():
        if line.startswith("## "):
            inside = line.startswith(f"## {name}:")
        elif inside and line.startswith(f"{field} |"):
            spread = line.split("|")[-1].split("/")
            return float(spread[1]), float(spread[3])
    raise LookupError(name, field)


@pytest.mark.slow
@pytest.mark.skipif(not SAMPLES.exists(), reason="the recorded statistics are not beside this checkout")
def test_values_are_distributed_much_as_recorded_ones() -> None:
    """The middle four fifths of four simulated people overlap those of the recorded one, field by field."""
    values: dict[tuple[str, str], list[float]] = {}
    for seed in range(5, 9):
        for name in dict(FIELDS):
            for item in Person(seed).documents(name, date(2025, 1, 1), date(2025, 7, 1)):
                decoded = json.decode(item.body)
                for kind, field in FIELDS:
                    value = decoded
                    if kind == name:
                        for key in field.split("."):
                            value = value[key]
                        if value is not None:
                            values.setdefault((kind, field), []).append(value)
    for (name, field), found in values.items():
        found.sort()
        low, high = found[len(found) // 10], found[len(found) * 9 // 10]
        lowest, highest = recorded(name, field)
        shared = min(high, highest) - max(low, lowest)
        assert shared >= 0.4 * min(high - low, highest - lowest), (name, field, low, high, lowest, highest)


def test_every_type_occurs() -> None:
    person = Person()
    for name in DOCUMENTS:
        assert next(person.documents(name, date(2024, 1, 1), date(2026, 1, 1))), name
