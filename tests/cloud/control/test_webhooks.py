"""Events by hand, the log by number, deliveries and their replay: for whoever runs a cloud."""

import asyncio
import json
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from ringlet._api.windows import from_ms

from ...timed import below
from ..webhook_service import outcome


def subscribed(cloud, *pairs):
    """An application of the wearer's that wants to hear of these."""
    apps = cloud.cloud.grants.apps
    client_id, _ = apps.register("App", ["https://app.example/"])
    cloud.cloud.grants.issue(client_id, cloud.user, ["daily"])
    for data_type, event_type in pairs:
        cloud.cloud.subscriptions.create(
            client_id, "https://app.example/hook?key=secret", event_type, data_type
        )


def test_a_triggered_event_is_logged_and_its_subscriptions_are_counted(live):
    subscribed(live, ("sleep", "create"))
    said = live.admin("trigger", method="POST", event="sleep.create")
    assert said.status == 201
    assert said.json["subscriptions"] == 1
    assert said.json["changed"] is True
    assert said.json["event"]["data_type"] == "sleep"
    assert said.json["event"]["user_id"] == "wearer"
    assert said.json["object_id"] == said.json["event"]["object_id"]
    page = live.admin("events").json
    assert page["events"] == [{"seq": page["newest"], "event": said.json["event"]}]
    assert page["oldest"] == page["newest"]


def test_several_at_once(live):
    live.admin("trigger", method="POST", event="meal.create", count=7)
    assert len(live.admin("events").json["events"]) == 7


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"event": "sleepy.update"}, 422, "did you mean 'sleep'"),
        ({"event": "sleep.update", "user": "nobody"}, 404, "this cloud has wearer"),
        ({"event": "sleep.update", "override": {"x": 1}}, 422, "has no sleep to update"),
        ({"event": "sleep.create", "override": {"x": 1}}, 422, "no field 'x'"),
        ({"event": "sleep.update", "count": 0}, 422, "count"),
        ({"events": "sleep.update"}, 422, "events"),
    ],
)
def test_what_cannot_happen_says_why(live, body, status, says):
    answer = live.admin("trigger", method="POST", **body)
    assert answer.status == status
    assert says in answer.json["detail"]
    assert live.admin("events").json["newest"] == 0


def test_a_trigger_of_one_among_several_wearers_names_them(live):
    live.cloud.archive.user("other")
    answer = live.admin("trigger", method="POST", event="sleep.create")
    assert answer.status == 404
    assert "wearer, other" in answer.json["detail"]
    assert live.admin("trigger", method="POST", event="sleep.create", user="other").status == 201


# The log


def test_the_log_is_read_from_a_number_on_in_pages(live):
    live.admin("trigger", method="POST", event="meal.create", count=5)
    seqs, after = [], 0
    while page := live.admin("events", query=f"after={after}&limit=2").json["events"]:
        assert len(page) <= 2
        seqs += [one["seq"] for one in page]
        after = seqs[-1]
    assert len(seqs) == 5
    assert seqs == sorted(seqs)


def test_a_log_has_a_name_that_lasts_and_is_its_own(make_cloud, tmp_path):
    one = make_cloud(path=tmp_path / "one.db").admin("events").json["log"]
    assert make_cloud(path=tmp_path / "one.db").admin("events").json["log"] == one
    assert make_cloud().admin("events").json["log"] != one


def test_a_position_of_another_log_is_answered_without_waiting(live):
    live.admin("trigger", method="POST", event="meal.create", count=3)
    begun = time.monotonic()
    for query in ("after=1&log=another&wait=30", "after=4000&wait=30"):
        page = live.admin("events", query=query).json
        assert page["events"] == []
        assert page["newest"] > 0
    assert below(time.monotonic() - begun, 5)


def test_a_waiting_request_is_answered_by_the_next_event(live):
    async def run():
        asked = live.send("/_ringlet/events", "after=0&wait=20", token=live.cloud.admin_token)
        waiting = asyncio.create_task(asked)
        await asyncio.sleep(0.2)
        assert not waiting.done()
        live.cloud.publisher.publish(live.user, "create", "meal", "a")
        begun = time.monotonic()
        page = json.loads((await waiting).body)
        assert below(time.monotonic() - begun, 2)
        return [one["event"]["object_id"] for one in page["events"]]

    assert live.runner.run(run()) == ["a"]


