"""Events made to happen by hand: what can be fetched afterwards is what the event says."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from ringlet._api.catalog import TYPES
from ringlet._cloud.control.triggers import Triggers, moved, parse
from ringlet._cloud.wearer.demo import populate
from ringlet._person.person import DOCUMENTS
from ringlet._webhooks.events import WEBHOOK_KINDS
from ringlet.archive import Archive
from ringlet.cloud import Clock, Cloud
from ringlet.errors import ApiError, UsageError
from ringlet.webhooks import DATA_TYPES, EVENT_TYPES

from ... import populated

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WRITTEN = [it for it in DATA_TYPES if it not in WEBHOOK_KINDS or WEBHOOK_KINDS[it].name in DOCUMENTS]
"""The data types of events, without those of documents that the simulated wearer does not write."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A wearer with sixty days, most of whose data types hold something."""
    place = populated.copy_to(tmp_path_factory.mktemp("demo"), now=NOW, days=60)
    with Archive.open(place) as archive:
        clock = Clock(NOW)
        user = populate(archive, clock, days=60, seed=7)
        yield Cloud(archive, clock=clock), user


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request):
    """A wearer who has nothing, on each database."""
    place = request.getfixturevalue("postgres") if request.param == "postgres" else ":memory:"
    with Archive.open(place) as archive:
        yield Cloud(archive, clock=Clock(NOW)), archive.user("wearer")


def triggers(cloud):
    return Triggers(cloud.archive, cloud.clock, cloud.publisher)


def check(cloud, user, data_type, operation):
    """Let it happen, and see that log and document say so."""
    kind = WEBHOOK_KINDS.get(data_type)
    before = cloud.events.newest
    newest = kind and cloud.archive.latest(user, kind)
    done = triggers(cloud).fire(user, f"{data_type}.{operation}")
    assert (done.published.event.data_type, done.published.event.event_type) == (data_type, operation)
    assert done.published.seq == cloud.events.newest == before + 1
    assert cloud.events.after(before)[0].body == done.published.event.body
    assert done.published.event.event_time.startswith("2026-03-01T12:00:00")
    if kind is None:
        assert not done.changed
        return
    held = cloud.archive.document(user, kind, done.published.event.object_id)
    match operation:
        case "create":
            assert done.changed
            made = msgspec.json.decode(held, type=kind.model)
            assert made.id == done.published.event.object_id
        case "update":
            assert held == newest
        case "delete":
            assert held is None
            assert done.changed == (newest is not None)
            if newest:
                assert json.loads(newest)["id"] == done.published.event.object_id


@pytest.mark.parametrize("operation", EVENT_TYPES)
@pytest.mark.parametrize("data_type", WRITTEN)
def test_every_data_type_and_operation_happens(demo, data_type, operation):
    check(*demo, data_type, operation)


def test_every_data_type_and_operation_happens_to_a_wearer_who_has_nothing(empty):
    for data_type in WRITTEN:
        for operation in ("update", "delete", "create", "update", "delete"):
            check(*empty, data_type, operation)


def test_an_override_is_a_new_version_and_nothing_else_of_the_document_changes(demo):
    cloud, user = demo
    kind = TYPES["daily_sleep"]
    before = json.loads(cloud.archive.latest(user, kind))
    wish = {"score": before["score"] - 1, "contributors.deep_sleep": 3}
    done = triggers(cloud).fire(user, "daily_sleep.update", wish)
    after = json.loads(cloud.archive.document(user, kind, done.published.event.object_id))
    assert done.changed
    assert after == before | {
        "score": before["score"] - 1,
        "contributors": before["contributors"] | {"deep_sleep": 3},
    }
    assert list(after) == list(before)
    revised = [json.loads(body) for _, body in cloud.archive.revisions(user, kind, before["id"])]
    assert revised[-1] == before


def test_a_name_that_stands_in_one_place_needs_no_dots(demo):
    cloud, user = demo
    done = triggers(cloud).fire(user, "sleep.update", {"score": 61})
    night = json.loads(cloud.archive.document(user, TYPES["sleep"], done.published.event.object_id))
    assert night["readiness"]["score"] == 61
    with pytest.raises(UsageError, match="no field 'timestamp'"):  # of the heart rate, or of the HRV
        triggers(cloud).fire(user, "sleep.update", {"timestamp": "2026-03-01T00:00:00Z"})


