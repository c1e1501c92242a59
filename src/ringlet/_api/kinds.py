"""Kinds: a class for each of the five shapes of data types, with the flows that request the data. No I/O.

    Documents    each has an id and belongs to a day            list(days), get(id)     sleep, workout, ...
    Inventory    each has an id; the list takes no start        list(), get(id)         ring_configuration
    Samples      points in time without ids                     list(instants)          interbeat_interval
    LiveSamples  samples whose newest can be requested          ... and latest()        heartrate
    Single       one object                                     get()                   personal_info

Rules of this file:
* A row (an object of these classes) is a frozen value without the URL of a server and without a token.
* By default, days are those of the wearer's local time, with `start` and `end` included, and instants go from
  `start` up to but not including `end`, although Oura's routes compare differently (see `windows`).
  `exact=True` sends the bounds as given and returns all that Oura answers.
* A list requests all pages. A page token that Oura sends twice is an error, and not an endless loop.
* In each class `list` is defined last, because after it the name no longer means the builtin type.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar, cast

import msgspec

from ..errors import ServerError, UnknownField, UsageError
from .windows import check_days, check_instants, to_ms, widen
from .wire import DECODE_ERRORS, Flow, Request, ask

D = TypeVar("D", bound=msgspec.Struct)
T = TypeVar("T")

PartialDocument: TypeAlias = dict[str, Any]
"""A document with only the fields that the argument `fields` names, and those that Oura always returns."""

ROOT = "/v2/usercollection"
SANDBOX = "/v2/sandbox/usercollection"


class _Paged(Protocol):
    next_token: str | None


P = TypeVar("P", bound=_Paged)


class Page(msgspec.Struct, Generic[T]):
    """The JSON object of a list response, with `data` decoded."""

    data: list[T]
    next_token: str | None = None


class RawPage(msgspec.Struct):
    """The JSON object of a list response, with `data` as the bytes that Oura sent."""

    data: msgspec.Raw
    next_token: str | None = None


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[D]):
    """One row of the table: a data type, with its columns and the properties of its shape.

    Code tests the properties of a row (`kind.has_ids`) and not its class, so a new data type or a new shape
    needs no change outside this package.
    """

    is_series: ClassVar[bool] = False
    """Whether the data are points in time: start and end are instants, and samples have no ids."""
    has_days: ClassVar[bool] = False
    """Whether each document belongs to a day (in the field that `day` names)."""
    has_ids: ClassVar[bool] = False
    """Whether each document can be requested by its id."""
    has_window: ClassVar[bool] = False
    """Whether a request for the list takes a start and an end."""
    has_latest: ClassVar[bool] = False
    """Whether Oura answers `latest=true` with the newest sample alone; other routes ignore the parameter."""
    is_single: ClassVar[bool] = False
    """Whether the data type is one object and not a list."""

    model: type[D]
    """The class that a document decodes into."""
    scope: str
    """The scope that a token needs for this data type."""
    name: str = ""
    """The name of the data type in Oura's paths, the archive and the command line; set by the table."""
    webhook: str = ""
    """The `data_type` in webhooks; "" if Oura sends no events about this data type."""
    stride: timedelta = timedelta(days=180)
    """The stretch of time that one request of a backfill covers; the answer has about 1 MB at most."""
    supports_fields: bool = True
    """Whether the server honours the parameter `fields`."""
    day: str = ""
    """The field with the day that a document belongs to; "" if documents do not belong to days."""
    instant: str = ""
    """The field whose time the live service compares with start and end; "" if the list takes no window."""
    bounds: ClassVar[tuple[str, str]] = ("start_date", "end_date")
    """The names of the request parameters for the start and the end."""

    @property
    def route(self) -> str:
        """The path of the list, or of the object of a Single."""
        return f"{ROOT}/{self.name}"

    def request(self, **params: str) -> Request:
        """A GET request for the route, with these query parameters."""
        return Request(path=self.route, params=params, scope=self.scope)

    def raw_pages(self, take: Callable[[bytes], T], **params: str) -> Flow[list[T]]:
        """Call `take` with the `data` array of each page, as Oura's bytes, and return its results.

        `params` are the query parameters, which are not checked.
        """
        return self._each_page(RawPage, lambda page: take(bytes(page.data)), params)

    def raw_document(self, id: str) -> Flow[bytes]:
        """One document by its id, as Oura's bytes; only for rows that `has_ids`. Raises DocumentNotFound."""
        return ask(replace(self.request(), path=f"{self.route}/{_segment(id)}"))

    def _pages(self, shape: type[T], params: dict[str, str]) -> Flow[list[T]]:
        page_of = cast(
            "type[Page[T]]", cast(Any, Page)[shape]
        )  # Type checkers refuse Page[shape], where shape is a variable.
        pages = yield from self._each_page(page_of, lambda page: page.data, params)
        return pages[0] if len(pages) == 1 else [one for page in pages for one in page]

    def _each_page(self, page_of: type[P], take: Callable[[P], T], params: dict[str, str]) -> Flow[list[T]]:
        """Call `take` with each page, and return its results. Raises ServerError if a page token repeats."""
        pages: list[T] = []
        seen: set[str] = set()
        while True:
            page = decode((yield from ask(self.request(**params))), page_of)
            pages.append(take(page))
            token = page.next_token
            if not token:
                return pages
            if token in seen:
                raise ServerError(f"{self.name}: a page token repeats after {len(pages)} pages", status=502)
            seen.add(token)
            params = {**params, "next_token": token}

    def _fields(self, fields: Sequence[str], exact: bool, *anchors: str) -> dict[str, str]:
        """The query parameter `fields`. Unless `exact`, adds `anchors`, and raises UnknownField."""
        names = [fields] if isinstance(fields, str) else list(fields)
        known = self.model.__struct_fields__
        for name in names:
            if name not in known and not exact:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise UnknownField(  # Oura would ignore the name silently.
                    f"{self.name} has no field {name!r}{hint}",
                    cure="exact=True sends field names as they are",
                )
        wanted = names if exact else [*names, *(a for a in anchors if a and a not in names)]
        return {"fields": ",".join(wanted)}


