"""Claims, attempts and retries, on both databases."""

from __future__ import annotations

import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._cloud.core.clock import Clock
from ringlet._cloud.webhooks.attempts import MAX_ATTEMPTS_STORED
from ringlet._cloud.webhooks.delivery_records import Claimed
from ringlet._cloud.webhooks.retries import MAX_RETRY_AFTER_S, RETRIES, RETRY_JITTER
from ringlet._cloud.webhooks.sender import Policy
from ringlet._oauth.scopes import SCOPES
from ringlet._webhooks.subscriptions import SUBSCRIPTION_LIFETIME
from ringlet.archive import Archive

from ...timed import below
from ..office import LEASE, Office, backlog, outcome, pass_by, state

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_what_is_claimed_is_nobody_elses(office: Office, other: Office) -> None:
    office.subscribe("https://one.example/")
    office.happen(5)
    first, second = office.claim(3), other.claim(3)
    assert (len(first), len(second)) == (3, 2)
    assert not {one.id for one in first} & {one.id for one in second}
    assert not office.claim()
    assert not office.deliveries.ready()


def test_senders_that_claim_at_once_never_claim_the_same(place: str, office: Office) -> None:
    senders, events = 3, 600
    office.subscribe("https://one.example/")
    office.happen(events)

    def claim_all(_: int) -> list[int]:
        mine: list[int] = []
        with Archive.open(place) as archive:
            one = Office(archive, office.clock)
            while claims := one.claim(10):
                mine += [claimed.id for claimed in claims]
        return mine

    with ThreadPoolExecutor(senders) as pool:
        times = Counter(id for claimed in pool.map(claim_all, range(senders)) for id in claimed)
    assert len(times) == events
    assert set(times.values()) == {1}


def test_a_claim_brings_the_bytes_that_were_logged(office: Office) -> None:
    office.subscribe("https://one.example/?key=1")
    [id] = office.happen()
    [claimed] = office.claim()
    [logged] = office.log.after(0)
    assert claimed.body == logged.body
    assert id.encode() in claimed.body
    assert claimed.to.callback_url == "https://one.example/?key=1"


def test_a_claim_ends_by_itself_and_its_holder_has_no_say_any_more(office: Office, other: Office) -> None:
    office.subscribe("https://one.example/")
    office.happen()
    [lost] = office.claim(lease=timedelta(0))
    [taken] = other.claim()
    office.deliveries.finish([outcome(lost, 500)])
    assert state(office) == {"waiting": 1}
    assert not office.listed.attempts(lost.id)
    other.deliveries.finish([outcome(taken)])
    assert state(office) == {"delivered": 1}


def test_what_is_not_due_is_not_claimed(office: Office) -> None:
    office.subscribe("https://one.example/")
    due = office.clock.ms() + 30_000
    office.happen(due=due)
    assert not office.claim()
    assert office.deliveries.next_due() == due
    assert not office.deliveries.due()
    pass_by(office, timedelta(seconds=30))
    assert office.deliveries.due()
    assert len(office.claim()) == 1
    assert office.deliveries.due(), "it is not through yet"


@pytest.mark.parametrize("status", [200, 201, 204, 299, 301, 302, 399])
def test_a_status_of_2xx_or_3xx_is_a_delivery(office: Office, status: int) -> None:
    office.subscribe("https://one.example/")
    office.happen()
    office.deliveries.finish([outcome(one, status) for one in office.claim()])
    assert state(office) == {"delivered": 1}
    assert office.deliveries.next_due() is None


@pytest.mark.parametrize("status", [None, 101, 400, 401, 404, 409, 429, 500, 503])
def test_anything_else_is_tried_ten_times_more_over_about_an_hour(office: Office, status: int | None) -> None:
    office.subscribe("https://one.example/")
    office.happen()
    began, tries = office.clock.ms(), 0
    while (due := office.deliveries.next_due()) is not None:
        pass_by(office, timedelta(milliseconds=max(0, due - office.clock.ms())))
        [claimed] = office.claim()
        office.deliveries.finish([outcome(claimed, status)])
        tries += 1
    assert tries == 1 + 10
    assert 45 * 60_000 <= office.clock.ms() - began <= 75 * 60_000
    assert state(office) == {"failed": 1}
    [failed] = office.listed.page(state="failed")
    assert [one.number for one in office.listed.attempts(failed.id)] == list(range(1, 12))


