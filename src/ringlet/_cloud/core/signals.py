"""The observer pattern: one part of the cloud notifies others that it does not import."""

from __future__ import annotations

from collections.abc import Callable


class Signal:
    """A list of observers, which `emit` calls in the order in which they were connected."""

    def __init__(self) -> None:
        self._observers: list[Callable[[], None]] = []

    def connect(self, observer: Callable[[], None]) -> None:
        """Add an observer, a function that every later `emit` calls."""
        self._observers.append(observer)

    def emit(self) -> None:
        """Call every connected observer."""
        for observer in self._observers:
            observer()
