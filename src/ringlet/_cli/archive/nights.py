"""Finds nights in the archive by the day of waking."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import msgspec

from ..._api.catalog import TYPES
from ..._api.windows import Span, day_ms
from ...models import DailySleep, Sleep
from .night_chart import Night, gather

if TYPE_CHECKING:
    from ..._archive.archive import Archive

ALL_DAYS = Span(day_ms(date.min), day_ms(date.max))


class _Stretch(msgspec.Struct):
    day: date
    type: str | None = None


def days_with_nights(archive: Archive, user: int) -> list[date]:
    """All days for which the archive has a night's sleep, oldest first."""
    body, _ = archive.page(user, TYPES["sleep"], ALL_DAYS, "docs")
    stretches = msgspec.json.decode(b"[%s]" % body, type=list[_Stretch])
    return sorted({one.day for one in stretches if one.type == "long_sleep"})


def newest(archive: Archive, user: int) -> date | None:
    """Return the day of the newest long sleep, else of the newest sleep; None without sleep documents."""
    body = archive.latest(user, TYPES["sleep"])
    if body is None:
        return None
    last = msgspec.json.decode(body, type=_Stretch)
    if last.type == "long_sleep":
        return last.day
    days = days_with_nights(archive, user)
    return days[-1] if days else last.day


def nearest(archive: Archive, user: int, day: date) -> list[date]:
    """For a day without a night's sleep, the nearest earlier and the nearest later day that have one."""
    days = days_with_nights(archive, user)
    before = [one for one in days if one < day][-1:]
    after = [one for one in days if one > day][:1]
    return before + after


def night_of(archive: Archive, user: int, day: date) -> tuple[Night | None, bytes]:
    """The night of a day, and the JSON of its sleep document as Oura sent it."""
    raw = _of(archive, user, "sleep", day)
    sleeps = [msgspec.json.decode(one, type=Sleep) for one in raw]
    scores = [msgspec.json.decode(one, type=DailySleep) for one in _of(archive, user, "daily_sleep", day)]
    night = gather(sleeps, scores[-1] if scores else None)
    if night is None:
        return None, b""
    return night, bytes(raw[next(at for at, sleep in enumerate(sleeps) if sleep is night.main)])


def _of(archive: Archive, user: int, type: str, day: date) -> list[msgspec.Raw]:
    body, _ = archive.page(user, TYPES[type], Span(day_ms(day), day_ms(day)), "docs")
    return msgspec.json.decode(b"[%s]" % body, type=list[msgspec.Raw])
