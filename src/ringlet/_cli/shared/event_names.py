"""Parses names of events as users type them: `sleep.update`, and patterns such as `sleep.*`.

A name that matches no event raises an error that suggests the most similar name.
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
    """Return a filter that accepts the events that match one of the comma-separated patterns.

    None accepts all events. Raises UsageError if a pattern matches no event.
    """
    if patterns is None:
        return lambda event: True
    named = [pattern for pattern in patterns.split(",") if pattern.strip()]
    if not named:
        raise UsageError("expected names of events", cure="write e.g. 'sleep.*,daily_*.update'")
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
    near = get_close_matches(meant, sorted(names) + [f"{data_type}.*" for data_type in DATA_TYPES], 1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"write e.g. 'sleep.*'; the types are {', '.join(DATA_TYPES)}"


def data_types(names: Iterable[str]) -> list[str]:
    """Convert names that the user typed to data types of webhooks. Raises UsageError for an unknown name."""
    return [_known(name, DATA_TYPES, "a data type") for name in names]


def event_types(names: Sequence[str]) -> list[EventType]:
    """Convert names that the user typed to event types (create, update, delete). Without names, returns all.

    Raises UsageError for an unknown name.
    """
    return [_known(name, EVENT_TYPES, "an event") for name in names] or list(EVENT_TYPES)


def _known(name: str, known: Sequence[Any], what: str) -> Any:
    """Find a name in `known`, ignoring case and reading `-` as `_`. Raises UsageError if it is not there."""
    meant = name.lower().replace("-", "_")
    if meant in known:
        return meant
    raise UsageError(f"{name!r} is not {what} to subscribe to", cure=nearest(name, known))
