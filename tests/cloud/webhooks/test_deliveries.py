"""Claims, attempts, retries and replays of deliveries, on both databases."""

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
from ..webhook_service import (
    LEASE_DURATION,
    WebhookService,
    advance_clock,
    delivery_states,
    insert_deliveries,
    outcome,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_two_senders_never_claim_the_same_delivery(
    service: WebhookService, other_service: WebhookService
) -> None:
    service.subscribe("https://one.example/")
    service.publish(5)
    first, second = service.claim(3), other_service.claim(3)
    assert (len(first), len(second)) == (3, 2)
    assert not {one.id for one in first} & {one.id for one in second}
    assert not service.claim()
    assert not service.deliveries.ready()


def test_concurrent_claims_never_return_the_same_delivery(place: str, service: WebhookService) -> None:
    senders, events = 3, 600
    service.subscribe("https://one.example/")
    service.publish(events)

    def claim_all(_: int) -> list[int]:
        mine: list[int] = []
        with Archive.open(place) as archive:
            one = WebhookService(archive, service.clock)
            while claims := one.claim(10):
                mine += [claimed.id for claimed in claims]
        return mine

    with ThreadPoolExecutor(senders) as pool:
        times = Counter(id for claimed in pool.map(claim_all, range(senders)) for id in claimed)
    assert len(times) == events
    assert set(times.values()) == {1}


def test_a_claim_returns_the_body_bytes_of_the_event_log(service: WebhookService) -> None:
    service.subscribe("https://one.example/?key=1")
    [id] = service.publish()
    [claimed] = service.claim()
    [logged] = service.event_log.after(0)
    assert claimed.body == logged.body
    assert id.encode() in claimed.body
    assert claimed.to.callback_url == "https://one.example/?key=1"


def test_the_outcome_of_an_expired_claim_is_ignored(
    service: WebhookService, other_service: WebhookService
) -> None:
    service.subscribe("https://one.example/")
    service.publish()
    [lost] = service.claim(lease=timedelta(0))
    [taken] = other_service.claim()
    service.deliveries.finish([outcome(lost, 500)])
    assert delivery_states(service) == {"waiting": 1}
    assert not service.delivery_list.attempts(lost.id)
    other_service.deliveries.finish([outcome(taken)])
    assert delivery_states(service) == {"delivered": 1}


def test_a_delivery_is_not_claimed_before_it_is_due(service: WebhookService) -> None:
    service.subscribe("https://one.example/")
    due = service.clock.ms() + 30_000
    service.publish(due=due)
    assert not service.claim()
    assert service.deliveries.next_due() == due
    assert not service.deliveries.due()
    advance_clock(service, timedelta(seconds=30))
    assert service.deliveries.due()
    assert len(service.claim()) == 1
    assert service.deliveries.due(), "it is not through yet"


@pytest.mark.parametrize("status", [200, 201, 204, 299, 301, 302, 399])
def test_a_status_of_2xx_or_3xx_ends_a_delivery_as_delivered(service: WebhookService, status: int) -> None:
    service.subscribe("https://one.example/")
    service.publish()
    service.deliveries.finish([outcome(one, status) for one in service.claim()])
    assert delivery_states(service) == {"delivered": 1}
    assert service.deliveries.next_due() is None


@pytest.mark.parametrize("status", [None, 101, 400, 401, 404, 409, 429, 500, 503])
def test_every_other_outcome_is_retried_ten_times_over_about_an_hour(
    service: WebhookService, status: int | None
) -> None:
    service.subscribe("https://one.example/")
    service.publish()
    began, tries = service.clock.ms(), 0
    while (due := service.deliveries.next_due()) is not None:
        advance_clock(service, timedelta(milliseconds=max(0, due - service.clock.ms())))
        [claimed] = service.claim()
        service.deliveries.finish([outcome(claimed, status)])
        tries += 1
    assert tries == 1 + 10
    assert 45 * 60_000 <= service.clock.ms() - began <= 75 * 60_000
    assert delivery_states(service) == {"failed": 1}
    [failed] = service.delivery_list.page(state="failed")
    assert [one.number for one in service.delivery_list.attempts(failed.id)] == list(range(1, 12))


def test_ten_retries_take_about_an_hour() -> None:
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
def test_retry_after_delays_the_next_attempt_up_to_a_limit(
    service: WebhookService, asked: float, least: float, most: float
) -> None:
    service.subscribe("https://one.example/")
    service.publish()
    service.deliveries.finish([outcome(one, 429, asked) for one in service.claim()])
    due = service.deliveries.next_due()
    assert due is not None
    assert least * 1000 - 1 <= due - service.clock.ms() <= most * 1000


def test_a_410_ends_the_subscription_and_only_its_own_deliveries(
    service: WebhookService,
) -> None:
    gone = service.subscribe("https://gone.example/")
    service.subscribe("https://one.example/")
    service.publish(10)
    claims = [one for one in service.claim(3) if one.to.subscription_id == gone.id]
    service.deliveries.finish([outcome(claims[0], 410), outcome(claims[1], 200), outcome(claims[2], None)])
    [ended] = service.subscriptions.of(gone.client_id, ended=True)
    assert ended.ended_by == "gone"
    found = [one.state for one in service.delivery_list.page(subscription_id=gone.id)]
    assert sorted(found) == ["delivered", "failed"], "what was tried stays to be seen"
    assert [one.callback_url for one in service.deliveries.ready()] == ["https://one.example/"]
    assert service.publish(1)
    assert len(service.delivery_list.page(subscription_id=gone.id)) == 2


def test_the_outcome_of_a_claim_is_ignored_once_a_410_ended_its_subscription(
    service: WebhookService, other_service: WebhookService
) -> None:
    service.subscribe("https://gone.example/")
    service.publish(2)
    [first], [second] = service.claim(1), other_service.claim(1)
    service.deliveries.finish([outcome(first, 410)])
    other_service.deliveries.finish([outcome(second, 500)])
    assert delivery_states(service) == {"failed": 1}
    assert not other_service.delivery_list.attempts(second.id)
    assert not other_service.claim()


def test_a_410_from_a_replaced_callback_url_does_not_end_the_subscription(service: WebhookService) -> None:
    one = service.subscribe("https://old.example/")
    service.publish(2)
    [first, _] = service.claim()
    service.subscriptions.change(one.client_id, one.id, callback_url="https://new.example/")
    service.deliveries.finish([outcome(first, 410)])
    assert delivery_states(service) == {"waiting": 2}
    advance_clock(service, timedelta(hours=1))
    assert {claimed.to.callback_url for claimed in service.claim()} == {"https://new.example/"}


def test_a_410_reported_for_an_expired_claim_does_not_end_the_subscription(
    service: WebhookService, other_service: WebhookService
) -> None:
    service.subscribe("https://one.example/")
    service.publish(2)
    stale, _ = service.claim(lease=timedelta(0))
    fresh = other_service.claim()
    service.deliveries.finish([outcome(stale, 410)])
    other_service.deliveries.finish([outcome(one) for one in fresh])
    assert delivery_states(service) == {"delivered": 2}


def test_nothing_is_delivered_to_a_subscription_that_has_expired(service: WebhookService) -> None:
    service.subscribe("https://one.example/")
    service.publish()
    advance_clock(service, SUBSCRIPTION_LIFETIME)
    assert not service.deliveries.ready()
    assert service.deliveries.next_due() is None


def test_reporting_an_outcome_twice_changes_nothing(service: WebhookService) -> None:
    service.subscribe("https://one.example/")
    service.publish()
    [claimed] = service.claim()
    service.deliveries.finish([outcome(claimed, 500)])
    before = service.delivery_list.get(claimed.id)
    service.deliveries.finish([outcome(claimed, 500)])
    assert service.delivery_list.get(claimed.id) == before
    assert len(service.delivery_list.attempts(claimed.id)) == 1


def test_a_released_claim_can_be_claimed_at_once_and_counts_as_no_attempt(service: WebhookService) -> None:
    service.subscribe("https://one.example/")
    service.publish()
    claims = service.claim()
    service.deliveries.release(claims)
    [again] = service.claim()
    assert (again.id, again.attempts) == (claims[0].id, 0)
    service.deliveries.finish([outcome(claims[0])])
    assert delivery_states(service) == {"waiting": 1}, "whoever gave it back has no say"


def test_no_delivery_is_claimed_for_a_subscription_that_has_just_ended(
    service: WebhookService, other_service: WebhookService
) -> None:
    one = service.subscribe("https://one.example/")
    service.publish()
    ready = service.deliveries.ready()
    other_service.deliveries.unsubscribe(one.client_id, one.id)
    # As somebody would have left it who saw the subscription before it ended, and committed after.
    other_service.archive.database.execute(
        "INSERT INTO webhook_deliveries"
        " (event_seq, subscription_id, due_at, state, attempts, fence, leased_until)"
        " VALUES (1, ?, 0, 'waiting', 0, 0, 0)",
        (one.id,),
    )
    assert not service.deliveries.claim([(which, 9) for which in ready], LEASE_DURATION)
    assert not service.deliveries.ready()


def test_no_delivery_is_claimed_for_a_callback_url_that_was_just_changed(
    service: WebhookService, other_service: WebhookService
) -> None:
    one = service.subscribe("https://old.example/")
    service.publish()
    ready = service.deliveries.ready()
    other_service.subscriptions.change(one.client_id, one.id, callback_url="https://new.example/")
    assert not service.deliveries.claim([(which, 9) for which in ready], LEASE_DURATION)
    assert [claimed.to.callback_url for claimed in service.claim()] == ["https://new.example/"]


def test_deliveries_about_a_disconnected_wearer_fail_until_they_are_replayed(
    service: WebhookService,
) -> None:
    one = service.subscribe("https://one.example/")
    service.publish()
    assert service.grants.disconnect(service.user, one.client_id)
    [claimed] = service.claim()
    assert not claimed.connected
    service.deliveries.finish([outcome(claimed, None)])
    assert delivery_states(service) == {"failed": 1}
    service.grants.issue(one.client_id, service.user, SCOPES)
    assert service.deliveries.replay_one(claimed.id)
    [again] = service.claim()
    assert again.connected


def test_only_the_last_attempts_of_a_delivery_are_stored(service: WebhookService) -> None:
    service.subscribe("https://one.example/")
    service.publish()
    for _ in range(MAX_ATTEMPTS_STORED + 7):
        [claimed] = service.claim()
        service.deliveries.finish([outcome(claimed)])
        service.deliveries.replay_one(claimed.id)
    [shown] = service.delivery_list.page()
    numbers = [one.number for one in service.delivery_list.attempts(shown.id)]
    assert numbers == list(range(8, MAX_ATTEMPTS_STORED + 8))


def test_a_claim_and_an_outcome_are_rolled_back_with_their_transaction(service: WebhookService) -> None:
    service.subscribe("https://one.example/")
    service.publish(2)

    def half() -> None:
        with service.archive.transaction():
            service.claim()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert len(service.claim()) == 2


STEPS = st.sampled_from(["publish", "claim", "claim and be killed", "finish", "release", "wait", "replay"])
STATUSES = st.sampled_from([200, 302, 404, 500, None])


@given(st.lists(st.tuples(STEPS, STATUSES, st.integers(1, 4)), max_size=40))
def test_every_delivery_ends_whatever_happens_to_its_senders(
    steps: list[tuple[str, int | None, int]],
) -> None:
    with Archive.open(":memory:") as archive:
        service = WebhookService(archive, Clock(NOW))
        service.subscribe("https://one.example/")
        deliveries, held = service.deliveries, list[Claimed]()
        for step, status, most in steps:
            if step == "publish":
                service.publish(most)
            elif step.startswith("claim"):
                killed = step != "claim"
                claims = service.claim(most, timedelta(0) if killed else LEASE_DURATION)
                assert not {one.id for one in claims} & {one.id for one in held}
                held += [] if killed else claims
            elif step == "finish":
                deliveries.finish([outcome(one, status) for one in held[:most]])
                held = held[most:]
            elif step == "release":
                deliveries.release(held[:most])
                held = held[most:]
            elif step == "wait":
                advance_clock(service, timedelta(minutes=most))
            else:
                deliveries.replay_failed(None)
            for one in service.delivery_list.page():
                assert (one.due_at is None) is (one.state != "waiting")
                assert one.attempts <= 1 + len(RETRIES)
        deliveries.release(held)
        while (due := deliveries.next_due()) is not None:
            advance_clock(service, timedelta(milliseconds=max(0, due - service.clock.ms())))
            deliveries.finish([outcome(one) for one in service.claim()])
        assert {one.state for one in service.delivery_list.page()} <= {"delivered", "failed"}
        assert len(service.delivery_list.page(limit=1000)) == len(service.event_log.after(0, 1000))


@pytest.mark.slow
def test_claiming_takes_no_longer_when_a_hundred_thousand_deliveries_wait(service: WebhookService) -> None:
    service.subscribe("https://one.example/")
    service.publish(100)

    def turn() -> float:
        began = time.perf_counter()
        service.deliveries.finish([outcome(one, 500) for one in service.claim(16)])
        assert service.deliveries.due()
        return time.perf_counter() - began

    few = min(turn() for _ in range(4))
    insert_deliveries(service, 100_000)
    turn()  # the first one brings the plans up to date
    many = min(turn() for _ in range(6))
    assert below(many, 3 * few + 0.005)


def test_due_deliveries_are_found_without_scanning_the_backlog(tmp_path: Path) -> None:
    statements: list[str] = []
    with Archive.open(tmp_path / "cloud.db") as archive:
        service = WebhookService(archive, Clock(NOW))
        connection = archive.database._connection  # type: ignore[attr-defined]
        service.subscribe("https://one.example/")
        service.publish()
        connection.set_trace_callback(statements.append)
        service.claim()
        service.deliveries.next_due()
        connection.set_trace_callback(None)
        looked = [one for one in statements if re.match("SELECT|UPDATE", one)]
        assert len(looked) >= 3
        for statement in looked:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            assert not [step for step in plan if re.match("SCAN (d|webhook_deliveries)|.*TEMP B-TREE", step)]


# --- A clock that is set back ---


@pytest.mark.parametrize("by", [timedelta(hours=3), timedelta(days=365)])
def test_a_killed_senders_claims_expire_although_the_system_clock_was_set_back(
    service: WebhookService, monkeypatch: pytest.MonkeyPatch, by: timedelta
) -> None:
    service.subscribe("https://one.example/")
    service.publish()
    [lost] = service.claim()
    set_back(monkeypatch, by)
    [taken] = service.claim()
    assert (taken.id, taken.fence) == (lost.id, lost.fence + 1)
    assert not service.claim(), "a lease by the new time holds"


def test_a_small_correction_of_the_system_clock_ends_no_lease(
    service: WebhookService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.subscribe("https://one.example/")
    service.publish()
    assert service.claim(lease=Policy().lease)
    set_back(monkeypatch, timedelta(seconds=30))
    assert not service.deliveries.ready()


def test_a_lease_never_outlasts_the_time_for_which_a_clock_is_trusted(
    service: WebhookService, other_service: WebhookService
) -> None:
    service.subscribe("https://one.example/")
    service.publish()
    assert service.claim(lease=timedelta(days=1))
    assert not other_service.claim()


def set_back(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """This machine's clock, from now on."""
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() - by // timedelta(microseconds=1) * 1000)


# --- Replays ---


def test_a_replay_gets_all_retries_and_its_attempt_numbers_continue(service: WebhookService) -> None:
    service.subscribe("https://one.example/")
    service.publish()
    [first] = service.claim()
    service.deliveries.finish([outcome(first)])
    assert service.deliveries.replay_one(first.id)
    [again] = service.claim()
    assert again.attempts == 0
    service.deliveries.finish([outcome(again, 500)])
    tried = service.delivery_list.attempts(first.id)
    assert [(one.number, one.status) for one in tried] == [(1, 200), (2, 500)]
    assert tried[0].response == b"so be it"


def test_replaying_a_claimed_delivery_does_not_send_it_twice_at_once(
    service: WebhookService, other_service: WebhookService
) -> None:
    service.subscribe("https://one.example/")
    service.publish()
    [claimed] = service.claim()
    assert other_service.deliveries.replay_one(claimed.id)
    assert not other_service.claim()


def test_a_replay_during_the_last_attempt_starts_all_retries_again(service: WebhookService) -> None:
    service.subscribe("https://one.example/")
    service.publish()
    for _ in RETRIES:
        [claimed] = service.claim()
        service.deliveries.finish([outcome(claimed, 500)])
        advance_clock(service, timedelta(hours=1))
    [last] = service.claim()
    assert service.deliveries.replay_one(last.id)
    service.deliveries.finish([outcome(last, 500)])
    assert delivery_states(service) == {"waiting": 1}
    [shown] = service.delivery_list.page()
    assert shown.attempts == 1


def test_a_time_range_selects_the_events_to_replay(service: WebhookService) -> None:
    service.subscribe("https://one.example/")
    start = service.clock.ms()
    for _ in range(4):
        service.publish()
        advance_clock(service, timedelta(hours=1))
    service.deliveries.finish([outcome(one) for one in service.claim()])
    assert service.deliveries.replay_range(None, start + 3_600_000, start + 2 * 3_600_000) == 2
    assert delivery_states(service) == {"waiting": 2, "delivered": 2}


def test_all_failed_deliveries_of_one_or_every_application_can_be_replayed(service: WebhookService) -> None:
    clients = [service.subscribe(f"https://{name}.example/").client_id for name in ("one", "two")]
    service.publish(3)
    service.deliveries.retries = ()
    service.deliveries.finish([outcome(one, 500) for one in service.claim()])
    assert delivery_states(service) == {"failed": 6}
    assert service.deliveries.replay_failed(clients[0]) == 3
    assert service.deliveries.replay_failed(None) == 3
    assert service.deliveries.replay_failed(None) == 0


def test_nothing_is_replayed_to_an_ended_subscription(service: WebhookService) -> None:
    one = service.subscribe("https://one.example/")
    service.publish()
    claims = service.claim()
    service.deliveries.finish([outcome(claim) for claim in claims])
    service.deliveries.unsubscribe(one.client_id, one.id)
    assert not service.deliveries.replay_one(claims[0].id)
    assert not service.deliveries.replay_one(10**9)
