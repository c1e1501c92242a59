"""The rate limit is exact in any window, tells the truth about waiting, and keeps to its key."""

from hypothesis import given
from hypothesis import strategies as st

from ringlet._cloud.core.rate_limit import Exhausted, Limits

# Multiples of 1/8 s add and compare without rounding, so the laws can be exact.
GAPS = st.integers(0, 80).map(lambda eighths: eighths / 8)


@given(limit=st.integers(1, 12), window=st.integers(1, 20), gaps=st.lists(GAPS, max_size=80))
def test_no_window_holds_more_than_the_limit_and_nothing_is_refused_early(
    limit: int, window: int, gaps: list[float]
) -> None:
    limits, now = Limits(limit, window), 1000.0
    log = limits.log("key")
    taken: list[float] = []
    for gap in gaps:
        now += gap
        recent = [at for at in taken if at > now - window]
        refused = limits.take(log, now)
        assert (refused is not None) == (len(recent) == limit)
        if refused is None:
            taken.append(now)
    for first in taken:
        assert sum(first <= at < first + window for at in taken) <= limit


@given(limit=st.integers(1, 5), window=st.integers(1, 20), gaps=st.lists(GAPS, min_size=1, max_size=40))
def test_who_waits_as_long_as_told_is_let_in_and_no_wait_is_a_second_too_long(
    limit: int, window: int, gaps: list[float]
) -> None:
    limits, now = Limits(limit, window), 1000.0
    log = limits.log("key")
    for gap in gaps:
        now += gap
        refused = limits.take(log, now)
        if refused is not None:
            assert (refused.limit, refused.window) == (limit, window)
            assert 1 <= refused.retry_after <= window + 1
            assert log[0] - (now - window) > refused.retry_after - 2
            now += refused.retry_after
            assert limits.take(log, now) is None


def test_the_documented_limit_is_5000_requests_in_five_minutes() -> None:
    limits = Limits()
    log = limits.log("token")
    assert all(limits.take(log, second / 100) is None for second in range(5000))
    assert limits.take(log, 50.0) == Exhausted(5000, 300, 251)
    assert limits.take(log, 299.5) == Exhausted(5000, 300, 1)
    assert limits.take(log, 300.0) is None, "the first request has left the window"
    assert limits.take(log, 300.0) is not None, "... and made room for one"


def test_refusals_do_not_count() -> None:
    limits = Limits(limit=1, window=10)
    log = limits.log("key")
    assert limits.take(log, 0.0) is None
    assert all(limits.take(log, at) is not None for at in (1.0, 5.0, 9.0))
    assert limits.take(log, 10.0) is None


def test_each_key_has_its_own() -> None:
    limits = Limits(limit=1, window=10)
    assert limits.take(limits.log("a"), 0.0) is None
    assert limits.take(limits.log("b"), 0.0) is None
    assert limits.take(limits.log("a"), 0.0) is not None


def test_the_longest_unused_key_is_forgotten_first() -> None:
    limits = Limits(keys=2)
    a, b = limits.log("a"), limits.log("b")
    assert limits.log("a") is a
    limits.log("c")
    assert limits.log("a") is a
    assert limits.log("b") is not b