@dataclass(frozen=True, kw_only=True)
class _WithIds(Kind[D]):
    has_ids: ClassVar[bool] = True

    def get(self, id: str) -> Flow[D]:
        """One document by its id. Raises DocumentNotFound."""
        return decode((yield from self.raw_document(id)), self.model)


@dataclass(frozen=True, kw_only=True)
class Documents(_WithIds[D]):
    """A data type whose documents each have an id and belong to a day."""

    has_days: ClassVar[bool] = True
    has_window: ClassVar[bool] = True
    day: str = "day"
    instant: str = "day"

    def list_fields(
        self, start: date, end: date, fields: Sequence[str], *, exact: bool = False
    ) -> Flow[list[PartialDocument]]:
        """The documents of the days `start` to `end` as dicts that have only `fields` and the day."""
        params = self._window(start, end, exact) | self._fields(fields, exact, self.day)
        documents = yield from self._pages(PartialDocument, params)
        if exact:
            return documents
        first, last = start.isoformat(), end.isoformat()
        return [one for one in documents if first <= (one.get(self.day) or first) <= last]

    def _window(self, start: date, end: date, exact: bool) -> dict[str, str]:
        if not exact:
            check_days(start, end)
            start, end = widen(start, end)
        return dict(zip(self.bounds, (start.isoformat(), end.isoformat()), strict=True))

    def list(self, start: date, end: date, *, exact: bool = False) -> Flow[list[D]]:
        """The documents of the days `start` to `end`, both included, oldest first."""
        documents = yield from self._pages(self.model, self._window(start, end, exact))
        if exact:
            return documents
        return [one for one in documents if start <= getattr(one, self.day) <= end]


