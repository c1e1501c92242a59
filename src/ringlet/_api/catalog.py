"""The table of Oura's data types: one row for each, with all that differs between them.

Client methods, cloud routes, scopes, archive views, sync windows, command-line arguments and the cloud's
OpenAPI document are all made from this table, so a new data type needs one model in `models` and one row here
(see `tests/test_new_data_type.py`). Only the simulated wearer has a table of its own: a data type without an
entry in `_person.documents.table` has no simulated documents.

    model     the class that a document decodes into
    scope     the OAuth2 scope that a token needs, in the spelling of Oura's developer portal (`SCOPES`)
    instant   the field whose time the live service compares with the start and end of a request (`windows`)
    webhook   the name of the data type in webhooks, if it has any (REST says vO2_max, webhooks say vo2_max)
    days      the days that one request of a backfill covers

`tag` is deprecated in favour of `enhanced_tag`; only version 1.29 of the API has `interbeat_interval`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, TypeAlias, cast

from .. import models as m
from .async_faces import (
    AsyncDocumentsFace,
    AsyncInventoryFace,
    AsyncLiveSamplesFace,
    AsyncSamplesFace,
    AsyncSingleFace,
)
from .faces import DocumentsFace, InventoryFace, LiveSamplesFace, SamplesFace, SingleFace
from .kinds import D, Documents, Inventory, Kind, LiveSamples, Samples, Single
from .runners import Slot


def documents(
    model: type[D],
    scope: str,
    instant: str,
    webhook: str,
    days: int,
    *,
    day: str = "day",
    supports_fields: bool = True,
) -> Slot[Documents[D], DocumentsFace[D], AsyncDocumentsFace[D]]:
    """Make a row for a data type whose documents each belong to a day, which is in the field named `day`."""
    stride = timedelta(days=days)
    row = Documents(
        model=model,
        scope=scope,
        instant=instant,
        webhook=webhook,
        stride=stride,
        day=day,
        supports_fields=supports_fields,
    )
    return Slot(row, DocumentsFace, AsyncDocumentsFace)


def inventory(
    model: type[D], scope: str, webhook: str
) -> Slot[Inventory[D], InventoryFace[D], AsyncInventoryFace[D]]:
    """Make a row for a data type whose list takes no start and end."""
    return Slot(Inventory(model=model, scope=scope, webhook=webhook), InventoryFace, AsyncInventoryFace)


def samples(model: type[D], scope: str, days: int) -> Slot[Samples[D], SamplesFace[D], AsyncSamplesFace[D]]:
    """Make a row for a series of samples."""
    return Slot(Samples(model=model, scope=scope, stride=timedelta(days=days)), SamplesFace, AsyncSamplesFace)


def live_samples(
    model: type[D], scope: str, days: int
) -> Slot[LiveSamples[D], LiveSamplesFace[D], AsyncLiveSamplesFace[D]]:
    """Make a row for a series whose newest sample can be requested."""
    return Slot(
        LiveSamples(model=model, scope=scope, stride=timedelta(days=days)),
        LiveSamplesFace,
        AsyncLiveSamplesFace,
    )


def single(model: type[D], scope: str) -> Slot[Single[D], SingleFace[D], AsyncSingleFace[D]]:
    """Make a row for a data type that is a single object."""
    return Slot(Single(model=model, scope=scope), SingleFace, AsyncSingleFace)


# fmt: off
# ruff: noqa: E501, N815  # one line per data type; Oura writes vO2_max
class Catalog:
    """The data types of Oura API v2."""

    #                                            model                      scope                 instant           webhook                     days
    sleep                    : Final = documents(m.Sleep,                   "daily",              "bedtime_start",  "sleep",                      60)
    daily_sleep              : Final = documents(m.DailySleep,              "daily",              "day",            "daily_sleep",               180)
    daily_readiness          : Final = documents(m.DailyReadiness,          "daily",              "day",            "daily_readiness",           180)
    daily_activity           : Final = documents(m.DailyActivity,           "daily",              "timestamp",      "daily_activity",             60)
    daily_stress             : Final = documents(m.DailyStress,             "daily",              "day",            "daily_stress",              180)
    daily_resilience         : Final = documents(m.DailyResilience,         "stress",             "day",            "daily_resilience",          180, supports_fields=False)
    daily_spo2               : Final = documents(m.DailySpO2,               "spo2",               "day",            "daily_spo2",                180)
    daily_cardiovascular_age : Final = documents(m.DailyCardiovascularAge,  "heart_health",       "day",            "daily_cardiovascular_age",  180)
    vO2_max                  : Final = documents(m.VO2Max,                  "heart_health",       "day",            "vo2_max",                   180)
    sleep_time               : Final = documents(m.SleepTime,               "daily",              "day",            "sleep_time",                180)
    workout                  : Final = documents(m.Workout,                 "workout",            "start_datetime", "workout",                   180)
    session                  : Final = documents(m.Session,                 "session",            "start_datetime", "session",                    60)
    enhanced_tag             : Final = documents(m.EnhancedTag,             "tag",                "start_time",     "enhanced_tag",              180, day="start_day", supports_fields=False)
    tag                      : Final = documents(m.Tag,                     "tag",                "timestamp",      "tag",                       180, supports_fields=False)
    rest_mode_period         : Final = documents(m.RestModePeriod,          "daily",              "start_time",     "rest_mode_period",          180, day="start_day")
    ring_configuration       : Final = inventory(m.RingConfiguration,       "ring_configuration",                   "ring_configuration")
    heartrate                : Final = live_samples(m.HeartRate,            "heartrate",                                                          30)
    ring_battery_level       : Final = live_samples(m.RingBatteryLevel,     "ring_configuration",                                                 60)
    interbeat_interval       : Final = samples(m.InterbeatInterval,         "heartrate",                                                           9)
    personal_info            : Final = single(m.PersonalInfo,               "personal")
# fmt: on


AnyKind: TypeAlias = Kind[Any]
"""A row of any shape. Code tests its properties (`has_ids`, `is_series`, ...) and not its class."""

_SLOTS = {
    name: cast("Slot[AnyKind, Any, Any]", it) for name, it in vars(Catalog).items() if isinstance(it, Slot)
}

TYPES: Mapping[str, AnyKind] = {name: slot.kind for name, slot in _SLOTS.items()}
"""All rows by the name of their data type, in the table's order."""


def kind_named(name: str) -> AnyKind:
    """The row of a data type; upper case and `-` for `_` are accepted. Raises KeyError for an unknown name."""
    return TYPES.get(name) or _FOLDED[name.lower().replace("-", "_")]


_FOLDED = {name.lower(): kind for name, kind in TYPES.items()}

__all__ = ["TYPES", "AnyKind", "Catalog", "kind_named"]
