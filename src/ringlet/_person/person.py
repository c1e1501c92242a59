"""`Person`: the simulated wearer's documents and samples, as the cloud shows them at any instant.

Seed, user and day determine every document and sample: the same day has the same bytes in every process, and
in whatever order days are requested.

There is no document or sample before `EARLIEST` or after `LATEST`, so that a request for all time ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from msgspec import json

from .._api.catalog import TYPES
from .documents.table import DOCUMENTS
from .documents.writer import DocumentHistory, DocumentWriter, Ids
from .simulation.estimates import Estimates
from .simulation.local_time import day_of, midnight
from .simulation.movement import Days
from .simulation.plan import Calendar
from .simulation.random_streams import RandomStreams
from .simulation.scores import Scores
from .simulation.series import SERIES, Series
from .simulation.sleep_periods import Nights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .._api.windows import Dialect
    from .documents.rings import Fields
    from .simulation.traits import Traits

__all__ = [
    "DOCUMENTS",
    "EARLIEST",
    "LATEST",
    "RING_CONFIGURATION",
    "SERIES",
    "DocumentChange",
    "DocumentVersion",
    "Person",
]

EARLIEST: Final = date(2010, 1, 1)
LATEST: Final = date(2099, 12, 31)
RING_CONFIGURATION: Final = "ring_configuration"
"""The only data type whose list takes no start and end."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """One version of one document."""

    name: str
    """The data type."""
    id: str
    day: date
    at: datetime
    """The instant (UTC) from which the cloud shows this version."""
    version: int
    """The number of the version, from 1."""
    body: bytes
    """The JSON of this version."""


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """One change of a document: the cloud gets a version of it, or the wearer deletes it."""

    at: datetime
    name: str
    """The data type."""
    id: str
    body: bytes | None
    """The JSON of the new version; None if the document was deleted."""


class Person:
    """One simulated wearer of a ring.

    A data type of the catalog that the simulation does not write has no documents and no samples. A name that
    is not in the catalog raises KeyError. `dialect` is `live` or `docs` (see docs/glossary.md).

    >>> nights = list(Person(7, "demo").documents("daily_sleep", date(2026, 3, 1), date(2026, 3, 7)))
    """

    def __init__(
        self,
        seed: int = 7,
        user: str = "demo",
        *,
        dialect: Dialect = "live",
        ids: Ids = "uuid",
    ) -> None:
        self.seed: int = seed
        self.user: str = user
        self.dialect: Dialect = dialect
        self.ids: Ids = ids
        self._streams = RandomStreams(seed, user)
        calendar = Calendar(self._streams)
        self.traits: Traits = calendar.traits
        days = Days(Nights(calendar))
        self._series = Series(days, unix=dialect == "docs")
        self._writer = DocumentWriter(Estimates(Scores(days)), self._series, dialect, ids)
        # Histories are cached, because each call of `changes` needs those of the last days again: 16 data
        # types of about 7 days.
        self._histories_of: Callable[[str, int], list[DocumentHistory]] = lru_cache(maxsize=256)(
            self._compute_histories
        )

    def documents(
        self, name: str, first: date, last: date, *, now: datetime | None = None
    ) -> Iterator[DocumentVersion]:
        """The documents of the days first..last, each in the version that the cloud shows at `now`.

        With `now` None, each is in its last version. Documents that were deleted by then are left out. Of
        `ring_configuration` all rings are listed that were set up until `last`, also before `first`. Raises
        KeyError for a name that is not in the catalog or is that of a series.
        """
        until = None if now is None else now.timestamp()
        for index, history in self._histories(name, first, last):
            if history.deleted is not None and (until is None or history.deleted <= until):
                continue
            known = [n for n, (at, _) in enumerate(history.versions) if until is None or at <= until]
            if known:
                yield self._version(name, history, index, known[-1])

    def revisions(self, name: str, first: date, last: date) -> Iterator[DocumentVersion]:
        """All versions of the documents of the days first..last, in order of day, document and version.

        Documents that are deleted later are included. Raises KeyError as `documents` does.
        """
        for index, history in self._histories(name, first, last):
            for number in range(len(history.versions)):
                yield self._version(name, history, index, number)

    def changes(self, since: datetime, until: datetime) -> Iterator[DocumentChange]:
        """The changes of documents after `since`, up to and including `until`, in order of time.

        If they are applied to `documents(now=since)`, the result is `documents(now=until)`. The cost grows
        with the number of days between the two.
        """
        begin, end = since.timestamp(), until.timestamp()
        found: list[tuple[int, Callable[[], DocumentChange]]] = []
        for name, kind in DOCUMENTS.items():
            first = since.date() - timedelta(days=kind.final_after_days)
            # East of Greenwich the wearer's date can be one day later than the UTC date.
            last = until.date() + timedelta(days=1)
            for index, history in self._histories(name, first, last):
                for number, (at, _) in enumerate(history.versions):
                    if begin < at <= end:
                        found.append((at, partial(self._put, name, history, index, number)))
                if history.deleted is not None and begin < history.deleted <= end:
                    found.append((history.deleted, partial(self._deletion, name, history, index)))
        for _, change in sorted(found, key=itemgetter(0)):
            yield change()

    def samples(
        self, name: str, first: date, last: date, *, now: datetime | None = None
    ) -> Iterator[tuple[datetime, bytes]]:
        """The samples of the UTC days first..last up to `now`, as (instant, JSON), in order of time.

        Raises KeyError for a name that is not in the catalog or is that of a document type.
        """
        if name not in SERIES:
            _check_not_written(name)
            return
        until = None if now is None else round(now.timestamp() * 1000)
        for day in _ordinals(first, last):
            if until is not None and midnight(day) * 1000 > until:
                return
            for at, row in self._series.rows(name, day):
                if until is not None and at > until:
                    return
                yield _utc(at // 1000, at % 1000), row

    def personal_info(self) -> bytes:
        """The `personal_info` object, as JSON."""
        traits = self.traits
        return json.encode(
            {
                "id": self._streams.random_bytes("user", 0, 20).hex(),
                "age": traits.age,
                "weight": traits.weight,
                "height": traits.height,
                "biological_sex": traits.sex,
                "email": f"{self.user}@example.com",
            }
        )

    def _histories(self, name: str, first: date, last: date) -> Iterator[tuple[int, DocumentHistory]]:
        """The documents of one type of the days first..last, each with its number within its day, from 0."""
        if name not in DOCUMENTS:
            _check_not_written(name)
            return
        days: Iterator[int] = iter(_ordinals(first, last))
        if name == RING_CONFIGURATION:
            set_up = [day_of(at) for at, _ in self._writer.rings]
            days = (day for day in set_up if day <= last.toordinal())
        for day in days:
            yield from enumerate(self._histories_of(name, day))

    def _compute_histories(self, name: str, day: int) -> list[DocumentHistory]:
        return DOCUMENTS[name].histories(self._writer, day)

    def _put(self, name: str, history: DocumentHistory, index: int, number: int) -> DocumentChange:
        version = self._version(name, history, index, number)
        return DocumentChange(version.at, name, version.id, version.body)

    def _deletion(self, name: str, history: DocumentHistory, index: int) -> DocumentChange:
        assert history.deleted is not None
        return DocumentChange(_utc(history.deleted), name, self._writer.id(name, history.day, index), None)

    def _version(self, name: str, history: DocumentHistory, index: int, number: int) -> DocumentVersion:
        at, write = history.versions[number]
        id = self._writer.id(name, history.day, index)
        fields: Fields = {"id": id}
        instant = _utc(at)
        if self.dialect == "docs" and DOCUMENTS[name].meta:
            updated = f"{instant.replace(tzinfo=None).isoformat()}.000Z"
            fields["meta"] = {"updated_at": updated, "version": number + 1}
        body = json.encode(fields | write())
        return DocumentVersion(name, id, date.fromordinal(history.day), instant, number + 1, body)


def _check_not_written(name: str) -> None:
    """Raises KeyError unless `name` is a data type of the catalog that the simulation does not write."""
    if name not in TYPES or name in DOCUMENTS or name in SERIES:
        raise KeyError(name)


def _ordinals(first: date, last: date) -> range:
    return range(max(first, EARLIEST).toordinal(), min(last, LATEST).toordinal() + 1)


def _utc(second: int, millisecond: int = 0) -> datetime:
    # datetime.fromtimestamp would refuse dates before 1970 on Windows, where it calls the C library.
    return _EPOCH + timedelta(0, second, 0, millisecond)
