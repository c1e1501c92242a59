"""What is sent again: at once, with all its retries, and never twice at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ringlet._cloud.webhooks.retries import RETRIES

from ..office import Office, outcome, pass_by, state

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_replay_begins_anew_and_its_attempts_are_counted_on(office: Office) -> None:
    office.subscribe("https://one.example/")
    office.happen()
    [first] = office.claim()
    office.deliveries.finish([outcome(first)])
    assert office.deliveries.replay_one(first.id)
    [again] = office.claim()
    assert again.attempts == 0
    office.deliveries.finish([outcome(again, 500)])
    tried = office.listed.attempts(first.id)
    assert [(one.number, one.status) for one in tried] == [(1, 200), (2, 500)]
    assert tried[0].response == b"so be it"


def test_a_replay_of_what_is_under_way_does_not_send_it_twice_at_once(office: Office, other: Office) -> None:
    office.subscribe("https://one.example/")
    office.happen()
    [claimed] = office.claim()
    assert other.deliveries.replay_one(claimed.id)
    assert not other.claim()


def test_a_replay_during_the_last_try_begins_anew(office: Office) -> None:
    office.subscribe("https://one.example/")
    office.happen()
    for _ in RETRIES:
        [claimed] = office.claim()
        office.deliveries.finish([outcome(claimed, 500)])
        pass_by(office, timedelta(hours=1))
    [last] = office.claim()
    assert office.deliveries.replay_one(last.id)
    office.deliveries.finish([outcome(last, 500)])
    assert state(office) == {"waiting": 1}
    [shown] = office.listed.page()
    assert shown.attempts == 1


def test_a_range_is_replayed_by_when_things_happened(office: Office) -> None:
    office.subscribe("https://one.example/")
    start = office.clock.ms()
    for _ in range(4):
        office.happen()
        pass_by(office, timedelta(hours=1))
    office.deliveries.finish([outcome(one) for one in office.claim()])
    assert office.deliveries.replay_range(None, start + 3_600_000, start + 2 * 3_600_000) == 2
    assert state(office) == {"waiting": 2, "delivered": 2}


def test_all_that_failed_is_replayed_of_one_application_or_of_all(office: Office) -> None:
    clients = [office.subscribe(f"https://{name}.example/").client_id for name in ("one", "two")]
    office.happen(3)
    office.deliveries.retries = ()
    office.deliveries.finish([outcome(one, 500) for one in office.claim()])
    assert state(office) == {"failed": 6}
    assert office.deliveries.replay_failed(clients[0]) == 3
    assert office.deliveries.replay_failed(None) == 3
    assert office.deliveries.replay_failed(None) == 0


def test_nothing_is_replayed_to_a_subscription_that_has_ended(office: Office) -> None:
    one = office.subscribe("https://one.example/")
    office.happen()
    claims = office.claim()
    office.deliveries.finish([outcome(claim) for claim in claims])
    office.deliveries.unsubscribe(one.client_id, one.id)
    assert not office.deliveries.replay_one(claims[0].id)
    assert not office.deliveries.replay_one(10**9)
