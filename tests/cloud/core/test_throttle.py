"""Guessing: the first failures cost nothing, then each costs twice the wait of the one before."""

import pytest

from ringlet._cloud.core.throttle import FORGIVE_ONE_AFTER_S, FREE_FAILURES, MAX_KEYS, MAX_WAIT_S, Throttle

KEY = ("192.0.2.1", "client")


class Watch:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def throttle(watch):
    return Throttle(watch)


def test_each_failure_beyond_the_free_ones_doubles_the_wait_up_to_the_maximum(throttle, watch):
    waits = []
    for _ in range(FREE_FAILURES + 12):
        waits.append(throttle.check(KEY))
        watch.now += waits[-1]
        throttle.failed(KEY)
    assert waits[:FREE_FAILURES] == [0] * FREE_FAILURES
    assert waits[FREE_FAILURES : FREE_FAILURES + 4] == [1, 2, 4, 8]
    assert waits[-1] == MAX_WAIT_S


def test_a_thousand_guesses_in_a_minute_get_a_few_answers(throttle, watch):
    answered = 0
    for _ in range(1000):
        watch.now += 0.06
        if not throttle.check(KEY):
            answered += 1
            throttle.failed(KEY)
    assert FREE_FAILURES < answered < FREE_FAILURES + 10


def test_an_address_that_tries_many_names_waits_as_well(throttle):
    answered = 0
    for number in range(1000):
        key = ("192.0.2.1", f"client {number}")
        if not throttle.check(key):
            answered += 1
            throttle.failed(key)
    assert answered <= 10 * FREE_FAILURES + 1
    assert throttle.check(("192.0.2.2", "client")) == 0, "another address does not wait for it"


def test_success_costs_nothing_and_clears_the_slate(throttle):
    for _ in range(FREE_FAILURES - 1):
        throttle.failed(KEY)
    throttle.passed(KEY)
    for _ in range(FREE_FAILURES - 1):
        throttle.failed(KEY)
        assert throttle.check(KEY) == 0


def test_a_time_without_failures_clears_the_wait(throttle, watch):
    for _ in range(FREE_FAILURES + 5):
        throttle.failed(KEY)
    watch.now += 3 * MAX_WAIT_S
    throttle.failed(KEY)
    assert throttle.check(KEY) == 0


def test_all_addresses_of_an_ipv6_network_wait_together(throttle):
    for number in range(FREE_FAILURES + 1):
        throttle.failed((f"2001:db8:1:2::{number:x}", "client"))
    assert throttle.check(("2001:db8:1:2:ffff::1", "client")) > 0
    assert throttle.check(("2001:db8:1:3::1", "client")) == 0
    throttle.passed(("2001:db8:1:2::1", "client"))
    assert throttle.check(("2001:db8:1:2:ffff::1", "client")) == 0


def test_ipv4_mapped_addresses_wait_as_their_ipv4_addresses(throttle):
    for _ in range(FREE_FAILURES + 1):
        throttle.failed(("::ffff:192.0.2.1", "client"))
    assert throttle.check(("192.0.2.1", "client")) > 0
    assert throttle.check(("::ffff:192.0.2.2", "client")) == 0


def test_no_number_of_names_fills_the_memory(throttle):
    for number in range(MAX_KEYS + 50):
        throttle.failed((f"address {number}", "client"))
    assert len(throttle._counts) == MAX_KEYS


def test_failures_that_come_slowly_are_forgiven_as_they_come():
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    for _ in range(100 * FREE_FAILURES):
        throttle.failed(("192.0.2.1", "app"))
        now[0] += FORGIVE_ONE_AFTER_S
        assert throttle.check(("192.0.2.1", "app")) == 0
