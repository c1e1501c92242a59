"""The shape of a night: whatever is asked for, the stages fill the time in bed."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ringlet._person.simulation.random_streams import RandomStreams
from ringlet._person.simulation.sleep_curves import heart_rate_and_hrv, hypnogram

SEEDS = st.integers(0, 10**6)


@given(
    SEEDS, st.integers(30, 1300), st.integers(0, 60), st.floats(0, 0.8), st.floats(0, 0.4), st.floats(0, 0.4)
)
def test_stages_fill_the_time_in_bed(
    seed: int, epochs: int, latency: int, awake: float, deep: float, rem: float
) -> None:
    segments = hypnogram(RandomStreams(seed, "x").stream("x"), epochs, latency, awake, deep, rem)
    assert sum(count for _, count in segments) == epochs
    assert all(count > 0 and stage in "1234" for stage, count in segments)
    assert {stage for stage, _ in segments} != {"4"}


def test_deep_sleep_comes_early_and_rem_late() -> None:
    for seed in range(20):
        segments = hypnogram(RandomStreams(seed, "x").stream("x"), 960, 20, 0.1, 0.15, 0.2)
        phases = "".join(stage * count for stage, count in segments)
        half = len(phases) // 2
        assert phases[:half].count("1") > phases[half:].count("1")
        assert phases[:half].count("3") < phases[half:].count("3")
        changes = sum(one != after for one, after in pairwise(phases))
        assert 25 < changes < 110


@given(SEEDS, st.floats(40, 80), st.floats(0.2, 0.97))
def test_the_heart_slows_down_and_comes_back(seed: int, low: float, bottom: float) -> None:
    phases = "2" * 960
    bpm, hrv = heart_rate_and_hrv(
        phases, RandomStreams(seed, "x").random_bytes("x", 0, 400), low, 10, bottom, 50
    )
    assert len(bpm) == len(hrv) == 96
    assert [rate is None for rate in bpm] == [rate is None for rate in hrv]
    seen = [rate for rate in bpm if rate is not None]
    assert low - 6 < min(seen) < low + 6
    assert max(seen) < low + 25
