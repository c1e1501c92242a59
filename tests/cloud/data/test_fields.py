"""Documents cut down: what stays, what else comes with it, and that values keep their bytes."""

import pytest

from ringlet._api.catalog import TYPES
from ringlet._api.kinds import Inventory, Samples, Single
from ringlet._cloud.data.fields import select_fields, select_scopes

from .test_routes import ALL_TIME


def test_nothing_cut_is_nothing_parsed():
    """What no scope cuts leaves as it is, were it no document at all."""
    assert (
        select_scopes(TYPES["personal_info"], b"not JSON", frozenset({"personal", "email", "daily"}))
        == b"not JSON"
    )


def test_what_a_document_has_beyond_its_model_can_be_named():
    texts = [b'{"id":"a","new":1}', b'{"id":"b","score":2}']
    assert select_fields(TYPES["daily_sleep"], texts, "new") == [b'{"id":"a","new":1}', b'{"id":"b"}']


def keys(answer):
    return [set(one) for one in answer.json["data"]]


ANCHORS = {
    "daily_sleep": {"id", "day", "timestamp"},
    "daily_activity": {"id", "day", "timestamp"},
    "sleep": {"id", "day", "bedtime_start"},
    "heartrate": {"timestamp"},
    "ring_battery_level": {"timestamp"},
    "ring_configuration": {"id"},
}
ONE_FIELD = {
    "daily_sleep": "score",
    "daily_activity": "steps",
    "sleep": "efficiency",
    "heartrate": "bpm",
    "ring_battery_level": "level",
    "ring_configuration": "size",
}


@pytest.mark.parametrize("name", ANCHORS)
def test_fields_cut_down_to_what_is_named_and_the_anchors(demo, name):
    token = demo.token()
    whole = demo(name, _recent(name), token=token).json["data"]
    cut = demo(name, f"{_recent(name)}&fields={ONE_FIELD[name]},no_such_field", token=token).json["data"]
    wanted = ANCHORS[name] | {ONE_FIELD[name]}
    assert cut == [{k: v for k, v in one.items() if k in wanted} for one in whole]
    assert cut
    assert all(ONE_FIELD[name] in one for one in cut)


def _recent(name):
    kind = TYPES[name]
    if isinstance(kind, Inventory):
        return "next_token="
    if isinstance(kind, Samples):
        return "start_datetime=2026-02-20T00:00:00Z&end_datetime=2026-02-20T06:00:00Z"
    return "start_date=2026-02-01&end_date=2026-03-01"


@pytest.mark.parametrize("name", [name for name, kind in TYPES.items() if not isinstance(kind, Single)])
@pytest.mark.parametrize("fields", ["no_such_field", "no,such", ",", "ID", "score;day"])
def test_when_no_field_is_known_the_whole_documents_come(demo, name, fields):
    token = demo.token()
    whole = demo(name, _recent(name), token=token)
    assert demo(name, f"{_recent(name)}&fields={fields}", token=token).body == whole.body


@pytest.mark.parametrize("name", ["daily_resilience", "enhanced_tag", "tag"])
def test_some_types_ignore_fields(demo, name):
    token = demo.token()
    whole = demo(name, _recent(name), token=token)
    assert whole.json["data"]
    assert demo(name, f"{_recent(name)}&fields=id", token=token).body == whole.body


def test_fields_are_for_lists_alone(demo):
    token = demo.token()
    id = demo("daily_sleep", token=token).ids[0]
    assert (
        demo(f"daily_sleep/{id}", "fields=score", token=token).body
        == demo(f"daily_sleep/{id}", token=token).body
    )


def test_cut_values_keep_their_bytes(live):
    live.cloud.archive.put(
        live.user,
        TYPES["workout"],
        b'{"id":"w","day":"2026-02-28","calories":61.300000000000004,"label":"caf\\u00e9",'
        b'"distance":1e3,"start_datetime":"2026-02-28T08:00:00+01:00"}',
    )
    answer = live("workout", f"{ALL_TIME}&fields=calories,label,distance", token=live.token())
    assert b'"calories":61.300000000000004' in answer.body
    assert b'"label":"caf\\u00e9"' in answer.body
    assert b'"distance":1e3' in answer.body
