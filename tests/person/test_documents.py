"""Documents: shapes as recorded, schemas as published, versions as the cloud comes to know them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import groupby, pairwise
from re import fullmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from ringlet._api.catalog import TYPES
from ringlet._person import person as person_module
from ringlet._person.person import DOCUMENTS, RING_CONFIGURATION, SERIES, Person

from ..examples import few
from ..openapi_schemas import OpenAPISchemas
from ..paths import REFERENCE

PEOPLE = st.builds(Person, st.integers(0, 10**6), st.sampled_from(["demo", "a", "b"]))
DAYS = st.dates(date(2015, 1, 1), date(2060, 1, 1))

DELETABLE = {name for name, kind in DOCUMENTS.items() if kind.deletable}
ON_MOST_DAYS = [
    name for name in DOCUMENTS if name.startswith("daily_") or name in {"sleep", "sleep_time", "workout"}
]


@cache
def published(version: str) -> tuple[dict, OpenAPISchemas]:
    """A published specification, and the validators of its schemas."""
    spec = json.decode((REFERENCE / f"openapi/openapi-{version}.json").read_bytes())
    return spec, OpenAPISchemas(spec)


def schema_of(spec: dict, name: str) -> dict | None:
    """The schema of one document or one row of a series; None if this version lacks the data type."""
    single = spec["paths"].get(f"/v2/usercollection/{name}/{{document_id}}")
    many = spec["paths"].get(f"/v2/usercollection/{name}")
    if not many:
        return None
    answer = (single or many)["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    if name in SERIES:
        first = answer.get("anyOf", [answer])[0]["$ref"].rsplit("/", 1)[1]
        answer = spec["components"]["schemas"][first]["properties"]["data"]["items"]
    return answer


@pytest.mark.skipif(
    not REFERENCE.exists(), reason="the published specifications are not beside this checkout"
)
@pytest.mark.parametrize("name", [*DOCUMENTS, *SERIES, "personal_info"])
def test_the_docs_dialect_is_valid_in_every_published_version(name: str) -> None:
    checked = []
    for version in ("1.27", "1.29", "1.37"):
        spec, schemas = published(version)
        if schema := schema_of(spec, name):
            checked.append((schemas, schema))
        else:
            assert name in {"ring_battery_level", "interbeat_interval"}
    for body in bodies(Person(11, "schema", dialect="docs"), name):
        document = json.decode(body)
        for schemas, schema in checked:
            assert schemas.errors(schema, document) == [], body[:500]


def bodies(person: Person, name: str) -> Iterator[bytes]:
    first, last = date(2026, 1, 1), date(2026, 3, 1)
    if name == "personal_info":
        yield person.personal_info()
    elif name == "daily_activity":  # large: all versions of a few days, the last version of the others
        yield from (item.body for item in person.revisions(name, first, first + timedelta(2)))
        yield from (item.body for item in person.documents(name, first + timedelta(3), last))
    elif name in SERIES:
        yield from (row for _, row in person.samples(name, first, first + timedelta(3)))
    else:
        span = 730 if name in {"rest_mode_period", "vO2_max"} else 0
        yield from (item.body for item in person.revisions(name, first - timedelta(span), last))


def ordered(recorded: object, ours: object) -> None:
    """Keys a recorded answer has come in its order, all the way down."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        assert [key for key in ours if key in recorded] == list(recorded)
        for key in recorded:
            ordered(recorded[key], ours[key])


SAMPLES = {
    "daily_activity": "daily_activity.single.json",
    "daily_readiness": "daily_readiness.single.json",
    "daily_resilience": "daily_resilience.single.json",
    "daily_sleep": "daily_sleep.single.json",
    "daily_spo2": "daily_spo2.single.json",
    "daily_stress": "daily_stress.single.json",
    "enhanced_tag": "enhanced_tag.single.json",
    "rest_mode_period": "rest_mode_period.single.json",
    "ring_configuration": "ring_configuration.single.json",
    "session": "session.single_meditation_or_bodystatus.json",
    "sleep": "sleep.single.json",
    "sleep_time": "sleep_time.single.json",
    "workout": "workout.single.json",
}


ENTERED = {"enhanced_tag", "rest_mode_period", "ring_configuration", "session", "workout"}


