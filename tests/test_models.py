"""The models against all that is known of the documents: recorded answers, specifications, what may yet come.

The recorded answers and the specifications lie beside the checkout; where they are missing, their tests are
skipped.
"""

import ast
import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet import models

from .paths import REFERENCE

SAMPLES = REFERENCE / "samples"
SPECS = {
    path.stem.removeprefix("openapi-"): json.loads(path.read_bytes())["components"]["schemas"]
    for path in sorted(REFERENCE.glob("openapi/openapi-*.json"))
}
NEWEST = max(SPECS, key=lambda version: [int(part) for part in version.split(".")], default="")

PUBLIC = {name: getattr(models, name) for name in models.__all__}
STRUCTS = {name: it for name, it in PUBLIC.items() if isinstance(it, type) and issubclass(it, msgspec.Struct)}
ENUMS = {name: it for name, it in PUBLIC.items() if name not in STRUCTS}
SERIES = (models.HeartRate, models.RingBatteryLevel, models.InterbeatInterval)

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T]):
    data: list[T]


def one_or_many(path: Path, model: type[T]) -> list[T]:
    """The rows of an answer, whether it is a page or a single document."""
    body = path.read_bytes()
    if "data" in json.loads(body):
        return msgspec.json.decode(body, type=Page[model]).data
    return [msgspec.json.decode(body, type=model)]


# --- Recorded answers ---

MODEL_OF_SAMPLE = {
    "daily_activity": models.DailyActivity,
    "daily_cardiovascular_age": models.DailyCardiovascularAge,
    "daily_readiness": models.DailyReadiness,
    "daily_resilience": models.DailyResilience,
    "daily_sleep": models.DailySleep,
    "daily_spo2": models.DailySpO2,
    "daily_stress": models.DailyStress,
    "empty_list": models.Sleep,
    "enhanced_tag": models.EnhancedTag,
    "heartrate": models.HeartRate,
    "personal_info": models.PersonalInfo,
    "rest_mode_period": models.RestModePeriod,
    "ring_configuration": models.RingConfiguration,
    "session": models.Session,
    "sleep": models.Sleep,
    "sleep_time": models.SleepTime,
    "workout": models.Workout,
}
QUOTED_WITHOUT_DAY = (
    "daily_sleep.variant1"  # its source quotes the scores of a document and leaves out the rest
)
ANSWERS = [
    pytest.param(path, MODEL_OF_SAMPLE[path.name.split(".")[0]], id=f"{path.parent.name}/{path.stem}")
    for path in sorted([*SAMPLES.glob("*.json"), *SAMPLES.glob("sandbox/*.json")])
    if path.stem != QUOTED_WITHOUT_DAY
]


def instant(text: str) -> datetime | str:
    """A timestamp as its value, so that `Z` and `+00:00` compare alike; any other text as it is."""
    try:
        return datetime.fromisoformat(text) if "T" in text else text
    except ValueError:
        return text


def differences(raw: Any, kept: Any, where: str = "") -> list[str]:
    """Where `kept` lost or altered something of `raw`; keys that only `kept` has must be None."""
    match raw, kept:
        case dict(), dict():
            lost = [f"{where}.{key} is unknown" for key in raw.keys() - kept.keys()]
            made = [f"{where}.{key} is made up" for key in kept.keys() - raw.keys() if kept[key] is not None]
            below = [differences(raw[key], kept[key], f"{where}.{key}") for key in raw.keys() & kept.keys()]
            return [*lost, *made, *(found for each in below for found in each)]
        case list(), list() if len(raw) == len(kept):
            below = [
                differences(a, b, f"{where}[{n}]") for n, (a, b) in enumerate(zip(raw, kept, strict=True))
            ]
            return [found for each in below for found in each]
        case str(), str():
            a, b = instant(raw), instant(kept)
            # Equal instants are not enough: the offset is the wearer's time zone.
            offsets = [it.utcoffset() if isinstance(it, datetime) else None for it in (a, b)]
            return [] if a == b and offsets[0] == offsets[1] else [f"{where}: {raw} became {kept}"]
        case _:
            return [] if raw == kept else [f"{where}: {raw} became {kept}"]