def test_what_is_created_is_of_today_and_may_be_overridden(demo):
    cloud, user = demo
    for name in ("workout", "session", "sleep", "enhanced_tag"):
        kind = TYPES[name]
        done = triggers(cloud).fire(user, f"{name}.create")
        made = json.loads(cloud.archive.document(user, kind, done.published.event.object_id))
        assert made[kind.day] == "2026-03-01", name
    done = triggers(cloud).fire(user, "workout.create", {"activity": "curling"})
    made = json.loads(cloud.archive.document(user, TYPES["workout"], done.published.event.object_id))
    assert made["activity"] == "curling"


def test_days_and_instants_move_by_whole_days_and_other_text_stays():
    document = {
        "id": "2026-01-01-x",
        "day": "2026-02-27",
        "start": "2026-02-27T23:10:00.000+02:00",
        "heart_rate": {"timestamp": "2026-02-28T00:00:00.000+02:00", "items": [1, None]},
        "episodes": [{"timestamp": "2026-02-27T10:00:00.000+02:00", "tags": ["a"]}],
        "text": "on 2026-02-27 it rained",
        "score": 3,
    }
    later = moved(document, timedelta(days=2))
    assert later == {
        "id": "2026-01-01-x",
        "day": "2026-03-01",
        "start": "2026-03-01T23:10:00.000+02:00",
        "heart_rate": {"timestamp": "2026-03-02T00:00:00.000+02:00", "items": [1, None]},
        "episodes": [{"timestamp": "2026-03-01T10:00:00.000+02:00", "tags": ["a"]}],
        "text": "on 2026-02-27 it rained",
        "score": 3,
    }


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"scor": 1}, "did you mean 'score'"),
        ({"contributors.deep_slep": 1}, "did you mean 'deep_sleep'"),
        ({"score.x": 1}, "no field 'score.x'"),
        ({"id": "other"}, "no field 'id'"),
        ({"score": "high"}, "score"),
        ({"": 1}, "no field"),
    ],
)
def test_an_override_that_makes_no_sense_changes_nothing(demo, wish, says):
    cloud, user = demo
    before = cloud.events.newest, cloud.archive.latest(user, TYPES["daily_sleep"])
    with pytest.raises(UsageError, match=says) as refused:
        triggers(cloud).fire(user, "daily_sleep.update", wish)
    assert refused.value.cure
    assert (cloud.events.newest, cloud.archive.latest(user, TYPES["daily_sleep"])) == before


@pytest.mark.parametrize("what", ["meal.update", "sleep.delete"])
def test_what_has_no_fields_takes_no_override(demo, what):
    with pytest.raises(UsageError, match="no fields to override"):
        triggers(demo[0]).fire(demo[1], what, {"score": 1})


def test_what_is_not_there_takes_no_override(empty):
    cloud, user = empty
    with pytest.raises(UsageError, match="the user has no sleep to update"):
        triggers(cloud).fire(user, "sleep.update", {"type": "rest"})
    assert cloud.events.newest == 0


def test_a_document_from_the_clocks_future_is_not_overridden(empty):
    cloud, user = empty
    later = int(NOW.timestamp() * 1000) + 1
    cloud.archive.put(user, TYPES["daily_sleep"], b'{"id":"a","day":"2026-03-01","score":1}', seen_at=later)
    with pytest.raises(ApiError, match="later time"):
        triggers(cloud).fire(user, "daily_sleep.update", {"score": 2})


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("sleepy.update", "did you mean 'sleep'"),
        ("sleep.updated", "did you mean 'update'"),
        ("sleep", "lacks an operation"),
        ("sleep.", "lacks an operation"),
        ("slep", "did you mean 'sleep'"),
        ("", "unknown data type"),
        ("heartrate.update", "unknown data type"),
    ],
)
def test_the_error_for_an_unknown_event_lists_the_known_ones(what, says):
    with pytest.raises(UsageError, match=says) as refused:
        parse(what)
    assert "sleep.update" in refused.value.cure


@pytest.mark.parametrize("what", ["vO2_max.create", "VO2-Max.create", " vo2_max.create "])
def test_a_data_type_goes_by_any_spelling(what):
    assert parse(what) == ("vo2_max", "create")


def test_the_answer_counts_the_subscriptions_that_are_notified(empty):
    cloud, user = empty
    client_id, _ = cloud.grants.apps.register("App", ["https://app.example/"])
    cloud.grants.issue(client_id, user, ["daily"])
    for name in ("sleep", "meal"):
        cloud.subscriptions.create(client_id, "https://app.example/hook", "create", name)
    assert triggers(cloud).fire(user, "sleep.create").published.deliveries == 1
    assert triggers(cloud).fire(user, "meal.create").published.deliveries == 1
    assert triggers(cloud).fire(user, "sleep.update").published.deliveries == 0
