"""The interfaces of clients that run flows, and `Slot`, which makes `client.sleep` from `Catalog.sleep`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, TypeVar, overload

from .kinds import Kind
from .wire import Flow, R

K = TypeVar("K", bound=Kind[Any])
S = TypeVar("S")
A = TypeVar("A")


class Runner(ABC):
    """Runs flows and blocks until they end: the base class of `Client`."""

    @abstractmethod
    def run(self, flow: Flow[R]) -> R:
        """Send the requests of a flow and return its value."""


class AsyncRunner(ABC):
    """Runs flows and awaits their end: the base class of `AsyncClient`."""

    @abstractmethod
    async def run(self, flow: Flow[R]) -> R:
        """Send the requests of a flow and return its value."""


class Slot(Generic[K, S, A]):
    """A descriptor with one row of the table as its value on `Catalog`, and the row's face on a client.

    `Catalog.sleep` is the row (type `K`), `client.sleep` its methods on `Client` (type `S`), and
    `async_client.sleep` those on `AsyncClient` (type `A`). So a data type is named once, in the table, and
    type checkers infer all three types.
    """

    def __init__(
        self, kind: K, blocking: Callable[[K, Runner], S], awaited: Callable[[K, AsyncRunner], A]
    ) -> None:
        self.kind: K = kind
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
