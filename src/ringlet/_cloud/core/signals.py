"""Tells parts of the cloud that something has happened, without either side knowing the other."""

from __future__ import annotations

from collections.abc import Callable


class Signal:
    """A list of observers, called in the order in which they connected."""

    def __init__(self) -> None:
        self._observers: list[Callable[[], None]] = []

    def connect(self, observer: Callable[[], None]) -> None:
        """Call this observer at every `emit` from now on."""
        self._observers.append(observer)

    def emit(self) -> None:
        """Call every observer."""
        for observer in self._observers:
            observer()
