"""Parses the query of a data route: the window of the request, or `latest` for the newest row only.

Rules of this file:
* Queries are parsed as Oura parses them: bounds are dates or date-times, a missing bound has a default, and
  unknown parameters are ignored.
* A malformed value is refused with the messages of Oura's validator (FastAPI and Pydantic).
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from ..._api.catalog import AnyKind
from ..._api.windows import FIRST_MS, Span, default_days, default_instants, parse_bound
from ...errors import BadRequest
from ..core.answers import Invalid
from ..core.clock import Clock


def parse_query(query: bytes) -> dict[str, str]:
    """Parse a query string. If a parameter is repeated, its last value counts."""
    text = query.decode("latin-1")
    if "%" in text or "+" in text:
        return dict(parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace"))
    # Most queries contain nothing to unescape, and `parse_qsl` takes as long as reading the documents.
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return {name: value for name, _, value in pairs}


def wants_latest(kind: AnyKind, params: Mapping[str, str]) -> bool:
    """Whether the request asks for the newest row only (`latest`). Raises Invalid if it is not a boolean."""
    # Oura supports `latest` for two series, and ignores it in requests for other types.
    text = params.get("latest")
    if text is None or not kind.has_latest:
        return False
    if text.lower() in {"true", "1", "yes", "on", "t", "y"}:
        return True
    if text.lower() in {"false", "0", "no", "off", "f", "n", ""}:
        return False
    message = "Input should be a valid boolean, unable to interpret input"
    raise Invalid("bool_parsing", "latest", message, text)


def window_of(kind: AnyKind, params: Mapping[str, str], clock: Clock) -> Span:
    """The window of a request, with defaults for missing bounds; `Span(0, 0)` for a kind without windows.

    Raises Invalid for a malformed bound, BadRequest for a start after the end.
    """
    if not kind.has_window:
        return Span(0, 0)
    first, last = kind.bounds
    start, end = params.get(first), params.get(last)
    if start and end:
        span = Span(_bound(first, start), _bound(last, end))
    else:
        now = clock.now()
        usual = default_instants(now) if kind.is_series else default_days(now)
        closes = _bound(last, end) if end else usual.end
        opens = _bound(first, start) if start else max(FIRST_MS, closes - (usual.end - usual.start))
        span = Span(opens, closes)
    if span.start > span.end:
        raise BadRequest(
            f"Start must not be after end: {first}={start or 'default'} {last}={end or 'default'}"
        )
    return span


def is_cacheable(kind: AnyKind, query: bytes) -> bool:
    """Whether an answer may be cached until the archive changes.

    If a bound is missing, its default moves with the clock, so the answer is not cached.
    """
    return not kind.has_window or all(map(parse_query(query).get, kind.bounds))


def _bound(name: str, text: str) -> int:
    try:
        return parse_bound(text)
    except (ValueError, OverflowError):
        raise Invalid(
            "datetime_from_date_parsing",
            name,
            "Input should be a valid datetime or date",
            text[:100],
            error="invalid format",
        ) from None