@dataclass(frozen=True, kw_only=True)
class Inventory(_WithIds[D]):
    """A data type whose documents each have an id, and whose list takes no start and end."""

    def list_fields(self, fields: Sequence[str], *, exact: bool = False) -> Flow[list[PartialDocument]]:
        """All documents as dicts that have only `fields`."""
        return self._pages(PartialDocument, self._fields(fields, exact))

    def list(self) -> Flow[list[D]]:
        """All documents, oldest first."""
        return self._pages(self.model, {})


@dataclass(frozen=True, kw_only=True)
class Samples(Kind[D]):
    """A series of points in time without ids; heart rates of different `source` may share a timestamp."""

    is_series: ClassVar[bool] = True
    has_window: ClassVar[bool] = True
    bounds: ClassVar[tuple[str, str]] = ("start_datetime", "end_datetime")
    stride: timedelta = timedelta(days=30)
    instant: str = "timestamp"

    def list_fields(
        self, start: datetime, end: datetime, fields: Sequence[str], *, exact: bool = False
    ) -> Flow[list[PartialDocument]]:
        """The samples with start <= timestamp < end, as dicts that have only `fields` and `timestamp`."""
        params = self._window(start, end, exact) | self._fields(fields, exact, self.instant)
        rows = yield from self._pages(PartialDocument, params)
        if exact:
            return rows
        return _between(rows, start, end, lambda row: datetime.fromisoformat(row[self.instant]))

    def _window(self, start: datetime, end: datetime, exact: bool) -> dict[str, str]:
        if not exact:
            check_instants(start, end)
        return dict(zip(self.bounds, (start.isoformat(), end.isoformat()), strict=True))

    def list(self, start: datetime, end: datetime, *, exact: bool = False) -> Flow[list[D]]:
        """The samples with start <= timestamp < end, oldest first."""
        rows = yield from self._pages(self.model, self._window(start, end, exact))
        if exact:
            return rows
        return _between(rows, start, end, lambda row: getattr(row, self.instant))


@dataclass(frozen=True, kw_only=True)
class LiveSamples(Samples[D]):
    """A series whose newest sample can be requested with the parameter `latest`."""

    has_latest: ClassVar[bool] = True

    def latest(self) -> Flow[D | None]:
        """The newest sample, however old it is; None if the series is empty."""
        rows = yield from self._pages(self.model, {"latest": "true"})
        return rows[-1] if rows else None


@dataclass(frozen=True, kw_only=True)
class Single(Kind[D]):
    """A data type that is a single JSON object, not a list: `personal_info`."""

    is_single: ClassVar[bool] = True

    def raw_pages(self, take: Callable[[bytes], T], **params: str) -> Flow[list[T]]:
        """Call `take` with the object, as Oura's bytes, and return its result in a list."""
        return [take((yield from ask(self.request(**params))))]

    def get(self) -> Flow[D]:
        """The object."""
        return decode((yield from ask(self.request())), self.model)


def _between(rows: list[T], start: datetime, end: datetime, when: Callable[[T], datetime]) -> list[T]:
    """The rows with start <= when(row) < end. Rows are sorted by time; only those at the ends are tested."""
    first, last = to_ms(start), to_ms(end)
    low, high = 0, len(rows)
    while low < high and to_ms(when(rows[low])) < first:
        low += 1
    while high > low and to_ms(when(rows[high - 1])) >= last:
        high -= 1
    return rows if (low, high) == (0, len(rows)) else rows[low:high]


def decode(body: bytes, shape: type[T]) -> T:
    """Decode JSON into the type `shape`. Raises ServerError if the body is not JSON of that shape."""
    try:
        return msgspec.json.decode(body, type=shape)
    except DECODE_ERRORS as broken:
        raise ServerError(f"the answer is not what this route returns: {broken}", status=502) from broken


def _segment(id: str) -> str:
    # HTTP libraries remove "." and ".." from a path (some "%2e" too), and refuse to send a line break.
    if not id.strip(".") or set(id) & set("/?#%") or not id.isprintable():
        raise UsageError(f"{id!r} cannot be a document id", cure="pass the `id` of a document")
    return id
