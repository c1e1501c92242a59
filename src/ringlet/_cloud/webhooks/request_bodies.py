"""Decodes and checks the bodies of requests that create or update a subscription. No HTTP here.

Rules of this file:
* One answer reports the errors of all fields, in the form and words of Oura's validator (pydantic 2, through
  FastAPI), because clients parse these.
* An error repeats the offending value as `input`, but never a verification token, nor the user, password or
  query of a callback URL, because clients log errors.
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
"""The fields of a body and the values that each may have; None allows any text."""
MAX_FIELD_CHARS: Final = 2048
"""The most characters that a field of a body may have."""


@dataclass(frozen=True, kw_only=True)
class CreateBody:
    """The body of a request that creates a subscription."""

    callback_url: str
    verification_token: str = field(repr=False)
    event_type: EventType
    data_type: str


@dataclass(frozen=True, kw_only=True)
class UpdateBody:
    """The body of a request that updates a subscription; None leaves a field unchanged."""

    verification_token: str = field(repr=False)
    callback_url: str | None = None
    event_type: EventType | None = None
    data_type: str | None = None


class Flawed(Exception):
    """Raised for an invalid body, which is answered with 422; `flaws` lists the errors, field by field."""

    def __init__(self, *flaws: Flaw) -> None:
        super().__init__()
        self.flaws = flaws


def read_create(body: bytes) -> CreateBody:
    """Decode the body of a request that creates a subscription. Raises Flawed if it is invalid."""
    return CreateBody(**_read(body, frozenset(FIELDS)))


def read_update(body: bytes) -> UpdateBody:
    """Decode the body of an update. Raises Flawed if it is invalid or lacks the verification token."""
    return UpdateBody(**_read(body, frozenset({"verification_token"})))


def _read(body: bytes, required: frozenset[str]) -> dict[str, Any]:
    """Decode the fields of a body that are not null. Raises Flawed if the body is invalid."""
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
    """Return the error for a callback that failed its challenge; `why` is a sentence about the callback."""
    words = f"The callback failed its challenge: {why}"
    return Flawed(_flaw("callback_unproved", words, _redacted("callback_url", callback_url), "callback_url"))


def _check(sent: Mapping[str, Any], name: str, *, required: bool) -> Flaw | None:
    """The error of one field; None if the field is valid."""
    value, words = sent.get(name), FIELDS[name]
    shown = _redacted(name, value)
    if name not in sent and required:
        return _flaw(
            "missing", "Field required", {key: _redacted(key, sent.get(key)) for key in FIELDS}, name
        )
    if value is None and not required:
        return None
    if words is not None and value not in words:
        expected = f"{', '.join(map(repr, words[:-1]))} or {words[-1]!r}"
        return _flaw("enum", f"Input should be {expected}", shown, name, expected=expected)
    if not isinstance(value, str):
        return _flaw("string_type", "Input should be a valid string", shown, name)
    if len(value) > MAX_FIELD_CHARS:
        words_ = f"String should have at most {MAX_FIELD_CHARS} characters"
        return _flaw("string_too_long", words_, shown, name, max_length=MAX_FIELD_CHARS)
    return None


def _flaw(type: str, message: str, value: object, *where: str, **context: object) -> Flaw:
    flaw = {"type": type, "loc": ["body", *where], "msg": message, "input": value}
    return flaw | ({"ctx": context} if context else {})


def _redacted(name: str, value: object) -> object:
    """Remove the secrets from the value of a field, so that an error may repeat the value."""
    if isinstance(value, str):
        if name == "verification_token":
            return "…"
        return bare(value)[:200]
    return value if isinstance(value, bool | int | float | None) else f"({type(value).__name__})"


def bare(url: str) -> str:
    """Remove user, password, query and fragment from a URL, even if it is malformed."""
    shown = re.split(r"[?#]", url, maxsplit=1)[0]
    if "@" in shown:
        return f"…@{shown.rpartition('@')[2]}"
    # A password may contain / ? or #, which end the host of a URL. The part of the password before such a
    # character would look like the host.
    has_path = "/" in shown.partition("://")[2]
    return "…" if "@" in url and not has_path else shown
