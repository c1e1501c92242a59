"""The rate limit is exact in any window, tells the truth about waiting, and keeps to its key."""

from hypothesis import given
from hypothesis import strategies as st

from ringlet._cloud.core.rate_limit import Exhausted, RateLimit

# Multiples of 1/8 s add and compare without rounding, so the laws can be exact.
GAPS = st.integers(0, 80).map(lambda eighths: eighths / 8)


@given(limit=st.integers(1, 12), window_s=st.integers(1, 20), gaps=st.lists(GAPS, max_size=80))
def test_no_window_holds_more_than_the_limit_and_nothing_is_refused_early(
    limit: int, window_s: int, gaps: list[float]
) -> None:
    rate_limit, now = RateLimit(limit, window_s), 1000.0
    log = rate_limit.log("key")
    taken: list[float] = []
    for gap in gaps:
        now += gap
        recent = [at for at in taken if at > now - window_s]
        refused = rate_limit.take(log, now)
        assert (refused is not None) == (len(recent) == limit)
        if refused is None:
            taken.append(now)
    for first in taken:
        assert sum(first <= at < first + window_s for at in taken) <= limit


@given(limit=st.integers(1, 5), window_s=st.integers(1, 20), gaps=st.lists(GAPS, min_size=1, max_size=40))
def test_a_request_after_retry_after_is_allowed_and_no_wait_is_a_second_too_long(
    limit: int, window_s: int, gaps: list[float]
) -> None:
    rate_limit, now = RateLimit(limit, window_s), 1000.0
    log = rate_limit.log("key")
    for gap in gaps:
        now += gap
        refused = rate_limit.take(log, now)
        if refused is not None:
            assert (refused.limit, refused.window_s) == (limit, window_s)
            assert 1 <= refused.retry_after_s <= window_s + 1
            assert log[0] - (now - window_s) > refused.retry_after_s - 2
            now += refused.retry_after_s
            assert rate_limit.take(log, now) is None


def test_the_documented_limit_is_5000_requests_in_five_minutes() -> None:
    rate_limit = RateLimit()
    log = rate_limit.log("token")
    assert all(rate_limit.take(log, second / 100) is None for second in range(5000))
    assert rate_limit.take(log, 50.0) == Exhausted(5000, 300, 251)
    assert rate_limit.take(log, 299.5) == Exhausted(5000, 300, 1)
    assert rate_limit.take(log, 300.0) is None, "the first request has left the window"
    assert rate_limit.take(log, 300.0) is not None, "... and made room for one"


def test_refusals_do_not_count() -> None:
    rate_limit = RateLimit(limit=1, window_s=10)
    log = rate_limit.log("key")
    assert rate_limit.take(log, 0.0) is None
    assert all(rate_limit.take(log, at) is not None for at in (1.0, 5.0, 9.0))
    assert rate_limit.take(log, 10.0) is None


def test_each_key_has_its_own_limit() -> None:
    rate_limit = RateLimit(limit=1, window_s=10)
    assert rate_limit.take(rate_limit.log("a"), 0.0) is None
    assert rate_limit.take(rate_limit.log("b"), 0.0) is None
    assert rate_limit.take(rate_limit.log("a"), 0.0) is not None


def test_the_longest_unused_key_is_forgotten_first() -> None:
    rate_limit = RateLimit(max_keys=2)
    a, b = rate_limit.log("a"), rate_limit.log("b")
    assert rate_limit.log("a") is a
    rate_limit.log("c")
    assert rate_limit.log("a") is a
    assert rate_limit.log("b") is not b
