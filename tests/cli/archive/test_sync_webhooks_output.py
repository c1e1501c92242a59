"""`sync --webhooks` prints that events arrive once at least one subscription exists, and only once."""

from __future__ import annotations

import pytest

from ringlet._cli.archive.sync_progress import Lines
from ringlet._cli.archive.sync_webhooks_output import Output
from ringlet._sync.backfill import BackfillReport
from ringlet._sync.subscriber import SubscriptionReport, SubscriptionStep

EMPTY_REPORT = BackfillReport(user_name="", types={}, resumed=False)
ONE_REFUSED = SubscriptionReport(refused={("sleep", "update"): "nobody answers there"})
ONE_CREATED = SubscriptionReport(steps=[SubscriptionStep("make", ("sleep", "update"), "an-id")])
ONE_KEPT = SubscriptionReport(steps=[SubscriptionStep("keep", ("sleep", "update"), "an-id")])
CALLBACK_ADDRESS = "https://example.org/oura -> 127.0.0.1:8767"
EVENTS_ARRIVE = f"events come in at {CALLBACK_ADDRESS}"


def test_it_prints_once_that_events_arrive_when_a_subscription_exists(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = Output(Lines("mine.db", []), CALLBACK_ADDRESS)
    output.subscribed(ONE_REFUSED)
    output.round(EMPTY_REPORT, everything=True)
    printed = capsys.readouterr().err
    assert "1 subscriptions could not be made" in printed
    assert EVENTS_ARRIVE not in printed
    assert (
        f"next: ringlet sync --webhooks --public-url URL, with one that leads here: {CALLBACK_ADDRESS}"
        in printed
    )
    output.subscribed(ONE_CREATED)
    output.subscribed(ONE_KEPT)
    assert capsys.readouterr().err.count(EVENTS_ARRIVE) == 1


def test_it_prints_that_events_arrive_with_the_first_round_if_subscriptions_existed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = Output(Lines("mine.db", []), CALLBACK_ADDRESS)
    output.subscribed(ONE_CREATED)
    output.round(EMPTY_REPORT, everything=True)
    output.subscribed(ONE_KEPT)
    assert capsys.readouterr().err.count(EVENTS_ARRIVE) == 1