@pytest.mark.skipif(not REFERENCE.exists(), reason="the recorded samples are not beside this checkout")
@pytest.mark.parametrize("name", SAMPLES)
def test_keys_come_in_the_order_of_recorded_answers(name: str) -> None:
    recorded = json.decode((REFERENCE / "samples" / SAMPLES[name]).read_bytes())
    # Daily documents all have the same keys; a rest mode is rare, and some workouts lack a distance.
    last = date(2025, 6, 1) if name in ENTERED else date(2024, 3, 1)
    for item in Person().documents(name, date(2024, 1, 1), last):
        ordered(recorded, json.decode(item.body))


def test_live_rows_name_the_producer_and_documented_ones_a_unix_time() -> None:
    day = date(2026, 3, 5)
    keys = {
        ("heartrate", "live"): ["timestamp", "bpm", "producer_timestamp", "source"],
        ("heartrate", "docs"): ["timestamp", "timestamp_unix", "bpm", "source"],
        ("ring_battery_level", "live"): [
            "timestamp",
            "level",
            "charging",
            "in_charger",
            "producer_timestamp",
        ],
        ("ring_battery_level", "docs"): ["timestamp", "timestamp_unix", "level", "charging", "in_charger"],
        ("interbeat_interval", "live"): ["timestamp", "ibi", "producer_timestamp", "validity"],
        ("interbeat_interval", "docs"): ["timestamp", "timestamp_unix", "ibi", "validity"],
    }
    for (name, dialect), wanted in keys.items():
        person = Person(dialect="docs" if dialect == "docs" else "live")
        for at, row in person.samples(name, day, day):
            decoded = json.decode(row)
            assert list(decoded) == wanted
            assert decoded.get("timestamp_unix", at.timestamp() * 1000) == at.timestamp() * 1000
            assert fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", decoded["timestamp"])


@few()
@given(PEOPLE, DAYS, st.sampled_from(list(DOCUMENTS)))
def test_bodies_are_compact_json_that_names_its_day(person: Person, day: date, name: str) -> None:
    for item in person.documents(name, day, day + timedelta(20)):
        decoded = json.decode(item.body)
        assert json.encode(decoded) == item.body
        assert decoded["id"] == item.id
        assert item.at.tzinfo is UTC
        own = decoded.get("day") or decoded.get("start_day") or decoded["set_up_at"][:10]
        assert own == item.day.isoformat()
        for key in ("start_datetime", "start_time"):
            offset = decoded.get(key, "")[-6:]
            assert key not in decoded or offset == "+00:00" or decoded[key][:10] == own


@few()
@given(PEOPLE, DAYS, st.sampled_from([name for name in DOCUMENTS if name != RING_CONFIGURATION]))
def test_one_day_alone_is_the_same_as_within_years(person: Person, day: date, name: str) -> None:
    wide = [
        item for item in person.documents(name, day - timedelta(20), day + timedelta(20)) if item.day == day
    ]
    fresh = Person(person.seed, person.user)
    assert list(fresh.documents(name, day, day)) == wide


@few()
@given(PEOPLE, DAYS, st.sampled_from(list(DOCUMENTS)))
def test_versions_count_up_and_come_one_after_the_other(person: Person, day: date, name: str) -> None:
    revisions = list(person.revisions(name, day, day + timedelta(30)))
    final = list(person.documents(name, day, day + timedelta(30)))
    kept = {item.id for item in final}
    last = []
    for _, group in groupby(revisions, key=lambda item: item.id):
        versions = list(group)
        assert [item.version for item in versions] == list(range(1, len(versions) + 1))
        assert all(one.at < after.at for one, after in pairwise(versions))
        if versions[-1].id in kept:
            last.append(versions[-1])
        else:
            assert name in DELETABLE
    if name != RING_CONFIGURATION:
        assert last == final
    assert len({item.id for item in final}) == len(final)
    assert [item.day for item in final] == sorted(item.day for item in final)


@pytest.mark.slow
@few()
@given(PEOPLE, DAYS, st.sampled_from(ON_MOST_DAYS), st.integers(0, 72))
def test_now_shows_the_newest_version_known_by_then(person: Person, day: date, name: str, hours: int) -> None:
    now = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hours)
    begin = now - timedelta(30)
    gone = {one.id for one in person.changes(begin, now) if one.name == name and one.body is None}
    known = {
        item.id: item
        for item in person.revisions(name, day - timedelta(3), day + timedelta(2))
        if item.at <= now and item.id not in gone
    }
    shown = list(person.documents(name, day - timedelta(3), day + timedelta(2), now=now))
    assert {item.id: item for item in shown} == known


