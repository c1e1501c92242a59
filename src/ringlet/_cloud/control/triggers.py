"""Triggers an event of any data type and operation on request, by changing a user's newest document.

    update    stores a new version of the newest document, with the overridden fields
    create    stores a copy of the newest document, with a new id and today's date
    delete    deletes the newest document

In three cases the event is published although no document changes: an update without overrides, a data type
without a data route, and a user without a document of that type. Oura sends such events, too, so receivers
must handle them.

Rules of this file:
* Document and event are stored in one transaction, so a client that fetches after the event sees the change.
* The names and values of overrides are checked against the model, so a misspelt name is refused. A nested
  field may be named without its parent if its name is unique: `score` instead of `readiness.score`.
"""

from __future__ import annotations

import difflib
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeAlias, cast, get_args

import msgspec

from ..._api.catalog import AnyKind
from ..._api.windows import Dialect
from ..._archive.archive import Archive
from ..._person.person import DOCUMENTS, Person
from ..._webhooks.events import DATA_TYPES, EVENT_TYPES, WEBHOOK_KINDS, EventType
from ...errors import BadRequest, UsageError
from ..core.clock import Clock
from ..webhooks.publisher import Published, Publisher

Document: TypeAlias = dict[str, Any]

EXAMPLE = "write TYPE.OPERATION, as in sleep.update"


@dataclass(frozen=True)
class Triggered:
    """The result of triggering an event."""

    published: Published
    changed: bool
    """Whether a document changed. If not, only the event was published."""


class Triggers:
    """Triggers events in one cloud."""

    def __init__(
        self, archive: Archive, clock: Clock, publisher: Publisher, dialect: Dialect = "live"
    ) -> None:
        self.archive = archive
        self.dialect: Dialect = dialect
        self.clock = clock
        self.publisher = publisher

    def fire(self, user: int, what: str, override: Mapping[str, Any] | None = None) -> Triggered:
        """Trigger the event `what`, such as `sleep.update`, for a user.

        Raises UsageError for an unknown event or override, and BadRequest 409 if the document was stored at a
        later time than the cloud's clock shows.
        """
        data_type, operation = parse(what)
        kind = WEBHOOK_KINDS.get(data_type)
        if override and (kind is None or operation == "delete"):
            raise UsageError(f"{what} has no fields to override", cure="leave the override out")
        with self.archive.transaction():
            id, events = str(uuid.uuid4()), list[Published]()
            if kind is not None:
                id, events = self._change(user, kind, operation, override or {}, id)
            if events:
                return Triggered(events[0], changed=True)
            return Triggered(self.publisher.publish(user, operation, data_type, id), changed=False)

    def _change(
        self, user: int, kind: AnyKind, operation: EventType, override: Mapping[str, Any], fresh: str
    ) -> tuple[str, list[Published]]:
        """Change the document of a triggered event; `fresh` is the id of a created one.

        Returns the document's id, and a list of the published event, empty if nothing changed.
        """
        now = self.clock.ms()
        body = self.archive.latest(user, kind)
        if operation == "create":
            copied = msgspec.json.decode(body or self._simulated_document(kind), type=Document)
            copied = moved(copied | {"id": fresh}, self._days_since(copied, kind))
            text = msgspec.json.encode(overridden(kind, copied, override))
            return fresh, self.publisher.put(user, kind, text, seen_at=now)
        if body is None:
            if override:
                raise UsageError(
                    f"the user has no {kind.name} to update", cure=f"make one first: {kind.webhook}.create"
                )
            return fresh, []
        document = msgspec.json.decode(body, type=Document)
        id = str(document["id"])
        if operation == "delete":
            return id, self.publisher.delete(user, kind, id, at=now)
        if not override:
            return id, []
        text = msgspec.json.encode(overridden(kind, document, override))
        events = self.publisher.put(user, kind, text, seen_at=now)
        if not events and msgspec.json.decode(text) != document:
            raise BadRequest(
                f"the newest {kind.name} was stored at a later time than the cloud's clock shows",
                status=409,
                cure="advance the clock beyond it",
            )
        return id, events

    def _simulated_document(self, kind: AnyKind) -> bytes:
        """The newest document of a simulated person, to be copied for a user who has no document of a type.

        Raises UsageError for a data type that the simulated wearer does not write.
        """
        if kind.name not in DOCUMENTS:
            raise UsageError(
                f"the simulated wearer does not write {kind.name}, so a trigger has nothing to copy",
                cure=f"trigger {kind.webhook}.update, which sends the event without a document",
            )
        person, day = Person(user="trigger", dialect=self.dialect), self.clock.now().date()
        while True:
            for item in person.documents(kind.name, day, day):
                return item.body
            day -= timedelta(days=1)

    def _days_since(self, document: Document, kind: AnyKind) -> timedelta:
        today = self.clock.now().date()
        day: str = document.get(kind.day or "set_up_at") or today.isoformat()
        return max(today - date.fromisoformat(day[:10]), timedelta(0))


