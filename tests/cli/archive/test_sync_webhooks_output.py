"""How keeping up is told: events come in only where a subscription stands."""

from __future__ import annotations

import pytest

from ringlet._cli.archive.sync_progress import Lines
from ringlet._cli.archive.sync_webhooks_output import Output
from ringlet._sync.backfill import BackfillReport
from ringlet._sync.subscriber import SubscriptionReport, SubscriptionStep

NOTHING = BackfillReport(user_name="", types={}, resumed=False)
REFUSED = SubscriptionReport(refused={("sleep", "update"): "nobody answers there"})
MADE = SubscriptionReport(steps=[SubscriptionStep("make", ("sleep", "update"), "an-id")])
KEPT = SubscriptionReport(steps=[SubscriptionStep("keep", ("sleep", "update"), "an-id")])
DOOR = "https://example.org/oura -> 127.0.0.1:8767"
SAID = f"events come in at {DOOR}"


def test_that_events_come_in_is_said_once_a_subscription_stands(capsys: pytest.CaptureFixture[str]) -> None:
    telling = Output(Lines("mine.db", []), DOOR)
    telling.subscribed(REFUSED)
    telling.round(NOTHING, everything=True)
    said = capsys.readouterr().err
    assert "1 subscriptions could not be made" in said
    assert SAID not in said
    assert f"next: ringlet sync --webhooks --public-url URL, with one that leads here: {DOOR}" in said
    telling.subscribed(MADE)
    telling.subscribed(KEPT)
    assert capsys.readouterr().err.count(SAID) == 1


def test_where_subscriptions_stood_from_the_beginning_it_is_said_with_the_first_round(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telling = Output(Lines("mine.db", []), DOOR)
    telling.subscribed(MADE)
    telling.round(NOTHING, everything=True)
    telling.subscribed(KEPT)
    assert capsys.readouterr().err.count(SAID) == 1