@pytest.mark.parametrize(("path", "model"), ANSWERS)
def test_recorded_answers_decode_and_lose_nothing(path: Path, model: type[msgspec.Struct]) -> None:
    """Each key of a recorded document is a field, and comes out as it went in."""
    answer = json.loads(path.read_bytes())
    raw = answer.get("data", [answer])
    decoded = one_or_many(path, model)
    assert differences(raw, msgspec.to_builtins(decoded)) == []
    assert msgspec.json.decode(msgspec.json.encode(decoded), type=list[model]) == decoded


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the recorded answers lie beside the checkout")
def test_a_quoted_sandbox_document_decodes_once_its_day_is_restored() -> None:
    """What the quote does hold is kept."""
    quote = json.loads((SAMPLES / f"sandbox/{QUOTED_WITHOUT_DAY}.json").read_bytes())
    raw = quote | {"day": "2026-07-01"}
    assert differences(raw, msgspec.to_builtins(msgspec.convert(raw, models.DailySleep))) == []


# --- Specifications ---

# Oura's schema names, less "Public" before and "Model", "Row" or "Response" after, are ours but for these.
RENAMED = {
    "DailySpO2AggregatedValues": "SpO2Percentage",
    "ModifiedSleep": "Sleep",
    "ReadinessSummary": "Readiness",
    "SleepTimeWindow": "OptimalBedtime",
    "Spo2AggregatedValues": "SpO2Percentage",
}
# Envelopes, webhooks, validation errors, and names for plain strings and lists.
NOT_DOCUMENTS = {
    "Array_Union_float__NoneType__Bits64_",
    "CreateWebhookSubscriptionRequest",
    "ExtApiV2DataType",
    "HTTPValidationError",
    "ISODate",
    "LocalDateTime",
    "LocalDateTimeWithMilliseconds",
    "LocalizedDateTime",
    "MultiDocumentResponseDict",
    "TimeSeriesResponseDict",
    "UpdateWebhookSubscriptionRequest",
    "UtcDateTime",
    "ValidationError",
    "WebhookOperation",
    "WebhookSubscriptionModel",
}
ENVELOPES = ("MultiDocumentResponse_", "TimeSeriesResponse_")
# A value of each named or formatted string.
TEXTS = {
    "ISODate": "2026-07-01",
    "LocalDateTime": "2026-07-01T04:00:00+02:00",
    "LocalDateTimeWithMilliseconds": "2026-07-01T04:00:00.000+02:00",
    "LocalizedDateTime": "2026-07-01T04:00:00.000+02:00",
    "UtcDateTime": "2026-07-01T04:00:00.000Z",
    "date": "2026-07-01",
}


def our_name(schema: str) -> str:
    name = schema.removeprefix("Public")
    for ending in ("Model", "Row", "Response"):
        name = name.removesuffix(ending)
    return RENAMED.get(name, name)


def schemas(of: dict[str, Any]) -> list[Any]:
    """Every (version, schema name) that speaks of one of `of`."""
    return [
        pytest.param(version, name, id=f"{version}-{name}")
        for version, spec in SPECS.items()
        for name in sorted(spec)
        if name not in NOT_DOCUMENTS and our_name(name) in of
    ]


def examples(prop: dict[str, Any], spec: dict[str, Any]) -> list[Any]:
    """Values that show all a property may be: one of each type, every enum value, None where allowed."""
    match prop:
        case {"$ref": ref}:
            name = ref.rsplit("/", 1)[-1]
            return [TEXTS[name]] if name in TEXTS else examples(spec[name], spec)
        case {"allOf": options} | {"anyOf": options}:
            return [value for option in options for value in examples(option, spec)]
        case {"enum": values}:
            return list(values)
        case {"type": "object", "properties": properties}:
            return [{key: examples(each, spec)[0] for key, each in properties.items()}]
        case {"type": "array", "items": items}:
            return [examples(items, spec)]
        case {"type": "string", "format": form}:
            return [TEXTS[form]]
        case {"type": kind}:
            return {"integer": [7], "number": [7, 7.5], "boolean": [True], "null": [None], "string": ["x"]}[
                kind
            ]
    raise AssertionError(f"a shape this test does not know: {prop}")


