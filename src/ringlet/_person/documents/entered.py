"""Writes documents of what the wearer enters in the app: tags, rest mode, and rings that are set up."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from ..simulation.local_time import HOUR_S, day_of, iso_day
from .writer import DocumentHistory

if TYPE_CHECKING:
    from .rings import Fields
    from .writer import DocumentWriter

_TAGS: Final = {
    "alcohol": ("tag_sleep_alcohol", ("", "", None, "with friends")),
    "caffeine": ("tag_generic_caffeine", ("", None, "late espresso")),
    "late_meal": ("tag_sleep_latemeal", ("", "", None)),
    "stress": ("tag_generic_stress", ("", None, "deadline")),
    "illness": ("tag_generic_cold", ("", None)),
    "nap": ("tag_generic_nap", ("", None)),
    "custom": ("custom", ("", None)),
}
_CUSTOM: Final = ("Cold plunge", "Magnesium", "Screen-free evening")


def _tags(writer: DocumentWriter, day: int) -> list[tuple[str, int, str | None]]:
    """The tags of a day as (reason, instant, comment). The wearer tags only some of the possible reasons."""
    state, rng = writer.calendar.state(day), writer.streams.stream("tags", day)
    noted = {
        "alcohol": state.alcohol > 0 and rng.chance(0.85),
        "caffeine": state.caffeine and rng.chance(0.7),
        "late_meal": state.late_meal and rng.chance(0.7),
        "stress": state.stress > 1.1 and rng.chance(0.3),
        "illness": state.illness > 0.4 and rng.chance(0.5),
        "nap": bool(writer.calendar.plan(day).naps) and rng.chance(0.4),
        "custom": rng.chance(0.05),
    }
    found = [
        (
            reason,
            writer.calendar.instant(day, rng.integer(18 * HOUR_S, 23 * HOUR_S)),
            rng.choice(_TAGS[reason][1]),
        )
        for reason, wanted in noted.items()
        if wanted
    ]
    # If the wearer flies east, local time jumps ahead. A tag at a time that does not exist on this day would
    # be on the next day, so it is dropped.
    kept = [tag for tag in found if writer.calendar.local_day(tag[1]) == day]
    return sorted(kept, key=lambda tag: tag[1])


def enhanced_tag(writer: DocumentWriter, day: int) -> list[DocumentHistory]:
    """The tags of a day; the cloud gets each 45 seconds after its time."""
    return [
        DocumentHistory(day, [(at + 45, partial(_enhanced_tag, writer, day, reason, at, comment))])
        for reason, at, comment in _tags(writer, day)
    ]


def _enhanced_tag(writer: DocumentWriter, day: int, reason: str, at: int, comment: str | None) -> Fields:
    return {
        "tag_type_code": _TAGS[reason][0],
        "start_time": writer.local(at),
        "end_time": None,
        "start_day": iso_day(day),
        "end_day": None,
        "comment": comment,
        "custom_name": writer.streams.stream("custom", day // 60).choice(_CUSTOM)
        if reason == "custom"
        else None,
    }


def tag(writer: DocumentWriter, day: int) -> list[DocumentHistory]:
    """The tags of a day as documents of the older type `tag`, which has no custom tags."""
    return [
        DocumentHistory(day, [(at + 45, partial(_tag, writer, day, reason, at, comment))])
        for reason, at, comment in _tags(writer, day)
        if reason != "custom"
    ]


def _tag(writer: DocumentWriter, day: int, reason: str, at: int, comment: str | None) -> Fields:
    return {
        "day": iso_day(day),
        "text": comment,
        "timestamp": writer.local(at),
        "tags": [_TAGS[reason][0]],
    }


def rest_mode_period(writer: DocumentWriter, day: int) -> list[DocumentHistory]:
    """The rest mode of an illness that begins on the day; its last version has the end of the period."""
    illness = writer.calendar.episodes_around(day).illness
    if illness is None or not illness.rest_mode or illness.first != day:
        return []
    rng = writer.streams.stream("rest mode", day)
    begin = writer.calendar.instant(day, rng.integer(10 * HOUR_S, 13 * HOUR_S))
    # Some recorded periods end at the time of their start, because rest mode was turned on and off at once.
    end = (
        begin
        if rng.chance(0.15)
        else writer.calendar.instant(illness.last, rng.integer(9 * HOUR_S, 20 * HOUR_S))
    )
    tags = rng.choice((("tag_generic_cold",), ("tag_generic_cold", "tag_generic_headache"), ()))
    episodes: list[Fields] = [{"tags": tags, "timestamp": writer.local(begin)}] if tags else []

    def write(closed: bool) -> Fields:
        return {
            "end_day": iso_day(illness.last if end > begin else day) if closed else None,
            "end_time": writer.local(end) if closed else None,
            "episodes": episodes,
            "start_day": iso_day(day),
            "start_time": writer.local(begin),
        }

    if end == begin:
        return [DocumentHistory(day, [(begin + 30, partial(write, True))])]
    return [DocumentHistory(day, [(begin + 30, partial(write, False)), (end + 30, partial(write, True))])]


def ring_configuration(writer: DocumentWriter, day: int) -> list[DocumentHistory]:
    """The rings that were set up on a day."""
    return [
        DocumentHistory(day, [(at, partial(_unchanged, fields))])
        for at, fields in writer.rings
        if day_of(at) == day
    ]


def _unchanged(fields: Fields) -> Fields:
    return fields
