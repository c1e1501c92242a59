"""Chance is a hash: the same streams, purpose and number always roll the same."""

from datetime import date
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from ringlet._person.simulation.random_streams import RandomStream, RandomStreams, interpolate, partition

STREAMS = st.builds(RandomStreams, st.integers(), st.text(max_size=8))
TODAY = date(2026, 3, 5).toordinal()


@given(STREAMS, st.text(max_size=8), st.integers(0, 10**6))
def test_equal_questions_get_equal_answers(streams: RandomStreams, purpose: str, number: int) -> None:
    assert [streams.stream(purpose, number).uint32() for _ in range(2)] == [
        streams.stream(purpose, number).uint32()
    ] * 2
    assert streams.random_bytes(purpose, number, 40)[:20] == streams.random_bytes(purpose, number, 20)


def test_purposes_numbers_seeds_and_users_are_told_apart() -> None:
    """Nothing that differs rolls alike, not even where joined texts would look the same."""
    words = [
        RandomStreams(7, "demo").stream("a", 11).uint32(),
        RandomStreams(7, "demo").stream("a1", 1).uint32(),
        RandomStreams(7, "demo").stream("b", 11).uint32(),
        RandomStreams(71, "demo").stream("a", 11).uint32(),
        RandomStreams(7, "1demo").stream("a", 11).uint32(),
    ]
    assert len(set(words)) == len(words)


def test_known_rolls() -> None:
    """The very numbers: whoever changes them changes every simulated person."""
    rng = RandomStreams(7, "demo").stream("test", 1)
    assert [rng.integer(0, 99) for _ in range(8)] == KNOWN
    assert RandomStreams(7, "demo").uuid("sleep", TODAY) == KNOWN_ID


KNOWN = [5, 2, 83, 44, 4, 84, 32, 17]
KNOWN_ID = "17057059-78f4-49df-8eea-c06982f46c63"


@given(STREAMS)
def test_rolls_stay_in_their_ranges(streams: RandomStreams) -> None:
    rng = streams.stream("ranges")
    for _ in range(100):  # more than one hash holds
        assert 0 <= rng.uniform() < 1
        assert -3 <= rng.normal() <= 3
        assert 3 <= rng.integer(3, 5) <= 5
        assert 2 <= rng.between(2, 4) <= 4
        assert rng.choice("abc") in "abc"


def test_normal_deviates_have_mean_0_and_deviation_1() -> None:
    rng = RandomStream(b"normal")
    rolls = [rng.normal() for _ in range(4000)]
    mean = sum(rolls) / len(rolls)
    assert abs(mean) < 0.06
    assert abs(sum((roll - mean) ** 2 for roll in rolls) / len(rolls) - 1) < 0.08


@given(STREAMS, st.integers(0, 10**6), st.integers(2, 90))
def test_a_drift_moves_in_small_steps(streams: RandomStreams, day: int, period: int) -> None:
    before, after = streams.drift("x", day, period), streams.drift("x", day + 1, period)
    assert -1 <= before <= 1
    assert abs(after - before) <= 3.0 / period + 1e-9


@given(STREAMS, st.integers(0, 10**6))
def test_ids_are_version_4_uuids(streams: RandomStreams, number: int) -> None:
    id = UUID(streams.uuid("x", number))
    assert (id.version, str(id)) == (4, streams.uuid("x", number))


@given(st.integers(0, 5000), st.lists(st.floats(0.01, 9), min_size=1, max_size=40))
def test_a_partition_adds_up(total: int, weights: list[float]) -> None:
    parts = partition(total, weights)
    assert sum(parts) == total
    assert len(parts) == len(weights)
    assert min(parts) >= 0


def test_a_ladder_is_level_beyond_its_ends_and_straight_between() -> None:
    steps = ((0, 10), (2, 20), (4, 0))
    assert [interpolate(x, *steps) for x in (-1, 0, 1, 2, 3, 4, 9)] == [10, 10, 15, 20, 10, 0, 0]