def test_the_retries_are_ten_and_take_about_an_hour() -> None:
    assert len(RETRIES) == 10
    assert timedelta(minutes=50) < sum(RETRIES, timedelta()) < timedelta(minutes=70)
    assert sorted(RETRIES) == list(RETRIES)


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        (0, RETRIES[0].total_seconds() * (1 - RETRY_JITTER), RETRIES[0].total_seconds() * (1 + RETRY_JITTER)),
        (1, RETRIES[0].total_seconds() * (1 - RETRY_JITTER), RETRIES[0].total_seconds() * (1 + RETRY_JITTER)),
        (300, 300, 300),
        (10**9, MAX_RETRY_AFTER_S, MAX_RETRY_AFTER_S),
    ],
)
def test_who_asks_to_be_left_alone_is_within_bounds(
    office: Office, asked: float, least: float, most: float
) -> None:
    office.subscribe("https://one.example/")
    office.happen()
    office.deliveries.finish([outcome(one, 429, asked) for one in office.claim()])
    due = office.deliveries.next_due()
    assert due is not None
    assert least * 1000 - 1 <= due - office.clock.ms() <= most * 1000


def test_gone_ends_the_subscription_and_all_that_waits_for_it_and_nothing_else(office: Office) -> None:
    gone = office.subscribe("https://gone.example/")
    office.subscribe("https://one.example/")
    office.happen(10)
    claims = [one for one in office.claim(3) if one.to.subscription_id == gone.id]
    office.deliveries.finish([outcome(claims[0], 410), outcome(claims[1], 200), outcome(claims[2], None)])
    [ended] = office.subscriptions.of(gone.client_id, ended=True)
    assert ended.ended_by == "gone"
    found = [one.state for one in office.listed.page(subscription_id=gone.id)]
    assert sorted(found) == ["delivered", "failed"], "what was tried stays to be seen"
    assert [one.callback_url for one in office.deliveries.ready()] == ["https://one.example/"]
    assert office.happen(1)
    assert len(office.listed.page(subscription_id=gone.id)) == 2


def test_who_holds_a_claim_of_what_is_gone_has_no_say(office: Office, other: Office) -> None:
    office.subscribe("https://gone.example/")
    office.happen(2)
    [first], [second] = office.claim(1), other.claim(1)
    office.deliveries.finish([outcome(first, 410)])
    other.deliveries.finish([outcome(second, 500)])
    assert state(office) == {"failed": 1}
    assert not other.listed.attempts(second.id)
    assert not other.claim()


def test_a_callback_that_was_left_for_another_ends_nothing(office: Office) -> None:
    one = office.subscribe("https://old.example/")
    office.happen(2)
    [first, _] = office.claim()
    office.subscriptions.change(one.client_id, one.id, callback_url="https://new.example/")
    office.deliveries.finish([outcome(first, 410)])
    assert state(office) == {"waiting": 2}
    pass_by(office, timedelta(hours=1))
    assert {claimed.to.callback_url for claimed in office.claim()} == {"https://new.example/"}


def test_a_claim_that_ran_out_ends_nothing(office: Office, other: Office) -> None:
    office.subscribe("https://one.example/")
    office.happen(2)
    stale, _ = office.claim(lease=timedelta(0))
    fresh = other.claim()
    office.deliveries.finish([outcome(stale, 410)])
    other.deliveries.finish([outcome(one) for one in fresh])
    assert state(office) == {"delivered": 2}


def test_nothing_is_delivered_to_a_subscription_that_has_expired(office: Office) -> None:
    office.subscribe("https://one.example/")
    office.happen()
    pass_by(office, SUBSCRIPTION_LIFETIME)
    assert not office.deliveries.ready()
    assert office.deliveries.next_due() is None