def test_a_waiting_request_ends_with_its_timeout_or_with_the_server(live):
    begun = time.monotonic()
    assert live.admin("events", query="wait=0.3").json["events"] == []
    took = time.monotonic() - begun
    assert took >= 0.3
    assert below(took, 2)

    async def run():
        asked = live.send("/_ringlet/events", "wait=50", token=live.cloud.admin_token)
        waiting = asyncio.create_task(asked)
        await asyncio.sleep(0.1)
        live.cloud.shut_down()
        return (await waiting).status

    assert live.runner.run(run()) == 200
    assert below(time.monotonic() - begun, 10)


@pytest.mark.parametrize("query", ["after=x", "after=-1", "limit=-3", "wait=soon", "after=1e999"])
def test_a_question_that_makes_no_sense_is_422(live, query):
    assert live.admin("events", query=query).status == 422


# Where they went


def test_deliveries_are_listed_newest_first_and_counted(live):
    subscribed(live, ("meal", "create"), ("sleep", "create"))
    live.admin("trigger", method="POST", event="meal.create", count=3)
    live.admin("trigger", method="POST", event="sleep.create")
    said = live.admin("deliveries").json
    assert said["counts"] == {"waiting": 4, "delivered": 0, "failed": 0}
    ids = [one["id"] for one in said["deliveries"]]
    assert ids == sorted(ids, reverse=True)
    assert [one["data_type"] for one in said["deliveries"]] == ["sleep", "meal", "meal", "meal"]
    assert json.loads(said["deliveries"][0]["body"])["data_type"] == "sleep"
    second = live.admin("deliveries", query=f"before={ids[1]}&limit=1").json["deliveries"]
    assert [one["id"] for one in second] == [ids[2]]
    subscription = said["deliveries"][0]["subscription_id"]
    only = live.admin("deliveries", query=f"subscription={subscription}").json["deliveries"]
    assert [one["id"] for one in only] == ids[:1]
    assert live.admin("deliveries", query="state=failed").json["deliveries"] == []
    assert live.admin("deliveries", query="state=lost").status == 422


def test_one_delivery_is_shown_with_its_attempts(live):
    subscribed(live, ("meal", "create"))
    live.admin("trigger", method="POST", event="meal.create")
    [one] = live.admin("deliveries").json["deliveries"]
    assert live.admin(f"deliveries/{one['id']}").json == one | {"tries": []}
    assert live.admin("deliveries/4000").status == 404


def test_an_attempt_is_shown_with_what_was_answered(live):
    subscribed(live, ("meal", "create"))
    live.admin("trigger", method="POST", event="meal.create")
    deliveries = live.cloud.deliveries
    [claimed] = deliveries.claim([(deliveries.ready()[0], 1)], timedelta(seconds=30))
    told = outcome(claimed, 500)
    said = {"server": "nginx", "x-odd": "\x1b\xff"}
    deliveries.finish([replace(told, attempt=replace(told.attempt, response_headers=said))])
    [shown] = live.admin(f"deliveries/{claimed.id}").json["tries"]
    assert (shown["status"], shown["response"], shown["response_headers"]) == (500, "so be it", said)


def test_deliveries_are_resent_singly_by_range_or_all_failed_ones(live):
    subscribed(live, ("meal", "create"))
    live.admin("trigger", method="POST", event="meal.create", count=3)
    at, woken = live.cloud.clock.ms(), []
    live.cloud.deliveries.wakeup.notify = lambda: woken.append(True)
    database = live.cloud.archive.database
    database.execute("UPDATE webhook_deliveries SET state = 'failed', due_at = NULL")
    first = live.admin("deliveries").json["deliveries"][0]["id"]
    assert live.admin(f"deliveries/{first}/replay", method="POST").json == {"replayed": 1}
    assert live.admin("deliveries", query="state=failed").json["counts"]["waiting"] == 1
    assert live.admin("deliveries/replay", method="POST", failed=True).json == {"replayed": 2}
    ends = {"from": from_ms(at - 1000).isoformat(), "to": from_ms(at + 1000).isoformat()}
    assert live.admin("deliveries/replay", method="POST", **ends).json == {"replayed": 3}
    assert len(woken) == 3


@pytest.mark.parametrize(
    "wish",
    [
        {"failed": False},
        {"from": "2026-03-01T00:00:00Z"},
        {"to": "2026-03-01T00:00:00Z"},
        {"failed": True, "from": "2026-03-01T00:00:00Z"},
        {"from": "2026-03-01", "to": "2026-03-02"},
        {"all": True},
    ],
)
def test_an_invalid_replay_is_answered_with_422(live, wish):
    assert live.admin("deliveries/replay", method="POST", **wish).status == 422
