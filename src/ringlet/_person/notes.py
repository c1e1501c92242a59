"""Documents a person writes: tags and rest mode."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from .blocks import SPAN
from .pen import Draft
from .zones import HOUR, iso_day

if TYPE_CHECKING:
    from .pen import Pen
    from .rings import Fields

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


def _tags(pen: Pen, day: int) -> list[tuple[str, int, str | None]]:
    """What the person noted that day: (reason, instant, comment). Not every drink is noted."""
    mood, dice = pen.calendar.mood(day), pen.cup.dice("tags", day)
    noted = {
        "alcohol": mood.alcohol > 0 and dice.chance(0.85),
        "caffeine": mood.caffeine and dice.chance(0.7),
        "late_meal": mood.late_meal and dice.chance(0.7),
        "stress": mood.stress > 1.1 and dice.chance(0.3),
        "illness": mood.illness > 0.4 and dice.chance(0.5),
        "nap": bool(pen.calendar.plan(day).naps) and dice.chance(0.4),
        "custom": dice.chance(0.05),
    }
    found = [
        (
            reason,
            pen.calendar.instant(day, dice.whole(18 * HOUR, 23 * HOUR)),
            dice.pick(_TAGS[reason][1]),
        )
        for reason, wanted in noted.items()
        if wanted
    ]
    # On the day of a flight an evening hour may not exist; its tag is dropped.
    kept = [tag for tag in found if pen.calendar.local_day(tag[1]) == day]
    return sorted(kept, key=lambda tag: tag[1])


def enhanced_tag(pen: Pen, day: int) -> list[Draft]:
    return [
        Draft(day, [(at + 45, partial(_enhanced_tag, pen, day, reason, at, comment))])
        for reason, at, comment in _tags(pen, day)
    ]


def _enhanced_tag(pen: Pen, day: int, reason: str, at: int, comment: str | None) -> Fields:
    return {
        "tag_type_code": _TAGS[reason][0],
        "start_time": pen.local(at),
        "end_time": None,
        "start_day": iso_day(day),
        "end_day": None,
        "comment": comment,
        "custom_name": pen.cup.dice("custom", day // 60).pick(_CUSTOM) if reason == "custom" else None,
    }


def tag(pen: Pen, day: int) -> list[Draft]:
    return [
        Draft(day, [(at + 45, partial(_tag, pen, day, reason, at, comment))])
        for reason, at, comment in _tags(pen, day)
        if reason != "custom"
    ]


def _tag(pen: Pen, day: int, reason: str, at: int, comment: str | None) -> Fields:
    return {
        "day": iso_day(day),
        "text": comment,
        "timestamp": pen.local(at),
        "tags": [_TAGS[reason][0]],
    }


def rest_mode_period(pen: Pen, day: int) -> list[Draft]:
    illness = pen.calendar.block(day // SPAN).illness
    if illness is None or not illness.rest_mode or illness.first != day:
        return []
    dice = pen.cup.dice("rest mode", day)
    begin = pen.calendar.instant(day, dice.whole(10 * HOUR, 13 * HOUR))
    # Some switch it on and off again at once: recorded periods that end where they begin.
    end = begin if dice.chance(0.15) else pen.calendar.instant(illness.last, dice.whole(9 * HOUR, 20 * HOUR))
    tags = dice.pick((("tag_generic_cold",), ("tag_generic_cold", "tag_generic_headache"), ()))
    episodes: list[Fields] = [{"tags": tags, "timestamp": pen.local(begin)}] if tags else []

    def write(closed: bool) -> Fields:
        return {
            "end_day": iso_day(illness.last if end > begin else day) if closed else None,
            "end_time": pen.local(end) if closed else None,
            "episodes": episodes,
            "start_day": iso_day(day),
            "start_time": pen.local(begin),
        }

    if end == begin:
        return [Draft(day, [(begin + 30, partial(write, True))])]
    return [Draft(day, [(begin + 30, partial(write, False)), (end + 30, partial(write, True))])]
