"""Guessing: the first failures cost nothing, then each costs twice the wait of the one before."""

import pytest

from ringlet._cloud.core.throttle import FORGIVEN, FREE, KEYS, LONGEST, Guesses

KEY = ("192.0.2.1", "client")


class Watch:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def guesses(watch):
    return Guesses(watch)


def test_each_failure_too_many_doubles_the_wait_up_to_the_longest(guesses, watch):
    waits = []
    for _ in range(FREE + 12):
        waits.append(guesses.check(KEY))
        watch.now += waits[-1]
        guesses.failed(KEY)
    assert waits[:FREE] == [0] * FREE
    assert waits[FREE : FREE + 4] == [1, 2, 4, 8]
    assert waits[-1] == LONGEST


def test_a_thousand_guesses_in_a_minute_get_a_few_answers(guesses, watch):
    answered = 0
    for _ in range(1000):
        watch.now += 0.06
        if not guesses.check(KEY):
            answered += 1
            guesses.failed(KEY)
    assert FREE < answered < FREE + 10


def test_an_address_that_tries_many_names_waits_as_well(guesses):
    answered = 0
    for number in range(1000):
        key = ("192.0.2.1", f"client {number}")
        if not guesses.check(key):
            answered += 1
            guesses.failed(key)
    assert answered <= 10 * FREE + 1
    assert guesses.check(("192.0.2.2", "client")) == 0, "another address does not wait for it"


def test_success_costs_nothing_and_clears_the_slate(guesses):
    for _ in range(FREE - 1):
        guesses.failed(KEY)
    guesses.passed(KEY)
    for _ in range(FREE - 1):
        guesses.failed(KEY)
        assert guesses.check(KEY) == 0


def test_quiet_clears_it_too(guesses, watch):
    for _ in range(FREE + 5):
        guesses.failed(KEY)
    watch.now += 3 * LONGEST
    guesses.failed(KEY)
    assert guesses.check(KEY) == 0


def test_who_holds_a_whole_ipv6_network_waits_as_one(guesses):
    for number in range(FREE + 1):
        guesses.failed((f"2001:db8:1:2::{number:x}", "client"))
    assert guesses.check(("2001:db8:1:2:ffff::1", "client")) > 0
    assert guesses.check(("2001:db8:1:3::1", "client")) == 0
    guesses.passed(("2001:db8:1:2::1", "client"))
    assert guesses.check(("2001:db8:1:2:ffff::1", "client")) == 0


def test_ipv4_on_a_socket_for_both_is_told_apart(guesses):
    for _ in range(FREE + 1):
        guesses.failed(("::ffff:192.0.2.1", "client"))
    assert guesses.check(("192.0.2.1", "client")) > 0
    assert guesses.check(("::ffff:192.0.2.2", "client")) == 0


def test_no_number_of_names_fills_the_memory(guesses):
    for number in range(KEYS + 50):
        guesses.failed((f"address {number}", "client"))
    assert len(guesses._slates) == KEYS


def test_failures_that_come_slowly_are_forgiven_as_they_come():
    now = [0.0]
    guesses = Guesses(lambda: now[0])
    for _ in range(100 * FREE):
        guesses.failed(("192.0.2.1", "app"))
        now[0] += FORGIVEN
        assert guesses.check(("192.0.2.1", "app")) == 0