def test_saying_the_same_twice_changes_nothing(office: Office) -> None:
    office.subscribe("https://one.example/")
    office.happen()
    [claimed] = office.claim()
    office.deliveries.finish([outcome(claimed, 500)])
    before = office.listed.get(claimed.id)
    office.deliveries.finish([outcome(claimed, 500)])
    assert office.listed.get(claimed.id) == before
    assert len(office.listed.attempts(claimed.id)) == 1


def test_what_is_given_back_can_be_claimed_at_once_and_counts_as_no_attempt(office: Office) -> None:
    office.subscribe("https://one.example/")
    office.happen()
    claims = office.claim()
    office.deliveries.release(claims)
    [again] = office.claim()
    assert (again.id, again.attempts) == (claims[0].id, 0)
    office.deliveries.finish([outcome(claims[0])])
    assert state(office) == {"waiting": 1}, "whoever gave it back has no say"


def test_a_subscription_that_ended_since_it_was_ready_is_not_claimed_for(
    office: Office, other: Office
) -> None:
    one = office.subscribe("https://one.example/")
    office.happen()
    ready = office.deliveries.ready()
    other.deliveries.unsubscribe(one.client_id, one.id)
    # As somebody would have left it who saw the subscription before it ended, and committed after.
    other.archive.database.execute(
        "INSERT INTO webhook_deliveries"
        " (event_seq, subscription_id, due_at, state, attempts, fence, leased_until)"
        " VALUES (1, ?, 0, 'waiting', 0, 0, 0)",
        (one.id,),
    )
    assert not office.deliveries.claim([(which, 9) for which in ready], LEASE)
    assert not office.deliveries.ready()


def test_a_callback_that_was_changed_since_it_was_ready_is_not_claimed_for(
    office: Office, other: Office
) -> None:
    one = office.subscribe("https://old.example/")
    office.happen()
    ready = office.deliveries.ready()
    other.subscriptions.change(one.client_id, one.id, callback_url="https://new.example/")
    assert not office.deliveries.claim([(which, 9) for which in ready], LEASE)
    assert [claimed.to.callback_url for claimed in office.claim()] == ["https://new.example/"]


def test_what_is_about_a_wearer_who_disconnected_is_written_off_until_it_is_replayed(office: Office) -> None:
    one = office.subscribe("https://one.example/")
    office.happen()
    assert office.grants.disconnect(office.user, one.client_id)
    [claimed] = office.claim()
    assert not claimed.connected
    office.deliveries.finish([outcome(claimed, None)])
    assert state(office) == {"failed": 1}
    office.grants.issue(one.client_id, office.user, SCOPES)
    assert office.deliveries.replay_one(claimed.id)
    [again] = office.claim()
    assert again.connected


def test_of_what_is_replayed_without_end_the_last_attempts_are_kept(office: Office) -> None:
    office.subscribe("https://one.example/")
    office.happen()
    for _ in range(MAX_ATTEMPTS_STORED + 7):
        [claimed] = office.claim()
        office.deliveries.finish([outcome(claimed)])
        office.deliveries.replay_one(claimed.id)
    [shown] = office.listed.page()
    numbers = [one.number for one in office.listed.attempts(shown.id)]
    assert numbers == list(range(8, MAX_ATTEMPTS_STORED + 8))


def test_a_lost_claim_or_outcome_is_undone_with_its_transaction(office: Office) -> None:
    office.subscribe("https://one.example/")
    office.happen(2)

    def half() -> None:
        with office.archive.transaction():
            office.claim()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert len(office.claim()) == 2


STEPS = st.sampled_from(["happen", "claim", "claim and be killed", "finish", "release", "wait", "replay"])
STATUSES = st.sampled_from([200, 302, 404, 500, None])


