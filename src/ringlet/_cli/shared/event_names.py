"""Events by the names that people type: `sleep.update`, and patterns of such names.

Rules of this file:
* A name that means nothing is an error which says what may have been meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from ..._webhooks.events import DATA_TYPES, EVENT_TYPES, Event, EventType
from ...errors import UsageError
from .suggest import nearest


def wanted_events(patterns: str | None) -> Callable[[Event], bool]:
    """Whether an event is among those that patterns name. Raises UsageError for one that names none."""
    if patterns is None:
        return lambda event: True
    named = [pattern for pattern in patterns.split(",") if pattern.strip()]
    if not named:
        raise UsageError("no event is named", cure="name some, as in 'sleep.*,daily_*.update'")
    names = frozenset[str]().union(*map(_named, named))
    return lambda event: f"{event.data_type}.{event.event_type}" in names


def _named(pattern: str) -> set[str]:
    type_, _, operation = pattern.strip().lower().partition(".")
    meant = f"{type_}.{operation or '*'}"
    names = {f"{data_type}.{event_type}" for data_type in DATA_TYPES for event_type in EVENT_TYPES}
    found = {name for name in names if fnmatchcase(name, meant)}
    if not found:
        raise UsageError(f"no event is called {meant!r}", cure=_suggestion(meant, names))
    return found


def _suggestion(meant: str, names: set[str]) -> str:
    near = get_close_matches(meant, sorted(names) + [f"{one}.*" for one in DATA_TYPES], 1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"write e.g. 'sleep.*'; the types are {', '.join(DATA_TYPES)}"


def data_types(names: Iterable[str]) -> list[str]:
    """The data types that are meant. Raises UsageError."""
    return [_known(name, DATA_TYPES, "data type") for name in names]


def event_types(names: Sequence[str]) -> list[EventType]:
    """The kinds of change that are meant; all three, where none is named. Raises UsageError."""
    return [_known(name, EVENT_TYPES, "event") for name in names] or list(EVENT_TYPES)


def _known(name: str, known: Sequence[Any], what: str) -> Any:
    """The one of a list that is meant, however it is spelled. Raises UsageError."""
    meant = name.lower().replace("-", "_")
    if meant in known:
        return meant
    raise UsageError(f"there is no {what} {name!r} to subscribe to", cure=nearest(name, known))
