"""The table of subscriptions: how they live and end, and what goes with them. On both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ringlet._cloud.webhooks.subscriptions import ENDED_LISTED
from ringlet._webhooks.subscriptions import SUBSCRIPTION_LIFETIME
from ringlet.errors import BadRequest, DocumentNotFound

from ..webhook_service import WebhookService, outcome

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "https://one.example/"


def rows(service: WebhookService) -> dict[str, int]:
    """How many rows each table about deliveries has."""
    tables = "webhook_subscriptions", "webhook_deliveries", "webhook_attempts"
    counted = {name: service.archive.database.one(f"SELECT count(*) FROM {name}") for name in tables}
    return {name.removeprefix("webhook_"): row[0] for name, row in counted.items() if row}


def test_a_subscription_lasts_ninety_days_and_ninety_more_once_renewed(service: WebhookService) -> None:
    one = service.subscribe(URL)
    service.clock.advance(SUBSCRIPTION_LIFETIME - timedelta(milliseconds=1))
    assert service.subscriptions.get(one.client_id, one.id) == one
    renewed = service.subscriptions.renew(one.client_id, one.id)
    service.clock.advance(SUBSCRIPTION_LIFETIME - timedelta(milliseconds=1))
    assert service.subscriptions.of(one.client_id) == [renewed]
    service.clock.advance(timedelta(milliseconds=1))
    assert service.subscriptions.of(one.client_id) == []
    with pytest.raises(DocumentNotFound):
        service.subscriptions.renew(one.client_id, one.id)


def test_an_ended_subscription_shows_why_it_ended(service: WebhookService) -> None:
    app = service.register_app()[0]
    deleted, gone, expired = (
        service.subscribe(URL, name, "update", app) for name in ("tag", "sleep", "meal")
    )
    service.deliveries.unsubscribe(app, deleted.id)
    service.publish()
    service.deliveries.finish([outcome(one, 410) for one in service.claim()])
    service.clock.advance(SUBSCRIPTION_LIFETIME)
    service.subscribe(URL, "meal", "update", app)
    ended = {one.id: one.ended_by for one in service.subscriptions.of(app, ended=True)}
    assert ended | {deleted.id: "deleted", gone.id: "gone", expired.id: "expired"} == ended
    assert len(service.subscriptions.of(app)) == 1


def test_all_active_and_the_last_ended_subscriptions_are_listed(service: WebhookService) -> None:
    app = service.register_app()[0]
    living = service.subscribe(URL, "tag", "update", app)
    made = []
    for _ in range(ENDED_LISTED + 5):
        made.append(service.subscribe(URL, "sleep", "update", app).id)
        service.deliveries.unsubscribe(app, made[-1])
        service.clock.advance(timedelta(seconds=1))
    listed = [one.id for one in service.subscriptions.of(app, ended=True)]
    assert listed == [living.id, *made[5:]]


def test_an_application_has_one_active_subscription_for_each_event_and_data_type(
    service: WebhookService,
) -> None:
    one = service.subscribe(URL)
    with pytest.raises(BadRequest) as refused:
        service.subscribe(URL, client_id=one.client_id)
    assert refused.value.status == 409
    tag = service.subscribe(URL, "tag", client_id=one.client_id)
    with pytest.raises(BadRequest):
        service.subscriptions.change(tag.client_id, tag.id, data_type="sleep")
    service.subscriptions.change(tag.client_id, tag.id, data_type="tag", callback_url="https://two.example/")
    service.subscribe(URL)


def test_deleting_a_subscription_deletes_its_unfinished_deliveries_and_their_attempts(
    service: WebhookService,
) -> None:
    one = service.subscribe(URL)
    service.publish(3)
    first, second, _ = service.claim()
    service.deliveries.finish([outcome(first, 200), outcome(second, 500)])
    assert rows(service) == {"subscriptions": 1, "deliveries": 3, "attempts": 2}
    service.deliveries.unsubscribe(one.client_id, one.id)
    assert rows(service) == {"subscriptions": 1, "deliveries": 1, "attempts": 1}
    assert [found.state for found in service.delivery_list.page(one.client_id)] == ["delivered"]


def test_deleting_an_application_deletes_its_subscriptions_and_deliveries(service: WebhookService) -> None:
    mine, others = service.subscribe(URL), service.subscribe("https://two.example/")
    service.publish(2)
    service.deliveries.finish([outcome(one, 200) for one in service.claim(1)])
    with service.subscriptions.locked(mine.client_id):
        service.deliveries.delete_all_of(mine.client_id)
        service.apps.delete(mine.client_id)
    assert rows(service) == {"subscriptions": 1, "deliveries": 2, "attempts": 1}
    assert {one.client_id for one in service.delivery_list.page()} == {others.client_id}
    service.publish()
    assert rows(service)["deliveries"] == 3


def test_an_outcome_of_a_deleted_delivery_is_never_stored_for_another(
    service: WebhookService,
) -> None:
    """The newest row goes, and the next one is made: SQLite would give it the same id."""
    gone, other = service.subscribe(URL), service.subscribe("https://two.example/", "tag")
    service.publish()
    [late] = service.claim()
    service.deliveries.unsubscribe(gone.client_id, gone.id)
    service.publish(data_type="tag")
    [current] = service.claim()
    assert current.id != late.id
    service.deliveries.finish([outcome(late, 200)])
    [delivery] = service.delivery_list.page(other.client_id)
    assert (delivery.state, service.delivery_list.attempts(delivery.id)) == ("waiting", [])


def test_events_are_signed_with_a_new_secret_from_then_on(service: WebhookService) -> None:
    client_id, _ = service.register_app()
    before = service.apps.signing_key(client_id)
    service.apps.rotate_secret(client_id)
    assert service.apps.signing_key(client_id) not in (before, None)


@pytest.mark.parametrize("id", ["", "x", "x\0", "é", "'; DROP TABLE users; --"])
def test_a_malformed_id_is_not_found(service: WebhookService, id: str) -> None:
    client_id = service.subscribe(URL).client_id
    for act in (service.subscriptions.get, service.subscriptions.renew, service.deliveries.unsubscribe):
        with pytest.raises(DocumentNotFound):
            act(client_id, id)
