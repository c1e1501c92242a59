"""Decides when the cloud gets each version of a document, and gives the simulation to those who write them.

Rules of this file:

* A document is a `DocumentHistory`: its day and its versions. A version is the instant from which the cloud
  shows it and a function that writes its fields; the function is called only for versions that are needed.
* The cloud gets the documents of a night when the wearer opens the app: mostly in the morning, sometimes in
  the evening or on the next day. Some nights are analysed again hours later, which gives another version.
* Documents that a wearer can delete in the app are sometimes deleted, hours after the cloud got them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Literal

from ..simulation.local_time import HOUR_S, day_of, iso_day, local_timestamp
from ..simulation.sleep_periods import SHORT_PERIOD_S
from .rings import Fields, rings

if TYPE_CHECKING:
    from ..._api.windows import Dialect
    from ..simulation.estimates import Estimates
    from ..simulation.series import Series
    from ..simulation.sleep_periods import SleepPeriod

Ids = Literal["uuid", "sandbox"]
"""The form of document ids: random UUIDs as in Oura's API, or `sleep-0-2026-6-29` as in Oura's sandbox."""
Version = tuple[int, Callable[[], Fields]]
"""The instant from which the cloud shows a version, and a function that returns its fields."""


@dataclass(frozen=True, slots=True)
class DocumentHistory:
    """One document with all its versions, which are not written yet."""

    day: int
    versions: Sequence[Version]
    """The versions in order of their instants; at least one."""
    deleted: int | None = None
    """The instant, after the last version, at which the wearer deletes the document; None if never."""


def sample(interval: float, items: Sequence[float | None], timestamp: str) -> Fields:
    """Oura's JSON object for values measured every `interval` seconds, the first at `timestamp`."""
    return {"interval": interval, "items": items, "timestamp": timestamp}


def midnight_timestamp(day: int) -> str:
    """The `timestamp` of daily scores: midnight UTC, whatever the wearer's time zone is."""
    return f"{iso_day(day)}T00:00:00.000+00:00"


class DocumentWriter:
    """Gives the simulation, the dialect, ids and instants to the functions that write documents.

    `dialect` is `live` or `docs` (see docs/glossary.md).
    """

    def __init__(self, estimates: Estimates, series: Series, dialect: Dialect, ids: Ids) -> None:
        self.estimates, self.scores, self.series, self.dialect = estimates, estimates.scores, series, dialect
        self.days, self.nights, self.calendar = series.days, series.nights, series.calendar
        self.streams = self.calendar.streams
        self.ids: Ids = ids
        self.rings = rings(self.streams, dialect)

    def id(self, name: str, day: int, index: int) -> str:
        """The id of document number `index` of a data type on a day."""
        if self.ids == "uuid":
            return self.streams.uuid(name, day * 32 + index)  # A data type has fewer than 32 documents a day.
        own = date.fromordinal(day)
        return f"{name}-{index}-{own.year}-{own.month}-{own.day}"

    def local(self, instant: int) -> str:
        """Format an instant as in documents: the wearer's local time with its offset."""
        return local_timestamp(instant, self.calendar.offset(instant))

    def ring_id(self, instant: int) -> str:
        """The id of the ring worn at an instant."""
        return self.id("ring_configuration", max(day_of(at) for at, _ in self.rings if at <= instant), 0)

    def app_opened(self, day: int) -> int:
        """The instant at which the app is first opened after the night, when the cloud gets its documents.

        On 5.5 % of days that is in the evening, on another 1.5 % the next morning.
        """
        rng, plan = self.streams.stream("opened", day), self.calendar.plan(day)
        when = rng.uniform()
        if when < 0.055:
            evening = self.calendar.instant(day, rng.integer(18 * HOUR_S, 21 * HOUR_S))
            return max(plan.awake + HOUR_S, evening)
        if when < 0.07:
            return self.calendar.plan(day + 1).awake + rng.integer(300, 2400)
        return plan.awake + rng.integer(180, 2700)

    def night_revised(self, day: int) -> int | None:
        """The instant at which the night is analysed again; None for the 88 % of nights that are not."""
        rng = self.streams.stream("revised", day)
        return self.app_opened(day) + rng.integer(2 * HOUR_S, 9 * HOUR_S) if rng.chance(0.12) else None

    def deleted_at(self, what: str, at: int) -> int | None:
        """The instant at which the wearer deletes a document that the cloud got at `at`; None if never.

        Documents with the same `what` (such as "tag") and `at` are one entry in the app, and are deleted
        together.
        """
        rng = self.streams.stream(f"deleted {what}", at)
        return at + rng.integer(HOUR_S, 20 * HOUR_S) if rng.chance(0.03) else None

    def nap_synced(self, nap: SleepPeriod) -> int:
        """The instant at which the cloud gets the document of a nap."""
        return nap.end + self.streams.stream("nap synced", nap.begin // 60).integer(600, 5400)

    def nap_points(self, period: SleepPeriod) -> int | None:
        """Points that a sleep period adds to the day's scores (Oura's `sleep_score_delta`); 0 for the night.

        None if it was too short or only a rest. In recorded answers, too, this is null, or 6 at most.
        """
        if period.kind == "long_sleep":
            return 0
        if period.in_bed < SHORT_PERIOD_S or period.kind == "rest":
            return None
        night = self.nights.long_sleep(period.day)
        return 0 if night is None or period.begin < night.begin else min(6, period.asleep // 700)

    def after_the_night(self, day: int, write: Callable[[int], Fields]) -> list[DocumentHistory]:
        """A document with a score that is computed from the night, in one or more versions.

        The cloud gets a version when the app is opened, one when the night is analysed again, and one for
        each later nap that adds points. `write` is called with the points to add to the night's score:
        negative until the night is analysed again, positive once a nap has added points.
        """
        opened, revised = self.app_opened(day), self.night_revised(day)
        naps = [
            (self.nap_synced(nap), points)
            for nap in self.nights.periods(day)
            if (points := self.nap_points(nap))
        ]
        instants = {opened, *([revised] if revised else []), *(at for at, _ in naps if at > opened)}
        versions: list[Version] = []
        for at in sorted(instants):
            early = -1 - day % 3 if revised and at < revised else 0
            added = sum(points for synced, points in naps if synced <= at)
            versions.append((at, partial(write, early + added)))
        return [DocumentHistory(day, versions)]

    def in_the_morning(self, day: int, fields: Fields) -> list[DocumentHistory]:
        """A document with one version, which the cloud gets when the app is opened after the night."""
        return [DocumentHistory(day, [(self.app_opened(day), lambda: fields)])]