def test_nothing_is_known_before_it_happened() -> None:
    for name, end in (("workout", "end_datetime"), ("session", "end_datetime"), ("sleep", "bedtime_end")):
        for item in Person().revisions(name, date(2025, 1, 1), date(2025, 4, 30)):
            assert item.at >= datetime.fromisoformat(json.decode(item.body)[end])


def test_sleep_is_sometimes_late_and_sometimes_revised() -> None:
    person = Person()
    items = list(person.revisions("daily_sleep", date(2025, 1, 1), date(2025, 12, 31)))
    revised = [item for item in items if item.version == 2]
    assert 15 < len(revised) < 100
    late = [item for item in items if item.version == 1 and (item.at.hour >= 15 or item.at.date() > item.day)]
    assert 5 < len(late) < 60
    by_key = {(item.id, item.version): json.decode(item.body) for item in items}
    assert all(by_key[item.id, 1]["score"] != by_key[item.id, 2]["score"] for item in revised)


def test_a_nap_adds_its_points_to_the_scores_of_the_day() -> None:
    """What `sleep_score_delta` says is the difference between two versions of the daily score."""
    found = 0
    for seed in (0, 1):  # who nap more often than 2 and 3
        person = Person(seed)
        for nap in person.documents("sleep", date(2025, 1, 1), date(2025, 12, 31)):
            points = json.decode(nap.body)["sleep_score_delta"]
            if not points:
                continue
            found += 1
            for name in ("daily_sleep", "daily_readiness"):
                versions = list(person.revisions(name, nap.day, nap.day))
                before = [json.decode(item.body)["score"] for item in versions if item.at < nap.at]
                after = [json.decode(item.body)["score"] for item in versions if item.at >= nap.at]
                assert not before or after[0] == min(100, before[-1] + points)
    assert found > 30


def test_sandbox_ids_lead_back_to_their_day() -> None:
    """Type, number within the day, date without padding."""
    person = Person(ids="sandbox")
    for name in DOCUMENTS:
        for item in person.documents(name, date(2026, 1, 1), date(2026, 2, 10)):
            kind, number, year, month, day = item.id.rsplit("-", 4)
            assert (kind, date(int(year), int(month), int(day))) == (name, item.day)
            assert str(int(month)) == month
            same = [other for other in person.revisions(name, item.day, item.day) if other.day == item.day]
            assert list(dict.fromkeys(other.id for other in same))[int(number)] == item.id


@pytest.mark.slow
def test_rings_are_listed_oldest_first_whenever_they_were_set_up() -> None:
    person = Person()
    rings = list(person.documents(RING_CONFIGURATION, date(2026, 3, 1), date(2026, 3, 2)))
    assert len(rings) == 2
    assert rings[0].day < rings[1].day
    assert len(list(person.documents(RING_CONFIGURATION, date(2020, 1, 1), date(2020, 1, 2)))) == 1
    worn = {
        json.decode(item.body)["ring_id"]
        for item in person.documents("sleep", date(2024, 1, 1), date(2026, 1, 1))
    }
    assert worn == {ring.id for ring in rings}


def test_about_half_of_the_distances_are_missing() -> None:
    found = [
        json.decode(item.body)["distance"]
        for seed in range(3)
        for item in Person(seed).documents("workout", date(2025, 1, 1), date(2025, 12, 31))
    ]
    assert 0.4 < found.count(None) / len(found) < 0.7


def test_an_unknown_type_is_an_error() -> None:
    for name in ("meal", *SERIES):
        with pytest.raises(KeyError):
            list(Person().documents(name, date(2026, 1, 1), date(2026, 1, 1)))


def test_a_type_of_the_catalog_that_is_not_written_has_no_documents_and_no_samples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(person_module, "TYPES", {**TYPES, "daily_hydration": TYPES["daily_sleep"]})
    person, days = Person(), (date(2026, 1, 1), date(2026, 1, 31))
    assert list(person.documents("daily_hydration", *days)) == []
    assert list(person.revisions("daily_hydration", *days)) == []
    assert list(person.samples("daily_hydration", *days)) == []