def parse(what: str) -> tuple[str, EventType]:
    """Split the name of an event, such as `sleep.update`, into data type and operation. Raises UsageError."""
    data_type, _, operation = what.strip().partition(".")
    data_type = _FOLDED.get(data_type.lower().replace("-", "_"), data_type)
    if data_type not in DATA_TYPES:
        raise UsageError(
            f"{what!r} is not an event: unknown data type {data_type!r}{_suggestion(data_type, DATA_TYPES)}"
            f"; there are {', '.join(DATA_TYPES)}",
            cure=EXAMPLE,
        )
    if not operation:
        raise UsageError(
            f"{what!r} lacks an operation: one of {', '.join(EVENT_TYPES)}",
            cure=f"write {data_type}.update, or another operation",
        )
    if operation not in EVENT_TYPES:
        raise UsageError(
            f"{what!r} is not an event: unknown operation {operation!r}{_suggestion(operation, EVENT_TYPES)}"
            f"; there are {', '.join(EVENT_TYPES)}",
            cure=EXAMPLE,
        )
    return data_type, operation


_FOLDED = {name.lower(): name for name in DATA_TYPES}


def moved(document: Document, by: timedelta) -> Document:
    """Copy a document and move all its days and instants later by `by`, whole days. Times of day stay."""
    return cast(Document, _moved(document, by))


_DATED = re.compile(r"(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}.*)?")


def _moved(value: Any, by: timedelta) -> Any:
    if isinstance(value, dict):
        return {name: _moved(one, by) for name, one in cast(Document, value).items()}
    if isinstance(value, list):
        return [_moved(one, by) for one in cast(Sequence[Any], value)]
    dated = _DATED.fullmatch(value) if isinstance(value, str) else None
    if dated is None:
        return value
    return (date.fromisoformat(dated[1]) + by).isoformat() + (dated[2] or "")


def overridden(kind: AnyKind, document: Document, override: Mapping[str, Any]) -> Document:
    """Copy a document and replace the values of the fields that `override` names.

    The name of a nested field has dots, as in `contributors.deep_sleep`. Raises UsageError for an unknown
    name or a value of the wrong type.
    """
    for name, value in override.items():
        document = _with(document, kind.model, _path(kind.model, name), value, name)
    try:
        msgspec.convert(document, kind.model)
    except msgspec.ValidationError as wrong:
        raise UsageError(
            f"these values do not fit {kind.name}: {wrong}",
            cure="override with a value of that type",
        ) from None
    return document


def _with(document: Document, model: Any, path: Sequence[str], value: Any, whole: str) -> Document:
    types = {field.encode_name: field.type for field in msgspec.structs.fields(model)}
    first, *rest = path
    inner = _struct(types.get(first))
    if (first not in types and first not in document) or first == "id" or (rest and inner is None):
        known = sorted({*types, *document} - {"id"})
        raise UsageError(
            f"no field {whole!r} to override{_suggestion(first, known) or _choices(known)}",
            cure="name a field of the document; write a field inside another as outer.inner",
        )
    if rest:
        value = _with(document.get(first) or {}, inner, rest, value, whole)
    return document | {first: value}


def _path(model: type[msgspec.Struct], name: str) -> Sequence[str]:
    """Return the path of the field that `name` means: `["readiness", "score"]` for `readiness.score`.

    The name of a nested field may lack its parent if only one parent has a field of that name.
    """
    fields = msgspec.structs.fields(model)
    if "." in name or name in {field.encode_name for field in fields}:
        return name.split(".")
    inside = [
        [field.encode_name, name]
        for field in fields
        if (inner := _struct(field.type))
        and name in {one.encode_name for one in msgspec.structs.fields(inner)}
    ]
    return inside[0] if len(inside) == 1 else [name]


def _struct(annotation: Any) -> type[msgspec.Struct] | None:
    """The model in the type of a field, such as `Contributors` in `Contributors | None`; None without one."""
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            return one
    return None


def _choices(known: Sequence[str]) -> str:
    return f"; there are {', '.join(known)}"


def _suggestion(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