@pytest.mark.parametrize(("version", "name"), schemas(STRUCTS))
def test_every_specified_property_is_a_field_that_takes_it(version: str, name: str) -> None:
    """Fields exist, decode every value the specification allows, keep it, and may be absent where it may."""
    spec, model = SPECS[version], STRUCTS[our_name(name)]
    fields = {field.name: field for field in msgspec.structs.fields(model)}
    schema = spec[name]
    assert schema["properties"].keys() <= fields.keys()
    for key, prop in schema["properties"].items():
        for value in examples(prop, spec):
            taken = msgspec.convert(value, fields[key].type)
            assert differences(value, msgspec.to_builtins(taken), f"{name}.{key}") == []
    required = {key for key, field in fields.items() if field.required}
    assert required <= set(schema.get("required", [])), "we demand what the specification makes optional"


@pytest.mark.parametrize(("version", "name"), schemas(ENUMS))
def test_every_specified_enum_value_completes_in_an_editor(version: str, name: str) -> None:
    """The literals of an open enum hold all values of each specification."""
    assert set(SPECS[version][name]["enum"]) <= literals(ENUMS[our_name(name)])


@pytest.mark.skipif(not SPECS, reason="the specifications lie beside the checkout")
@pytest.mark.parametrize("name", ENUMS)
def test_no_enum_value_is_made_up(name: str) -> None:
    """Each literal stands in some specification."""
    specified = {
        value
        for spec in SPECS.values()
        for schema in spec
        if our_name(schema) == name
        for value in spec[schema]["enum"]
    }
    assert literals(ENUMS[name]) == specified


@pytest.mark.parametrize("version", SPECS)
def test_every_schema_is_a_model_an_enum_or_no_document(version: str) -> None:
    """A schema that a new specification brings is noticed."""
    known = PUBLIC.keys() | NOT_DOCUMENTS
    assert [
        name
        for name in SPECS[version]
        if not name.startswith(ENVELOPES) and name not in known and our_name(name) not in known
    ] == []


@pytest.mark.skipif(not SPECS, reason="the specifications lie beside the checkout")
def test_every_model_and_enum_is_specified_somewhere() -> None:
    """Nothing is public that no specification knows."""
    assert PUBLIC.keys() <= {our_name(name) for spec in SPECS.values() for name in spec}


@pytest.mark.parametrize(
    ("version", "name"),
    [each for each in schemas(STRUCTS) if each.values[0] == NEWEST and "Public" in each.values[1]],
)
def test_fields_stand_in_the_order_of_the_newest_specification(version: str, name: str) -> None:
    """So that what we write looks like what Oura writes."""
    specified = list(SPECS[version][name]["properties"])
    model = STRUCTS[our_name(name)]
    assert [field for field in model.__struct_fields__ if field in specified] == specified


# --- The source ---

SOURCE = ast.parse(Path(str(models.__file__)).read_text(encoding="utf-8"))


def undocumented(body: list[ast.stmt]) -> list[str]:
    """The annotated names in `body` that no docstring of at least one sentence follows."""
    return [
        ast.unparse(node.target)
        for node, after in zip(body, [*body[1:], None], strict=True)
        if isinstance(node, ast.AnnAssign)
        and not (
            isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
            and after.value.value.endswith(".")
        )
    ]


@pytest.mark.parametrize(
    "node", [pytest.param(it, id=it.name) for it in SOURCE.body if isinstance(it, ast.ClassDef)]
)
def test_every_model_and_field_is_documented(node: ast.ClassDef) -> None:
    """A docstring under each field is what an editor shows; none hides in a base class."""
    assert ast.get_docstring(node)
    assert undocumented(node.body) == []
    written = [ast.unparse(it.target) for it in node.body if isinstance(it, ast.AnnAssign)]
    assert tuple(written) == getattr(models, node.name).__struct_fields__


def test_every_enum_is_documented() -> None:
    """Aliases carry a docstring like fields do."""
    assert undocumented(SOURCE.body) == []


def test_everything_public_is_listed_and_sorted() -> None:
    """`__all__` is the whole of the file."""
    defined = {it.name for it in SOURCE.body if isinstance(it, ast.ClassDef)}
    defined |= {ast.unparse(it.target) for it in SOURCE.body if isinstance(it, ast.AnnAssign)}
    assert models.__all__ == sorted(defined)


# --- What may yet come ---

ANCHORS: dict[str, Any] = {
    "id": "an-id",
    "day": "2026-07-01",
    "start_day": "2026-07-01",
    "timestamp": "2026-07-01T04:00:00.000Z",
    "start_time": "2026-07-01T04:00:00+02:00",
    "start_datetime": "2026-07-01T04:00:00+02:00",
    "bedtime_start": "2026-06-30T23:30:00+02:00",
    "bpm": 61,
    "source": "rest",
    "level": 80,
    "ibi": 980,
    # Parts, which `fields` never thins out.
    "interval": 60.0,
    "items": [1.0, None],
    "tags": [],
    "day_tz": 7200,
    "start_offset": -1800,
    "end_offset": 1800,
}


