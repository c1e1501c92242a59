"""The methods of each data type on `AsyncClient`; see `faces`, which documents their arguments and errors.

In each class `list` is defined last, because after it the name no longer means the builtin type.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Generic, overload

from .faces import DEFAULT_STRIDE
from .kinds import D, Documents, Inventory, LiveSamples, PartialDocument, Samples, Single
from .runners import AsyncRunner
from .windows import check_instants, pieces


@dataclass(frozen=True)
class AsyncDocumentsFace(Generic[D]):
    """The methods of a data type whose documents each belong to a day, e.g. `async_client.sleep`."""

    kind: Documents[D]
    runner: AsyncRunner

    async def get(self, id: str) -> D:
        """One document by its id. Arguments and errors: see `DocumentsFace.get`."""
        return await self.runner.run(self.kind.get(id))

    @overload
    async def list(self, start: date, end: date, *, fields: None = None, exact: bool = False) -> list[D]: ...
    @overload
    async def list(
        self, start: date, end: date, *, fields: Sequence[str], exact: bool = False
    ) -> list[PartialDocument]: ...
    async def list(
        self, start: date, end: date, *, fields: Sequence[str] | None = None, exact: bool = False
    ) -> list[D] | list[PartialDocument]:
        """The documents of the days `start` to `end`. Arguments and errors: see `DocumentsFace.list`."""
        if fields is None:
            return await self.runner.run(self.kind.list(start, end, exact=exact))
        return await self.runner.run(self.kind.list_fields(start, end, fields, exact=exact))


@dataclass(frozen=True)
class AsyncInventoryFace(Generic[D]):
    """The methods of a data type whose list takes no start and end: `async_client.ring_configuration`."""

    kind: Inventory[D]
    runner: AsyncRunner

    async def get(self, id: str) -> D:
        """One document by its id. Arguments and errors: see `InventoryFace.get`."""
        return await self.runner.run(self.kind.get(id))

    @overload
    async def list(self, *, fields: None = None) -> list[D]: ...
    @overload
    async def list(self, *, fields: Sequence[str]) -> list[PartialDocument]: ...
    async def list(self, *, fields: Sequence[str] | None = None) -> list[D] | list[PartialDocument]:
        """All documents, oldest first. Arguments and errors: see `InventoryFace.list`."""
        if fields is None:
            return await self.runner.run(self.kind.list())
        return await self.runner.run(self.kind.list_fields(fields))


@dataclass(frozen=True)
class AsyncSamplesFace(Generic[D]):
    """The methods of a series of samples: `async_client.interbeat_interval`."""

    kind: Samples[D]
    runner: AsyncRunner

    async def windows(
        self, start: datetime, end: datetime, *, stride: timedelta = DEFAULT_STRIDE
    ) -> AsyncIterator[list[D]]:
        """The samples, one list per `stride`. Arguments and errors: see `SamplesFace.windows`."""
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
    ) -> list[PartialDocument]: ...
    async def list(
        self, start: datetime, end: datetime, *, fields: Sequence[str] | None = None, exact: bool = False
    ) -> list[D] | list[PartialDocument]:
        """The samples with start <= timestamp < end. Arguments and errors: see `SamplesFace.list`."""
        if fields is None:
            return await self.runner.run(self.kind.list(start, end, exact=exact))
        return await self.runner.run(self.kind.list_fields(start, end, fields, exact=exact))


@dataclass(frozen=True)
class AsyncLiveSamplesFace(AsyncSamplesFace[D]):
    """The methods of a series whose newest sample can be requested, e.g. `async_client.heartrate`."""

    kind: LiveSamples[D]

    async def latest(self) -> D | None:
        """The newest sample; None if the series is empty. Errors: see `LiveSamplesFace.latest`."""
        return await self.runner.run(self.kind.latest())


@dataclass(frozen=True)
class AsyncSingleFace(Generic[D]):
    """The method of a data type that is one object: `async_client.personal_info`."""

    kind: Single[D]
    runner: AsyncRunner

    async def get(self) -> D:
        """The object of this data type. Errors: see `SingleFace.get`."""
        return await self.runner.run(self.kind.get())
