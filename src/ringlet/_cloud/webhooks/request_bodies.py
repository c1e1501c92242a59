"""Decodes and checks the bodies of create and update requests. No HTTP here.

Rules of this file:
* All that is wrong is said at once, field by field, in the shape and the words of the service's validator
  (pydantic 2, through FastAPI), because clients have learnt to read those.
* A flaw shows what came as `input`, but never a verification token nor what of a callback URL may be secret:
  its user, password and query. Flaws end in logs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec

from ..._api.wire import DECODE_ERRORS
from ..._webhooks.events import DATA_TYPES, EVENT_TYPES, EventType
from ..core.answers import Flaw

FIELDS: Mapping[str, Sequence[str] | None] = {
    "callback_url": None,
    "verification_token": None,
    "event_type": EVENT_TYPES,
    "data_type": DATA_TYPES,
}
"""The fields of a body, and the values that each may have; None: any text."""
MAX_FIELD_CHARS: Final = 2048
"""Characters of a field."""


@dataclass(frozen=True, kw_only=True)
class CreateBody:
    """The body of a create."""

    callback_url: str
    verification_token: str = field(repr=False)
    event_type: EventType
    data_type: str


@dataclass(frozen=True, kw_only=True)
class UpdateBody:
    """The body of an update; None leaves a field as it is."""

    verification_token: str = field(repr=False)
    callback_url: str | None = None
    event_type: EventType | None = None
    data_type: str | None = None


class Flawed(Exception):
    """A body that is refused with 422; `flaws` says why, field by field."""

    def __init__(self, *flaws: Flaw) -> None:
        super().__init__()
        self.flaws = flaws


def read_create(body: bytes) -> CreateBody:
    """The body of a create. Raises Flawed."""
    return CreateBody(**_read(body, frozenset(FIELDS)))


def read_update(body: bytes) -> UpdateBody:
    """The body of an update: only the verification token must be there. Raises Flawed."""
    return UpdateBody(**_read(body, frozenset({"verification_token"})))


def _read(body: bytes, required: frozenset[str]) -> dict[str, Any]:
    """The fields that were given. Raises Flawed."""
    if not body:
        raise Flawed(_flaw("missing", "Field required", None))
    try:
        sent = msgspec.json.decode(body)
    except DECODE_ERRORS as wrong:
        raise Flawed(_flaw("json_invalid", "JSON decode error", {}, error=str(wrong)[:200])) from None
    if not isinstance(sent, dict):
        words = "Input should be a valid dictionary or object to extract fields from"
        raise Flawed(_flaw("model_attributes_type", words, None))
    given = cast("dict[str, Any]", sent)
    if flaws := [flaw for name in FIELDS if (flaw := _check(given, name, required=name in required))]:
        raise Flawed(*flaws)
    return {name: given[name] for name in FIELDS if given.get(name) is not None}


def unproved(callback_url: str, why: str) -> Flawed:
    """The callback did not answer its challenge as it must."""
    words = f"The callback did not prove itself: {why}"
    return Flawed(_flaw("callback_unproved", words, _told("callback_url", callback_url), "callback_url"))


def _check(sent: Mapping[str, Any], name: str, *, required: bool) -> Flaw | None:
    """What is wrong with a field, if anything is."""
    value, words = sent.get(name), FIELDS[name]
    told = _told(name, value)
    if name not in sent and required:
        return _flaw("missing", "Field required", {one: _told(one, sent.get(one)) for one in FIELDS}, name)
    if value is None and not required:
        return None
    if words is not None and value not in words:
        expected = f"{', '.join(map(repr, words[:-1]))} or {words[-1]!r}"
        return _flaw("enum", f"Input should be {expected}", told, name, expected=expected)
    if not isinstance(value, str):
        return _flaw("string_type", "Input should be a valid string", told, name)
    if len(value) > MAX_FIELD_CHARS:
        words_ = f"String should have at most {MAX_FIELD_CHARS} characters"
        return _flaw("string_too_long", words_, told, name, max_length=MAX_FIELD_CHARS)
    return None


def _flaw(type: str, message: str, value: object, *where: str, **context: object) -> Flaw:
    flaw = {"type": type, "loc": ["body", *where], "msg": message, "input": value}
    return flaw | ({"ctx": context} if context else {})


def _told(name: str, value: object) -> object:
    """What may be repeated of what came."""
    if isinstance(value, str):
        if name == "verification_token":
            return "…"
        return bare(value)[:200]
    return value if isinstance(value, bool | int | float | None) else f"({type(value).__name__})"


def bare(url: str) -> str:
    """A URL without user, password, query and fragment, however badly it is written."""
    shown = re.split(r"[?#]", url, maxsplit=1)[0]
    if "@" in shown:
        return f"…@{shown.rpartition('@')[2]}"
    # A password may contain / ? or #, which end a host: half of the password would then pass for the host.
    has_path = "/" in shown.partition("://")[2]
    return "…" if "@" in url and not has_path else shown