def literals(alias: Any) -> set[str]:
    return {value for arm in get_args(alias) if get_origin(arm) is Literal for value in get_args(arm)}


def sparse(model: type[msgspec.Struct]) -> dict[str, Any]:
    """The least a document holds."""
    return {field.name: ANCHORS[field.name] for field in msgspec.structs.fields(model) if field.required}


@pytest.mark.parametrize("name", STRUCTS)
def test_a_document_of_anchors_alone_decodes(name: str) -> None:
    """Nothing but anchors is required, and the rest is None: both absent and null."""
    model = STRUCTS[name]
    least = sparse(model)
    absent = msgspec.convert(least, model)
    null = msgspec.convert(dict.fromkeys(model.__struct_fields__) | least, model)
    assert absent == null
    assert all(getattr(absent, key) is None for key in model.__struct_fields__ if key not in least)


@pytest.mark.parametrize("name", STRUCTS)
def test_unknown_keys_are_ignored(name: str) -> None:
    """A key that Oura adds tomorrow changes nothing today."""
    model = STRUCTS[name]
    body = json.dumps({"brand_new": {"deep": [1, None]}} | sparse(model))
    assert msgspec.json.decode(body, type=model) == msgspec.convert(sparse(model), model)


@pytest.mark.parametrize("name", ENUMS)
@given(value=st.text())
def test_unknown_enum_values_survive(name: str, value: str) -> None:
    """An enum takes any string and gives it back, alone and where it may be null."""
    assert msgspec.convert(value, ENUMS[name]) == value
    assert msgspec.json.decode(msgspec.json.encode(value), type=ENUMS[name] | None) == value


def test_an_unknown_enum_value_survives_in_its_document() -> None:
    """A ring finish nobody has heard of is still a ring."""
    ring = msgspec.json.decode(
        b'{"id":"r","color":"plaid","hardware_type":"or6"}', type=models.RingConfiguration
    )
    assert (ring.color, ring.hardware_type) == ("plaid", "or6")
    assert b'"plaid"' in msgspec.json.encode(ring)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("2026-07-05T00:00:00.000Z", timedelta(0)),
        ("2026-07-05T00:00:00.000+00:00", timedelta(0)),
        ("2024-11-11T04:00:00+01:00", timedelta(hours=1)),
        ("2021-08-26T20:00:00-04:00", timedelta(hours=-4)),
        ("2021-08-26T20:00:00", None),
    ],
)
def test_every_form_of_timestamp_keeps_its_offset(text: str, offset: timedelta | None) -> None:
    """UTC, local, with and without milliseconds, and without any zone."""
    document = msgspec.convert({"id": "s", "day": "2026-07-05", "timestamp": text}, models.DailySleep)
    assert document.timestamp == datetime.fromisoformat(text)
    assert document.timestamp.utcoffset() == offset


def test_a_night_in_progress_has_no_end() -> None:
    """`bedtime_end` is null until the wearer is up."""
    body = b'{"id":"s","day":"2026-07-02","bedtime_start":"2026-07-01T23:10:00+02:00","bedtime_end":null}'
    night = msgspec.json.decode(body, type=models.Sleep)
    assert night.bedtime_end is None
    assert (night.day, night.bedtime_start.date()) == (date(2026, 7, 2), date(2026, 7, 1))


@pytest.mark.parametrize("model", SERIES, ids=lambda model: model.__name__)
def test_rows_are_light_and_hashable(model: type[msgspec.Struct]) -> None:
    """A month of heart rates is tens of thousands of rows: the garbage collector need not visit them."""
    assert model.__struct_config__.gc is False
    row = msgspec.convert(sparse(model), model)
    assert len({row, msgspec.structs.replace(row)}) == 1


@pytest.mark.parametrize("name", STRUCTS)
def test_documents_are_frozen_and_named(name: str) -> None:
    """A document is a fact: it does not change, and its fields are never guessed by position."""
    config = STRUCTS[name].__struct_config__
    assert config.frozen
    with pytest.raises(TypeError):
        STRUCTS[name]("positional")
