"""The table of subscriptions: how they live and end, and what goes with them. On both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ringlet._cloud.webhooks.subscriptions import ENDED_LISTED
from ringlet._webhooks.subscriptions import SUBSCRIPTION_LIFETIME
from ringlet.errors import BadRequest, DocumentNotFound

from ..office import Office, outcome

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "https://one.example/"


def rows(office: Office) -> dict[str, int]:
    """How many rows each table about deliveries has."""
    tables = "webhook_subscriptions", "webhook_deliveries", "webhook_attempts"
    counted = {name: office.archive.database.one(f"SELECT count(*) FROM {name}") for name in tables}
    return {name.removeprefix("webhook_"): row[0] for name, row in counted.items() if row}


def test_one_lives_for_ninety_days_and_as_long_again_when_it_is_renewed(office: Office) -> None:
    one = office.subscribe(URL)
    office.clock.advance(SUBSCRIPTION_LIFETIME - timedelta(milliseconds=1))
    assert office.subscriptions.get(one.client_id, one.id) == one
    renewed = office.subscriptions.renew(one.client_id, one.id)
    office.clock.advance(SUBSCRIPTION_LIFETIME - timedelta(milliseconds=1))
    assert office.subscriptions.of(one.client_id) == [renewed]
    office.clock.advance(timedelta(milliseconds=1))
    assert office.subscriptions.of(one.client_id) == []
    with pytest.raises(DocumentNotFound):
        office.subscriptions.renew(one.client_id, one.id)


def test_what_ended_one_can_be_seen_afterwards(office: Office) -> None:
    app = office.app()[0]
    deleted, gone, expired = (office.subscribe(URL, name, "update", app) for name in ("tag", "sleep", "meal"))
    office.deliveries.unsubscribe(app, deleted.id)
    office.happen()
    office.deliveries.finish([outcome(one, 410) for one in office.claim()])
    office.clock.advance(SUBSCRIPTION_LIFETIME)
    office.subscribe(URL, "meal", "update", app)
    ended = {one.id: one.ended_by for one in office.subscriptions.of(app, ended=True)}
    assert ended | {deleted.id: "deleted", gone.id: "gone", expired.id: "expired"} == ended
    assert len(office.subscriptions.of(app)) == 1


def test_of_those_that_ended_the_last_are_listed_beside_all_that_live(office: Office) -> None:
    app = office.app()[0]
    living = office.subscribe(URL, "tag", "update", app)
    made = []
    for _ in range(ENDED_LISTED + 5):
        made.append(office.subscribe(URL, "sleep", "update", app).id)
        office.deliveries.unsubscribe(app, made[-1])
        office.clock.advance(timedelta(seconds=1))
    listed = [one.id for one in office.subscriptions.of(app, ended=True)]
    assert listed == [living.id, *made[5:]]


def test_a_pair_is_held_by_one_living_subscription_of_an_application(office: Office) -> None:
    one = office.subscribe(URL)
    with pytest.raises(BadRequest) as refused:
        office.subscribe(URL, client_id=one.client_id)
    assert refused.value.status == 409
    tag = office.subscribe(URL, "tag", client_id=one.client_id)
    with pytest.raises(BadRequest):
        office.subscriptions.change(tag.client_id, tag.id, data_type="sleep")
    office.subscriptions.change(tag.client_id, tag.id, data_type="tag", callback_url="https://two.example/")
    office.subscribe(URL)


def test_with_its_end_goes_what_waits_and_what_was_tried_of_it(office: Office) -> None:
    one = office.subscribe(URL)
    office.happen(3)
    first, second, _ = office.claim()
    office.deliveries.finish([outcome(first, 200), outcome(second, 500)])
    assert rows(office) == {"subscriptions": 1, "deliveries": 3, "attempts": 2}
    office.deliveries.unsubscribe(one.client_id, one.id)
    assert rows(office) == {"subscriptions": 1, "deliveries": 1, "attempts": 1}
    assert [found.state for found in office.listed.page(one.client_id)] == ["delivered"]


def test_an_application_is_forgotten_with_all_that_was_its_own(office: Office) -> None:
    mine, others = office.subscribe(URL), office.subscribe("https://two.example/")
    office.happen(2)
    office.deliveries.finish([outcome(one, 200) for one in office.claim(1)])
    with office.subscriptions.locked(mine.client_id):
        office.deliveries.delete_all_of(mine.client_id)
        office.apps.delete(mine.client_id)
    assert rows(office) == {"subscriptions": 1, "deliveries": 2, "attempts": 1}
    assert {one.client_id for one in office.listed.page()} == {others.client_id}
    office.happen()
    assert rows(office)["deliveries"] == 3


def test_nothing_that_is_said_about_a_delivery_that_is_gone_is_taken_to_be_about_another(
    office: Office,
) -> None:
    """The newest row goes, and the next one is made: SQLite would give it the same id."""
    gone, other = office.subscribe(URL), office.subscribe("https://two.example/", "tag")
    office.happen()
    [late] = office.claim()
    office.deliveries.unsubscribe(gone.client_id, gone.id)
    office.happen(data_type="tag")
    [current] = office.claim()
    assert current.id != late.id
    office.deliveries.finish([outcome(late, 200)])
    [delivery] = office.listed.page(other.client_id)
    assert (delivery.state, office.listed.attempts(delivery.id)) == ("waiting", [])


def test_a_new_secret_signs_from_then_on(office: Office) -> None:
    client_id, _ = office.app()
    before = office.apps.signing_key(client_id)
    office.apps.rotate_secret(client_id)
    assert office.apps.signing_key(client_id) not in (before, None)


@pytest.mark.parametrize("id", ["", "x", "x\0", "é", "'; DROP TABLE users; --"])
def test_an_id_that_is_none_is_not_there(office: Office, id: str) -> None:
    client_id = office.subscribe(URL).client_id
    for act in (office.subscriptions.get, office.subscriptions.renew, office.deliveries.unsubscribe):
        with pytest.raises(DocumentNotFound):
            act(client_id, id)