@given(st.lists(st.tuples(STEPS, STATUSES, st.integers(1, 4)), max_size=40))
def test_whatever_happens_to_senders_every_event_comes_to_an_end(
    steps: list[tuple[str, int | None, int]],
) -> None:
    with Archive.open(":memory:") as archive:
        office = Office(archive, Clock(NOW))
        office.subscribe("https://one.example/")
        deliveries, held = office.deliveries, list[Claimed]()
        for step, status, most in steps:
            if step == "happen":
                office.happen(most)
            elif step.startswith("claim"):
                killed = step != "claim"
                claims = office.claim(most, timedelta(0) if killed else LEASE)
                assert not {one.id for one in claims} & {one.id for one in held}
                held += [] if killed else claims
            elif step == "finish":
                deliveries.finish([outcome(one, status) for one in held[:most]])
                held = held[most:]
            elif step == "release":
                deliveries.release(held[:most])
                held = held[most:]
            elif step == "wait":
                pass_by(office, timedelta(minutes=most))
            else:
                deliveries.replay_failed(None)
            for one in office.listed.page():
                assert (one.due_at is None) is (one.state != "waiting")
                assert one.attempts <= 1 + len(RETRIES)
        deliveries.release(held)
        while (due := deliveries.next_due()) is not None:
            pass_by(office, timedelta(milliseconds=max(0, due - office.clock.ms())))
            deliveries.finish([outcome(one) for one in office.claim()])
        assert {one.state for one in office.listed.page()} <= {"delivered", "failed"}
        assert len(office.listed.page(limit=1000)) == len(office.log.after(0, 1000))


@pytest.mark.slow
def test_a_turn_takes_no_longer_when_a_hundred_thousand_wait(office: Office) -> None:
    office.subscribe("https://one.example/")
    office.happen(100)

    def turn() -> float:
        began = time.perf_counter()
        office.deliveries.finish([outcome(one, 500) for one in office.claim(16)])
        assert office.deliveries.due()
        return time.perf_counter() - began

    few = min(turn() for _ in range(4))
    backlog(office, 100_000)
    turn()  # the first one brings the plans up to date
    many = min(turn() for _ in range(6))
    assert below(many, 3 * few + 0.005)


def test_a_backlog_is_not_walked_through_to_find_what_is_due(tmp_path: Path) -> None:
    statements: list[str] = []
    with Archive.open(tmp_path / "cloud.db") as archive:
        office = Office(archive, Clock(NOW))
        connection = archive.database._connection  # type: ignore[attr-defined]
        office.subscribe("https://one.example/")
        office.happen()
        connection.set_trace_callback(statements.append)
        office.claim()
        office.deliveries.next_due()
        connection.set_trace_callback(None)
        looked = [one for one in statements if re.match("SELECT|UPDATE", one)]
        assert len(looked) >= 3
        for statement in looked:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            assert not [step for step in plan if re.match("SCAN (d|webhook_deliveries)|.*TEMP B-TREE", step)]


# --- A clock that is set back ---


@pytest.mark.parametrize("by", [timedelta(hours=3), timedelta(days=365)])
def test_what_a_killed_sender_held_is_free_though_the_machines_clock_was_set_back(
    office: Office, monkeypatch: pytest.MonkeyPatch, by: timedelta
) -> None:
    office.subscribe("https://one.example/")
    office.happen()
    [lost] = office.claim()
    set_back(monkeypatch, by)
    [taken] = office.claim()
    assert (taken.id, taken.fence) == (lost.id, lost.fence + 1)
    assert not office.claim(), "a lease by the new time holds"


def test_a_small_correction_of_the_clock_ends_no_lease(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.subscribe("https://one.example/")
    office.happen()
    assert office.claim(lease=Policy().lease)
    set_back(monkeypatch, timedelta(seconds=30))
    assert not office.deliveries.ready()


def test_no_lease_holds_for_longer_than_a_clock_is_trusted(office: Office, other: Office) -> None:
    office.subscribe("https://one.example/")
    office.happen()
    assert office.claim(lease=timedelta(days=1))
    assert not other.claim()


def set_back(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """This machine's clock, from now on."""
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() - by // timedelta(microseconds=1) * 1000)
