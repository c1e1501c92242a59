"""How a row of the table looks on a client that blocks, and on one that awaits.

`Catalog.sleep` is the row itself; `client.sleep` is a Collection that blocks; `async_client.sleep` is an
AsyncCollection that awaits. The name is written once, in the table. Each method is one line: the flow of the
row, carried out by the runner.

Rules of this file:
* No logic: what to ask and what it means stands in `kinds`.
* `list` stands last in its class, because it hides the builtin from there on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Generic, TypeVar, overload

from .kinds import D, Documents, Inventory, Kind, LiveSamples, Samples, Single, Sparse
from .windows import check_instants, pieces
from .wire import Flow, R

K = TypeVar("K", bound=Kind[Any])
S = TypeVar("S")
A = TypeVar("A")

PIECE = timedelta(days=7)
"""How much of a series `windows` holds at a time: some 10,000 heart-rate rows."""


class Runner(ABC):
    """Something that carries out flows and blocks."""

    @abstractmethod
    def run(self, flow: Flow[R]) -> R:
        """Carry a flow out and return its value."""


class AsyncRunner(ABC):
    """Something that carries out flows and awaits."""

    @abstractmethod
    async def run(self, flow: Flow[R]) -> R:
        """Carry a flow out and return its value."""


@dataclass(frozen=True)
class Collection(Generic[D]):
    """Documents filed under days. See `kinds.Documents`."""

    kind: Documents[D]
    runner: Runner

    def get(self, id: str) -> D:
        """One document by its id. Raises DocumentNotFound."""
        return self.runner.run(self.kind.get(id))

    @overload
    def list(self, start: date, end: date, *, fields: None = None, exact: bool = False) -> list[D]: ...
    @overload
    def list(self, start: date, end: date, *, fields: Sequence[str], exact: bool = False) -> list[Sparse]: ...
    def list(
        self, start: date, end: date, *, fields: Sequence[str] | None = None, exact: bool = False
    ) -> list[D] | list[Sparse]:
        """The documents of days `start`..`end`, both included, in the wearer's time; oldest first."""
        if fields is None:
            return self.runner.run(self.kind.list(start, end, exact=exact))
        return self.runner.run(self.kind.some(start, end, fields, exact=exact))


@dataclass(frozen=True)
class AsyncCollection(Generic[D]):
    """Documents filed under days, awaited. See `kinds.Documents`."""

    kind: Documents[D]
    runner: AsyncRunner

    async def get(self, id: str) -> D:
        """One document by its id. Raises DocumentNotFound."""
        return await self.runner.run(self.kind.get(id))

    @overload
    async def list(self, start: date, end: date, *, fields: None = None, exact: bool = False) -> list[D]: ...
    @overload
    async def list(
        self, start: date, end: date, *, fields: Sequence[str], exact: bool = False
    ) -> list[Sparse]: ...
    async def list(
        self, start: date, end: date, *, fields: Sequence[str] | None = None, exact: bool = False
    ) -> list[D] | list[Sparse]:
        """The documents of days `start`..`end`, both included, in the wearer's time; oldest first."""
        if fields is None:
            return await self.runner.run(self.kind.list(start, end, exact=exact))
        return await self.runner.run(self.kind.some(start, end, fields, exact=exact))


@dataclass(frozen=True)
class Shelf(Generic[D]):
    """Documents without a window. See `kinds.Inventory`."""

    kind: Inventory[D]
    runner: Runner

    def get(self, id: str) -> D:
        """One document by its id. Raises DocumentNotFound."""
        return self.runner.run(self.kind.get(id))

    @overload
    def list(self, *, fields: None = None) -> list[D]: ...
    @overload
    def list(self, *, fields: Sequence[str]) -> list[Sparse]: ...
    def list(self, *, fields: Sequence[str] | None = None) -> list[D] | list[Sparse]:
        """All of them, oldest first."""
        if fields is None:
            return self.runner.run(self.kind.list())
        return self.runner.run(self.kind.some(fields))


@dataclass(frozen=True)
class AsyncShelf(Generic[D]):
    """Documents without a window, awaited. See `kinds.Inventory`."""

    kind: Inventory[D]
    runner: AsyncRunner

    async def get(self, id: str) -> D:
        """One document by its id. Raises DocumentNotFound."""
        return await self.runner.run(self.kind.get(id))

    @overload
    async def list(self, *, fields: None = None) -> list[D]: ...
    @overload
    async def list(self, *, fields: Sequence[str]) -> list[Sparse]: ...
    async def list(self, *, fields: Sequence[str] | None = None) -> list[D] | list[Sparse]:
        """All of them, oldest first."""
        if fields is None:
            return await self.runner.run(self.kind.list())
        return await self.runner.run(self.kind.some(fields))


