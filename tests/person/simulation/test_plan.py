"""The calendar: days tile time, events keep apart, trips and illness stay in their 91 days."""

from datetime import date
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ringlet._person.simulation.episodes import EPISODES_DAYS
from ringlet._person.simulation.plan import Calendar, Span
from ringlet._person.simulation.random_streams import RandomStreams

from ...examples import few

CALENDARS = st.builds(
    Calendar, st.builds(RandomStreams, st.integers(0, 10**6), st.sampled_from(["demo", "a", "b"]))
)
DAYS = st.dates(date(2012, 1, 1), date(2090, 1, 1)).map(date.toordinal)


@few()
@given(CALENDARS, DAYS)
def test_days_of_life_tile_time(calendar: Calendar, day: int) -> None:
    """One day ends where the next begins, with a night and some waking hours in each."""
    for near in range(day, day + 10):
        plan = calendar.plan(near)
        assert plan.begin < plan.awake < plan.end == calendar.plan(near + 1).begin
        assert plan.end - plan.awake > 3 * 3600
        assert calendar.local_day(plan.awake) == near


@few()
@given(CALENDARS, DAYS)
def test_events_do_not_overlap(calendar: Calendar, day: int) -> None:
    for near in range(day, day + 10):
        plan = calendar.plan(near)
        events: list[Span] = [*plan.workouts, *plan.naps, *plan.sessions]
        if plan.charge:
            events.append(plan.charge)
        events.sort(key=lambda event: event.begin)
        for one, next_one in pairwise(events):
            assert one.end <= next_one.begin
        if events:
            assert plan.awake < events[0].begin
            assert events[-1].end < plan.end


@few()
@given(CALENDARS, DAYS)
def test_a_nap_that_ends_in_the_evening_belongs_to_the_next_day(calendar: Calendar, day: int) -> None:
    for near in range(day, day + 20):
        for nap in calendar.plan(near).naps:
            seconds = (nap.end + calendar.offset(nap.end)) % 86_400
            assert nap.day - near == (seconds >= 18 * 3600)


@few()
@given(CALENDARS, st.integers(8000, 8300))
def test_what_lasts_stays_within_its_91_days(calendar: Calendar, number: int) -> None:
    """So a day is known from its own 91 days alone."""
    episodes = calendar.episodes(number)
    last = episodes.first + EPISODES_DAYS - 1
    assert episodes.first == number * EPISODES_DAYS
    if episodes.trip:
        assert (
            episodes.first
            <= calendar.local_day(episodes.trip.begin)
            <= calendar.local_day(episodes.trip.end)
            <= last
        )
    if episodes.illness:
        assert episodes.first <= episodes.illness.first <= episodes.illness.last <= last
    assert min(episodes.charges) == episodes.first


@few()
@given(CALENDARS, DAYS, st.integers(0, 86_399))
def test_a_wall_clock_reading_is_that_reading(calendar: Calendar, day: int, second: int) -> None:
    """Except in hours which a flight or summer time skips."""
    instant = calendar.instant(day, second)
    shown = instant + calendar.offset(instant)
    changes = calendar.offset(instant - 12 * 3600) != calendar.offset(instant + 12 * 3600)
    assert changes or shown == (day - date(1970, 1, 1).toordinal()) * 86_400 + second


def test_people_travel_and_fall_ill() -> None:
    calendar = Calendar(RandomStreams(7, "demo"))
    lives = [calendar.episodes(number) for number in range(8000, 8060)]
    assert 15 < sum(found.trip is not None for found in lives) < 50
    assert 15 < sum(found.illness is not None for found in lives) < 50
