"""Kinds: the five shapes a data type can have, as rows of the table with the flows that fetch them. No I/O.

    Documents    filed under a day, each with an id             list(days), get(id)     sleep, workout, ...
    Inventory    each with an id, no window                     list(), get(id)         ring_configuration
    Samples      points in time, no ids                         list(instants)          interbeat_interval
    LiveSamples  samples whose newest can be asked for          ... and latest()        heartrate
    Single       one object                                     get()                   personal_info

Rules of this file:
* A row is a frozen value. It does not know where a request is sent or with which token.
* By default a window means what people mean by it: days `start` to `end` inclusive in the wearer's time,
  instants `start` up to but not including `end`, whatever the endpoint does with its bounds. `exact=True`
  sends the bounds as given and returns what came.
* Pages are followed to the end; a token that comes twice is an error, not an endless loop.
* `list` stands last in its class, because it hides the builtin from there on.
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
"""A document cut down by `fields`: the fields that were asked for, and those that Oura always returns."""

ROOT = "/v2/usercollection"
SANDBOX = "/v2/sandbox/usercollection"


class _Paged(Protocol):
    next_token: str | None


P = TypeVar("P", bound=_Paged)


class Page(msgspec.Struct, Generic[T]):
    """The envelope of every list answer."""

    data: list[T]
    next_token: str | None = None


class RawPage(msgspec.Struct):
    """The envelope of a list response, with `data` left as the bytes that Oura sent."""

    data: msgspec.Raw
    next_token: str | None = None


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[D]):
    """One row of the table: its columns, and what is true of every row of its shape.

    Code that reads the table asks a row (`kind.has_ids`), never its class: so a new data type, or a new
    shape, needs no change outside this package.
    """

    is_series: ClassVar[bool] = False
    """Whether it is points in time: bounds are instants, rows are many and have no ids."""
    has_days: ClassVar[bool] = False
    """Whether each document is filed under a day (see the column `day`)."""
    has_ids: ClassVar[bool] = False
    """Whether each document can be requested by its id."""
    has_window: ClassVar[bool] = False
    """Whether its list takes a start and an end."""
    has_latest: ClassVar[bool] = False
    """Whether Oura answers `latest=true` with the newest row alone; elsewhere it ignores the parameter."""
    is_single: ClassVar[bool] = False
    """Whether it is one object without a list."""

    model: type[D]
    """What a document decodes into."""
    scope: str
    """The scope that a token needs for this data type."""
    name: str = ""
    """What it is called in the API's paths, in the archive and on the command line; set by the table."""
    webhook: str = ""
    """Its `data_type` in webhooks; empty where Oura sends none."""
    stride: timedelta = timedelta(days=180)
    """How far one request of a backfill stretches: about one megabyte of answer at most."""
    supports_fields: bool = True
    """Whether the server honours `fields`."""
    day: str = ""
    """The field that files a document under a day of the wearer; empty where there is none."""
    instant: str = ""
    """The field whose instant the live service compares with a window; empty where there is no window."""
    bounds: ClassVar[tuple[str, str]] = ("start_date", "end_date")
    """The window parameters."""

    @property
    def route(self) -> str:
        """The path of its list (or of itself, for a Single)."""
        return f"{ROOT}/{self.name}"

    def request(self, **params: str) -> Request:
        """A request for its route."""
        return Request(path=self.route, params=params, scope=self.scope)

    def raw_pages(self, take: Callable[[bytes], T], **params: str) -> Flow[list[T]]:
        """`take` applied to the `data` array of every page, in Oura's own bytes, as each page comes.

        `params` are sent as they are.
        """
        return self._turn(RawPage, lambda page: take(bytes(page.data)), params)

    def raw_document(self, id: str) -> Flow[bytes]:
        """One document by its id in Oura's own bytes, of a kind that `has_ids`. Raises DocumentNotFound."""
        return ask(replace(self.request(), path=f"{self.route}/{_segment(id)}"))

    def _pages(self, shape: type[T], params: dict[str, str]) -> Flow[list[T]]:
        page_of = cast(
            "type[Page[T]]", cast(Any, Page)[shape]
        )  # Type checkers refuse Page[shape], where shape is a variable.
        pages = yield from self._turn(page_of, lambda page: page.data, params)
        return pages[0] if len(pages) == 1 else [one for page in pages for one in page]

    def _turn(self, page_of: type[P], take: Callable[[P], T], params: dict[str, str]) -> Flow[list[T]]:
        """`take` applied to every page. A page token that comes twice would never end, so it is an error."""
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
        """The `fields` parameter. Names are checked, because Oura ignores unknown ones silently."""
        names = [fields] if isinstance(fields, str) else list(fields)
        known = self.model.__struct_fields__
        for name in names:
            if name not in known and not exact:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise UnknownField(
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
    """Documents filed under a day, each with an id."""

    has_days: ClassVar[bool] = True
    has_window: ClassVar[bool] = True
    day: str = "day"
    instant: str = "day"

    def list_fields(
        self, start: date, end: date, fields: Sequence[str], *, exact: bool = False
    ) -> Flow[list[PartialDocument]]:
        """The documents of days `start`..`end` as dicts with `fields` and the day only."""
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
        """The documents of days `start`..`end`, oldest first."""
        documents = yield from self._pages(self.model, self._window(start, end, exact))
        if exact:
            return documents
        return [one for one in documents if start <= getattr(one, self.day) <= end]


@dataclass(frozen=True, kw_only=True)
class Inventory(_WithIds[D]):
    """Documents with an id each; the list takes no window."""

    def list_fields(self, fields: Sequence[str], *, exact: bool = False) -> Flow[list[PartialDocument]]:
        """All documents as dicts with `fields` only."""
        return self._pages(PartialDocument, self._fields(fields, exact))

    def list(self) -> Flow[list[D]]:
        """All documents, oldest first."""
        return self._pages(self.model, {})


@dataclass(frozen=True, kw_only=True)
class Samples(Kind[D]):
    """Points in time, without ids; an instant may hold one row per `source`."""

    is_series: ClassVar[bool] = True
    has_window: ClassVar[bool] = True
    bounds: ClassVar[tuple[str, str]] = ("start_datetime", "end_datetime")
    stride: timedelta = timedelta(days=30)
    instant: str = "timestamp"

    def list_fields(
        self, start: datetime, end: datetime, fields: Sequence[str], *, exact: bool = False
    ) -> Flow[list[PartialDocument]]:
        """The samples with start <= timestamp < end, as dicts with `fields` and `timestamp` only."""
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
    """Samples whose newest row can be asked for; elsewhere Oura ignores `latest` silently."""

    has_latest: ClassVar[bool] = True

    def latest(self) -> Flow[D | None]:
        """The newest sample, whenever it was; None before the first."""
        rows = yield from self._pages(self.model, {"latest": "true"})
        return rows[-1] if rows else None


@dataclass(frozen=True, kw_only=True)
class Single(Kind[D]):
    """A data type that is a single JSON object, not a list: `personal_info`."""

    is_single: ClassVar[bool] = True

    def raw_pages(self, take: Callable[[bytes], T], **params: str) -> Flow[list[T]]:
        """The object in Oura's own bytes, as the only page."""
        return [take((yield from ask(self.request(**params))))]

    def get(self) -> Flow[D]:
        """The object."""
        return decode((yield from ask(self.request())), self.model)


def _between(rows: list[T], start: datetime, end: datetime, when: Callable[[T], datetime]) -> list[T]:
    """The rows with start <= instant < end. They come in order, so that only the two ends are looked at."""
    first, last = to_ms(start), to_ms(end)
    low, high = 0, len(rows)
    while low < high and to_ms(when(rows[low])) < first:
        low += 1
    while high > low and to_ms(when(rows[high - 1])) >= last:
        high -= 1
    return rows if (low, high) == (0, len(rows)) else rows[low:high]


def decode(body: bytes, shape: type[T]) -> T:
    """JSON decoded into a type. Raises ServerError where the server does not keep to its own contract."""
    try:
        return msgspec.json.decode(body, type=shape)
    except DECODE_ERRORS as broken:
        raise ServerError(f"the answer is not what this route returns: {broken}", status=502) from broken


def _segment(id: str) -> str:
    # "." and ".." would be resolved away, "%2e" too by some; a line break would never leave the HTTP library.
    if not id.strip(".") or set(id) & set("/?#%") or not id.isprintable():
        raise UsageError(f"{id!r} cannot be a document id", cure="pass the `id` of a document")
    return id