@dataclass(frozen=True)
class Series(Generic[D]):
    """Points in time. See `kinds.Samples`."""

    kind: Samples[D]
    runner: Runner

    def windows(self, start: datetime, end: datetime, *, stride: timedelta = PIECE) -> Iterator[list[D]]:
        """The samples of `start`..`end` piece by piece, so that years never sit in memory at once."""
        check_instants(start, end)
        for first, last in pieces(start, end, stride):
            yield self.list(first, last)

    @overload
    def list(
        self, start: datetime, end: datetime, *, fields: None = None, exact: bool = False
    ) -> list[D]: ...
    @overload
    def list(
        self, start: datetime, end: datetime, *, fields: Sequence[str], exact: bool = False
    ) -> list[Sparse]: ...
    def list(
        self, start: datetime, end: datetime, *, fields: Sequence[str] | None = None, exact: bool = False
    ) -> list[D] | list[Sparse]:
        """The samples with start <= timestamp < end, oldest first."""
        if fields is None:
            return self.runner.run(self.kind.list(start, end, exact=exact))
        return self.runner.run(self.kind.some(start, end, fields, exact=exact))


@dataclass(frozen=True)
class LiveSeries(Series[D]):
    """Points in time whose newest can be asked for. See `kinds.LiveSamples`."""

    kind: LiveSamples[D]

    def latest(self) -> D | None:
        """The newest sample, whenever it was; None before the first."""
        return self.runner.run(self.kind.latest())


@dataclass(frozen=True)
class AsyncSeries(Generic[D]):
    """Points in time, awaited. See `kinds.Samples`."""

    kind: Samples[D]
    runner: AsyncRunner

    async def windows(
        self, start: datetime, end: datetime, *, stride: timedelta = PIECE
    ) -> AsyncIterator[list[D]]:
        """The samples of `start`..`end` piece by piece, so that years never sit in memory at once."""
        check_instants(start, end)
        for first, last in pieces(start, end, stride):
            yield await self.list(first, last)

    @overload
    async def list(
        self, start: datetime, end: datetime, *, fields: None = None, exact: bool = False
    ) -> list[D]: ...
    @overload
    async def list(
        self, start: datetime, end: datetime, *, fields: Sequence[str], exact: bool = False
    ) -> list[Sparse]: ...
    async def list(
        self, start: datetime, end: datetime, *, fields: Sequence[str] | None = None, exact: bool = False
    ) -> list[D] | list[Sparse]:
        """The samples with start <= timestamp < end, oldest first."""
        if fields is None:
            return await self.runner.run(self.kind.list(start, end, exact=exact))
        return await self.runner.run(self.kind.some(start, end, fields, exact=exact))


@dataclass(frozen=True)
class AsyncLiveSeries(AsyncSeries[D]):
    """Points in time whose newest can be asked for, awaited. See `kinds.LiveSamples`."""

    kind: LiveSamples[D]

    async def latest(self) -> D | None:
        """The newest sample, whenever it was; None before the first."""
        return await self.runner.run(self.kind.latest())


@dataclass(frozen=True)
class Card(Generic[D]):
    """One object. See `kinds.Single`."""

    kind: Single[D]
    runner: Runner

    def get(self) -> D:
        """The object."""
        return self.runner.run(self.kind.get())


@dataclass(frozen=True)
class AsyncCard(Generic[D]):
    """One object, awaited. See `kinds.Single`."""

    kind: Single[D]
    runner: AsyncRunner

    async def get(self) -> D:
        """The object."""
        return await self.runner.run(self.kind.get())


class Slot(Generic[K, S, A]):
    """A row in a class body: itself on the class, `S` on a client that blocks, `A` on one that awaits."""

    def __init__(
        self, kind: K, blocking: Callable[[K, Runner], S], awaited: Callable[[K, AsyncRunner], A]
    ) -> None:
        self.kind = kind
        self.blocking = blocking
        self.awaited = awaited

    def __set_name__(self, owner: type, name: str) -> None:
        self.kind = replace(self.kind, name=name)

    @overload
    def __get__(self, at: None, owner: type) -> K: ...
    @overload
    def __get__(self, at: Runner, owner: type) -> S: ...
    @overload
    def __get__(self, at: AsyncRunner, owner: type) -> A: ...
    def __get__(self, at: Runner | AsyncRunner | None, owner: type) -> K | S | A:
        if at is None:
            return self.kind
        return self.blocking(self.kind, at) if isinstance(at, Runner) else self.awaited(self.kind, at)
