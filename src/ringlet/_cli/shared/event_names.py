"""Parses names of events as users type them: `sleep.update`, and patterns such as `sleep.*`.

A name that matches nothing is an error, which suggests the nearest one that does.
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
    """A filter for events by comma-separated patterns. Raises UsageError where one matches nothing."""
    if patterns is None:
        return lambda event: True
    named = [pattern for pattern in patterns.split(",") if pattern.strip()]
    if not named:
        raise UsageError("expected names of events", cure="name some, as in 'sleep.*,daily_*.update'")
    names = frozenset[str]().union(*map(_named, named))
    return lambda event: f"{event.data_type}.{event.event_type}" in names


def _named(pattern: str) -> set[str]:
    type_, _, operation = pattern.strip().lower().partition(".")
    meant = f"{type_}.{operation or '*'}"
    names = {f"{data_type}.{event_type}" for data_type in DATA_TYPES for event_type in EVENT_TYPES}
    found = {name for name in names if fnmatchcase(name, meant)}
    if not found:
        raise UsageError(f"{meant!r} matches none of the events", cure=_suggestion(meant, names))
    return found


def _suggestion(meant: str, names: set[str]) -> str:
    near = get_close_matches(meant, sorted(names) + [f"{one}.*" for one in DATA_TYPES], 1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"write e.g. 'sleep.*'; the types are {', '.join(DATA_TYPES)}"


def data_types(names: Iterable[str]) -> list[str]:
    """The data types that names mean. Raises UsageError."""
    return [_known(name, DATA_TYPES, "a data type") for name in names]


def event_types(names: Sequence[str]) -> list[EventType]:
    """The kinds of change that names mean; without names all three. Raises UsageError."""
    return [_known(name, EVENT_TYPES, "an event") for name in names] or list(EVENT_TYPES)


def _known(name: str, known: Sequence[Any], what: str) -> Any:
    """The member of a list that a name means, in any case, with `-` or `_`. Raises UsageError."""
    meant = name.lower().replace("-", "_")
    if meant in known:
        return meant
    raise UsageError(f"{name!r} is not {what} to subscribe to", cure=nearest(name, known))
