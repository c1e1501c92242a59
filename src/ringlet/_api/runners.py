"""Runners, which run flows and block or await, and `Slot`, which gives each runner its face of a row."""

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
    """Something that runs flows and blocks: a `Client`."""

    @abstractmethod
    def run(self, flow: Flow[R]) -> R:
        """Send the requests of a flow and return its value."""


class AsyncRunner(ABC):
    """Something that runs flows and awaits: an `AsyncClient`."""

    @abstractmethod
    async def run(self, flow: Flow[R]) -> R:
        """Send the requests of a flow and return its value."""


class Slot(Generic[K, S, A]):
    """The descriptor of a row: the row on the class, its face on a client.

    `S` is its face on a client that blocks, `A` on one that awaits. So the name of a data type is written
    once, in the table, and type checkers know all three.
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
