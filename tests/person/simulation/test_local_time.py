"""Clocks: summer time from its rules, instants as documents write them."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ringlet._person.simulation.local_time import HOUR_S, Zone, day_of, local_timestamp, midnight, wall_clock

EUROPE, AMERICA = Zone(HOUR_S, "eu"), Zone(-5 * HOUR_S, "us")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def test_european_summer_time_turns_at_one_utc() -> None:
    for turn, before, after in (
        ("2026-03-29T01:00Z", 1, 2),
        ("2026-10-25T01:00Z", 2, 1),
        ("2024-03-31T01:00Z", 1, 2),
    ):
        assert EUROPE.at(at(turn) - 1) == before * HOUR_S
        assert EUROPE.at(at(turn)) == after * HOUR_S


def test_american_summer_time_turns_at_two_local() -> None:
    for turn, before, after in (("2026-03-08T07:00Z", -5, -4), ("2026-11-01T06:00Z", -4, -5)):
        assert AMERICA.at(at(turn) - 1) == before * HOUR_S
        assert AMERICA.at(at(turn)) == after * HOUR_S


@given(st.datetimes(datetime(1995, 1, 1), datetime(2099, 1, 1)), st.integers(-44, 48))  # noqa: DTZ001 (UTC is added)
def test_a_written_instant_reads_back(moment: datetime, quarters: int) -> None:
    instant = int(moment.replace(tzinfo=UTC, microsecond=0).timestamp())
    written = local_timestamp(instant, quarters * 900)
    assert datetime.fromisoformat(written).timestamp() == instant
    assert written[19:23] == ".000"
    assert datetime.fromisoformat(f"{wall_clock(instant)}Z").timestamp() == instant
    assert midnight(day_of(instant)) <= instant < midnight(day_of(instant) + 1)
