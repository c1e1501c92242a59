"""Looking at deliveries: newest first, without a walk, with what was answered."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ringlet._archive.storage.migrations import Migrations, migrate
from ringlet._cloud.webhooks.deliveries import MIGRATIONS
from ringlet.archive import Archive

from ..webhook_service import WebhookService, insert_deliveries, outcome

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_deliveries_are_listed_newest_first_filtered_and_in_pages(service: WebhookService) -> None:
    one, two = service.subscribe("https://one.example/"), service.subscribe("https://two.example/")
    service.publish(3)
    claims = [claim for claim in service.claim(1) if claim.to.subscription_id == one.id]
    service.deliveries.finish([outcome(claim) for claim in claims])
    everything = service.delivery_list.page()
    assert [found.id for found in everything] == sorted((found.id for found in everything), reverse=True)
    assert len(everything) == 6
    assert len(service.delivery_list.page(one.client_id)) == 3
    assert len(service.delivery_list.page(one.client_id, two.id)) == 0
    assert [found.id for found in service.delivery_list.page(state="delivered")] == [claims[0].id]
    page = service.delivery_list.page(limit=4)
    assert [*page, *service.delivery_list.page(before=page[-1].id)] == everything


def test_failed_deliveries_are_found_without_scanning_the_others(
    service: WebhookService, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = service.subscribe("https://one.example/").client_id
    for _ in range(20):
        service.subscribe("https://others.example/")
    service.publish()
    insert_deliveries(service, 20, "failed")
    insert_deliveries(service, 1000, "delivered")
    database = service.archive.database
    on_sqlite = database.path.endswith(".db")
    if not on_sqlite:  # where nobody counts rows by himself, as a server does
        database.execute("ANALYZE")
    asked: list[tuple[str, Any]] = []
    for verb in ("all", "execute"):
        run = getattr(database, verb)

        def heard(sql: str, values: Any = (), run: Any = run) -> Any:
            asked.append((sql, values))
            return run(sql, values)

        monkeypatch.setattr(database, verb, heard)
    assert len(service.delivery_list.page(mine, state="failed", limit=7)) == 7
    service.delivery_list.page(mine, state="failed", limit=1)
    service.delivery_list.page(state="failed", limit=7)
    assert service.deliveries.replay_failed(mine) == 20
    monkeypatch.undo()
    looked = [(sql, values) for sql, values in asked if re.match("SELECT d|UPDATE", sql)]
    assert len(looked) == 4
    explain = "EXPLAIN QUERY PLAN" if on_sqlite else "EXPLAIN"
    for sql, values in looked:
        plan = "\n".join(str(row[-1]) for row in database.all(f"{explain} {sql}", values))
        assert "webhook_deliveries_failed" in plan, plan
        assert not re.search("SCAN d|Seq Scan on webhook_deliveries", plan), plan
        assert "client_id = ?" not in sql or "SCAN webhook_deliveries" not in plan, plan


def test_the_headers_of_a_response_are_stored_as_they_were_received(service: WebhookService) -> None:
    service.subscribe("https://one.example/")
    service.publish()
    said = {"server": "nginx", "x-request-id": "\x00\x1b[2J\xff\n<b>", "set-cookie": "a=1"}
    [claimed] = service.claim()
    told = outcome(claimed, 500)
    service.deliveries.finish([replace(told, attempt=replace(told.attempt, response_headers=said))])
    [tried] = service.delivery_list.attempts(claimed.id)
    assert tried.response_headers == said


def test_attempts_stored_without_headers_are_listed_with_none(empty_place: str) -> None:
    with Archive.open(empty_place) as archive:
        migrate(archive.database, Migrations(MIGRATIONS.name, MIGRATIONS.steps[0]))
        archive.database.execute(
            "INSERT INTO webhook_attempts (delivery_id, number, callback_url, timestamp, signature, began_at,"
            " took, status, reason, response) VALUES (1, 1, '', '', '', 0, 0, 200, '', ?)",
            (b"so be it",),
        )
        [tried] = WebhookService(archive).delivery_list.attempts(1)
    assert (tried.response, tried.response_headers) == (b"so be it", {})
