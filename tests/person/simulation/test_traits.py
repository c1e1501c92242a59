"""People: what belongs together hangs together."""

from hypothesis import given
from hypothesis import strategies as st

from ringlet._person.simulation.random_streams import RandomStreams
from ringlet._person.simulation.traits import draw_traits


@given(st.integers(0, 10**9), st.text(max_size=6))
def test_everybody_is_possible(seed: int, user: str) -> None:
    traits = draw_traits(RandomStreams(seed, user))
    assert 24 <= traits.age <= 61
    assert 1.4 < traits.height < 2.05
    assert 17 < traits.weight / traits.height**2 < 30
    assert 38 < traits.lowest < 72
    assert 18 <= traits.hrv < 160
    assert traits.alarm - traits.bedtime > 380
    assert len(set(traits.sports)) == 3


def test_the_fitter_have_slower_hearts_and_higher_hrv() -> None:
    people = sorted(
        (draw_traits(RandomStreams(seed, "x")) for seed in range(200)), key=lambda traits: traits.fitness
    )
    lazy, fit = people[:60], people[-60:]
    assert sum(one.lowest for one in fit) < sum(one.lowest for one in lazy) - 60 * 5
    assert sum(one.hrv for one in fit) > sum(one.hrv for one in lazy)
    assert sum(one.trainings for one in fit) > 2 * sum(one.trainings for one in lazy)
